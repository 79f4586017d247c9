// SPDX-License-Identifier: Apache-2.0
// What ties the rows of a factor together, between sweeps: penalties of the whole factor are
// expanded at the factor as it stands when a sweep that may ask for them starts; sets of the whole
// factor are projected onto after a sweep that wrote it. Both by one thread, in float64, so that
// bits do not depend on threads.
#pragma once

#include <vector>

#include "core/graph/ops.hpp"
#include "core/graph/tile.hpp"
#include "core/graph/wide.hpp"

namespace assay::graph {

class Coupled {
 public:
  // Decides which stages need what; memory is made at the first use.
  void plan(const Layout& layout, Model& model);
  // Points the worker's calls at the expansions.
  void attach(assay_ctx& ctx) const;
  // Before the first lane of a stage, and after its last. 0 or the status of what failed.
  int32_t start(int stage, assay_ctx& ctx);
  int32_t finish(int stage, assay_ctx& ctx);
  // A factor that is read in the sweep that wrote it would be read before its projection.
  static bool projected(const Model& model, const BufferDecl& buffer);

 private:
  Model* model_ = nullptr;
  plugin::WholeTerms terms_[3];
  Wide wide_[3];
  std::vector<char> expands_[3], projects_[3];  // per stage
};

}  // namespace assay::graph
