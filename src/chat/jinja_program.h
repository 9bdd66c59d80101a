#pragma once
// A chat template made ready to run: llama.cpp's lexer and parser read the source, then its tree is lowered to this one.
//
// llama.cpp's own evaluator is not used: it departs from Jinja2 in what it prints (none, dicts, floats), in the scope of
// loop variables, in arithmetic and in undefined values. Internal to `chat`. Immutable; shared by threads.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jinja_value.h"
#include "weir/base/result.h"

namespace weir::jinja_rendering {

enum class Op {
  // Statements.
  kOutput,       // first[0]
  kIf,           // first[0] the test; body, other
  kFor,          // names the loop variables, first[0] what is iterated, first[1] the filter or null; body, other
  kSet,          // names the targets, or first[1] the namespace and name its member; first[0] the value, or null and body
  kMacro,        // name; names the parameters, first their defaults (or null); body
  kCallBlock,    // first[0] the call; names, second: the caller's parameters and their defaults; body
  kFilterBlock,  // first[0] a kFilter whose first[0] is null; body
  kBreak,
  kContinue,
  // Expressions.
  kConstant,  // value
  kName,      // name
  kArray,     // first
  kTuple,     // first
  kDict,      // first the keys, second the values
  kBinary,    // name the operator
  kAnd,
  kOr,
  kNot,
  kNegate,
  kPlus,
  kMember,   // first[0].name
  kIndex,    // first[0][first[1]]
  kSlice,    // first[0][first[1]:first[2]:first[3]], any of the three null
  kCall,     // first[0](second...), names of keyword arguments parallel to second ("" for positional)
  kFilter,   // first[0] | name(second...)
  kTest,     // first[0] is name(second...); flag: negated
  kTernary,  // first[1] if first[0] else first[2] (or null)
};

struct Node {
  Op op;
  bool flag = false;
  uint32_t line = 0;
  std::string name;
  Value value;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Node>> first, second, body, other;
};
using Nodes = std::vector<std::unique_ptr<Node>>;

struct Program {
  Nodes body;
  // The template walks over the parts of a message's content, so lists of parts may be handed to it unjoined.
  bool iterates_content = false;
};

// invalid_argument or unsupported, with the line.
Result<Program> Compile(std::string_view source);

}  // namespace weir::jinja_rendering
