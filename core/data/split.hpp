// SPDX-License-Identifier: Apache-2.0
// Splits: what a fit may see and what it is judged by. Every draw is a function of (stream, row,
// column) alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/data/data.hpp"
#include "core/data/observe.hpp"

namespace assay::data {

struct Split {
  Data train;  // held-out entries hidden
  Data held;   // the same shape (entries) or the other rows (rows): only held-out entries observed
  int64_t held_entries = 0;                    // entries (rows) held out
  std::vector<int64_t> train_rows, held_rows;  // of the whole X; empty where entries are held out
};

// XXH3-128 of shape, of what is stored and observed, and of weights: of no value of an entry. What
// splits are drawn by.
std::string identify_pattern(const Data& x);

// Each observed entry is held out with probability `test`; of each row at least `keep_per_row`
// observed entries stay (those with the largest draws). For sparse X the zeros that are not stored
// are entries like all others. E0303 when nothing is held out or nothing stays.
Expected<Split> hold_out_entries(const Data& x,
                                 double test,
                                 int64_t keep_per_row,
                                 uint64_t stream,
                                 const assay_rng& rng);

// Entries where the mask is not 0 are held out; a mask of one column, where X has more, holds out
// rows.
Expected<Split> hold_out_masked(const Data& x, const Matrix& mask);

// round(test * rows) rows and at least one, those with the smallest draws. E0303 when none stays.
Expected<Split> hold_out_rows(const Data& x, double test, uint64_t stream, const assay_rng& rng);

// The fold (0 .. count - 1) of each row; sizes differ by one at most.
std::vector<int64_t> folds(int64_t rows, int64_t count, uint64_t stream, const assay_rng& rng);

// Rows of fold `which` held out.
Expected<Split> hold_out_fold(const Data& x, const std::vector<int64_t>& fold, int64_t which);

}  // namespace assay::data
