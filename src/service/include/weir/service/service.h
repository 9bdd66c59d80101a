#pragma once
// Service: everything a daemon does for its callers, with no transport and no formatting.
//
// It owns the data folder, the workspaces in it, the embedding cache, the broker over all pools, and the jobs that index
// folders. Create() is quick; Open() reads everything back and may take long: until it is done Find() says unavailable, so
// that a daemon can tell that it lives before it is ready.
//
//   DIR/                        the workspace "default": a data folder as `weir contexts --data DIR` uses it
//   DIR/embeddings/             vectors of all workspaces (kept apart by their keys), and the default's index of folders
//   DIR/workspaces/NAME/        another workspace: a data folder, and index/ with its index of folders
//
// Threads: every method from any thread, but Open() and Close() once each. What Find() returned lives until Close(). Nothing
// here logs text.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/broker/broker.h"
#include "weir/chat/chat_template.h"
#include "weir/embed/embed_cache.h"
#include "weir/registry/context_feed.h"
#include "weir/registry/registry.h"
#include "weir/sensors/headroom.h"
#include "weir/service/index_jobs.h"
#include "weir/service/workspace.h"

namespace weir {

inline constexpr std::string_view kDefaultWorkspace = "default";

// 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit.
bool IsWorkspaceName(std::string_view name);

struct ServiceModel {
  EmbedModel model;
  uint32_t tokens_max = 256;  // of a text, special tokens included
};

struct ServiceOptions {
  std::filesystem::path data;             // made when absent
  bool sync = true;                       // false: a loss of power may lose the last acknowledged changes; a kill never does
  std::vector<std::string> workspaces{};  // beside the default
  std::optional<uint32_t> block_size{};   // of new data folders
  // Limits and tokenizers, of each workspace; store, ledger, block size and vectors are filled in.
  RegistryOptions registry{};
  std::vector<ServiceModel> models{};  // the first is the default; none: no embeddings
  // Contexts get vectors of meaning: behind the caller's back, before the answer, or not at all.
  enum class ContextVectors : uint8_t { kLater, kAtOnce, kNone };
  ContextVectors context_vectors = ContextVectors::kLater;
  uint64_t embeddings_bytes = 256ull << 20;
  VectorPrecision stored_as = VectorPrecision::kF32;
  BrokerOptions broker{};
  Sensor* sensor = nullptr;                             // borrowed; null: the host's
  std::shared_ptr<const ChatTemplate> chat_template{};  // renders chat requests; null: they are refused
  std::vector<std::filesystem::path> index_roots{};     // folders that may be indexed, with all below; none: any
  uint64_t cache_tokens = 100'000;                      // of the simulated engine cache, where a caller names none

  Status Validate() const;
};

enum class ServiceState : uint8_t { kCreated, kStarting, kReady, kFailed, kDraining, kClosed };
std::string_view ServiceStateName(ServiceState state);  // "created", "starting", "ready", "failed", "draining", "closed"

class Service final : private EvictionOrder {
 public:
  static Result<std::unique_ptr<Service>> Create(ServiceOptions options);
  // Closes. REQUIRES: no call runs.
  ~Service() override;

  // Reads everything back. On an error the state is kFailed and the error is kept.
  Status Open();
  ServiceState state() const { return state_.load(std::memory_order_acquire); }
  bool ready() const { return state() == ServiceState::kReady; }
  // Why it is kFailed.
  std::optional<Error> failure() const;
  // From now on not ready, while calls that run go on.
  void StartDraining();
  // Ends jobs and upkeep, and closes the stores. REQUIRES: no other call runs or comes.
  void Close();

  // unavailable until ready; not_found.
  Result<Workspace*> Find(std::string_view workspace);
  // Opens it when it is not there yet.
  Status AddWorkspace(const std::string& name);
  std::vector<Workspace*> Workspaces();

  // REQUIRES of what follows: Open() was successful.
  bool has_embeddings() const { return !options_.models.empty(); }
  EmbedCache& embeddings() { return *embeddings_; }
  const ServiceModel* default_model() const { return options_.models.empty() ? nullptr : &options_.models.front(); }
  // By name or alias; empty: the default. not_found with the nearest; unsupported: there is no model at all.
  Result<const ServiceModel*> FindModel(std::string_view name) const;

  // By name; empty: the default. Null: there is none.
  const Tokenizer* tokenizer(std::string_view name = {}) const;
  const ChatTemplate* chat_template() const { return options_.chat_template.get(); }
  Broker& broker() { return *broker_; }
  IndexJobs& jobs() { return *jobs_; }
  // Says which contexts changed, in all workspaces; the source is the workspace. From Create() on.
  ContextFeed& context_feed() { return context_feed_; }
  const ServiceOptions& options() const { return options_; }

  // Runs at once, on the caller's thread. invalid_argument: a root outside index_roots; else as IndexTree; `cancelled` is
  // asked between files and batches, and ends it as a deadline error.
  Result<IndexReport> Index(Workspace& workspace, const IndexRequest& request,
                            const std::function<void(const IndexProgress&)>& progress,
                            const std::function<bool()>& cancelled);
  Result<SearchAnswer> Search(Workspace& workspace, std::string_view model, std::string_view query,
                              const SearchOptions& options);

 private:
  explicit Service(ServiceOptions options) : options_(std::move(options)) {}
  Status OpenParts();
  Status OpenEmbeddings();
  Result<std::unique_ptr<Workspace>> OpenWorkspace(const std::string& name);
  std::vector<PoolKey> FarthestFirst(std::string_view pool, uint64_t bytes) override;

  ServiceOptions options_;
  std::atomic<ServiceState> state_{ServiceState::kCreated};
  std::mutex opening_mutex_;  // taken before mutex_: one workspace is opened at a time
  mutable std::mutex mutex_;  // guards failure_, workspaces_
  std::optional<Error> failure_;

  // In the order of their dependence.
  ContextFeed context_feed_;
  std::unique_ptr<Sensor> own_sensor_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Store> vectors_;
  std::unique_ptr<EmbedCache> embeddings_;
  std::vector<Registration> registrations_;
  std::vector<std::unique_ptr<Workspace>> workspaces_;  // by name
  std::unique_ptr<IndexJobs> jobs_;
};

}  // namespace weir
