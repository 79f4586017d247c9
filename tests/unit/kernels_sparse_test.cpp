// SPDX-License-Identifier: Apache-2.0
// Kernels on compressed lines against plain loops: runs longer than a span, hidden entries,
// weights, scales, zero terms.
#include <limits>

#include "tests/unit/kernels_support.hpp"

namespace {

using namespace kernels_test;

struct Lines {
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> indices;
  std::vector<double> values;
  std::vector<float> weights;
};

// Line 1 is empty, line 2 full; every seventh entry is hidden when `hide`.
Lines make_lines(int64_t lines, int64_t width, bool hide) {
  Lines x;
  std::mt19937 engine(11);
  std::uniform_real_distribution<double> uniform(0.0, 2.0);
  for (int64_t l = 0; l < lines; ++l) {
    for (int64_t j = 0; j < width; ++j) {
      if (l == 1 || (l != 2 && uniform(engine) > 0.4)) continue;
      const bool hidden = hide && x.values.size() % 7 == 3;
      x.indices.push_back(static_cast<int32_t>(j));
      x.values.push_back(hidden ? std::numeric_limits<double>::quiet_NaN()
                                : static_cast<double>(static_cast<float>(uniform(engine))));
      x.weights.push_back(hidden ? 0.0f : static_cast<float>(0.5 + uniform(engine)));
    }
    x.indptr.push_back(static_cast<int64_t>(x.values.size()));
  }
  return x;
}

struct Case {
  int32_t tag, what;
  bool weights, hide, outer, scale;
  int32_t zero_term;
  int32_t dtype = ASSAY_F64;
};

constexpr int64_t kFirst = 1;  // the tile leaves line 0 out

template <class T>
struct Fixture {
  Fixture(int64_t lines_, int64_t width_, int64_t k, const Case& c_)
      : lines(lines_ - kFirst),
        width(width_),
        c(c_),
        x(make_lines(lines_, width_, c_.hide)),
        narrow(x.values.begin(), x.values.end()),
        left(lines, k, 2),
        right(width, k, 3),
        row0(lines, k, 5),
        row1(lines, k, 6),
        col0(static_cast<size_t>(width * right.ld), 1.0),
        col1(col0),
        line_weights(factors(lines, 0.5)),
        index_weights(factors(width, 0.7)),
        line_scale(factors(lines, 1.5)),
        index_scale(factors(width, 0.9)),
        scratch(sparse_scratch<T>(k, width)) {
    t.what = c.what;
    t.k = k;
    t.left = left.data.data();
    t.ldl = left.ld;
    t.right = right.data.data();
    t.ldr = right.ld;
    t.ldrow = right.ld;
    t.ldcol = right.ld;
    t.first = kFirst;
    t.lines = lines;
    t.indptr = x.indptr.data();
    t.indices = x.indices.data();
    t.dtype = c.dtype;
    t.values = c.dtype == ASSAY_F32 ? static_cast<const void*>(narrow.data())
                                    : static_cast<const void*>(x.values.data());
    if (c.weights) t.weights = x.weights.data();
    if (c.outer) t.line_weights = line_weights.data(), t.index_weights = index_weights.data();
    if (c.scale) t.line_scale = line_scale.data(), t.index_scale = index_scale.data();
    t.zero_term = c.zero_term;
    t.zero_a = 0.5;
    t.scratch = scratch.data();
  }
  static std::vector<double> factors(int64_t n, double base) {
    std::vector<double> out(static_cast<size_t>(n));
    for (size_t i = 0; i < out.size(); ++i) out[i] = base + 0.1 * static_cast<double>(i % 5);
    return out;
  }
  double weight(size_t e) const { return c.weights ? static_cast<double>(x.weights[e]) : 1.0; }
  double outer(int64_t l, int32_t j) const {
    return c.outer ? line_weights[static_cast<size_t>(l)] * index_weights[static_cast<size_t>(j)]
                   : 1.0;
  }
  double viewed(int64_t l, size_t e) const {
    const auto j = static_cast<size_t>(x.indices[e]);
    return x.values[e] * (c.scale ? line_scale[static_cast<size_t>(l)] * index_scale[j] : 1.0);
  }
  // fn(line, index, entry) for every stored entry of the tile.
  template <class F>
  void each(F fn) const {
    for (int64_t l = 0; l < lines; ++l) {
      for (int64_t e = x.indptr[static_cast<size_t>(l + kFirst)];
           e < x.indptr[static_cast<size_t>(l + kFirst + 1)]; ++e) {
        fn(l, x.indices[static_cast<size_t>(e)], static_cast<size_t>(e));
      }
    }
  }

