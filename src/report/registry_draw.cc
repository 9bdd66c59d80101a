#include <fmt/format.h>

#include <algorithm>

#include "weir/report/registry_view.h"

namespace weir {
namespace {

std::string OrDash(const std::optional<uint32_t>& number) { return number ? Grouped(*number) : "-"; }

std::string OrDash(const std::optional<float>& number) { return number ? fmt::format("{:.2f}", *number) : "-"; }

// "identical", "leaves its group at token 48", "-" without one.
std::string SystemText(const SystemIdentity& system, const TextStyle& style) {
  if (!system.has_system) return "-";
  if (!system.divergence) {
    if (system.members < 2) return "first of its group";
    return fmt::format("the same as {} of {} in its group", system.same - 1, system.members - 1);
  }
  return Paint(style, Ink::kYellow,
               fmt::format("leaves its group at token {}: {} lost", Grouped(system.divergence->token),
                           Counted(system.divergence->lost_tokens, "token")));
}

std::string Notes(const SharedReport& report) {
  std::string out;
  const auto add = [&](const std::string& note) {
    if (!note.empty()) out += "  " + note + "\n";
  };
  if (report.truncated) add(fmt::format("There are more than these {}.", report.results.size()));
  if (report.cold > 0) {
    add(fmt::format("{} not in memory: exact is complete, moved and near are not measured for them.",
                    report.cold == 1 ? "1 context is" : Grouped(report.cold) + " contexts are"));
  }
  if (report.other_space > 0) {
    add(fmt::format("{} in another space (tokenizer, model, LoRA, salt): nothing is shared across spaces.",
                    report.other_space == 1 ? "1 agent lives" : Grouped(report.other_space) + " agents live"));
  }
  add(report.near_note);
  if (!report.semantic_note.empty()) add("similarity: " + report.semantic_note);
  return out.empty() ? out : "\n" + out;
}

}  // namespace

std::string DrawRegistered(std::span<const Registered> registered, const TextStyle& style) {
  Table table({{"agent", Align::kLeft, true},
               {"revision", Align::kRight},
               {"tokens", Align::kRight},
               {"encoded now", Align::kRight},
               {"shared blocks", Align::kRight},
               {"with"},
               {"system prompt"}});
  for (const Registered& one : registered) {
    table.AddRow({Visible(one.agent), Grouped(one.revision), Grouped(one.tokens), Grouped(one.tokens_encoded),
                  fmt::format("{} of {}", Grouped(one.shared_blocks), Grouped(one.blocks)),
                  one.shared_with ? Visible(*one.shared_with) : "-", SystemText(one.system, style)});
  }
  return table.Draw(style);
}

std::string DrawSharedReport(const SharedReport& report, const TextStyle& style) {
  const std::string target = report.target.empty() ? "the prompt" : Visible(report.target);
  std::string out = Paint(style, Ink::kBold,
                          fmt::format("{}: {}, {}", target, Counted(report.target_tokens, "token"),
                                      Counted(report.target_blocks, "whole block"))) +
                    "\n";
  if (report.results.empty()) {
    out += report.compared == 0 ? "  No context to compare it with in its space.\n"
                                : fmt::format("  Nothing in common with any of {}.\n", Counted(report.compared, "context"));
    return out + Notes(report);
  }
  const uint32_t saved = report.tokens_saved.value_or(0);
  out += saved > 0 ? fmt::format("  {} of them need no prefill where the best of these is resident\n\n", Grouped(saved))
                   : "  no whole block of it is reusable as it stands\n\n";
  Table table({{"agent", Align::kLeft, true},
               {"exact tokens", Align::kRight},
               {"whole blocks", Align::kRight},
               {"moved tokens", Align::kRight},
               {"near blocks", Align::kRight},
               {"similarity", Align::kRight}});
  for (const SharedContext& result : report.results) {
    std::string moved = OrDash(result.moved_tokens);
    if (result.moved_truncated) moved = ">= " + moved;
    table.AddRow({Visible(result.agent), Paint(style, Ink::kGreen, Grouped(result.exact.tokens)),
                  Grouped(result.exact.blocks), Paint(style, Ink::kYellow, moved), OrDash(result.near_blocks),
                  OrDash(result.similarity)});
  }
  out += table.Draw(style);
  out += Paint(style, Ink::kDim,
               "  exact is reusable as it stands, in whole blocks; moved and near show what could be made so") +
         "\n";
  return out + Notes(report);
}

namespace {

std::string DrawByMeaning(const SimilarReport& report, const TextStyle& style) {
  Table table({{"agent", Align::kLeft, true}, {"similarity", Align::kRight}, {"nearest segment"}, {"", Align::kRight}});
  for (const SimilarContext& result : report.results) {
    const std::optional<NearestSegment>& nearest = result.nearest_segment;
    table.AddRow({Visible(result.agent), fmt::format("{:.2f}", result.similarity), nearest ? Visible(nearest->name) : "-",
                  nearest ? fmt::format("{:.2f}", nearest->similarity) : "-"});
  }
  return table.Draw(style);
}

}  // namespace

std::string DrawSimilarReport(const SimilarReport& report, const TextStyle& style) {
  std::string out;
  if (report.by_vector) {
    if (!report.results.empty()) out += DrawByMeaning(report, style);
  } else if (!report.results.empty()) {
    Table table({{"agent", Align::kLeft, true},
                 {"similarity", Align::kRight},
                 {"equal blocks", Align::kRight},
                 {"near blocks", Align::kRight},
                 {"exact prefix", Align::kRight}});
    for (const SimilarContext& result : report.results) {
      table.AddRow({Visible(result.agent), fmt::format("{:.2f}", result.similarity), OrDash(result.equal_blocks),
                    OrDash(result.near_blocks),
                    result.shared_prefix ? Counted(result.shared_prefix->tokens, "token") : "-"});
    }
    out += table.Draw(style);
  }
  if (report.cold > 0) out += fmt::format("  {} not in memory and not looked at.\n", Counted(report.cold, "context"));
  if (!report.note.empty()) out += "  " + report.note + "\n";
  return out;
}

}  // namespace weir
