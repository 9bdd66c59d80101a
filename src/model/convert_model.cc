#include "weir/model/convert_model.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "gguf_writer.h"
#include "llama_library.h"
#include "safetensors.h"
#include "weir/base/file.h"
#include "weir/codec/json.h"

namespace weir {
namespace {

constexpr uint64_t kConfigBytesMax = 64 << 20;

Result<Json> ReadJson(const std::filesystem::path& file) {
  WEIR_ASSIGN(const std::string text, ReadFile(file, kConfigBytesMax));
  Result<Json> parsed = Json::Parse(text);
  if (!parsed) return Corrupt(fmt::format("{}: {}", file.string(), parsed.error().message));
  return parsed;
}

struct BertConfig {
  uint32_t layers = 0;
  uint32_t width = 0;
  uint32_t inner = 0;
  uint32_t heads = 0;
  uint32_t positions = 0;
  uint32_t token_types = 0;
  uint32_t vocab = 0;
  float epsilon = 0;
  Pooling pooling = Pooling::kMean;
};

Result<uint32_t> Number(const Json& config, std::string_view member) {
  const Json* value = config.Find(member);
  const int64_t* number = value ? value->get_if_int() : nullptr;
  if (!number || *number <= 0 || *number > (1 << 24)) return Corrupt(fmt::format("config.json: no sound '{}'", member));
  return static_cast<uint32_t>(*number);
}

bool Says(const Json& config, std::string_view member, std::string_view wanted) {
  const Json* value = config.Find(member);
  return value && value->is_string() && value->as_string() == wanted;
}

Result<Pooling> ReadPooling(const std::filesystem::path& folder) {
  WEIR_ASSIGN(const Json config, ReadJson(folder / "1_Pooling" / "config.json"));
  const auto on = [&](std::string_view member) {
    const Json* value = config.Find(member);
    return value && value->is_bool() && value->as_bool();
  };
  if (on("pooling_mode_mean_tokens") && !on("pooling_mode_cls_token")) return Pooling::kMean;
  if (on("pooling_mode_cls_token") && !on("pooling_mode_mean_tokens")) return Pooling::kCls;
  return Unsupported("1_Pooling/config.json asks for a pooling other than mean or cls");
}

Result<BertConfig> ReadConfig(const std::filesystem::path& folder) {
  WEIR_ASSIGN(const Json json, ReadJson(folder / "config.json"));
  if (!Says(json, "model_type", "bert") || !Says(json, "hidden_act", "gelu")) {
    return Unsupported("config.json describes no BERT encoder with gelu; only those are converted",
                       "give a GGUF file by its path instead");
  }
  if (json.Find("position_embedding_type") && !Says(json, "position_embedding_type", "absolute")) {
    return Unsupported("config.json: positions that are not absolute");
  }
  BertConfig config;
  WEIR_ASSIGN(config.layers, Number(json, "num_hidden_layers"));
  WEIR_ASSIGN(config.width, Number(json, "hidden_size"));
  WEIR_ASSIGN(config.inner, Number(json, "intermediate_size"));
  WEIR_ASSIGN(config.heads, Number(json, "num_attention_heads"));
  WEIR_ASSIGN(config.positions, Number(json, "max_position_embeddings"));
  WEIR_ASSIGN(config.token_types, Number(json, "type_vocab_size"));
  WEIR_ASSIGN(config.vocab, Number(json, "vocab_size"));
  const Json* epsilon = json.Find("layer_norm_eps");
  if (!epsilon || !epsilon->is_number()) return Corrupt("config.json: no 'layer_norm_eps'");
  config.epsilon = static_cast<float>(epsilon->as_double());
  if (config.width % config.heads != 0 || config.width % 32 != 0 || config.inner % 32 != 0 || config.layers > 256) {
    return Unsupported("config.json: sizes that are not multiples of 32, or heads that do not divide the width");
  }
  WEIR_ASSIGN(config.pooling, ReadPooling(folder));
  return config;
}

void WriteConfig(const BertConfig& config, WeightType type, GgufWriter& out) {
  out.Set("general.architecture", std::string_view("bert"));
  out.Set("general.alignment", 32u);
  out.Set("general.file_type", type == WeightType::kF32 ? 0u : type == WeightType::kF16 ? 1u : 7u);
  out.Set("general.quantization_version", 2u);
  out.Set("bert.block_count", config.layers);
  out.Set("bert.context_length", config.positions);
  out.Set("bert.embedding_length", config.width);
  out.Set("bert.feed_forward_length", config.inner);
  out.Set("bert.attention.head_count", config.heads);
  out.Set("bert.attention.layer_norm_epsilon", config.epsilon);
  out.Set("bert.attention.causal", false);
  out.Set("bert.pooling_type", config.pooling == Pooling::kMean ? 1u : 2u);
}

// The vocabulary as the library's own WordPiece wants it: a continuation without its ##, a beginning with U+2581.
Status WriteVocabulary(const Json& tokenizer, const BertConfig& config, GgufWriter& out) {
  const Json* model = tokenizer.Find("model");
  const Json* vocab = model ? model->Find("vocab") : nullptr;
  if (!model || !Says(*model, "type", "WordPiece") || !vocab || !vocab->is_object()) {
    return Unsupported("tokenizer.json holds no WordPiece vocabulary");
  }
  constexpr int32_t kNormal = 1;
  constexpr int32_t kControl = 3;
  std::vector<std::string> tokens(config.vocab);
  std::vector<int32_t> types(config.vocab, kNormal);
  for (const auto& [text, id] : vocab->as_object()) {
    const int64_t* number = id.get_if_int();
    if (!number || *number < 0 || *number >= config.vocab) return Corrupt("tokenizer.json: an id outside the vocabulary");
    tokens[static_cast<size_t>(*number)] = text.starts_with("##") ? text.substr(2) : "\u2581" + text;
  }
  const Json* added = tokenizer.Find("added_tokens");
  if (added && added->is_array()) {
    for (const Json& token : added->as_array()) {
      const Json* id = token.Find("id");
      const Json* content = token.Find("content");
      const int64_t* number = id ? id->get_if_int() : nullptr;
      if (!number || *number < 0 || *number >= config.vocab || !content || !content->is_string()) {
        return Corrupt("tokenizer.json: an added token without an id inside the vocabulary");
      }
      tokens[static_cast<size_t>(*number)] = content->as_string();
      types[static_cast<size_t>(*number)] = kControl;
    }
  }
  out.Set("tokenizer.ggml.model", std::string_view("bert"));
  out.Set("tokenizer.ggml.pre", std::string_view("default"));
  out.Set("tokenizer.ggml.tokens", tokens);
  out.Set("tokenizer.ggml.token_type", types);
  out.Set("tokenizer.ggml.token_type_count", config.token_types);
  const std::pair<std::string_view, const char*> specials[] = {{"[UNK]", "tokenizer.ggml.unknown_token_id"},
                                                               {"[SEP]", "tokenizer.ggml.seperator_token_id"},
                                                               {"[PAD]", "tokenizer.ggml.padding_token_id"},
                                                               {"[CLS]", "tokenizer.ggml.cls_token_id"},
                                                               {"[MASK]", "tokenizer.ggml.mask_token_id"}};
  for (const auto& [text, key] : specials) {
    const Json* id = vocab->Find(text);
    if (id && id->get_if_int()) out.Set(key, static_cast<uint32_t>(*id->get_if_int()));
  }
  return {};
}

// One tensor: its name there and here, and how it is kept.
Status CopyTensor(const SafeTensors& from, const std::string& name, const std::string& as, std::vector<uint64_t> shape,
                  WeightType type, GgufWriter& out) {
  const SafeTensor* tensor = from.Find(name);
  if (!tensor) tensor = from.Find("bert." + name);
  if (!tensor) return Corrupt(fmt::format("model.safetensors lacks '{}'", name));
  if (tensor->dtype != "F32") return Unsupported(fmt::format("'{}' is {}; only F32 is converted", name, tensor->dtype));
  if (tensor->shape != shape) {
    return Corrupt(fmt::format("'{}' has shape [{}]; config.json says [{}]", name, fmt::join(tensor->shape, ", "),
                               fmt::join(shape, ", ")));
  }
  std::vector<float> values(tensor->bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  for (float value : values) {
    if (!std::isfinite(value)) return Corrupt(fmt::format("'{}' holds a value that is not finite", name));
  }
  out.AddTensor(as, shape, values, type);
  return {};
}

Status WriteLayer(const SafeTensors& from, const BertConfig& config, uint32_t layer, WeightType type, GgufWriter& out) {
  const uint64_t width = config.width;
  const uint64_t inner = config.inner;
  struct Part {
    const char* there;
    const char* here;
    uint64_t rows;
    uint64_t columns;  // 0: a vector alone, of `rows`
  };
  const Part parts[] = {{"attention.self.query", "attn_q", width, width},
                        {"attention.self.key", "attn_k", width, width},
                        {"attention.self.value", "attn_v", width, width},
                        {"attention.output.dense", "attn_output", width, width},
                        {"attention.output.LayerNorm", "attn_output_norm", width, 0},
                        {"intermediate.dense", "ffn_up", inner, width},
                        {"output.dense", "ffn_down", width, inner},
                        {"output.LayerNorm", "layer_output_norm", width, 0}};
  for (const Part& part : parts) {
    const std::string there = fmt::format("encoder.layer.{}.{}", layer, part.there);
    const std::string here = fmt::format("blk.{}.{}", layer, part.here);
    std::vector<uint64_t> shape = {part.rows};
    if (part.columns) shape.push_back(part.columns);
    const WeightType kept = part.columns ? type : WeightType::kF32;
    WEIR_TRY(CopyTensor(from, there + ".weight", here + ".weight", shape, kept, out));
    WEIR_TRY(CopyTensor(from, there + ".bias", here + ".bias", {part.rows}, WeightType::kF32, out));
  }
  return {};
}

Status WriteWeights(const SafeTensors& from, const BertConfig& config, WeightType type, GgufWriter& out) {
  const uint64_t width = config.width;
  WEIR_TRY(CopyTensor(from, "embeddings.word_embeddings.weight", "token_embd.weight", {config.vocab, width}, type, out));
  WEIR_TRY(CopyTensor(from, "embeddings.position_embeddings.weight", "position_embd.weight", {config.positions, width},
                      WeightType::kF32, out));
  WEIR_TRY(CopyTensor(from, "embeddings.token_type_embeddings.weight", "token_types.weight", {config.token_types, width},
                      WeightType::kF32, out));
  WEIR_TRY(CopyTensor(from, "embeddings.LayerNorm.weight", "token_embd_norm.weight", {width}, WeightType::kF32, out));
  WEIR_TRY(CopyTensor(from, "embeddings.LayerNorm.bias", "token_embd_norm.bias", {width}, WeightType::kF32, out));
  for (uint32_t layer = 0; layer < config.layers; ++layer) WEIR_TRY(WriteLayer(from, config, layer, type, out));
  return {};
}

}  // namespace

Status ConvertBert(const std::filesystem::path& folder, WeightType type, const std::filesystem::path& out) {
  WEIR_ASSIGN(const BertConfig config, ReadConfig(folder));
  WEIR_ASSIGN(const Json tokenizer, ReadJson(folder / kModelTokenizerFile));
  WEIR_ASSIGN(const SafeTensors tensors, SafeTensors::Open(folder / "model.safetensors"));
  return Contained(ErrorCode::kInternal, "converting the model", nullptr, [&]() -> Status {
    GgufWriter writer;
    WriteConfig(config, type, writer);
    WEIR_TRY(WriteVocabulary(tokenizer, config, writer));
    WEIR_TRY(WriteWeights(tensors, config, type, writer));
    return writer.Write(out);
  });
}

}  // namespace weir
