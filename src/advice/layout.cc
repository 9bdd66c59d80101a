#include "weir/advice/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "layout_pieces.h"
#include "layout_search.h"
#include "weir/advice/cache_simulator.h"
#include "weir/codec/xxh3.h"

namespace weir {

std::string_view NormalisationName(Normalisation normalisation) {
  switch (normalisation) {
    case Normalisation::kVolatileLast: return "volatile_last";
    case Normalisation::kJsonKeys: return "json_keys";
    case Normalisation::kToolOrder: return "tool_order";
    case Normalisation::kTrailingBlanks: return "trailing_blanks";
    case Normalisation::kUnicodeForm: return "unicode_form";
    case Normalisation::kSharedFirst: return "shared_first";
  }
  return "volatile_last";
}

std::string_view LayoutSearchName(LayoutSearch search) {
  switch (search) {
    case LayoutSearch::kExact: return "exact";
    case LayoutSearch::kGreedy: return "greedy";
    case LayoutSearch::kBudget: return "budget";
  }
  return "exact";
}

namespace {

struct Measured {
  uint64_t tokens = 0;
  uint64_t reusable = 0;
  size_t refused = 0;
  std::vector<uint32_t> tokens_of;
  std::vector<uint32_t> reusable_of;
};

using Pieces = std::vector<std::vector<LayoutPiece>>;  // of each call

// Renders, tokenizes and simulates. Prompts that come back are tokenized once.
class Measure {
 public:
  Measure(std::span<const LayoutCall> calls, Encoder& encoder, const LayoutOptions& options)
      : calls_(calls), encoder_(encoder), options_(options), root_(RootKey(Space(), options.block_size)) {}

  Result<std::string> Render(size_t call, std::span<const LayoutPiece> pieces) const {
    if (options_.renderer != nullptr) {
      Result<std::string> text = options_.renderer(call, pieces);
      if (text.has_value()) return text;
      return Named(call, text.error());
    }
    std::string text;
    for (const LayoutPiece& piece : pieces) text += piece.text;
    return text;
  }

  Result<Measured> Of(const Pieces& pieces) {
    CacheSimulator cache(options_.cache_tokens / options_.block_size, options_.block_size);
    Measured measured;
    for (size_t c = 0; c < pieces.size(); ++c) {
      WEIR_ASSIGN(const Prompt* prompt, Tokenized(c, pieces[c]));
      const CacheSimulator::Outcome outcome = cache.Run(prompt->keys, prompt->tokens);
      measured.tokens_of.push_back(prompt->tokens);
      measured.reusable_of.push_back(outcome.cached_tokens);
    }
    measured.tokens = cache.counters().tokens;
    measured.reusable = cache.counters().cached_tokens;
    measured.refused = cache.counters().refused;
    return measured;
  }

 private:
  struct Prompt {
    std::vector<BlockKey> keys;
    uint32_t tokens = 0;
  };

  Error Named(size_t call, const Error& error) const {
    Error named = error;
    named.message = fmt::format("call {} of agent '{}': {}", call + 1, calls_[call].agent, error.message);
    return named;
  }

  // Valid until the next call.
  Result<const Prompt*> Tokenized(size_t call, std::span<const LayoutPiece> pieces) {
    WEIR_ASSIGN(const std::string text, Render(call, pieces));
    const Hash128 hash = Xxh3_128(text);
    const auto [found, is_new] = known_.try_emplace(BlockKey{hash.high, hash.low});
    if (is_new) {
      EncodeOptions encode;
      encode.add_special_tokens = options_.add_special_tokens;
      if (const Status encoded = encoder_.Encode(text, encode, encoding_); !encoded) return Named(call, encoded.error());
      AppendBlockKeys(encoding_.ids, options_.block_size, root_, found->second.keys);
      found->second.tokens = static_cast<uint32_t>(encoding_.ids.size());
    }
    return &found->second;
  }

