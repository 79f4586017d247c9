// SPDX-License-Identifier: Apache-2.0
// Numbers to and from text, whatever the locale: the whole text must be a number, and a double
// survives the round trip.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

// Decimal forms such as 1, -2.5, +3, .5, 1e-3, and inf, -inf, nan as format_shortest writes them.
// Nothing for text that is not a number from end to end, for leading zeros (010 is octal to some
// readers, ten to others) and where the value does not fit a double.
std::optional<double> parse_double(std::string_view text);

// Decimal integers with an optional sign; no leading zeros, no fraction, no exponent, within int64.
std::optional<int64_t> parse_int(std::string_view text);

// The shortest text that parse_double turns into the same double; the decimal sign is a point.
std::string format_shortest(double value);

}  // namespace assay
