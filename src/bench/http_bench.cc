// A running daemon under load, over loopback: what a caller waits for. Arguments: its address (http://127.0.0.1:8741), and
// perhaps "embeddings" for that part alone, which any server of OpenAI's API can be asked, and the model's name.
//
// Throughput comes from callers that send as soon as they have their answer. Latency at a rate comes from callers that send
// when the schedule says so, and counts from that moment: a server that falls behind cannot hide it.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <thread>

#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/http/client.h"

namespace weir {
namespace {

using SteadyPoint = std::chrono::steady_clock::time_point;

constexpr int kCallers = 8;
constexpr double kSeconds = 4;
constexpr size_t kAgents = 1000;
constexpr size_t kWordsShared = 700;  // about 1,000 tokens
constexpr size_t kWordsOwn = 700;

// Makes request number i.
using MakeCall = std::function<HttpCall(uint64_t i)>;

HttpCall PostOf(std::string path, std::string body, std::string method = "POST") {
  HttpCall call;
  call.method = std::move(method);
  call.path = std::move(path);
  call.headers.Add("Content-Type", "application/json");
  call.body = std::move(body);
  return call;
}

struct Load {
  std::vector<double> seconds;  // of each answer, ascending
  double wall = 0;
  uint64_t failed = 0;  // no answer, or none of 2xx
  std::string failure;  // the first
  double At(double share) const {
    return seconds.empty()
               ? NAN
               : seconds[std::min(seconds.size() - 1, static_cast<size_t>(share * static_cast<double>(seconds.size())))];
  }
};

class Loader {
 public:
  Loader(HttpClient& client, const HttpTarget& target) : client_(client), target_(target) {}

  // `rate` requests a second; 0: as fast as answers come.
  Load Run(const MakeCall& make, double rate, double duration_s = kSeconds) {
    Load load;
    std::mutex mutex;
    std::atomic<uint64_t> next{0};
    const SteadyPoint start = std::chrono::steady_clock::now();
    const auto end = start + std::chrono::duration<double>(duration_s);
    std::vector<std::thread> threads;
    for (int t = 0; t < kCallers; ++t) {
      threads.emplace_back([&] {
        std::vector<double> own;
        uint64_t failed = 0;
        std::string failure;
        for (;;) {
          const uint64_t i = next.fetch_add(1);
          SteadyPoint due = std::chrono::steady_clock::now();
          if (rate > 0) {
            due = start + std::chrono::duration_cast<std::chrono::nanoseconds>(
                              std::chrono::duration<double>(static_cast<double>(i) / rate));
            if (due >= end) break;
            std::this_thread::sleep_until(due);
          } else if (due >= end) {
            break;
          }
          const Result<HttpResponse> response = client_.Send(target_, make(i));
          own.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - due).count());
          if (!response || response->status / 100 != 2) {
            ++failed;
            if (failure.empty())
              failure =
                  response ? fmt::format("{}: {:.200}", response->status, response->body) : response.error().ToString();
          }
        }
        const std::lock_guard lock(mutex);
        load.seconds.insert(load.seconds.end(), own.begin(), own.end());
        load.failed += failed;
        if (load.failure.empty()) load.failure = failure;
      });
    }
    for (std::thread& thread : threads) thread.join();
    load.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::ranges::sort(load.seconds);
    return load;
  }

 private:
  HttpClient& client_;
  const HttpTarget target_;
};

Status Tell(const BenchSink& sink, const std::string& bench_case, const Load& load, double rate) {
  if (load.failed > 0) {
    return Unavailable(fmt::format("{}: {} of {} requests failed", bench_case, load.failed, load.seconds.size()),
                       load.failure);
  }
  const Json::Object extra = {
      {"requests", Json(uint64_t{load.seconds.size()})}, {"callers", Json(kCallers)}, {"rate", Json(rate)}};
  const auto add = [&](const char* metric, double value, const char* unit) {
    sink({"http", bench_case, metric, value, unit, extra});
  };
  add("throughput", static_cast<double>(load.seconds.size()) / load.wall, "requests/s");
  add("p50", load.At(0.50) * 1e3, "ms");
  add("p99", load.At(0.99) * 1e3, "ms");
  add("max", load.seconds.back() * 1e3, "ms");
  return {};
}

