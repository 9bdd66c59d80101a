// Tools that ask their client: for sampling, a form, its roots; in both eras with the same handlers.

#include "fixtures.h"

namespace weir::fixture {
namespace {

Json Sampling(std::string_view prompt, int tokens_max) {
  Json params = Parsed(R"({"messages":[{"role":"user","content":{"type":"text"}}]})");
  params.Find("messages")->as_array()[0].Find("content")->Set("text", prompt);
  params.Set("maxTokens", tokens_max);
  return params;
}

Json Form(std::string_view member, std::string_view type) {
  Json schema = Parsed(R"({"type":"object"})");
  Json property = Json::MakeObject();
  property.Set("type", type);
  schema.Set("properties", Json::MakeObject()).Set(member, std::move(property));
  schema.Set("required", Json::Array{Json(member)});
  return schema;
}

std::string TextOf(const Json& sampled) {
  const Json* content = sampled.Find("content");
  const Json* text = content == nullptr ? nullptr : content->Find("text");
  return text != nullptr && text->is_string() ? text->as_string() : "No response";
}

std::string Said(const Json& answer, std::string_view member) {
  const Json* content = answer.Find("content");
  const Json* value = content == nullptr ? nullptr : content->Find(member);
  return value == nullptr ? "nothing" : value->is_string() ? value->as_string() : value->Dump();
}

std::string Summary(std::string_view lead, const Json& answer) {
  const Json* content = answer.Find("content");
  return std::string(lead) + ": action=" + answer.Find("action")->as_string() +
         ", content=" + (content == nullptr ? "{}" : content->Dump());
}

constexpr std::string_view kDefaults = R"({"type":"object","properties":{
  "name":{"type":"string","description":"User name","default":"John Doe"},
  "age":{"type":"integer","description":"User age","default":30},
  "score":{"type":"number","description":"User score","default":95.5},
  "status":{"type":"string","description":"User status","enum":["active","inactive","pending"],"default":"active"},
  "verified":{"type":"boolean","description":"Verification status","default":true}},"required":[]})";

constexpr std::string_view kEnums = R"json({"type":"object","properties":{
  "untitledSingle":{"type":"string","description":"Select one option","enum":["option1","option2","option3"]},
  "titledSingle":{"type":"string","description":"Select one option with titles","oneOf":[
    {"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},
    {"const":"value3","title":"Third Option"}]},
  "legacyEnum":{"type":"string","description":"Select one option (legacy)","enum":["opt1","opt2","opt3"],
    "enumNames":["Option One","Option Two","Option Three"]},
  "untitledMulti":{"type":"array","description":"Select multiple options","minItems":1,"maxItems":3,
    "items":{"type":"string","enum":["option1","option2","option3"]}},
  "titledMulti":{"type":"array","description":"Select multiple options with titles","minItems":1,"maxItems":3,
    "items":{"anyOf":[{"const":"value1","title":"First Choice"},{"const":"value2","title":"Second Choice"},
      {"const":"value3","title":"Third Choice"}]}}},
  "required":[]})json";

McpToolHandler FormTool(std::string_view message, std::string_view schema) {
  return [message, form = Parsed(schema)](McpCall& call) -> Result<McpToolResult> {
    WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Form("form", message, form)));
    return McpToolResult::Text(Summary("Elicitation completed", answer));
  };
}

Result<McpToolResult> AskForName(McpCall& call) {
  WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Form("user_name", "What is your name?", Form("name", "string"))));
  return McpToolResult::Text("Hello, " + Said(answer, "name") + "!");
}

Result<McpToolResult> AskForCapital(McpCall& call) {
  WEIR_ASSIGN(const Json answer,
              call.Ask(McpQuestion::Sample("capital_question", Sampling("What is the capital of France?", 100))));
  return McpToolResult::Text(TextOf(answer));
}

Result<McpToolResult> AskForRoots(McpCall& call) {
  WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Roots("client_roots")));
  return McpToolResult::Text("Roots: " + answer.Find("roots")->Dump());
}

Result<McpToolResult> AskToConfirm(McpCall& call) {
  WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Form("confirm", "Please confirm", Form("ok", "boolean"))));
  return McpToolResult::Text("state-ok " + Said(answer, "ok"));
}

