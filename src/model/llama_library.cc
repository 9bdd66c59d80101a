#include "llama_library.h"

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <llama.h>

#include <cstdlib>
#include <mutex>

#include "weir/base/log.h"
#include "weir/model/load_embedder.h"

extern "C" {
ggml_backend_reg_t weir_ggml_cpu_baseline_reg(void);
#if defined(__x86_64__)
ggml_backend_reg_t weir_ggml_cpu_avx2_reg(void);
ggml_backend_reg_t weir_ggml_cpu_avx512_reg(void);
#endif
}

namespace weir {
namespace {

struct CpuLevel {
  std::string_view name;
  ggml_backend_reg_t (*registration)();
};

constexpr CpuLevel kBaseline = {"baseline", weir_ggml_cpu_baseline_reg};

// WEIR_CPU_LEVEL lowers it, to try what another processor would run; a level that this one lacks is not taken.
CpuLevel ChooseCpuLevel() {
#if defined(__x86_64__)
  const char* wanted_text = std::getenv("WEIR_CPU_LEVEL");
  const std::string_view wanted = wanted_text ? wanted_text : "";
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("avx");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
  if (wanted == kBaseline.name) return kBaseline;
  if (avx512 && wanted != "avx2") return {"avx512", weir_ggml_cpu_avx512_reg};
  if (avx2) return {"avx2", weir_ggml_cpu_avx2_reg};
#endif
  return kBaseline;
}

const CpuLevel& ChosenCpuLevel() {
  static const CpuLevel level = ChooseCpuLevel();
  return level;
}

thread_local std::string library_error;

void TakeLogLine(ggml_log_level level, const char* text, void*) {
  std::string_view line(text ? text : "");
  while (!line.empty() && (line.back() == '\n' || line.back() == '.')) line.remove_suffix(1);
  if (line.empty()) return;
  if (level == GGML_LOG_LEVEL_ERROR) library_error = line;
  const bool notable = level == GGML_LOG_LEVEL_ERROR || level == GGML_LOG_LEVEL_WARN;
  Log(notable ? LogLevel::kInfo : LogLevel::kDebug, line);
}

void ThrowAbort(const char* message) { throw LlamaAborted(message); }

}  // namespace

void SetUpLlama() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(TakeLogLine, nullptr);
    ggml_set_abort_callback(ThrowAbort);
    ggml_backend_register(ChosenCpuLevel().registration());
    llama_backend_init();
  });
}

std::string TakeLibraryError() { return std::exchange(library_error, std::string()); }

std::string_view CpuLevelName() { return ChosenCpuLevel().name; }

}  // namespace weir