std::string Words(Random& random, size_t count) {
  static constexpr const char* kWords[] = {"memory",  "prompt", "agent", "cache",  "block",  "prefix", "token",  "share",
                                           "context", "engine", "weigh", "answer", "search", "report", "critic", "tool"};
  std::string text;
  for (size_t i = 0; i < count; ++i) text += fmt::format("{} {} ", kWords[random.Below(16)], random.Below(100));
  return text;
}

std::string EmbeddingBody(const std::string& model, size_t texts) {
  Json input = Json::MakeArray();
  for (size_t i = 0; i < texts; ++i) input.Append(fmt::format("What does a weir do with water, asked for time {}?", i));
  return Json(Json::Object{{"model", model}, {"input", std::move(input)}}).Dump();
}

Status Embeddings(Loader& loader, const std::string& model, const BenchSink& sink) {
  for (const size_t texts : {size_t{1}, size_t{32}}) {
    const std::string body = EmbeddingBody(model, texts);
    const MakeCall make = [&](uint64_t) { return PostOf("/v1/embeddings", body); };
    static_cast<void>(loader.Run(make, 0, 0.5));  // known from now on, where there is a cache
    WEIR_TRY(Tell(sink, fmt::format("embeddings, the same {}", texts == 1 ? "text" : "32 texts"), loader.Run(make, 0), 0));
  }
  return {};
}

Status Contexts(Loader& loader, const BenchSink& sink) {
  Random random(7);
  const std::string shared = Words(random, kWordsShared);
  std::vector<std::string> bodies;
  for (size_t i = 0; i < kAgents; ++i) {
    const std::string text = shared + Words(random, kWordsOwn);
    bodies.push_back(Json(Json::Object{{"text", text}}).Dump());
  }
  const MakeCall put = [&](uint64_t i) {
    return PostOf(fmt::format("/v1/contexts/bench-{}", i % kAgents), bodies[i * 7 % kAgents], "PUT");
  };
  WEIR_TRY(Tell(sink, "put a context of 2,000 tokens, 200 a second", loader.Run(put, 200), 200));
  WEIR_TRY(Tell(sink, "put a context of 2,000 tokens, as fast as it goes", loader.Run(put, 0), 0));
  const MakeCall match = [&](uint64_t i) { return PostOf("/v1/match", bodies[i % kAgents]); };
  const MakeCall exact = [&](uint64_t i) {
    std::string body = bodies[i % kAgents];
    body.pop_back();
    return PostOf("/v1/match", body + R"(,"moved":false,"near":false,"semantic":false,"limit":10})");
  };
  WEIR_TRY(Tell(sink, "match a prompt of 2,000 tokens exactly, 1,000 a second", loader.Run(exact, 1000), 1000));
  return Tell(sink, "match a prompt of 2,000 tokens, moved and near as well, 50 a second", loader.Run(match, 50), 50);
}

}  // namespace

Status BenchHttp(const BenchOptions& options, const BenchSink& sink) {
  if (options.arguments.empty()) {
    return InvalidArgument("this benchmark asks a running daemon", "weir bench http http://127.0.0.1:8741");
  }
  WEIR_ASSIGN(const HttpUrl url, ParseHttpUrl(options.arguments[0]));
  HttpClientOptions client_options;
  client_options.idle_connections_max = kCallers;
  WEIR_ASSIGN(const std::unique_ptr<HttpClient> client, HttpClient::Create(client_options));
  Loader loader(*client, url.target);
  const bool embeddings_only = options.arguments.size() > 1 && options.arguments[1] == "embeddings";
  const std::string model = options.arguments.size() > 2 ? options.arguments[2] : "all-minilm-l6-v2";
  WEIR_TRY(Embeddings(loader, model, sink));
  if (embeddings_only) return {};
  const std::string body = EmbeddingBody(model, 1);
  WEIR_TRY(Tell(sink, "embeddings, the same text, 5,000 a second",
                loader.Run([&](uint64_t) { return PostOf("/v1/embeddings", body); }, 5000), 5000));
  return Contexts(loader, sink);
}

}  // namespace weir
