#pragma once
// IndexJobs: indexing folders behind the caller's back, one at a time, with progress and an end that can be asked for.
//
// Threads: every method from any thread. The job runs on one thread of its own. Jobs live in memory; what they indexed is
// kept by the index itself.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "weir/base/result.h"
#include "weir/indexer/indexer.h"

namespace weir {

class Workspace;

struct IndexRequest {
  std::filesystem::path root;
  std::string model{};  // empty: the default
  uint64_t file_bytes_max = 1 << 20;
  uint32_t chunk_tokens = 256;
};

enum class JobState : uint8_t { kQueued, kRunning, kDone, kFailed, kCancelled };
std::string_view JobStateName(JobState state);  // "queued", "running", "done", "failed", "cancelled"

struct IndexJob {
  std::string id;
  std::string workspace;
  IndexRequest request;
  JobState state = JobState::kQueued;
  IndexProgress progress;
  std::optional<IndexReport> report;  // kDone
  std::optional<Error> error;         // kFailed
  int64_t created_ms = 0;             // since 1970-01-01 UTC
  int64_t ended_ms = 0;               // 0: not yet

  bool ended() const { return state != JobState::kQueued && state != JobState::kRunning; }
};

class IndexJobs {
 public:
  // Does the work of a job.
  using Run = std::function<Result<IndexReport>(Workspace&, const IndexRequest&,
                                                const std::function<void(const IndexProgress&)>& progress,
                                                const std::function<bool()>& cancelled)>;
  static constexpr size_t kWaitingMax = 64;
  static constexpr size_t kKeptMax = 256;  // ended ones that are remembered, over all workspaces

  explicit IndexJobs(Run run);
  // Cancels all and waits.
  ~IndexJobs();

  // exhausted: too many wait already.
  Result<IndexJob> Start(Workspace& workspace, IndexRequest request);
  // not_found: unknown, forgotten, or another workspace's.
  Result<IndexJob> Get(std::string_view workspace, std::string_view id) const;
  std::vector<IndexJob> List(std::string_view workspace) const;  // the latest first
  // Ends it soon; the answer is the job as it is now. One that has ended stays as it is.
  Result<IndexJob> Cancel(std::string_view workspace, std::string_view id);

 private:
  struct Entry {
    IndexJob job;
    Workspace* workspace = nullptr;
    bool cancelled = false;
  };

  void Loop();
  std::shared_ptr<Entry> FindLocked(std::string_view workspace, std::string_view id) const;
  void ForgetOldLocked();

  const Run run_;
  mutable std::mutex mutex_;  // guards everything below, and the entries
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Entry>> entries_;  // by age
  uint64_t next_id_ = 1;
  bool ending_ = false;
  std::thread thread_;  // started with the first job
};

}  // namespace weir
