// SPDX-License-Identifier: Apache-2.0
// The elastic net with scikit-learn's names and scaling (its NMF from 1.0 on):
//   W: alpha_W d (l1_ratio sum |f| + (1 - l1_ratio)/2 sum f^2),   H: alpha_H n (...)
// d features, n samples. Stands for a quadratic and an l1 penalty at once.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class ElasticNet {
 public:
  ElasticNet(Call, const Options& o)
      : alpha_(o.number("alpha")),
        ratio_(o.number("l1_ratio")),
        scaled_(o.text("scale") == "sklearn") {
    alphas_[0] = o.given("alpha_W") ? o.number("alpha_W") : alpha_;
    // As alpha_H = "same": H follows W where it has no number of its own.
    const bool follows = o.given("alpha_W") && !o.given("alpha");
    alphas_[1] = o.given("alpha_H") ? o.number("alpha_H") : follows ? alphas_[0] : alpha_;
    choose(0, 1);
  }
  void bind(const Call&, const assay_factor_facts& f) {
    bound_ = true;
    choose(f.side, static_cast<double>(f.side == 1 ? f.n : f.d));
  }
  assay_penalty_facts facts(int32_t side) {
    if (!bound_) choose(side, 1);
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_CONVEX;
    f.scope = ASSAY_SCOPE_ELEMENT;
    f.kind = ASSAY_PENALTY_QUADRATIC_L1;
    return f;
  }
  double value(ConstMatrix F) const {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < F.rows(); ++i) {
      for (const double f : F.row(i)) {
        sum += std::abs(f);
        squares += f * f;
      }
    }
    return l1_ * sum + 0.5 * l2_ * squares;
  }
  void prox(Matrix F, double step) const {
    const double t = step * l1_, shrink = 1 / (1 + step * l2_);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (double& f : F.row(i)) f = shrink * (f > t ? f - t : f < -t ? f + t : 0);
  }
  // On f >= 0 the whole gradient is the positive half.
  void mu_add(ConstMatrix F, Matrix, Matrix den) const {
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < F.cols(); ++a) den(i, a) += l1_ + l2_ * F(i, a);
  }
  void grad_add(ConstMatrix F, Matrix grad) const {
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < F.cols(); ++a)
        grad(i, a) += (F(i, a) >= 0 ? l1_ : -l1_) + l2_ * F(i, a);
  }
  void quad_add(std::span<double> diag,
                std::span<double> lin,
                std::span<double>,
                std::span<double>) const {
    for (double& v : diag) v += l2_;
    for (double& v : lin) v += l1_;
  }

 private:
  void choose(int32_t side, double length) {
    const double alpha = alphas_[side == 1 ? 1 : 0] * (scaled_ ? length : 1);
    l1_ = alpha * ratio_;
    l2_ = alpha * (1 - ratio_);
  }

  double alpha_, ratio_;
  bool scaled_, bound_ = false;
  double alphas_[2] = {0, 0}, l1_ = 0, l2_ = 0;
};

constexpr const char* kScales[] = {"sklearn", "none", nullptr};
constexpr assay_option options[] = {
    number_option("alpha", "strength on the factor it is given for", 0.1, 0, INFINITY),
    number_option("alpha_W", "strength on W, as scikit-learn calls it", 0, 0, INFINITY),
    number_option("alpha_H", "strength on H; alpha_W where it is not given", 0, 0, INFINITY),
    number_option("l1_ratio",
                  "share of the sum of absolute values; the rest goes to the squares",
                  0,
                  0,
                  1),
    enum_option("scale",
                "sklearn: times the features on W, the samples on H; none: alpha alone",
                "sklearn",
                kScales),
    kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<ElasticNet>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "elastic_net",
             "absolute values and squares, scaled as in scikit-learn's NMF",
             "Zou and Hastie 2005",
             "W: alpha d (l1_ratio sum |f| + (1 - l1_ratio)/2 sum f^2);  H: alpha n (...)",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.elastic_net", "1.0", plugin)
