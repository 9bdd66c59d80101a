#include "weir/prompts/prompt_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "byte_tokenizer.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kTemplate =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

class PromptReaderTest : public ::testing::Test {
 protected:
  PromptReaderTest() {
    std::string pattern = (fs::temp_directory_path() / "weir-prompts-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    options_.threads = 2;
  }
  ~PromptReaderTest() override { fs::remove_all(folder_); }

  fs::path Write(const std::string& name, std::string_view text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  Result<PromptSet> Read(std::vector<fs::path> inputs) { return ReadPrompts(inputs, tokenizer_, options_); }
  void UseTemplate() {
    Json tokens = Json::MakeObject();
    tokens.Set("bos_token", Json("^"));
    Result<ChatTemplate> made = ChatTemplate::FromSource(kTemplate, tokens);
    ASSERT_TRUE(made) << made.error().ToString();
    template_ = std::make_unique<ChatTemplate>(*std::move(made));
    options_.chat_template = template_.get();
  }
  static std::vector<std::string> Labels(const PromptSet& set) {
    std::vector<std::string> labels;
    for (const PromptCall& call : set.calls) labels.push_back(call.label);
    return labels;
  }

  fs::path folder_;
  testing::ByteTokenizer tokenizer_;
  PromptReadOptions options_;
  std::unique_ptr<ChatTemplate> template_;
};

TEST_F(PromptReaderTest, FolderGivesOneAgentPerTextFile) {
  Write("p/writer.txt", "Write.");
  Write("p/team/critic.md", "--- system\nJudge.\n--- user\nThis.\n");
  Write("p/.hidden", "no");
  Write("p/.git/config", "no");
  Write("p/image.png", std::string("\x89PNG\0\0", 6));
  const Result<PromptSet> set = Read({folder_ / "p"});
  ASSERT_TRUE(set) << set.error().ToString();
  EXPECT_THAT(Labels(*set), ElementsAre("team/critic", "writer"));
  EXPECT_TRUE(set->problems.empty());
  const Context& critic = *set->calls[0].context;
  EXPECT_EQ(critic.text(), "Judge.\nThis.\n");
  EXPECT_EQ(critic.tokens().size(), critic.text().size());
  ASSERT_EQ(critic.segments().size(), 2u);
  EXPECT_EQ(critic.segments()[1].name, "user");
  EXPECT_EQ(critic.segments()[1].tokens, (Range{7, 13}));
  EXPECT_EQ(set->calls[1].request, nullptr);
  EXPECT_EQ(set->Find("writer"), &set->calls[1]);
  EXPECT_EQ(set->Find("nobody"), nullptr);
}

TEST_F(PromptReaderTest, RequestLinesGiveCallsInOrder) {
  UseTemplate();
  const fs::path file = Write("log.jsonl",
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"one\"}],\"metadata\":{\"agent\":\"a\"}}\n\n"
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"two\"}],\"user\":\"b\"}\r\n"
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"three\"}],\"metadata\":{\"agent\":\"a\"}}\n"
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"four\"}]}");
  const Result<PromptSet> set = Read({file});
  ASSERT_TRUE(set) << set.error().ToString();
  EXPECT_THAT(Labels(*set), ElementsAre("a#1", "b", "a#2", "log"));
  EXPECT_EQ(set->calls[2].context->text(), "^<user>three</><assistant>");
  EXPECT_EQ(set->calls[2].origin.line, 4u);
  EXPECT_EQ(set->calls[2].index, 1u);
  EXPECT_EQ(set->calls[2].context->segments()[0].name, "user 1");
  EXPECT_EQ(set->calls[2].context->segments()[1].name, "generation prompt");
  EXPECT_EQ(set->calls[2].request->messages().as_array().size(), 1u);
  EXPECT_THAT(set->LastCalls(), ElementsAre(2u, 1u, 3u));
  EXPECT_EQ(set->Find("a"), &set->calls[2]);
  EXPECT_EQ(set->Find("a#1"), &set->calls[0]);
}

TEST_F(PromptReaderTest, ABadLineIsAProblemAndTheRestIsRead) {
  UseTemplate();
  const fs::path file = Write("log.jsonl",
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}\nnot json\n{\"prompt\":\"x\"}\n"
                              "{\"messages\":[]}\n{\"messages\":[{\"content\":\"x\"}]}\n"
                              "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}\n");
  const Result<PromptSet> set = Read({file});
  ASSERT_TRUE(set) << set.error().ToString();
  EXPECT_EQ(set->calls.size(), 1u);
  ASSERT_EQ(set->problems.size(), 5u);
  const char* expected[] = {"log.jsonl:2: ", "log.jsonl:3: not a chat request: it has no `messages`",
                            "log.jsonl:4: `messages` is empty", "log.jsonl:5: messages[0] has no `role`",
                            "log.jsonl:6: not UTF-8 at byte 39"};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_THAT(set->problems[i].error.message, HasSubstr(expected[i]));
    EXPECT_EQ(set->problems[i].origin.line, i + 2);
  }
  options_.lossy = true;
  EXPECT_EQ(Read({file})->calls.size(), 2u);
}

TEST_F(PromptReaderTest, RequestsNeedATemplate) {
  const fs::path file = Write("log.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n");
  const Result<PromptSet> set = Read({file});
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().ToString(), HasSubstr("--chat-template"));
}

