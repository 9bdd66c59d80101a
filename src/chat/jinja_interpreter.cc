#include "jinja_interpreter.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::jinja_rendering {
namespace {

constexpr uint64_t kStepsMax = 5'000'000;
constexpr uint64_t kTextBytesPerStep = 1024;
constexpr uint64_t kItemsPerStep = 16;
constexpr size_t kOutputBytesMax = size_t{1} << 31;
constexpr int kMacroDepthMax = 100;

const Value* FindName(const std::vector<std::pair<std::string, Value>>& names, const std::string& name) {
  for (const auto& [key, value] : names) {
    if (key == name) return &value;
  }
  return nullptr;
}

void SetName(std::vector<std::pair<std::string, Value>>& names, const std::string& name, Value value) {
  if (Value* found = const_cast<Value*>(FindName(names, name)); found != nullptr) {
    *found = std::move(value);
  } else {
    names.emplace_back(name, std::move(value));
  }
}

}  // namespace

void Interpreter::SetVariable(std::string name, Value value) { SetName(scopes_.front().names, name, std::move(value)); }

std::string Interpreter::Run(const Program& program) {
  RunAll(program.body, scopes_.front());
  return std::move(out_);
}

Interpreter::Scope& Interpreter::NewScope(const Scope& parent, std::shared_ptr<Loop> loop) {
  return scopes_.emplace_back(Scope{&parent, std::move(loop), {}});
}

void Interpreter::DropScopes(const ScopeMark& mark) {
  if (mark.macros != macros_made_) return;
  while (scopes_.size() > mark.scopes) scopes_.pop_back();
}

void Interpreter::Step(const Node& node) {
  line_ = node.line;
  if (++steps_ > kStepsMax) Refuse("a rendering of more than 5 million steps");
}

Value Interpreter::Charged(Value value) {
  if (value.is_text()) steps_ += value.bytes().size() / kTextBytesPerStep;
  if (value.is_list()) steps_ += value.items().size() / kItemsPerStep;
  return value;
}

