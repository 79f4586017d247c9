// SPDX-License-Identifier: Apache-2.0
// terms on dense tiles against plain loops: every output, built-in and strange losses, weights, NaN
// at hidden entries.
#include <limits>

#include "tests/unit/kernels_support.hpp"

namespace {

using namespace kernels_test;

struct Case {
  int32_t tag, what;
  bool weights, with_value, image;
};

template <class T>
void check_terms(Isa isa, int64_t rows, int64_t cols, int64_t k, const Case& c) {
  CAPTURE(isa_name(isa));
  CAPTURE(rows);
  CAPTURE(cols);
  CAPTURE(k);
  CAPTURE(c.tag);
  CAPTURE(c.what);
  CAPTURE(c.weights);
  CAPTURE(c.with_value);
  const Kernels<T>& kernels = table<T>(isa);
  Matrix<T> x(rows, cols, 1);
  const T least = c.tag == ASSAY_TAG_IS ? T(0.01) : T(0);
  for (int64_t i = 0; i < rows; ++i) x(i, (3 * i) % cols) = least;
  const Factor<T> left(rows, k, 2), right(cols, k, 3);
  Matrix<T> weights(rows, cols, 4, 0.5, 2.0);
  if (c.weights) {
    for (int64_t i = 0; i < rows; ++i) {
      if (i % 3 == 1) continue;  // fully observed
      for (int64_t j = 0; j < cols; ++j) {
        if (i % 5 != 0 && (i + j) % 4 != 0) continue;  // every fifth row is hidden as a whole
        weights(i, j) = 0;
        x(i, j) = std::numeric_limits<T>::quiet_NaN();
      }
    }
  }
  std::vector<T> image(static_cast<size_t>(cols * k));
  kernels.image(cols, k, right.data.data(), right.ld, image.data(), cols);

  Stranger stranger;
  LossFunctions<T> loss = stranger.functions<T>();
  loss.tag = c.tag;
  if (c.tag != ASSAY_TAG_NONE) loss.grad = nullptr;
  const double lo = 0.3 * static_cast<double>(k);
  loss.m_lo = static_cast<T>(lo);

  const int64_t kp = right.ld;
  const bool e0 = c.what != ASSAY_VALUE, e1 = c.what == ASSAY_MU || c.what == ASSAY_NEWTON;
  Factor<T> row0(rows, k, 5), row1(rows, k, 6);
  std::vector<double> col0(static_cast<size_t>(cols * kp), 1.0), col1 = col0;
  std::vector<double> row_value(static_cast<size_t>(rows), 0.25);
  double value = 10;
  assay::AlignedArray<T> scratch(terms_scratch<T>(k));
  DenseTile<T> t;
  t.what = c.what;
  t.with_value = c.with_value;
  t.loss = &loss;
  t.k = k;
  t.left = left.data.data();
  t.ldl = left.ld;
  t.right = right.data.data();
  t.ldr = right.ld;
  if (e0) t.row0 = row0.data.data(), t.col0 = col0.data();
  if (e1) t.row1 = row1.data.data(), t.col1 = col1.data();
  t.ldrow = kp;
  t.ldcol = kp;
  t.value = &value;
  t.row_value = row_value.data();
  t.rows = rows;
  t.cols = cols;
  t.x = x.data();
  t.ldx = x.ld;
  if (c.weights) t.weights = weights.data();
  t.ldw = weights.ld;
  if (c.image) t.right_t = image.data();
  t.ldrt = cols;
  t.scratch = scratch.data();
  REQUIRE(kernels.terms_dense(t) == ASSAY_OK);
  CHECK_FALSE(stranger.saw_nan);

  const Factor<T> row0_before(rows, k, 5), row1_before(rows, k, 6);
  const size_t n_rows = static_cast<size_t>(rows * kp), n_cols = static_cast<size_t>(cols * kp);
  std::vector<double> want0(n_rows), want1(n_rows), wantc0(n_cols, 1.0), wantc1(n_cols, 1.0);
  double want_value = 10;
  Difference rows0, rows1, cols0, cols1;
  for (int64_t i = 0; i < rows; ++i) {
    double want_row = 0;
    for (int64_t j = 0; j < cols; ++j) {
      const double w = c.weights ? weights.at(i, j) : 1.0;
      if (w == 0) continue;
      double m = 0;
      for (int64_t p = 0; p < k; ++p) m += left.at(i, p) * right.at(j, p);
      const Entry e = entry_of(c.tag, c.what, x.at(i, j), std::max(m, lo));
      want_row += w * e.value;
      for (int64_t p = 0; p < k; ++p) {
        const double l = left.at(i, p), r = right.at(j, p);
        const bool newton = c.what == ASSAY_NEWTON;
        want0[static_cast<size_t>(i * kp + p)] += w * e.e0 * r;
        want1[static_cast<size_t>(i * kp + p)] += w * e.e1 * (newton ? r * r : r);
        wantc0[static_cast<size_t>(j * kp + p)] += w * e.e0 * l;
        wantc1[static_cast<size_t>(j * kp + p)] += w * e.e1 * (newton ? l * l : l);
      }
    }
    if (c.with_value) {
      want_value += want_row;
      CHECK(row_value[static_cast<size_t>(i)] ==
            doctest::Approx(want_row + 0.25).epsilon(10 * tolerance<T>()));
    }
  }
  CHECK(value == doctest::Approx(want_value).epsilon(10 * tolerance<T>()));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t p = 0; p < k; ++p) {
      const size_t at = static_cast<size_t>(i * kp + p);
      if (e0) rows0.add(row0.at(i, p), want0[at] + row0_before.at(i, p));
      if (e1) rows1.add(row1.at(i, p), want1[at] + row1_before.at(i, p));
    }
  }
  for (size_t at = 0; at < n_cols; ++at) {
    if (e0) cols0.add(col0[at], wantc0[at]);
    if (e1) cols1.add(col1[at], wantc1[at]);
  }
  CHECK(rows0.relative() < tolerance<T>());
  CHECK(rows1.relative() < tolerance<T>());
  CHECK(cols0.relative() < tolerance<T>());
  CHECK(cols1.relative() < tolerance<T>());
}

}  // namespace

