#include "weir/service/service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <string>

#include "fake_embedder.h"
#include "scratch_tree.h"
#include "temporary_folder.h"
#include "weir/base/file.h"

namespace weir {
namespace {

using testing::FakeModel;
using testing::ScratchTree;

class ServiceTest : public ::testing::Test {
 protected:
  ServiceOptions Options() {
    ServiceOptions options;
    options.data = folder_.path() / "data";
    options.workspaces = {"team"};
    options.registry.tokenizers.push_back({"bytes", std::make_shared<testing::ByteTokenizer>()});
    options.registry.contexts_bytes = 16 << 20;
    options.embeddings_bytes = 16 << 20;
    options.models.push_back({ModelOf(fake_), fake_.tokens_max});
    return options;
  }

  Service& Open(ServiceOptions options) {
    service_.reset();
    Result<std::unique_ptr<Service>> created = Service::Create(std::move(options));
    EXPECT_TRUE(created) << created.error().ToString();
    service_ = *std::move(created);
    const Status opened = service_->Open();
    EXPECT_TRUE(opened) << opened.error().ToString();
    return *service_;
  }
  Service& Open() { return Open(Options()); }

  Workspace& In(std::string_view name) { return **service_->Find(name); }
  static ContextInput Input(std::string agent, std::string text) {
    ContextInput input;
    input.agent = std::move(agent);
    input.text = std::move(text);
    return input;
  }

  testing::TemporaryFolder folder_;
  FakeModel fake_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, IsNotReadyBeforeItIsOpen) {
  service_ = *Service::Create(Options());
  EXPECT_EQ(service_->state(), ServiceState::kCreated);
  EXPECT_EQ(service_->Find("default").error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(service_->Open());
  EXPECT_TRUE(service_->ready());
  EXPECT_TRUE(service_->Find("default"));
  EXPECT_EQ(service_->Find("nobody").error().code, ErrorCode::kNotFound);
  service_->StartDraining();
  EXPECT_FALSE(service_->ready());
  EXPECT_TRUE(service_->Find("default")) << "calls that run go on";
}

TEST_F(ServiceTest, SaysWhyItCouldNotOpen) {
  ServiceOptions options = Options();
  std::filesystem::create_directories(options.data);
  ASSERT_TRUE(WriteFileAtomically(options.data / "somebody-elses.txt", "x"));
  service_ = *Service::Create(std::move(options));
  ASSERT_FALSE(service_->Open());
  EXPECT_EQ(service_->state(), ServiceState::kFailed);
  ASSERT_TRUE(service_->failure());
  EXPECT_EQ(service_->Find("default").error().code, ErrorCode::kUnavailable);
}

TEST_F(ServiceTest, WorkspacesShareNothingAndOutliveTheProcess) {
  Open();
  const std::string text(200, 'a');
  ASSERT_TRUE(In("default").registry().Register(Input("planner", text)));
  ASSERT_TRUE(In("team").registry().Register(Input("planner", text)));
  ASSERT_TRUE(In("team").registry().Register(Input("critic", text + "b")));
  EXPECT_EQ(In("default").registry().List().size(), 1u);
  EXPECT_TRUE(In("default").registry().Match(text)->results.size() == 1u);
  EXPECT_EQ(In("default").Hold(std::vector<std::string>{"critic"}).error().code, ErrorCode::kNotFound);

  Open();
  EXPECT_EQ(In("default").registry().List().size(), 1u);
  EXPECT_EQ(In("team").registry().List().size(), 2u);
  ASSERT_TRUE(service_->AddWorkspace("other"));
  EXPECT_EQ(In("other").registry().List().size(), 0u);
  EXPECT_FALSE(service_->AddWorkspace("../other"));
  EXPECT_FALSE(service_->AddWorkspace(""));
}

TEST_F(ServiceTest, AllPoolsAreUnderOneBroker) {
  Open();
  std::vector<std::string> names;
  for (const SourceSnapshot& source : service_->broker().Snapshot().sources) names.push_back(source.view.name);
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"contexts", "contexts/team", "embeddings", "index", "index/team"}));
}

