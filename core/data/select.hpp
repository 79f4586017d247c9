// SPDX-License-Identifier: Apache-2.0
// Parts of X by rows and columns; names travel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/data/data.hpp"

namespace assay::data {

// Half-open range of 0-based indices as written in a spec: "0:1000", "100:", ":50", and "7" for
// one. E0307 outside `size`.
struct Span {
  int64_t first = 0, last = 0;
};
Expected<Span> parse_span(const std::string& text, int64_t size);

// Columns by name, index or range, in the order given; `names` may be empty. E0307 for one that is
// not there.
Expected<std::vector<int64_t>> find_columns(const std::vector<std::string>& wanted,
                                            const std::vector<std::string>& names,
                                            int64_t cols);

// Rows first .. last - 1 without a copy of the entries. Data as read: before masks and weights.
Expected<Data> slice_rows(const Data& x, Span rows);

// The given columns; a copy unless they are neighbours of dense X. Data as read.
Expected<Data> take_cols(const Data& x, const std::vector<int64_t>& cols);

// The given rows in that order with all that belongs to them (mask, weights, names): a copy.
Expected<Data> take_rows(const Data& x, const std::vector<int64_t>& rows);

}  // namespace assay::data
