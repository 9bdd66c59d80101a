// The one place that sees hnswlib (0.6.2).
//
// What it needs for good is allocated here, in an order in which each step may fail, because its own constructor and
// resizeIndex leak or leave it broken when memory is refused. What it asks malloc for by itself (links of the upper
// levels) comes from operator new, so that one allocator counts and refuses everything. Its locks, two for each node, are
// empty: a graph belongs to one thread.

#include "vector_linker.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#define NO_MANUAL_VECTORIZATION  // the distance is ours
// What the code of that namespace finds before the C and C++ libraries' own.
namespace hnswlib {
inline void* malloc(size_t size) { return ::operator new(size, std::nothrow); }
inline void free(void* block) { ::operator delete(block); }
namespace std {
using namespace ::std;
struct mutex {
  void lock() {}
  void unlock() {}
};
}  // namespace std
}  // namespace hnswlib
#include <hnswlib/hnswlib.h>

namespace weir::internal {

namespace {

using hnswlib::labeltype;
using hnswlib::linklistsizeint;
using Lock = hnswlib::std::mutex;
using hnswlib::tableint;

struct Space {
  VectorDot dot;
  uint32_t size;
};

// A point is the address of its vector.
float Distance(const void* a, const void* b, const void* space) {
  const float* x = nullptr;
  const float* y = nullptr;
  std::memcpy(&x, a, sizeof(x));
  std::memcpy(&y, b, sizeof(y));
  const auto* const how = static_cast<const Space*>(space);
  return 1 - how->dot(x, y, how->size);
}

}  // namespace

class VectorLinker::Graph : public hnswlib::HierarchicalNSW<float> {
 public:
  using Base = hnswlib::HierarchicalNSW<float>;

  Graph(MemoryMeter& meter, const VectorOptions& options, VectorDot dot, uint32_t size)
      : Base(nullptr), meter_(meter), space_{dot, size} {
    max_elements_ = 0;
    cur_element_count = 0;
    num_deleted_ = 0;
    M_ = options.links;
    maxM_ = M_;
    maxM0_ = 2 * M_;
    ef_construction_ = std::max<size_t>(options.ef_construction, M_);
    ef_ = 1;
    mult_ = 1 / std::log(static_cast<double>(M_));
    revSize_ = 1 / mult_;
    maxlevel_ = -1;
    enterpoint_node_ = static_cast<tableint>(-1);
    data_size_ = sizeof(const float*);
    size_links_level0_ = maxM0_ * sizeof(tableint) + sizeof(linklistsizeint);
    size_links_per_element_ = maxM_ * sizeof(tableint) + sizeof(linklistsizeint);
    size_data_per_element_ = size_links_level0_ + data_size_ + sizeof(labeltype);
    offsetLevel0_ = 0;
    offsetData_ = size_links_level0_;
    label_offset_ = size_links_level0_ + data_size_;
    fstdistfunc_ = Distance;
    dist_func_param_ = &space_;
    level_generator_.seed(static_cast<uint32_t>(options.seed));
    update_probability_generator_.seed(static_cast<uint32_t>(options.seed));
    data_level0_memory_ = nullptr;
    linkLists_ = nullptr;
    visited_list_pool_ = nullptr;
    meter_.Adopt(this);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    DropVisited();
    for (size_t node = 0; node < counted_; ++node) {
      if (element_levels_[node] > 0) meter_.Disown(linkLists_[node]);
    }
    for (size_t node = 0; node < cur_element_count; ++node) {
      if (element_levels_[node] > 0) hnswlib::free(linkLists_[node]);
    }
    cur_element_count = 0;
    meter_.Free(std::exchange(data_level0_memory_, nullptr));
    meter_.Free(std::exchange(linkLists_, nullptr));
    if (labels_counted_) meter_.Count(-kLabelBytes);
    meter_.Disown(element_levels_.data());
    meter_.Disown(link_list_locks_.data());
    meter_.Disown(link_list_update_locks_.data());
    meter_.Disown(this);
  }

  void Reserve() {
    if (cur_element_count < max_elements_) return;
    const size_t capacity = max_elements_ + max_elements_ / 8 + 64;
    meter_.Admit((size_data_per_element_ + sizeof(char*) + sizeof(int) + 2 * sizeof(Lock)) * capacity);
    // The vectors' memory is counted when they have it; whatever throws leaves a graph that is as large as before.
    Resize(element_levels_, capacity);
    Exchange(link_list_locks_, capacity);
    const size_t update_locks = std::min<size_t>(capacity, max_update_element_locks);
    if (update_locks > link_list_update_locks_.size()) Exchange(link_list_update_locks_, update_locks);
    GrowBlock(data_level0_memory_, size_data_per_element_, capacity);
    GrowBlock(linkLists_, sizeof(char*), capacity);
    if (!labels_counted_) {
      label_lookup_.reserve(1);
      meter_.Count(kLabelBytes);
      labels_counted_ = true;
    }
    MakeVisited(capacity);
    max_elements_ = capacity;
  }

