#include <algorithm>
#include <set>
#include <string>

#include "mcp_tool.h"
#include "weir/api/mcp_tools.h"

namespace weir {

// What the thread of McpNews does.
class McpNews::Teller {
 public:
  Teller(McpServer& server, Service& service, McpNewsOptions options, ContextFeed::Listener& listener)
      : server_(server), service_(service), options_(options), listener_(listener) {}

  void Run() {
    std::string pools = Pools();
    TimePoint pools_due = clock_.Now() + options_.pools_period;
    TimePoint list_due = clock_.Now();
    while (true) {
      const TimePoint due = lists_.empty() ? pools_due : std::min(pools_due, list_due);
      const std::optional<ContextNews> news = listener_.Take(due - clock_.Now());
      if (!news) return;
      TellContexts(*news);
      const TimePoint now = clock_.Now();
      if (!lists_.empty() && now >= list_due) {
        for (const std::string& workspace : lists_) server_.NotifyResourcesChanged(workspace);
        lists_.clear();
        list_due = now + options_.list_period;
      }
      if (now >= pools_due) {
        std::string pools_now = Pools();
        if (pools_now != pools) server_.NotifyResourceUpdated(api::kPoolsUri);
        pools = std::move(pools_now);
        pools_due = now + options_.pools_period;
      }
    }
  }

 private:
  std::string Pools() { return api::AnswerPools(service_, kDefaultWorkspace, true).Dump(); }

  void TellContexts(const ContextNews& news) {
    for (const ContextNews::Change& change : news.changes) {
      server_.NotifyResourceUpdated(api::ContextUri(change.agent), change.source);
      if (change.came_or_went) lists_.insert(change.source);
    }
    if (!news.missed) return;
    server_.NotifyAllResourcesUpdated();
    for (Workspace* const workspace : service_.Workspaces()) lists_.insert(workspace->name());
  }

  McpServer& server_;
  Service& service_;
  const McpNewsOptions options_;
  ContextFeed::Listener& listener_;
  const SteadyClock clock_;
  std::set<std::string> lists_;  // workspaces whose list of contexts is another one
};

McpNews::McpNews(McpServer& server, Service& service, McpNewsOptions options)
    : listener_(service.context_feed().Listen(options.contexts_max)),
      thread_([&server, &service, options, this] { Teller(server, service, options, *listener_).Run(); }) {}

McpNews::~McpNews() {
  listener_->Stop();
  thread_.join();
}

}  // namespace weir
