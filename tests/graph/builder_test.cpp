// SPDX-License-Identifier: Apache-2.0
// What a program may not say: each refused with the plugin, the line and the reason, and errors
// stick.
#include <doctest/doctest.h>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

int32_t nothing(void*, const assay_block*) { return 0; }

std::string refusal(const graph::Program::Build& build) {
  const Stored p = make_stored(Shape{});
  graph::Model m = make_model(p, "squared");
  auto program = graph::Program::build(m, "bad", nullptr, build);
  REQUIRE_FALSE(program.ok());
  CHECK(program.error().code == "E0410");
  CHECK(program.error().message.find("`bad`") != std::string::npos);
  return program.error().message;
}
bool says(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

assay_buf state(assay_builder* b, const char* name, int32_t axis, int64_t width) {
  const assay_buffer d = {sizeof d, 0, name, axis, ASSAY_STATE, ASSAY_F64, 1, 3, width};
  return b->buffer(b, &d);
}

}  // namespace

TEST_CASE("a program that is not valid is refused with its reason") {
  CHECK(says(refusal([](assay_builder* b) {
               ASSAY_EACH(b, "f", ASSAY_ROWS, nothing, {37, ASSAY_IN});
               return 0;
             }),
             "buffer 37"));
  CHECK(says(refusal([](assay_builder* b) {
               const assay_buf n = assay_local(b, "n", ASSAY_ROWS, 0);
               ASSAY_EACH(b, "f", ASSAY_ROWS, nothing, {n, ASSAY_IN});
               return 0;
             }),
             "reads `n` before"));
  CHECK(says(refusal([](assay_builder* b) {
               ASSAY_EACH(b, "f", ASSAY_ROWS, nothing, {b->factor(b, 1), ASSAY_OUT});
               return 0;
             }),
             "not on its axis"));
  CHECK(says(refusal([](assay_builder* b) {
               b->factor(b, 2);
               return 0;
             }),
             "factor 2 does not exist"));
  CHECK(
      says(refusal([](assay_builder* b) {
             ASSAY_EACH(b, "f", ASSAY_COLS, nothing, {b->given(b, ASSAY_COL_COUNTS), ASSAY_INOUT});
             return 0;
           }),
           "no plugin may write"));
  CHECK(says(refusal([](assay_builder* b) {
               const assay_buf s = assay_sum(b, "s", 1, 1);
               ASSAY_EACH(b, "f", ASSAY_ROWS, nothing, {s, ASSAY_ADD});
               ASSAY_EACH(b, "g", ASSAY_ROWS, nothing, {s, ASSAY_ADD});
               return 0;
             }),
             "two lines add"));
  CHECK(says(refusal([](assay_builder* b) {
               state(b, "s", ASSAY_ONE, 2);
               state(b, "s", ASSAY_ONE, 3);
               return 0;
             }),
             "two buffers are named"));
  CHECK(says(refusal([](assay_builder* b) {
               b->times(b, assay_local(b, "n", ASSAY_ROWS, 3), ASSAY_X, b->factor(b, 1), 0);
               return 0;
             }),
             "widths differ"));
  CHECK(says(refusal([](assay_builder* b) {
               b->report(b, "r", state(b, "s", ASSAY_ONE, 2));
               return 0;
             }),
             "not 1 x 1"));
  CHECK(says(refusal([](assay_builder* b) {
               ASSAY_EACH(b, "f", ASSAY_ROWS, nothing, {b->factor(b, 0), ASSAY_IN},
                          {b->factor(b, 0), ASSAY_OUT});
               return 0;
             }),
             "twice"));
  CHECK(says(refusal([](assay_builder*) -> int32_t { throw std::runtime_error("boom"); }), "boom"));
}

TEST_CASE("errors stick: the first is told, status and later calls are negative") {
  const std::string text = refusal([](assay_builder* b) {
    CHECK(b->status(b) == 0);
    CHECK(b->factor(b, 9) < 0);
    CHECK(b->factor(b, 0) < 0);
    CHECK(b->status(b) < 0);
    return b->status(b);
  });
  CHECK(says(text, "factor 9"));
}

}  // namespace assay::test
