// SPDX-License-Identifier: Apache-2.0
// The ellipse of a 2 x 2 covariance: its axes are the eigenvectors, half as long as the square
// roots of the eigenvalues say.
#pragma once

#include <algorithm>
#include <cmath>

namespace scatter {

struct Covariance {
  double xx = 0, xy = 0, yy = 0;
};

struct Ellipse {
  double major = 0, minor = 0;  // half axes
  double angle = 0;             // of the major one, from x towards y, in radians
};

inline Ellipse ellipse_of(const Covariance& c, double deviations) {
  const double mean = (c.xx + c.yy) / 2, half = (c.xx - c.yy) / 2, gap = std::hypot(half, c.xy);
  return {deviations * std::sqrt(std::max(0.0, mean + gap)),
          deviations * std::sqrt(std::max(0.0, mean - gap)), 0.5 * std::atan2(c.xy, half)};
}

}  // namespace scatter
