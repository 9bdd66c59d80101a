// A library with NVML's entry points and two devices, for the test that loads it the way the real one is loaded.

#include <cstdio>

extern "C" {

struct Memory {
  unsigned long long total, free, used;
};

int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }
int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 2;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** handle) {
  static unsigned int indexes[2] = {0, 1};
  *handle = &indexes[index];
  return 0;
}
int nvmlDeviceGetMemoryInfo(void* handle, Memory* memory) {
  const unsigned long long used = static_cast<unsigned long long>(*static_cast<unsigned int*>(handle)) << 30;
  *memory = {80ull << 30, (80ull << 30) - used, used};
  return 0;
}
int nvmlDeviceGetName(void* handle, char* name, unsigned int size) {
  std::snprintf(name, size, "Test GPU %u", *static_cast<unsigned int*>(handle));
  return 0;
}
}
