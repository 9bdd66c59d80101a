#include "serve_setup.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "data_choice.h"
#include "embed_setup.h"
#include "weir/chat/chat_template.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSocketPathMost = 107;
constexpr const char* kUsualTokenizer = "qwen3";

bool IsLoopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

Error BadConfig(Session& session, Error error) { return session.As(ExitCode::kBadConfig, std::move(error)); }

// "127.0.0.1:80", "[::1]:80".
Result<HttpListener> ListenerOf(const std::string& text) {
  const Error wrong =
      InvalidArgument(fmt::format("listen: '{}' is no address with a port", text), "such as 127.0.0.1:8741 or [::1]:8741");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong;
  HttpListener listener;
  listener.address = text.substr(0, colon);
  if (listener.address == "localhost") listener.address = "127.0.0.1";
  if (listener.address.starts_with('[') && listener.address.ends_with(']')) {
    listener.address = listener.address.substr(1, listener.address.size() - 2);
  }
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, listener.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return wrong;
  return listener;
}

// The folder's own tokenizer, the one that was asked for, or the one that set-up fetches.
Result<LoadedTokenizer> DaemonTokenizer(Session& session, const fs::path& data) {
  if (IsDataFolder(data)) return LoadFolderTokenizer(session, data);
  if (!session.settings().Text("tokenizer").empty()) return LoadChosenTokenizer(session);
  Result<TokenizerChoice> usual = ChooseTokenizer(kUsualTokenizer, session.environment());
  if (!usual) {
    return InvalidArgument("no tokenizer: contexts are kept as tokens of a model",
                           "set tokenizer to the tokenizer.json of your model");
  }
  LoadedTokenizer loaded;
  loaded.choice = *std::move(usual);
  WEIR_ASSIGN(loaded.tokenizer, LoadTokenizer(loaded.choice.file, {session.environment().CacheFolder() / "flat"}));
  return loaded;
}

// Null where there is none, and none was asked for.
Result<std::shared_ptr<const ChatTemplate>> DaemonTemplate(const Session& session, const LoadedTokenizer& tokenizer) {
  const std::string& named = session.settings().Text("chat_template");
  Result<ChatTemplate> loaded = named == "chatml"
                                    ? Result<ChatTemplate>(ChatTemplate::ChatMl())
                                    : ChatTemplate::Load(named.empty() ? tokenizer.choice.file : fs::path(named));
  if (loaded) return std::make_shared<const ChatTemplate>(*std::move(loaded));
  if (named.empty()) return std::shared_ptr<const ChatTemplate>();
  return std::move(loaded).error();
}

}  // namespace

fs::path DaemonFolder(const Session& session) {
  const Environment& environment = session.environment();
  if (const std::string& set = session.settings().Text("data"); !set.empty()) return set;
  if (const auto state = environment.Get("STATE_DIRECTORY")) return *state;
  if (const auto home = environment.Get("XDG_DATA_HOME")) return fs::path(*home) / "weir";
  return fs::path(environment.Get("HOME").value_or("/")) / ".local" / "share" / "weir";
}

fs::path DaemonSocket(const Session& session) {
  const std::string& set = session.settings().Text("socket");
  if (set == "none") return {};
  if (!set.empty()) return set;
  std::error_code error;
  fs::path socket = fs::absolute(DaemonFolder(session), error) / "weir.sock";
  return error || socket.string().size() > kSocketPathMost ? fs::path() : socket;
}

fs::path TokensFile(const Session& session) {
  const std::string& set = session.settings().Text("tokens_file");
  return set.empty() ? DaemonFolder(session) / "weir.tokens.json" : fs::path(set);
}

Result<std::vector<HttpListener>> ListenersOf(Session& session, bool has_tokens) {
  const Settings& settings = session.settings();
  const bool has_tls = !settings.Text("tls_certificate").empty();
  if (has_tls == settings.Text("tls_key").empty()) {
    return BadConfig(session, InvalidArgument("tls_certificate and tls_key go together", "set both, or neither"));
  }
  std::vector<HttpListener> listeners;
  for (const std::string& text : settings.List("listen")) {
    Result<HttpListener> listener = ListenerOf(text);
    if (!listener) return BadConfig(session, std::move(listener).error());
    listener->tls = has_tls;
    if (!IsLoopback(listener->address) && !has_tokens) {
      return BadConfig(session,
                       InvalidArgument(fmt::format("listen: {} is reachable from elsewhere, and there is no token", text),
                                       "make one with 'weir token add', or listen on 127.0.0.1"));
    }
    listeners.push_back(*std::move(listener));
  }
  if (fs::path socket = DaemonSocket(session); !socket.empty()) {
    HttpListener listener;
    listener.socket_path = std::move(socket);
    listeners.push_back(std::move(listener));
  }
  if (listeners.empty()) {
    return BadConfig(session, InvalidArgument("the daemon would listen nowhere", "set listen, or a socket"));
  }
  return listeners;
}

Result<ServiceOptions> ServiceOptionsOf(Session& session) {
  const Settings& settings = session.settings();
  ServiceOptions options;
  options.data = DaemonFolder(session);
  options.sync = settings.Text("durability") == "sync";
  if (!IsDataFolder(options.data)) options.block_size = static_cast<uint32_t>(settings.Count("block_size"));
  options.registry.contexts_bytes = settings.Bytes("contexts_bytes");
  options.registry.index_bytes = settings.Bytes("index_bytes");
  options.stored_as = StoredPrecision(session);
  options.embeddings_bytes = settings.Bytes("embeddings_bytes");
  const std::string& vectors = settings.Text("context_vectors");
  using When = ServiceOptions::ContextVectors;
  options.context_vectors = vectors == "later" ? When::kLater : vectors == "at_once" ? When::kAtOnce : When::kNone;
  options.broker.budget_bytes = settings.Bytes("memory_budget");
  options.cache_tokens = settings.Count("cache_tokens");
  for (const std::string& root : settings.List("index_roots")) options.index_roots.emplace_back(root);

  Result<LoadedTokenizer> tokenizer = DaemonTokenizer(session, options.data);
  if (!tokenizer) return BadConfig(session, std::move(tokenizer).error());
  Result<std::shared_ptr<const ChatTemplate>> chat_template = DaemonTemplate(session, *tokenizer);
  if (!chat_template) return BadConfig(session, std::move(chat_template).error());
  options.chat_template = *std::move(chat_template);
  options.registry.tokenizers.push_back({LastingName(session, tokenizer->choice), tokenizer->tokenizer});

  Result<EmbedModel> model = DescribeModel(session, {});
  if (model) {
    const uint32_t tokens_max = model->tokens_max;
    options.models.push_back({*std::move(model), tokens_max});
  } else if (settings.Get("embedding_model").origin != "default") {
    return BadConfig(session, std::move(model).error());
  } else {
    session.Note(fmt::format("no embeddings: {}", model.error().ToString()));
  }
  return options;
}

}  // namespace weir
