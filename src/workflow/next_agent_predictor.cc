#include "weir/workflow/next_agent_predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace weir {
namespace {

constexpr uint32_t kOrderMax = 3;

using AgentId = uint32_t;  // a slot, used again after its agent was dropped

// The last `order` agents, the newest first; the rest is 0.
struct ContextKey {
  std::array<AgentId, kOrderMax> agents{};
  uint32_t order = 0;
  friend auto operator<=>(const ContextKey&, const ContextKey&) = default;
};

struct ContextKeyHash {
  size_t operator()(const ContextKey& key) const {
    uint64_t hash = key.order;
    for (const AgentId agent : key.agents) {
      hash = (hash ^ agent) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 29;
    }
    return static_cast<size_t>(hash);
  }
};

struct Follower {
  AgentId agent;
  uint32_t count;
  uint64_t seen;  // when last
};

struct Context {
  std::vector<Follower> followers;
  uint64_t seen = 0;

  uint64_t total() const {
    uint64_t total = 0;
    for (const Follower& follower : followers) total += follower.count;
    return total;
  }

  void Count(AgentId agent, uint64_t now) {
    seen = now;
    const auto found = std::find_if(followers.begin(), followers.end(), [&](const Follower& f) { return f.agent == agent; });
    if (found == followers.end()) {
      if (followers.size() == NextAgentPredictor::kFollowersMax) {
        followers.erase(std::min_element(followers.begin(), followers.end(), [](const Follower& a, const Follower& b) {
          return std::tie(a.count, a.seen) < std::tie(b.count, b.seen);
        }));
      }
      followers.push_back({agent, 1, now});
      return;
    }
    found->seen = now;
    if (++found->count < NextAgentPredictor::kCountMax) return;
    for (Follower& follower : followers) follower.count /= 2;
    std::erase_if(followers, [](const Follower& follower) { return follower.count == 0; });
  }
};

struct Agent {
  std::string name;
  uint64_t first_seen = 0;
  uint64_t last_seen = 0;
  bool is_used = false;
};

struct Guess {
  AgentId agent;
  double probability;
};

}  // namespace

Status PredictorOptions::Validate() const {
  const auto refuse = [](std::string_view field, std::string_view range) -> Status {
    return InvalidArgument(fmt::format("predictor option {}: {}", field, range));
  };
  if (order_max > kOrderMax) return refuse("order_max", "0 to 3");
  if (agents_max < 4 || agents_max > (1u << 20)) return refuse("agents_max", "4 to 1048576");
  if (contexts_max < 16 || contexts_max > (1u << 24)) return refuse("contexts_max", "16 to 16777216");
  return {};
}

class NextAgentPredictor::Core {
 public:
  explicit Core(const PredictorOptions& options) : options_(options) {}

  void Observe(std::string_view name, std::optional<std::string_view> static_guess) {
    ++now_;
    const std::vector<Guess> guesses = Rank(1);
    Score(!guesses.empty() && agents_[guesses[0].agent].name == name, static_guess == name);
    const AgentId agent = Intern(name);
    for (uint32_t order = 0; order <= history_.size(); ++order) ContextOf(KeyOf(order)).Count(agent, now_);
    history_.insert(history_.begin(), agent);
    if (history_.size() > options_.order_max) history_.pop_back();
  }

  void Restart() { history_.clear(); }

  std::vector<AgentProbability> Predict(size_t n) const {
    std::vector<AgentProbability> named;
    for (const Guess& guess : Rank(n)) named.push_back({agents_[guess.agent].name, guess.probability});
    return named;
  }

  bool enabled() const { return enabled_; }
  PredictorScore score() const {
    if (window_.empty()) return {};
    const auto samples = static_cast<double>(window_.size());
    return {window_.size(), static_cast<double>(hits_) / samples, static_cast<double>(static_hits_) / samples};
  }
  size_t agents() const { return ids_.size(); }
  size_t contexts() const { return contexts_.size(); }

 private:
  ContextKey KeyOf(uint32_t order) const {
    ContextKey key;
    key.order = order;
    std::copy_n(history_.begin(), order, key.agents.begin());
    return key;
  }

  // The n likeliest. Candidates are the followers of the contexts; the other known agents share what is left with those
  // never seen.
  std::vector<Guess> Rank(size_t n) const {
    std::vector<Guess> guesses;
    std::unordered_set<AgentId> excluded;
    double left = 1.0;
    for (uint32_t order = static_cast<uint32_t>(history_.size()) + 1; order-- > 0;) {
      const auto found = contexts_.find(KeyOf(order));
      if (found == contexts_.end()) continue;
      uint64_t total = 0;
      uint64_t distinct = 0;
      for (const Follower& follower : found->second.followers) {
        if (excluded.contains(follower.agent)) continue;
        total += follower.count;
        ++distinct;
      }
      if (distinct == 0) continue;
      const double share = left / static_cast<double>(total + distinct);
      for (const Follower& follower : found->second.followers) {
        if (excluded.insert(follower.agent).second) guesses.push_back({follower.agent, share * follower.count});
      }
      left = share * static_cast<double>(distinct);
    }
    const double other = left / static_cast<double>(ids_.size() - excluded.size() + 1);
    for (AgentId agent = 0; agent < agents_.size() && excluded.size() < ids_.size(); ++agent) {
      if (agents_[agent].is_used && excluded.insert(agent).second) guesses.push_back({agent, other});
    }
    std::sort(guesses.begin(), guesses.end(), [this](const Guess& a, const Guess& b) {
      if (a.probability != b.probability) return a.probability > b.probability;
      return agents_[a.agent].first_seen < agents_[b.agent].first_seen;
    });
    if (guesses.size() > n) guesses.resize(n);
    return guesses;
  }

