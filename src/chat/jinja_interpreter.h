#pragma once
// Runs a compiled template. Internal to `chat`. One Interpreter per rendering; not thread-safe.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja_operations.h"
#include "jinja_program.h"
#include "jinja_value.h"

namespace weir::jinja_rendering {

// Output that came from a part of the request.
struct OriginMark {
  size_t begin = 0;  // bytes of the prompt
  size_t end = 0;
  Origin origin = kFromTemplate;
};
// Where an iteration of a loop began to write.
struct IterationMark {
  size_t at = 0;
  Origin origin = kFromTemplate;  // of the item: a message, a tool, or neither
  int depth = 0;                  // loops around it
};

class Interpreter {
 public:
  explicit Interpreter(int64_t now_local_s) : now_local_s_(now_local_s) {}

  void SetVariable(std::string name, Value value);
  // Once per Interpreter. Throws TemplateFault.
  std::string Run(const Program& program);

  // The line that was being run.
  uint32_t line() const { return line_; }
  // In order. Output captured by macros and blocks is marked where it is written.
  const std::vector<OriginMark>& origins() const { return origins_; }
  const std::vector<IterationMark>& iterations() const { return iterations_; }

 private:
  struct Loop {
    const std::vector<Value>* items = nullptr;
    size_t index = 0;
    int depth = 0;
    std::vector<Value> last_changed;
    bool has_changed = false;
  };
  struct Scope {
    const Scope* parent = nullptr;
    std::shared_ptr<Loop> loop;
    std::vector<std::pair<std::string, Value>> names;
  };
  enum class Flow { kNext, kBreak, kContinue };

  Flow RunAll(const Nodes& nodes, Scope& scope);
  Flow RunOne(const Node& node, Scope& scope);
  Flow RunFor(const Node& node, Scope& scope);
  void RunSet(const Node& node, Scope& scope);
  void RunCallBlock(const Node& node, Scope& scope);
  // What the statements write, as one string.
  Value Capture(const Nodes& body, Scope& scope);
  void Write(const Value& value);
  void Bind(const std::vector<std::string>& names, Value value, Scope& scope);
  // A callable that runs `body` with the arguments bound to `names`.
  Value MakeMacro(const Node& node, const Nodes& defaults, Scope& scope, std::string name);

  Value Evaluate(const Node& node, Scope& scope);
  Value EvaluateCall(const Node& node, Scope& scope);
  Value EvaluateMember(const Node& node, Scope& scope);
  Arguments EvaluateArguments(const Node& node, Scope& scope);
  Value Lookup(const std::string& name, const Scope& scope);
  static const std::shared_ptr<Loop>* FindLoop(const Scope& scope);
  Value LoopMember(const std::shared_ptr<Loop>& loop, const std::string& name);
  // Scopes end in the reverse order of their making, except where a macro may refer to one.
  struct ScopeMark {
    size_t scopes;
    uint64_t macros;
  };
  ScopeMark MarkScopes() const { return {scopes_.size(), macros_made_}; }
  void DropScopes(const ScopeMark& mark);
  Scope& NewScope(const Scope& parent, std::shared_ptr<Loop> loop = nullptr);
  void Step(const Node& node);
  // Counts the work that a large result stands for.
  Value Charged(Value value);

  int64_t now_local_s_;
  // The first is the template's own.
  std::deque<Scope> scopes_{1};
  std::string out_;
  Origin captured_origin_ = kFromTemplate;
  int captures_ = 0;
  int macro_depth_ = 0;
  uint64_t steps_ = 0;
  uint64_t macros_made_ = 0;
  uint32_t line_ = 0;
  std::vector<OriginMark> origins_;
  std::vector<IterationMark> iterations_;
};

}  // namespace weir::jinja_rendering
