// Whole machines as their kernels published them: the files were recorded inside a limited group (Linux 6.18 with
// cgroup v1 beside an empty v2 hierarchy; Linux 6.1 with cgroup v2, the limits on the group above).

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "kernel_tree.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

class RecordedMachine : public ::testing::Test {
 protected:
  void Load(const char* name) {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-machine-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    const std::filesystem::path recorded = std::filesystem::path(WEIR_TEST_KERNEL_TREES) / name;
    std::ifstream file(recorded, std::ios::binary);
    ASSERT_TRUE(file) << recorded;
    std::stringstream text;
    text << file.rdbuf();
    weir::testing::MakeKernelTree(root_, text.str());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::filesystem::path root_;
};

TEST_F(RecordedMachine, Version1BesideAnEmptyVersion2) {
  Load("version1");
  const Headroom headroom = HostSensor({.root = root_, .with_devices = false}).Read();
  ASSERT_EQ(headroom.bounds.size(), 2u);
  EXPECT_EQ(headroom.tightest()->source, "cgroup1 /jobs/agent memory.limit_in_bytes");
  EXPECT_EQ(headroom.tightest()->limit_bytes, 64u << 20);
  EXPECT_EQ(headroom.tightest()->used_bytes, 1069056u);
  EXPECT_EQ(headroom.tightest()->inactive_file_bytes, std::optional<uint64_t>(4096));
  EXPECT_EQ(headroom.bounds[1].source, "MemAvailable");
  EXPECT_EQ(headroom.bounds[1].headroom_bytes(), 23769500ull * 1024);
  EXPECT_FALSE(headroom.events);
  ASSERT_TRUE(headroom.stall);
  EXPECT_EQ(headroom.stall->source, "/proc/pressure/memory");
  EXPECT_EQ(ResidentBytes(root_), std::optional<uint64_t>(1780 * 1024));
}

TEST_F(RecordedMachine, Version2WithTheLimitsAbove) {
  Load("version2");
  HostSensor sensor({.root = root_, .with_devices = false});
  const Headroom headroom = sensor.Read();
  ASSERT_EQ(headroom.bounds.size(), 3u);
  EXPECT_EQ(headroom.tightest()->source, "cgroup2 /app.slice memory.high");
  EXPECT_EQ(headroom.tightest()->strict_headroom_bytes(), 157286400u - 144424960u);
  EXPECT_EQ(headroom.bounds[1].source, "cgroup2 /app.slice memory.max");
  ASSERT_TRUE(headroom.events);
  EXPECT_EQ(headroom.events->source, "cgroup2 /app.slice/agent.service memory.events");
  EXPECT_EQ(headroom.events->oom_kill, std::optional<uint64_t>(0));
  ASSERT_TRUE(headroom.stall);
  EXPECT_EQ(headroom.stall->source, "cgroup2 /app.slice/agent.service memory.pressure");
  EXPECT_EQ(ResidentBytes(root_), std::optional<uint64_t>(142016 * 1024));
}

}  // namespace
}  // namespace weir
