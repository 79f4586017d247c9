// SPDX-License-Identifier: Apache-2.0
// Random start: entry (i, a) of a factor is |z| sqrt(mean / k), z standard normal from the init's
// stream, mean that of the observed X, so that W H' has the size of X; with three factors |z| times
// the cube root of mean / (k1 k2), for W S H'; signed where the factor may be. For X with negative
// entries the root mean square stands in for the mean. Same entries for any tiling: z depends on
// (side, i k + a) only.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class Random {
 public:
  Random(Call call, const assay_problem& p) : rng_(call.service<assay_rng>("assay.rng/1")) {
    const double mean = p.x_sum / p.observed, rms = std::sqrt(p.x_sumsq / p.observed);
    factors_ = p.n_factors;
    makes_w_ = (p.flags & ASSAY_PROBLEM_MAKES_W) != 0;
    const double size = p.x_min < 0 ? rms : mean;
    for (int32_t side = 0; side < factors_; ++side) {
      scale_[side] = factors_ == 2 ? std::sqrt(size / static_cast<double>(p.k[side]))
                                   : std::cbrt(size / static_cast<double>(p.k[0] * p.k[1]));
      signed_[side] = !(p.factor_flags[side] & ASSAY_FACTOR_NONNEG);
      stream_[side] = rng_->split(p.stream, static_cast<uint64_t>(side));
    }
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_INIT) return;
    if (!makes_w_) b.each<&Random::fill>("random_w", ASSAY_ROWS, {{b.factor(0), ASSAY_OUT}}, 0);
    b.each<&Random::fill>("random_h", ASSAY_COLS, {{b.factor(1), ASSAY_OUT}}, 1);
    if (factors_ == 3) b.each<&Random::fill>("random_s", ASSAY_ONE, {{b.factor(2), ASSAY_OUT}}, 2);
  }

 private:
  void fill(const Block& b) const {
    const Matrix F = b.matrix(0);
    const int32_t side = b.tag();
    for (int64_t i = 0; i < F.rows(); ++i) {
      const auto entry = static_cast<uint64_t>((b.first() + i) * F.cols());
      rng_->normal(stream_[side], entry, F.cols(), F.row(i).data());
      for (double& f : F.row(i)) f = scale_[side] * (signed_[side] ? f : std::abs(f));
    }
  }

  const assay_rng* rng_;
  int32_t factors_;
  bool makes_w_;
  double scale_[3];
  bool signed_[3];
  uint64_t stream_[3];
};

constexpr assay_init vtable = init_table<Random>();
constexpr assay_plugin plugin =
    describe("assay.init/1",
             "random",
             "random entries of the size that makes W H as large as X",
             nullptr,
             "F_ia = |z| sqrt(mean(X) / k),  z ~ N(0, 1);  signed where F may be",
             nullptr,
             &vtable,
             ASSAY_PLUGIN_DEFAULT);

}  // namespace

ASSAY_MODULE("org.assay.random", "1.0", plugin)
