#include "fixtures.h"

namespace weir::fixture {
namespace {

void AddText(McpServer& server, std::string_view uri, std::string_view title, std::string_view text) {
  McpResource resource;
  resource.uri = uri;
  resource.name = uri.substr(uri.rfind('/') + 1);
  resource.title = title;
  resource.mime_type = "text/plain";
  resource.handler = [text = std::string(text)](McpCall& call) -> Result<McpResourceContents> {
    return McpResourceContents{{McpTextContents(call.name(), "text/plain", text)}};
  };
  WEIR_CHECK(server.AddResource(std::move(resource)).has_value());
}

void AddBinary(McpServer& server) {
  McpResource resource;
  resource.uri = "test://static-binary";
  resource.name = "static-binary";
  resource.mime_type = "image/png";
  resource.handler = [](McpCall& call) -> Result<McpResourceContents> {
    return McpResourceContents{{McpBinaryContents(call.name(), "image/png", PngBytes())}};
  };
  WEIR_CHECK(server.AddResource(std::move(resource)).has_value());
}

void AddTemplate(McpServer& server) {
  McpResourceTemplate family;
  family.uri_template = "test://template/{id}/data";
  family.name = "template";
  family.title = "Resource Template";
  family.mime_type = "application/json";
  family.handler = [](McpCall& call) -> Result<McpResourceContents> {
    const std::string id = call.arguments().Find("id")->as_string();
    Json body = Json::MakeObject();
    body.Set("id", id);
    body.Set("templateTest", true);
    body.Set("data", "Data for ID: " + id);
    return McpResourceContents{{McpTextContents(call.name(), "application/json", body.Dump())}};
  };
  family.complete = [](const McpCaller&, std::string_view, std::string_view value, const Json&) {
    return std::vector<std::string>{std::string(value) + "1", std::string(value) + "2"};
  };
  WEIR_CHECK(server.AddResourceTemplate(std::move(family)).has_value());
}

void AddPrompt(McpServer& server, std::string_view name, std::vector<McpPrompt::Argument> arguments,
               McpPromptHandler handler) {
  McpPrompt prompt;
  prompt.name = name;
  prompt.description = "A prompt for tests";
  prompt.arguments = std::move(arguments);
  prompt.handler = std::move(handler);
  prompt.complete = [](const McpCaller&, std::string_view, std::string_view value, const Json&) {
    return std::vector<std::string>{std::string(value) + "ris", std::string(value) + "rty"};
  };
  WEIR_CHECK(server.AddPrompt(std::move(prompt)).has_value());
}

}  // namespace

void AddResourcesAndPrompts(McpServer& server) {
  AddText(server, "test://static-text", "Static Text Resource", "This is the content of the static text resource.");
  AddText(server, "test://watched-resource", "Watched Resource", "Watched resource content");
  AddBinary(server);
  AddTemplate(server);
  AddPrompt(server, "test_simple_prompt", {}, [](McpCall&) -> Result<McpPromptResult> {
    McpPromptResult result;
    result.Add("user", McpText("This is a simple prompt for testing."));
    return result;
  });
  AddPrompt(server, "test_prompt_with_arguments",
            {{"arg1", "First test argument", true}, {"arg2", "Second test argument", true}},
            [](McpCall& call) -> Result<McpPromptResult> {
              McpPromptResult result;
              result.Add("user", McpText("Prompt with arguments: arg1='" + call.arguments().Find("arg1")->as_string() +
                                         "', arg2='" + call.arguments().Find("arg2")->as_string() + "'"));
              return result;
            });
  AddPrompt(server, "test_prompt_with_embedded_resource", {{"resourceUri", "URI of the resource to embed", true}},
            [](McpCall& call) -> Result<McpPromptResult> {
              McpPromptResult result;
              result.Add("user", McpEmbedded(McpTextContents(call.arguments().Find("resourceUri")->as_string(), "text/plain",
                                                             "Embedded resource content for testing.")));
              result.Add("user", McpText("Please process the embedded resource above."));
              return result;
            });
  AddPrompt(server, "test_prompt_with_image", {}, [](McpCall&) -> Result<McpPromptResult> {
    McpPromptResult result;
    result.Add("user", McpImage(PngBytes(), "image/png"));
    result.Add("user", McpText("Please analyze the image above."));
    return result;
  });
}

}  // namespace weir::fixture
