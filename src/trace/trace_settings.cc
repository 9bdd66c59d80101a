#include "weir/trace/trace_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "weir/codec/utf8.h"

namespace weir {
namespace {

constexpr int64_t kTimeMsMax = 24LL * 3600 * 1000;
constexpr int64_t kQueueMax = 1'000'000;
constexpr uint16_t kGrpcPort = 4317;
constexpr std::string_view kNothing = "OTEL_EXPORTER_OTLP_ENDPOINT is not set";

std::string_view Trimmed(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

// A name in a header or of one, RFC 9110's token.
bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

using Pairs = std::vector<std::pair<std::string, std::string>>;
// "a=1,b=2" with percent-encoded values, as in W3C baggage; the number of the first bad member instead.
std::variant<Pairs, size_t> ParsePairs(std::string_view text) {
  Pairs pairs;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view member = Trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (member.empty()) continue;
    const size_t equals = member.find('=');
    if (equals == std::string_view::npos) return number;
    auto key = PercentDecode(Trimmed(member.substr(0, equals)));
    auto value = PercentDecode(Trimmed(member.substr(equals + 1)));
    if (!key || !value || key->empty()) return number;
    pairs.emplace_back(*std::move(key), *std::move(value));
  }
  return pairs;
}

// Reads the variables one by one and gathers what is wrong with them.
class Reader {
 public:
  Reader(const VariableLookUp& look_up, std::string_view version) : look_up_(look_up), version_(version) {}

  TraceSettings Read() {
    if (IsOff()) return std::move(settings_);
    ReadSampler();
    ReadResource();
    ReadLimits();
    ReadHeaders();
    ReadTls();
    settings_.is_on = settings_.why_off.empty();
    return std::move(settings_);
  }

 private:
  struct Variable {
    std::string name;
    std::string value;
  };

  void Warn(std::string text) { settings_.warnings.push_back(std::move(text)); }

  std::optional<std::string> Get(std::string_view name) const {
    std::optional<std::string> value = look_up_(name);
    if (!value || Trimmed(*value).empty()) return std::nullopt;
    return std::string(Trimmed(*value));
  }
  // Of the traces alone, else of all signals.
  std::optional<Variable> GetOtlp(std::string_view what) const {
    for (const std::string_view prefix : {"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"}) {
      std::string name = fmt::format("{}{}", prefix, what);
      if (auto value = Get(name)) return Variable{std::move(name), *std::move(value)};
    }
    return std::nullopt;
  }

  bool IsOff() {
    if (const auto disabled = Get("OTEL_SDK_DISABLED")) {
      if (EqualsIgnoringCase(*disabled, "true")) {
        settings_.why_off = "OTEL_SDK_DISABLED is true";
        return true;
      }
      if (!EqualsIgnoringCase(*disabled, "false")) Warn("OTEL_SDK_DISABLED: neither true nor false; taken for false");
    }
    if (!ReadExporterName() || !ReadEndpoint()) return true;
    return !ReadProtocol();
  }