  int64_t lines, width;
  Case c;
  Lines x;
  std::vector<float> narrow;
  Factor<T> left, right, row0, row1;
  std::vector<double> col0, col1, line_weights, index_weights, line_scale, index_scale;
  assay::AlignedArray<T> scratch;
  SparseTile<T> t;
};

template <class T>
void check_terms(Isa isa, int64_t width, int64_t k, const Case& c) {
  CAPTURE(isa_name(isa));
  CAPTURE(width);
  CAPTURE(k);
  CAPTURE(c.tag);
  CAPTURE(c.what);
  CAPTURE(c.hide);
  CAPTURE(c.zero_term);
  Fixture<T> f(12, width, k, c);
  Stranger stranger;
  LossFunctions<T> loss = stranger.functions<T>();
  loss.tag = c.tag;
  const double lo = 0.3 * static_cast<double>(k);
  loss.m_lo = static_cast<T>(lo);
  std::vector<double> row_value(static_cast<size_t>(f.lines), 0.0);
  double value = 3;
  f.t.loss = &loss;
  f.t.with_value = true;
  f.t.value = &value;
  f.t.row_value = row_value.data();
  const bool second = c.what == ASSAY_MU || c.what == ASSAY_NEWTON;
  f.t.row0 = f.row0.data.data();
  f.t.col0 = f.col0.data();
  if (second) f.t.row1 = f.row1.data.data(), f.t.col1 = f.col1.data();
  REQUIRE(table<T>(isa).terms_sparse(f.t) == ASSAY_OK);
  CHECK_FALSE(stranger.saw_nan);

  const int64_t kp = f.right.ld;
  const Factor<T> row0(f.lines, k, 5), row1(f.lines, k, 6);
  std::vector<double> want0(static_cast<size_t>(f.lines * kp)), want1 = want0;
  std::vector<double> wantc0(static_cast<size_t>(width * kp), 1.0), wantc1 = wantc0;
  std::vector<double> want_value(static_cast<size_t>(f.lines), 0.0);
  f.each([&](int64_t l, int32_t j, size_t e) {
    double m = 0;
    for (int64_t p = 0; p < k; ++p) m += f.left.at(l, p) * f.right.at(j, p);
    m = std::max(m, lo);
    const double w = f.weight(e);
    Entry y = {0, 0, 0};
    if (w != 0) y = entry_of(c.tag, c.what, f.viewed(l, e), m);
    const bool linear = c.zero_term == ASSAY_ZERO_LINEAR,
               square = c.zero_term == ASSAY_ZERO_QUADRATIC;
    const double z = linear ? 0.5 * m : square ? 0.5 * m * m : 0;
    const double z1 = linear ? 0.5 : square ? m : 0, z2 = square ? 1 : 0;
    const bool mu = c.what == ASSAY_MU;
    const double e0 = (w * y.e0 - (mu ? 0 : z1)) * f.outer(l, j);
    const double e1 = (w * y.e1 - (mu ? z1 : z2)) * f.outer(l, j);
    want_value[static_cast<size_t>(l)] += (w * y.value - z) * f.outer(l, j);
    for (int64_t p = 0; p < k; ++p) {
      const double a = f.left.at(l, p), b = f.right.at(j, p);
      const bool newton = c.what == ASSAY_NEWTON;
      want0[static_cast<size_t>(l * kp + p)] += e0 * b;
      want1[static_cast<size_t>(l * kp + p)] += e1 * (newton ? b * b : b);
      wantc0[static_cast<size_t>(j * kp + p)] += e0 * a;
      wantc1[static_cast<size_t>(j * kp + p)] += e1 * (newton ? a * a : a);
    }
  });
  Difference rows0, rows1, cols0, cols1, values;
  double total = 3;
  for (int64_t l = 0; l < f.lines; ++l) {
    const auto at = static_cast<size_t>(l);
    values.add(row_value[at], want_value[at]);
    total += want_value[at];
    for (int64_t p = 0; p < k; ++p) {
      rows0.add(f.row0.at(l, p), row0.at(l, p) + want0[static_cast<size_t>(l * kp + p)]);
      rows1.add(f.row1.at(l, p),
                row1.at(l, p) + (second ? want1[static_cast<size_t>(l * kp + p)] : 0));
    }
  }
  for (size_t at = 0; at < f.col0.size(); ++at) {
    cols0.add(f.col0[at], wantc0[at]);
    if (second) cols1.add(f.col1[at], wantc1[at]);
  }
  CHECK(values.relative() < tolerance<T>());
  CHECK(value == doctest::Approx(total).epsilon(10 * tolerance<T>()));
  CHECK(rows0.relative() < tolerance<T>());
  CHECK(rows1.relative() < tolerance<T>());
  CHECK(cols0.relative() < tolerance<T>());
  CHECK(cols1.relative() < tolerance<T>());
}

template <class T>
void check_products(Isa isa, int64_t width, int64_t k, const Case& c, int power) {
  CAPTURE(isa_name(isa));
  CAPTURE(width);
  CAPTURE(k);
  CAPTURE(power);
  Fixture<T> f(12, width, k, c);
  f.t.row0 = f.row0.data.data();
  f.t.col0 = f.col0.data();
  table<T>(isa).sparse_rows_product(f.t, power);
  table<T>(isa).sparse_cols_product(f.t, power);
  const int64_t kp = f.right.ld;
  std::vector<double> want_rows(static_cast<size_t>(f.lines * kp));
  std::vector<double> want_cols(static_cast<size_t>(width * kp), 1.0);
  f.each([&](int64_t l, int32_t j, size_t e) {
    if (f.weight(e) == 0) return;
    const double w = power == 0 ? 1.0 : std::pow(f.viewed(l, e), power);
    for (int64_t p = 0; p < k; ++p) {
      want_rows[static_cast<size_t>(l * kp + p)] += w * f.right.at(j, p);
      want_cols[static_cast<size_t>(j * kp + p)] += w * f.left.at(l, p);
    }
  });
  Difference rows, cols;
  for (int64_t l = 0; l < f.lines; ++l) {
    for (int64_t p = 0; p < k; ++p)
      rows.add(f.row0.at(l, p), want_rows[static_cast<size_t>(l * kp + p)]);
  }
  for (size_t at = 0; at < f.col0.size(); ++at) cols.add(f.col0[at], want_cols[at]);
  CHECK(rows.relative() < tolerance<T>());
  CHECK(cols.relative() < tolerance<T>());
}

}  // namespace

