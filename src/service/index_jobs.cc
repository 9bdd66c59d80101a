#include "weir/service/index_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "weir/service/workspace.h"

namespace weir {
namespace {

int64_t WallMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kQueued: return "queued";
    case JobState::kRunning: return "running";
    case JobState::kDone: return "done";
    case JobState::kFailed: return "failed";
    case JobState::kCancelled: return "cancelled";
  }
  return "?";
}

IndexJobs::IndexJobs(Run run) : run_(std::move(run)) {}

IndexJobs::~IndexJobs() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const auto& entry : entries_) entry->cancelled = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<IndexJob> IndexJobs::Start(Workspace& workspace, IndexRequest request) {
  const std::lock_guard lock(mutex_);
  const auto waiting =
      std::ranges::count_if(entries_, [](const auto& entry) { return entry->job.state == JobState::kQueued; });
  if (static_cast<size_t>(waiting) >= kWaitingMax) {
    return Exhausted(fmt::format("{} index jobs wait already", waiting), "try again when some have ended");
  }
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { Loop(); });
    } catch (const std::system_error&) {
      return Unavailable("no thread for index jobs", "raise the limit of threads of this process");
    }
  }
  auto entry = std::make_shared<Entry>();
  entry->workspace = &workspace;
  entry->job.id = fmt::format("index-{}", next_id_++);
  entry->job.workspace = workspace.name();
  entry->job.request = std::move(request);
  entry->job.created_ms = WallMs();
  entries_.push_back(entry);
  ForgetOldLocked();
  wake_.notify_all();
  return entry->job;
}

Result<IndexJob> IndexJobs::Get(std::string_view workspace, std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto entry = FindLocked(workspace, id);
  if (entry == nullptr) return NotFound(fmt::format("no index job '{}'", id), "the list of jobs names those that are known");
  return entry->job;
}

std::vector<IndexJob> IndexJobs::List(std::string_view workspace) const {
  const std::lock_guard lock(mutex_);
  std::vector<IndexJob> jobs;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if ((*entry)->job.workspace == workspace) jobs.push_back((*entry)->job);
  }
  return jobs;
}

Result<IndexJob> IndexJobs::Cancel(std::string_view workspace, std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto entry = FindLocked(workspace, id);
  if (entry == nullptr) return NotFound(fmt::format("no index job '{}'", id), "the list of jobs names those that are known");
  entry->cancelled = true;
  if (entry->job.state == JobState::kQueued) {
    entry->job.state = JobState::kCancelled;
    entry->job.ended_ms = WallMs();
  }
  return entry->job;
}

void IndexJobs::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::shared_ptr<Entry> next;
    for (const auto& entry : entries_) {
      if (entry->job.state == JobState::kQueued && next == nullptr) next = entry;
    }
    if (ending_) return;
    if (next == nullptr) {
      wake_.wait(lock);
      continue;
    }
    next->job.state = JobState::kRunning;
    const IndexRequest request = next->job.request;
    lock.unlock();
    Result<IndexReport> report = run_(
        *next->workspace, request,
        [&](const IndexProgress& progress) {
          const std::lock_guard progress_lock(mutex_);
          next->job.progress = progress;
        },
        [&] {
          const std::lock_guard cancel_lock(mutex_);
          return next->cancelled;
        });
    lock.lock();
    next->job.ended_ms = WallMs();
    if (report) {
      next->job.state = JobState::kDone;
      next->job.report = *std::move(report);
    } else if (next->cancelled) {
      next->job.state = JobState::kCancelled;
    } else {
      next->job.state = JobState::kFailed;
      next->job.error = std::move(report).error();
    }
    ForgetOldLocked();
  }
}

std::shared_ptr<IndexJobs::Entry> IndexJobs::FindLocked(std::string_view workspace, std::string_view id) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const auto& entry) { return entry->job.id == id && entry->job.workspace == workspace; });
  return found == entries_.end() ? nullptr : *found;
}

void IndexJobs::ForgetOldLocked() {
  auto ended = std::ranges::count_if(entries_, [](const auto& entry) { return entry->job.ended(); });
  for (auto entry = entries_.begin(); entry != entries_.end() && static_cast<size_t>(ended) > kKeptMax;) {
    if ((*entry)->job.ended()) {
      entry = entries_.erase(entry);
      --ended;
    } else {
      ++entry;
    }
  }
}

}  // namespace weir
