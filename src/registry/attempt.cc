#include "attempt.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <utility>

namespace weir::registry {

Core::Attempt::~Attempt() {
  if (has_place_) core_.GivePlaceBack();
  if (is_mapped_) core_.directory_.Unmap(state_->holder);
  if (is_reserved_) core_.directory_.Release(state_->terms.agent);
  if (is_member_) core_.groups_.Leave(*state_, state_->space->space);
  if (is_indexed_) core_.LeaveIndexes(*state_);
  if (is_held_) core_.pool_->Erase(state_->pool_key);
  pin_ = Pin();
  if (has_number_) core_.GiveHolderBack(state_->holder);
}

Status Core::Attempt::TakePlace() {
  WEIR_TRY(core_.TakePlace());
  has_place_ = true;
  return {};
}

Status Core::Attempt::TakeNumber(AgentPtr state) {
  WEIR_ASSIGN(state->holder, core_.TakeHolder());
  state_ = std::move(state);
  has_number_ = true;
  state_->pool_key = {core_.keys_.fetch_add(1, std::memory_order_relaxed) + 1, state_->holder};
  return {};
}

Status Core::Attempt::Hold(std::unique_ptr<Body> body) {
  WEIR_ASSIGN(pin_, core_.Hold(std::move(body), *state_));
  is_held_ = true;
  return {};
}

Status Core::Attempt::EnterIndexes(int reclaims_max) {
  Status entered = core_.EnterIndexes(*state_, body().view(), &body());
  // What is evicted leaves the indexes, too.
  for (int tries = 0; !entered && entered.error().code == ErrorCode::kExhausted && tries < reclaims_max; ++tries) {
    if (core_.pool_->Reclaim(4 * state_->record_bytes, TimePoint::max()).entries == 0) break;
    entered = core_.EnterIndexes(*state_, body().view(), &body());
  }
  is_indexed_ = entered.has_value();
  return entered;
}

Status Core::Attempt::HoldOrEnterCold(std::unique_ptr<Body> body, std::span<const std::byte> record) {
  Status entered = Hold(std::move(body));
  // Nobody makes room for what may as well start cold; for what is pinned, everybody.
  if (entered) entered = EnterIndexes(state_->pinned ? std::numeric_limits<int>::max() : 0);
  if (entered || entered.error().code != ErrorCode::kExhausted) return entered;
  if (is_held_) core_.pool_->Erase(state_->pool_key);
  is_held_ = false;
  pin_ = Pin();
  WEIR_ASSIGN(body, core_.NewBody(record.size()));
  std::memcpy(body->bytes.data(), record.data(), record.size());
  return EnterCold(body->view());
}

Status Core::Attempt::EnterCold(const ContextView& view) {
  WEIR_TRY(core_.EnterIndexes(*state_, view, nullptr));
  is_indexed_ = true;
  return {};
}

Status Core::Attempt::JoinGroup() {
  WEIR_TRY(core_.groups_.Join(*state_, state_->space->space));
  is_member_ = true;
  return {};
}

void Core::Attempt::Reserve() {
  core_.directory_.Reserve(state_->terms.agent);
  is_reserved_ = true;
  core_.directory_.Map(state_);
  is_mapped_ = true;
}

void Core::Attempt::Publish() {
  // Pairs with the acquire in AgentState::VisibleAt.
  state_->published.store(core_.changes_.fetch_add(1, std::memory_order_acq_rel) + 1, std::memory_order_release);
  core_.directory_.Publish(state_);
  core_.CountIn(*state_);
  if (has_place_) core_.GivePlaceBack();
  has_place_ = false;
  has_number_ = is_held_ = is_indexed_ = is_member_ = is_reserved_ = is_mapped_ = false;
}

}  // namespace weir::registry
