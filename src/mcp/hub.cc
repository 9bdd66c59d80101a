#include "hub.h"

#include <utility>

namespace weir::mcp {

std::string_view Change::method() const {
  switch (kind) {
    case Kind::kTools: return "notifications/tools/list_changed";
    case Kind::kPrompts: return "notifications/prompts/list_changed";
    case Kind::kResources: return "notifications/resources/list_changed";
    case Kind::kUpdated: break;
  }
  return "notifications/resources/updated";
}

void Hub::Add(const std::shared_ptr<Listener>& listener) {
  const std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [](const std::weak_ptr<Listener>& one) { return one.expired(); });
  listeners_.push_back(listener);
}

std::vector<std::shared_ptr<Listener>> Hub::Living() {
  std::vector<std::shared_ptr<Listener>> living;
  const std::lock_guard lock(mutex_);
  for (const std::weak_ptr<Listener>& one : listeners_) {
    if (std::shared_ptr<Listener> listener = one.lock()) living.push_back(std::move(listener));
  }
  return living;
}

uint64_t Hub::Tell(const Change& change) {
  uint64_t told = 0;
  for (const std::shared_ptr<Listener>& listener : Living()) told += listener->Tell(change) ? 1 : 0;
  return told;
}

uint64_t Hub::TellAll(const std::optional<std::string>& workspace) {
  uint64_t told = 0;
  for (const std::shared_ptr<Listener>& listener : Living()) {
    for (std::string& uri : listener->Subscribed()) {
      told += listener->Tell({Change::Kind::kUpdated, std::move(uri), workspace}) ? 1 : 0;
    }
  }
  return told;
}

}  // namespace weir::mcp
