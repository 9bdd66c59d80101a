#include <fmt/format.h>

#include <iterator>

#include "weir/codec/json.h"
#include "weir/report/share_view.h"

namespace weir {
namespace {

constexpr size_t kPieceBytes = 1 << 16;

template <typename Number>
std::string OrNull(const std::optional<Number>& number) {
  return number ? std::to_string(*number) : "null";
}

Json IndexedNames(const ShareReport& report, const uint32_t* first, size_t count) {
  Json names = Json::MakeArray();
  for (size_t i = 0; i < count; ++i) names.Append(report.agents[first[i]].agent);
  return names;
}

Json AgentJson(const ShareReport& report, const AgentShare& agent) {
  Json object = Json::MakeObject();
  object.Set("agent", agent.agent);
  object.Set("tokens", uint64_t{agent.tokens});
  object.Set("blocks", uint64_t{agent.blocks});
  object.Set("best_prefix_tokens", uint64_t{agent.best_prefix_tokens});
  object.Set("best_prefix_with", agent.best_prefix_with ? Json(report.agents[*agent.best_prefix_with].agent) : Json());
  return object;
}

Json TotalsJson(const ShareReport& report) {
  Json totals = Json::MakeObject();
  totals.Set("agents", uint64_t{report.agents.size()});
  totals.Set("tokens", report.totals.tokens);
  totals.Set("blocks", report.totals.blocks);
  totals.Set("distinct_blocks", report.totals.distinct_blocks);
  totals.Set("reusable_tokens", report.totals.reusable_tokens);
  totals.Set("moved_tokens", report.totals.moved_tokens ? Json(*report.totals.moved_tokens) : Json());
  return totals;
}

Json GroupJson(const ShareReport& report, const PrefixNode& node) {
  Json object = Json::MakeObject();
  object.Set("parent", node.parent < 0 ? Json() : Json(int64_t{node.parent}));
  object.Set("begin", uint64_t{node.begin});
  object.Set("end", uint64_t{node.end});
  object.Set("agents", IndexedNames(report, report.order.data() + node.first, node.count));
  return object;
}

Json SpanJson(const ShareReport& report, const SharedSpan& span) {
  Json object = Json::MakeObject();
  object.Set("tokens", uint64_t{span.tokens});
  object.Set("agents", IndexedNames(report, span.agents.data(), span.agents.size()));
  object.Set("example_agent", report.agents[span.example_agent].agent);
  object.Set("example_token", uint64_t{span.example_token});
  return object;
}

// Collects text and hands it on in pieces.
class Writer {
 public:
  explicit Writer(const TextSink& sink) : sink_(sink) {}
  ~Writer() { sink_(buffer_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Put(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() < kPieceBytes) return;
    sink_(buffer_);
    buffer_.clear();
  }

 private:
  const TextSink& sink_;
  std::string buffer_;
};

template <typename Item, typename ToText>
void PutArray(Writer& writer, std::string_view name, const std::vector<Item>& items, ToText to_text) {
  writer.Put(fmt::format("\"{}\":[", name));
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) writer.Put(",");
    writer.Put(to_text(items[i]));
  }
  writer.Put("]");
}

}  // namespace

void WriteShareJson(const ShareView& view, std::string_view extra, const TextSink& sink) {
  const ShareReport& report = view.report;
  std::vector<std::string> quoted;
  quoted.reserve(report.agents.size());
  for (const AgentShare& agent : report.agents) quoted.push_back(JsonQuote(agent.agent));

  Writer writer(sink);
  writer.Put(fmt::format("{{\"tokenizer\":{},\"block_size\":{},", JsonQuote(view.tokenizer), view.block_size));
  PutArray(writer, "agents", report.agents, [&](const AgentShare& agent) { return AgentJson(report, agent).Dump(); });
  writer.Put(",");
  PutArray(writer, "pairs", report.pairs, [&](const PairShare& pair) {
    return fmt::format(
        "{{\"a\":{},\"b\":{},\"prefix_tokens\":{},\"prefix_blocks\":{},\"span_tokens\":{},\"near_blocks\":{}}}",
        quoted[pair.a], quoted[pair.b], pair.prefix_tokens, pair.prefix_blocks, OrNull(pair.span_tokens),
        OrNull(pair.near_blocks));
  });
  writer.Put(fmt::format(",\"totals\":{},", TotalsJson(report).Dump()));
  PutArray(writer, "groups", report.groups, [&](const PrefixNode& node) { return GroupJson(report, node).Dump(); });
  writer.Put(",");
  PutArray(writer, "spans", report.spans, [&](const SharedSpan& span) { return SpanJson(report, span).Dump(); });
  const auto note = [](const std::string& text) { return text.empty() ? "null" : JsonQuote(text); };
  writer.Put(fmt::format(",\"pairs_truncated\":{},\"spans_truncated\":{},\"spans_note\":{},\"near_note\":{}",
                         report.pairs_truncated, report.spans_truncated, note(report.spans_note), note(report.near_note)));
  if (!extra.empty()) {
    writer.Put(",");
    writer.Put(extra);
  }
  writer.Put("}");
}

}  // namespace weir
