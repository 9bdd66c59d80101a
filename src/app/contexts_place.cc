#include "contexts_place.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "weir/http/message.h"
#include "weir/report/registry_view.h"

namespace weir {
namespace {

class FolderPlace final : public ContextsPlace {
 public:
  explicit FolderPlace(DataFolder data) : data_(std::move(data)) {}

  Result<Registered> Add(const ContextInput& input, bool replace) override {
    return replace ? data_.registry->Put(input) : data_.registry->Register(input);
  }
  Result<Registered> Append(const std::string& agent, const AppendInput& input) override {
    return data_.registry->Append(agent, input);
  }
  Result<bool> Contains(const std::string& agent) override { return data_.registry->Contains(agent); }
  Result<std::vector<std::string>> Agents() override {
    std::vector<std::string> names;
    for (const ContextSummary& line : data_.registry->List()) names.push_back(line.terms.agent);
    return names;
  }
  Status Remove(const std::string& agent) override { return data_.registry->Remove(agent); }
  Result<uint64_t> Clear(const std::optional<std::string>& group) override { return data_.registry->Clear(group); }
  Result<uint64_t> Count() override { return data_.registry->stats().contexts; }

 private:
  DataFolder data_;
};

Json BodyOf(const ContextInput& input) {
  Json json = Json::MakeObject();
  if (input.segments.empty()) {
    json.Set("text", input.text);
  } else {
    Json segments = Json::MakeArray();
    for (const Segment& segment : input.segments) {
      segments.Append(Json::Object{{"name", segment.name},
                                   {"kind", SegmentKindName(segment.kind)},
                                   {"fixed", segment.fixed},
                                   {"text", input.text.substr(segment.bytes.begin, segment.bytes.size())}});
    }
    json.Set("segments", std::move(segments));
  }
  const auto set_text = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) json.Set(name, value);
  };
  set_text("group", input.group);
  set_text("role", input.role);
  set_text("model", input.model);
  set_text("lora", input.lora);
  set_text("salt", input.salt);
  if (input.pinned) json.Set("pinned", true);
  if (input.ttl) json.Set("ttl_s", int64_t{std::chrono::duration_cast<std::chrono::seconds>(*input.ttl).count()});
  return json;
}

Result<uint64_t> CountIn(const Json& answer, std::string_view name) {
  const Json* const member = answer.is_object() ? answer.Find(name) : nullptr;
  if (member == nullptr || !member->is_integer()) return Corrupt(fmt::format("the daemon's answer has no {}", name));
  return static_cast<uint64_t>(member->as_int());
}

class DaemonPlace final : public ContextsPlace {
 public:
  DaemonPlace(Session& session, std::unique_ptr<DaemonClient> client) : session_(session), client_(std::move(client)) {}

  Result<Registered> Add(const ContextInput& input, bool replace) override {
    Json body = BodyOf(input);
    if (replace) return Parsed(Ask("PUT", PathOf(input.agent), body));
    body.Set("agent", input.agent);
    return Parsed(Ask("POST", "/v1/contexts", body));
  }

  Result<Registered> Append(const std::string& agent, const AppendInput& input) override {
    // What a body cannot carry is refused here, in the registry's words.
    if (input.text.empty()) return InvalidArgument(fmt::format("agent '{}': nothing to append", agent), "give it text");
    Json append = Json::Object{{"text", input.text}, {"kind", SegmentKindName(input.kind)}};
    return Parsed(Ask("PATCH", PathOf(agent), Json::Object{{"append", std::move(append)}}));
  }

  Result<bool> Contains(const std::string& agent) override {
    const Result<Json> answer = Ask("GET", PathOf(agent) + "?text=false");
    if (answer) return true;
    if (answer.error().code == ErrorCode::kNotFound) return false;
    return answer.error();
  }

  Result<std::vector<std::string>> Agents() override {
    std::vector<std::string> names;
    std::string path = "/v1/contexts?limit=1000";
    for (;;) {
      WEIR_ASSIGN(const Json page, Ask("GET", path));
      const Json* const contexts = page.is_object() ? page.Find("contexts") : nullptr;
      if (contexts == nullptr || !contexts->is_array()) return Corrupt("the daemon's answer has no contexts");
      for (const Json& one : contexts->as_array()) {
        const Json* const agent = one.is_object() ? one.Find("agent") : nullptr;
        if (agent != nullptr && agent->is_string()) names.push_back(agent->as_string());
      }
      const Json* const next = page.Find("next_cursor");
      if (next == nullptr || !next->is_string() || contexts->as_array().empty()) return names;
      path = "/v1/contexts?limit=1000&cursor=" + PercentEncode(next->as_string());
    }
  }

  Status Remove(const std::string& agent) override {
    WEIR_TRY(Ask("DELETE", PathOf(agent)));
    return {};
  }

  Result<uint64_t> Clear(const std::optional<std::string>& group) override {
    WEIR_ASSIGN(const Json answer,
                Ask("DELETE", "/v1/contexts?" + (group ? "group=" + PercentEncode(*group) : std::string("all=true"))));
    return CountIn(answer, "removed");
  }

  Result<uint64_t> Count() override {
    WEIR_ASSIGN(const Json status, Ask("GET", "/v1/status"));
    const Json* const registry = status.is_object() ? status.Find("registry") : nullptr;
    return CountIn(registry != nullptr ? *registry : status, "contexts");
  }

 private:
  static std::string PathOf(const std::string& agent) { return "/v1/contexts/" + PercentEncode(agent); }
  static Result<Registered> Parsed(const Result<Json>& answer) {
    if (!answer) return answer.error();
    return ParseRegistered(*answer);
  }

  Result<Json> Ask(const std::string& method, const std::string& path, const Json& body = {}) {
    Result<Json> answer = client_->Ask(method, path, body);
    if (!answer && answer.error().code == ErrorCode::kUnavailable) {
      return session_.As(ExitCode::kCannotCreate, std::move(answer).error());
    }
    return answer;
  }

  Session& session_;
  const std::unique_ptr<DaemonClient> client_;
};

}  // namespace

Result<std::unique_ptr<ContextsPlace>> PlaceInFolder(Session& session, DataFolderOptions options) {
  Result<DataFolder> data = OpenForChanges(std::move(options));
  if (!data) return Refused(session, std::move(data).error());
  return std::unique_ptr<ContextsPlace>(std::make_unique<FolderPlace>(*std::move(data)));
}

std::unique_ptr<ContextsPlace> PlaceAtDaemon(Session& session, std::unique_ptr<DaemonClient> client) {
  return std::make_unique<DaemonPlace>(session, std::move(client));
}

Result<std::unique_ptr<ContextsPlace>> ChosenPlace(Session& session, const std::string& folder) {
  WEIR_ASSIGN(std::unique_ptr<DaemonClient> client, DaemonClient::OfFolder(session, folder));
  if (client != nullptr) return PlaceAtDaemon(session, std::move(client));
  DataFolderOptions open;
  open.folder = folder;
  open.create = false;
  return PlaceInFolder(session, std::move(open));
}

}  // namespace weir
