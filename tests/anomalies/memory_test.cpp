// SPDX-License-Identifier: Apache-2.0
// Memory that runs out anywhere in a fit ends it with a clear error, never a crash, and the next
// fit on the same runtime works: the N-th operator new fails, once or from then on, for N = 1, 2,
// ...
#include <assay/assay.h>
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "tests/laws/solver_support.hpp"

// Sanitizers bring an operator new of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// gcc sees malloc behind new and free behind delete and takes the pair for a mismatch.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

using namespace assay;
using namespace assay::test;

namespace {

std::atomic<int64_t> left{-1};     // allocations until the one that fails; negative: none does
std::atomic<bool> lasting{false};  // all later ones fail, too
std::atomic<bool> fired{false};

bool fails() {
  if (left < 0) return fired && lasting;
  if (--left >= 0) return false;
  fired = true;
  return true;
}

void* take(std::size_t size, std::size_t align) {
  if (fails()) return nullptr;
  if (align <= alignof(std::max_align_t)) return std::malloc(size > 0 ? size : 1);
  return std::aligned_alloc(align, (size + align - 1) / align * align);
}

void* take_or_throw(std::size_t size, std::size_t align = 1) {
  if (void* p = take(size, align)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return take_or_throw(size); }
void* operator new[](std::size_t size) { return take_or_throw(size); }
void* operator new(std::size_t size, std::align_val_t a) {
  return take_or_throw(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return take_or_throw(size, static_cast<std::size_t>(a));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return take(size, 1); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

struct Ended {
  bool fired = false, fitted = false;
  int32_t status = 0;  // of an error
  std::string message;
  std::vector<double> W, H;
};

// The wall of core/api: what is thrown for want of memory is a status there.
Ended fit_with(const spec::Trial& trial,
               const DataPtr& x,
               const std::string& plan,
               int64_t nth,
               bool from_then_on) {
  Ended out;
  fired = false;
  lasting = from_then_on;
  left = nth - 1;
  try {
    auto done = attempt(trial, x, {}, plan == "graph" ? 2 : 1, plan);
    left = -1;
    out.fired = fired.exchange(false);
    out.fitted = done.ok();
    if (done) {
      out.W = done->factor[0];
      out.H = done->factor[1];
    } else {
      out.status = done.error().status;
      out.message = done.error().message;
    }
  } catch (const std::bad_alloc&) {
    left = -1;
    out.fired = fired.exchange(false);
    out.status = ASSAY_E_MEMORY;
  }
  return out;
}

// Plugins in C and in C++, rows and whole factors, a split, steps with and without trials.
std::vector<spec::Trial> trials() {
  std::vector<spec::Trial> out = {mu_trial("squared", 2), mu_trial("kl", 2), mu_trial("squared", 2),
                                  mu_trial("huber", 2)};
  out[1].model.W.constraint = use("penalty", "simplex");
  out[1].model.H.penalties = {use("penalty", "smooth")};
  out[1].solver = use("solver", "palm");
  out[1].split.kind = spec::SplitSpec::Kind::kEntries;
  out[1].split.test = 0.1;
  out[2].model.W.penalties = {use("penalty", "orthogonal")};
  out[2].init = use("init", "nndsvda");
  out[3].solver = use("solver", "hals");
  for (spec::Trial& t : out) t.stop.max_iter = 2;
  return out;
}

}  // namespace

TEST_CASE("memory that runs out anywhere in a fit ends it with an error, and the next one works") {
  const DataPtr x = dense(random_problem(9, 7, 2));
  for (const spec::Trial& trial : trials()) {
    CAPTURE(trial.solver.id);
    for (const std::string plan : {"serial", "graph"}) {
      CAPTURE(plan);
      const Ended whole = fit_with(trial, x, plan, 0, false);
      REQUIRE_MESSAGE(whole.fitted, whole.message);
      for (const bool from_then_on : {false, true}) {
        CAPTURE(from_then_on);
        int64_t n = 1;
        for (;; ++n) {
          CAPTURE(n);
          const Ended ended = fit_with(trial, x, plan, n, from_then_on);
          if (!ended.fired) break;
          if (ended.fitted) {  // it did without
            CHECK(ended.W == whole.W);
          } else {
            const bool says = ended.message.find("memory") != std::string::npos;
            CHECK_MESSAGE((ended.status == ASSAY_E_MEMORY || says), ended.message);
          }
        }
        CHECK(n > 100);
        const Ended again = fit_with(trial, x, plan, 0, false);
        CHECK(again.W == whole.W);
        CHECK(again.H == whole.H);
      }
    }
  }
}

#endif
