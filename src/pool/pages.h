#pragma once
// Pages: every byte that a pool takes from the kernel and gives back, counted in one place.
//
// PageSource is the seam (the kernel, or a test that refuses); Pages counts on top of it; PagedArray is the one container
// for a pool's index and queues. Nothing in a pool's data path comes from malloc. Sizes are multiples of 4096 bytes.
// Threads: PageSource and Pages from any thread; a PagedArray belongs to whoever guards it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace weir::pool {

inline constexpr uint64_t kPageBytes = 4096;
inline uint64_t RoundUp(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class PageSource {
 public:
  virtual ~PageSource() = default;
  // Address space without memory, aligned to 2 MiB; null: refused.
  virtual std::byte* Reserve(uint64_t bytes) = 0;
  virtual void Unreserve(std::byte* at, uint64_t bytes) = 0;
  // Makes a part of a reservation usable (zero pages); false: refused.
  virtual bool Commit(std::byte* at, uint64_t bytes) = 0;
  // Gives its pages back; the range is reserved again.
  virtual void Decommit(std::byte* at, uint64_t bytes) = 0;
  // A mapping of its own, zero pages; null: refused.
  virtual std::byte* Map(uint64_t bytes) = 0;
  virtual void Unmap(std::byte* at, uint64_t bytes) = 0;
};

PageSource& KernelPages();  // stateless

class Pages {
 public:
  explicit Pages(PageSource& source) : source_(source) {}
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  std::byte* Reserve(uint64_t bytes) { return source_.Reserve(bytes); }
  void Unreserve(std::byte* at, uint64_t bytes) { source_.Unreserve(at, bytes); }
  bool Commit(std::byte* at, uint64_t bytes) { return source_.Commit(at, bytes) && Count(bytes); }
  void Decommit(std::byte* at, uint64_t bytes) { source_.Decommit(at, bytes), Uncount(bytes); }
  std::byte* Map(uint64_t bytes) {
    std::byte* at = source_.Map(bytes);
    if (at != nullptr) Count(bytes);
    return at;
  }
  void Unmap(std::byte* at, uint64_t bytes) { source_.Unmap(at, bytes), Uncount(bytes); }

  uint64_t mapped_bytes() const { return mapped_bytes_.load(std::memory_order_relaxed); }
  uint64_t released_bytes() const { return released_bytes_.load(std::memory_order_relaxed); }

 private:
  bool Count(uint64_t bytes) { return mapped_bytes_.fetch_add(bytes, std::memory_order_relaxed), true; }
  void Uncount(uint64_t bytes) {
    mapped_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    released_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  PageSource& source_;
  std::atomic<uint64_t> mapped_bytes_{0};
  std::atomic<uint64_t> released_bytes_{0};
};

// A zero-filled array in pages of its own. T is plain. Move-only; refuses instead of throwing.
template <typename T>
class PagedArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  PagedArray() = default;
  PagedArray(PagedArray&& other) noexcept { swap(other); }
  PagedArray& operator=(PagedArray&& other) noexcept {
    PagedArray(std::move(other)).swap(*this);
    return *this;
  }
  ~PagedArray() {
    if (data_ != nullptr) pages_->Unmap(reinterpret_cast<std::byte*>(data_), mapped_bytes());
  }

  // At least `count` elements, as many as fill the last page. False: refused, *this unchanged.
  // REQUIRES: *this is empty.
  bool Allocate(Pages& pages, uint64_t count) {
    const uint64_t bytes = RoundUp(count * sizeof(T), kPageBytes);
    std::byte* at = pages.Map(bytes);
    if (at == nullptr) return false;
    pages_ = &pages;
    data_ = reinterpret_cast<T*>(at);
    bytes_ = bytes;
    return true;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](uint64_t i) { return data_[i]; }
  const T& operator[](uint64_t i) const { return data_[i]; }
  uint64_t size() const { return bytes_ / sizeof(T); }
  uint64_t mapped_bytes() const { return bytes_; }
  bool empty() const { return data_ == nullptr; }

  void swap(PagedArray& other) noexcept {
    std::swap(pages_, other.pages_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

 private:
  Pages* pages_ = nullptr;
  T* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace weir::pool
