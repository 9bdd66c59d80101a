#include "session.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

namespace weir {
namespace {

void WriteStandardError(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;  // nobody is left to tell
    text.remove_prefix(static_cast<size_t>(written));
  }
}

bool WantsColor(const Settings& settings, const Environment& environment, int descriptor) {
  const std::string& when = settings.Text("color");
  if (when == "always") return true;
  if (when == "never" || environment.Get("NO_COLOR") || environment.Get("TERM").value_or("") == "dumb") return false;
  return ::isatty(descriptor) == 1;
}

}  // namespace

size_t DrawingWidth(const Environment& environment) {
  constexpr size_t kWithoutTerminal = 100;
  constexpr size_t kLeast = 40;
  constexpr size_t kMost = 160;  // longer lines are hard to read
  if (const auto columns = environment.Get("COLUMNS")) {
    size_t width = 0;
    const auto parsed = std::from_chars(columns->data(), columns->data() + columns->size(), width);
    if (parsed.ec == std::errc()) return std::clamp(width, kLeast, kMost);
  }
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::clamp<size_t>(size.ws_col, kLeast, kMost);
  return kWithoutTerminal;
}

Json ErrorJson(const Error& error) {
  Json inner = Json::MakeObject();
  inner.Set("code", ErrorCodeName(error.code));
  inner.Set("message", error.message);
  inner.Set("hint", error.hint.empty() ? Json() : Json(error.hint));
  Json outer = Json::MakeObject();
  outer.Set("error", std::move(inner));
  return outer;
}

void PrintError(std::string_view command, const Error& error, bool json) {
  if (json) {
    WriteStandardError(ErrorJson(error).Dump() + "\n");
    return;
  }
  std::string text = fmt::format("weir{}{}: {}\n", command.empty() ? "" : " ", command, Visible(error.message));
  if (!error.hint.empty()) text += fmt::format("  {}\n", Visible(error.hint));
  WriteStandardError(text);
}

Progress::Progress(bool enabled, std::string_view task) : task_(task) {
  if (enabled) thread_ = std::thread([this] { Draw(); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Progress::Update(std::string detail) {
  if (!thread_.joinable()) return;
  const std::lock_guard lock(mutex_);
  detail_.swap(detail);
}

void Progress::Draw() {
  constexpr auto kFirst = std::chrono::milliseconds(400);
  constexpr auto kEvery = std::chrono::milliseconds(120);
  static constexpr std::string_view kFrames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  if (wake_.wait_for(lock, kFirst, [this] { return done_; })) return;
  for (size_t frame = 0; !done_; ++frame) {
    const std::string detail = detail_;
    lock.unlock();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    WriteStandardError(fmt::format("\r\x1b[K{} {}{}{} ({:.1f} s)", kFrames[frame % std::size(kFrames)], task_,
                                   detail.empty() ? "" : ": ", detail, seconds));
    lock.lock();
    wake_.wait_for(lock, kEvery, [this] { return done_; });
  }
  WriteStandardError("\r\x1b[K");
}

Session::Session(Parts parts, Output& out) : parts_(std::move(parts)), out_(out) {
  style_.color = WantsColor(parts_.settings, parts_.environment, STDOUT_FILENO);
  style_.width = DrawingWidth(parts_.environment);
}

ExitCode Session::Fail(ExitCode code, const Error& error) const {
  PrintError(parts_.command, error, parts_.json);
  return code;
}

void Session::Note(std::string_view text) const {
  if (!parts_.json) WriteStandardError(fmt::format("weir {}: {}\n", parts_.command, Visible(text)));
}

void Session::WriteJson(const Json& value) { out_.Line(value.Dump()); }

std::unique_ptr<Progress> Session::StartProgress(std::string_view task) const {
  const bool enabled = ::isatty(STDERR_FILENO) == 1 && parts_.environment.Get("TERM").value_or("dumb") != "dumb";
  return std::make_unique<Progress>(enabled, task);
}

}  // namespace weir
