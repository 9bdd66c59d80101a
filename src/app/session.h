#pragma once
// Session: what a running command has at hand: settings, standard output, messages, progress.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "environment.h"
#include "exit_code.h"
#include "output.h"
#include "settings.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/report/text.h"

namespace weir {

// Columns to draw in: $COLUMNS, else the terminal's, else 100; within bounds that people can read.
size_t DrawingWidth(const Environment& environment);

// {"error":{"code","message","hint"}}
Json ErrorJson(const Error& error);

// One line on standard error that says what takes long, drawn only on a terminal and only after a moment. Thread-safe.
class Progress {
 public:
  Progress(bool enabled, std::string_view task);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Replaces what follows the task's name, for example "12 of 40 files".
  void Update(std::string detail);

 private:
  void Draw();

  const std::string task_;
  std::mutex mutex_;  // guards detail_, done_
  std::condition_variable wake_;
  std::string detail_;
  bool done_ = false;
  std::thread thread_;
};

// One thread, except StartProgress()'s result.
class Session {
 public:
  struct Parts {
    std::string command;  // "share"
    Environment environment;
    Settings settings;
    std::filesystem::path config_file;
    bool json = false;
    std::optional<Error> settings_error{};  // the settings could not be read and are the defaults
  };

  Session(Parts parts, Output& out);

  const Environment& environment() const { return parts_.environment; }
  const Settings& settings() const { return parts_.settings; }
  const std::optional<Error>& settings_error() const { return parts_.settings_error; }
  const std::filesystem::path& config_file() const { return parts_.config_file; }
  bool json() const { return parts_.json; }
  Output& out() { return out_; }
  const TextStyle& style() const { return style_; }

  // Prints the error the way the caller asked for (text, or JSON with --json) and returns `code`.
  ExitCode Fail(ExitCode code, const Error& error) const;
  // Marks an error of the command's body: it ends with `code` instead of the one that ExitCodeOf() gives.
  Error As(ExitCode code, Error error) {
    failure_code_ = code;
    return error;
  }
  ExitCode FailureCode(const Error& error) const { return failure_code_.value_or(ExitCodeOf(error)); }
  // A message for people on standard error; nothing with --json.
  void Note(std::string_view text) const;
  void WriteJson(const Json& value);  // one line on standard output

  // Shows that `task` is running until the result is destroyed.
  std::unique_ptr<Progress> StartProgress(std::string_view task) const;

 private:
  Parts parts_;
  Output& out_;
  TextStyle style_;
  std::optional<ExitCode> failure_code_;
};

// For errors before there is a session.
void PrintError(std::string_view command, const Error& error, bool json);

}  // namespace weir
