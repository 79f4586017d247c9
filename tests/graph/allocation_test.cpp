// SPDX-License-Identifier: Apache-2.0
// A plan is made once and run every iteration without allocation: counted through operator new, on
// the calling thread.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/graph/support.hpp"

// Sanitizers bring an operator new of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// gcc sees malloc behind new and free behind delete and takes the pair for a mismatch.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t align) {
  ++allocations;
  const auto a = static_cast<std::size_t>(align);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace assay::test {

namespace {
// The same step by batches in drawn order, the update of each run twice.
int32_t build_control(assay_builder* b) {
  b->batches(b, 200, ASSAY_SHUFFLED, 3);
  b->loop(b, 2, ASSAY_NO);
  build_mu(b);
  b->end(b);
  b->end(b);
  return b->status(b);
}
}  // namespace

TEST_CASE("a step after the second allocates nothing") {
  for (const char* loss : {"squared", "kl"})
    for (const bool sparse : {false, true})
      for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
        Shape s;
        s.n = 900;
        s.d = 50;
        s.sparse = sparse;
        s.zeros = 0.7;
        const Stored p = make_stored(s);
        graph::Model m = make_model(p, loss, compute);
        graph::PlanOptions o = default_options();
        o.repeated = true;
        for (const bool control : {false, true}) {
          auto plan = plan_of(m, control ? build_control : build_mu, o);
          REQUIRE(plan.ok());
          for (int i = 0; i < 2; ++i) REQUIRE((*plan)->run(true).ok());
          const int64_t before = allocations;
          const bool ok = (*plan)->run(true).ok() && (*plan)->run(false).ok();
          const int64_t after = allocations;
          CHECK(ok);
          CHECK(after == before);
        }
      }
}

}  // namespace assay::test

#endif
