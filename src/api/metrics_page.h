#pragma once
// What /metrics says. Every figure is read where it is counted. Labels hold routes, pools and outcomes; never an agent, a
// token, a workspace or a text. Internal to `api`.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "route.h"
#include "weir/http/server.h"
#include "weir/metrics/exposition.h"

namespace weir::api {

// Of one route. Any thread.
class RouteMetrics {
 public:
  explicit RouteMetrics(const Route& route) : route_(route), seconds_(RequestSecondsBounds()) {}

  void Count(int status, Duration duration);

  const Route& route() const { return route_; }
  const Histogram& seconds() const { return seconds_; }
  // By the first digit of the status: 1 to 5.
  uint64_t answers(int status_class) const {
    return answers_[static_cast<size_t>(status_class)].load(std::memory_order_relaxed);
  }

 private:
  const Route& route_;
  Histogram seconds_;
  std::array<std::atomic<uint64_t>, 6> answers_{};
};

std::string MetricsPage(ExpositionForm form, Service& service, std::span<const std::unique_ptr<RouteMetrics>> routes,
                        const std::function<HttpServerStats()>& http_stats, std::string_view version);

}  // namespace weir::api
