#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "devices.h"
#include "kernel_text.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

// A tree of files as a kernel publishes them, below a temporary root.
class TreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-tree-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Put(const std::string& path, std::string_view text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  // Files of a cgroup v2 host: a service under a slice, the slice with the tighter limit.
  void PutV2() {
    Put("proc/self/cgroup", "0::/app.slice/agent.service\n");
    Put("proc/self/mountinfo",
        "24 30 0:22 / /proc rw,nosuid - proc proc rw\n"
        "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    const std::string slice = "sys/fs/cgroup/app.slice/";
    Put(slice + "memory.max", "209715200\n");
    Put(slice + "memory.high", "max\n");
    Put(slice + "memory.current", "104857600\n");
    Put(slice + "agent.service/memory.max", "max\n");
    Put(slice + "agent.service/memory.high", "157286400\n");
    Put(slice + "agent.service/memory.current", "94371840\n");
    Put(slice + "agent.service/memory.stat", "anon 52428800\nfile 41943040\ninactive_file 31457280\nactive_file 10485760\n");
    Put(slice + "agent.service/memory.events", "low 0\nhigh 12\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n");
    Put(slice + "agent.service/memory.pressure",
        "some avg10=1.50 avg60=0.75 avg300=0.10 total=123456\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=6543\n");
    Put("proc/meminfo", "MemTotal:       24684084 kB\nMemFree:        22487408 kB\nMemAvailable:   23732984 kB\n");
  }
  Headroom Read() { return HostSensor({.root = root_, .with_devices = false}).Read(); }

  std::filesystem::path root_;
};

TEST_F(TreeTest, ReadsVersion2WithAncestors) {
  PutV2();
  const Headroom headroom = Read();
  ASSERT_EQ(headroom.bounds.size(), 3u);
  EXPECT_EQ(headroom.bounds[0].source, "cgroup2 /app.slice/agent.service memory.high");
  EXPECT_EQ(headroom.bounds[0].strict_headroom_bytes(), 157286400u - 94371840u);
  EXPECT_EQ(headroom.bounds[0].headroom_bytes(), 157286400u - (94371840u - 31457280u));
  EXPECT_EQ(headroom.bounds[1].source, "cgroup2 /app.slice memory.max");
  EXPECT_EQ(headroom.bounds[1].inactive_file_bytes, std::nullopt);
  EXPECT_EQ(headroom.bounds[2].source, "MemAvailable");
  EXPECT_EQ(headroom.bounds[2].headroom_bytes(), 23732984ull * 1024);
  EXPECT_EQ(headroom.tightest(), &headroom.bounds[0]);
  ASSERT_TRUE(headroom.events);
  EXPECT_EQ(headroom.events->high, std::optional<uint64_t>(12));
  EXPECT_EQ(headroom.events->oom_kill, std::optional<uint64_t>(1));
  ASSERT_TRUE(headroom.stall);
  EXPECT_DOUBLE_EQ(headroom.stall->some_avg10, 1.5);
  EXPECT_EQ(headroom.stall->full_total_us, std::optional<uint64_t>(6543));
  EXPECT_EQ(headroom.stall->source, "cgroup2 /app.slice/agent.service memory.pressure");
  EXPECT_EQ(HostSensor({.root = root_, .with_devices = false}).events_path().filename(), "memory.events");
}

TEST_F(TreeTest, AnAncestorCanBeTheTightest) {
  PutV2();
  Put("sys/fs/cgroup/app.slice/memory.current", "209000000\n");
  EXPECT_EQ(Read().tightest()->source, "cgroup2 /app.slice memory.max");
}

TEST_F(TreeTest, ReadsVersion1AndKnowsItsNoLimit) {
  Put("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/group/inner\n0::/\n");
  Put("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n");
  const std::string group = "sys/fs/cgroup/memory/group/";
  Put(group + "inner/memory.limit_in_bytes", "9223372036854771712\n");
  Put(group + "inner/memory.usage_in_bytes", "1000000\n");
  Put(group + "memory.limit_in_bytes", "5000000\n");
  Put(group + "memory.usage_in_bytes", "4000000\n");
  Put(group + "memory.stat", "cache 10\ntotal_inactive_file 500000\n");
  const Headroom headroom = Read();
  ASSERT_EQ(headroom.bounds.size(), 1u);
  EXPECT_EQ(headroom.bounds[0].source, "cgroup1 /group memory.limit_in_bytes");
  EXPECT_EQ(headroom.bounds[0].headroom_bytes(), 1500000u);
  EXPECT_FALSE(headroom.events);
}

TEST_F(TreeTest, AMountInsideAContainerStartsAtItsRoot) {
  Put("proc/self/cgroup", "0::/docker/abc/worker\n");
  Put("proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/my\\040cgroup ro - cgroup2 cgroup rw\n");
  Put("sys/fs/my cgroup/worker/memory.max", "100\n");
  Put("sys/fs/my cgroup/worker/memory.current", "200\n");
  const Headroom headroom = Read();
  ASSERT_EQ(headroom.bounds.size(), 1u);
  EXPECT_EQ(headroom.bounds[0].headroom_bytes(), 0u);
}

TEST_F(TreeTest, ALimitAboveAContainersVersion1MountCounts) {
  Put("proc/self/cgroup", "4:memory:/pod/abc\n");
  Put("proc/self/mountinfo", "35 31 0:32 /pod/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000\n");
  Put("sys/fs/cgroup/memory/memory.stat", "cache 10\nhierarchical_memory_limit 3000000\n");
  const Headroom headroom = Read();
  ASSERT_EQ(headroom.bounds.size(), 1u);
  EXPECT_EQ(headroom.bounds[0].source, "cgroup1 / memory.stat hierarchical_memory_limit");
  EXPECT_EQ(headroom.bounds[0].headroom_bytes(), 2000000u);
  Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
  EXPECT_EQ(Read().bounds.at(0).source, "cgroup1 / memory.limit_in_bytes");
  EXPECT_EQ(Read().bounds.size(), 1u);
}

TEST_F(TreeTest, AGroupOutsideTheMountIsLeftOut) {
  Put("proc/self/cgroup", "0::/elsewhere\n0::/../../etc\n");
  Put("proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  EXPECT_TRUE(Read().bounds.empty());
}

TEST_F(TreeTest, MissingMeansNull) {
  const Headroom headroom = Read();
  EXPECT_TRUE(headroom.bounds.empty());
  EXPECT_EQ(headroom.tightest(), nullptr);
  EXPECT_FALSE(headroom.stall);
  EXPECT_FALSE(headroom.events);
  EXPECT_FALSE(ResidentBytes(root_));
  EXPECT_TRUE(HostSensor({.root = root_, .with_devices = false}).events_path().empty());
}

TEST_F(TreeTest, AFileThatVanishesOrHoldsGarbageIsAbsent) {
  PutV2();
  HostSensor sensor({.root = root_, .with_devices = false});
  const std::string service = "sys/fs/cgroup/app.slice/agent.service/";
  for (const char* garbage : {"", "-5\n", "1e9\n", "99999999999999999999999\n", "12 34\n", "\xff\xfe", "0x10"}) {
    Put(service + "memory.current", garbage);
    for (const MemoryBound& bound : sensor.Read().bounds) EXPECT_EQ(bound.source.find("agent.service"), std::string::npos);
  }
  std::filesystem::remove(root_ / (service + "memory.events"));
  EXPECT_FALSE(sensor.Read().events);
  std::filesystem::remove_all(root_ / "proc");
  EXPECT_TRUE(sensor.Read().bounds.empty());
}

TEST_F(TreeTest, AMissingFigureIsNullAndNotZero) {
  PutV2();
  const std::string service = "sys/fs/cgroup/app.slice/agent.service/";
  Put(service + "memory.events", "low 0\nhigh 7\nmax x\noom -1\n");
  Put(service + "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
  const Headroom headroom = Read();
  ASSERT_TRUE(headroom.events);
  EXPECT_EQ(headroom.events->source, "cgroup2 /app.slice/agent.service memory.events");
  EXPECT_EQ(headroom.events->high, std::optional<uint64_t>(7));
  EXPECT_EQ(headroom.events->max, std::nullopt);
  EXPECT_EQ(headroom.events->oom, std::nullopt);
  EXPECT_EQ(headroom.events->oom_kill, std::nullopt);
  ASSERT_TRUE(headroom.stall);
  EXPECT_EQ(headroom.stall->full_avg10, std::nullopt);
  EXPECT_EQ(headroom.stall->full_total_us, std::nullopt);
  for (const char* text :
       {"some avg10=nan total=1\n", "some avg10=-1 total=1\n", "some avg10=101 total=1\n", "some avg10=1\n",
        "some total=1\n", "some avg10=1x total=1\n", "some avg10=1 total=-1\n", "full avg10=1 total=1\n"}) {
    Put(service + "memory.pressure", text);
    EXPECT_FALSE(Read().stall) << text;
  }
}

TEST_F(TreeTest, OnlyRegularFilesAreRead) {
  PutV2();
  const auto service = root_ / "sys/fs/cgroup/app.slice/agent.service";
  std::filesystem::remove(service / "memory.current");
  std::filesystem::create_directory(service / "memory.current");
  EXPECT_EQ(Read().bounds.at(0).source, "cgroup2 /app.slice memory.max");
  std::filesystem::remove(service / "memory.current");
  std::filesystem::create_symlink("memory.current", service / "memory.current");  // a loop
  EXPECT_EQ(Read().bounds.at(0).source, "cgroup2 /app.slice memory.max");
  std::filesystem::remove(service / "memory.current");
  ASSERT_EQ(mkfifo((service / "memory.current").c_str(), 0600), 0);  // opening it for reading would block
  EXPECT_EQ(Read().bounds.at(0).source, "cgroup2 /app.slice memory.max");
}

TEST_F(TreeTest, OfALongFileTheWholeLinesCount) {
  PutV2();
  const std::string service = "sys/fs/cgroup/app.slice/agent.service/";
  Put(service + "memory.current", "1" + std::string(1 << 20, '0'));
  EXPECT_EQ(Read().bounds.at(0).source, "cgroup2 /app.slice memory.max");
  Put("text", "first 1\nsecond 22\n");
  EXPECT_EQ(sensors::ReadSmallFile(root_ / "text", 18), "first 1\nsecond 22\n");
  EXPECT_EQ(sensors::ReadSmallFile(root_ / "text", 17), "first 1\n");
  EXPECT_EQ(sensors::ReadSmallFile(root_ / "text", 7), "");
  // The group's mount comes after more text than a small file may have.
  std::string mounts;
  while (mounts.size() < 1'000'000) mounts += "24 30 0:22 / /somewhere rw,nosuid - overlay overlay rw\n";
  Put("proc/self/mountinfo", mounts + "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  EXPECT_EQ(Read().bounds.at(0).source, "cgroup2 /app.slice memory.max");
}

TEST(KernelText, ManyMountsAndGroupsGiveFewPlaces) {
  std::string groups;
  std::string mounts;
  for (int i = 0; i < 3000; ++i) {
    groups += "0::/g" + std::to_string(i) + "\n";
    mounts += "1 2 0:1 / /m" + std::to_string(i) + " rw - cgroup2 c rw\n";
  }
  const auto places = sensors::FindCgroups(groups, mounts);
  ASSERT_EQ(places.size(), sensors::kCgroupPlacesMax);
  for (const auto& place : places) EXPECT_EQ(place.relative, "g0");
  const std::string deep = "0::/" + std::string(200'000, 'x') + "\n0::/short\n";
  EXPECT_EQ(sensors::FindCgroups(deep, mounts).at(0).relative, "short");
}

TEST_F(TreeTest, AmdCardsAreReadOneByOne) {
  Put("sys/class/drm/card0/device/mem_info_vram_total", "17163091968\n");
  Put("sys/class/drm/card0/device/mem_info_vram_used", "1048576\n");
  Put("sys/class/drm/card0-HDMI-A-1/device/mem_info_vram_total", "1\n");
  Put("sys/class/drm/card1/device/mem_info_vram_total", "100\n");
  Put("sys/class/drm/card1/device/mem_info_vram_used", "200\n");
  std::vector<DeviceMemory> devices;
  sensors::ReadAmdgpu(root_, devices);
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].name, "card0");
  EXPECT_EQ(devices[0].used_bytes, 1048576u);
}

TEST(Nvml, AnswersThroughItsLibrary) {
  std::vector<DeviceMemory> devices;
  sensors::Nvml(WEIR_TEST_NVML).Read(devices);
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].name, "Test GPU 0");
  EXPECT_EQ(devices[1].total_bytes, 80ull << 30);
  EXPECT_EQ(devices[1].used_bytes, 1ull << 30);
  EXPECT_EQ(devices[1].source, "nvml");
}

TEST(Nvml, NoLibraryMeansNoDevices) {
  std::vector<DeviceMemory> devices;
  sensors::Nvml("libno-such-library.so").Read(devices);
  sensors::Nvml("libc.so.6").Read(devices);
  EXPECT_TRUE(devices.empty());
}

TEST(HostSensor, ThisMachineHasMemory) {
  const Headroom headroom = HostSensor({.with_devices = false}).Read();
  ASSERT_NE(headroom.tightest(), nullptr);
  EXPECT_GT(headroom.tightest()->limit_bytes, 16u << 20);
  const auto resident = ResidentBytes();
  ASSERT_TRUE(resident);
  EXPECT_GT(*resident, 100'000u);
}

TEST(HostSensor, ResidentMemoryFollowsWhatIsTouchedAndGivenBack) {
  constexpr size_t kBytes = size_t{32} << 20;
  const auto before = ExactResidentBytes();
  if (!before) GTEST_SKIP() << "this kernel has no smaps_rollup";
  void* pages = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  std::memset(pages, 1, kBytes);
  const auto touched = ExactResidentBytes();
  munmap(pages, kBytes);
  const auto after = ExactResidentBytes();
  ASSERT_TRUE(touched && after);
  EXPECT_GE(*touched, *before + kBytes);
  // A sanitizer's own memory grows a little meanwhile.
  constexpr size_t kOther = size_t{1} << 20;
  EXPECT_LE(*after, *touched - kBytes + kOther);
}

RC_GTEST_PROP(KernelText, AnyBytesAreReadWithoutTrust, (const std::string& a, const std::string& b)) {
  sensors::ParseNumber(a);
  sensors::ParseFields(a);
  if (const auto stall = sensors::ParseStall("some " + a)) RC_ASSERT(stall->some_avg10 >= 0 && stall->some_avg10 <= 100);
  for (const auto& place : sensors::FindCgroups("0::/" + a + "\n", "1 2 0:1 / /m rw - cgroup2 c rw\n" + b)) {
    for (const auto& part : place.relative) RC_ASSERT(part != "..");
  }
}

}  // namespace
}  // namespace weir
