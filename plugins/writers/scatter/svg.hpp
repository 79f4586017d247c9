// SPDX-License-Identifier: Apache-2.0
// A plot of points in SVG: axes with round ticks, colours that are told apart with any eyes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ellipse.hpp"

namespace scatter {

class Picture {
 public:
  // Holds these points with a margin; those that are not finite are left out.
  Picture(const std::vector<double>& x, const std::vector<double>& y);

  void point(double x, double y, int32_t group);
  void cross(double x, double y, int32_t group);
  void ellipse(double x, double y, const Ellipse& e, int32_t group);
  std::string text(const std::string& x_name, const std::string& y_name) const;

 private:
  struct Axis {
    double low = 0, high = 1;
    double pixels = 0, first = 0;  // length, and where low lies
    bool upwards = false;
    double at(double v) const {
      const double share = (v - low) / (high - low);
      return first + pixels * (upwards ? 1 - share : share);
    }
    double scale() const { return pixels / (high - low); }
  };
  static Axis axis_of(const std::vector<double>& values, double pixels, double first, bool upwards);
  std::string ticks(const Axis& axis, const std::string& name) const;

  Axis x_, y_;
  std::string points_, shapes_;
};

}  // namespace scatter