  bool ReadExporterName() {
    const auto names = Get("OTEL_TRACES_EXPORTER");
    if (!names) return true;
    bool has_otlp = false;
    bool has_others = false;
    bool has_none = false;
    for (std::string_view rest = *names; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view name = Trimmed(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      has_otlp |= EqualsIgnoringCase(name, "otlp");
      has_none |= EqualsIgnoringCase(name, "none");
      has_others |= !EqualsIgnoringCase(name, "otlp") && !EqualsIgnoringCase(name, "none") && !name.empty();
    }
    if (has_others) Warn("OTEL_TRACES_EXPORTER: only otlp and none are known here");
    if (has_otlp) return true;
    settings_.why_off =
        has_none ? "OTEL_TRACES_EXPORTER is none" : "OTEL_TRACES_EXPORTER names no exporter that is known here";
    return false;
  }

  bool ReadEndpoint() {
    constexpr std::string_view kTracesName = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const auto variable = GetOtlp("ENDPOINT");
    if (!variable) {
      settings_.why_off = kNothing;
      if (Get("OTEL_TRACES_EXPORTER"))
        Warn("OTEL_TRACES_EXPORTER: otlp needs an OTEL_EXPORTER_OTLP_ENDPOINT; nothing is sent");
      return false;
    }
    auto url = ParseHttpUrl(variable->value);
    if (!url) {
      // The value is not repeated: it may hold a password.
      settings_.why_off = variable->name + " is no URL that can be used";
      Warn(variable->name + ": not http://host:port or https://host:port with a path; user names are refused (use headers)");
      return false;
    }
    if (variable->name != kTracesName) {
      url->path.resize(std::min(url->path.find('?'), url->path.size()));
      while (url->path.ends_with('/')) url->path.pop_back();
      url->path += "/v1/traces";
    }
    settings_.exporter.endpoint = *std::move(url);
    return true;
  }

  bool ReadProtocol() {
    const auto variable = GetOtlp("PROTOCOL");
    if (variable && EqualsIgnoringCase(variable->value, "grpc")) {
      settings_.why_off = variable->name + " is grpc, which is not spoken here";
      Warn(variable->name +
           ": grpc is not spoken here; set it to http/json and the endpoint to the collector's HTTP port (4318)");
      return false;
    }
    if (variable && !EqualsIgnoringCase(variable->value, "http/json")) {
      Warn(variable->name + ": only http/json is spoken here; sending that, which collectors take at the same address");
    } else if (settings_.exporter.endpoint.target.port == kGrpcPort) {
      Warn("OTEL_EXPORTER_OTLP_ENDPOINT: port 4317 is gRPC's by custom; OTLP over HTTP listens on 4318");
    }
    return true;
  }

  void ReadSampler() {
    const std::string name = Get("OTEL_TRACES_SAMPLER").value_or("parentbased_always_on");
    std::string_view kind = name;
    constexpr std::string_view kParent = "parentbased_";
    const bool is_parent_based = EqualsIgnoringCase(kind.substr(0, kParent.size()), kParent);
    if (is_parent_based) kind.remove_prefix(kParent.size());
    if (EqualsIgnoringCase(kind, "always_on")) {
      settings_.sampler = SpanSampler(1, is_parent_based);
    } else if (EqualsIgnoringCase(kind, "always_off")) {
      settings_.sampler = SpanSampler(0, is_parent_based);
    } else if (EqualsIgnoringCase(kind, "traceidratio")) {
      settings_.sampler = SpanSampler(ReadShare(), is_parent_based);
    } else {
      Warn("OTEL_TRACES_SAMPLER: not known here; taken for parentbased_always_on");
    }
  }

  double ReadShare() {
    const auto text = Get("OTEL_TRACES_SAMPLER_ARG");
    if (!text) return 1;
    double share = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), share);
    if (error == std::errc() && end == text->data() + text->size() && share >= 0 && share <= 1) return share;
    Warn("OTEL_TRACES_SAMPLER_ARG: not a number from 0 to 1; taken for 1");
    return 1;
  }

  void SetResource(std::string_view key, std::string value) {
    auto& resource = settings_.exporter.resource;
    const auto found = std::ranges::find(resource, key, &SpanAttribute::key);
    if (found != resource.end()) {
      found->value = std::move(value);
    } else {
      resource.push_back({std::string(key), std::move(value)});
    }
  }

  void ReadResource() {
    settings_.exporter.version = version_;
    SetResource("service.name", "weir");
    if (!version_.empty()) SetResource("service.version", std::string(version_));
    SetResource("telemetry.sdk.name", "weir");
    SetResource("telemetry.sdk.language", "cpp");
    SetResource("telemetry.sdk.version", std::string(version_));
    if (const auto text = Get("OTEL_RESOURCE_ATTRIBUTES")) {
      const auto parsed = ParsePairs(*text);
      if (const auto* pairs = std::get_if<Pairs>(&parsed)) {
        for (const auto& [key, value] : *pairs) SetResource(ReplaceInvalidUtf8(key), ReplaceInvalidUtf8(value));
      } else {
        Warn(fmt::format("OTEL_RESOURCE_ATTRIBUTES: member {} is not key=value; none of them is used",
                         std::get<size_t>(parsed)));
      }
    }
    if (const auto name = Get("OTEL_SERVICE_NAME")) SetResource("service.name", ReplaceInvalidUtf8(*name));
  }

