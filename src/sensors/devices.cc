#include "devices.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>

#include "kernel_text.h"

namespace weir::sensors {
namespace {

// The few entry points of NVML that are used, as its public documentation declares them; 0 is success.
using DeviceHandle = void*;
struct NvmlMemory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
using InitFunction = int (*)();
using CountFunction = int (*)(unsigned int*);
using HandleFunction = int (*)(unsigned int, DeviceHandle*);
using MemoryFunction = int (*)(DeviceHandle, NvmlMemory*);
using NameFunction = int (*)(DeviceHandle, char*, unsigned int);

constexpr unsigned int kDevicesMax = 64;

template <typename Function>
Function Find(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

Nvml::Nvml(const char* library) {
  library_ = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) return;
  const auto init = Find<InitFunction>(library_, "nvmlInit_v2");
  if (init != nullptr && init() == 0) return;
  dlclose(library_);
  library_ = nullptr;
}

Nvml::~Nvml() {
  if (library_ == nullptr) return;
  if (const auto shutdown = Find<InitFunction>(library_, "nvmlShutdown")) shutdown();
  dlclose(library_);
}

void Nvml::Read(std::vector<DeviceMemory>& devices) const {
  if (library_ == nullptr) return;
  const auto count_of = Find<CountFunction>(library_, "nvmlDeviceGetCount_v2");
  const auto handle_of = Find<HandleFunction>(library_, "nvmlDeviceGetHandleByIndex_v2");
  const auto memory_of = Find<MemoryFunction>(library_, "nvmlDeviceGetMemoryInfo");
  const auto name_of = Find<NameFunction>(library_, "nvmlDeviceGetName");
  unsigned int count = 0;
  if (count_of == nullptr || handle_of == nullptr || memory_of == nullptr || count_of(&count) != 0) return;
  for (unsigned int index = 0; index < std::min(count, kDevicesMax); ++index) {
    DeviceHandle handle = nullptr;
    NvmlMemory memory{};
    if (handle_of(index, &handle) != 0 || memory_of(handle, &memory) != 0 || memory.used > memory.total) continue;
    std::array<char, 97> name{};
    if (name_of == nullptr || name_of(handle, name.data(), name.size() - 1) != 0) name = {};
    devices.push_back(
        {name[0] != 0 ? std::string(name.data()) : "gpu" + std::to_string(index), "nvml", memory.total, memory.used});
  }
}

void ReadAmdgpu(const std::filesystem::path& root, std::vector<DeviceMemory>& devices) {
  std::error_code error;
  std::vector<std::filesystem::path> cards;
  const std::filesystem::directory_iterator end;
  for (auto entry = std::filesystem::directory_iterator(root / "sys/class/drm", error); !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_card = name.starts_with("card") && name.find('-') == std::string::npos;
    if (is_card && cards.size() < kDevicesMax) cards.push_back(entry->path());
  }
  std::sort(cards.begin(), cards.end());
  for (const auto& card : cards) {
    const auto total_text = ReadSmallFile(card / "device/mem_info_vram_total");
    const auto used_text = ReadSmallFile(card / "device/mem_info_vram_used");
    const auto total = total_text ? ParseNumber(*total_text) : std::nullopt;
    const auto used = used_text ? ParseNumber(*used_text) : std::nullopt;
    if (total && used && *used <= *total) devices.push_back({card.filename().string(), "amdgpu", *total, *used});
  }
}

}  // namespace weir::sensors
