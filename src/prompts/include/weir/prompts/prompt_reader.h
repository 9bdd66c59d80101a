#pragma once
// Reading people's prompt files into contexts: folders, text files and recorded chat requests.
//
// Inputs
//   folder      every file in it and below, except hidden and binary ones, in the order of their paths. Agent: the path
//               inside the folder without extension ("critic", "team/writer").
//   text file   one agent, one prompt. A line "--- name" starts a segment, "--- name fixed" one that must not move; name
//               is one word of letters, digits and _ . : - (so "--- a/file" of a diff and a bare "---" are text). Marker
//               lines are not part of the prompt. A name such as system, tools, user, assistant or tool (also "user-2")
//               sets the segment's kind. Text before the first marker is the segment "text"; a repeated name gets a
//               number.
//   *.jsonl, *.ndjson, *.json   one chat request per line (.json: one request, or an array of them). Agent:
//               metadata.agent, else `user`, else the file's name. Several requests of one agent are its calls, in
//               order, also across files.
//   "-"         standard input: requests when it starts with "{", else text of the agent "stdin".
//
// Thread rule: ReadPrompts() tokenizes on `threads` threads of its own and returns when all have ended; the result does
// not depend on their number.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/chat/chat_template.h"
#include "weir/prompts/chat_request.h"
#include "weir/tokens/context.h"

namespace weir {

struct PromptOrigin {
  std::filesystem::path file;
  size_t line = 0;  // from 1; 0: the whole file
};

// "file" or "file:line".
std::string ToString(const PromptOrigin& origin);

// One prompt that was sent (or will be): a text file, or one recorded request.
struct PromptCall {
  std::string agent;
  size_t index = 0;                            // among the calls of this agent, from 0
  std::string label;                           // unique: the agent, or "agent#3" (from 1) when the agent has several calls
  std::shared_ptr<const Context> context;      // its agent() is `agent`
  std::shared_ptr<const ChatRequest> request;  // null for text
  PromptOrigin origin;
};

// An input that was left out; the others are unaffected. Callers report it and exit with an error code.
struct InputProblem {
  PromptOrigin origin;
  Error error;  // the message starts with the origin
};

struct PromptSet {
  std::vector<PromptCall> calls;  // in the order of the inputs
  std::vector<InputProblem> problems;

  // Positions in `calls`, one per agent, of its last call: what share and explain compare. In order of first appearance.
  std::vector<size_t> LastCalls() const;
  // By label, or by agent (its last call). Null when there is none.
  const PromptCall* Find(std::string_view agent_or_label) const;
};

struct ReadProgress {
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;  // of all inputs found
  size_t prompts_done = 0;
};

struct PromptReadOptions {
  const ChatTemplate* chat_template = nullptr;  // borrowed; needed for chat requests only
  bool lossy = false;                           // replace what is not UTF-8 by U+FFFD instead of reporting it
  size_t threads = 0;                           // 0: one per hardware thread
  size_t block_size = kDefaultBlockSize;        // tokens
  std::string model, lora, salt;                // of the Space; its tokenizer fingerprint comes from the tokenizer
  bool add_special_tokens = false;              // for text files; templates write their own
  int64_t now_local_s = 0;                      // for templates that print the date; see ChatRenderOptions
  bool keep_requests = true;                    // fill PromptCall::request
  uint64_t prompt_bytes_max = uint64_t{1} << 30;
  // Called on the calling thread, about every 100 ms while reading lasts and once at the end.
  std::function<void(const ReadProgress&)> progress;
};

// Errors end everything; they are for what makes the result meaningless: an input that does not exist or cannot be read
// at all, a folder or file without any prompt, two inputs that give the same agent name, chat requests without a
// chat template. Everything else that is wrong with one prompt (not UTF-8: the byte offset; empty; not a chat request;
// the template refuses it; an unreadable file in a folder) is a problem, unless nothing remains: then the first problem
// is the error.
//
// Memory: about 8 bytes per token beside the text; at most one untokenized prompt per thread is held besides.
Result<PromptSet> ReadPrompts(std::span<const std::filesystem::path> inputs, const Tokenizer& tokenizer,
                              const PromptReadOptions& options);

}  // namespace weir
