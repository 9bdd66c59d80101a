#include "pools_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "weir/base/bytes.h"

namespace weir {
namespace {

constexpr const char* kUnknown = "n/a";
constexpr size_t kBarWidth = 16;

std::optional<double> NumberOf(const Json& object, std::string_view name) {
  const Json* const member = object.Find(name);
  if (member == nullptr || !member->is_number()) return std::nullopt;
  return member->as_double();
}

std::string TextOf(const Json& object, std::string_view name) {
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_string() ? Visible(member->as_string()) : std::string();
}

bool IsTrue(const Json& object, std::string_view name) {
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_bool() && member->as_bool();
}

const Json::Array& ListOf(const Json& object, std::string_view name) {
  static const Json::Array kNone;
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_array() ? member->as_array() : kNone;
}

const Json& ObjectOf(const Json& object, std::string_view name) {
  static const Json kNone = Json::MakeObject();
  const Json* const member = object.Find(name);
  return member != nullptr && member->is_object() ? *member : kNone;
}

uint64_t Whole(double number) { return number >= 0x1p63 ? uint64_t{1} << 63 : static_cast<uint64_t>(std::max(number, 0.0)); }

std::string Bytes(const Json& object, std::string_view name) {
  const auto bytes = NumberOf(object, name);
  return bytes ? FormatByteSize(Whole(*bytes)) : kUnknown;
}

std::string Count(const Json& object, std::string_view name) {
  const auto count = NumberOf(object, name);
  return count ? Grouped(Whole(*count)) : kUnknown;
}

std::string Level(const Json& object, std::string_view name) {
  const auto level = NumberOf(object, name);
  return level ? fmt::format("{:.0f}%", *level * 100) : kUnknown;
}

std::string OrUnknown(std::string text) { return text.empty() ? kUnknown : text; }

Ink InkOfTier(std::string_view tier) {
  if (tier == "critical" || tier == "emergency") return Ink::kRed;
  if (tier == "high" || tier == "pressure") return Ink::kYellow;
  return tier == "warning" ? Ink::kCyan : Ink::kGreen;
}

std::string TierOf(const Json& object, std::string_view name, const TextStyle& style) {
  const std::string tier = OrUnknown(TextOf(object, name));
  return Paint(style, InkOfTier(tier), tier);
}

std::string HitRate(double hits, double misses) { return Percent(Whole(hits), Whole(hits + misses)); }

std::string Heading(const Json& snapshot, const TextStyle& style) {
  const Json::Array& devices = ListOf(snapshot, "devices");
  const Json host = devices.empty() ? Json::MakeObject() : devices.front();
  const auto pid = NumberOf(snapshot, "pid");
  std::string out = Paint(
      style, Ink::kBold,
      fmt::format("{} (pid {})", OrUnknown(TextOf(snapshot, "process")), pid ? fmt::format("{:.0f}", *pid) : kUnknown));
  out += fmt::format("\n  pools   {} of {}, {} ({})\n", Bytes(snapshot, "used_bytes"), Bytes(snapshot, "capacity_bytes"),
                     Level(snapshot, "pressure"), TierOf(snapshot, "tier", style));
  out += fmt::format("  memory  {} of {}, {} ({}); {}\n", Bytes(host, "used_bytes"), Bytes(host, "total_bytes"),
                     Level(host, "pressure"), TierOf(host, "mode", style), OrUnknown(TextOf(host, "source")));
  if (const double hold = NumberOf(snapshot, "on_hold_ms").value_or(0); hold > 0) {
    out += Paint(style, Ink::kRed,
                 fmt::format("  evicting is on hold for {:.0f} s: what was given back did not show up\n", hold / 1000));
  }
  return out;
}

std::string PriceText(const Json& pool) {
  const auto price = NumberOf(pool, "price_us_per_byte");
  return price ? fmt::format("{:.3g}", *price * 1024) : "none";
}

// The pool of that name in an earlier snapshot.
const Json* PoolIn(const Json* snapshot, const std::string& name) {
  if (snapshot == nullptr) return nullptr;
  for (const Json& pool : ListOf(*snapshot, "pools")) {
    if (TextOf(pool, "name") == name) return &pool;
  }
  return nullptr;
}

std::string RateOf(const Json& pool, const Json* before, std::string_view name, Duration between) {
  const auto now = NumberOf(pool, name);
  const auto then = before == nullptr ? std::nullopt : NumberOf(*before, name);
  const double seconds = std::chrono::duration<double>(between).count();
  if (!now || !then || seconds <= 0) return kUnknown;
  return Grouped(Whole(std::round(std::max(0.0, *now - *then) / seconds)));
}

std::string Counters(const Json& counters) {
  std::string out = fmt::format("  ticks {}, passes of relief {}; {} given back", Count(counters, "ticks"),
                                Count(counters, "passes"), Bytes(counters, "released_bytes"));
  out += fmt::format(" ({} by the books, {} as the kernel counts)\n", Bytes(counters, "accounted_bytes"),
                     Bytes(counters, "seen_bytes"));
  out += fmt::format("  stuck {}, not released {}, out of time {}, alerts {} ({} held back), failures {}\n",
                     Count(counters, "stuck"), Count(counters, "not_released"), Count(counters, "deadlines"),
                     Count(counters, "alerts"), Count(counters, "alerts_held"), Count(counters, "source_failures"));
  return out;
}

std::string Grants(const Json& snapshot) {
  std::string out;
  for (const Json& grant : ListOf(snapshot, "grants")) {
    std::string needs;
    for (const Json& need : ListOf(grant, "needs")) {
      needs += fmt::format("{}{} of {}", needs.empty() ? "" : ", ", Bytes(need, "bytes"), TextOf(need, "pool"));
    }
    out += fmt::format("  {}: {}\n", OrUnknown(TextOf(grant, "workflow")), needs);
  }
  return out;
}

std::string Kernel(const Json& snapshot) {
  std::string out = fmt::format("  this process: {} resident\n", Bytes(snapshot, "resident_bytes"));
  const Json& stall = ObjectOf(snapshot, "stall");
  out += stall.Find("source") == nullptr
             ? "  stalls: n/a\n"
             : fmt::format("  stalls: {:.2f}% of the last 10 s, {:.1f} ms in all ({})\n",
                           NumberOf(stall, "some_avg10").value_or(0), NumberOf(stall, "some_total_us").value_or(0) / 1000,
                           TextOf(stall, "source"));
  const Json& events = ObjectOf(snapshot, "events");
  out += events.Find("source") == nullptr
             ? "  events: n/a\n"
             : fmt::format("  events: high {}, max {}, oom {}, oom_kill {}\n", Count(events, "high"), Count(events, "max"),
                           Count(events, "oom"), Count(events, "oom_kill"));
  return out;
}

std::string Indented(const std::string& text) {
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += "  " + Visible(text.substr(begin, end - begin)) + '\n';
    begin = end + 1;
  }
  return out;
}

std::string Title(const TextStyle& style, std::string_view title) { return '\n' + Paint(style, Ink::kBold, title) + '\n'; }

}  // namespace