  std::span<const LayoutCall> calls_;
  Encoder& encoder_;
  const LayoutOptions& options_;
  BlockKey root_;
  Encoding encoding_;
  std::unordered_map<BlockKey, Prompt> known_;  // by the hash of the text
};

Pieces AsRecorded(const std::vector<WorkCall>& calls) {
  Pieces pieces;
  for (const WorkCall& call : calls) {
    std::vector<uint32_t> order(call.size());
    std::iota(order.begin(), order.end(), 0u);
    pieces.push_back(PiecesIn(call, order));
  }
  return pieces;
}

// In the order of class names; classes that are not named keep their recorded place among themselves, behind the others.
Pieces InOrder(const std::vector<WorkCall>& calls, const std::vector<std::string>& names) {
  std::unordered_map<std::string_view, uint32_t> rank;
  for (uint32_t i = 0; i < names.size(); ++i) rank.emplace(names[i], i);
  Pieces pieces;
  for (const WorkCall& call : calls) {
    std::vector<uint32_t> rank_of_piece;
    for (const WorkPiece& work : call) {
      const auto found = rank.find(work.piece.name);
      rank_of_piece.push_back(found == rank.end() ? static_cast<uint32_t>(names.size()) : found->second);
    }
    pieces.push_back(PiecesIn(call, Arrange(call, rank_of_piece)));
  }
  return pieces;
}

// A proposal in the making.
struct Plan {
  std::vector<Normalisation> normalisations;
  std::vector<std::string> names;  // empty: the recorded order
  Normalised normalised;
  Measured measured;
};

class Adviser {
 public:
  Adviser(std::span<const LayoutCall> calls, Encoder& encoder, const LayoutOptions& options)
      : calls_(calls), encoder_(encoder), options_(options), measure_(calls, encoder, options) {}

  Result<LayoutReport> Run() {
    WEIR_TRY(ValidateCalls(calls_));
    if (options_.block_size == 0) return InvalidArgument("a block needs at least one token");
    const std::vector<WorkCall> recorded = WorkCallsOf(calls_);
    WEIR_ASSIGN(before_, measure_.Of(AsRecorded(recorded)));
    WEIR_TRY(MeasureAlone());
    WEIR_TRY(FindPlan());
    WEIR_TRY(DropIdle());
    return Report();
  }

 private:
  Result<Measured> MeasurePlan(const std::vector<WorkCall>& calls, const std::vector<std::string>& names) {
    return measure_.Of(names.empty() ? AsRecorded(calls) : InOrder(calls, names));
  }

  // Each normalisation as the only change. Keeps those that change a text.
  Status MeasureAlone() {
    for (const Normalisation one : options_.normalisations) WEIR_TRY(MeasureOne(one, false));
    for (const Normalisation one : options_.measured_only) {
      const auto& tried = options_.normalisations;
      if (std::find(tried.begin(), tried.end(), one) == tried.end()) WEIR_TRY(MeasureOne(one, true));
    }
    return {};
  }

  Status MeasureOne(Normalisation one, bool measured_only) {
    NormalisationGain gain;
    gain.normalisation = one;
    gain.measured_only = measured_only;
    const Normalised normalised = Normalise(calls_, {&one, 1});
    gain.pieces = normalised.changed[static_cast<size_t>(one)];
    if (gain.pieces > 0) {
      WEIR_ASSIGN(const Measured measured, measure_.Of(AsRecorded(normalised.calls)));
      gain.gain_alone = static_cast<int64_t>(measured.reusable) - static_cast<int64_t>(before_.reusable);
      if (!measured_only) effective_.push_back(one);
    }
    if (gain.pieces > 0 || !measured_only) gains_.push_back(gain);
    return {};
  }

