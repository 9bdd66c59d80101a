#include "weir/service/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kContextsPool = "contexts";

// The default workspace's vectors are those of commands that work on the data folder themselves.
std::string OwnerOf(std::string_view workspace) {
  return workspace == kDefaultWorkspace ? std::string() : std::string(workspace);
}

IndexModel IndexModelOf(const ServiceModel& model, const Workspace& workspace) {
  return {model.model.name, model.model.tokenizer, model.tokens_max, model.model.passage_prefix, workspace.vector_owner()};
}

std::string PoolSuffix(std::string_view workspace) {
  return workspace == kDefaultWorkspace ? std::string() : fmt::format("/{}", workspace);
}

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Unavailable(fmt::format("cannot make {}: {}", folder.string(), error.message()));
  return {};
}

// The root with links resolved, if it lies in one of `allowed`, or anything is.
Result<fs::path> AllowedRoot(const fs::path& root, std::span<const fs::path> allowed) {
  std::error_code error;
  const fs::path real = fs::canonical(root, error);
  if (error) return NotFound(fmt::format("no folder {}", root.string()), "the path is one on the daemon's machine");
  if (!fs::is_directory(real, error)) return InvalidArgument(fmt::format("{} is no folder", root.string()));
  if (allowed.empty()) return real;
  for (const fs::path& one : allowed) {
    const fs::path base = fs::weakly_canonical(one, error);
    if (error) continue;
    const auto [end, ignored] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
    if (end == base.end()) return real;
  }
  return InvalidArgument(fmt::format("{} is not among the folders that may be indexed", root.string()),
                         "the daemon's setting index_roots names them");
}

}  // namespace

std::string_view ServiceStateName(ServiceState state) {
  switch (state) {
    case ServiceState::kCreated: return "created";
    case ServiceState::kStarting: return "starting";
    case ServiceState::kReady: return "ready";
    case ServiceState::kFailed: return "failed";
    case ServiceState::kDraining: return "draining";
    case ServiceState::kClosed: return "closed";
  }
  return "?";
}

bool IsWorkspaceName(std::string_view name) {
  constexpr size_t kMost = 64;
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMost && is_plain(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return is_plain(c) || c == '-' || c == '_'; });
}

Status ServiceOptions::Validate() const {
  if (data.empty()) return InvalidArgument("no data folder", "set data");
  for (const std::string& workspace : workspaces) {
    if (!IsWorkspaceName(workspace)) {
      return InvalidArgument(fmt::format("'{}' is no workspace's name", workspace),
                             "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit");
    }
  }
  return broker.Validate();
}

Result<std::unique_ptr<Service>> Service::Create(ServiceOptions options) {
  WEIR_TRY(options.Validate());
  std::unique_ptr<Service> service(new Service(std::move(options)));
  Sensor* sensor = service->options_.sensor;
  if (sensor == nullptr) {
    service->own_sensor_ = std::make_unique<HostSensor>();
    sensor = service->own_sensor_.get();
  }
  BrokerOptions broker = service->options_.broker;
  broker.order = service.get();
  broker.workflow_aware = true;
  WEIR_ASSIGN(service->broker_, Broker::Create(*sensor, std::move(broker)));
  Service* const raw = service.get();
  service->jobs_ = std::make_unique<IndexJobs>(
      [raw](Workspace& workspace, const IndexRequest& request, const std::function<void(const IndexProgress&)>& progress,
            const std::function<bool()>& cancelled) { return raw->Index(workspace, request, progress, cancelled); });
  return service;
}

Service::~Service() { Close(); }

Status Service::Open() {
  state_.store(ServiceState::kStarting, std::memory_order_release);
  Status opened = OpenParts();
  if (!opened) {
    const std::lock_guard lock(mutex_);
    failure_ = opened.error();
    state_.store(ServiceState::kFailed, std::memory_order_release);
    return opened;
  }
  // Who asked for an end meanwhile gets it.
  ServiceState expected = ServiceState::kStarting;
  state_.compare_exchange_strong(expected, ServiceState::kReady, std::memory_order_acq_rel);
  return {};
}

