// SPDX-License-Identifier: Apache-2.0
// Entries known in advance: f = value where the file has a number, free where it has NaN (and then
// at least 0 unless told otherwise). The file has the factor's shape as results show it: W n x k,
// H k x d.
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <vector>

namespace {

using namespace assay::author;

constexpr uint32_t kNonneg = ASSAY_PENALTY_NONNEG;

class Fixed {
 public:
  Fixed(Call, const Options& o) : path_(o.text("path").value_or("")), nonneg_(o.flag("nonneg")) {}
  assay_penalty_facts facts() const {
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_CONVEX | ASSAY_PENALTY_BY_PLACE | (nonneg_ ? kNonneg : 0);
    f.scope = ASSAY_SCOPE_ELEMENT;
    f.kind = ASSAY_PENALTY_SET;
    return f;
  }
  void bind(const Call& call, const assay_factor_facts& f) {
    const auto* files = call.service<assay_files>("assay.files/1");
    const bool turned = f.side == 1;
    const int64_t rows = turned ? f.width : f.rows, cols = turned ? f.rows : f.width;
    int64_t r = 0, c = 0;
    Call::check(files->shape(call.ctx, path_.c_str(), nullptr, &r, &c));
    const auto shape = [](int64_t a, int64_t b) {
      return std::to_string(a) + " x " + std::to_string(b);
    };
    if (r != rows || c != cols)
      throw Failure(ASSAY_E_SHAPE, "`" + path_ + "` is " + shape(r, c) + ", but the factor is " +
                                       shape(rows, cols))
          .help("give a number or NaN for every entry of the factor");
    std::vector<double> given(static_cast<size_t>(r * c));
    Call::check(files->load(call.ctx, path_.c_str(), nullptr, r, c, given.data()));
    values_.resize(given.size());
    width_ = f.width;
    for (int64_t i = 0; i < f.rows; ++i) {
      for (int64_t a = 0; a < f.width; ++a) {
        const double v = given[static_cast<size_t>(turned ? a * f.rows + i : i * f.width + a)];
        if (std::isinf(v) || (nonneg_ && v < 0))
          throw Failure(ASSAY_E_DOMAIN, "a fixed entry of `" + path_ + "` is " +
                                            (std::isinf(v) ? "infinite" : "negative"))
              .help("mend the file, or set `nonneg: false` where entries may be negative");
        values_[static_cast<size_t>(i * f.width + a)] = v;
      }
    }
  }
  double value(int64_t first, ConstMatrix F) const {
    for (int64_t i = 0; i < F.rows(); ++i) {
      for (int64_t a = 0; a < F.cols(); ++a) {
        const double v = known(first + i, a);
        // A float32 factor holds the number it is nearest to.
        const double off = std::abs(F(i, a) - v);
        if (std::isnan(v) ? nonneg_ && !(F(i, a) >= 0) : !(off <= 1e-6 * std::abs(v)))
          return INFINITY;
      }
    }
    return 0;
  }
  void prox(int64_t first, Matrix F, double) const {
    for (int64_t i = 0; i < F.rows(); ++i) {
      for (int64_t a = 0; a < F.cols(); ++a) {
        const double v = known(first + i, a);
        if (!std::isnan(v))
          F(i, a) = v;
        else if (nonneg_)
          F(i, a) = std::max(F(i, a), 0.0);
      }
    }
  }
  void bounds(int64_t first, Matrix lower, Matrix upper) const {
    for (int64_t i = 0; i < lower.rows(); ++i) {
      for (int64_t a = 0; a < lower.cols(); ++a) {
        const double v = known(first + i, a);
        if (!std::isnan(v))
          lower(i, a) = upper(i, a) = v;
        else if (nonneg_)
          lower(i, a) = std::max(lower(i, a), 0.0);
      }
    }
  }

 private:
  double known(int64_t i, int64_t a) const {
    const auto at = static_cast<size_t>(i * width_ + a);
    return at < values_.size() ? values_[at] : NAN;
  }

  std::string path_;
  bool nonneg_;
  int64_t width_ = 0;
  std::vector<double> values_;
};

constexpr assay_option options[] = {
    path_option("path",
                "matrix of the factor's shape: a number where it is known, else NaN",
                ASSAY_OPT_REQUIRED),
    bool_option("nonneg", "free entries are at least 0", true), kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<Fixed>();
constexpr assay_plugin plugin = describe("assay.penalty/1",
                                         "fixed",
                                         "some entries of the factor are known and stay",
                                         nullptr,
                                         "f_ia = value_ia where it is given;  projection sets it",
                                         options,
                                         &vtable);

}  // namespace

ASSAY_MODULE("org.assay.fixed", "1.0", plugin)