  // All normalisations that do something, with the best order found for them; or none, when that is better.
  Status FindPlan() {
    plan_.measured = before_;
    plan_.normalised = Normalise(calls_, {});
    std::vector<std::vector<Normalisation>> sets = {{}};
    if (!effective_.empty()) sets.push_back(effective_);
    for (const std::vector<Normalisation>& set : sets) {
      Normalised normalised = Normalise(calls_, set);
      const PieceClasses classes(normalised.calls);
      WEIR_ASSIGN(OrderSearch search, OrderSearch::Make(normalised.calls, classes, encoder_, options_));
      const SearchResult found = search.Run();
      orders_tried_ += found.orders_tried;
      if (found.search != LayoutSearch::kExact) search_ = found.search;
      std::vector<std::vector<std::string>> orders = {{}};
      for (const OrderCandidate& candidate : found.candidates) orders.push_back(NamesBy(classes, candidate.rank));
      for (const std::vector<std::string>& names : orders) {
        WEIR_ASSIGN(Measured measured, MeasurePlan(normalised.calls, names));
        if (measured.reusable <= plan_.measured.reusable) continue;
        plan_.measured = std::move(measured);
        plan_.names = names;
        plan_.normalisations = set;
      }
      if (plan_.normalisations == set) plan_.normalised = std::move(normalised);
    }
    return {};
  }

  static std::vector<std::string> NamesBy(const PieceClasses& classes, const std::vector<uint32_t>& rank) {
    std::vector<std::string> names(rank.size());
    for (size_t i = 0; i < rank.size(); ++i) names[rank[i]] = classes.classes()[i].name;
    return names;
  }

  // Takes out, one after the other, what the proposal does not need; what remains tells its worth.
  Status DropIdle() {
    if (!plan_.names.empty()) {
      WEIR_ASSIGN(Measured without, MeasurePlan(plan_.normalised.calls, {}));
      gain_of_order_ = static_cast<int64_t>(plan_.measured.reusable) - static_cast<int64_t>(without.reusable);
      if (gain_of_order_ <= 0) {
        plan_.names.clear();
        plan_.measured = std::move(without);
        gain_of_order_ = 0;
      }
    }
    for (NormalisationGain& gain : gains_) {
      const auto at = std::find(plan_.normalisations.begin(), plan_.normalisations.end(), gain.normalisation);
      if (at == plan_.normalisations.end()) continue;
      std::vector<Normalisation> others = plan_.normalisations;
      others.erase(others.begin() + (at - plan_.normalisations.begin()));
      Normalised normalised = Normalise(calls_, others);
      WEIR_ASSIGN(Measured without, MeasurePlan(normalised.calls, plan_.names));
      if (without.reusable < plan_.measured.reusable) continue;
      plan_.normalisations = std::move(others);
      plan_.normalised = std::move(normalised);
      plan_.measured = std::move(without);
    }
    // Worth of what stayed, measured against the final proposal.
    for (NormalisationGain& gain : gains_) {
      const auto at = std::find(plan_.normalisations.begin(), plan_.normalisations.end(), gain.normalisation);
      gain.applied = at != plan_.normalisations.end();
      if (!gain.applied) continue;
      std::vector<Normalisation> others = plan_.normalisations;
      others.erase(others.begin() + (at - plan_.normalisations.begin()));
      WEIR_ASSIGN(const Measured without, MeasurePlan(Normalise(calls_, others).calls, plan_.names));
      gain.gain_in_proposal = static_cast<int64_t>(plan_.measured.reusable) - static_cast<int64_t>(without.reusable);
    }
    if (!plan_.names.empty()) {
      WEIR_ASSIGN(const Measured without, MeasurePlan(plan_.normalised.calls, {}));
      gain_of_order_ = static_cast<int64_t>(plan_.measured.reusable) - static_cast<int64_t>(without.reusable);
    }
    return {};
  }