TEST_CASE("terms on sparse lines equal plain loops") {
  for (const Isa isa : all_isas()) {
    for (const int32_t tag : {ASSAY_TAG_NONE, ASSAY_TAG_SQUARED, ASSAY_TAG_KL, ASSAY_TAG_IS}) {
      for (const int32_t what : {ASSAY_MU, ASSAY_GRAD, ASSAY_NEWTON}) {
        for (const int32_t zero : {ASSAY_ZERO_NONE, ASSAY_ZERO_LINEAR, ASSAY_ZERO_QUADRATIC}) {
          const Case plain = {tag, what, false, false, false, false, zero};
          const Case all = {tag, what, true, true, true, true, zero, ASSAY_F32};
          check_terms<double>(isa, 150, 5, plain);
          check_terms<float>(isa, 150, 5, plain);
          check_terms<double>(isa, 150, 17, all);
          check_terms<float>(isa, 150, 17, all);
        }
      }
    }
    for (const int64_t k : {1, 3, 16, 50}) {
      check_terms<double>(isa, 2600, k,
                          {ASSAY_TAG_KL, ASSAY_MU, false, false, false, false, ASSAY_ZERO_LINEAR});
      check_terms<float>(isa, 2600, k,
                         {ASSAY_TAG_NONE, ASSAY_MU, true, true, false, false, ASSAY_ZERO_NONE});
    }
  }
}

TEST_CASE("products of sparse lines equal plain loops") {
  for (const Isa isa : all_isas()) {
    for (const int power : {0, 1, 2}) {
      for (const int64_t k : {1, 3, 5, 16, 17, 50}) {
        const Case plain = {ASSAY_TAG_NONE, ASSAY_MU, false, false, false, false, ASSAY_ZERO_NONE};
        const Case all = {ASSAY_TAG_NONE, ASSAY_MU,        true,     true, true,
                          true,           ASSAY_ZERO_NONE, ASSAY_F32};
        check_products<double>(isa, 1300, k, plain, power);
        check_products<float>(isa, 1300, k, plain, power);
        check_products<double>(isa, 64, k, all, power);
        check_products<float>(isa, 64, k, all, power);
      }
    }
  }
}
