#include "metrics_page.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "weir/sensors/host_sensor.h"

namespace weir::api {
namespace {

void WriteHttp(Exposition& out, std::span<const std::unique_ptr<RouteMetrics>> routes) {
  out.Counter("weir_http_requests", "Requests answered, by route and class of status.");
  for (const auto& one : routes) {
    for (int status_class = 2; status_class <= 5; ++status_class) {
      const uint64_t count = one->answers(status_class);
      if (count == 0) continue;
      out.Sample(
          {{"method", one->route().method}, {"route", one->route().path}, {"status", fmt::format("{}xx", status_class)}},
          count);
    }
  }
  out.HistogramFamily("weir_http_request_duration_seconds", "Time from a request read whole to its answer, by route.");
  for (const auto& one : routes) {
    if (one->seconds().Read().count == 0) continue;
    out.Sample({{"method", one->route().method}, {"route", one->route().path}}, one->seconds());
  }
}

void WriteServer(Exposition& out, const HttpServerStats& stats) {
  out.GaugeValue("weir_http_connections", "Connections open now.", static_cast<double>(stats.connections_open));
  out.CounterValue("weir_http_connections_accepted", "Connections taken.", stats.connections_total);
  out.CounterValue("weir_http_connections_refused", "Connections beyond the limit.", stats.connections_refused);
  out.GaugeValue("weir_http_requests_in_flight", "Requests at work or waiting for a worker.",
                 static_cast<double>(stats.requests_in_flight));
  out.GaugeValue("weir_http_workers", "Threads that run handlers.", static_cast<double>(stats.workers));
  out.GaugeValue("weir_http_workers_busy", "Of those, at work now.", static_cast<double>(stats.workers_busy));
  out.GaugeValue("weir_http_queue_length", "Requests that wait for a worker.",
                 static_cast<double>(stats.worker_queue_depth));
  out.GaugeValue("weir_http_streams", "Answers that are being streamed.", static_cast<double>(stats.streams_open));
  out.CounterValue("weir_http_requests_overloaded", "Requests answered 503 because of a limit.", stats.requests_overloaded);
  out.CounterValue("weir_http_requests_malformed", "Requests that were no HTTP.", stats.requests_malformed);
  out.CounterValue("weir_http_requests_cancelled", "Clients that left before their answer.", stats.requests_cancelled);
  out.Counter("weir_http_timeouts", "Peers that were too slow, by phase.");
  out.Sample({{"phase", "header"}}, stats.timeouts_header);
  out.Sample({{"phase", "body"}}, stats.timeouts_body);
  out.Sample({{"phase", "idle"}}, stats.timeouts_idle);
  out.Sample({{"phase", "write"}}, stats.timeouts_write);
  out.CounterValue("weir_http_received_bytes", "Bytes read from clients.", stats.bytes_in);
  out.CounterValue("weir_http_sent_bytes", "Bytes written to clients.", stats.bytes_out);
}

void WriteEmbeddings(Exposition& out, const EmbedStats& stats) {
  out.Counter("weir_embedding_texts", "Texts asked for, by where their vectors came from.");
  out.Sample({{"result", "hit"}}, stats.hits);
  out.Sample({{"result", "stored"}}, stats.stored);
  out.Sample({{"result", "computed"}}, stats.computed);
  out.Sample({{"result", "coalesced"}}, stats.coalesced);
  out.Sample({{"result", "failed"}}, stats.failed);
  out.CounterValue("weir_embedding_batches", "Batches handed to a model.", stats.batches);
  out.CounterValue("weir_embedding_model_loads", "Times that a model was loaded.", stats.model_loads);
  out.CounterValue("weir_embedding_vectors_not_kept", "Vectors that the store did not take.", stats.not_kept);
  out.GaugeValue("weir_embedding_texts_waiting", "Texts that wait for a model now.", static_cast<double>(stats.waiting));
}

// Of all workspaces together: which there are is nobody's business here.
void WriteRegistries(Exposition& out, Service& service) {
  RegistryStats sum;
  for (Workspace* workspace : service.Workspaces()) {
    const RegistryStats one = workspace->registry().stats();
    sum.contexts += one.contexts;
    sum.cold += one.cold;
    sum.tokens += one.tokens;
    sum.block_index_bytes += one.block_index_bytes;
    sum.span_index_bytes += one.span_index_bytes;
    sum.near_index_bytes += one.near_index_bytes;
    sum.vector_index_bytes += one.vector_index_bytes;
    sum.registered += one.registered;
    sum.replaced += one.replaced;
    sum.removed += one.removed;
    sum.expired += one.expired;
    sum.refused += one.refused;
    sum.evicted += one.evicted;
    sum.forgotten += one.forgotten;
    sum.reloaded += one.reloaded;
    sum.prefetched += one.prefetched;
    sum.set_aside += one.set_aside;
    sum.tokens_encoded += one.tokens_encoded;
  }
  out.GaugeValue("weir_contexts", "Contexts registered, in memory or cold.", static_cast<double>(sum.contexts));
  out.GaugeValue("weir_contexts_cold", "Of those, on disk alone.", static_cast<double>(sum.cold));
  out.GaugeValue("weir_context_tokens", "Tokens of all contexts.", static_cast<double>(sum.tokens));
  out.Gauge("weir_index_bytes", "Bytes of the indexes, by kind.");
  out.Sample({{"kind", "blocks"}}, sum.block_index_bytes);
  out.Sample({{"kind", "spans"}}, sum.span_index_bytes);
  out.Sample({{"kind", "near"}}, sum.near_index_bytes);
  out.Sample({{"kind", "vectors"}}, sum.vector_index_bytes);
  out.Counter("weir_context_changes", "Changes of contexts, by kind.");
  out.Sample({{"change", "registered"}}, sum.registered);
  out.Sample({{"change", "replaced"}}, sum.replaced);
  out.Sample({{"change", "removed"}}, sum.removed);
  out.Sample({{"change", "expired"}}, sum.expired);
  out.Sample({{"change", "refused"}}, sum.refused);
  out.Sample({{"change", "evicted"}}, sum.evicted);
  out.Sample({{"change", "forgotten"}}, sum.forgotten);
  out.Sample({{"change", "reloaded"}}, sum.reloaded);
  out.Sample({{"change", "prefetched"}}, sum.prefetched);
  out.CounterValue("weir_context_tokens_encoded", "Tokens that had to be tokenized.", sum.tokens_encoded);
  out.CounterValue("weir_store_records_set_aside", "Stored records that could not be used.", sum.set_aside);
}

// Pools of one kind together: a name behind the slash says whose it is.
void WritePools(Exposition& out, const BrokerSnapshot& snapshot) {
  std::map<std::string, PoolStats, std::less<>> kinds;
  for (const SourceSnapshot& source : snapshot.sources) {
    const std::string_view whole = source.view.name;
    PoolStats& sum = kinds[std::string(whole.substr(0, whole.find('/')))];
    sum.budget_bytes += source.stats.budget_bytes;
    sum.mapped_bytes += source.stats.mapped_bytes;
    sum.resource_bytes += source.stats.resource_bytes;
    sum.entries += source.stats.entries;
    sum.hits += source.stats.hits;
    sum.misses += source.stats.misses;
    sum.evictions += source.stats.evictions;
    sum.evicted_bytes += source.stats.evicted_bytes;
    sum.coalesced += source.stats.coalesced;
    sum.released_bytes += source.stats.released_bytes;
  }
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    out.Gauge(name, help);
    for (const auto& [kind, stats] : kinds) out.Sample({{"pool", kind}}, value(stats));
  };
  const auto counter = [&](std::string_view name, std::string_view help, auto value) {
    out.Counter(name, help);
    for (const auto& [kind, stats] : kinds) out.Sample({{"pool", kind}}, value(stats));
  };
  gauge("weir_pool_budget_bytes", "What the pool may hold now.", [](const PoolStats& s) { return s.budget_bytes; });
  gauge("weir_pool_used_bytes", "What the pool holds.", [](const PoolStats& s) { return s.used_bytes(); });
  gauge("weir_pool_entries", "Entries in the pool.", [](const PoolStats& s) { return s.entries; });
  counter("weir_pool_hits", "Look-ups that found.", [](const PoolStats& s) { return s.hits; });
  counter("weir_pool_misses", "Look-ups that did not.", [](const PoolStats& s) { return s.misses; });
  counter("weir_pool_evictions", "Entries given up for room.", [](const PoolStats& s) { return s.evictions; });
  counter("weir_pool_evicted_bytes", "Bytes of those.", [](const PoolStats& s) { return s.evicted_bytes; });
  counter("weir_pool_released_bytes", "Bytes returned to the system.", [](const PoolStats& s) { return s.released_bytes; });
}

void WriteBroker(Exposition& out, const BrokerSnapshot& snapshot) {
  out.GaugeValue("weir_memory_accepts_new", "0: memory is in an emergency, nothing new is taken.",
                 snapshot.accepts_new ? 1 : 0);
  out.GaugeValue("weir_memory_budget_fill_ratio", "Used bytes of all pools over their budget.", snapshot.fill);
  out.CounterValue("weir_broker_ticks", "Rounds of the broker.", snapshot.stats.ticks);
  out.CounterValue("weir_broker_relief_passes", "Passes that gave memory back.", snapshot.stats.passes);
  out.CounterValue("weir_broker_released_bytes", "Bytes that pools gave back, as they say.", snapshot.stats.bytes_released);
  out.CounterValue("weir_broker_seen_bytes", "Bytes that the kernel saw come back.", snapshot.stats.bytes_seen);
}

}  // namespace

