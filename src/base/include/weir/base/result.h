#pragma once
// Result<T>: a value, or an Error that says what went wrong and what to do about it.
//
// For operating failures and bad input (a file, a peer, a user). A normal outcome such as a cache miss is an optional
// or an enum; a bug of ours is a WEIR_CHECK. Member names follow std::expected. Thread rule: a plain value.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "weir/base/check.h"

namespace weir {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong; the same call fails again
  kNotFound,
  kAlreadyExists,
  kExhausted,    // a budget or a queue is full; may succeed later
  kUnavailable,  // a peer, a file system or a device did not answer; may succeed later
  kDeadline,
  kCorrupt,      // stored or received bytes fail their check
  kUnsupported,  // valid, but a feature that this build refuses by name
  kInternal,
};

// Lower-case, stable: "invalid_argument", "not_found", ...
std::string_view ErrorCodeName(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // what is wrong, with the place (file, line, byte); never prompt text
  std::string hint;     // what to do; may be empty

  // "message" or "message (hint)".
  std::string ToString() const;
};

inline Error InvalidArgument(std::string message, std::string hint = {}) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(hint)};
}
inline Error NotFound(std::string message, std::string hint = {}) {
  return {ErrorCode::kNotFound, std::move(message), std::move(hint)};
}
inline Error Exhausted(std::string message, std::string hint = {}) {
  return {ErrorCode::kExhausted, std::move(message), std::move(hint)};
}
inline Error Unavailable(std::string message, std::string hint = {}) {
  return {ErrorCode::kUnavailable, std::move(message), std::move(hint)};
}
inline Error Unsupported(std::string message, std::string hint = {}) {
  return {ErrorCode::kUnsupported, std::move(message), std::move(hint)};
}
inline Error Corrupt(std::string message, std::string hint = {}) {
  return {ErrorCode::kCorrupt, std::move(message), std::move(hint)};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value().
  T& value() & { return WEIR_CHECK(has_value(), "value() of an error: {}", error_text()), std::get<0>(state_); }
  const T& value() const& { return WEIR_CHECK(has_value(), "value() of an error: {}", error_text()), std::get<0>(state_); }
  T&& value() && { return WEIR_CHECK(has_value(), "value() of an error: {}", error_text()), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !has_value().
  const Error& error() const& { return WEIR_CHECK(!has_value(), "error() of a value"), std::get<1>(state_); }
  Error&& error() && { return WEIR_CHECK(!has_value(), "error() of a value"), std::get<1>(std::move(state_)); }

 private:
  std::string error_text() const { return has_value() ? std::string() : std::get<1>(state_).ToString(); }

  std::variant<T, Error> state_;
};

// Result<void>: success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const { WEIR_CHECK(has_value(), "value() of an error: {}", error_->ToString()); }
  const Error& error() const& { return WEIR_CHECK(!has_value(), "error() of a value"), *error_; }
  Error&& error() && { return WEIR_CHECK(!has_value(), "error() of a value"), *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace weir

// Hands an error up: WEIR_TRY(expression of type Result<void>);
#define WEIR_TRY(expression)                             \
  do {                                                   \
    if (auto weir_status = (expression); !weir_status) { \
      return std::move(weir_status).error();             \
    }                                                    \
  } while (false)

#define WEIR_CONCAT_INNER(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_INNER(a, b)
// WEIR_ASSIGN(auto x, expression of type Result<X>); hands an error up, else moves the value into x.
#define WEIR_ASSIGN(target, expression) WEIR_ASSIGN_INNER(WEIR_CONCAT(weir_result_, __COUNTER__), target, expression)
#define WEIR_ASSIGN_INNER(name, target, expression) \
  auto name = (expression);                         \
  if (!name) return std::move(name).error();        \
  target = *std::move(name)
