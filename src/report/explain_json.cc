#include "weir/report/explain_view.h"

namespace weir {
namespace {

template <typename Number>
Json OrNull(const std::optional<Number>& number) {
  return number ? Json(*number) : Json();
}

Json SideJson(const BreakSide& side) {
  Json object = Json::MakeObject();
  object.Set("segment", side.segment);
  object.Set("byte", uint64_t{side.byte});
  object.Set("line", uint64_t{side.line});
  object.Set("column", uint64_t{side.column});
  object.Set("text_begin", uint64_t{side.text_begin});
  object.Set("differs", side.differs);
  object.Set("differs_begin", uint64_t{side.differs_begin});
  return object;
}

Json DivergenceJson(const Divergence& divergence) {
  Json object = Json::MakeObject();
  object.Set("token", uint64_t{divergence.token});
  object.Set("block", uint64_t{divergence.block});
  object.Set("byte", uint64_t{divergence.a.byte});
  object.Set("segment", divergence.a.segment);
  object.Set("a_text", divergence.a.text);
  object.Set("b_text", divergence.b.text);
  object.Set("cause", BreakCauseName(divergence.cause));
  object.Set("reason", divergence.reason);
  object.Set("a", SideJson(divergence.a));
  object.Set("b", SideJson(divergence.b));
  return object;
}

Json FixJson(const Fix& fix) {
  Json object = Json::MakeObject();
  object.Set("action", FixActionName(fix.action));
  object.Set("segment", fix.segment);
  object.Set("advice", fix.advice);
  object.Set("gain_tokens", OrNull(fix.gain_tokens));
  object.Set("gain_blocks", OrNull(fix.gain_blocks));
  return object;
}

Json NamesJson(std::span<const uint32_t> indexes, std::span<const std::string> names) {
  Json array = Json::MakeArray();
  for (const uint32_t index : indexes) array.Append(names[index]);
  return array;
}

}  // namespace

Json ExplanationJson(const Explanation& explanation, std::string_view a, std::string_view b) {
  Json object = Json::MakeObject();
  object.Set("a", a);
  object.Set("b", b);
  object.Set("prefix_tokens", uint64_t{explanation.prefix_tokens});
  object.Set("prefix_blocks", uint64_t{explanation.prefix_blocks});
  object.Set("divergence", explanation.divergence ? DivergenceJson(*explanation.divergence) : Json());
  object.Set("lost_tokens", uint64_t{explanation.lost_tokens});
  object.Set("lost_blocks", uint64_t{explanation.lost_blocks});
  object.Set("lost_to_next_break", uint64_t{explanation.lost_to_next_break});
  object.Set("fix", explanation.fix ? FixJson(*explanation.fix) : Json());
  return object;
}

Json BreaksJson(std::span<const GroupBreak> breaks, std::span<const std::string> names) {
  Json array = Json::MakeArray();
  for (const GroupBreak& group : breaks) {
    Json object = Json::MakeObject();
    object.Set("kept", NamesJson(group.kept, names));
    object.Set("broken", NamesJson(group.broken, names));
    object.Set("lost_tokens", group.lost_tokens);
    object.Set("explanation", ExplanationJson(group.explanation, names[group.kept.front()], names[group.broken.front()]));
    array.Append(std::move(object));
  }
  return array;
}

}  // namespace weir
