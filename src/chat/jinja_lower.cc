// Reading a template: llama.cpp's lexer and parser, then lowering of its tree.

#include <fmt/format.h>

#include <algorithm>
#include <cstdarg>
#include <exception>
#include <set>
#include <stdexcept>
#include <utility>

#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja_limits.h"
#include "jinja_program.h"

// Where the library reports a broken invariant of its own; ggml would stop the process.
extern "C" [[noreturn]] void weir_jinja_abort(const char* file, int line, const char* format, ...);
extern "C" void weir_jinja_abort(const char* file, int line, const char*, ...) {
  throw std::runtime_error(fmt::format("{}:{}: assertion failed", file, line));
}

namespace weir::jinja_rendering {
namespace {

constexpr size_t kSourceBytesMax = 1 << 20;

class Lowering {
 public:
  Lowering(std::string_view source, uint32_t lines_before) : source_(source), lines_before_(lines_before) {}

  Nodes Statements(const jinja::statements& from) {
    Nodes out;
    for (const jinja::statement_ptr& statement : from) {
      if (std::unique_ptr<Node> node = Statement(*statement)) out.push_back(std::move(node));
    }
    return out;
  }

 private:
  std::unique_ptr<Node> New(Op op, const jinja::statement& from) {
    auto node = std::make_unique<Node>();
    node->op = op;
    const auto end = source_.begin() + static_cast<std::ptrdiff_t>(std::min(from.pos, source_.size()));
    node->line = 1 + static_cast<uint32_t>(std::count(source_.begin(), end, '\n')) - lines_before_;
    return node;
  }

  [[noreturn]] void RefuseAt(const jinja::statement& from, const std::string& what) {
    Refuse(fmt::format("line {}: {}", New(Op::kBreak, from)->line, what));
  }

  std::unique_ptr<Node> Statement(const jinja::statement& from) {
    if (dynamic_cast<const jinja::noop_statement*>(&from) || dynamic_cast<const jinja::comment_statement*>(&from)) return {};
    if (dynamic_cast<const jinja::break_statement*>(&from)) return New(Op::kBreak, from);
    if (dynamic_cast<const jinja::continue_statement*>(&from)) return New(Op::kContinue, from);
    if (const auto* branch = dynamic_cast<const jinja::if_statement*>(&from)) {
      auto node = New(Op::kIf, from);
      node->first.push_back(Expression(branch->test));
      node->body = Statements(branch->body);
      node->other = Statements(branch->alternate);
      return node;
    }
    if (const auto* loop = dynamic_cast<const jinja::for_statement*>(&from)) return For(*loop);
    if (const auto* set = dynamic_cast<const jinja::set_statement*>(&from)) return Set(*set);
    if (const auto* macro = dynamic_cast<const jinja::macro_statement*>(&from)) {
      auto node = New(Op::kMacro, from);
      node->name = Identifier(macro->name);
      Parameters(macro->args, node->names, node->first);
      node->body = Statements(macro->body);
      return node;
    }
    if (const auto* block = dynamic_cast<const jinja::call_statement*>(&from)) {
      auto node = New(Op::kCallBlock, from);
      node->first.push_back(Expression(block->call));
      Parameters(block->caller_args, node->names, node->second);
      node->body = Statements(block->body);
      return node;
    }
    if (const auto* block = dynamic_cast<const jinja::filter_statement*>(&from)) {
      auto node = New(Op::kFilterBlock, from);
      node->first.push_back(Filter(*block, nullptr, block->filter, Op::kFilter));
      node->body = Statements(block->body);
      return node;
    }
    auto node = New(Op::kOutput, from);
    node->first.push_back(Expression(from));
    return node;
  }

  std::unique_ptr<Node> For(const jinja::for_statement& loop) {
    auto node = New(Op::kFor, loop);
    Targets(loop.loopvar, node->names);
    if (const auto* select = dynamic_cast<const jinja::select_expression*>(loop.iterable.get())) {
      node->first.push_back(Expression(select->lhs));
      node->first.push_back(Expression(select->test));
    } else {
      node->first.push_back(Expression(loop.iterable));
      node->first.push_back(nullptr);
    }
    node->body = Statements(loop.body);
    node->other = Statements(loop.default_block);
    return node;
  }

