// SPDX-License-Identifier: Apache-2.0
// weight/2 * sum (f_{i+1} - f_i)^2 along every component: neighbours are alike. The Laplacian L of
// a path is at most 4; the halves are 2 D f and (A + D) f (D degrees, A neighbours), so that the
// multiplicative update's majoriser with 2 D above L holds for all rows at once.
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

class Smooth {
 public:
  Smooth(Call, const Options& o) : axis_(o.text("axis").value()), weight_(o.number("weight")) {}
  assay_penalty_facts facts(int32_t side) {
    along_ = along_components(axis_, side);
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_CONVEX | (along_ ? ASSAY_PENALTY_BY_PLACE : 0);
    f.scope = ASSAY_SCOPE_MATRIX;
    f.kind = ASSAY_PENALTY_QUADRATIC;
    f.mu_power = 1;
    return f;
  }
  double value(ConstMatrix F) const {
    double total = 0;
    for (int64_t i = along_ ? 1 : 0; i < F.rows(); ++i) {
      for (int64_t a = along_ ? 0 : 1; a < F.cols(); ++a) {
        const double jump = F(i, a) - (along_ ? F(i - 1, a) : F(i, a - 1));
        total += jump * jump;
      }
    }
    return 0.5 * weight_ * total;
  }
  double whole(ConstMatrix F, Matrix num, Matrix den) const {
    const int64_t last = (along_ ? F.rows() : F.cols()) - 1;
    for (int64_t i = 0; i < F.rows(); ++i) {
      for (int64_t a = 0; a < F.cols(); ++a) {
        const int64_t at = along_ ? i : a;
        double near = 0, degree = 0;
        if (at > 0) near += along_ ? F(i - 1, a) : F(i, a - 1), degree += 1;
        if (at < last) near += along_ ? F(i + 1, a) : F(i, a + 1), degree += 1;
        num(i, a) += weight_ * (near + degree * F(i, a));
        den(i, a) += weight_ * 2 * degree * F(i, a);
      }
    }
    return 4 * weight_;
  }

 private:
  std::string axis_;
  double weight_;
  bool along_ = true;
};

constexpr assay_option options[] = {
    number_option("weight", "twice the factor of the sum of squared differences", 0.1, 0, INFINITY),
    enum_option("axis",
                "the lines whose neighbours are alike, as results show the factor",
                "components",
                kAxes),
    kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<Smooth>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "smooth",
             "squared differences of neighbours, for curves and spectra",
             "Whittaker 1923; Chen, Cichocki and Rutkowski 2006",
             "weight/2 * sum (f_{i+1} - f_i)^2 along each component",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.smooth", "1.0", plugin)
