#pragma once
// The memory's part of the demo: pools filled with what the pipeline computed, squeezed through the broker, and what that
// gave back, as the pools say and as the kernel counts it.
//
// Everything in the pools is real: texts, token ids and blocks of the calls that the pipeline makes on so many days. That
// is a few MiB, so the pools use the smallest extents. One thread, but for the pools and the broker, which may be shown
// from others.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/broker/broker.h"
#include "weir/codec/json.h"
#include "weir/demo/advisor_demo.h"
#include "weir/pool/pool.h"
#include "weir/report/text.h"
#include "weir/sensors/headroom.h"

namespace weir {

struct MemoryDemo {
  struct PoolLine {
    PoolStats filled;
    PoolStats squeezed;
    uint64_t content_bytes = 0;  // of the values that were put in
    uint64_t intact = 0;         // entries that were there after the squeeze and held what was put in
    uint64_t wrong = 0;          // entries that held something else
  };
  std::vector<PoolLine> pools;
  size_t calls = 0;
  // Measured: what it costs to have a prompt's text and its token ids back.
  double render_us_per_kib = 0;
  double encode_us_per_token = 0;
  uint64_t asked_bytes = 0;
  ReliefReport relief;
  // Of this process; null: the kernel does not tell.
  std::optional<uint64_t> resident_empty;
  std::optional<uint64_t> resident_filled;
  std::optional<uint64_t> resident_squeezed;

  uint64_t filled_bytes() const;
  uint64_t squeezed_bytes() const;
};

// The pipeline's calls on that many days, one after the other, and how long it took to make them.
struct DemoHistory {
  std::vector<PromptCall> calls;
  Duration spent{0};
};
Result<DemoHistory> MakeDemoHistory(const DemoOptions& options, size_t days, const Tokenizer& tokenizer,
                                    const ChatTemplate& chat_template, size_t block_size);

class DemoMemory {
 public:
  // `sensor` is borrowed. Errors: the pools' and the broker's.
  static Result<std::unique_ptr<DemoMemory>> Create(Sensor& sensor);
  DemoMemory(const DemoMemory&) = delete;
  DemoMemory& operator=(const DemoMemory&) = delete;
  ~DemoMemory();

  // Fills the pools, asks the broker for half of what they hold, and reads back what stayed. Once.
  Result<MemoryDemo> Run(const DemoHistory& history, const Tokenizer& tokenizer);

  Broker& broker() { return *broker_; }
  const std::vector<std::unique_ptr<Pool>>& pools() const { return pools_; }

 private:
  DemoMemory() = default;

  std::unique_ptr<Broker> broker_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<Registration> registrations_;
};

// {"pools":[...],"squeeze":{...},"resident_bytes":{...}}
Json MemoryDemoJson(const MemoryDemo& demo);
std::string DrawMemoryDemo(const MemoryDemo& demo, const TextStyle& style);

}  // namespace weir
