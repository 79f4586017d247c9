// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM set a flag that the fit looks at between steps; a second one has its usual
// effect.
#include <csignal>

#include "core/cli/tool.hpp"

namespace assay::cli {
namespace {

std::atomic<bool> g_cancelled{false};
std::atomic<int> g_signal{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

void on_signal(int signal) {
  g_signal.store(signal);
  g_cancelled.store(true);
}

}  // namespace

const std::atomic<bool>& cancelled() { return g_cancelled; }
int caught_signal() { return g_signal.load(); }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace assay::cli
