#pragma once
// The Tokenizer over a WordPiece model.

#include <memory>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"
#include "wordpiece_config.h"
#include "wordpiece_model.h"

namespace weir::wordpiece {

struct LoadedWordPiece {
  WordPieceModel model;
  WordPieceConfig config;
};

std::unique_ptr<Tokenizer> MakeWordPieceTokenizer(LoadedWordPiece loaded);

}  // namespace weir::wordpiece
