#include "weir/registry/data_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "byte_tokenizer.h"
#include "registry_cases.h"
#include "weir/base/file.h"
#include "weir/ledger/verify.h"

namespace weir {
namespace {

using testing::ByteTokenizer;
using ::testing::HasSubstr;
using testing::TextInput;
using testing::Words;
namespace fs = std::filesystem;

class DataFolderTest : public ::testing::Test {
 protected:
  DataFolderTest() {
    std::string pattern = (fs::temp_directory_path() / "weir-data-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    folder_ = root_ / "data";
  }
  ~DataFolderTest() override { fs::remove_all(root_); }

  DataFolderOptions Options(bool with_tokenizer = true) const {
    DataFolderOptions options;
    options.folder = folder_;
    options.sync = false;
    if (with_tokenizer) options.registry.tokenizers.push_back({"bytes", std::make_shared<ByteTokenizer>()});
    return options;
  }

  // Two contexts with a common head.
  void Fill() const {
    Result<DataFolder> data = OpenDataFolder(Options());
    ASSERT_TRUE(data) << data.error().ToString();
    const std::string head = Words(1, 160);
    ASSERT_TRUE(data->registry->Register(TextInput("b", head + Words(2, 40))));
    ContextInput other = TextInput("a", head + Words(3, 40));
    other.salt = "of another";
    ASSERT_TRUE(data->registry->Register(other));
  }

  void Overwrite(const std::string& text) const { ASSERT_TRUE(WriteFileAtomically(folder_ / "registry.json", text)); }

  fs::path root_;
  fs::path folder_;
};

TEST_F(DataFolderTest, KeepsContextsAcrossOpenings) {
  Fill();
  EXPECT_TRUE(IsDataFolder(folder_));
  const Result<DataFolder> data = OpenDataFolder(Options());
  ASSERT_TRUE(data) << data.error().ToString();
  EXPECT_EQ(data->registry->List().size(), 2u);
  EXPECT_EQ(data->settings.tokenizer, "bytes");
  EXPECT_GE(data->ledger->stats().last_number, 2u);
}

TEST_F(DataFolderTest, ADamagedLedgerIsSetAsideAndKeepsNobodyOut) {
  Fill();
  const fs::path ledger = DataFolderLedger(folder_);
  std::string text = *ReadFile(ledger);
  text[text.size() - 10] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(ledger, text));
  const Result<DataFolder> data = OpenDataFolder(Options());
  ASSERT_TRUE(data) << data.error().ToString();
  EXPECT_EQ(data->registry->List().size(), 2u);
  EXPECT_EQ(*ReadFile(ledger.string() + ".damaged-1"), text);
  ASSERT_TRUE(data->ledger->Flush());
  EXPECT_TRUE(VerifyLedger(ledger)->clean());
}

TEST_F(DataFolderTest, ReadsBesideAWriter) {
  Fill();
  const Result<DataFolder> writer = OpenDataFolder(Options());
  ASSERT_TRUE(writer);
  EXPECT_EQ(OpenDataFolder(Options()).error().code, ErrorCode::kUnavailable);
  const Result<StoredContexts> stored = ReadContexts(folder_, 0);
  ASSERT_TRUE(stored) << stored.error().ToString();
  ASSERT_EQ(stored->contexts.size(), 2u);
  EXPECT_EQ(stored->contexts[0].terms.agent, "a");
  EXPECT_EQ(stored->contexts[0].terms.space.salt, "of another");
  EXPECT_EQ(stored->contexts[1].context->tokens().size(), 200u);
  EXPECT_THAT(stored->problems, ::testing::IsEmpty());

  DataFolderOptions look = Options();
  look.read_only = true;
  const Result<DataFolder> reader = OpenDataFolder(std::move(look));
  ASSERT_TRUE(reader) << reader.error().ToString();
  EXPECT_EQ(reader->registry->List().size(), 2u);
  EXPECT_EQ(reader->registry->Remove("a").error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(reader->registry->Contains("a"));
  reader->registry->CheckInvariants();
}

TEST_F(DataFolderTest, NeedsNoTokenizerWhereNothingIsTokenized) {
  EXPECT_EQ(OpenDataFolder(Options(false)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder_));
  Fill();
  const Result<DataFolder> data = OpenDataFolder(Options(false));
  ASSERT_TRUE(data) << data.error().ToString();
  EXPECT_EQ(data->registry->Register(TextInput("c", "text")).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(data->registry->Match("text").error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(data->registry->FindShared({}, "a"));
  EXPECT_TRUE(data->registry->Remove("a"));
}

TEST_F(DataFolderTest, RefusesOtherSettingsThanItsOwn) {
  Fill();
  DataFolderOptions blocks = Options();
  blocks.block_size = 32;
  EXPECT_THAT(OpenDataFolder(blocks).error().message, HasSubstr("blocks of 16 tokens, not 32"));
  DataFolderOptions vectors = Options();
  vectors.vector_dimensions = 8;
  EXPECT_EQ(OpenDataFolder(vectors).error().code, ErrorCode::kInvalidArgument);
  Overwrite(R"({"weir_registry":1,"tokenizer":"other","fingerprint":"ff","block_size":16,"vector_dimensions":0})");
  EXPECT_THAT(OpenDataFolder(Options()).error().message, HasSubstr("was made with the tokenizer 'other'"));
}

TEST_F(DataFolderTest, RefusesBrokenForeignAndNewerFolders) {
  EXPECT_EQ(ReadContexts(folder_, 0).error().code, ErrorCode::kNotFound);
  fs::create_directories(folder_);
  std::ofstream(folder_ / "planner.txt") << "a prompt";
  EXPECT_EQ(OpenDataFolder(Options()).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder_ / "contexts"));
  fs::remove_all(folder_);
  Fill();
  for (const auto& [text, code] : {std::pair{R"({"weir_registry":2})", ErrorCode::kUnsupported},
                                   {R"({"weir_registry":1,"tokenizer":"bytes"})", ErrorCode::kCorrupt},
                                   {R"({"weir_registry":-1})", ErrorCode::kCorrupt},
                                   {R"({"other":1})", ErrorCode::kInvalidArgument},
                                   {"{", ErrorCode::kCorrupt},
                                   {"", ErrorCode::kCorrupt}}) {
    Overwrite(text);
    EXPECT_EQ(OpenDataFolder(Options()).error().code, code) << text;
    EXPECT_EQ(ReadContexts(folder_, 0).error().code, code) << text;
  }
  fs::remove(folder_ / "registry.json");
  EXPECT_THAT(OpenDataFolder(Options()).error().message, HasSubstr("holds contexts but no registry.json"));
}

TEST_F(DataFolderTest, AnInterruptedStartIsGoneOnWith) {
  fs::create_directories(folder_);
  { ASSERT_TRUE(OpenStore({.folder = DataFolderStore(folder_)})); }
  Fill();
  EXPECT_EQ(ReadContexts(folder_, 0)->contexts.size(), 2u);
}

}  // namespace
}  // namespace weir
