#pragma once
// WordPieceConfig: all of a WordPiece tokenizer.json but its vocabulary, checked and resolved. A plain value.
//
// As with BPE, what could change an id and is not implemented exactly is refused by name. `truncation` and `padding` are
// not applied: how long a text may be is for the caller to say.

#include <cstdint>
#include <string>

#include "bert_characters.h"
#include "tokenizer_config.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir::wordpiece {

struct WordPieceConfig : bpe::SharedConfig {
  BertRules rules;
  std::string unknown;  // text of the unknown token
  std::string going_on;
  uint32_t chars_max = 0;
  bool has_decoder = false;
  std::string decoder_prefix;
  bool cleans_up = false;
};

// From the document without model.vocab, and the model without it. unsupported and invalid_argument as ResolveConfig().
Result<WordPieceConfig> ResolveWordPieceConfig(const Json& document, const Json& model,
                                               const bpe::VocabularyFacts& vocabulary);
// A canonical form, for the fingerprint.
Json WordPieceConfigToJson(const WordPieceConfig& config);

}  // namespace weir::wordpiece
