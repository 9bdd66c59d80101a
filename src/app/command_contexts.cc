#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <span>

#include "command.h"
#include "contexts_options.h"
#include "suggest.h"

namespace weir {
namespace {

struct Action {
  std::string_view name;
  std::string_view takes;  // for the message when the count is wrong
  size_t items_least;
  size_t items_most;
  Result<ExitCode> (*run)(const ContextsOptions& options, Session& session);
};

constexpr size_t kAny = SIZE_MAX;

constexpr Action kActions[] = {
    {"add", "PATH...", 1, kAny, AddContexts},        {"append", "AGENT FILE", 2, 2, AppendToContext},
    {"list", "no argument", 0, 0, ListContexts},     {"show", "AGENT", 1, 1, ShowContext},
    {"remove", "AGENT...", 1, kAny, RemoveContexts}, {"clear", "no argument, but --group or --all", 0, 0, ClearContexts},
    {"match", "one FILE", 0, 1, MatchPrompt},        {"shared", "AGENT..., or --target AGENT", 0, kAny, SharedContexts},
    {"similar", "one FILE", 0, 1, SimilarContexts},  {"embed", "no argument", 0, 0, EmbedContexts},
    {"stats", "no argument", 0, 0, ContextsStats},
};

std::vector<std::string> ActionNames() {
  std::vector<std::string> names;
  for (const Action& action : kActions) names.emplace_back(action.name);
  return names;
}

struct Use {
  bool given;
  std::string_view flag;
  std::vector<std::string_view> actions;
};

// Flags that the action does not know are refused: nothing is ignored.
Status CheckFlags(const ContextsOptions& options, const Settings& settings) {
  const std::vector<std::string_view> spaced{"add", "match", "similar"};
  const Use uses[] = {
      {options.replace, "--replace", {"add"}},
      {options.pinned, "--pinned", {"add"}},
      {options.lossy, "--lossy", {"add", "match", "similar"}},
      {options.all, "--all", {"clear"}},
      {options.without_vectors, "--without-vectors", {"add", "append"}},
      {!options.by.empty(), "--by", {"similar"}},
      {!options.query.empty(), "--query", {"match", "similar"}},
      {options.text, "--text", {"show"}},
      {!options.group.empty(), "--group", {"add", "list", "clear"}},
      {!options.role.empty(), "--role", {"add"}},
      {!options.ttl.empty(), "--ttl", {"add"}},
      {!options.kind.empty(), "--kind", {"append"}},
      {!options.target.empty(), "--target", {"shared"}},
      {!options.threshold.empty(), "--threshold", {"similar"}},
      {options.k.has_value(), "--k", {"similar"}},
      {!options.space.model.empty(), "--model", spaced},
      {!options.space.lora.empty(), "--lora", spaced},
      {!options.space.salt.empty(), "--salt", spaced},
      {IsGiven(settings.Get("block_size")), "--block-size", {"add"}},
      {IsGiven(settings.Get("chat_template")), "--chat-template", spaced},
      {IsGiven(settings.Get("tokenizer")), "--tokenizer", {"add", "append", "match", "similar", "embed"}},
  };
  for (const Use& use : uses) {
    if (!use.given || std::ranges::find(use.actions, options.action) != use.actions.end()) continue;
    return InvalidArgument(fmt::format("{} does not go with '{}'", use.flag, options.action),
                           fmt::format("it goes with {}", fmt::join(use.actions, ", ")));
  }
  return {};
}

Result<ExitCode> Run(const ContextsOptions& options, Session& session) {
  const auto action = std::ranges::find(kActions, std::string_view(options.action), &Action::name);
  if (Status checked = CheckFlags(options, session.settings()); !checked) {
    return session.As(ExitCode::kUsage, std::move(checked).error());
  }
  if (options.items.size() < action->items_least || options.items.size() > action->items_most) {
    return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("'{}' takes {}", action->name, action->takes),
                                                        fmt::format("see 'weir contexts --help'")));
  }
  return action->run(options, session);
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<ContextsOptions>();
  flags.Argument("ACTION", options->action, "What to do", true, ValueKind::kText, ActionNames());
  flags.Arguments("ITEM", options->items,
                  "Of add: prompt files, as 'share' reads them. Of append: an agent and a file. Of show, remove and shared: "
                  "agents. Of match and similar: a prompt file. - is standard input",
                  false, ValueKind::kFile);
  flags.Setting("data");
  flags.Setting("tokenizer");
  flags.Setting("chat_template");
  flags.Setting("block_size");
  flags.Switch("--replace", options->replace, "add: replace the context of an agent that has one");
  flags.Text("--group", options->group, "NAME",
             "add: the group of these agents ('default' without it); their system prompts are compared. list, clear: only "
             "this group");
  flags.Text("--role", options->role, "NAME", "add: their role; 'judge' and 'critic' get exact results alone");
  flags.Text("--ttl", options->ttl, "TIME", "add: how long they stay since their last change, as 90s, 30m, 12h or 7d");
  flags.Switch("--pinned", options->pinned, "add: they neither expire nor leave memory");
  flags.Switch("--lossy", options->lossy, "add, match, similar: replace what is not UTF-8 by U+FFFD");
  flags.Choice("--kind", options->kind, "KIND", {"text", "system", "tools", "user", "assistant", "tool"},
               "append: what the new segment is, 'text' without it");
  flags.Switch("--text", options->text, "show: also the text itself");
  flags.Switch("--all", options->all, "clear: all groups");
  flags.Text("--target", options->target, "AGENT", "shared: compare with this one instead of the first");
  flags.Count("--k", options->k, "similar: how many at most, 10 without it");
  flags.Text("--threshold", options->threshold, "X",
             "similar: from this similarity on, 0 to 1; without it 0.5 by meaning and 0.85 by blocks");
  flags.Choice("--by", options->by, "WAY", {"meaning", "blocks"},
               "similar: what an embedding model makes of the text, or its blocks, token for token; without it by meaning "
               "where there are vectors");
  flags.Text("--query", options->query, "TEXT", "match, similar: this text instead of a file");
  flags.Switch("--without-vectors", options->without_vectors, "add, append: embed nothing now; 'embed' does it later");
  DeclareSpaceFlags(flags, options->space, "add, match, similar: contexts");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command ContextsCommand() {
  return {
      .name = "contexts",
      .summary = "a registry of agents' contexts on disk: add, look up, match, remove",
      .description =
          "Keeps the contexts of agents in a data folder, which survives restarts and kills, and answers what they share. "
          "'add' makes the folder when there is none and says of each context what it shares, and where its system prompt "
          "leaves its group. Where the embedding model of the settings was fetched, each context and segment gets a vector "
          "of its meaning; 'embed' makes those that are missing, and 'similar' finds by it. 'match' says what a prompt that "
          "is not registered would reuse, and from whom. Exact prefixes, "
          "moved spans, near blocks and similarity stand apart and are never added up; what was not measured is '-', null "
          "in JSON. One process changes a folder at a time; list, show, match, shared, similar and stats look at it beside "
          "that one, and where it is a daemon ('weir serve'), add, append, remove and clear go through it. Of an agent with "
          "several recorded calls the last counts. docs/contexts.md is a guide.",
      .examples = {{"weir contexts add prompts/ --data registry --tokenizer qwen3", "one agent a file; makes the folder"},
                   {"weir contexts list --data registry", "who is there"},
                   {"weir contexts match new.txt --data registry", "what would this prompt reuse?"},
                   {"weir contexts shared --target planner --data registry", "what do all others share with one?"},
                   {"echo 'And now?' | weir contexts append planner - --kind user --data registry", "one turn more"},
                   {"weir contexts similar --query 'who checks the work?' --data registry", "by meaning"},
                   {"weir contexts remove planner critic --data registry", "they leave every index as well"}},
      .declare = Declare};
}

}  // namespace weir
