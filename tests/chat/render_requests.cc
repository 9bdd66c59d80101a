// Renders chat requests for compare_templates.py: one JSON object per line in, one per line out.
//
// In: {"source", "special_tokens", "messages", "tools", "variables", "input", "add_generation_prompt", "now_local_s"}, or
// {"source", "special_tokens", "describe": true}. Out: {"text", "segments": [{"name", "kind", "begin", "end"}]},
// {"walks_content_parts"}, or {"error": {"code", "message"}}.

#include <iostream>
#include <map>
#include <string>

#include "weir/chat/chat_template.h"
#include "weir/codec/json.h"

namespace {

using weir::Json;

Json Answer(const weir::Error& error) {
  Json body = Json::MakeObject();
  body.Set("code", Json(weir::ErrorCodeName(error.code)));
  body.Set("message", Json(error.message));
  Json answer = Json::MakeObject();
  answer.Set("error", std::move(body));
  return answer;
}

Json Answer(const weir::RenderedPrompt& prompt) {
  Json segments = Json::MakeArray();
  for (const weir::Segment& segment : prompt.segments) {
    Json entry = Json::MakeObject();
    entry.Set("name", Json(segment.name));
    entry.Set("kind", Json(weir::SegmentKindName(segment.kind)));
    entry.Set("begin", Json(int64_t{segment.bytes.begin}));
    entry.Set("end", Json(int64_t{segment.bytes.end}));
    segments.Append(std::move(entry));
  }
  Json answer = Json::MakeObject();
  answer.Set("text", Json(prompt.text));
  answer.Set("segments", std::move(segments));
  return answer;
}

Json Render(const weir::ChatTemplate& chat_template, const Json& job) {
  weir::ChatRenderOptions options;
  options.input = job.Find("input")->as_string() == "engine" ? weir::ChatInput::kEngine : weir::ChatInput::kAsGiven;
  options.add_generation_prompt = job.Find("add_generation_prompt")->as_bool();
  options.variables = *job.Find("variables");
  options.now_local_s = job.Find("now_local_s")->as_int();
  const weir::Result<weir::RenderedPrompt> prompt = chat_template.Render(*job.Find("messages"), job.Find("tools"), options);
  return prompt ? Answer(*prompt) : Answer(prompt.error());
}

}  // namespace

int main() {
  std::map<std::string, weir::Result<weir::ChatTemplate>> templates;
  std::string line;
  while (std::getline(std::cin, line)) {
    const weir::Result<Json> job = Json::Parse(line);
    if (!job) {
      std::cerr << job.error().ToString() << "\n";
      return 1;
    }
    const std::string& source = job->Find("source")->as_string();
    const Json& special_tokens = *job->Find("special_tokens");
    const std::string key = source + special_tokens.Dump();
    auto found = templates.find(key);
    if (found == templates.end()) {
      found = templates.emplace(key, weir::ChatTemplate::FromSource(source, special_tokens)).first;
    }
    const weir::Result<weir::ChatTemplate>& chat_template = found->second;
    Json answer = Json::MakeObject();
    if (!chat_template) {
      answer = Answer(chat_template.error());
    } else if (job->Find("describe") != nullptr) {
      answer.Set("walks_content_parts", Json(chat_template->walks_content_parts()));
    } else {
      answer = Render(*chat_template, *job);
    }
    std::cout << answer.Dump() << "\n";
  }
}
