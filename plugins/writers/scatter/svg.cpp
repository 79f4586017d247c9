// SPDX-License-Identifier: Apache-2.0
// Text of the picture. Numbers have two decimals, so that equal results are equal files.
#include "svg.hpp"

#include <array>
#include <cstdio>

namespace scatter {
namespace {

constexpr double kWidth = 640, kHeight = 480, kLeft = 64, kRight = 16, kTop = 16, kBottom = 52;
constexpr double kMargin = 0.05;  // of the range, on each side
constexpr std::array<const char*, 10> kPalette = {"#4477aa", "#ee6677", "#228833", "#ccbb44",
                                                  "#66ccee", "#aa3377", "#ee8866", "#555555",
                                                  "#44bb99", "#994f00"};

const char* colour(int32_t group) {
  return kPalette[static_cast<size_t>(group < 0 ? 7 : group) % kPalette.size()];
}

std::string pixel(double v) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", v);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else if (static_cast<unsigned char>(c) >= 32)
      out += c;
  }
  return out;
}

// The round number (1, 2 or 5 times a power of ten) that cuts the range into at most seven.
double step_of(double range) {
  const double unit = std::pow(10, std::floor(std::log10(range / 7)));
  for (const double f : {1.0, 2.0, 5.0})
    if (range / (f * unit) <= 7) return f * unit;
  return 10 * unit;
}

}  // namespace

Picture::Axis Picture::axis_of(const std::vector<double>& values,
                               double pixels,
                               double first,
                               bool upwards) {
  Axis a;
  bool any = false;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    a.low = any ? std::min(a.low, v) : v;
    a.high = any ? std::max(a.high, v) : v;
    any = true;
  }
  double range = a.high - a.low;
  if (!(range > 0)) range = std::max(1.0, std::abs(a.low));
  a.low -= kMargin * range;
  a.high += kMargin * range;
  a.pixels = pixels;
  a.first = first;
  a.upwards = upwards;
  return a;
}

Picture::Picture(const std::vector<double>& x, const std::vector<double>& y)
    : x_(axis_of(x, kWidth - kLeft - kRight, kLeft, false)),
      y_(axis_of(y, kHeight - kTop - kBottom, kTop, true)) {}

void Picture::point(double x, double y, int32_t group) {
  if (!std::isfinite(x) || !std::isfinite(y)) return;
  points_ += "<circle cx=\"" + pixel(x_.at(x)) + "\" cy=\"" + pixel(y_.at(y)) +
             "\" r=\"2.5\" fill=\"" + colour(group) + "\"/>\n";
}

void Picture::cross(double x, double y, int32_t group) {
  const std::string px = pixel(x_.at(x)), py = pixel(y_.at(y));
  for (const char* style : {"stroke=\"#ffffff\" stroke-width=\"5\"", ""})
    shapes_ += "<path d=\"M" + px + " " + py + "m-6 -6l12 12m0 -12l-12 12\" " +
               (*style ? std::string(style)
                       : "stroke=\"" + std::string(colour(group)) + "\" stroke-width=\"2.5\"") +
               "/>\n";
}

// Axes of the picture have scales of their own, so the ellipse is drawn as a circle that is turned
// and stretched in the units of the data.
void Picture::ellipse(double x, double y, const Ellipse& e, int32_t group) {
  const double c = std::cos(e.angle), s = std::sin(e.angle), sx = x_.scale(), sy = -y_.scale();
  constexpr int kCorners = 72;
  shapes_ += "<path stroke=\"" + std::string(colour(group)) + "\" d=\"";
  for (int i = 0; i < kCorners; ++i) {
    const double turn = 2 * 3.14159265358979323846 * i / kCorners;
    const double u = e.major * std::cos(turn), v = e.minor * std::sin(turn);
    shapes_ += (i == 0 ? "M" : "L") + pixel(x_.at(x) + sx * (c * u - s * v)) + " " +
               pixel(y_.at(y) + sy * (s * u + c * v));
  }
  shapes_ += "Z\"/>\n";
}

std::string Picture::ticks(const Axis& axis, const std::string& name) const {
  std::string out;
  const double step = step_of(axis.high - axis.low), foot = kHeight - kBottom;
  for (double i = std::ceil(axis.low / step); i * step <= axis.high; ++i) {
    char label[64];
    std::snprintf(label, sizeof label, "%.6g", i == 0 ? 0 : i * step);
    const std::string at = pixel(axis.at(i * step));
    out += axis.upwards ? "<path stroke=\"#333333\" d=\"M" + pixel(kLeft - 4) + " " + at +
                              "h4\"/><text x=\"" + pixel(kLeft - 7) + "\" y=\"" + at +
                              "\" dy=\"4\" text-anchor=\"end\">" + label + "</text>\n"
                        : "<path stroke=\"#333333\" d=\"M" + at + " " + pixel(foot) +
                              "v4\"/><text x=\"" + at + "\" y=\"" + pixel(foot + 17) +
                              "\" text-anchor=\"middle\">" + label + "</text>\n";
  }
  const std::string middle = pixel(axis.first + axis.pixels / 2);
  out += axis.upwards ? "<text transform=\"translate(14 " + middle +
                            ") rotate(-90)\" text-anchor=\"middle\">" + escaped(name) + "</text>\n"
                      : "<text x=\"" + middle + "\" y=\"" + pixel(kHeight - 12) +
                            "\" text-anchor=\"middle\">" + escaped(name) + "</text>\n";
  return out;
}

std::string Picture::text(const std::string& x_name, const std::string& y_name) const {
  const std::string width = pixel(kWidth), height = pixel(kHeight);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + width + " " + height +
         "\" width=\"" + width + "\" height=\"" + height +
         "\" font-family=\"sans-serif\" font-size=\"12\">\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
         "<clipPath id=\"plot\"><rect x=\"" +
         pixel(kLeft) + "\" y=\"" + pixel(kTop) + "\" width=\"" + pixel(x_.pixels) +
         "\" height=\"" + pixel(y_.pixels) +
         "\"/></clipPath>\n<g fill=\"#333333\">\n<path fill=\"none\" stroke=\"#333333\" d=\"M" +
         pixel(kLeft) + " " + pixel(kTop) + "V" + pixel(kHeight - kBottom) + "H" +
         pixel(kWidth - kRight) + "\"/>\n<g stroke-width=\"1\">\n" + ticks(x_, x_name) +
         ticks(y_, y_name) +
         "</g>\n</g>\n<g clip-path=\"url(#plot)\">\n<g fill-opacity=\"0.6\">\n" + points_ +
         "</g>\n<g fill=\"none\" stroke-width=\"1.5\">\n" + shapes_ + "</g>\n</g>\n</svg>\n";
}

}  // namespace scatter
