// SPDX-License-Identifier: Apache-2.0
// Numbers to and from text with <charconv>, which knows no locale.
#include "core/base/number.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace assay {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// The text behind a plus sign (from_chars takes a minus only), or nothing where no number can
// follow.
std::optional<std::string_view> body_of(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return std::nullopt;
  }
  std::string_view digits = text;
  if (!digits.empty() && digits.front() == '-') digits.remove_prefix(1);
  if (digits.empty()) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0' && digit(digits[1])) return std::nullopt;
  return text;
}

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || last != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> parse_double(std::string_view text) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "inf") return kInfinity;
  if (text == "-inf") return -kInfinity;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  const auto body = body_of(text);
  if (!body) return std::nullopt;
  const auto value = parse_whole<double>(*body);
  // Other spellings that from_chars knows (infinity, nan(...)) are words, not numbers.
  if (value && !std::isfinite(*value)) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_int(std::string_view text) {
  const auto body = body_of(text);
  return body ? parse_whole<int64_t>(*body) : std::nullopt;
}

std::string format_shortest(double value) {
  if (std::isnan(value)) return "nan";
  char buffer[32];  // 24 characters at most: -2.2250738585072014e-308
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

}  // namespace assay
