// SPDX-License-Identifier: Apache-2.0
// Non-negative double SVD (Boutsidis and Gallopoulos 2008). X ~ sum s_a u_a v_a', and component a
// becomes the larger of the non-negative rank-one parts of s_a u_a v_a': sqrt(s_a |u+| |v+|)
// u+/|u+| and v+/|v+|, or the same with the negative parts. nndsvd leaves zeros, nndsvda fills them
// with the mean of X, nndsvdar with mean * uniform / 100.
//
// The SVD is a randomized subspace iteration (Halko, Martinsson and Tropp 2011), stated once for
// both shapes of X. L is the longer axis, S the shorter, A is X seen as L x S, q = k + oversample:
//   Z on S: q random columns, orthonormal;   power times: Y = A Z on L, Z = orth(A' Y)
//   B = A Z = Q R, R = P diag(s) T':         u = Q P on L, v = Z T on S, both cut to k columns
// Cost: power + 1 sweeps over X. Nothing here depends on the random stream but the fill of
// nndsvdar.
#include <algorithm>
#include <assay/author/spectral.hpp>
#include <assay/plugin.hpp>
#include <cmath>
#include <string>
#include <vector>

namespace {

using namespace assay::author;

enum class Fill { kZero, kMean, kRandom };

template <Fill fill>
class Nndsvd : public Spectral<Nndsvd<fill>> {
  using Base = Spectral<Nndsvd<fill>>;

 public:
  Nndsvd(Call call, const assay_problem& p)
      : Base(call), rng_(call.service<assay_rng>("assay.rng/1")) {
    const Options options(call.host, p.options);
    k_ = p.k[0];
    if (p.n_factors != 2)
      throw Failure(ASSAY_E_COMBINATION, "nndsvd starts two factors, and the model has three")
          .help("use init `random` or `from_file`");
    const int64_t least = std::min(p.n, p.d);
    if (k_ > least)
      throw Failure(ASSAY_E_SHAPE, "rank " + std::to_string(k_) +
                                       " is larger than the smaller side of X, " +
                                       std::to_string(least))
          .help("use a smaller `model.rank`, or init `random`");
    if (p.x_min < 0)
      throw Failure(ASSAY_E_DOMAIN, "nndsvd needs X >= 0, and X has negative entries")
          .help("use init `random`");
    q_ = std::min(least, k_ + options.integer("oversample"));
    power_ = options.integer("power");
    makes_w_ = (p.flags & ASSAY_PROBLEM_MAKES_W) != 0;
    long_ = p.n >= p.d ? ASSAY_ROWS : ASSAY_COLS;
    short_ = long_ == ASSAY_ROWS ? ASSAY_COLS : ASSAY_ROWS;
    mean_ = p.x_sum / p.observed;
    for (uint64_t side = 0; side < 2; ++side) stream_[side] = rng_->split(p.stream, side);
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_INIT) return;
    assay_buf Z = b.local("start", short_, q_);
    b.each<&Nndsvd::draw>("draw", short_, {{Z, ASSAY_OUT}});
    Z = this->orthonormal(b, Z, short_, q_, "start");
    for (int64_t i = 0; i < power_; ++i) {
      const std::string n = std::to_string(i);
      const assay_buf Y = b.local(("image_" + n).c_str(), long_, q_);
      const assay_buf next = b.local(("power_" + n).c_str(), short_, q_);
      b.times(Y, ASSAY_X, Z);
      b.times(next, ASSAY_X, Y);
      Z = this->orthonormal(b, next, short_, q_, "power_" + n);
    }
    Z = this->orthonormal(b, Z, short_, q_,
                          "basis");  // a second pass takes the error of the first to rounding

    const assay_buf B = b.local("range", long_, q_);
    b.times(B, ASSAY_X, Z);
    const auto t = this->triplets(b, B, long_, Z, q_, k_, "svd");
    assay_buf vectors[2] = {t.left, t.right};
    if (long_ == ASSAY_COLS) std::swap(vectors[0], vectors[1]);
    split_signs(b, vectors, t.sigma);
  }

 private:
  void split_signs(const Builder& b, const assay_buf vectors[2], assay_buf s) const {
    const assay_buf parts[2] = {b.sum("parts_w", 2, k_), b.sum("parts_h", 2, k_)};
    const assay_buf scales[2] = {b.small("scales_w", 2, k_), b.small("scales_h", 2, k_)};
    for (int32_t side = 0; side < 2; ++side)
      b.each<&Nndsvd::measure>(side ? "measure_h" : "measure_w", side,
                               {{vectors[side], ASSAY_IN}, {parts[side], ASSAY_ADD}});
    b.each<&Nndsvd::choose>("choose_signs", ASSAY_ONE,
                            {{parts[0], ASSAY_IN},
                             {parts[1], ASSAY_IN},
                             {s, ASSAY_IN},
                             {scales[0], ASSAY_OUT},
                             {scales[1], ASSAY_OUT}});
    for (int32_t side = makes_w_ ? 1 : 0; side < 2; ++side)
      b.each<&Nndsvd::write>(
          side ? "write_h" : "write_w", side,
          {{vectors[side], ASSAY_IN}, {scales[side], ASSAY_IN}, {b.factor(side), ASSAY_OUT}}, side);
  }