Status Service::OpenParts() {
  WEIR_TRY(MakeFolder(options_.data));
  WEIR_TRY(OpenEmbeddings());
  WEIR_TRY(AddWorkspace(std::string(kDefaultWorkspace)));
  for (const std::string& name : options_.workspaces) WEIR_TRY(AddWorkspace(name));
  return broker_->Start();
}

Status Service::OpenEmbeddings() {
  StoreOptions vectors;
  vectors.folder = options_.data / "embeddings";
  vectors.sync = false;  // a vector that a loss of power takes can be computed again
  WEIR_ASSIGN(vectors_, OpenStore(vectors));
  EmbedCacheOptions cache;
  cache.budget_bytes = options_.embeddings_bytes;
  cache.store = vectors_.get();
  cache.stored_as = options_.stored_as;
  WEIR_ASSIGN(embeddings_, EmbedCache::Create(std::move(cache)));
  for (const ServiceModel& model : options_.models) WEIR_TRY(embeddings_->AddModel(model.model));
  WEIR_ASSIGN(Registration registration, broker_->Register(embeddings_->pool()));
  registrations_.push_back(std::move(registration));
  return {};
}

Status Service::AddWorkspace(const std::string& name) {
  if (!IsWorkspaceName(name)) return InvalidArgument("not a workspace's name");
  // Reading a folder back takes long: callers of the other workspaces do not wait for it.
  const std::lock_guard opening(opening_mutex_);
  const auto place = [&] {
    return std::ranges::lower_bound(workspaces_, name, {}, [](const auto& one) { return one->name(); });
  };
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = place(); found != workspaces_.end() && (*found)->name() == name) return {};
  }
  WEIR_ASSIGN(std::unique_ptr<Workspace> workspace, OpenWorkspace(name));
  const std::lock_guard lock(mutex_);
  workspaces_.insert(place(), std::move(workspace));
  return {};
}

Result<std::unique_ptr<Workspace>> Service::OpenWorkspace(const std::string& name) {
  const bool is_default = name == kDefaultWorkspace;
  WorkspaceParts parts;
  parts.name = name;
  parts.vector_owner = OwnerOf(name);
  const fs::path path = is_default ? options_.data : options_.data / "workspaces" / name;
  WEIR_TRY(MakeFolder(path));
  DataFolderOptions folder;
  folder.folder = path;
  folder.sync = options_.sync;
  folder.registry = options_.registry;
  folder.registry.pool_suffix = PoolSuffix(name);
  folder.registry.feed = &context_feed_;
  folder.registry.feed_source = name;
  if (has_embeddings() && options_.context_vectors != ServiceOptions::ContextVectors::kNone) {
    folder.registry.embed_later = options_.context_vectors == ServiceOptions::ContextVectors::kLater;
    folder.registry.embeddings = embeddings_.get();
    folder.registry.embedding_model = options_.models.front().model.name;
    folder.registry.embedding_owner = OwnerOf(name);
  }
  if (!IsDataFolder(path)) folder.block_size = options_.block_size;
  Result<DataFolder> opened = OpenDataFolder(std::move(folder));
  if (!opened) return std::move(opened).error();
  if (is_default) {
    parts.shared_index_store = vectors_.get();
  } else {
    StoreOptions index;
    index.folder = path / "index";
    index.sync = false;
    WEIR_ASSIGN(parts.index_store, OpenStore(index));
  }
  Registry& registry = *opened->registry;
  WEIR_TRY(registry.JoinBroker(*broker_));
  WEIR_TRY(registry.Start());
  return std::make_unique<Workspace>(std::move(parts), *std::move(opened));
}

