#include "requests.h"

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <optional>
#include <utility>

#include "weir/inspect/broker_json.h"

namespace weir::inspect {
namespace {

// null or absent: nothing.
Result<std::optional<uint64_t>> BytesOf(const Json& request) {
  const Json* const bytes = request.Find("bytes");
  if (bytes == nullptr || bytes->is_null()) return std::optional<uint64_t>();
  if (const uint64_t* const number = bytes->get_if_uint()) return std::optional(*number);
  const int64_t* const number = bytes->get_if_int();
  if (number == nullptr || *number < 0) return InvalidArgument("'bytes' is no whole number of bytes");
  return std::optional(static_cast<uint64_t>(*number));
}

Result<Json> Answer(std::string_view line, Broker& broker, const std::string& process) {
  WEIR_ASSIGN(const Json request, Json::Parse(line));
  const Json* const op = request.Find("op");
  if (op == nullptr || !op->is_string()) return InvalidArgument("a request is an object with 'op'");
  const std::string& name = op->as_string();
  const Json hello(Json::Object{{"pid", static_cast<int64_t>(::getpid())}, {"process", process}});
  if (name == "hello") return hello;
  if (name == "snapshot") {
    Json answer = hello;
    Json state = BrokerJson(broker.Snapshot());
    for (Json::Member& member : state.as_object()) answer.as_object().push_back(std::move(member));
    return answer;
  }
  WEIR_ASSIGN(const std::optional<uint64_t> bytes, BytesOf(request));
  if (name == "plan") return PlanJson(broker.PlanNow(bytes));
  if (name == "relieve") return ReliefJson(broker.Relieve(bytes.value_or(0)));
  return InvalidArgument("no such 'op'", "one of: hello, snapshot, plan, relieve");
}

}  // namespace

Json ErrorAnswer(const Error& error) {
  return Json::Object{{"error", Json::Object{{"code", ErrorCodeName(error.code)},
                                             {"message", error.message},
                                             {"hint", error.hint.empty() ? Json() : Json(error.hint)}}}};
}

Json AnswerTo(std::string_view line, Broker& broker, const std::string& process) {
  try {
    Result<Json> answer = Answer(line, broker, process);
    return answer ? *std::move(answer) : ErrorAnswer(answer.error());
  } catch (const std::exception& fault) {
    return ErrorAnswer({ErrorCode::kInternal, fmt::format("the request failed: {}", fault.what()), {}});
  }
}

}  // namespace weir::inspect