Result<McpToolResult> AskForMuch(McpCall& call) {
  WEIR_ASSIGN(
      const std::vector<Json> answers,
      call.Ask({McpQuestion::Form("user_name", "What is your name?", Form("name", "string")),
                McpQuestion::Sample("greeting", Sampling("Generate a greeting", 50)), McpQuestion::Roots("client_roots")}));
  return McpToolResult::Text(Said(answers[0], "name") + ": " + TextOf(answers[1]));
}

Result<McpToolResult> AskTwice(McpCall& call) {
  WEIR_ASSIGN(const Json first, call.Ask(McpQuestion::Form("step1", "Step 1: What is your name?", Form("name", "string"))));
  WEIR_ASSIGN(const Json second,
              call.Ask(McpQuestion::Form("step2", "Step 2: What is your favorite color?", Form("color", "string"))));
  return McpToolResult::Text(Said(first, "name") + " likes " + Said(second, "color"));
}

Result<McpToolResult> AskWhatTheClientCan(McpCall& call) {
  std::vector<McpQuestion> questions;
  if (call.ClientCan("elicitation")) questions.push_back(McpQuestion::Form("name", "Your name?", Form("name", "string")));
  if (call.ClientCan("sampling")) questions.push_back(McpQuestion::Sample("greeting", Sampling("Greet", 50)));
  if (questions.empty()) return McpToolResult::Text("The client can nothing that could be asked");
  WEIR_ASSIGN(const std::vector<Json> answers, call.Ask(questions));
  return McpToolResult::Text(std::to_string(answers.size()) + " answers");
}

}  // namespace

void AddAskingTools(McpServer& server) {
  Add(server, "test_sampling", "Asks the client's model",
      R"({"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]})",
      [](McpCall& call) -> Result<McpToolResult> {
        WEIR_ASSIGN(const Json answer,
                    call.Ask(McpQuestion::Sample("s", Sampling(call.arguments().Find("prompt")->as_string(), 100))));
        return McpToolResult::Text("LLM response: " + TextOf(answer));
      });
  Add(server, "test_elicitation", "Asks the user",
      R"({"type":"object","properties":{"message":{"type":"string"}},"required":["message"]})",
      [](McpCall& call) -> Result<McpToolResult> {
        const McpQuestion question =
            McpQuestion::Form("e", call.arguments().Find("message")->as_string(), Form("response", "string"));
        WEIR_ASSIGN(const Json answer, call.Ask(question));
        return McpToolResult::Text(Summary("User response", answer));
      });
  Add(server, "test_elicitation_sep1034_defaults", "A form with defaults", "{}",
      FormTool("Please review and update the form fields with defaults", kDefaults));
  Add(server, "test_elicitation_sep1330_enums", "A form with choices", "{}",
      FormTool("Please select options from the enum fields", kEnums));
  Add(server, "test_missing_capability", "Needs sampling", "{}", AskForCapital);
  Add(server, "test_streaming_elicitation", "Asks on a stream", "{}", [](McpCall& call) -> Result<McpToolResult> {
    call.Progress(1, 2);
    return AskForName(call);
  });
  Add(server, "test_input_required_result_elicitation", "Asks for a form", "{}", AskForName);
  Add(server, "test_input_required_result_sampling", "Asks the model", "{}", AskForCapital);
  Add(server, "test_input_required_result_list_roots", "Asks for roots", "{}", AskForRoots);
  Add(server, "test_input_required_result_request_state", "Asks with a state", "{}", AskToConfirm);
  Add(server, "test_input_required_result_tampered_state", "Asks with a state", "{}", AskToConfirm);
  Add(server, "test_input_required_result_multiple_inputs", "Asks three things", "{}", AskForMuch);
  Add(server, "test_input_required_result_multi_round", "Asks twice", "{}", AskTwice);
  Add(server, "test_input_required_result_capabilities", "Asks what the client can", "{}", AskWhatTheClientCan);

  McpPrompt prompt;
  prompt.name = "test_input_required_result_prompt";
  prompt.description = "Asks before it answers";
  prompt.handler = [](McpCall& call) -> Result<McpPromptResult> {
    const McpQuestion question =
        McpQuestion::Form("user_context", "What context should the prompt use?", Form("context", "string"));
    WEIR_ASSIGN(const Json answer, call.Ask(question));
    McpPromptResult result;
    result.Add("user", McpText("Prompt with context: " + Said(answer, "context")));
    return result;
  };
  WEIR_CHECK(server.AddPrompt(std::move(prompt)).has_value());
}

}  // namespace weir::fixture