  std::unique_ptr<Node> Set(const jinja::set_statement& set) {
    auto node = New(Op::kSet, set);
    node->first.push_back(set.val ? Expression(set.val) : nullptr);
    node->body = Statements(set.body);
    if (const auto* member = dynamic_cast<const jinja::member_expression*>(set.assignee.get())) {
      if (member->computed) RefuseAt(set, "assignment to an indexed member");
      node->first.push_back(Expression(member->object));
      node->name = Identifier(member->property);
    } else {
      Targets(set.assignee, node->names);
    }
    return node;
  }

  void Targets(const jinja::statement_ptr& from, std::vector<std::string>& names) {
    if (const auto* tuple = dynamic_cast<const jinja::tuple_literal*>(from.get())) {
      for (const jinja::statement_ptr& item : tuple->val) names.push_back(Identifier(item));
      if (names.size() == 1) RefuseAt(*from, "unpacking into one name");
    } else {
      names.push_back(Identifier(from));
    }
  }

  std::string Identifier(const jinja::statement_ptr& from) {
    const auto* name = dynamic_cast<const jinja::identifier*>(from.get());
    if (name == nullptr) Fail("a name is missing");
    return name->val;
  }

  void Parameters(const jinja::statements& from, std::vector<std::string>& names, Nodes& defaults) {
    for (const jinja::statement_ptr& parameter : from) {
      if (const auto* keyword = dynamic_cast<const jinja::keyword_argument_expression*>(parameter.get())) {
        names.push_back(Identifier(keyword->key));
        defaults.push_back(Expression(keyword->val));
      } else {
        names.push_back(Identifier(parameter));
        defaults.push_back(nullptr);
      }
    }
  }

  void CallArguments(const jinja::statements& from, Node& node) {
    for (const jinja::statement_ptr& argument : from) {
      if (dynamic_cast<const jinja::spread_expression*>(argument.get())) RefuseAt(*argument, "unpacking of arguments");
      const auto* keyword = dynamic_cast<const jinja::keyword_argument_expression*>(argument.get());
      node.names.push_back(keyword != nullptr ? Identifier(keyword->key) : std::string());
      node.second.push_back(Expression(keyword != nullptr ? keyword->val : argument));
    }
  }

  // A filter or a test: a name, or a call of one.
  std::unique_ptr<Node> Filter(const jinja::statement& at, const jinja::statement_ptr* operand,
                               const jinja::statement_ptr& from, Op op) {
    auto node = New(op, at);
    node->first.push_back(operand != nullptr ? Expression(*operand) : nullptr);
    if (const auto* call = dynamic_cast<const jinja::call_expression*>(from.get())) {
      node->name = Identifier(call->callee);
      CallArguments(call->args, *node);
    } else {
      node->name = Identifier(from);
    }
    return node;
  }

  std::unique_ptr<Node> Expression(const jinja::statement_ptr& from) {
    if (!from) Fail("an expression is missing");
    return Expression(*from);
  }

