// SPDX-License-Identifier: Apache-2.0
// Span mathematics: within an ulp or so of libm, special values, and the same bits however a span
// is cut.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/kernels/math.hpp"
#include "tests/unit/kernels_support.hpp"

namespace {

using namespace kernels_test;

template <class T>
using Span = void (*)(int64_t, const T*, T*);

template <class T>
void check_span(Span<T> span, double (*reference)(double), double lo, double hi) {
  constexpr int64_t n = 1001;
  std::vector<T> x(n), out(n), cut(n);
  std::mt19937 engine(3);
  std::uniform_real_distribution<double> uniform(lo, hi);
  for (T& v : x) v = static_cast<T>(uniform(engine));
  span(n, x.data(), out.data());
  const double ulp = static_cast<double>(std::numeric_limits<T>::epsilon());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = reference(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(static_cast<double>(out[i]) - want) /
                                std::max(std::fabs(want), std::numeric_limits<double>::min()));
  }
  CHECK(worst < 2 * ulp);
  for (int64_t at = 0, piece = 1; at < n; at += piece, piece = piece % 37 + 1) {
    span(std::min(piece, n - at), x.data() + at, cut.data() + at);
  }
  CHECK(std::memcmp(cut.data(), out.data(), x.size() * sizeof(T)) == 0);
  span(n, x.data(), x.data());  // in place
  CHECK(std::memcmp(x.data(), out.data(), x.size() * sizeof(T)) == 0);
}

double cube_root(double x) { return std::pow(x, 1.0 / 3); }
double cube_root_f32(double x) { return std::pow(x, static_cast<double>(1.0f / 3)); }

}  // namespace

TEST_CASE("span functions agree with libm and do not see where they are cut") {
  for (const Isa isa : all_isas()) {
    CAPTURE(isa_name(isa));
    const assay_math& math = *math_table(isa);
    check_span<double>(math.log, std::log, 1e-3, 100);
    check_span<double>(math.exp, std::exp, -30, 30);
    check_span<double>(math.log1p, std::log1p, -0.5, 10);
    check_span<double>(math.expm1, std::expm1, -3, 3);
    check_span<double>(math.lgamma, std::lgamma, 3, 200);
    check_span<float>(math.log_f32, std::log, 2, 100);
    check_span<float>(math.exp_f32, std::exp, -30, 30);
    check_span<float>(math.log1p_f32, std::log1p, 0.1, 10);
    check_span<float>(math.expm1_f32, std::expm1, 0.1, 3);
    check_span<float>(math.lgamma_f32, std::lgamma, 3, 200);
    static const assay_math* current;
    current = &math;
    check_span<double>(
        [](int64_t n, const double* x, double* out) { current->pow(n, x, 1.0 / 3, out); },
        cube_root, 0.01, 50);
    check_span<float>(
        [](int64_t n, const float* x, float* out) { current->pow_f32(n, x, 1.0f / 3, out); },
        cube_root_f32, 0.01, 50);
  }
}

TEST_CASE("special values pass through span functions") {
  for (const Isa isa : all_isas()) {
    const assay_math& math = *math_table(isa);
    const double infinity = std::numeric_limits<double>::infinity();
    double x[3] = {0.0, infinity, -1.0};
    math.log(3, x, x);
    CHECK(x[0] == -infinity);
    CHECK(x[1] == infinity);
    CHECK(std::isnan(x[2]));
    double y[2] = {-infinity, 1000.0};
    math.exp(2, y, y);
    CHECK(y[0] == 0.0);
    CHECK(y[1] == infinity);
    double z[2] = {-1.0, 0.0};
    math.log1p(2, z, z);
    CHECK(z[0] == -infinity);
    CHECK(z[1] == 0.0);
    math.log(0, nullptr, nullptr);
  }
}
