#pragma once
// Undo: takes back a step that was done, unless everything came through. Internal to `registry`.

#include <utility>

namespace weir::registry {

template <typename Step>
class Undo {
 public:
  explicit Undo(Step step) : step_(std::move(step)) {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (!kept_) step_();
  }
  // What was done stays.
  void Keep() { kept_ = true; }

 private:
  Step step_;
  bool kept_ = false;
};

}  // namespace weir::registry