TEST_F(ServiceTest, ExplainsSharesAndLaysOut) {
  Open();
  Registry& registry = In("default").registry();
  const std::string stable = "You are one of five who answer questions about the weir.\n" + std::string(120, 'x') + "\n";
  ASSERT_TRUE(registry.Register(Input("a", "Time: 2026-01-01 10:00:00\n" + stable)));
  ASSERT_TRUE(registry.Register(Input("b", "Time: 2026-01-01 10:00:07\n" + stable)));
  const Tokenizer* const tokenizer = service_->tokenizer();
  ASSERT_NE(tokenizer, nullptr);

  const Result<Explanation> why = In("default").Explain("a", "b", tokenizer);
  ASSERT_TRUE(why);
  ASSERT_TRUE(why->divergence);
  EXPECT_EQ(why->divergence->cause, BreakCause::kTimestamp);
  EXPECT_EQ(In("default").Explain("a", "nobody", tokenizer).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(In("default").ExplainAll({}, tokenizer)->breaks.size(), 1u);
  EXPECT_EQ(In("default").Share({})->report.pairs.size(), 1u);

  const Result<OptimizedContext> better = In("default").Optimize("b", *tokenizer, 100'000);
  ASSERT_TRUE(better);
  EXPECT_TRUE(better->changed);
  EXPECT_GT(better->reusable_after, better->reusable_before);
  EXPECT_TRUE(better->text.starts_with("You are one of five"));
  EXPECT_EQ(better->normalisations, std::vector<std::string>{"volatile_last"});
  ASSERT_TRUE(registry.Remove("a"));
  const Result<OptimizedContext> alone = In("default").Optimize("b", *tokenizer, 100'000);
  ASSERT_TRUE(alone);
  EXPECT_FALSE(alone->changed);
  EXPECT_FALSE(alone->note.empty());
  EXPECT_EQ(In("default").Layout({}, *tokenizer, 100'000).error().code, ErrorCode::kInvalidArgument);
}

IndexJob Ended(IndexJobs& jobs, const std::string& id) {
  for (;;) {
    IndexJob job = *jobs.Get("default", id);
    if (job.ended()) return job;
    std::this_thread::yield();
  }
}

TEST_F(ServiceTest, JobsIndexFoldersAndTheirOwnersAloneSeeThem) {
  ScratchTree tree;
  tree.Write("a.txt", "how water passes a weir\n");
  Open();
  const Result<IndexJob> started = service_->jobs().Start(In("default"), {.root = tree.root()});
  ASSERT_TRUE(started);
  const IndexJob job = Ended(service_->jobs(), started->id);
  ASSERT_EQ(job.state, JobState::kDone) << (job.error ? job.error->ToString() : "");
  EXPECT_EQ(job.report->computed, 1u);
  EXPECT_EQ(service_->jobs().Get("team", started->id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(service_->jobs().Cancel("team", started->id).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(service_->jobs().List("team").empty());
  EXPECT_EQ(service_->Search(In("default"), "", "water", {})->hits.size(), 1u);
  EXPECT_EQ(service_->Search(In("team"), "", "water", {}).error().code, ErrorCode::kNotFound);

  const Result<IndexJob> lost = service_->jobs().Start(In("default"), {.root = tree.root() / "nowhere"});
  EXPECT_EQ(Ended(service_->jobs(), lost->id).error->code, ErrorCode::kNotFound);
}

TEST_F(ServiceTest, AJobThatIsCancelledEnds) {
  ScratchTree tree;
  tree.Write("a.txt", "one\n");
  tree.Write("b.txt", "two\n");
  Open();
  fake_.Close();
  const Result<IndexJob> started = service_->jobs().Start(In("default"), {.root = tree.root()});
  const Result<IndexJob> waiting = service_->jobs().Start(In("default"), {.root = tree.root()});
  fake_.WaitUntilEntered(1);
  EXPECT_EQ(service_->jobs().Cancel("default", waiting->id)->state, JobState::kCancelled);
  EXPECT_EQ(service_->jobs().Cancel("default", started->id)->state, JobState::kRunning);
  fake_.Open();
  EXPECT_EQ(Ended(service_->jobs(), started->id).state, JobState::kCancelled);
}

TEST_F(ServiceTest, OnlyAllowedFoldersAreIndexed) {
  ScratchTree tree;
  tree.Write("in/a.txt", "one\n");
  tree.Write("out/b.txt", "two\n");
  ServiceOptions options = Options();
  options.index_roots = {tree.root() / "in"};
  Open(std::move(options));
  const auto index = [&](const std::filesystem::path& root) {
    return service_->Index(In("default"), {.root = root}, {}, {});
  };
  EXPECT_TRUE(index(tree.root() / "in"));
  EXPECT_EQ(index(tree.root() / "out").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index(tree.root() / "in" / ".." / "out").error().code, ErrorCode::kInvalidArgument);
  std::filesystem::create_directory_symlink(tree.root() / "out", tree.root() / "in" / "link");
  EXPECT_EQ(index(tree.root() / "in" / "link").error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ServiceTest, ContextsGetTheirVectorsBehindTheCallersBack) {
  Open();
  Registry& registry = In("default").registry();
  fake_.Close();  // the model takes its time, and nobody waits for it
  const Result<Registered> registered = registry.Register(Input("a", "how water passes a weir"));
  ASSERT_TRUE(registered);
  EXPECT_FALSE(registered->has_vector);
  EXPECT_FALSE(registered->vector_note.empty());
  fake_.Open();
  while (registry.stats().vectors == 0) std::this_thread::yield();
  const std::vector<ContextSummary> list = registry.List();
  EXPECT_EQ(list[0].terms.revision, registered->revision) << "nothing else of it changed";
  EXPECT_EQ(list[0].terms.created_ms, registered->created_ms);
  EXPECT_EQ(registry.FindSimilar("how water passes a weir", {.by = SimilarBy::kMeaning})->results.size(), 1u);
  Open();
  EXPECT_EQ(In("default").registry().stats().vectors, 1u) << "it is kept";
}

TEST_F(ServiceTest, AModelThatFailsForAWhileIsAskedAgain) {
  std::atomic<bool> fails{true};
  ServiceOptions options = Options();
  auto& load = options.models[0].model.load;
  load = [&fails, real = load]() -> Result<std::unique_ptr<Embedder>> {
    if (fails) return Unavailable("the model's file is being replaced");
    return real();
  };
  Open(std::move(options));
  Registry& registry = In("default").registry();
  ASSERT_TRUE(registry.Register(Input("a", "how water passes a weir")));
  while (registry.stats().embed_failures == 0) std::this_thread::yield();
  EXPECT_EQ(registry.stats().vectors, 0u);
  fails = false;
  while (registry.stats().vectors == 0) std::this_thread::yield();
  service_.reset();  // before what its model looks at
}

TEST_F(ServiceTest, ATextThatTheModelRefusesHoldsUpNoOther) {
  Open();
  Registry& registry = In("default").registry();
  ASSERT_TRUE(registry.Register(Input("a", "   ")));
  ASSERT_TRUE(registry.Register(Input("b", "how water passes a weir")));
  while (registry.stats().vectors == 0) std::this_thread::yield();
  EXPECT_EQ(registry.stats().vectors, 1u);
}

TEST_F(ServiceTest, WithoutAModelItSaysSo) {
  ServiceOptions options = Options();
  options.models.clear();
  Open(std::move(options));
  EXPECT_EQ(service_->FindModel("").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(service_->Search(In("default"), "", "water", {}).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace weir
