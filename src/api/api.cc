#include "weir/api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "errors.h"
#include "idempotency.h"
#include "metrics_page.h"
#include "openapi.h"
#include "origin.h"
#include "router.h"
#include "trace_context.h"
#include "weir/base/log.h"

namespace weir {

using namespace api;  // the room's own

namespace {

constexpr std::string_view kHealth = "/healthz";
constexpr std::string_view kReady = "/readyz";
constexpr std::string_view kMetrics = "/metrics";
constexpr std::string_view kOpenApiPath = "/openapi.json";

HttpResponse PlainAnswer(int status, std::string_view content_type, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.Add("Content-Type", std::string(content_type));
  response.body = std::move(body);
  return response;
}

// "/v1/models" and one segment more; what lies below a model is ours.
bool IsOpenAiPath(std::string_view path) {
  constexpr std::string_view kModels = "/v1/models";
  if (path == "/v1/embeddings" || path == kModels) return true;
  return path.starts_with(kModels) && path[kModels.size()] == '/' && path.find('/', kModels.size() + 1) == path.npos;
}

ErrorShape ShapeOf(std::string_view path) { return IsOpenAiPath(path) ? ErrorShape::kOpenAi : ErrorShape::kOurs; }

// Codes of ours for what HTTP alone knows.
HttpResponse Refused(int status, std::string_view code, std::string message, std::string hint, ErrorShape shape) {
  const Error error{ErrorCode::kInvalidArgument, std::move(message), std::move(hint)};
  Json body = ErrorJson(error, status, shape);
  body.Find("error")->Set("code", code);
  return PlainAnswer(status, "application/json", body.Dump());
}

}  // namespace

class Api::Core {
 public:
  explicit Core(ApiOptions options)
      : options_(std::move(options)),
        clock_(options_.clock != nullptr ? *options_.clock : steady_),
        origin_(options_.hosts, options_.origins),
        idempotency_(clock_),
        openapi_(OpenApiJson(options_.version).Dump()) {
    metrics_.reserve(router_.routes().size());
    for (const CompiledRoute& route : router_.routes()) metrics_.push_back(std::make_unique<RouteMetrics>(*route.route));
  }

  const std::string& openapi() const { return openapi_; }

  std::optional<HttpResponse> CheckOrigin(const HttpRequest& request) const {
    const OriginVerdict verdict = origin_.Check(request);
    if (verdict == OriginVerdict::kFine) return std::nullopt;
    const bool is_host = verdict == OriginVerdict::kWrongHost;
    return Refused(403, is_host ? "wrong_host" : "wrong_origin",
                   is_host ? "this daemon is not known under that host name" : "web pages of that origin may not call",
                   is_host ? "the setting hosts names those that are allowed" : "the setting origins names those that may",
                   ShapeOf(request.path));
  }

  std::optional<HttpResponse> Admit(const HttpRequest& request, Caller& caller, bool counts) {
    Admission admission = options_.access->Admit(request, counts);
    const ErrorShape shape = ShapeOf(request.path);
    switch (admission.refusal) {
      case Refusal::kNone: caller = std::move(admission.caller); return std::nullopt;
      case Refusal::kNoToken:
      case Refusal::kWrongToken: {
        const bool none = admission.refusal == Refusal::kNoToken;
        HttpResponse response =
            Refused(401, none ? "no_token" : "wrong_token", none ? "a token is needed" : "not a token of this daemon",
                    "Authorization: Bearer TOKEN; 'weir token add' makes one", shape);
        response.headers.Add("WWW-Authenticate",
                             none ? R"(Bearer realm="weir")" : R"(Bearer realm="weir", error="invalid_token")");
        return response;
      }
      case Refusal::kTooMany: {
        HttpResponse response =
            Refused(429, "too_many_requests", "more requests than this token may send in a second", "wait", shape);
        response.headers.Set("Retry-After", std::to_string(admission.retry_after_s));
        return response;
      }
    }
    return std::nullopt;
  }

  HttpResponse Handle(const HttpRequest& request) {
    const TimePoint begun = clock_.Now();
    RequestRecord record;
    const TraceContext trace = ContinueTrace(request.headers.Find("traceparent").value_or(std::string_view()));
    RouteMetrics* metrics = nullptr;
    HttpResponse response = [&] {
      try {
        return Answer(request, record, metrics);
      } catch (const std::bad_alloc&) {
        return ErrorAnswer(Exhausted("not enough memory for this request", "send it again later, or make it smaller"), 503,
                           ShapeOf(request.path));
      } catch (const std::exception&) {
        // What it says may hold text of the request.
        Log(LogLevel::kError, fmt::format("{}: an exception nobody expected", record.route));
        return ErrorAnswer(Error{ErrorCode::kInternal, "this daemon has a fault", "tell those who run it"}, 500,
                           ShapeOf(request.path));
      }
    }();
    response.headers.Set("x-request-id", trace.trace_id);
    const Duration duration = clock_.Now() - begun;
    if (metrics != nullptr) metrics->Count(response.status, duration);
    if (options_.on_request) {
      record.method = KnownHttpMethod(request.method).value_or("_OTHER");
      record.status = response.status;
      record.request_bytes = request.body.size();
      record.response_bytes = response.body.size();
      record.duration = duration;
      record.trace_id = trace.trace_id;
      record.span_id = trace.span_id;
      record.parent_span_id = trace.parent_span_id;
      record.is_sampled = trace.is_sampled;
      if (request.peer != nullptr) record.peer = request.peer->ToString();
      options_.on_request(record);
    }
    return response;
  }