  void Score(bool is_hit, bool is_static_hit) {
    const std::pair<bool, bool> sample(is_hit, is_static_hit);
    if (window_.size() < kWindow) {
      window_.push_back(sample);
    } else {
      auto& oldest = window_[next_sample_];
      hits_ -= oldest.first ? 1 : 0;
      static_hits_ -= oldest.second ? 1 : 0;
      oldest = sample;
      next_sample_ = (next_sample_ + 1) % kWindow;
    }
    hits_ += is_hit ? 1 : 0;
    static_hits_ += is_static_hit ? 1 : 0;
    const PredictorScore now = score();
    const double lead = now.hit_rate - now.static_rate;
    if (enabled_) {
      enabled_ = lead >= kMarginOff && now.hit_rate >= kHitRateMin - kMarginOn;
    } else {
      enabled_ = now.samples >= kSamplesMin && lead >= kMarginOn && now.hit_rate >= kHitRateMin;
    }
  }

  AgentId Intern(std::string_view name) {
    std::string key(name);
    if (const auto found = ids_.find(key); found != ids_.end()) {
      agents_[found->second].last_seen = now_;
      return found->second;
    }
    if (ids_.size() == options_.agents_max) DropAgents();
    AgentId id = static_cast<AgentId>(agents_.size());
    if (free_.empty()) {
      agents_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    agents_[id] = {key, now_, now_, true};
    ids_.emplace(std::move(key), id);
    return id;
  }

  // The quarter longest unseen goes, with every count that names them. The last kOrderMax agents are never among them.
  void DropAgents() {
    std::vector<AgentId> oldest;
    for (AgentId id = 0; id < agents_.size(); ++id) {
      if (agents_[id].is_used) oldest.push_back(id);
    }
    const size_t count = options_.agents_max / 4;
    std::nth_element(oldest.begin(), oldest.begin() + static_cast<ptrdiff_t>(count), oldest.end(),
                     [this](AgentId a, AgentId b) { return agents_[a].last_seen < agents_[b].last_seen; });
    oldest.resize(count);
    std::sort(oldest.begin(), oldest.end());
    for (const AgentId id : oldest) {
      ids_.erase(agents_[id].name);
      agents_[id] = Agent();
      free_.push_back(id);
    }
    const auto is_dropped = [this](AgentId id) { return !agents_[id].is_used; };
    for (auto entry = contexts_.begin(); entry != contexts_.end();) {
      const ContextKey& key = entry->first;
      std::vector<Follower>& followers = entry->second.followers;
      std::erase_if(followers, [&](const Follower& follower) { return is_dropped(follower.agent); });
      const bool names_dropped = std::any_of(key.agents.begin(), key.agents.begin() + key.order, is_dropped);
      entry = names_dropped || followers.empty() ? contexts_.erase(entry) : std::next(entry);
    }
  }

  Context& ContextOf(const ContextKey& key) {
    const auto found = contexts_.find(key);
    if (found != contexts_.end()) return found->second;
    if (contexts_.size() >= options_.contexts_max) DropContexts();
    return contexts_[key];
  }

  // The quarter least counted goes; of equals the longest unseen, then the longer context.
  void DropContexts() {
    struct Rank {
      uint64_t total;
      uint64_t seen;
      ContextKey key;
    };
    std::vector<Rank> ranks;
    ranks.reserve(contexts_.size());
    for (const auto& [key, context] : contexts_) ranks.push_back({context.total(), context.seen, key});
    const auto end = ranks.begin() + static_cast<ptrdiff_t>(ranks.size() / 4);
    std::nth_element(ranks.begin(), end, ranks.end(), [](const Rank& a, const Rank& b) {
      return std::tie(a.total, a.seen, b.key) < std::tie(b.total, b.seen, a.key);
    });
    for (auto rank = ranks.begin(); rank != end; ++rank) contexts_.erase(rank->key);
  }

  const PredictorOptions options_;
  uint64_t now_ = 0;  // observations so far
  std::vector<Agent> agents_;
  std::vector<AgentId> free_;
  std::unordered_map<std::string, AgentId> ids_;
  std::unordered_map<ContextKey, Context, ContextKeyHash> contexts_;
  std::vector<AgentId> history_;               // the newest first, at most order_max
  std::vector<std::pair<bool, bool>> window_;  // (own hit, static hit), a ring once full
  uint32_t next_sample_ = 0;
  uint32_t hits_ = 0;
  uint32_t static_hits_ = 0;
  bool enabled_ = false;
};

Result<NextAgentPredictor> NextAgentPredictor::Create(const PredictorOptions& options) {
  WEIR_TRY(options.Validate());
  return NextAgentPredictor(std::make_unique<Core>(options));
}

NextAgentPredictor::NextAgentPredictor(std::unique_ptr<Core> core) : core_(std::move(core)) {}
NextAgentPredictor::NextAgentPredictor(NextAgentPredictor&&) noexcept = default;
NextAgentPredictor& NextAgentPredictor::operator=(NextAgentPredictor&&) noexcept = default;
NextAgentPredictor::~NextAgentPredictor() = default;

void NextAgentPredictor::Observe(std::string_view agent, std::optional<std::string_view> static_guess) {
  core_->Observe(agent, static_guess);
}
void NextAgentPredictor::Restart() { core_->Restart(); }
std::vector<AgentProbability> NextAgentPredictor::Predict(size_t n) const { return core_->Predict(n); }
bool NextAgentPredictor::enabled() const { return core_->enabled(); }
PredictorScore NextAgentPredictor::score() const { return core_->score(); }
size_t NextAgentPredictor::agents() const { return core_->agents(); }
size_t NextAgentPredictor::contexts() const { return core_->contexts(); }

}  // namespace weir
