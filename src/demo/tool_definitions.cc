#include "tool_definitions.h"

#include <algorithm>
#include <utility>

namespace weir {
namespace {

Json TextParameter(const char* description) { return Json(Json::Object{{"type", "string"}, {"description", description}}); }

Json Tool(const char* name, const char* description, Json::Object properties, const char* required) {
  Json parameters(Json::Object{
      {"type", "object"}, {"properties", Json(std::move(properties))}, {"required", Json(Json::Array{Json(required)})}});
  return Json(Json::Object{
      {"type", "function"},
      {"function",
       Json(Json::Object{{"name", name}, {"description", description}, {"parameters", std::move(parameters)}})}});
}

}  // namespace

Json DemoTools() {
  return Json(Json::Array{
      Tool("search_docs", "Finds the sections of the documentation that answer a question best.",
           {{"query", TextParameter("What to look for, in plain words")},
            {"limit", Json(Json::Object{{"type", "integer"}, {"description", "How many sections to return"}})}},
           "query"),
      Tool("read_file", "Returns one documentation file as it stands in the tree.",
           {{"path", TextParameter("Path from the root of the tree, for example docs/architecture.md")}}, "path"),
      Tool("list_files", "Lists the documentation files with their sizes.",
           {{"folder", TextParameter("Folder to list; the root when it is empty")}}, "folder"),
      Tool("cite", "Marks a sentence of the answer with the file and section that supports it.",
           {{"sentence", TextParameter("The sentence, word for word")}, {"source", TextParameter("File and section")}},
           "sentence"),
  });
}

Json ShuffledTools() {
  Json tools = DemoTools();
  std::swap(tools.as_array()[0], tools.as_array()[2]);
  std::swap(tools.as_array()[1], tools.as_array()[3]);
  return tools;
}

Json ReversedKeys(const Json& value) {
  if (value.is_array()) {
    Json array = Json::MakeArray();
    for (const Json& item : value.as_array()) array.Append(ReversedKeys(item));
    return array;
  }
  if (!value.is_object()) return value;
  Json object = Json::MakeObject();
  const Json::Object& members = value.as_object();
  for (auto member = members.rbegin(); member != members.rend(); ++member)
    object.Set(member->first, ReversedKeys(member->second));
  return object;
}

}  // namespace weir