  std::unique_ptr<Node> Expression(const jinja::statement& from) {
    if (const auto* literal = dynamic_cast<const jinja::string_literal*>(&from)) return Constant(from, Value(literal->val));
    if (const auto* literal = dynamic_cast<const jinja::integer_literal*>(&from)) {
      return Constant(from, Value(Integer{literal->val}));
    }
    if (const auto* literal = dynamic_cast<const jinja::float_literal*>(&from)) return Constant(from, Value(literal->val));
    if (const auto* name = dynamic_cast<const jinja::identifier*>(&from)) return Name(*name);
    if (const auto* array = dynamic_cast<const jinja::array_literal*>(&from)) return Sequence(Op::kArray, from, array->val);
    if (const auto* tuple = dynamic_cast<const jinja::tuple_literal*>(&from)) return Sequence(Op::kTuple, from, tuple->val);
    if (const auto* object = dynamic_cast<const jinja::object_literal*>(&from)) {
      auto node = New(Op::kDict, from);
      for (const auto& [key, value] : object->val) {
        node->first.push_back(Expression(key));
        node->second.push_back(Expression(value));
      }
      return node;
    }
    if (const auto* binary = dynamic_cast<const jinja::binary_expression*>(&from)) return Binary(*binary);
    if (const auto* unary = dynamic_cast<const jinja::unary_expression*>(&from)) {
      const std::string& op = unary->op.value;
      auto node = New(op == "not" ? Op::kNot : op == "-" ? Op::kNegate : Op::kPlus, from);
      node->first.push_back(Expression(unary->argument));
      return node;
    }
    if (const auto* member = dynamic_cast<const jinja::member_expression*>(&from)) return Member(*member);
    if (const auto* call = dynamic_cast<const jinja::call_expression*>(&from)) {
      auto node = New(Op::kCall, from);
      node->first.push_back(Expression(call->callee));
      CallArguments(call->args, *node);
      return node;
    }
    if (const auto* filter = dynamic_cast<const jinja::filter_expression*>(&from)) {
      return Filter(from, &filter->operand, filter->filter, Op::kFilter);
    }
    if (const auto* test = dynamic_cast<const jinja::test_expression*>(&from)) {
      auto node = Filter(from, &test->operand, test->test, Op::kTest);
      node->flag = test->negate;
      return node;
    }
    if (const auto* choice = dynamic_cast<const jinja::ternary_expression*>(&from)) {
      return Ternary(from, choice->condition, choice->true_expr, &choice->false_expr);
    }
    if (const auto* choice = dynamic_cast<const jinja::select_expression*>(&from)) {
      return Ternary(from, choice->test, choice->lhs, nullptr);
    }
    RefuseAt(from, from.type());
  }

  std::unique_ptr<Node> Constant(const jinja::statement& from, Value value) {
    auto node = New(Op::kConstant, from);
    node->value = std::move(value);
    return node;
  }

  std::unique_ptr<Node> Name(const jinja::identifier& name) {
    if (name.val == "true" || name.val == "True") return Constant(name, Value(true));
    if (name.val == "false" || name.val == "False") return Constant(name, Value(false));
    if (name.val == "none" || name.val == "None") return Constant(name, None());
    auto node = New(Op::kName, name);
    node->name = name.val;
    return node;
  }

  std::unique_ptr<Node> Sequence(Op op, const jinja::statement& from, const jinja::statements& items) {
    auto node = New(op, from);
    for (const jinja::statement_ptr& item : items) node->first.push_back(Expression(item));
    return node;
  }

  std::unique_ptr<Node> Binary(const jinja::binary_expression& binary) {
    static const std::set<std::string> kComparisons = {"==", "!=", "<", ">", "<=", ">=", "in", "not in"};
    const std::string& op = binary.op.value;
    if (kComparisons.contains(op)) {
      // Python chains comparisons; the tree does not tell a chain from parentheses, the source does.
      const auto* left = dynamic_cast<const jinja::binary_expression*>(binary.left.get());
      if (left != nullptr && kComparisons.contains(left->op.value) && !IsInParentheses(left->pos, binary.pos)) {
        RefuseAt(binary, "a chain of comparisons");
      }
    }
    auto node = New(op == "and" ? Op::kAnd : op == "or" ? Op::kOr : Op::kBinary, binary);
    node->name = op;
    std::unique_ptr<Node> left = Expression(binary.left);
    if (op == "~" && left->op == Op::kBinary && (left->name == "+" || left->name == "-") &&
        !IsInParentheses(binary.left->pos, binary.pos)) {
      // In Jinja ~ binds before + and -; the parser gives all three the same rank.
      node->first.push_back(std::move(left->first[1]));
      node->first.push_back(Expression(binary.right));
      left->first[1] = std::move(node);
      return left;
    }
    node->first.push_back(std::move(left));
    node->first.push_back(Expression(binary.right));
    return node;
  }

