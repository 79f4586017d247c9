// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer of the order a task graph gives: Debian's TBB is not instrumented, so a
// correct graph would look like a race. Every declared edge is announced: its tail releases, its
// head acquires.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define ASSAY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASSAY_TSAN 1
#endif
#endif

#ifdef ASSAY_TSAN
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace assay::graph {

inline void announce_release([[maybe_unused]] void* edge) {
#ifdef ASSAY_TSAN
  __tsan_release(edge);
#endif
}
inline void announce_acquire([[maybe_unused]] void* edge) {
#ifdef ASSAY_TSAN
  __tsan_acquire(edge);
#endif
}

}  // namespace assay::graph
