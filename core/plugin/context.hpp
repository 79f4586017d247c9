// SPDX-License-Identifier: Apache-2.0
// assay_ctx: one call across the border: error slot, scratch of this worker, the factors'
// penalties, the cancel flag.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/aligned.hpp"
#include "core/base/error.hpp"

namespace assay::plugin {
class PenaltySet;
struct WholeTerms;
class Loss;
class Density;
// X as the block function in progress may ask for it; core/graph implements it.
class TileSource {
 public:
  virtual ~TileSource() = default;
  virtual int32_t line(int64_t i, assay_line* out) = 0;
  virtual int32_t entries(assay_entries* out) = 0;
  // Rows together: of a block of rows only.
  virtual int32_t dense(int64_t, int64_t, assay_view*) { return ASSAY_E_ARGUMENT; }
  virtual int32_t times(int64_t, const int64_t*, const assay_view&, double*, int64_t) {
    return ASSAY_E_ARGUMENT;
  }
  virtual int32_t distances(int64_t,
                            const int64_t*,
                            const int32_t*,
                            const assay_view&,
                            const double*,
                            double*) {
    return ASSAY_E_ARGUMENT;
  }
};
// Bump memory of one worker: grows in the first calls, then never again; reset() before each
// callback.
class Scratch {
 public:
  void* take(int64_t bytes);  // 64-byte aligned; nullptr when memory is out
  void reset();

 private:
  std::vector<AlignedArray<unsigned char>> blocks_;
  size_t block_ = 0;
  int64_t used_ = 0;
};
using LogSink = std::function<void(int32_t level, const std::string& text)>;
}  // namespace assay::plugin

struct assay_ctx {
  const assay::plugin::PenaltySet* penalties[3] = {nullptr, nullptr, nullptr};
  // Penalties of whole factors, as expanded for the sweep this call belongs to; null: none.
  const assay::plugin::WholeTerms* whole[3] = {nullptr, nullptr, nullptr};
  int64_t first = 0;          // row of the factor that a call's views begin with
  int64_t first_column = -1;  // in a grid: that of H, whose views begin elsewhere than W's
  const assay::plugin::Loss* loss = nullptr;  // the model's
  const assay::plugin::Density* density = nullptr;  // of a mixture
  assay::plugin::TileSource* tile = nullptr;  // null: the call may not ask for X
  const std::atomic<bool>* cancel = nullptr;
  const assay::plugin::LogSink* log = nullptr;
  assay::plugin::Scratch scratch;
  bool failed = false;  // set_error was called
  assay::Error error;
  // Takes the recorded error (or makes one for `status` naming `who`) and clears the slot.
  assay::Error take_error(int32_t status, const std::string& who);
};
