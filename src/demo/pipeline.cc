#include "weir/demo/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "documents.h"
#include "tool_definitions.h"

namespace weir {
namespace {

constexpr size_t kPassages = 4;
constexpr int64_t kSecondsBetweenCalls = 7;

constexpr DemoAgent kAgents[] = {
    {"retriever", "Name the passages that answer the question, by file and section.", "none"},
    {"reranker", "Put the passages in order, the most useful first, and drop what does not help.",
     "a template left blanks at line ends"},
    {"summarizer", "Sum up what the passages say about the question in at most five sentences.",
     "tools in the order of a hash map"},
    {"critic", "Say what in the draft the passages do not support, and what it leaves out.",
     "the time of the call in the system prompt"},
    {"responder", "Write the final answer: correct the draft after the critique, and cite file and section.",
     "JSON keys in another order"},
};

constexpr std::string_view kQuestions[] = {
    "How do I build the project and run its tests?",
    "Which rooms is the code made of, and what may a room include?",
    "What do set-up and the two commands install, and where do downloads go?",
    "What is the difference between an exact prefix and a moved span?",
};

std::string FormatTime(int64_t seconds, const char* format) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  const size_t size = std::strftime(text, sizeof(text), format, &parts);
  return {text, size};
}

// What every agent is told; only the date line differs between them.
std::string SystemPrompt(std::string_view date) {
  return fmt::format(
      "You are one of five agents that answer questions about the project whose overview follows.\n"
      "Current date: {}\n\n"
      "Rules:\n"
      "- Use the passages you are given and nothing else.\n"
      "- Name the file and the section for everything you say.\n"
      "- Say so when the passages do not answer the question.\n"
      "- Keep names of commands, flags and files exactly as they are written.\n\n"
      "Project overview:\n\n{}",
      date, DemoFile("README.md"));
}

// What a template engine does that indents its blocks: some lines end in blanks.
std::string WithTrailingBlanks(const std::string& text) {
  std::string out;
  bool in_rules = false;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    in_rules = line == "Rules:" || (in_rules && line.starts_with("- "));
    out += line;
    if (in_rules) out += "  ";
    if (end < text.size()) out += '\n';
    begin = end + 1;
  }
  return out;
}

std::string Passages(const std::vector<const DemoSection*>& sections) {
  std::string out = "Passages:\n\n";
  for (size_t i = 0; i < sections.size(); ++i) {
    out += fmt::format("[{}] {}, {}\n{}\n", i + 1, sections[i]->file, sections[i]->title, sections[i]->text);
  }
  return out;
}

// Stands for what the agents before would have written: the first sentence of each passage, word for word.
std::string Draft(const std::vector<const DemoSection*>& sections) {
  std::string out = "Draft:\n";
  for (const DemoSection* section : sections) {
    std::string_view text = section->text;
    if (text.starts_with("#")) text.remove_prefix(std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(text.find_first_not_of(" \n`"), text.size()));
    const size_t end = text.find(". ");
    const std::string_view sentence =
        text.substr(0, std::min<size_t>(end == std::string_view::npos ? text.size() : end + 1, 300));
    out += fmt::format("- {} ({})\n", sentence.substr(0, sentence.find('\n')), section->file);
  }
  return out;
}

Json Message(const char* role, std::string content) {
  return Json(Json::Object{{"role", role}, {"content", std::move(content)}});
}

// One agent's request. The first two agents put the passages first; the others their task, which moves the passages.
Json RequestOf(size_t agent, std::string_view question, int64_t now_s) {
  const std::string_view name = kAgents[agent].name;
  const bool stamps_time = name == "critic";
  std::string system = SystemPrompt(FormatTime(now_s, stamps_time ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d"));
  if (name == "reranker") system = WithTrailingBlanks(system);

  const std::vector<const DemoSection*> sections = SearchSections(question, kPassages);
  const std::string task = fmt::format("Task of the {}: {}\nQuestion: {}\n", name, kAgents[agent].task, question);
  const bool passages_first = agent < 2;
  std::string user = passages_first ? Passages(sections) + "\n" + task : task + "\n" + Passages(sections);
  if (agent >= 3) user += "\n" + Draft(sections);

  Json tools = name == "summarizer" ? ShuffledTools() : name == "responder" ? ReversedKeys(DemoTools()) : DemoTools();
  Json request = Json::MakeObject();
  request.Set("model", "demo");
  request.Set("messages", Json(Json::Array{Message("system", std::move(system)), Message("user", std::move(user))}));
  request.Set("tools", std::move(tools));
  request.Set("metadata", Json(Json::Object{{"agent", name}}));
  return request;
}

}  // namespace

std::span<const DemoAgent> DemoAgents() { return kAgents; }
std::span<const std::string_view> DemoQuestions() { return kQuestions; }

DemoCorpus DemoCorpusSize() {
  DemoCorpus corpus;
  corpus.files = DemoFileCount();
  for (const DemoSection& section : DemoSections()) {
    ++corpus.sections;
    corpus.bytes += section.text.size();
  }
  return corpus;
}

std::vector<Json> DemoRequests(const DemoOptions& options) {
  std::vector<Json> requests;
  int64_t now_s = options.now_s;
  for (size_t question = 0; question < std::min(options.question_count, std::size(kQuestions)); ++question) {
    for (size_t agent = 0; agent < std::size(kAgents); ++agent) {
      requests.push_back(RequestOf(agent, kQuestions[question], now_s));
      now_s += kSecondsBetweenCalls;
    }
  }
  return requests;
}

}  // namespace weir
