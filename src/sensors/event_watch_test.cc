#include "event_watch.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "kernel_text.h"
#include "weir/sensors/host_sensor.h"

namespace weir::sensors {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(EventWatch, AnInterruptEndsTheNextWaitAndOnlyThat) {
  EventWatch watch;
  EXPECT_EQ(watch.Wait(Duration(0)), Wake::kTimeout);
  watch.Interrupt();
  watch.Interrupt();
  EXPECT_EQ(watch.Wait(hours(1)), Wake::kInterrupted);
  EXPECT_EQ(watch.Wait(Duration(-5)), Wake::kTimeout);
}

TEST(EventWatch, AnInterruptFromAnotherThreadEndsTheWait) {
  EventWatch watch;
  std::thread other([&] { watch.Interrupt(); });
  EXPECT_EQ(watch.Wait(Duration::max()), Wake::kInterrupted);
  other.join();
}

TEST(EventWatch, WhatIsNoRegularFileIsNotWatched) {
  std::string pattern = (std::filesystem::temp_directory_path() / "weir-watch-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path root = pattern;
  std::filesystem::create_symlink("loop", root / "loop");
  ASSERT_EQ(mkfifo((root / "fifo").c_str(), 0600), 0);
  std::ofstream(root / "plain") << "high 0\n";
  EventWatch watch;
  watch.Watch({root, root / "absent", root / "loop", root / "fifo", "/dev/null", root / "plain"});
  EXPECT_EQ(watch.watched(), 1u);
  EXPECT_EQ(watch.Wait(Duration(0)), Wake::kTimeout);  // a file on disk never tells
  std::filesystem::remove_all(root);
  EXPECT_EQ(watch.Wait(Duration(0)), Wake::kTimeout);
}

// A new group of that version below this process's own; empty where it cannot be made.
std::filesystem::path MakeGroup(int version) {
  const auto groups = ReadSmallFile("/proc/self/cgroup");
  const auto mounts = ReadSmallFile("/proc/self/mountinfo", 1 << 22);
  for (const CgroupPlace& place : FindCgroups(groups.value_or(""), mounts.value_or(""))) {
    if (place.version != version) continue;
    std::string pattern = (place.mount / place.relative / "weir-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) return pattern;
  }
  return {};
}

TEST(EventWatch, AGroupTellsWhatHappensToIt) {
  const std::filesystem::path group = MakeGroup(2);
  if (group.empty()) GTEST_SKIP() << "no cgroup v2 group can be made here (needs root and a writable hierarchy)";
  EventWatch watch;
  watch.Watch({group / "cgroup.events"});
  EXPECT_EQ(watch.watched(), 1u);
  EXPECT_EQ(watch.Wait(Duration(0)), Wake::kTimeout);

  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  ASSERT_GT(child, 0);
  const bool is_moved = static_cast<bool>(std::ofstream(group / "cgroup.procs") << child << std::flush);
  const Wake on_entry = is_moved ? watch.Wait(seconds(60)) : Wake::kUnsupported;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const Wake on_exit = is_moved ? watch.Wait(seconds(60)) : Wake::kUnsupported;
  rmdir(group.c_str());
  if (!is_moved) GTEST_SKIP() << "a process cannot be moved into " << group;
  EXPECT_EQ(on_entry, Wake::kEvent);
  EXPECT_EQ(on_exit, Wake::kEvent);
  EXPECT_FALSE(std::filesystem::exists(group));
  EXPECT_EQ(watch.Wait(seconds(60)), Wake::kEvent);  // the group is gone
  EXPECT_EQ(watch.watched(), 0u);
  EXPECT_EQ(watch.Wait(Duration(0)), Wake::kTimeout);
}

TEST(EventWatch, Version1TellsWhenUsePassesAMark) {
  const std::filesystem::path group = MakeGroup(1);
  if (group.empty()) GTEST_SKIP() << "no cgroup v1 group can be made here (needs root and a writable hierarchy)";
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  EventWatch watch;
  watch.Watch({}, {{group, 16 * kMiB}, {group / "absent", kMiB}});
  if (watch.watched() == 0) {
    rmdir(group.c_str());
    GTEST_SKIP() << "the kernel takes no marks";
  }
  EXPECT_EQ(watch.watched(), 1u);
  EXPECT_EQ(watch.Wait(Duration(0)), Wake::kTimeout);

  const pid_t child = fork();
  if (child == 0) {
    const bool is_inside = static_cast<bool>(std::ofstream(group / "cgroup.procs") << getpid() << std::flush);
    void* pages = mmap(nullptr, 32 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!is_inside || pages == MAP_FAILED) _exit(1);
    for (uint64_t at = 0; at < 32 * kMiB; at += 4096) static_cast<volatile char*>(pages)[at] = 1;
    for (;;) pause();
  }
  const Wake on_growth = watch.Wait(seconds(60));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(on_growth, Wake::kEvent);
  const Wake on_fall = watch.Wait(seconds(60));  // either the fall below the mark, or the group's end
  rmdir(group.c_str());
  EXPECT_EQ(on_fall, Wake::kEvent);
}

TEST(HostSensor, WaitsUntilItIsInterrupted) {
  HostSensor sensor({.with_devices = false});
  sensor.Read();
  sensor.Interrupt();
  // A machine under pressure may wake it first, a limited number of times.
  Wake wake = Wake::kEvent;
  for (int i = 0; i < 1000 && wake == Wake::kEvent; ++i) wake = sensor.WaitForEvent(hours(1));
  EXPECT_EQ(wake, Wake::kInterrupted);
}

}  // namespace
}  // namespace weir::sensors