std::string DrawPools(const Json& snapshot, const TextStyle& style) {
  std::string out = Heading(snapshot, style) + '\n';
  Table table({{"pool", Align::kLeft, true},
               {"tier"},
               {"used", Align::kRight},
               {"budget", Align::kRight},
               {"fill"},
               {"guaranteed", Align::kRight},
               {"entries", Align::kRight},
               {"hits", Align::kRight},
               {"us/KiB", Align::kRight}});
  for (const Json& pool : ListOf(snapshot, "pools")) {
    const std::string tier = TextOf(pool, "tier");
    const double hits = NumberOf(pool, "hits").value_or(0);
    const double fill = NumberOf(pool, "pressure").value_or(0);
    table.AddRow({OrUnknown(TextOf(pool, "name")), TierOf(pool, "tier", style), Bytes(pool, "used_bytes"),
                  IsTrue(pool, "managed") ? Bytes(pool, "budget_bytes") : "none",
                  Bar(style, InkOfTier(tier), std::clamp(fill, 0.0, 1.0), kBarWidth), Bytes(pool, "guaranteed_bytes"),
                  Count(pool, "entries"), HitRate(hits, NumberOf(pool, "misses").value_or(0)), PriceText(pool)});
  }
  if (table.empty()) return out + "  no pools\n";
  return out + table.Draw(style);
}

std::string DrawPressure(const Json& snapshot, const TextStyle& style) {
  std::string out = Heading(snapshot, style) + '\n';
  Table table({{"memory", Align::kLeft, true},
               {"mode"},
               {"used", Align::kRight},
               {"total", Align::kRight},
               {"free", Align::kRight},
               {"level", Align::kRight},
               {"short", Align::kRight},
               {"source", Align::kLeft, true}});
  for (const Json& device : ListOf(snapshot, "devices")) {
    table.AddRow({OrUnknown(TextOf(device, "name")), TierOf(device, "mode", style), Bytes(device, "used_bytes"),
                  Bytes(device, "total_bytes"), Bytes(device, "headroom_bytes"), Level(device, "pressure"),
                  IsTrue(device, "short") ? "yes" : "no", OrUnknown(TextOf(device, "source"))});
  }
  out += table.Draw(style);
  out += Title(style, "As the kernel counts") + Kernel(snapshot);
  if (const std::string grants = Grants(snapshot); !grants.empty()) out += Title(style, "Granted to workflows") + grants;
  out += Title(style, "Relief") + Counters(ObjectOf(snapshot, "counters"));
  const Json& last = ObjectOf(snapshot, "last_relief");
  if (last.Find("text") != nullptr) {
    const Json* const text = last.Find("text");
    out += "  the last one:\n" + Indented(text->is_string() ? text->as_string() : "");
  }
  return out;
}

std::string DrawTop(const Json& snapshot, const Json* before, Duration between, const TextStyle& style) {
  std::string out = Heading(snapshot, style) + '\n';
  Table table({{"pool", Align::kLeft, true},
               {"used", Align::kRight},
               {"fill"},
               {"entries", Align::kRight},
               {"pins", Align::kRight},
               {"hits/s", Align::kRight},
               {"misses/s", Align::kRight},
               {"evicted/s", Align::kRight},
               {"hits", Align::kRight}});
  for (const Json& pool : ListOf(snapshot, "pools")) {
    const Json* const old = PoolIn(before, TextOf(pool, "name"));
    const double fill = NumberOf(pool, "pressure").value_or(0);
    table.AddRow({OrUnknown(TextOf(pool, "name")), Bytes(pool, "used_bytes"),
                  Bar(style, InkOfTier(TextOf(pool, "tier")), std::clamp(fill, 0.0, 1.0), kBarWidth), Count(pool, "entries"),
                  Count(pool, "pins"), RateOf(pool, old, "hits", between), RateOf(pool, old, "misses", between),
                  RateOf(pool, old, "evictions", between),
                  HitRate(NumberOf(pool, "hits").value_or(0), NumberOf(pool, "misses").value_or(0))});
  }
  out += table.empty() ? "  no pools\n" : table.Draw(style);
  return out + '\n' + Counters(ObjectOf(snapshot, "counters"));
}

}  // namespace weir