TEST_CASE("terms on a dense tile equal plain loops") {
  for (const Isa isa : all_isas()) {
    for (const int32_t tag : {ASSAY_TAG_NONE, ASSAY_TAG_SQUARED, ASSAY_TAG_KL, ASSAY_TAG_IS}) {
      for (const int32_t what : {ASSAY_MU, ASSAY_GRAD, ASSAY_NEWTON, ASSAY_VALUE}) {
        for (const bool weights : {false, true}) {
          for (const bool with_value : {false, true}) {
            const Case c = {tag, what, weights, with_value || what == ASSAY_VALUE, true};
            check_terms<double>(isa, 64, 131, 17, c);
            check_terms<float>(isa, 64, 131, 17, c);
          }
        }
      }
    }
  }
}

TEST_CASE("terms on dense tiles of odd shapes, with and without an image of right") {
  for (const Isa isa : all_isas()) {
    for (const int64_t k : {1, 3, 5, 16, 50}) {
      for (const int64_t cols : {1, 7, 64, 784}) {
        for (const int64_t rows : {1, 5, 64, 67}) {
          for (const bool image : {false, true}) {
            check_terms<double>(isa, rows, cols, k,
                                {ASSAY_TAG_KL, ASSAY_GRAD, false, false, image});
            check_terms<double>(isa, rows, cols, k, {ASSAY_TAG_IS, ASSAY_MU, false, false, image});
            check_terms<float>(isa, rows, cols, k, {ASSAY_TAG_IS, ASSAY_GRAD, false, false, image});
            check_terms<float>(isa, rows, cols, k, {ASSAY_TAG_NONE, ASSAY_MU, true, true, image});
          }
        }
      }
    }
  }
}

TEST_CASE("outputs that are not asked for change nothing, KL without den takes the short way") {
  for (const Isa isa : all_isas()) {
    const Matrix<double> x(64, 784, 1);
    const Factor<double> left(64, 16, 2), right(784, 16, 3);
    LossFunctions<double> loss;
    loss.tag = ASSAY_TAG_KL;
    loss.m_lo = 1e-12;
    assay::AlignedArray<double> scratch(terms_scratch<double>(16));
    Factor<double> both(64, 16, 4), den(64, 16, 5), one(64, 16, 4);
    DenseTile<double> t;
    t.loss = &loss;
    t.k = 16;
    t.left = left.data.data();
    t.ldl = 16;
    t.right = right.data.data();
    t.ldr = 16;
    t.ldrow = 16;
    t.rows = 64;
    t.cols = 784;
    t.x = x.data();
    t.ldx = x.ld;
    t.scratch = scratch.data();
    t.row0 = one.data.data();
    REQUIRE(table<double>(isa).terms_dense(t) == ASSAY_OK);
    t.row0 = both.data.data();
    t.row1 = den.data.data();
    REQUIRE(table<double>(isa).terms_dense(t) == ASSAY_OK);
    Difference difference;
    for (int64_t e = 0; e < 64 * 16; ++e) difference.add(one.data[e], both.data[e]);
    CHECK(difference.relative() < 1e-14);
  }
}

TEST_CASE("float widens where the loss has no twin, and a failing loss stops the tile") {
  for (const Isa isa : all_isas()) {
    const Matrix<float> x(9, 200, 1);
    const Factor<float> left(9, 4, 2), right(200, 4, 3);
    Stranger stranger;
    const LossFunctions<double> wide = stranger.functions<double>();
    LossFunctions<float> loss;
    loss.wide = &wide;
    assay::AlignedArray<float> scratch(terms_scratch<float>(4));
    double value = 0;
    DenseTile<float> t;
    t.what = ASSAY_VALUE;
    t.with_value = true;
    t.loss = &loss;
    t.k = 4;
    t.left = left.data.data();
    t.ldl = left.ld;
    t.right = right.data.data();
    t.ldr = right.ld;
    t.value = &value;
    t.rows = 9;
    t.cols = 200;
    t.x = x.data();
    t.ldx = x.ld;
    t.scratch = scratch.data();
    REQUIRE(table<float>(isa).terms_dense(t) == ASSAY_OK);
    double want = 0;
    for (int64_t i = 0; i < 9; ++i) {
      for (int64_t j = 0; j < 200; ++j) {
        double m = 0;
        for (int64_t p = 0; p < 4; ++p) m += left.at(i, p) * right.at(j, p);
        want += Stranger::value(x.at(i, j), m);
      }
    }
    CHECK(value == doctest::Approx(want).epsilon(1e-5));
    CHECK(stranger.longest >= 56);
    stranger.fail_with = ASSAY_E_PLUGIN;
    CHECK(table<float>(isa).terms_dense(t) == ASSAY_E_PLUGIN);
    loss.wide = nullptr;
    CHECK(table<float>(isa).terms_dense(t) == ASSAY_E_NOT_FOUND);
  }
}