Interpreter::Flow Interpreter::RunAll(const Nodes& nodes, Scope& scope) {
  for (const std::unique_ptr<Node>& node : nodes) {
    const Flow flow = RunOne(*node, scope);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::RunOne(const Node& node, Scope& scope) {
  Step(node);
  switch (node.op) {
    case Op::kOutput: Write(Evaluate(*node.first[0], scope)); break;
    case Op::kIf: return RunAll(Evaluate(*node.first[0], scope).Truth() ? node.body : node.other, scope);
    case Op::kFor: return RunFor(node, scope);
    case Op::kSet: RunSet(node, scope); break;
    case Op::kMacro: SetName(scope.names, node.name, MakeMacro(node, node.first, scope, node.name)); break;
    case Op::kCallBlock: RunCallBlock(node, scope); break;
    case Op::kFilterBlock: {
      const Value body = Capture(node.body, scope);
      Arguments arguments = EvaluateArguments(*node.first[0], scope);
      Write(ApplyFilter(node.first[0]->name, body, arguments));
      break;
    }
    case Op::kBreak: return Flow::kBreak;
    case Op::kContinue: return Flow::kContinue;
    default: Fail("an expression stands where a statement is needed");
  }
  return Flow::kNext;
}

void Interpreter::Write(const Value& value) {
  const size_t begin = out_.size();
  value.AppendStr(out_);
  if (out_.size() > kOutputBytesMax) Refuse("a prompt of more than 2 GiB");
  const Origin origin = value.origin();
  if (origin == kFromTemplate || out_.size() == begin) return;
  captured_origin_ = Join(captured_origin_, origin);
  if (captures_ == 0) origins_.push_back({begin, out_.size(), origin});
}

Value Interpreter::Capture(const Nodes& body, Scope& scope) {
  std::string outer = std::exchange(out_, std::string());
  const Origin outer_origin = std::exchange(captured_origin_, kFromTemplate);
  ++captures_;
  RunAll(body, scope);
  --captures_;
  Value captured(std::exchange(out_, std::move(outer)), captured_origin_);
  captured_origin_ = outer_origin;
  return captured;
}

void Interpreter::Bind(const std::vector<std::string>& names, Value value, Scope& scope) {
  if (names.size() == 1) {
    SetName(scope.names, names[0], std::move(value));
    return;
  }
  const std::vector<Value> items = Iterate(value);
  if (items.size() != names.size()) {
    Fail(fmt::format("{} values to unpack (expected {})", items.size() < names.size() ? "not enough" : "too many",
                     names.size()));
  }
  for (size_t i = 0; i < names.size(); ++i) SetName(scope.names, names[i], items[i]);
}

Interpreter::Flow Interpreter::RunFor(const Node& node, Scope& scope) {
  std::vector<Value> items = Iterate(Evaluate(*node.first[0], scope));
  if (node.first[1]) {
    std::vector<Value> kept;
    for (Value& item : items) {
      const ScopeMark mark = MarkScopes();
      Scope& trial = NewScope(scope);
      Bind(node.names, item, trial);
      if (Evaluate(*node.first[1], trial).Truth()) kept.push_back(std::move(item));
      DropScopes(mark);
    }
    items = std::move(kept);
  }
  if (items.empty()) return RunAll(node.other, NewScope(scope));
  auto loop = std::make_shared<Loop>();
  loop->items = &items;
  const std::shared_ptr<Loop>* outer = FindLoop(scope);
  loop->depth = outer != nullptr ? (*outer)->depth + 1 : 0;
  Flow flow = Flow::kNext;
  for (loop->index = 0; loop->index < items.size() && flow != Flow::kBreak; ++loop->index) {
    const Value& item = items[loop->index];
    if (captures_ == 0)
      iterations_.push_back({out_.size(), item.is_dict() ? item.dict().origin : kFromTemplate, loop->depth});
    const ScopeMark mark = MarkScopes();
    Scope& body = NewScope(scope, loop);
    Bind(node.names, item, body);
    Step(node);
    flow = RunAll(node.body, body);
    DropScopes(mark);
  }
  loop->items = nullptr;
  return Flow::kNext;
}

void Interpreter::RunSet(const Node& node, Scope& scope) {
  Value value = node.first[0] ? Evaluate(*node.first[0], scope) : Capture(node.body, NewScope(scope));
  if (node.first.size() == 1) {
    Bind(node.names, std::move(value), scope);
    return;
  }
  const Value space = Evaluate(*node.first[1], scope);
  if (!space.is_namespace()) Fail("cannot assign attribute on non-namespace object");
  if (node.name.starts_with('_')) Fail("Chat templates cannot store underscore-prefixed attributes on a namespace");
  SetName(space.space().members, node.name, std::move(value));
}

Value Interpreter::MakeMacro(const Node& node, const Nodes& defaults, Scope& scope, std::string name) {
  // Borrows the node and the scope, which from now on lives as long as the rendering.
  ++macros_made_;
  return Callable{name, [this, &node, &defaults, &scope, name](Arguments& arguments) {
                    if (++macro_depth_ > kMacroDepthMax) Fail("maximum recursion depth exceeded");
                    const ScopeMark mark = MarkScopes();
                    Scope& inner = NewScope(scope);
                    if (arguments.positional.size() > node.names.size()) {
                      Fail(fmt::format("macro '{}' takes not more than {} argument(s)", name, node.names.size()));
                    }
                    for (const auto& [key, value] : arguments.named) {
                      if (key != "caller" && std::find(node.names.begin(), node.names.end(), key) == node.names.end()) {
                        Fail(fmt::format("macro '{}' takes no keyword argument '{}'", name, key));
                      }
                    }
                    for (size_t i = 0; i < node.names.size(); ++i) {
                      const Value* given = i < arguments.positional.size() ? &arguments.positional[i]
                                                                           : FindName(arguments.named, node.names[i]);
                      Value value = given != nullptr ? *given
                                    : defaults[i]    ? Evaluate(*defaults[i], inner)
                                                     : Value::UndefinedNamed(node.names[i]);
                      SetName(inner.names, node.names[i], std::move(value));
                    }
                    if (const Value* caller = FindName(arguments.named, "caller")) SetName(inner.names, "caller", *caller);
                    Value text = Capture(node.body, inner);
                    --macro_depth_;
                    DropScopes(mark);
                    return text;
                  }};
}

void Interpreter::RunCallBlock(const Node& node, Scope& scope) {
  const Node& call = *node.first[0];
  const Value callee = Evaluate(*call.first[0], scope);
  if (!callee.is_callable()) Fail(fmt::format("'{}' object is not callable", callee.type_name()));
  Arguments arguments = EvaluateArguments(call, scope);
  arguments.named.emplace_back("caller", MakeMacro(node, node.second, scope, "caller"));
  Write(callee.callable().call(arguments));
}

Value Interpreter::Lookup(const std::string& name, const Scope& scope) {
  for (const Scope* at = &scope; at != nullptr; at = at->parent) {
    if (const Value* found = FindName(at->names, name)) return *found;
    if (at->loop && name == "loop") {
      auto space = std::make_shared<Namespace>();
      for (const char* member : {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
                                 "previtem", "nextitem"}) {
        space->members.emplace_back(member, LoopMember(at->loop, member));
      }
      return space;
    }
  }
  return GlobalFunction(name, now_local_s_);
}

const std::shared_ptr<Interpreter::Loop>* Interpreter::FindLoop(const Scope& scope) {
  for (const Scope* at = &scope; at != nullptr; at = at->parent) {
    if (at->loop) return &at->loop;
  }
  return nullptr;
}

Value Interpreter::LoopMember(const std::shared_ptr<Loop>& loop, const std::string& name) {
  if (loop->items == nullptr) Refuse("a loop used after its end");
  const size_t index = loop->index;
  const size_t size = loop->items->size();
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == size;
  if (name == "length") return size;
  if (name == "revindex") return size - index;
  if (name == "revindex0") return size - index - 1;
  if (name == "depth") return loop->depth + 1;
  if (name == "depth0") return loop->depth;
  if (name == "previtem") return index > 0 ? (*loop->items)[index - 1] : Value::UndefinedNamed("there is no previous item");
  if (name == "nextitem")
    return index + 1 < size ? (*loop->items)[index + 1] : Value::UndefinedNamed("there is no next item");
  if (name == "cycle") {
    return Callable{"cycle", [index](Arguments& arguments) {
                      if (arguments.positional.empty()) Fail("no items for cycling given");
                      return arguments.positional[index % arguments.positional.size()];
                    }};
  }
  if (name == "changed") {
    return Callable{"changed", [loop](Arguments& arguments) {
                      const bool same = loop->has_changed && Equal(List{loop->last_changed}, List{arguments.positional});
                      loop->has_changed = true;
                      loop->last_changed = arguments.positional;
                      return Value(!same);
                    }};
  }
  return Value::UndefinedNamed(name);
}

Arguments Interpreter::EvaluateArguments(const Node& node, Scope& scope) {
  Arguments arguments;
  for (size_t i = 0; i < node.second.size(); ++i) {
    Value value = Evaluate(*node.second[i], scope);
    if (node.names[i].empty()) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(node.names[i], std::move(value));
    }
  }
  return arguments;
}

Value Interpreter::EvaluateMember(const Node& node, Scope& scope) {
  const Node& object = *node.first[0];
  if (object.op == Op::kName && object.name == "loop") {
    for (const Scope* at = &scope; at != nullptr; at = at->parent) {
      if (FindName(at->names, "loop") != nullptr) break;
      if (at->loop) return LoopMember(at->loop, node.name);
    }
  }
  return MemberOf(Evaluate(object, scope), node.name);
}

Value Interpreter::EvaluateCall(const Node& node, Scope& scope) {
  const Node& callee = *node.first[0];
  const bool is_loop = callee.op == Op::kMember && callee.first[0]->op == Op::kName && callee.first[0]->name == "loop";
  if (callee.op == Op::kMember && !is_loop) {
    const Value object = Evaluate(*callee.first[0], scope);
    if (HasMethod(object, callee.name)) {
      Arguments arguments = EvaluateArguments(node, scope);
      return Charged(CallMethod(object, callee.name, arguments));
    }
  }
  const Value function = Evaluate(callee, scope);
  Arguments arguments = EvaluateArguments(node, scope);
  if (function.is_undefined()) Fail(fmt::format("'{}' is undefined", function.undefined_name()));
  if (!function.is_callable()) Fail(fmt::format("'{}' object is not callable", function.type_name()));
  return Charged(function.callable().call(arguments));
}

Value Interpreter::Evaluate(const Node& node, Scope& scope) {
  Step(node);
  switch (node.op) {
    case Op::kConstant: return node.value;
    case Op::kName: return Lookup(node.name, scope);
    case Op::kArray:
    case Op::kTuple: {
      List list;
      if (node.op == Op::kTuple) list.kind = ListKind::kTuple;
      for (const std::unique_ptr<Node>& item : node.first) list.items.push_back(Evaluate(*item, scope));
      return list;
    }
    case Op::kDict: {
      Dict dict;
      for (size_t i = 0; i < node.first.size(); ++i) {
        Value key = Evaluate(*node.first[i], scope);
        SetMember(dict, std::move(key), Evaluate(*node.second[i], scope));
      }
      return dict;
    }
    case Op::kBinary: {
      const Value left = Evaluate(*node.first[0], scope);
      return Charged(Operate(node.name, left, Evaluate(*node.first[1], scope)));
    }
    case Op::kAnd: {
      Value left = Evaluate(*node.first[0], scope);
      return left.Truth() ? Evaluate(*node.first[1], scope) : left;
    }
    case Op::kOr: {
      Value left = Evaluate(*node.first[0], scope);
      return left.Truth() ? left : Evaluate(*node.first[1], scope);
    }
    case Op::kNot: return !Evaluate(*node.first[0], scope).Truth();
    case Op::kNegate: {
      const Value value = Evaluate(*node.first[0], scope);
      return value.is_float() ? Value(-value.number()) : Operate("-", Value(0), value);
    }
    case Op::kPlus: return Operate("+", Value(0), Evaluate(*node.first[0], scope));
    case Op::kMember: return EvaluateMember(node, scope);
    case Op::kIndex: {
      const Value object = Evaluate(*node.first[0], scope);
      return ItemOf(object, Evaluate(*node.first[1], scope));
    }
    case Op::kSlice: {
      const Value object = Evaluate(*node.first[0], scope);
      const auto bound = [&](size_t i) { return node.first[i] ? Evaluate(*node.first[i], scope) : Value(None()); };
      return SliceOf(object, bound(1), bound(2), bound(3));
    }
    case Op::kCall: return EvaluateCall(node, scope);
    case Op::kFilter: {
      const Value value = Evaluate(*node.first[0], scope);
      Arguments arguments = EvaluateArguments(node, scope);
      return Charged(ApplyFilter(node.name, value, arguments));
    }
    case Op::kTest: {
      const Value value = Evaluate(*node.first[0], scope);
      Arguments arguments = EvaluateArguments(node, scope);
      return ApplyTest(node.name, value, arguments) != node.flag;
    }
    case Op::kTernary:
      if (Evaluate(*node.first[0], scope).Truth()) return Evaluate(*node.first[1], scope);
      return node.first[2] ? Evaluate(*node.first[2], scope) : Value::UndefinedNamed("an inline if without else");
    default: Fail("a statement stands where an expression is needed");
  }
}

}  // namespace weir::jinja_rendering
