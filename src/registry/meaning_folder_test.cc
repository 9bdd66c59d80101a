// Data folders whose vectors an embedding model makes.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "fake_embedder.h"
#include "registry_cases.h"
#include "temporary_folder.h"
#include "weir/registry/data_folder.h"

namespace weir {
namespace {

using testing::FakeModel;
using testing::ModelOf;
using testing::TextInput;

class MeaningFolder : public ::testing::Test {
 protected:
  MeaningFolder() {
    Result<std::unique_ptr<EmbedCache>> made = EmbedCache::Create({});
    EXPECT_TRUE(made);
    cache_ = *std::move(made);
    EXPECT_TRUE(cache_->AddModel(ModelOf(fake_)));
    EmbedModel other = ModelOf(fake_, "other-model", "other");
    other.aliases.clear();
    EXPECT_TRUE(cache_->AddModel(std::move(other)));
    tokenizers_.push_back({"bytes", std::make_shared<testing::ByteTokenizer>()});
  }

  FakeModel fake_;
  std::unique_ptr<EmbedCache> cache_;
  std::vector<NamedTokenizer> tokenizers_;
};

TEST_F(MeaningFolder, ADataFolderKnowsItsModel) {
  const testing::TemporaryFolder scratch;
  DataFolderOptions options;
  options.folder = scratch.path() / "registry";
  options.sync = false;
  options.registry.tokenizers = tokenizers_;
  options.registry.embeddings = cache_.get();
  options.registry.embedding_model = "fake-model";
  {
    const auto data = OpenDataFolder(options);
    ASSERT_TRUE(data) << data.error().ToString();
    ASSERT_TRUE(data->registry->Register(TextInput("a", "some text")));
  }
  const auto settings = ReadDataFolderSettings(options.folder);
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->vector_dimensions, 8u);
  EXPECT_EQ(settings->vector_model, "fake-model");
  // Looking without the model.
  DataFolderOptions look;
  look.folder = options.folder;
  look.read_only = true;
  EXPECT_EQ(OpenDataFolder(look)->registry->stats().vectors, 1u);
  // Another model, looking and changing.
  look.registry.embeddings = cache_.get();
  look.registry.embedding_model = "other-model";
  EXPECT_EQ(OpenDataFolder(look)->registry->stats().stale_vectors, 1u);
  EXPECT_EQ(ReadDataFolderSettings(options.folder)->vector_model, "fake-model");
  options.registry.embedding_model = "other-model";
  EXPECT_EQ(OpenDataFolder(options)->registry->stats().stale_vectors, 1u);
  EXPECT_EQ(ReadDataFolderSettings(options.folder)->vector_model, "other-model");
  options.registry.embedding_model = "nobody";
  EXPECT_EQ(OpenDataFolder(options).error().code, ErrorCode::kNotFound);
}

TEST_F(MeaningFolder, AFolderOfCallersVectorsTakesNoModel) {
  const testing::TemporaryFolder scratch;
  DataFolderOptions options;
  options.folder = scratch.path() / "registry";
  options.sync = false;
  options.vector_dimensions = 3;
  options.registry.tokenizers = tokenizers_;
  ASSERT_TRUE(OpenDataFolder(options));
  options.vector_dimensions.reset();
  options.registry.embeddings = cache_.get();
  options.registry.embedding_model = "fake-model";
  EXPECT_EQ(OpenDataFolder(options).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir
