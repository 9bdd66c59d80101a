#include "line.h"

#include <fmt/format.h>

#include <iterator>

#include "weir/base/check.h"
#include "weir/codec/hex.h"
#include "weir/codec/utf8.h"

namespace weir::ledger {
namespace {

constexpr std::string_view kHashMark = ",\"hash\":\"";
constexpr size_t kHexBytes = 64;

Status CheckName(std::string_view role, std::string_view name) {
  if (name.size() > kLedgerAgentBytesMax) {
    return InvalidArgument(
        fmt::format("the {}'s name has {} bytes; a ledger takes {}", role, name.size(), kLedgerAgentBytesMax));
  }
  if (!IsValidUtf8(name)) return InvalidArgument(fmt::format("the {}'s name is not UTF-8", role));
  return {};
}

Json JsonOf(const LedgerNumber& number) {
  return std::visit([](auto value) { return Json(value); }, number.value());
}

// The one spelling of the content; `fields` yields (name, Json).
template <typename Fields>
void AppendContent(DecisionKind kind, std::string_view agent, std::string_view owner, std::string_view reason,
                   const Fields& fields, std::string& out) {
  out += "\"kind\":\"";
  out += DecisionKindName(kind);
  out += "\",\"agent\":";
  out += JsonQuote(agent);
  if (!owner.empty()) {
    out += ",\"owner\":";
    out += JsonQuote(owner);
  }
  out += ",\"reason\":\"";
  out += reason;
  out += "\",\"fields\":{";
  bool first = true;
  for (const auto& [name, number] : fields) {
    if (!first) out += ',';
    first = false;
    out += '"';
    out += name;
    out += "\":";
    out += number.Dump();
  }
  out += '}';
}

void AppendHex(const Sha256Digest& digest, std::string& out) {
  for (const uint8_t byte : digest) {
    out.push_back("0123456789abcdef"[byte >> 4]);
    out.push_back("0123456789abcdef"[byte & 15]);
  }
}

// Lower case alone: one hash has one spelling.
std::optional<Sha256Digest> ParseDigest(std::string_view hex) {
  if (hex.size() != kHexBytes) return std::nullopt;
  Sha256Digest digest{};
  for (size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    const int value = is_digit ? c - '0' : c - 'a' + 10;
    digest[i / 2] = static_cast<uint8_t>((digest[i / 2] << 4) | value);
  }
  return digest;
}

// `body` is the line up to its hash, without the closing brace.
Sha256Digest HashOf(const Sha256Digest& prev, std::string_view body) {
  Sha256Stream stream;
  stream.Update({reinterpret_cast<const char*>(prev.data()), prev.size()});
  stream.Update(body);
  stream.Update("}");
  return stream.Finish();
}

// Appends the line without its hash and its closing brace.
void AppendBody(uint64_t number, int64_t unix_ms, std::string_view content, const Sha256Digest& prev, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{{\"v\":{},\"n\":{},\"unix_ms\":{},", kFormatVersion, number, unix_ms);
  out += content;
  out += ",\"prev\":\"";
  AppendHex(prev, out);
  out += '"';
}

LineFault Missing(std::string_view field, std::string_view form) {
  return {LedgerFaultKind::kMissingField, fmt::format("the field '{}' is absent or is not {}", field, form)};
}

// A field that must be text; null when it is not.
const std::string* TextOf(const Json& object, std::string_view name) {
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_string() ? &member->as_string() : nullptr;
}

std::optional<LineFault> ReadPlace(const Json& object, Line& line) {
  const Json* const version = object.Find("v");
  if (version == nullptr || version->get_if_int() == nullptr) return Missing("v", "a whole number");
  if (*version->get_if_int() != kFormatVersion) {
    return LineFault{LedgerFaultKind::kVersion,
                     fmt::format("it has format {}; this build knows {}", *version->get_if_int(), kFormatVersion)};
  }
  const Json* const number = object.Find("n");
  if (number == nullptr || number->get_if_int() == nullptr || *number->get_if_int() < 1) {
    return Missing("n", "a whole number from 1");
  }
  line.number = static_cast<uint64_t>(*number->get_if_int());
  const Json* const time = object.Find("unix_ms");
  if (time == nullptr || time->get_if_int() == nullptr) return Missing("unix_ms", "a whole number");
  line.unix_ms = *time->get_if_int();
  return std::nullopt;
}

std::optional<LineFault> ReadContent(const Json& object, Line& line) {
  const std::string* const kind = TextOf(object, "kind");
  const std::optional<DecisionKind> known = kind != nullptr ? ParseDecisionKind(*kind) : std::nullopt;
  if (!known) return Missing("kind", "a kind that this build knows");
  line.kind = *known;
  const std::string* const agent = TextOf(object, "agent");
  if (agent == nullptr || agent->size() > kLedgerAgentBytesMax) return Missing("agent", "a short text");
  line.agent = *agent;
  line.owner.clear();
  if (object.Find("owner") != nullptr) {
    const std::string* const owner = TextOf(object, "owner");
    if (owner == nullptr || owner->size() > kLedgerAgentBytesMax) return Missing("owner", "a short text");
    line.owner = *owner;
  }
  const std::string* const reason = TextOf(object, "reason");
  if (reason == nullptr || !LedgerCode::IsWellFormed(*reason)) return Missing("reason", "a code");
  line.reason = *reason;
  const Json* const fields = object.Find("fields");
  if (fields == nullptr || !fields->is_object() || fields->as_object().size() > kLedgerFieldsMax) {
    return Missing("fields", "an object of a few numbers");
  }
  for (const auto& [name, number] : fields->as_object()) {
    if (!LedgerCode::IsWellFormed(name) || !(number.is_number() || number.is_null())) {
      return Missing("fields", "an object of numbers under codes");
    }
  }
  line.fields = fields->as_object();
  return std::nullopt;
}

std::optional<LineFault> ReadHashes(const Json& object, Line& line) {
  const std::string* const prev = TextOf(object, "prev");
  const std::optional<Sha256Digest> prev_digest = prev != nullptr ? ParseDigest(*prev) : std::nullopt;
  if (!prev_digest) return Missing("prev", "64 lower-case hexadecimal digits");
  line.prev = *prev_digest;
  const std::string* const hash = TextOf(object, "hash");
  const std::optional<Sha256Digest> digest = hash != nullptr ? ParseDigest(*hash) : std::nullopt;
  if (!digest) return Missing("hash", "64 lower-case hexadecimal digits");
  line.hash = *digest;
  return std::nullopt;
}

}  // namespace

Result<std::string> WriteContent(const Decision& decision) {
  WEIR_TRY(CheckName("agent", decision.agent));
  WEIR_TRY(CheckName("owner", decision.owner));
  WEIR_CHECK(decision.fields.size() <= kLedgerFieldsMax, "{} fields in one decision", decision.fields.size());
  std::vector<std::pair<std::string_view, Json>> fields;
  fields.reserve(decision.fields.size());
  for (const DecisionField& field : decision.fields) {
    for (const auto& [name, number] : fields) WEIR_CHECK(name != field.name.text(), "the field {} stands twice", name);
    fields.emplace_back(field.name.text(), JsonOf(field.number));
  }
  std::string content;
  AppendContent(decision.kind, decision.agent, decision.owner, decision.reason.text(), fields, content);
  return content;
}

Sha256Digest AppendLine(uint64_t number, int64_t unix_ms, std::string_view content, const Sha256Digest& prev,
                        std::string& out) {
  const size_t begin = out.size();
  AppendBody(number, unix_ms, content, prev, out);
  const Sha256Digest hash = HashOf(prev, std::string_view(out).substr(begin));
  out += kHashMark;
  AppendHex(hash, out);
  out += "\"}\n";
  return hash;
}

std::optional<LineFault> ParseLine(std::string_view text, Line& line) {
  if (text.size() >= kLineBytesMax) {
    return LineFault{LedgerFaultKind::kBrokenJson,
                     fmt::format("it is longer than any line of a ledger ({} bytes)", kLineBytesMax)};
  }
  const Result<Json> parsed = Json::Parse(text);
  if (!parsed || !parsed->is_object()) return LineFault{LedgerFaultKind::kBrokenJson, "it is not a JSON object"};
  if (auto fault = ReadPlace(*parsed, line)) return fault;
  if (auto fault = ReadContent(*parsed, line)) return fault;
  if (auto fault = ReadHashes(*parsed, line)) return fault;
  std::string content;
  AppendContent(line.kind, line.agent, line.owner, line.reason, line.fields, content);
  std::string body;
  AppendBody(line.number, line.unix_ms, content, line.prev, body);
  // One content has one spelling: nothing can hide in white space, escapes or unknown fields.
  const bool is_canonical = text.size() == body.size() + kHashMark.size() + kHexBytes + 2 && text.starts_with(body) &&
                            text.substr(body.size()).starts_with(kHashMark);
  if (!is_canonical) return LineFault{LedgerFaultKind::kBrokenJson, "it is not spelled as the ledger writes its lines"};
  if (const Sha256Digest hash = HashOf(line.prev, body); hash != line.hash) {
    return LineFault{LedgerFaultKind::kWrongHash,
                     fmt::format("its content hashes to {}, but it says {}", HexOf(hash), HexOf(line.hash))};
  }
  return std::nullopt;
}

}  // namespace weir::ledger