void RouteMetrics::Count(int status, Duration duration) {
  const auto status_class = static_cast<size_t>(status / 100);
  if (status_class < answers_.size()) answers_[status_class].fetch_add(1, std::memory_order_relaxed);
  seconds_.Observe(std::chrono::duration<double>(duration).count());
}

std::string MetricsPage(ExpositionForm form, Service& service, std::span<const std::unique_ptr<RouteMetrics>> routes,
                        const std::function<HttpServerStats()>& http_stats, std::string_view version) {
  Exposition out(form);
  out.Gauge("weir_build_info", "1, with the version.");
  out.Sample({{"version", version}}, uint64_t{1});
  out.GaugeValue("weir_ready", "1 when requests are taken.", service.ready() ? 1 : 0);
  if (const auto resident = ResidentBytes()) {
    out.GaugeValue("process_resident_memory_bytes", "Resident memory as the kernel counts it.",
                   static_cast<double>(*resident));
  }
  WriteHttp(out, routes);
  if (http_stats) WriteServer(out, http_stats());
  if (service.ready()) {
    WriteEmbeddings(out, service.embeddings().stats());
    WriteRegistries(out, service);
    const BrokerSnapshot snapshot = service.broker().Snapshot();
    WritePools(out, snapshot);
    WriteBroker(out, snapshot);
  }
  return std::move(out).Finish();
}

}  // namespace weir::api
