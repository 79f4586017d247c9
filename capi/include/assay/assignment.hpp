// SPDX-License-Identifier: Apache-2.0
// Which row goes with which column so that the sum of costs is least: components and the ones that
// are known, clusters and classes. Kuhn 1955, by shortest augmenting paths with potentials: O(rows
// cols^2) at most. Header only.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace assay::author {

// The column of each row; every column is used at most once. cost: rows x cols, row-major, finite;
// rows <= cols.
inline std::vector<std::size_t> cheapest_assignment(std::size_t rows, std::size_t cols,
                                                    const std::vector<double> &cost) {
  // One row after another finds the cheapest path to a free column; rows and columns count from 1,
  // column 0 stands for the row that is being placed.
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> u(rows + 1), v(cols + 1);  // potentials
  std::vector<std::size_t> row_of(cols + 1, 0);
  for (std::size_t i = 1; i <= rows; ++i) {
    std::vector<double> least(cols + 1, kInfinity);
    std::vector<std::size_t> way(cols + 1, 0);
    std::vector<char> used(cols + 1, 0);
    std::size_t j0 = 0;
    row_of[0] = i;
    do {
      used[j0] = 1;
      const std::size_t i0 = row_of[j0];
      double delta = kInfinity;
      std::size_t j1 = 0;
      for (std::size_t j = 1; j <= cols; ++j) {
        if (used[j]) continue;
        const double reduced = cost[(i0 - 1) * cols + j - 1] - u[i0] - v[j];
        if (reduced < least[j]) {
          least[j] = reduced;
          way[j] = j0;
        }
        if (least[j] < delta) {
          delta = least[j];
          j1 = j;
        }
      }
      for (std::size_t j = 0; j <= cols; ++j) {
        if (used[j]) {
          u[row_of[j]] += delta;
          v[j] -= delta;
        } else {
          least[j] -= delta;
        }
      }
      j0 = j1;
    } while (row_of[j0] != 0);
    for (; j0 != 0; j0 = way[j0]) row_of[j0] = row_of[way[j0]];
  }
  std::vector<std::size_t> column(rows);
  for (std::size_t j = 1; j <= cols; ++j)
    if (row_of[j] != 0) column[row_of[j] - 1] = j - 1;
  return column;
}

}  // namespace assay::author
