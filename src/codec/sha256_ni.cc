// SHA-256 by the SHA extensions of x86 (chosen at run time).

#include "sha256_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>

#define WEIR_SHA_NI __attribute__((target("sha,sse4.1,ssse3"), always_inline)) inline

namespace weir::internal {
namespace {

// The state as the instructions want it: (A,B,E,F) and (C,D,G,H), high word first.
struct Registers {
  __m128i abef;
  __m128i cdgh;
};

WEIR_SHA_NI Registers LoadState(const uint32_t* state) {
  const __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state)), 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4)), 0x1B);
  return {_mm_alignr_epi8(abcd, efgh, 8), _mm_blend_epi16(efgh, abcd, 0xF0)};
}

WEIR_SHA_NI void StoreState(const Registers& registers, uint32_t* state) {
  const __m128i feba = _mm_shuffle_epi32(registers.abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(registers.cdgh, 0xB1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

// Four words of the message schedule a time: window[i % 4] holds words 4i to 4i+3.
struct Schedule {
  __m128i window[4];
};

WEIR_SHA_NI void LoadBlock(const uint8_t* block, Schedule& schedule) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (int i = 0; i < 4; ++i) {
    schedule.window[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + i), big_endian);
  }
}

template <int kStep>
WEIR_SHA_NI void FourRounds(Registers& registers, Schedule& schedule) {
  __m128i* window = schedule.window;
  if constexpr (kStep >= 4) {  // words 4k.. from the four before
    __m128i next = _mm_sha256msg1_epu32(window[kStep % 4], window[(kStep + 1) % 4]);
    next = _mm_add_epi32(next, _mm_alignr_epi8(window[(kStep + 3) % 4], window[(kStep + 2) % 4], 4));
    window[kStep % 4] = _mm_sha256msg2_epu32(next, window[(kStep + 3) % 4]);
  }
  const __m128i words =
      _mm_add_epi32(window[kStep % 4], _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSha256Rounds) + kStep));
  registers.cdgh = _mm_sha256rnds2_epu32(registers.cdgh, registers.abef, words);
  registers.abef = _mm_sha256rnds2_epu32(registers.abef, registers.cdgh, _mm_shuffle_epi32(words, 0x0E));
}

template <size_t kLanes, int kStep = 0>
WEIR_SHA_NI void AllRounds(Registers* registers, Schedule* schedules) {
  for (size_t lane = 0; lane < kLanes; ++lane) FourRounds<kStep>(registers[lane], schedules[lane]);
  if constexpr (kStep < 15) AllRounds<kLanes, kStep + 1>(registers, schedules);
}

// Block i of every lane, for i in [begin, end).
template <size_t kLanes>
__attribute__((target("sha,sse4.1,ssse3"))) void CompressLanes(const Sha256Lane* const* lanes, size_t begin, size_t end) {
  Registers registers[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) registers[lane] = LoadState(lanes[lane]->state);
  for (size_t block = begin; block < end; ++block) {
    Registers before[kLanes];
    Schedule schedules[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      before[lane] = registers[lane];
      LoadBlock(lanes[lane]->blocks + 64 * block, schedules[lane]);
    }
    AllRounds<kLanes>(registers, schedules);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      registers[lane].abef = _mm_add_epi32(registers[lane].abef, before[lane].abef);
      registers[lane].cdgh = _mm_add_epi32(registers[lane].cdgh, before[lane].cdgh);
    }
  }
  for (size_t lane = 0; lane < kLanes; ++lane) StoreState(registers[lane], lanes[lane]->state);
}

void CompressNi(const Sha256Lane& lane) {
  const Sha256Lane* lanes[] = {&lane};
  CompressLanes<1>(lanes, 0, lane.count);
}

void CompressPairNi(const Sha256Lane& first, const Sha256Lane& second) {
  const Sha256Lane* both[] = {&first, &second};
  const size_t common = std::min(first.count, second.count);
  CompressLanes<2>(both, 0, common);
  const Sha256Lane* longer[] = {first.count > common ? &first : &second};
  if (longer[0]->count > common) CompressLanes<1>(longer, common, longer[0]->count);
}

// __builtin_cpu_supports of g++ 12 does not know the SHA extensions.
bool HasShaNi() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (b >> 29 & 1) != 0 && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

}  // namespace

const Sha256Path* ShaNiSha256() {
  static constexpr Sha256Path kPath = {"sha-ni", CompressNi, CompressPairNi};
  static const bool kSupported = HasShaNi();
  return kSupported ? &kPath : nullptr;
}

}  // namespace weir::internal

#else

namespace weir::internal {
const Sha256Path* ShaNiSha256() { return nullptr; }
}  // namespace weir::internal

#endif
