#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"
#include "data_choice.h"
#include "line_reader.h"
#include "token_ids.h"
#include "weir/base/file.h"
#include "weir/codec/hex.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

constexpr size_t kLineBytesMax = size_t{1} << 30;

struct Options {
  std::string file = "-";
  bool jsonl = false;
  bool offsets = false;
  bool ids = false;
  bool decode = false;
  bool lossy = false;
  bool no_special_tokens = false;
};

template <typename Numbers, typename Append>
void WriteArray(Output& out, std::string_view name, const Numbers& numbers, Append append) {
  out.Write(fmt::format(",\"{}\":[", name));
  std::string piece;
  for (size_t i = 0; i < numbers.size() && !out.failed(); ++i) {
    if (i > 0) piece += ',';
    append(piece, i);
    if (piece.size() > 4096) {
      out.Write(piece);
      piece.clear();
    }
  }
  piece += ']';
  out.Write(piece);
}

void WriteEncodingJson(Output& out, const Encoding& encoding, size_t text_bytes, bool offsets) {
  out.Write(fmt::format("{{\"tokens\":{}", encoding.ids.size()));
  WriteArray(out, "ids", encoding.ids, [&](std::string& piece, size_t i) { piece += std::to_string(encoding.ids[i]); });
  if (offsets) {
    WriteArray(out, "offsets", encoding.begins, [&](std::string& piece, size_t i) {
      const size_t end = i + 1 < encoding.begins.size() ? encoding.begins[i + 1] : text_bytes;
      piece += fmt::format("[{},{}]", encoding.begins[i], end);
    });
  }
  out.Write("}\n");
}

void WriteTable(Session& session, const Encoding& encoding, std::string_view text) {
  constexpr size_t kRows = 40;
  const size_t tokens = encoding.ids.size();
  const std::string ratio =
      tokens == 0 ? ""
                  : fmt::format(", {:.2f} bytes a token", static_cast<double>(text.size()) / static_cast<double>(tokens));
  session.out().Line(Paint(session.style(), Ink::kBold, Counted(tokens, "token")) +
                     Paint(session.style(), Ink::kDim, fmt::format("  {}{}", Counted(text.size(), "byte"), ratio)));
  if (tokens == 0) return;
  Table table({{"byte", Align::kRight}, {"id", Align::kRight}, {"text", Align::kLeft, true}});
  for (size_t i = 0; i < std::min(tokens, kRows); ++i) {
    const size_t end = i + 1 < tokens ? encoding.begins[i + 1] : text.size();
    const std::string shown = Visible(text.substr(encoding.begins[i], end - encoding.begins[i]));
    table.AddRow({std::to_string(encoding.begins[i]), std::to_string(encoding.ids[i]),
                  shown.empty() ? Paint(session.style(), Ink::kDim, "(no bytes)") : "'" + shown + "'"});
  }
  session.out().Write(table.Draw(session.style()));
  if (tokens > kRows) {
    session.out().Line(fmt::format("  … and {} more (--ids or --json for all)", Grouped(tokens - kRows)));
  }
}

Result<ExitCode> TokenizeText(const Options& options, Session& session, Encoder& encoder) {
  WEIR_ASSIGN(std::string text, ReadFile(options.file));
  if (options.lossy && !IsValidUtf8(text)) text = ReplaceInvalidUtf8(text);
  Encoding encoding;
  {
    const auto progress = session.StartProgress("tokenizing");
    Status encoded = encoder.Encode(text, {!options.no_special_tokens}, encoding);
    if (!encoded) {
      Error error = std::move(encoded).error();
      error.message = fmt::format("{}: {}", options.file == "-" ? "standard input" : options.file, error.message);
      if (error.hint.empty() && !IsValidUtf8(text)) error.hint = "--lossy replaces what is not UTF-8";
      return error;
    }
  }
  if (session.json()) {
    WriteEncodingJson(session.out(), encoding, text.size(), options.offsets);
  } else if (options.ids) {
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      session.out().Write(fmt::format("{}{}", i > 0 ? " " : "", encoding.ids[i]));
    }
    session.out().Write("\n");
  } else {
    WriteTable(session, encoding, text);
  }
  return ExitCode::kOk;
}

