// SPDX-License-Identifier: Apache-2.0
// Data for a trial: loaded once, split, then transformed with what transforms learn from training
// entries only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"
#include "core/experiment/runtime.hpp"
#include "core/kernels/npy.hpp"
#include "core/spec/experiment.hpp"

namespace assay::experiment {

// A transform with what it learnt (d x 1 arrays), so that new rows can be treated alike.
struct Learnt {
  spec::Use use;
  std::vector<kernels::Member> learnt;
};

struct Prepared {
  // heldout: null without a split, and as read where no metric reads it.
  std::shared_ptr<const data::Data> train, heldout;
  bool heldout_rows = false;  // rows of their own, not entries of train
  std::string heldout_id;     // of held-out rows as read
  data::Facts facts;          // of train
  std::string data_id;        // of the data as read
  // What random streams of init and solver are keyed by: the data as read, or, where something is
  // held out, what is left of them.
  std::string stream_id;
  std::vector<Learnt> transforms;
  bool new_rows = false;  // rows of their own for a fitted model: nothing ties them together
};

// Whether a `heldout.` metric is asked for. Where none is, held-out entries may be anything.
bool reads_heldout(const spec::Trial& trial);

// Splits and transforms what a reader or an application gave. Storage is shared with `raw`.
Expected<Prepared> prepare(const spec::Trial& trial,
                           std::shared_ptr<const data::Data> raw,
                           const Runtime& runtime);

// The same transforms, as learnt, on other data of as many columns.
Expected<std::shared_ptr<const data::Data>> apply_learnt(const std::vector<Learnt>& transforms,
                                                         std::shared_ptr<const data::Data> x,
                                                         const Runtime& runtime);

// Undoes them, last first, on rows x cols numbers, up to one that has no inverse: its id, and the
// numbers are as it left them; empty: all are undone.
Expected<std::string> undo_learnt(const std::vector<Learnt>& transforms,
                                  double* x,
                                  int64_t rows,
                                  int64_t cols,
                                  const Runtime& runtime);

}  // namespace assay::experiment