  std::optional<HttpResponse> LookAtHead(const HttpRequest& request) {
    if (IsQuick(request)) return std::nullopt;
    if (auto refused = CheckOrigin(request)) return refused;
    Caller caller;
    return Admit(request, caller, false);
  }

 private:
  // What needs no token and no workspace.
  std::optional<HttpResponse> Open(const HttpRequest& request, RequestRecord& record) {
    const auto page = [&](std::string_view path) {
      if (request.path != path) return false;
      record.route = path;
      return true;
    };
    if (IsQuick(request) && request.method != "GET" && request.method != "HEAD") {
      Router::Found found;
      found.allow = "GET, HEAD";
      return NoRoute(request, found, ErrorShape::kOurs);
    }
    if (page(kHealth)) return PlainAnswer(200, "application/json", R"({"status":"alive"})");
    if (page(kReady)) {
      const bool ready = options_.service->ready();
      Json body = Json::Object{{"status", ServiceStateName(options_.service->state())}};
      if (const auto failure = options_.service->failure()) body.Set("error", failure->ToString());
      HttpResponse response = PlainAnswer(ready ? 200 : 503, "application/json", body.Dump());
      if (!ready) response.headers.Add("Retry-After", "1");
      return response;
    }
    if (page(kMetrics)) {
      const ExpositionForm form = ExpositionFormOf(request.headers.Find("accept").value_or(std::string_view()));
      return PlainAnswer(200, ExpositionContentType(form),
                         MetricsPage(form, *options_.service, metrics_, options_.http_stats, options_.version));
    }
    if (page(kOpenApiPath)) return PlainAnswer(200, "application/json", openapi_);
    return std::nullopt;
  }

  HttpResponse Answer(const HttpRequest& request, RequestRecord& record, RouteMetrics*& metrics) {
    const ErrorShape shape = ShapeOf(request.path);
    if (auto refused = CheckOrigin(request)) return *std::move(refused);
    if (auto open = Open(request, record)) return *std::move(open);
    Caller caller;
    if (auto refused = Admit(request, caller, true)) return *std::move(refused);
    record.workspace = caller.workspace;
    record.token = caller.token;
    const Result<Router::Found> found = router_.Find(request.method, request.path);
    if (!found) return ErrorAnswer(found.error(), shape);
    if (found->route == nullptr) return NoRoute(request, *found, shape);
    const CompiledRoute& route = *found->route;
    record.route = route.route->path;
    metrics = metrics_[route.index].get();
    if (!caller.may(route.route->scope)) {
      HttpResponse response =
          Refused(403, "wrong_scope", fmt::format("this needs the scope {}", ScopeName(route.route->scope)),
                  "use a token that has it", shape);
      response.headers.Add("WWW-Authenticate", fmt::format(R"(Bearer realm="weir", error="insufficient_scope", scope="{}")",
                                                           ScopeName(route.route->scope)));
      return response;
    }
    return Run(request, route, found->path, caller);
  }

  HttpResponse NoRoute(const HttpRequest& request, const Router::Found& found, ErrorShape shape) const {
    if (found.allow.empty()) {
      return Refused(404, "no_such_path", "there is nothing at this path", "/openapi.json has what there is", shape);
    }
    if (request.method == "OPTIONS") {
      HttpResponse response;
      response.status = 204;
      response.headers.Add("Allow", found.allow + ", OPTIONS");
      return response;
    }
    HttpResponse response =
        Refused(405, "wrong_method", "this path does not take that method", "it takes " + found.allow, shape);
    response.headers.Add("Allow", found.allow);
    return response;
  }

