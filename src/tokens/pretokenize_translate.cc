#include "pretokenize_translate.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "unicode.h"
#include "unicode_sets.h"

namespace weir::pretokenize {
namespace {

using unicode::CodePointSet;

constexpr int kDepthMax = 64;  // nested groups and classes
constexpr uint32_t kRepeatMax = 1000;

CodePointSet Single(uint32_t code_point) { return {code_point, code_point}; }

bool IsAsciiLetter(uint32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

// All that equals an ASCII character when case is ignored.
CodePointSet Folded(uint32_t ascii) {
  CodePointSet out = Single(ascii);
  if (!IsAsciiLetter(ascii)) return out;
  out = out.Union(Single(ascii ^ 0x20));
  if ((ascii | 0x20) == 's') out = out.Union(Single(0x17F));
  if ((ascii | 0x20) == 'k') out = out.Union(Single(0x212A));
  return out;
}

// Pairs of letters that one character stands for when case is ignored (U+00DF for ss, U+FB01 for fi and so on).
bool FoldsTogether(uint32_t first, uint32_t second) {
  const char pair[] = {static_cast<char>(first | 0x20), static_cast<char>(second | 0x20)};
  for (std::string_view known : {"ss", "ff", "fi", "fl", "st"}) {
    if (known == std::string_view(pair, 2)) return true;
  }
  return false;
}

std::string ClassText(const CodePointSet& set) {
  if (set.empty()) return "(?!)";
  std::string out = "[";
  for (const CodePointSet::Range& range : set.ranges()) {
    fmt::format_to(std::back_inserter(out), "\\x{{{:x}}}", range.first);
    if (range.last != range.first) fmt::format_to(std::back_inserter(out), "-\\x{{{:x}}}", range.last);
  }
  return out + "]";
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> Run() {
    WEIR_ASSIGN(const bool may_be_empty, Alternatives(0));
    if (!AtEnd()) return Malformed("')' without '('");
    if (may_be_empty) return Unsupported(fmt::format("regular expression that matches the empty text: {}", pattern_));
    return std::move(out_);
  }

 private:
  bool AtEnd() const { return at_ == pattern_.size(); }
  bool Sees(std::string_view text) const { return pattern_.substr(at_, text.size()) == text; }
  bool Take(std::string_view text) {
    if (!Sees(text)) return false;
    at_ += text.size();
    return true;
  }
  uint32_t TakeCodePoint() {
    const unicode::Decoded decoded = unicode::Decode(pattern_.data() + at_);
    at_ += decoded.bytes;
    return decoded.code_point;
  }
  Error Refuse(std::string_view construct) const {
    return Unsupported(fmt::format("regular expression with {} (byte {} of {})", construct, at_, pattern_));
  }
  Error Malformed(std::string_view what) const {
    return InvalidArgument(fmt::format("regular expression: {} (byte {} of {})", what, at_, pattern_));
  }

  // Each of the next returns whether what it wrote can match the empty text.
  Result<bool> Alternatives(int depth) {
    if (depth > kDepthMax) return Refuse("groups nested too deep");
    bool may_be_empty = false;
    while (true) {
      WEIR_ASSIGN(const bool one, Sequence(depth));
      may_be_empty |= one;
      if (!Take("|")) return may_be_empty;
      out_ += '|';
    }
  }

  Result<bool> Sequence(int depth) {
    bool all_empty = true;
    last_literal_.reset();
    while (!AtEnd() && !Sees("|") && !Sees(")")) {
      const size_t begin = out_.size();
      WEIR_ASSIGN(bool empty, Atom(depth));
      WEIR_ASSIGN(const bool optional, Quantifier(begin));
      all_empty &= empty || optional;
    }
    return all_empty;
  }

  // Returns whether zero times is allowed.
  Result<bool> Quantifier(size_t atom_begin) {
    uint32_t least = 1;
    std::string text;
    bool is_interval = false;
    if (Take("?")) {
      least = 0, text = "?";
    } else if (Take("*")) {
      least = 0, text = "*";
    } else if (Take("+")) {
      text = "+";
    } else if (Sees("{")) {
      WEIR_ASSIGN(text, Interval(least));
      is_interval = true;
    } else {
      return false;
    }
    last_literal_.reset();
    if (is_interval && Sees("?")) return Refuse("'?' after {n,m}");
    if (is_interval && Take("+")) {
      text += ")+";  // in Ruby's syntax a repetition of the repetition
      out_.insert(atom_begin, "(?:");
    } else if (Take("?")) {
      text += '?';
    } else if (Take("+")) {
      text += '+';
    }
    if (Sees("?") || Sees("*") || Sees("+") || Sees("{")) return Refuse("a quantifier after another");
    out_.insert(atom_begin, "(?:");
    out_ += ")" + text;
    return least == 0;
  }

  Result<std::string> Interval(uint32_t& least) {
    Take("{");
    const std::optional<uint32_t> low = TakeNumber();
    std::optional<uint32_t> high = low;
    if (Take(",")) high = TakeNumber();
    if (!low || !Take("}")) return Refuse("'{' that is not {n}, {n,} or {n,m}");
    if (*low > kRepeatMax || (high && (*high > kRepeatMax || *high < *low))) return Refuse("a repetition out of range");
    least = *low;
    return high ? fmt::format("{{{},{}}}", *low, *high) : fmt::format("{{{},}}", *low);
  }

  std::optional<uint32_t> TakeNumber() {
    std::optional<uint32_t> number;
    while (!AtEnd() && pattern_[at_] >= '0' && pattern_[at_] <= '9' && number.value_or(0) < 100000) {
      number = number.value_or(0) * 10 + static_cast<uint32_t>(pattern_[at_++] - '0');
    }
    return number;
  }

  Result<bool> Atom(int depth) {
    if (Sees("(")) return Group(depth);
    if (Sees("[")) {
      WEIR_ASSIGN(const CodePointSet set, Bracket(depth));
      return Class(set);
    }
    if (Take(".")) return Class(Single('\n').Complement());
    if (Take("$")) {
      out_ += "(?=\\x{a}|\\z)";
      last_literal_.reset();
      return true;
    }
    if (Take("\\z")) {
      out_ += "\\z";
      last_literal_.reset();
      return true;
    }
    for (std::string_view refused : {"^", "?", "*", "+", "{"}) {
      if (Sees(refused)) return Refuse(fmt::format("'{}' here", refused));
    }
    if (Sees("\\")) {
      CodePointSet set;
      WEIR_ASSIGN(const std::optional<uint32_t> literal, Escape(set));
      return literal ? Literal(*literal) : Class(set);
    }
    return Literal(TakeCodePoint());
  }

  Result<bool> Class(const CodePointSet& set) {
    last_literal_.reset();
    if (!ignore_case_) {
      out_ += ClassText(set);
      return false;
    }
    if (!set.empty() && set.ranges().back().last >= 0x80) return Refuse("a class beyond ASCII where case is ignored");
    CodePointSet folded;
    for (uint32_t c = 0; c < 0x80; ++c) {
      if (set.Contains(c)) folded = folded.Union(Folded(c));
    }
    out_ += ClassText(folded);
    return false;
  }

  Result<bool> Literal(uint32_t code_point) {
    if (!ignore_case_) {
      fmt::format_to(std::back_inserter(out_), "\\x{{{:x}}}", code_point);
      return false;
    }
    if (code_point >= 0x80) return Refuse("a character beyond ASCII where case is ignored");
    if (last_literal_ && FoldsTogether(*last_literal_, code_point)) {
      return Refuse("letters that fold into one character where case is ignored");
    }
    last_literal_ = code_point;
    out_ += ClassText(Folded(code_point));
    return false;
  }

  Result<bool> Group(int depth) {
    constexpr struct {
      std::string_view text;
      bool is_look, ignores_case;
    } kOpenings[] = {{"(?:", false, false}, {"(?i:", false, true}, {"(?>", false, false},
                     {"(?=", true, false},  {"(?!", true, false},  {"(", false, false}};
    for (const auto& opening : kOpenings) {
      if (!Take(opening.text)) continue;
      if (opening.text == "(" && Sees("?")) return Refuse("this kind of group");
      out_ += opening.ignores_case || opening.text == "(" ? "(?:" : opening.text;
      const bool outer = std::exchange(ignore_case_, ignore_case_ || opening.ignores_case);
      WEIR_ASSIGN(const bool empty, Alternatives(depth + 1));
      ignore_case_ = outer;
      last_literal_.reset();
      if (!Take(")")) return Malformed("'(' without ')'");
      out_ += ')';
      return opening.is_look || empty;
    }
    return Malformed("'(' expected");
  }

  // A literal, or none and `set`.
  Result<std::optional<uint32_t>> Escape(CodePointSet& set) {
    const size_t begin = at_;
    Take("\\");
    if (AtEnd()) return Malformed("'\\' at the end");
    const uint32_t c = TakeCodePoint();
    switch (c) {
      case 'n': return std::optional<uint32_t>('\n');
      case 'r': return std::optional<uint32_t>('\r');
      case 't': return std::optional<uint32_t>('\t');
      case 'f': return std::optional<uint32_t>('\f');
      case 'v': return std::optional<uint32_t>('\v');
      case 'x': return HexCode();
      case 'u': return HexCode(4);
      case 's': set = unicode::WhiteSpaceSet(); return std::optional<uint32_t>();
      case 'S': set = unicode::WhiteSpaceSet().Complement(); return std::optional<uint32_t>();
      case 'd': set = *unicode::CategorySet("Nd"); return std::optional<uint32_t>();
      case 'D': set = unicode::CategorySet("Nd")->Complement(); return std::optional<uint32_t>();
      case 'p':
      case 'P': WEIR_TRY(Property(c == 'P', set)); return std::optional<uint32_t>();
      default: break;
    }
    if (c < 0x80 && (IsAsciiLetter(c) || (c >= '0' && c <= '9'))) {
      at_ = begin;
      return Refuse(fmt::format("\\{}", static_cast<char>(c)));
    }
    return std::optional<uint32_t>(c);
  }

  // \x{H...}, \xHH or, with `digits`, exactly as many.
  Result<std::optional<uint32_t>> HexCode(size_t digits = 0) {
    const bool braced = digits == 0 && Take("{");
    const size_t most = digits != 0 ? digits : braced ? 6 : 2;
    uint32_t value = 0;
    size_t taken = 0;
    for (; taken < most && !AtEnd(); ++taken, ++at_) {
      const auto c = static_cast<uint32_t>(static_cast<uint8_t>(pattern_[at_]));
      const bool is_digit = c >= '0' && c <= '9';
      if (!is_digit && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f')) break;
      value = value * 16 + (is_digit ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (taken == 0 || (digits != 0 && taken != digits) || (braced && !Take("}"))) return Malformed("bad hexadecimal escape");
    const bool is_raw_byte = digits == 0 && !braced && value >= 0x80;
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000) || is_raw_byte) return Refuse("this hexadecimal escape");
    return std::optional<uint32_t>(value);
  }

  Status Property(bool negated, CodePointSet& set) {
    if (!Take("{")) return Refuse("a property without braces");
    negated ^= Take("^");
    const size_t close = pattern_.find('}', at_);
    if (close == std::string_view::npos) return Malformed("'{' without '}'");
    const std::string_view name = pattern_.substr(at_, close - at_);
    const std::optional<CodePointSet> found = unicode::CategorySet(name);
    if (!found) return Refuse(fmt::format("the property '{}'", name));
    at_ = close + 1;
    set = negated ? found->Complement() : *found;
    return {};
  }

  // [...] with ranges, nested sets and intersections (&&, which binds weakest).
  Result<CodePointSet> Bracket(int depth) {
    if (depth > kDepthMax) return Refuse("classes nested too deep");
    if (Sees("[:")) return Refuse("a POSIX bracket");
    Take("[");
    const bool negated = Take("^");
    if (Sees("]")) return Refuse("']' first in a class");
    std::optional<CodePointSet> intersected;
    CodePointSet set;
    while (!Take("]")) {
      if (AtEnd()) return Malformed("'[' without ']'");
      if (Take("&&")) {
        intersected = intersected ? intersected->Intersection(set) : set;
        set = {};
      } else if (Sees("[")) {
        WEIR_ASSIGN(const CodePointSet inner, Bracket(depth + 1));
        set = set.Union(inner);
      } else {
        WEIR_TRY(BracketItem(set));
      }
    }
    if (intersected) set = intersected->Intersection(set);
    return negated ? set.Complement() : set;
  }

  // One character, a range, or a class escape.
  Status BracketItem(CodePointSet& set) {
    CodePointSet named;
    std::optional<uint32_t> first;
    if (Sees("\\")) {
      WEIR_ASSIGN(first, Escape(named));
    } else {
      first = TakeCodePoint();
    }
    if (!first) {
      if (Sees("-") && !Sees("-]")) return Refuse("a range that begins with a class");
      set = set.Union(named);
      return {};
    }
    uint32_t last = *first;
    if (Sees("-") && !Sees("-]")) {
      Take("-");
      if (AtEnd() || Sees("[")) return Refuse("'-' before a nested class");
      std::optional<uint32_t> end;
      if (Sees("\\")) {
        WEIR_ASSIGN(end, Escape(named));
      } else {
        end = TakeCodePoint();
      }
      if (!end || *end < *first) return Malformed("a range out of order");
      last = *end;
    }
    set = set.Union(CodePointSet(*first, last));
    return {};
  }

  std::string_view pattern_;
  size_t at_ = 0;
  std::string out_;
  bool ignore_case_ = false;
  std::optional<uint32_t> last_literal_;  // the character before, where case is ignored
};

}  // namespace

Result<std::string> TranslateToPcre2(std::string_view pattern) { return Translator(pattern).Run(); }

}  // namespace weir::pretokenize