  // Whether the text before `end` closes a parenthesis that was opened before `inside`.
  bool IsInParentheses(size_t inside, size_t end) const {
    const std::string_view before = source_.substr(0, std::min(end, source_.size()));
    size_t at = before.find_last_not_of(" \t\n");
    if (at == std::string_view::npos || before[at] != ')') return false;
    int depth = 0;
    for (;; --at) {
      if (before[at] == ')') ++depth;
      if (before[at] == '(' && --depth == 0) return at < inside;
      if (at == 0) return false;
    }
  }

  std::unique_ptr<Node> Member(const jinja::member_expression& member) {
    if (const auto* slice = dynamic_cast<const jinja::slice_expression*>(member.property.get())) {
      auto node = New(Op::kSlice, member);
      node->first.push_back(Expression(member.object));
      for (const jinja::statement_ptr* bound : {&slice->start_expr, &slice->stop_expr, &slice->step_expr}) {
        node->first.push_back(*bound ? Expression(*bound) : nullptr);
      }
      return node;
    }
    auto node = New(Op::kIndex, member);
    node->first.push_back(Expression(member.object));
    const auto* name = dynamic_cast<const jinja::identifier*>(member.property.get());
    if (!member.computed && name != nullptr) {
      node->op = Op::kMember;
      node->name = name->val;
    } else {
      node->first.push_back(Expression(member.property));
    }
    return node;
  }

  std::unique_ptr<Node> Ternary(const jinja::statement& from, const jinja::statement_ptr& condition,
                                const jinja::statement_ptr& yes, const jinja::statement_ptr* no) {
    auto node = New(Op::kTernary, from);
    node->first.push_back(Expression(condition));
    node->first.push_back(Expression(yes));
    node->first.push_back(no != nullptr ? Expression(*no) : nullptr);
    return node;
  }

  std::string_view source_;
  uint32_t lines_before_;  // added to the template's own
};

// A message's `content`, or a name that was set from one.
bool IsContent(const Node* node, const std::set<std::string>& names) {
  if (node == nullptr) return false;
  if (node->op == Op::kMember) return node->name == "content";
  if (node->op == Op::kIndex) {
    return node->first[1]->op == Op::kConstant && node->first[1]->value.is_text() &&
           node->first[1]->value.bytes() == "content";
  }
  if (node->op == Op::kFilter) return IsContent(node->first[0].get(), names);
  return node->op == Op::kName && names.contains(node->name);
}

bool IteratesContent(const Nodes& nodes, std::set<std::string>& names) {
  for (const std::unique_ptr<Node>& node : nodes) {
    if (!node) continue;
    if (node->op == Op::kSet && node->names.size() == 1 && IsContent(node->first[0].get(), names))
      names.insert(node->names[0]);
    if (node->op == Op::kFor && IsContent(node->first[0].get(), names)) return true;
    if (IteratesContent(node->body, names) || IteratesContent(node->other, names)) return true;
  }
  return false;
}

// The lexer drops a character at the very start of the source when a block follows it; behind a comment and a line end,
// which write nothing, it does not.
constexpr std::string_view kGuard = "{##}\n";

std::string Guarded(std::string_view source) {
  const bool starts_with_tag = source.starts_with("{%") || source.starts_with("{{") || source.starts_with("{#");
  return std::string(starts_with_tag ? std::string_view() : kGuard).append(source);
}

}  // namespace

Result<Program> Compile(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    return Unsupported(fmt::format("chat template: larger than {} bytes", kSourceBytesMax));
  }
  try {
    const std::string guarded = Guarded(source);
    const jinja::lexer_result tokens = jinja::lexer().tokenize(guarded);
    WEIR_TRY(CheckLimits(tokens));
    const jinja::program tree = jinja::parse_from_tokens(tokens);
    Program program;
    program.body = Lowering(tokens.source, guarded.size() == source.size() ? 0 : 1).Statements(tree.body);
    std::set<std::string> names;
    program.iterates_content = IteratesContent(program.body, names);
    return program;
  } catch (const TemplateFault& fault) {
    return fault.unsupported ? Unsupported("chat template: " + fault.message)
                             : InvalidArgument("chat template: " + fault.message);
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("not a chat template this reads: {}", error.what()));
  }
}

}  // namespace weir::jinja_rendering