  void Insert(const float* vector) {
    const size_t node = cur_element_count;
    addPoint(&vector, node);
    // A label is its node's number; the table that says so would only cost memory.
    label_lookup_.clear();
    if (element_levels_[node] > 0) meter_.Adopt(linkLists_[node]);
    counted_ = node + 1;
  }

 private:
  template <typename T>
  void Resize(std::vector<T>& items, size_t count) {
    std::vector<T> larger;
    larger.reserve(count);
    larger.assign(items.begin(), items.end());
    larger.resize(count);
    meter_.Disown(items.data());
    items.swap(larger);
    meter_.Adopt(items.data());
  }
  void Exchange(std::vector<Lock>& locks, size_t count) {
    std::vector<Lock> larger(count);
    meter_.Disown(locks.data());
    locks.swap(larger);
    meter_.Adopt(locks.data());
  }
  template <typename T>
  void GrowBlock(T*& block, size_t each, size_t capacity) {
    auto* const larger = static_cast<T*>(meter_.Allocate(each * capacity));
    if (block != nullptr) std::memcpy(larger, block, each * cur_element_count);
    std::memset(reinterpret_cast<char*>(larger) + each * cur_element_count, 0, each * (capacity - cur_element_count));
    meter_.Free(std::exchange(block, larger));
  }

  // A search takes a list of what it visited out of the pool and brings it back, but for one that an exception ended.
  void MakeVisited(size_t capacity) {
    auto pool = std::make_unique<hnswlib::VisitedListPool>(0, static_cast<int>(capacity));
    hnswlib::VisitedList* const list = pool->getFreeVisitedList();
    try {
      pool->releaseVisitedList(list);
    } catch (...) {
      delete list;
      throw;
    }
    DropVisited();
    visited_ = list;
    visited_list_pool_ = pool.release();
    meter_.Count(VisitedBytes());
  }
  void DropVisited() noexcept {
    if (visited_list_pool_ == nullptr) return;
    meter_.Count(-VisitedBytes());
    hnswlib::VisitedList* list = nullptr;
    try {
      list = visited_list_pool_->getFreeVisitedList();
    } catch (const std::bad_alloc&) {  // the pool is empty
    }
    if (list != visited_) delete list;
    delete visited_;
    delete std::exchange(visited_list_pool_, nullptr);
  }
  uint64_t VisitedBytes() const {
    return malloc_usable_size(visited_->mass) + malloc_usable_size(visited_) + malloc_usable_size(visited_list_pool_) +
           kDequeBytes;
  }

  // What the allocator gives for the standard library's own: a deque's map and two nodes, the buckets of a table of one.
  static constexpr uint64_t kDequeBytes = 72 + 2 * 520;
  static constexpr uint64_t kLabelBytes = 24;

  MemoryMeter& meter_;
  Space space_;
  hnswlib::VisitedList* visited_ = nullptr;
  size_t counted_ = 0;  // nodes whose upper links are counted
  bool labels_counted_ = false;
};

VectorLinker::VectorLinker(MemoryMeter& meter, const VectorOptions& options, VectorDot dot, uint32_t size)
    : graph_(std::make_unique<Graph>(meter, options, dot, size)) {}
VectorLinker::~VectorLinker() = default;

void VectorLinker::Reserve() { graph_->Reserve(); }

bool VectorLinker::Insert(const float* vector) {
  try {
    graph_->Insert(vector);
    return true;
  } catch (const std::exception&) {  // std::bad_alloc, or a std::runtime_error that says the same
    return false;
  }
}

uint32_t VectorLinker::size() const { return static_cast<uint32_t>(graph_->cur_element_count); }
uint32_t VectorLinker::LevelOf(uint32_t node) const { return static_cast<uint32_t>(graph_->element_levels_[node]); }
std::span<const uint32_t> VectorLinker::LinksOf(uint32_t node, uint32_t level) const {
  const linklistsizeint* const list = graph_->get_linklist_at_level(node, static_cast<int>(level));
  return {list + 1, *list & 0xffff};
}
uint32_t VectorLinker::entry() const { return graph_->enterpoint_node_; }

}  // namespace weir::internal
