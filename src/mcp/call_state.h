#pragma once
// CallState: what stands behind an McpCall. Private to the room.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "request.h"
#include "request_state.h"
#include "weir/mcp/call.h"
#include "weir/mcp/server.h"

namespace weir::mcp {

class CallState {
 public:
  CallState(const McpOptions& options, const RequestStates& states, const Request& request, std::string name,
            Json arguments);

  // Takes requestState and inputResponses of a modern request; -32602 when they are not what they should be.
  std::optional<RpcError> ReadAnswers();

  const Request& request() const { return request_; }
  const std::string& name() const { return name_; }
  const Json& arguments() const { return arguments_; }
  const Json& meta() const { return meta_; }
  bool ClientCan(std::string_view capability) const;
  void Progress(double done, std::optional<double> total, std::string_view message);
  void Log(McpLogLevel level, std::string_view logger, Json data);
  Result<std::vector<Json>> Ask(const std::vector<McpQuestion>& questions);

  // What the handler's error stands for when Ask() gave it: the client has to answer, or lacks a capability.
  std::optional<Outcome> Interruption(const Error& error) const;
  uint64_t questions_asked() const { return questions_asked_; }

 private:
  Result<std::vector<Json>> AskModern(const std::vector<McpQuestion>& questions);
  std::string Purpose() const;
  void AddLacking(const McpQuestion& question, Json& lacking) const;

  const McpOptions& options_;
  const RequestStates& states_;
  const Request& request_;
  const std::string name_;
  const Json arguments_;
  Json meta_ = Json::MakeObject();
  Json progress_token_{};  // null: the client does not want to know
  std::optional<double> progress_{};
  Json answers_ = Json::MakeObject();  // known from earlier rounds and from this one
  Json used_ = Json::MakeObject();     // of these, what the handler asked for
  std::vector<McpQuestion> open_{};    // that must be answered before the handler can go on
  Json lacking_ = Json::MakeObject();  // capabilities
  uint64_t questions_asked_ = 0;
};

}  // namespace weir::mcp
