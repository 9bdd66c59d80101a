#include "weir/demo/memory_demo.h"

#include <gtest/gtest.h>

#include <memory>

#include "byte_tokenizer.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

class MemoryDemoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<ChatTemplate> chat_template =
        ChatTemplate::FromSource("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}{{ tools }}");
    ASSERT_TRUE(chat_template);
    Result<DemoHistory> history = MakeDemoHistory({}, 10, tokenizer_, *chat_template, kDefaultBlockSize);
    ASSERT_TRUE(history);
    Result<std::unique_ptr<DemoMemory>> memory = DemoMemory::Create(sensor_);
    ASSERT_TRUE(memory);
    memory_ = *std::move(memory);
    EXPECT_EQ(history->calls.size(), 10 * DemoAgents().size() * DemoOptions{}.question_count);
    Result<MemoryDemo> demo = memory_->Run(*history, tokenizer_);
    ASSERT_TRUE(demo) << demo.error().ToString();
    demo_ = *std::move(demo);
  }

  weir::testing::ByteTokenizer tokenizer_;
  HostSensor sensor_{{.with_devices = false}};
  std::unique_ptr<DemoMemory> memory_;
  MemoryDemo demo_;
};

TEST_F(MemoryDemoTest, WhatWasPutInComesBackOrIsGone) {
  ASSERT_EQ(demo_.pools.size(), 3u);
  uint64_t left = 0;
  for (const MemoryDemo::PoolLine& line : demo_.pools) {
    EXPECT_GT(line.filled.entries, 0u) << line.filled.name;
    EXPECT_GT(line.content_bytes, 0u) << line.filled.name;
    EXPECT_GE(line.filled.used_bytes(), line.content_bytes) << line.filled.name;
    EXPECT_EQ(line.filled.evictions, 0u) << line.filled.name;
    EXPECT_EQ(line.wrong, 0u) << line.filled.name;
    EXPECT_EQ(line.intact, line.squeezed.entries) << line.filled.name;
    left += line.intact;
  }
  EXPECT_GT(left, 0u);
  for (const auto& pool : memory_->pools()) pool->CheckInvariants();
}

TEST_F(MemoryDemoTest, HalfIsGivenBackAndTheKernelSeesIt) {
  EXPECT_GE(demo_.relief.total.bytes_released, demo_.asked_bytes);
  EXPECT_LE(demo_.squeezed_bytes(), demo_.filled_bytes() - demo_.asked_bytes);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "what is resident holds a sanitizer's own books too";
#endif
  if (!demo_.resident_filled || !demo_.resident_squeezed) GTEST_SKIP() << "the kernel does not tell what is resident";
  // The pools' pages were all written, so what they give back was resident. A little is taken by the relief itself.
  EXPECT_LE(*demo_.resident_squeezed + demo_.relief.total.bytes_released * 3 / 4, *demo_.resident_filled);
}

TEST_F(MemoryDemoTest, BothViewsShowTheSameFigures) {
  const Json json = MemoryDemoJson(demo_);
  EXPECT_EQ(json.Find("pools")->as_array().size(), demo_.pools.size());
  const std::string text = DrawMemoryDemo(demo_, {});
  for (const MemoryDemo::PoolLine& line : demo_.pools) EXPECT_NE(text.find(line.filled.name), std::string::npos);
  demo_.resident_filled = std::nullopt;
  EXPECT_TRUE(MemoryDemoJson(demo_).Find("resident_bytes")->Find("filled")->is_null());
  EXPECT_NE(DrawMemoryDemo(demo_, {}).find("the kernel does not tell"), std::string::npos);
}

}  // namespace
}  // namespace weir