Status TokenizeLine(std::string_view line, const Options& options, Encoder& encoder, Encoding& encoding, Output& out) {
  std::string repaired;
  if (options.lossy && !IsValidUtf8(line)) {
    repaired = ReplaceInvalidUtf8(line);
    line = repaired;
  }
  WEIR_ASSIGN(const Json object, Json::Parse(line));
  const Json* text = object.Find("text");
  if (text == nullptr || !text->is_string())
    return InvalidArgument("no member \"text\" that is a string", "{\"text\":\"...\"}");
  WEIR_TRY(encoder.Encode(text->as_string(), {!options.no_special_tokens}, encoding));
  WriteEncodingJson(out, encoding, text->as_string().size(), options.offsets);
  return {};
}

// One result per line, in order; a bad line gives an error object with its number.
Result<ExitCode> TokenizeLines(const Options& options, Session& session, Encoder& encoder) {
  WEIR_ASSIGN(LineReader reader, LineReader::Open(options.file));
  Encoding encoding;
  size_t good = 0;
  size_t bad = 0;
  const auto flush = [&] { static_cast<void>(session.out().Flush()); };  // a failure is reported at the end
  for (uint64_t number = 1; !session.out().failed(); ++number) {
    WEIR_ASSIGN(const std::optional<std::string_view> line, reader.Next(kLineBytesMax, flush));
    if (!line) break;
    if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Status done = TokenizeLine(*line, options, encoder, encoding, session.out());
    done ? ++good : ++bad;
    if (done) continue;
    Json error = ErrorJson(done.error());
    error.Find("error")->Set("line", number);
    session.WriteJson(error);
    session.Note(fmt::format("line {}: {}", number, done.error().ToString()));
  }
  if (bad == 0) return ExitCode::kOk;
  return good == 0 ? ExitCode::kBadData : ExitCode::kPartial;
}

Result<ExitCode> DecodeIds(const Options& options, Session& session, const Tokenizer& tokenizer) {
  WEIR_ASSIGN(const std::string input, ReadFile(options.file));
  WEIR_ASSIGN(const std::vector<TokenId> ids, ParseTokenIds(input));
  WEIR_ASSIGN(const std::string text, tokenizer.Decode(ids));
  if (!session.json()) {
    session.out().Write(text);  // exact bytes
    return ExitCode::kOk;
  }
  Json object = Json::MakeObject();
  object.Set("tokens", uint64_t{ids.size()});
  object.Set("text", IsValidUtf8(text) ? Json(text) : Json());
  object.Set("bytes", HexOf(text));
  session.WriteJson(object);
  return ExitCode::kOk;
}

Result<ExitCode> Run(const Options& options, Session& session) {
  if (options.decode && (options.jsonl || options.offsets)) {
    return session.As(ExitCode::kUsage, InvalidArgument("--decode goes with neither --jsonl nor --offsets"));
  }
  WEIR_ASSIGN(const LoadedTokenizer loaded, LoadChosenTokenizer(session));
  if (options.decode) return DecodeIds(options, session, *loaded.tokenizer);
  const std::unique_ptr<Encoder> encoder = loaded.tokenizer->NewEncoder();
  return options.jsonl ? TokenizeLines(options, session, *encoder) : TokenizeText(options, session, *encoder);
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("FILE", options->file, "The text; - is standard input", false, ValueKind::kFile);
  flags.Setting("tokenizer");
  flags.Switch("--jsonl", options->jsonl, "One {\"text\"} per line in, one JSON result per line out");
  flags.Switch("--offsets", options->offsets, "With JSON, also the bytes [begin,end) that each token covers");
  flags.Switch("--ids", options->ids, "Only the ids, separated by blanks");
  flags.Switch("--decode", options->decode, "The other way: ids in, the exact bytes out");
  flags.Switch("--lossy", options->lossy, "Replace what is not UTF-8 by U+FFFD");
  flags.Switch("--no-special-tokens", options->no_special_tokens,
               "Leave out what the tokenizer puts around a text, such as a begin-of-text token");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command TokenizeCommand() {
  return {
      .name = "tokenize",
      .summary = "text to the exact token ids of a model, and back",
      .description =
          "Gives the ids that Hugging Face's tokenizers library gives for the same tokenizer.json, added and "
          "special tokens included. A bad line of --jsonl gives an error object with its line number; the "
          "others are still processed, and the exit code is 3.",
      .examples = {{"echo 'Hello world' | weir tokenize --tokenizer qwen3", "a table of tokens"},
                   {"weir tokenize prompt.txt --tokenizer path/to/tokenizer.json --json", "{\"tokens\":N,\"ids\":[...]}"},
                   {"weir tokenize --jsonl texts.jsonl --tokenizer qwen3", "many texts, one result a line"},
                   {"echo 9707 1879 | weir tokenize --decode --tokenizer qwen3", "ids to text"}},
      .declare = Declare};
}

}  // namespace weir