  Status DescribeClasses(LayoutReport& report) {
    const PieceClasses classes(plan_.normalised.calls);
    LayoutOptions no_search = options_;
    WEIR_ASSIGN(const OrderSearch counted, OrderSearch::Make(plan_.normalised.calls, classes, encoder_, no_search));
    std::vector<size_t> order;
    for (const std::string& name : plan_.names) {
      const auto at = std::find_if(classes.classes().begin(), classes.classes().end(),
                                   [&](const PieceClasses::Class& c) { return c.name == name; });
      if (at != classes.classes().end()) order.push_back(static_cast<size_t>(at - classes.classes().begin()));
    }
    for (size_t i = 0; i < classes.classes().size(); ++i) {
      if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
    }
    for (const size_t i : order) {
      const PieceClasses::Class& from = classes.classes()[i];
      LayoutClass to;
      to.name = from.name;
      to.kind = from.kind;
      to.movable = from.movable;
      to.is_split = from.is_split;
      to.calls = from.calls;
      to.contents = counted.class_contents()[i];
      to.tokens = counted.class_tokens()[i];
      report.order.push_back(from.name);
      report.classes.push_back(std::move(to));
    }
    return {};
  }

  void DescribeNote(LayoutReport& report) const {
    std::string& note = report.note;
    if (report.refused_calls > 0) {
      note = fmt::format("{} of {} prompts are larger than the cache and cannot run", report.refused_calls, calls_.size());
    } else if (!report.improves && calls_.size() == 1) {
      note = "one call alone has nothing to reuse";
    } else if (!report.improves) {
      note = "no order and no lossless change gains a token; the prompts stay as they are";
    } else if (search_ == LayoutSearch::kBudget) {
      note = "the search reached its bound; a better order may exist";
    }
    for (const NormalisationGain& gain : gains_) {
      const int64_t proposed = static_cast<int64_t>(plan_.measured.reusable) - static_cast<int64_t>(before_.reusable);
      if (!gain.measured_only || gain.gain_alone <= proposed) continue;
      if (!note.empty()) note += "; ";
      note += fmt::format(
          "putting the paragraphs that calls share in front of the others would gain {} reusable tokens, if "
          "their order does not matter",
          gain.gain_alone);
    }
  }

  Result<LayoutReport> Report() {
    LayoutReport report;
    report.improves = plan_.measured.reusable > before_.reusable;
    report.normalisations = gains_;
    report.gain_of_order = gain_of_order_;
    report.tokens_before = before_.tokens;
    report.tokens_after = plan_.measured.tokens;
    report.reusable_before = before_.reusable;
    report.reusable_after = plan_.measured.reusable;
    report.refused_calls = plan_.measured.refused;
    report.search = search_;
    report.orders_tried = orders_tried_;
    WEIR_TRY(DescribeClasses(report));
    DescribeNote(report);
    report.proposal =
        plan_.names.empty() ? AsRecorded(plan_.normalised.calls) : InOrder(plan_.normalised.calls, plan_.names);
    int64_t best_gain = 0;
    for (size_t c = 0; c < calls_.size(); ++c) {
      LayoutCallChange change;
      change.agent = calls_[c].agent;
      change.tokens_before = before_.tokens_of[c];
      change.tokens_after = plan_.measured.tokens_of[c];
      change.reusable_before = before_.reusable_of[c];
      change.reusable_after = plan_.measured.reusable_of[c];
      const int64_t gain = int64_t{change.reusable_after} - int64_t{change.reusable_before};
      if (gain > best_gain) {
        best_gain = gain;
        report.example_call = c;
      }
      report.calls.push_back(std::move(change));
    }
    if (report.example_call) {
      report.example_pieces = report.proposal[*report.example_call];
      WEIR_ASSIGN(report.example_prompt, measure_.Render(*report.example_call, report.example_pieces));
    }
    return report;
  }

  std::span<const LayoutCall> calls_;
  Encoder& encoder_;
  const LayoutOptions& options_;
  Measure measure_;
  Measured before_;
  std::vector<NormalisationGain> gains_;
  std::vector<Normalisation> effective_;
  Plan plan_;
  int64_t gain_of_order_ = 0;
  size_t orders_tried_ = 0;
  LayoutSearch search_ = LayoutSearch::kExact;
};

}  // namespace

Result<LayoutReport> Layout(std::span<const LayoutCall> calls, Encoder& encoder, const LayoutOptions& options) {
  return Adviser(calls, encoder, options).Run();
}

}  // namespace weir
