#include <memory>

#include "command.h"
#include "manual.h"
#include "session.h"
#include "weir/api/api.h"

namespace weir {
namespace {

Json FlagsJson(const std::vector<FlagDoc>& flags) {
  Json array = Json::MakeArray();
  for (const FlagDoc& flag : flags) {
    Json names = Json::MakeArray();
    for (const std::string& name : flag.names) names.Append(name);
    Json object = Json::MakeObject();
    object.Set("names", std::move(names));
    object.Set("value", flag.value_name);
    object.Set("description", FlagText(flag));
    array.Append(std::move(object));
  }
  return array;
}

Json CommandsJson() {
  Json commands = Json::MakeArray();
  for (const CommandDoc& doc : DocumentCommands()) {
    Json object = Json::MakeObject();
    object.Set("name", doc.command->name);
    object.Set("summary", doc.command->summary);
    object.Set("flags", FlagsJson(doc.flags));
    commands.Append(std::move(object));
  }
  Json out = Json::MakeObject();
  out.Set("commands", std::move(commands));
  out.Set("common_flags", FlagsJson(DocumentCommonFlags()));
  return out;
}

CommandBody Declare(Flags& flags) {
  auto markdown = std::make_shared<bool>(false);
  flags.Switch("--markdown", *markdown, "Markdown instead: the text of docs/commands.md");
  auto rest = std::make_shared<bool>(false);
  flags.Switch("--rest", *rest, "The daemon's REST reference instead: the text of docs/rest.md");
  return [markdown, rest](Session& session) -> Result<ExitCode> {
    if (session.json()) {
      session.WriteJson(CommandsJson());
    } else if (*rest) {
      session.out().Write(ApiReference());
    } else {
      session.out().Write(*markdown ? MarkdownPage() : ManPage());
    }
    return ExitCode::kOk;
  };
}

}  // namespace

Command ManCommand() {
  return {.name = "man",
          .summary = "print the manual page",
          .description = "Prints the manual in the format of man(7), made from the same declarations that the parser uses.",
          .examples = {{"weir man | man -l -", "read it"},
                       {"weir man > ~/.local/share/man/man1/weir.1", "install it"},
                       {"weir man --markdown > docs/commands.md", "the same as Markdown"}},
          .declare = Declare,
          .needs_settings = false};
}

}  // namespace weir
