#pragma once
// LintExposition: what is wrong with a page of metrics in the Prometheus text format: its form, and the rules for names that
// `promtool check metrics` knows.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

class ExpositionLint {
 public:
  // One text for each fault, with the number of its line.
  std::vector<std::string> Run(std::string_view text) {
    if (!text.empty() && !text.ends_with('\n')) Fault("no line feed at the end");
    for (size_t end = 0; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
      ++line_;
      TakeLine(text.substr(0, end));
    }
    EndFamily();
    return std::move(faults_);
  }

 private:
  struct Buckets {
    double last = -1;  // of the bounds
    double cumulative = 0;
    double infinite = -1;
    double count = -1;
  };

  void Fault(const std::string& text) { faults_.push_back("line " + std::to_string(line_) + ": " + text); }

  static bool IsName(std::string_view name) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return !name.empty() && (name[0] < '0' || name[0] > '9') && name.find_first_not_of(kAllowed) == std::string_view::npos;
  }

  void TakeLine(std::string_view line) {
    if (line.starts_with("# HELP ")) {
      EndFamily();
      line.remove_prefix(7);
      const size_t space = line.find(' ');
      family_ = line.substr(0, space);
      type_.clear();
      if (space == std::string_view::npos || space + 1 == line.size()) Fault(family_ + ": no help");
      if (!families_.insert(family_).second) Fault(family_ + ": a second time");
    } else if (line.starts_with("# TYPE ")) {
      line.remove_prefix(7);
      const size_t space = line.find(' ');
      if (line.substr(0, space) != family_ || !type_.empty()) return Fault(std::string(line) + ": no help before it");
      type_ = space == std::string_view::npos ? "" : line.substr(space + 1);
      CheckName();
    } else if (!line.starts_with('#')) {
      TakeSample(line);
    }
  }

  void CheckName() {
    if (!IsName(family_)) Fault(family_ + ": not snake_case");
    if (type_ != "counter" && type_ != "gauge" && type_ != "histogram") Fault(family_ + ": type " + type_);
    if (family_.ends_with("_total") != (type_ == "counter")) Fault(family_ + ": counters alone end in _total");
    for (const char* suffix : {"_bucket", "_count", "_sum"}) {
      if (family_.ends_with(suffix)) Fault(family_ + ": ends in " + suffix);
    }
    constexpr std::array<std::string_view, 22> kWords = {
        "ms",      "us",      "ns",    "s",       "kb",        "mb",           "gb",           "kib",
        "mib",     "gib",     "bits",  "hours",   "days",      "milliseconds", "microseconds", "nanoseconds",
        "minutes", "percent", "gauge", "counter", "histogram", "kilobytes"};
    const std::string padded = family_ + "_";
    for (const std::string_view word : kWords) {
      if (padded.find("_" + std::string(word) + "_") != std::string::npos) {
        Fault(family_ + ": base units without abbreviations, and no names of types: " + std::string(word));
      }
    }
  }

  void TakeSample(std::string_view line) {
    const size_t brace = line.find('{');
    const size_t close = brace == std::string_view::npos ? brace : line.rfind('}');
    const size_t space = close == std::string_view::npos ? line.find(' ') : close + 1;
    if (space == std::string_view::npos || space >= line.size() || line[space] != ' ') {
      return Fault("no sample: " + std::string(line));
    }
    const std::string series(line.substr(0, space));
    const std::string value(line.substr(space + 1));
    if (!series_.insert(series).second) Fault(series + ": a second time");
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0') Fault(series + ": no number: " + value);
    const std::string name(line.substr(0, std::min(brace, space)));
    const std::string labels(brace == std::string_view::npos ? "" : line.substr(brace + 1, close - brace - 1));
    if (type_ == "histogram") {
      TakePart(name, labels, number);
    } else {
      if (name != family_) Fault(name + ": not of the family " + family_);
      if (labels.starts_with("le=") || labels.find(",le=") != std::string::npos) Fault(series + ": le is for histograms");
      if (type_ == "counter" && !(number >= 0)) Fault(series + ": a counter below 0");
    }
  }

  void TakePart(const std::string& name, const std::string& labels, double number) {
    if (name == family_ + "_bucket") {
      const size_t at = labels.rfind("le=\"");
      if (at == std::string::npos) return Fault(name + ": a bucket without le");
      Buckets& buckets = buckets_[labels.substr(0, at == 0 ? 0 : at - 1)];
      const std::string bound = labels.substr(at + 4, labels.size() - at - 5);
      const double limit = std::strtod(bound.c_str(), nullptr);
      if (buckets.last >= limit) Fault(name + ": bounds do not rise");
      if (number < buckets.cumulative) Fault(name + ": counts are not cumulative");
      buckets.last = limit;
      buckets.cumulative = number;
      if (bound == "+Inf") buckets.infinite = number;
    } else if (name == family_ + "_count") {
      buckets_[labels].count = number;
    } else if (name != family_ + "_sum") {
      Fault(name + ": not of the family " + family_);
    }
  }

  void EndFamily() {
    if (!family_.empty() && type_.empty()) Fault(family_ + ": no type");
    for (const auto& [labels, buckets] : buckets_) {
      if (buckets.infinite < 0 || buckets.infinite != buckets.count) Fault(family_ + ": +Inf and _count differ");
    }
    buckets_.clear();
  }

  size_t line_ = 0;
  std::string family_;
  std::string type_;
  std::set<std::string, std::less<>> families_;
  std::set<std::string, std::less<>> series_;
  std::map<std::string, Buckets> buckets_;  // of the family, by labels without le
  std::vector<std::string> faults_;
};

inline std::vector<std::string> LintExposition(std::string_view text) { return ExpositionLint().Run(text); }

}  // namespace weir