  // A whole number from 1 to `most`; nothing if it is unset or cannot be used.
  std::optional<int64_t> ReadNumber(const std::string& name, const std::optional<std::string>& text, int64_t most) {
    if (!text) return std::nullopt;
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size() && number >= 1 && number <= most) return number;
    Warn(fmt::format("{}: not a whole number from 1 to {}; the default is used", name, most));
    return std::nullopt;
  }
  void ReadTime(const std::string& name, const std::optional<std::string>& text, Duration& time) {
    if (const auto ms = ReadNumber(name, text, kTimeMsMax)) time = std::chrono::milliseconds(*ms);
  }

  void ReadLimits() {
    SpanExporterOptions& options = settings_.exporter;
    if (const auto variable = GetOtlp("TIMEOUT")) ReadTime(variable->name, variable->value, options.attempt_timeout);
    ReadTime("OTEL_BSP_SCHEDULE_DELAY", Get("OTEL_BSP_SCHEDULE_DELAY"), options.schedule_delay);
    ReadTime("OTEL_BSP_EXPORT_TIMEOUT", Get("OTEL_BSP_EXPORT_TIMEOUT"), options.export_timeout);
    const auto queue = ReadNumber("OTEL_BSP_MAX_QUEUE_SIZE", Get("OTEL_BSP_MAX_QUEUE_SIZE"), kQueueMax);
    const auto batch = ReadNumber("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), kQueueMax);
    if (queue) options.queue_max = static_cast<uint32_t>(*queue);
    if (batch) options.batch_max = static_cast<uint32_t>(*batch);
    if (options.batch_max <= options.queue_max) return;
    if (batch) Warn("OTEL_BSP_MAX_EXPORT_BATCH_SIZE: larger than the queue; cut to its size");
    options.batch_max = options.queue_max;
  }

  void ReadHeaders() {
    const auto variable = GetOtlp("HEADERS");
    if (!variable) return;
    const auto parsed = ParsePairs(variable->value);
    const auto* pairs = std::get_if<Pairs>(&parsed);
    if (pairs == nullptr) {
      Warn(fmt::format("{}: member {} is not name=value; none of them is sent", variable->name, std::get<size_t>(parsed)));
      return;
    }
    for (size_t i = 0; i < pairs->size(); ++i) {
      const auto& [name, value] = (*pairs)[i];
      const bool is_clean =
          std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
      if (IsToken(name) && is_clean) {
        settings_.exporter.headers.Add(name, value);
      } else {
        Warn(fmt::format("{}: member {} cannot be sent as a header field; left out", variable->name, i + 1));
      }
    }
  }

  void ReadTls() {
    if (const auto variable = GetOtlp("CERTIFICATE")) settings_.exporter.certificate_authorities = variable->value;
    for (const std::string_view what : {"CLIENT_CERTIFICATE", "CLIENT_KEY"}) {
      if (const auto variable = GetOtlp(what)) Warn(variable->name + ": certificates of clients are not supported here");
    }
    if (const auto variable = GetOtlp("COMPRESSION"); variable && !EqualsIgnoringCase(variable->value, "none")) {
      Warn(variable->name + ": not supported here; sending without compression");
    }
  }

  const VariableLookUp& look_up_;
  const std::string_view version_;
  TraceSettings settings_;
};

}  // namespace

TraceSettings ReadTraceSettings(const VariableLookUp& look_up, std::string_view version) {
  return Reader(look_up, version).Read();
}

}  // namespace weir
