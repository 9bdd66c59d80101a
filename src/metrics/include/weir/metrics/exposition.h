#pragma once
// Exposition: counters, gauges and histograms as text that monitoring systems scrape.
//
// Values are read where they are counted, at the moment of the scrape: nothing here keeps a copy. Two forms: the Prometheus
// text format 0.0.4 and OpenMetrics 1.0. A writer serves one thread; a Histogram any number.
//
// Names follow the conventions of both: base units (seconds, bytes), counters that end in _total. Labels hold names of parts
// and outcomes, never what callers sent.

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

// Observations by upper bounds, with their sum. Lock-free; an Observe is two additions.
class Histogram {
 public:
  static constexpr size_t kBoundsMax = 24;
  // Ascending, at most kBoundsMax; the last bucket, without bound, is implied.
  explicit Histogram(std::span<const double> bounds);
  Histogram(std::initializer_list<double> bounds) : Histogram(std::span(bounds.begin(), bounds.size())) {}

  void Observe(double value);

  struct Reading {
    std::vector<double> bounds;
    std::vector<uint64_t> counts;  // of each bucket alone; one more than bounds
    uint64_t count = 0;
    double sum = 0;
  };
  Reading Read() const;

 private:
  size_t size_;
  std::array<double, kBoundsMax> bounds_{};
  std::array<std::atomic<uint64_t>, kBoundsMax + 1> counts_{};
  std::atomic<double> sum_{0};
};

// Bounds for times of requests, in seconds: 100 us to 60 s.
std::span<const double> RequestSecondsBounds();

enum class ExpositionForm : uint8_t { kPrometheus, kOpenMetrics };
// What a scraper's Accept header asks for.
ExpositionForm ExpositionFormOf(std::string_view accept);
std::string_view ExpositionContentType(ExpositionForm form);

class Exposition {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  explicit Exposition(ExpositionForm form) : form_(form) {}

  // Each begins a family; its samples follow. `name` of a counter without _total. `help` is one line.
  void Counter(std::string_view name, std::string_view help);
  void Gauge(std::string_view name, std::string_view help);
  void HistogramFamily(std::string_view name, std::string_view help);

  // A sample of the family that was begun last. REQUIRES: labels not used before in this family.
  void Sample(Labels labels, uint64_t value);
  void Sample(Labels labels, double value);
  void Sample(Labels labels, const Histogram& histogram);

  // A family with a single sample.
  void CounterValue(std::string_view name, std::string_view help, uint64_t value);
  void GaugeValue(std::string_view name, std::string_view help, double value);

  // The text; the writer is spent.
  std::string Finish() &&;

 private:
  void Family(std::string_view name, std::string_view help, std::string_view type);
  void Line(std::string_view suffix, Labels labels, std::string_view last_label, std::string_view last_value,
            std::string_view value);

  const ExpositionForm form_;
  std::string name_;
  bool is_counter_ = false;
  std::string text_;
};

}  // namespace weir