TEST_F(PromptReaderTest, JsonFilesHoldOneRequestOrAList) {
  UseTemplate();
  Write("one.json", "{\"body\":{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]},\"custom_id\":\"7\"}");
  Write("list.json",
        "[{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]},{\"messages\":[{\"role\":\"user\",\"content\":\"y\"}]}]");
  const Result<PromptSet> set = Read({folder_ / "one.json", folder_ / "list.json"});
  ASSERT_TRUE(set) << set.error().ToString();
  EXPECT_THAT(Labels(*set), ElementsAre("one", "list#1", "list#2"));
  const fs::path config = Write("settings.json", "{\"a\":1}");
  EXPECT_THAT(Read({config}).error().message, HasSubstr("no `messages`"));
}

TEST_F(PromptReaderTest, BadInputsAreErrorsThatSayWhat) {
  EXPECT_EQ(Read({folder_ / "missing"}).error().code, ErrorCode::kNotFound);
  fs::create_directories(folder_ / "empty");
  EXPECT_THAT(Read({folder_ / "empty"}).error().message, HasSubstr("holds no files"));
  EXPECT_THAT(Read({Write("void.txt", "")}).error().ToString(), HasSubstr("void.txt: the prompt is empty"));
  EXPECT_THAT(Read({Write("bad.txt", "abc\xc3(")}).error().message, HasSubstr("bad.txt: not UTF-8 at byte 3"));
  EXPECT_THAT(Read({Write("wide.txt", std::string("a\0b\0", 4))}).error().ToString(), HasSubstr("UTF-16"));
  EXPECT_THAT(Read({Write("none.jsonl", "\n \n")}).error().message, HasSubstr("no request"));
  EXPECT_THAT(Read({}).error().message, HasSubstr("no input"));
  const fs::path good = Write("good.txt", "x");
  EXPECT_THAT(Read({good, good}).error().message, HasSubstr("twice"));
}

TEST_F(PromptReaderTest, OneBadFileInAFolderIsAProblem) {
  Write("p/a.txt", "fine");
  Write("p/b.txt", "\xf0\x28");
  Write("p/c.txt", "");
  const Result<PromptSet> set = Read({folder_ / "p"});
  ASSERT_TRUE(set);
  EXPECT_THAT(Labels(*set), ElementsAre("a"));
  ASSERT_EQ(set->problems.size(), 2u);
  EXPECT_THAT(set->problems[0].error.message, HasSubstr("not UTF-8 at byte 0"));
  options_.lossy = true;
  const Result<PromptSet> lossy = Read({folder_ / "p"});
  ASSERT_EQ(lossy->calls.size(), 2u);
  EXPECT_EQ(lossy->calls[1].context->text(), "\xef\xbf\xbd(");
}

TEST_F(PromptReaderTest, UnreadableFilesAreReported) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads everything";
  const fs::path locked = Write("p/locked.txt", "x");
  Write("p/open.txt", "x");
  ASSERT_EQ(::chmod(locked.c_str(), 0), 0);
  const Result<PromptSet> set = Read({folder_ / "p"});
  ASSERT_TRUE(set);
  ASSERT_EQ(set->problems.size(), 1u);
  EXPECT_THAT(set->problems[0].error.message, HasSubstr("locked.txt"));
}

TEST_F(PromptReaderTest, NamesThatCollideAreRefused) {
  Write("p/a.txt", "x");
  Write("p/a.md", "y");
  const Result<PromptSet> set = Read({folder_ / "p"});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(set.error().ToString(), HasSubstr("both give the agent 'a'"));

  UseTemplate();
  const std::string named = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"user\":\"n\"}\n";
  const fs::path one = Write("one.jsonl", named);
  const fs::path two = Write("two.jsonl", named);
  EXPECT_THAT(Labels(*Read({one, two})), ElementsAre("n#1", "n#2")) << "requests that name their agent are its calls";
  const fs::path text = Write("n.txt", "x");
  EXPECT_FALSE(Read({one, text}));
  Write("x/log.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n");
  Write("y/log.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n");
  EXPECT_FALSE(Read({folder_ / "x", folder_ / "y"}));
}

TEST_F(PromptReaderTest, TheResultDoesNotDependOnThreads) {
  for (int i = 0; i < 40; ++i) {
    Write("p/agent" + std::to_string(i) + ".txt",
          std::string(static_cast<size_t>(i) * 37 + 1, static_cast<char>('a' + i % 26)));
  }
  options_.threads = 1;
  const Result<PromptSet> one = Read({folder_ / "p"});
  options_.threads = 7;
  const Result<PromptSet> many = Read({folder_ / "p"});
  ASSERT_TRUE(one && many);
  ASSERT_EQ(Labels(*one), Labels(*many));
  for (size_t i = 0; i < one->calls.size(); ++i) {
    EXPECT_EQ(one->calls[i].context->tokens(), many->calls[i].context->tokens());
    EXPECT_EQ(one->calls[i].context->block_keys(), many->calls[i].context->block_keys());
  }
}

TEST_F(PromptReaderTest, ProgressEndsComplete) {
  Write("p/a.txt", "aaaa");
  Write("p/b.txt", "bbbbbb");
  ReadProgress last;
  options_.progress = [&](const ReadProgress& progress) { last = progress; };
  ASSERT_TRUE(Read({folder_ / "p"}));
  EXPECT_EQ(last.bytes_done, 10u);
  EXPECT_EQ(last.bytes_total, 10u);
  EXPECT_EQ(last.prompts_done, 2u);
}

TEST_F(PromptReaderTest, LargePromptsBeyondTheLimitAreRefused) {
  options_.prompt_bytes_max = 10;
  EXPECT_EQ(Read({Write("big.txt", "12345678901")}).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(Read({Write("fits.txt", "1234567890")}));
}

}  // namespace
}  // namespace weir
