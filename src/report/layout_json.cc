#include "weir/report/layout_view.h"

namespace weir {
namespace {

Json NormalisationJson(const NormalisationGain& gain) {
  Json object = Json::MakeObject();
  object.Set("name", NormalisationName(gain.normalisation));
  object.Set("pieces", uint64_t{gain.pieces});
  object.Set("gain_alone", gain.gain_alone);
  object.Set("measured_only", gain.measured_only);
  object.Set("gain_in_proposal", gain.gain_in_proposal ? Json(*gain.gain_in_proposal) : Json());
  return object;
}

Json ClassJson(const LayoutClass& layout_class) {
  Json object = Json::MakeObject();
  object.Set("name", layout_class.name);
  object.Set("kind", SegmentKindName(layout_class.kind));
  object.Set("movable", layout_class.movable);
  object.Set("calls", uint64_t{layout_class.calls});
  object.Set("contents", uint64_t{layout_class.contents});
  object.Set("tokens", layout_class.tokens);
  object.Set("split", layout_class.is_split);
  return object;
}

Json CallJson(const LayoutCallChange& call) {
  Json object = Json::MakeObject();
  object.Set("agent", call.agent);
  object.Set("tokens", Json(Json::Object{{"before", uint64_t{call.tokens_before}}, {"after", uint64_t{call.tokens_after}}}));
  object.Set("reusable_tokens",
             Json(Json::Object{{"before", uint64_t{call.reusable_before}}, {"after", uint64_t{call.reusable_after}}}));
  return object;
}

Json ExampleJson(const LayoutReport& report) {
  if (!report.example_call) return {};
  Json pieces = Json::MakeArray();
  for (const LayoutPiece& piece : report.example_pieces) {
    Json object = Json::MakeObject();
    object.Set("name", piece.name);
    object.Set("kind", SegmentKindName(piece.kind));
    object.Set("text", piece.text);
    pieces.Append(std::move(object));
  }
  Json object = Json::MakeObject();
  object.Set("call", uint64_t{*report.example_call});
  object.Set("agent", report.calls[*report.example_call].agent);
  object.Set("pieces", std::move(pieces));
  object.Set("prompt", report.example_prompt);
  return object;
}

}  // namespace

Json LayoutJson(const LayoutReport& report, uint64_t cache_tokens) {
  Json order = Json::MakeArray();
  for (const std::string& name : report.order) order.Append(name);
  Json applied = Json::MakeArray();
  Json not_applied = Json::MakeArray();
  for (const NormalisationGain& gain : report.normalisations) {
    (gain.applied ? applied : not_applied).Append(NormalisationJson(gain));
  }
  Json classes = Json::MakeArray();
  for (const LayoutClass& layout_class : report.classes) classes.Append(ClassJson(layout_class));
  Json calls = Json::MakeArray();
  for (const LayoutCallChange& call : report.calls) calls.Append(CallJson(call));

  Json object = Json::MakeObject();
  object.Set("improves", report.improves);
  object.Set("order", std::move(order));
  object.Set("normalisations", std::move(applied));
  object.Set("reusable_tokens", Json(Json::Object{{"before", report.reusable_before}, {"after", report.reusable_after}}));
  object.Set("tokens", Json(Json::Object{{"before", report.tokens_before}, {"after", report.tokens_after}}));
  object.Set("cache_tokens", cache_tokens);
  object.Set("gain_of_order", report.gain_of_order);
  object.Set("not_applied", std::move(not_applied));
  object.Set("classes", std::move(classes));
  object.Set("calls", std::move(calls));
  object.Set("refused_calls", uint64_t{report.refused_calls});
  object.Set("example", ExampleJson(report));
  object.Set("search", LayoutSearchName(report.search));
  object.Set("orders_tried", uint64_t{report.orders_tried});
  object.Set("note", report.note.empty() ? Json() : Json(report.note));
  return object;
}

}  // namespace weir
