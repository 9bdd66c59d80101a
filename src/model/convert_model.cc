#include "weir/model/convert_model.h"

namespace weir {

Status ConvertBert(const std::filesystem::path&, WeightType, const std::filesystem::path&) {
  return Unsupported("models are not converted yet");
}

}  // namespace weir
