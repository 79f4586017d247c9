// SPDX-License-Identifier: Apache-2.0
// Rasterises a polyline into a grid of dots, 2 x 4 to a braille character, and puts axes around it.
#include "core/cli/curve.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay::cli {
namespace {

constexpr double kLogRatio = 4;  // less than this fits on a linear axis
constexpr double kFlat = 1e-9;   // a relative range that is none

class Dots {
 public:
  Dots(int width, int height, bool utf8)
      : utf8_(utf8),
        columns_(utf8 ? 2 * width : width),
        rows_(utf8 ? 4 * height : height),
        bits_(static_cast<size_t>(columns_ * rows_), false) {}

  int columns() const { return columns_; }
  int rows() const { return rows_; }

  // A straight line of dots; row 0 is at the top.
  void line(double x0, double y0, double x1, double y1) {
    const int steps = std::max(
        1, static_cast<int>(std::ceil(std::max(std::abs(x1 - x0), std::abs(y1 - y0)) * 2)));
    for (int i = 0; i <= steps; ++i) {
      const double t = static_cast<double>(i) / steps;
      set(static_cast<int>(std::lround(x0 + t * (x1 - x0))),
          static_cast<int>(std::lround(y0 + t * (y1 - y0))));
    }
  }

  std::string row_text(int character_row) const {
    std::string out;
    const int wide = utf8_ ? 2 : 1;
    for (int c = 0; c < columns_; c += wide)
      out += utf8_ ? braille(c, 4 * character_row) : get(c, character_row) ? "*" : " ";
    return out;
  }

 private:
  void set(int x, int y) {
    if (x >= 0 && x < columns_ && y >= 0 && y < rows_)
      bits_[static_cast<size_t>(y * columns_ + x)] = true;
  }
  bool get(int x, int y) const { return bits_[static_cast<size_t>(y * columns_ + x)]; }

  // U+2800 plus a bit per dot, numbered down the left column, then the right one, the lowest row
  // last.
  std::string braille(int x, int y) const {
    static constexpr int kBit[4][2] = {{0, 3}, {1, 4}, {2, 5}, {6, 7}};
    unsigned code = 0;
    for (int dy = 0; dy < 4; ++dy) {
      for (int dx = 0; dx < 2; ++dx) {
        if (get(x + dx, y + dy)) code |= 1u << kBit[dy][dx];
      }
    }
    if (code == 0) return " ";
    const unsigned point = 0x2800u + code;
    return {static_cast<char>(0xE0u | (point >> 12)),
            static_cast<char>(0x80u | ((point >> 6) & 0x3Fu)),
            static_cast<char>(0x80u | (point & 0x3Fu))};
  }

  bool utf8_;
  int columns_, rows_;
  std::vector<bool> bits_;
};

std::string label(double value, bool log_axis) {
  return fmt::format("{:.4g}", log_axis ? std::pow(10.0, value) : value);
}

}  // namespace

std::string draw(const Curve& curve) {
  std::vector<std::pair<double, double>> points;
  for (size_t i = 0; i < std::min(curve.x.size(), curve.y.size()); ++i) {
    if (std::isfinite(curve.x[i]) && std::isfinite(curve.y[i]))
      points.emplace_back(curve.x[i], curve.y[i]);
  }
  if (points.size() < 2) return "";
  const auto by_y = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [least, most] = std::minmax_element(points.begin(), points.end(), by_y);
  const bool log_axis = least->second > 0 && most->second > kLogRatio * least->second;
  double lo = least->second, hi = most->second;
  if (log_axis) {
    lo = std::log10(lo);
    hi = std::log10(hi);
    for (auto& p : points) p.second = std::log10(p.second);
  }
  // Rounding is not a curve.
  if (hi - lo <= kFlat * std::max(std::abs(lo), std::abs(hi)))
    hi = lo + (lo == 0 ? 1 : std::abs(lo) * 1e-3);
  const double x0 = points.front().first, x1 = std::max(points.back().first, x0 + 1e-300);

  Dots dots(curve.width, curve.height, curve.utf8);
  const auto column = [&](double x) { return (x - x0) / (x1 - x0) * (dots.columns() - 1); };
  const auto row = [&](double y) { return (hi - y) / (hi - lo) * (dots.rows() - 1); };
  for (size_t i = 1; i < points.size(); ++i) {
    dots.line(column(points[i - 1].first), row(points[i - 1].second), column(points[i].first),
              row(points[i].second));
  }

  const char* side = curve.utf8 ? "\xE2\x94\x82" : "|";
  std::string corner = curve.utf8 ? "\xE2\x94\x94" : "+", floor;
  for (int i = 0; i < curve.width; ++i) floor += curve.utf8 ? "\xE2\x94\x80" : "-";
  std::string out = curve.title + (log_axis ? " (log axis)\n" : "\n");
  for (int r = 0; r < curve.height; ++r) {
    const bool labelled = r == 0 || r == curve.height - 1 || r == curve.height / 2;
    const double at = hi - (hi - lo) * r / std::max(curve.height - 1, 1);
    std::string line =
        fmt::format("{:>10} {}{}", labelled ? label(at, log_axis) : "", side, dots.row_text(r));
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  const std::string from = fmt::format("{:g}", x0), to = fmt::format("{:g} {}", x1, curve.x_name);
  const int gap = std::max(1, curve.width - static_cast<int>(from.size() + to.size()));
  out += fmt::format("{:>10} {}{}\n{:>12}{}{:>{}}{}\n", "", corner, floor, "", from, "", gap, to);
  return out;
}

}  // namespace assay::cli
