// SPDX-License-Identifier: Apache-2.0
// Runs the peak loops on all threads at once and takes the best pass: others on the machine only
// make it slower.
#include "core/cli/machine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "core/kernels/peak.hpp"

namespace assay::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kDoublesPerThread = int64_t{1} << 24;  // 128 MiB, beyond any cache
constexpr int64_t kRounds = 2000000;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds for work(t) on all threads, the best of as many passes as fit the time, at least two.
template <class Work>
double best_pass(int threads, double seconds, const Work& work) {
  double best = 1e300;
  const auto start = Clock::now();
  for (int pass = 0; pass < 2 || since(start) < seconds; ++pass) {
    const auto begin = Clock::now();
    std::vector<std::thread> team;
    for (int t = 1; t < threads; ++t) team.emplace_back([&work, t] { work(t); });
    work(0);
    for (std::thread& t : team) t.join();
    best = std::min(best, since(begin));
  }
  return best;
}

}  // namespace

Machine measure_machine(kernels::Isa isa, int threads, double seconds) {
  Machine out;
  std::vector<double> sums(static_cast<size_t>(threads));
  std::vector<int64_t> flops(static_cast<size_t>(threads));
  const double compute = best_pass(threads, seconds, [&](int t) {
    const auto i = static_cast<size_t>(t);
    sums[i] = kernels::multiply_adds(isa, kRounds, t, &flops[i]);
  });
  for (const int64_t f : flops) out.flops_per_second += static_cast<double>(f) / compute;

  std::vector<std::vector<double>> memory(static_cast<size_t>(threads));
  for (auto& block : memory) block.assign(static_cast<size_t>(kDoublesPerThread), 1.0);
  const double reading = best_pass(threads, seconds, [&](int t) {
    const auto i = static_cast<size_t>(t);
    sums[i] = kernels::read_sum(isa, memory[i].data(), kDoublesPerThread);
  });
  out.bytes_per_second = static_cast<double>(threads) * static_cast<double>(kDoublesPerThread) *
                         sizeof(double) / reading;
  return out;
}

}  // namespace assay::cli