  // ---- block functions ----

  void draw(const Block& b) const {
    const Matrix Z = b.matrix(0);
    for (int64_t j = 0; j < Z.rows(); ++j)
      rng_->normal(0, static_cast<uint64_t>((b.first() + j) * q_), q_, Z.row(j).data());
  }

  // Squared norms of the positive and of the negative part of each vector.
  void measure(const Block& b) const {
    const Matrix v = b.matrix(0), parts = b.matrix(1);
    for (int64_t i = 0; i < v.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) parts(v(i, a) > 0 ? 0 : 1, a) += v(i, a) * v(i, a);
  }

  // Row 0: the sign to keep (0: both, the first pair has one sign), row 1: the scale of what is
  // kept.
  void choose(const Block& b) const {
    const Matrix pw = b.matrix(0), ph = b.matrix(1), sigma = b.matrix(2), sw = b.matrix(3),
                 sh = b.matrix(4);
    for (int64_t a = 0; a < k_; ++a) {
      const double up = std::sqrt(pw(0, a)), un = std::sqrt(pw(1, a)), vp = std::sqrt(ph(0, a)),
                   vn = std::sqrt(ph(1, a));
      const bool positive = up * vp > un * vn;
      const double u = positive ? up : un, v = positive ? vp : vn,
                   size = std::sqrt(sigma(0, a) * u * v);
      sw(0, a) = sh(0, a) = a == 0 ? 0 : positive ? 1 : -1;
      sw(1, a) = a == 0 ? std::sqrt(sigma(0, a)) : u > 0 ? size / u : 0;
      sh(1, a) = a == 0 ? std::sqrt(sigma(0, a)) : v > 0 ? size / v : 0;
    }
  }

  void write(const Block& b) const {
    // Below this share of a typical entry, one is a zero of the SVD's rounding.
    const double smallest = 1e-6 * std::sqrt(std::abs(mean_) / static_cast<double>(k_));
    const Matrix v = b.matrix(0), scale = b.matrix(1), F = b.matrix(2);
    const auto uniform = b.call().scratch<double>(k_);
    for (int64_t i = 0; i < F.rows(); ++i) {
      if (fill == Fill::kRandom)
        rng_->uniform(stream_[b.tag()], static_cast<uint64_t>((b.first() + i) * k_), k_,
                      uniform.data());
      for (int64_t a = 0; a < k_; ++a) {
        const double sign = scale(0, a),
                     part = sign == 0 ? std::abs(v(i, a)) : std::max(sign * v(i, a), 0.0);
        const double f = scale(1, a) * part;
        F(i, a) = f >= smallest ? f : filled(uniform[static_cast<size_t>(a)]);
      }
    }
  }
  double filled(double uniform) const {
    return fill == Fill::kZero ? 0 : fill == Fill::kMean ? mean_ : mean_ * uniform / 100;
  }

  const assay_rng* rng_;
  int64_t k_ = 0, q_ = 0, power_ = 0;
  int32_t long_ = ASSAY_ROWS, short_ = ASSAY_COLS;
  bool makes_w_ = false;
  double mean_ = 0;
  uint64_t stream_[2] = {0, 0};
};

constexpr assay_option options[] = {
    integer_option("power",
                   "power iterations; more follow the leading vectors more exactly",
                   8,
                   0,
                   200),
    integer_option("oversample", "vectors iterated beyond the rank", 10, 0, 1000), kNoMoreOptions};
constexpr const char* kCitation = "Boutsidis and Gallopoulos 2008";
constexpr const char* kMaths =
    "X ~ sum s_a u_a v_a';  W_a = sqrt(s_a |u+| |v+|) u+ / |u+|,  H_a likewise, or the negative "
    "parts";
constexpr assay_init tables[] = {init_table<Nndsvd<Fill::kZero>>(),
                                 init_table<Nndsvd<Fill::kMean>>(),
                                 init_table<Nndsvd<Fill::kRandom>>()};
constexpr assay_plugin plugins[] = {
    describe("assay.init/1",
             "nndsvd",
             "non-negative parts of a truncated SVD, with exact zeros",
             kCitation,
             kMaths,
             options,
             &tables[0],
             ASSAY_PLUGIN_DETERMINISTIC),
    describe("assay.init/1",
             "nndsvda",
             "nndsvd with zeros filled by the mean of X",
             kCitation,
             kMaths,
             options,
             &tables[1],
             ASSAY_PLUGIN_DETERMINISTIC),
    describe("assay.init/1",
             "nndsvdar",
             "nndsvd with zeros filled by small random numbers",
             kCitation,
             kMaths,
             options,
             &tables[2])};
constexpr const assay_plugin* all[] = {&plugins[0], &plugins[1], &plugins[2]};
constexpr assay_module module = {sizeof(assay_module),
                                 0,
                                 ASSAY_ABI_MAJOR,
                                 ASSAY_ABI_MINOR,
                                 __VERSION__,
                                 "org.assay.nndsvd",
                                 "1.0",
                                 "Apache-2.0",
                                 "The Assay authors",
                                 3,
                                 all,
                                 nullptr,
                                 nullptr};

}  // namespace

const assay_module* assay_plugin_main_v1(void) { return &module; }
