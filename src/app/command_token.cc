#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "command.h"
#include "serve_setup.h"
#include "weir/api/access.h"

namespace weir {
namespace {

struct Options {
  std::string action;
  std::string id;
  std::string workspace = std::string(kDefaultWorkspace);
  std::string scopes = "read,write";
  std::string note;
  std::optional<uint64_t> rate;
};

Result<uint8_t> ScopesOf(Session& session, const std::string& text) {
  uint8_t scopes = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::optional<Scope> scope = ParseScope(rest.substr(0, comma));
    if (!scope) {
      return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("--scopes: '{}' is none", rest.substr(0, comma)),
                                                          "read, write and admin, with commas"));
    }
    scopes |= static_cast<uint8_t>(*scope);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (scopes == 0)
    return session.As(ExitCode::kUsage, InvalidArgument("--scopes: none", "read, write and admin, with commas"));
  return scopes;
}

std::string ScopeText(uint8_t scopes) {
  std::string text;
  for (const Scope scope : kScopes) {
    if ((scopes & static_cast<uint8_t>(scope)) != 0) text += (text.empty() ? "" : ",") + std::string(ScopeName(scope));
  }
  return text;
}

Json TokenJson(const AccessToken& token) {
  return Json::Object{{"id", token.id},
                      {"workspace", token.workspace},
                      {"scopes", ScopeText(token.scopes)},
                      {"requests_per_second", uint64_t{token.requests_per_second}},
                      {"note", token.note},
                      {"created_ms", token.created_ms}};
}

Status Save(Session& session, const std::filesystem::path& file, const std::vector<AccessToken>& tokens) {
  std::error_code ignored;
  ::umask(0077);  // a folder that is made for it will hold prompts as well
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), ignored);
  const Status written = WriteAccessTokens(file, tokens);
  if (!written) return session.As(ExitCode::kCannotCreate, written.error());
  session.Note(fmt::format("wrote {}; a daemon that runs takes it on SIGHUP", file.string()));
  return {};
}

Result<ExitCode> Add(const Options& options, Session& session, const std::filesystem::path& file) {
  if (!IsWorkspaceName(options.workspace)) {
    return session.As(ExitCode::kUsage,
                      InvalidArgument(fmt::format("--workspace: '{}' is no name of one", options.workspace),
                                      "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit"));
  }
  constexpr uint64_t kRateMost = 1'000'000;
  if (options.rate.value_or(0) > kRateMost) {
    return session.As(ExitCode::kUsage, InvalidArgument("--requests-per-second: more than 1,000,000"));
  }
  WEIR_ASSIGN(const uint8_t scopes, ScopesOf(session, options.scopes));
  WEIR_ASSIGN(std::vector<AccessToken> tokens, ReadAccessTokens(file));
  WEIR_ASSIGN(FreshToken fresh, MakeAccessToken(options.workspace, scopes, options.note));
  fresh.token.requests_per_second = static_cast<uint32_t>(options.rate.value_or(0));
  tokens.push_back(fresh.token);
  WEIR_TRY(Save(session, file, tokens));
  if (session.json()) {
    Json json = TokenJson(fresh.token);
    json.Set("token", fresh.secret);
    session.WriteJson(json);
  } else {
    session.out().Line(fresh.secret);
    session.Note("that is the token, shown this once; only its hash is kept");
  }
  return ExitCode::kOk;
}

Result<ExitCode> List(Session& session, const std::filesystem::path& file) {
  WEIR_ASSIGN(const std::vector<AccessToken> tokens, ReadAccessTokens(file));
  if (session.json()) {
    Json list = Json::MakeArray();
    for (const AccessToken& token : tokens) list.Append(TokenJson(token));
    session.WriteJson(Json::Object{{"tokens", std::move(list)}});
    return ExitCode::kOk;
  }
  if (tokens.empty()) {
    session.Note("no tokens: everybody on this machine may call the daemon");
    return ExitCode::kOk;
  }
  Table table({{"id"}, {"workspace"}, {"scopes"}, {"requests/s", Align::kRight}, {"note", Align::kLeft, true}});
  for (const AccessToken& token : tokens) {
    table.AddRow({token.id, token.workspace, ScopeText(token.scopes),
                  token.requests_per_second == 0 ? "-" : Grouped(token.requests_per_second), Visible(token.note)});
  }
  session.out().Write(table.Draw(session.style()));
  return ExitCode::kOk;
}

Result<ExitCode> Revoke(const Options& options, Session& session, const std::filesystem::path& file) {
  WEIR_ASSIGN(std::vector<AccessToken> tokens, ReadAccessTokens(file));
  if (std::erase_if(tokens, [&](const AccessToken& token) { return token.id == options.id; }) == 0) {
    return session.As(ExitCode::kUsage, NotFound(fmt::format("no token '{}'", options.id), "'weir token list' names them"));
  }
  WEIR_TRY(Save(session, file, tokens));
  if (session.json()) session.WriteJson(Json::Object{{"revoked", options.id}});
  return ExitCode::kOk;
}

Result<ExitCode> Run(const Options& options, Session& session) {
  const std::filesystem::path file = TokensFile(session);
  if ((options.action == "revoke") == options.id.empty()) {
    return session.As(ExitCode::kUsage, InvalidArgument("'revoke' takes the id of a token, the others take none",
                                                        "weir token revoke t-0123456789ab"));
  }
  if (options.action == "add") return Add(options, session, file);
  return options.action == "list" ? List(session, file) : Revoke(options, session, file);
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("ACTION", options->action, "add: make one and print it; list; revoke ID", true, ValueKind::kText,
                 {"add", "list", "revoke"});
  flags.Argument("ID", options->id, "Of the token that is revoked", false, ValueKind::kText);
  flags.Text("--workspace", options->workspace, "NAME", "What the token opens; made when the daemon meets it");
  flags.Text("--scopes", options->scopes, "LIST", "read, write and admin, with commas");
  flags.Count("--requests-per-second", options->rate, "Most requests of the token in a second; no limit without it");
  flags.Text("--note", options->note, "TEXT", "For people: whose it is");
  flags.Setting("tokens_file");
  flags.Setting("data");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command TokenCommand() {
  return {.name = "token",
          .summary = "access tokens of the daemon: add, list, revoke",
          .description =
              "Each token opens one workspace, which shares nothing with others, with the scopes that it has: read looks, "
              "write changes contexts, admin indexes folders, moves memory and sees all pools. Only a hash is kept. With a "
              "first token, every caller needs one, except the daemon's own user over its unix socket.",
          .examples = {{"weir token add --workspace team --note 'build agents'", "prints the token, once"},
                       {"weir token add --scopes read --requests-per-second 50", "a dashboard that only looks"},
                       {"weir token list", "ids, workspaces, scopes"},
                       {"weir token revoke t-0123456789ab", "then send the daemon SIGHUP"}},
          .declare = Declare};
}

}  // namespace weir
