#pragma once
// Command: one entry of the table that the parser, help, completions and the man page are made from.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exit_code.h"
#include "flags.h"
#include "weir/base/result.h"

namespace weir {

class Session;

// What runs once the arguments are parsed. An Error it returns is reported and mapped by ExitCodeOf().
using CommandBody = std::function<Result<ExitCode>(Session&)>;

struct CommandExample {
  std::string_view command;
  std::string_view purpose;
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line, lower case, no full stop
  std::string_view description;
  std::vector<CommandExample> examples;
  CommandBody (*declare)(Flags& flags);
  bool needs_settings = true;  // false: runs even when the configuration is broken
};

// All commands in the order of help; static storage.
std::span<const Command> Commands();

// One per file command_<name>.cc.
Command TokenizeCommand();
Command HashCommand();
Command EmbedCommand();
Command ModelsCommand();
Command ShareCommand();
Command ExplainCommand();
Command LayoutCommand();
Command ContextsCommand();
Command DemoCommand();
Command IndexCommand();
Command SearchCommand();
Command ServeCommand();
Command McpCommand();
Command TokenCommand();
Command HealthCommand();
Command PoolsCommand();
Command PressureCommand();
Command TopCommand();
Command LedgerCommand();
Command BenchCommand();
Command DoctorCommand();
Command ConfigCommand();
Command CompletionCommand();
Command ManCommand();
Command VersionCommand();

// The documentation of one command, read from its declaration.
struct CommandDoc {
  const Command* command = nullptr;
  std::vector<FlagDoc> flags;  // its own, arguments included
};

// Flags that every command takes.
struct CommonFlags {
  bool json = false;
  std::string config;
};
void DeclareCommonFlags(Flags& flags, CommonFlags& common);

std::vector<CommandDoc> DocumentCommands();
std::vector<FlagDoc> DocumentCommonFlags();

}  // namespace weir