std::optional<Error> Service::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Service::StartDraining() {
  for (ServiceState now = state(); now != ServiceState::kClosed && now != ServiceState::kDraining;) {
    if (state_.compare_exchange_weak(now, ServiceState::kDraining, std::memory_order_acq_rel)) return;
  }
}

void Service::Close() {
  if (state_.exchange(ServiceState::kClosed, std::memory_order_acq_rel) == ServiceState::kClosed) return;
  jobs_.reset();
  if (broker_ != nullptr) broker_->Stop();
  for (const auto& workspace : workspaces_) {
    workspace->registry().Stop();
    workspace->registry().LeaveBroker();
  }
  workspaces_.clear();
  registrations_.clear();
  embeddings_.reset();
  vectors_.reset();
}

Result<Workspace*> Service::Find(std::string_view workspace) {
  const ServiceState now = state();
  if (now == ServiceState::kFailed) return Unavailable("the daemon could not open its data", failure()->ToString());
  if (now != ServiceState::kReady && now != ServiceState::kDraining) {
    return Unavailable(fmt::format("the daemon is {}", ServiceStateName(now)), "try again when it is ready");
  }
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::lower_bound(workspaces_, workspace, {}, [](const auto& one) { return one->name(); });
  if (found == workspaces_.end() || (*found)->name() != workspace) return NotFound("no such workspace");
  return found->get();
}

std::vector<Workspace*> Service::Workspaces() {
  const std::lock_guard lock(mutex_);
  std::vector<Workspace*> out;
  for (const auto& workspace : workspaces_) out.push_back(workspace.get());
  return out;
}

Result<const ServiceModel*> Service::FindModel(std::string_view name) const {
  if (options_.models.empty()) {
    return Unsupported("there is no embedding model", "fetch one ('weir models fetch'), or set embedding_model to a file");
  }
  if (name.empty()) return &options_.models.front();
  WEIR_ASSIGN(const std::string canonical, embeddings_->Resolve(name));
  const auto found =
      std::ranges::find_if(options_.models, [&](const ServiceModel& one) { return one.model.name == canonical; });
  if (found == options_.models.end()) return NotFound(fmt::format("no model '{}'", name));
  return &*found;
}

const Tokenizer* Service::tokenizer(std::string_view name) const {
  for (const NamedTokenizer& one : options_.registry.tokenizers) {
    if (name.empty() || one.name == name) return one.tokenizer.get();
  }
  return nullptr;
}

Result<IndexReport> Service::Index(Workspace& workspace, const IndexRequest& request,
                                   const std::function<void(const IndexProgress&)>& progress,
                                   const std::function<bool()>& cancelled) {
  WEIR_ASSIGN(const ServiceModel* const model, FindModel(request.model));
  IndexOptions options;
  WEIR_ASSIGN(options.root, AllowedRoot(request.root, options_.index_roots));
  options.skipped = {options_.data};
  options.file_bytes_max = request.file_bytes_max;
  options.chunk_tokens = request.chunk_tokens;
  options.progress = progress;
  options.cancelled = cancelled;
  const IndexModel index = IndexModelOf(*model, workspace);
  return IndexTree(*embeddings_, workspace.index_store(), index, options);
}

Result<SearchAnswer> Service::Search(Workspace& workspace, std::string_view name, std::string_view query,
                                     const SearchOptions& options) {
  WEIR_ASSIGN(const ServiceModel* const model, FindModel(name));
  const IndexModel index = IndexModelOf(*model, workspace);
  return SearchIndex(*embeddings_, workspace.index_store(), index, query, options);
}

std::vector<PoolKey> Service::FarthestFirst(std::string_view pool, uint64_t bytes) {
  if (!pool.starts_with(kContextsPool)) return {};
  for (Workspace* workspace : Workspaces()) {
    std::vector<PoolKey> keys = workspace->registry().FarthestFirst(pool, bytes);
    if (!keys.empty()) return keys;
  }
  return {};
}

}  // namespace weir
