// Both stores against a plain map.

#include "weir/store/store.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "faulty_store.h"
#include "temporary_folder.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using Model = std::map<std::pair<StoreTable, StoreKey>, std::string>;

std::unique_ptr<Store> Opened(const StoreOptions& options) {
  auto store = OpenStore(options);
  EXPECT_TRUE(store) << store.error().ToString();
  return store ? std::move(store).value() : nullptr;
}

Model Contents(const Store& store) {
  Model contents;
  for (const StoreTable table : kStoreTables) {
    const Status status = store.Scan(table, [&](const StoreKey& key, std::string_view bytes) -> Status {
      contents[{table, key}] = bytes;
      return {};
    });
    EXPECT_TRUE(status) << status.error().ToString();
  }
  return contents;
}

TEST(Store, KeepsWhatIsPutAcrossAReopening) {
  const testing::TemporaryFolder folder;
  StoreOptions options;
  options.folder = folder.path() / "store";
  {
    const auto store = Opened(options);
    StoreBatch batch;
    batch.Put(StoreTable::kContext, {1, 2}, "one");
    batch.Put(StoreTable::kSetting, {1, 2}, "");
    ASSERT_TRUE(store->Apply(batch));
    EXPECT_EQ(store->Get(StoreTable::kContext, {1, 2}).value(), "one");
    EXPECT_EQ(store->stats().of(StoreTable::kContext).records, 1u);
  }
  const auto store = Opened(options);
  EXPECT_EQ(Contents(*store), (Model{{{StoreTable::kContext, {1, 2}}, "one"}, {{StoreTable::kSetting, {1, 2}}, ""}}));
  EXPECT_EQ(store->Get(StoreTable::kWorkflow, {1, 2}).value(), std::nullopt);
  EXPECT_EQ(store->stats().missing, 0u);
}

}  // namespace
}  // namespace weir
