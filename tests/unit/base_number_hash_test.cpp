// SPDX-License-Identifier: Apache-2.0
// Numbers as text and hashes as hex digits.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/base/hash.hpp"
#include "core/base/number.hpp"

using assay::format_shortest;
using assay::parse_double;
using assay::parse_int;

TEST_CASE("a double is parsed whole or not at all") {
  CHECK(parse_double("1e-3") == 1e-3);
  CHECK(parse_double("+2.5") == 2.5);
  CHECK(parse_double("-.5") == -0.5);
  CHECK(parse_double("0") == 0.0);
  CHECK(parse_double("0.25") == 0.25);
  for (const char* bad : {"", "+", "-", "+-1", "010", "-00.5", "1 ", " 1", "1,5", "1x", "0x10",
                          "infinity", "nan(1)", "1e999", "e5", "--1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_double(bad).has_value());
  }
}

TEST_CASE("an integer is parsed whole or not at all") {
  CHECK(parse_int("0") == 0);
  CHECK(parse_int("-17") == -17);
  CHECK(parse_int("+9223372036854775807") == std::numeric_limits<int64_t>::max());
  for (const char* bad : {"", "010", "00", "-01", "1.0", "1e3", "9223372036854775808", "1 ", "a"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_int(bad).has_value());
  }
}

TEST_CASE("the shortest text of a double gives the double back") {
  CHECK(format_shortest(0.1) == "0.1");
  CHECK(format_shortest(1e-6) == "1e-06");
  for (const double value :
       {0.0, -0.0, 1.0 / 3, 1e300, -5e-324, 123456789.125, std::numeric_limits<double>::max(),
        std::numeric_limits<double>::infinity()}) {
    const auto back = parse_double(format_shortest(value));
    REQUIRE(back.has_value());
    CHECK(*back == value);
    CHECK(std::signbit(*back) == std::signbit(value));
  }
  CHECK(std::isnan(*parse_double(format_shortest(std::nan("")))));
}

TEST_CASE("hashes are those of xxhsum and do not see how the text was cut") {
  CHECK(assay::xxh3_128_hex("") == "99aa06d3014798d86001c324468d497f");
  const std::string text(100000, 'x');
  assay::Hasher hasher;
  for (size_t at = 0; at < text.size(); at += 997) {
    hasher.update(std::string_view(text).substr(at, 997));
  }
  CHECK(hasher.hex() == assay::xxh3_128_hex(text));
  CHECK(hasher.update("y").hex() == assay::xxh3_128_hex(text + "y"));
  CHECK(assay::xxh3_64("a") != assay::xxh3_64("b"));
}