  HttpResponse Run(const HttpRequest& request, const CompiledRoute& route, const std::vector<std::string>& segments,
                   const Caller& caller) {
    const ErrorShape shape = route.route->errors;
    const Result<Workspace*> workspace = options_.service->Find(caller.workspace);
    // A token whose workspace is not open is no secret to its owner.
    if (!workspace)
      return ErrorAnswer(workspace.error(),
                         workspace.error().code == ErrorCode::kNotFound ? 503 : StatusOf(workspace.error().code), shape);
    RouteCall call{*options_.service, **workspace, caller, request};
    Result<Json> path = Router::PathOf(route, segments);
    if (!path) return ErrorAnswer(path.error(), shape);
    call.path = *std::move(path);
    Result<Json> query = Router::QueryOf(route, request.query);
    if (!query) return ErrorAnswer(query.error(), shape);
    call.query = *std::move(query);
    Result<Json> body = Router::BodyOf(route, request);
    if (!body) {
      const bool is_type = body.error().code == ErrorCode::kUnsupported;
      return ErrorAnswer(body.error(), is_type ? 415 : StatusOf(body.error().code), shape);
    }
    call.body = *std::move(body);
    const auto key = route.route->idempotency ? request.headers.Find("idempotency-key") : std::nullopt;
    return key ? RunOnce(*key, call, route) : Finished(call, route);
  }

  HttpResponse RunOnce(std::string_view key, RouteCall& call, const CompiledRoute& route) {
    constexpr size_t kKeyBytesMax = 255;
    const ErrorShape shape = route.route->errors;
    if (key.empty() || key.size() > kKeyBytesMax) {
      return ErrorAnswer(InvalidArgument("Idempotency-Key: 1 to 255 bytes"), shape);
    }
    const std::string name = fmt::format("{}\n{}\n{}", call.caller.workspace, call.caller.token, key);
    const Sha256Digest digest =
        Sha256(fmt::format("{}\n{}\n{}", call.request.method, call.request.target, call.request.body));
    Result<std::optional<HttpResponse>> first = idempotency_.Begin(name, digest);
    if (!first) {
      return ErrorAnswer(first.error(), first.error().code == ErrorCode::kInvalidArgument ? 422 : 409, shape);
    }
    if (*first) {
      (*first)->headers.Set("Idempotent-Replayed", "true");
      return **std::move(first);
    }
    // Whatever happens, the key does not stay taken.
    struct Release {
      Idempotency& idempotency;
      const std::string& name;
      bool is_finished = false;
      ~Release() {
        if (!is_finished) idempotency.Abandon(name);
      }
    } release{idempotency_, name};
    HttpResponse response = Finished(call, route);
    if (response.status < 500 && response.status != 429) {
      idempotency_.Finish(name, response);
      release.is_finished = true;
    }
    return response;
  }

  HttpResponse Finished(RouteCall& call, const CompiledRoute& route) {
    Result<RouteAnswer> answer = route.route->handler(call);
    if (!answer) return Failed(answer.error(), call, route);
    HttpResponse response;
    response.status = answer->status;
    for (HttpHeaders::Field& field : answer->headers) response.headers.Add(std::move(field.name), std::move(field.value));
    if (answer->status == 204 || answer->status == 304) return response;
    response.headers.Add("Content-Type", std::string(answer->content_type));
    response.body = answer->text.empty() ? answer->json.Dump() : std::move(answer->text);
    return response;
  }

  static HttpResponse Failed(const Error& error, const RouteCall& call, const CompiledRoute& route) {
    int status = StatusOf(error.code);
    // A condition that did not hold, where there was one.
    const bool had_condition = call.request.headers.Has("if-match") || call.request.headers.Has("if-none-match");
    if (error.code == ErrorCode::kAlreadyExists && had_condition) status = 412;
    if (status == 500)
      Log(LogLevel::kError, fmt::format("{} {}: {}", route.route->method, route.route->path, ErrorCodeName(error.code)));
    return ErrorAnswer(error, status, route.route->errors);
  }

  const ApiOptions options_;
  const SteadyClock steady_;
  const Clock& clock_;
  const Router router_;
  const OriginRules origin_;
  Idempotency idempotency_;
  const std::string openapi_;
  std::vector<std::unique_ptr<RouteMetrics>> metrics_;  // of the routes, in their order
};

Api::Api(ApiOptions options) : core_(std::make_unique<Core>(std::move(options))) {}
Api::~Api() = default;

HttpResponse Api::Handle(const HttpRequest& request) { return core_->Handle(request); }

std::optional<HttpResponse> Api::LookAtHead(const HttpRequest& request) { return core_->LookAtHead(request); }

bool Api::IsQuick(const HttpRequest& request) {
  return request.path == kHealth || request.path == kReady || request.path == kOpenApiPath || request.path == kMetrics;
}

std::optional<HttpResponse> Api::CheckOrigin(const HttpRequest& request) const { return core_->CheckOrigin(request); }
std::optional<HttpResponse> Api::Admit(const HttpRequest& request, Caller& caller) {
  return core_->Admit(request, caller, true);
}

const std::string& Api::OpenApi() const { return core_->openapi(); }

HttpResponse ApiErrorBody(int status, std::string_view code, std::string_view message) {
  Json body = Json::Object{{"error", Json::Object{{"code", code}, {"message", message}, {"hint", Json()}}}};
  return PlainAnswer(status, "application/json", body.Dump());
}

std::string ApiReference() { return ReferenceMarkdown(); }

}  // namespace weir
