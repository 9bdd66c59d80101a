#pragma once
// Embedder: token ids of texts to vectors of meaning. The seam beneath every cache and search.
//
// Text does not come in here: `tokens` makes the ids, special tokens included, as the model's own tokenizer does. Thread
// rule: an Embedder is safe from all threads; concurrent calls share its workers. Vectors have length 1.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// How the vectors of a text's tokens become one.
enum class Pooling {
  kMean,  // the average over all tokens
  kCls,   // the first token's
  kLast,  // the last token's
};

// "mean", "cls", "last".
std::string_view PoolingName(Pooling pooling);

struct EmbedOptions {
  // Matryoshka truncation: the first this many numbers, brought back to length 1. 0: all of them.
  uint32_t dimensions = 0;
  // Cut an over-long text to tokens_max(); an ending special token stays. Otherwise it is an error of that text.
  bool truncate = false;
};

// One item a text, in the order given.
struct Embeddings {
  uint32_t dimensions = 0;
  std::vector<float> vectors;  // items.size() x dimensions, row after row; a failed item's row is all 0
  std::vector<Status> items;

  std::span<const float> vector(size_t item) const { return {vectors.data() + item * dimensions, dimensions}; }
};

class Embedder {
 public:
  virtual ~Embedder() = default;

  // Of a whole vector.
  virtual uint32_t dimensions() const = 0;
  // Whether this many may be asked for: 0, dimensions(), or a Matryoshka size of the model.
  virtual bool allows_dimensions(uint32_t dimensions) const = 0;
  // The most tokens a text may have, special tokens included.
  virtual uint32_t tokens_max() const = 0;
  // Ids are below this.
  virtual uint32_t vocab_size() const = 0;
  virtual Pooling pooling() const = 0;
  // What decides the vectors: 64 hexadecimal digits, from the SHA-256 of the model's file and the pooling. Equal means
  // interchangeable; what caches key on.
  virtual const std::string& fingerprint() const = 0;
  // Bytes held now, weights and scratch of all workers, as the library states them.
  virtual uint64_t memory_bytes() const = 0;

  // Replaces `out`; blocks until all are done; any number of texts, none is fine. Fails as a whole only for `options`
  // (invalid_argument: dimensions that the model lacks). Of an item: invalid_argument (no tokens, an id outside the
  // vocabulary, or over-long, with the count), exhausted (memory refused), internal (the library gave up or made
  // something that is not a number). One item's failure leaves the others whole.
  virtual Status Embed(std::span<const std::span<const TokenId>> texts, const EmbedOptions& options, Embeddings& out) = 0;
};

}  // namespace weir
