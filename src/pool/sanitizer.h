#pragma once
// WEIR_THREAD_SANITIZER: set when the thread sanitizer watches, which knows neither membarrier, nor stand-alone fences, nor
// that a vector load of atomic words is harmless.

#if defined(__SANITIZE_THREAD__)
#define WEIR_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_THREAD_SANITIZER 1
#endif
#endif
