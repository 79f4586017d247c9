// SPDX-License-Identifier: Apache-2.0
// Which entries of X count, and how much: hidden entries, masks, weights, and the check that what
// counts is finite.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"

namespace assay::data {

// A plain matrix from a file: a mask or weights.
struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<double> values;  // row-major
};

// Sets the bit of each entry of `row` that is to be hidden (bit j % 64 of word j / 64); words come
// in as zeros.
using HideRow = std::function<void(int64_t row, uint64_t* words)>;

// X with these entries hidden. Dense: a mask. Sparse: weight 0; hidden zeros that were not stored
// become stored entries of weight 0, at most `max_inserted` of them.
Expected<Data> hide(const Data& x, const HideRow& hidden, int64_t max_inserted = int64_t{1} << 31);

// Hides the NaN entries (`missing: nan`).
Expected<Data> hide_nan(const Data& x);

// E0300 with a place unless all entries are 0 or 1: other numbers are weights.
Expected<void> check_mask(const Matrix& mask);

// Hides the entries where the mask is 0. E0307 when shapes differ, E0300 for entries that are
// neither 0 nor 1.
Expected<Data> apply_mask(const Data& x, const Matrix& mask);

// Weights of entries (0 hides; kept as float32), rows and columns (float64): >= 0 and finite as
// kept, shapes as X asks (E0307, E0300).
Expected<Data> weigh_entries(const Data& x, const Matrix& weights);
Expected<Data> weigh_rows(const Data& x, const Matrix& weights);
Expected<Data> weigh_cols(const Data& x, const Matrix& weights);

// "row 3, column `p17`": 1-based, with names where there are any; the row of the data as read,
// whatever part of them x is.
std::string place_of(const Data& x, int64_t i, int64_t j);

// E0305 for NaN or infinity at an observed entry, as the view shows it; E0303 when nothing is
// observed at all. `kind` says what the entries are to the user.
Expected<void> check_observed(const Data& x, const char* kind = "observed");

// What is legal but deserves a word: rows and columns without an observed entry, or with nothing
// but zeros.
std::vector<std::string> notices(const Data& x);

}  // namespace assay::data
