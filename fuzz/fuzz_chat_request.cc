// A line of a JSONL file as a chat request.

#include "fuzz_input.h"
#include "weir/prompts/chat_request.h"

void weir::fuzz::Run(std::string_view input) {
  const Result<ChatRequest> request = ChatRequest::Parse(input);
  if (!request) return;
  WEIR_FUZZ_CHECK(request->messages().is_array());
  WEIR_FUZZ_CHECK(request->tools() == nullptr || request->tools()->is_array());
  (void)request->agent();
  (void)request->add_generation_prompt();
  WEIR_FUZZ_CHECK(ChatRequest::From(request->body()).has_value());
}
