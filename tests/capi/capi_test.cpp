// SPDX-License-Identifier: Apache-2.0
// Runs the C checks of checks.c, one subcase each.
#include <doctest/doctest.h>

#include <string>

#include "checks.h"

TEST_CASE("C API, from C, against the shared library only") {
  for (const capi_case* c = capi_cases; c->name; ++c) {
    INFO(std::string(c->name));
    const char* wrong = c->check();
    CHECK_MESSAGE(wrong == nullptr, std::string(c->name), ": ", std::string(wrong ? wrong : ""));
  }
}
