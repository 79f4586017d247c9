// SPDX-License-Identifier: Apache-2.0
// A curve drawn with characters: braille dots on a UTF-8 terminal, stars elsewhere.
#pragma once

#include <string>
#include <vector>

namespace assay::cli {

struct Curve {
  std::vector<double> x, y;  // points that are not finite are left out
  std::string title, x_name;
  int width = 60, height = 10;  // characters of the drawing itself
  bool utf8 = true;
};

// The y axis is logarithmic when all values are positive and the largest is more than 4 times the
// smallest. Empty for fewer than two points.
std::string draw(const Curve& curve);

}  // namespace assay::cli
