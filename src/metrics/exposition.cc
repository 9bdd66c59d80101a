#include "weir/metrics/exposition.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "weir/base/check.h"

namespace weir {
namespace {

// Label values: backslash, quote and line end are escaped, in help texts the quote is not.
void AppendEscaped(std::string_view text, bool quotes, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds) : size_(bounds.size()) {
  WEIR_CHECK(bounds.size() <= kBoundsMax, "{} bounds", bounds.size());
  WEIR_CHECK(std::ranges::is_sorted(bounds), "bounds out of order");
  std::ranges::copy(bounds, bounds_.begin());
}

void Histogram::Observe(double value) {
  const auto end = bounds_.begin() + static_cast<std::ptrdiff_t>(size_);
  const auto bucket = static_cast<size_t>(std::lower_bound(bounds_.begin(), end, value) - bounds_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Reading Histogram::Read() const {
  Reading reading;
  reading.bounds.assign(bounds_.begin(), bounds_.begin() + static_cast<std::ptrdiff_t>(size_));
  for (size_t i = 0; i <= size_; ++i) {
    reading.counts.push_back(counts_[i].load(std::memory_order_relaxed));
    reading.count += reading.counts.back();
  }
  reading.sum = sum_.load(std::memory_order_relaxed);
  return reading;
}

std::span<const double> RequestSecondsBounds() {
  static constexpr std::array kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,    0.5,    1.0,   2.5,    5.0,   10.0, 30.0,  60.0};
  return kBounds;
}

ExpositionForm ExpositionFormOf(std::string_view accept) {
  return accept.find("application/openmetrics-text") != std::string_view::npos ? ExpositionForm::kOpenMetrics
                                                                               : ExpositionForm::kPrometheus;
}

std::string_view ExpositionContentType(ExpositionForm form) {
  return form == ExpositionForm::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                              : "text/plain; version=0.0.4; charset=utf-8";
}

void Exposition::Family(std::string_view name, std::string_view help, std::string_view type) {
  name_ = name;
  is_counter_ = type == "counter";
  // The older form names a counter's family as its samples.
  const std::string_view suffix = is_counter_ && form_ == ExpositionForm::kPrometheus ? "_total" : "";
  text_ += fmt::format("# HELP {}{} ", name, suffix);
  AppendEscaped(help, false, text_);
  text_ += fmt::format("\n# TYPE {}{} {}\n", name, suffix, type);
}

void Exposition::Counter(std::string_view name, std::string_view help) { Family(name, help, "counter"); }
void Exposition::Gauge(std::string_view name, std::string_view help) { Family(name, help, "gauge"); }
void Exposition::HistogramFamily(std::string_view name, std::string_view help) { Family(name, help, "histogram"); }

void Exposition::Line(std::string_view suffix, Labels labels, std::string_view last_label, std::string_view last_value,
                      std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  const auto add = [&](std::string_view label, std::string_view label_value) {
    text_ += before;
    before = ',';
    text_ += label;
    text_ += "=\"";
    AppendEscaped(label_value, true, text_);
    text_ += '"';
  };
  for (const Label& label : labels) add(label.first, label.second);
  if (!last_label.empty()) add(last_label, last_value);
  if (before == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void Exposition::Sample(Labels labels, uint64_t value) {
  Line(is_counter_ ? "_total" : "", labels, "", "", fmt::format("{}", value));
}

void Exposition::Sample(Labels labels, double value) {
  Line(is_counter_ ? "_total" : "", labels, "", "", NumberText(value));
}

void Exposition::Sample(Labels labels, const Histogram& histogram) {
  const Histogram::Reading reading = histogram.Read();
  uint64_t below = 0;
  for (size_t i = 0; i < reading.bounds.size(); ++i) {
    below += reading.counts[i];
    // OpenMetrics wants bounds to read as decimals.
    std::string bound = NumberText(reading.bounds[i]);
    if (bound.find_first_of(".e") == std::string::npos) bound += ".0";
    Line("_bucket", labels, "le", bound, fmt::format("{}", below));
  }
  Line("_bucket", labels, "le", "+Inf", fmt::format("{}", reading.count));
  Line("_sum", labels, "", "", NumberText(reading.sum));
  Line("_count", labels, "", "", fmt::format("{}", reading.count));
}

void Exposition::CounterValue(std::string_view name, std::string_view help, uint64_t value) {
  Counter(name, help);
  Sample({}, value);
}

void Exposition::GaugeValue(std::string_view name, std::string_view help, double value) {
  Gauge(name, help);
  Sample({}, value);
}

std::string Exposition::Finish() && {
  if (form_ == ExpositionForm::kOpenMetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace weir
