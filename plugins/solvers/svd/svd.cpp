// SPDX-License-Identifier: Apache-2.0
// Truncated singular value decomposition: X ~ U diag(s) V', s descending, the best of rank k by the
// squared loss (Eckart and Young 1936). W = U diag(s), H = V'; U, s and V are arrays of the result.
// The entry of largest magnitude of each right vector is positive. How the directions are found is
// in <assay/author/spectral/...>; each leaves (A Z, Z), and the end rotates them.
#include <assay/author/spectral/methods.hpp>

#include "full_basis.hpp"

namespace {

using namespace assay::author;

class Svd : public FullBasis<SingularVectors<Svd>> {
 public:
  Svd(Call call, const assay_problem& p)
      : FullBasis<SingularVectors<Svd>>(call, p, Options(call.host, p.options).flag("symmetric")) {
    full_ = Options(call.host, p.options).text("basis").value_or("thin") == "full";
    if (full_ && known_ < 0) check_memory(call);
  }

  void build(const Builder& b, int32_t purpose) const {
    if (known_ >= 0) return purpose == ASSAY_STEP ? project(b) : void();
    if (purpose == ASSAY_PREPARE) prepare(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == (direct() ? ASSAY_STEP : ASSAY_FINISH)) finish(b);
  }

 private:
  void finish(const Builder& b) const {
    const Whole t = whole_triplets(b, symmetric());
    const assay_buf ends = ends_of(b, t.vectors[ASSAY_COLS]);
    array(b, "s", t.sigma);
    if (t.values != ASSAY_NO) array(b, "eigenvalues", t.values);
    assay_buf vectors[2];
    for (int32_t side = 0; side < 2; ++side) {
      const bool rows = side == ASSAY_ROWS;
      vectors[side] =
          b.buffer(rows ? "U" : "V", side, ASSAY_STATE, 0, k_, true, ASSAY_BUFFER_OUTPUT);
      each<&Svd::write>(b, rows ? "write_w" : "write_h", side,
                        {{t.vectors[side], ASSAY_IN},
                         {ends, ASSAY_IN},
                         {t.sigma, ASSAY_IN},
                         {vectors[side], ASSAY_OUT},
                         {b.factor(side), ASSAY_OUT}},
                        side);
    }
    if (full_) full_bases(b, vectors);
  }
  void array(const Builder& b, const char* name, assay_buf from) const {
    const assay_buf out = b.buffer(name, ASSAY_ONE, ASSAY_STATE, 1, k_, true, ASSAY_BUFFER_OUTPUT);
    assign(b, std::string(name) + "_write", ASSAY_ONE, from, out);
  }

  // {vectors, ends, sigma, array, factor}
  void write(const Block& b) const {
    const Matrix F = b.matrix(0), ends = b.matrix(1), sigma = b.matrix(2), array = b.matrix(3),
                 factor = b.matrix(4);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        array(i, a) = F(i, a) * sign(ends, a);
        factor(i, a) = b.tag() == ASSAY_ROWS ? array(i, a) * sigma(0, a) : array(i, a);
      }
  }

  bool full_ = false;
};

constexpr const char* kMethods[] = {"randomized", "subspace", "lanczos", "gram",
                                    "lapack",     "power",    "auto",    nullptr};
constexpr const char* kBases[] = {"thin", "full", nullptr};
constexpr assay_option kOwn[] = {
    enum_option("method",
                "how the directions are found; auto: gram up to 2000 on the shorter side, else "
                "randomized",
                "randomized",
                kMethods,
                ASSAY_OPT_SETTLES(3) | ASSAY_OPT_SETTLES(4) | ASSAY_OPT_SETTLES(6)),
    enum_option("basis",
                "full: arrays U_full (n x n) and V_full (d x d) complete the singular vectors",
                "thin",
                kBases),
    bool_option("symmetric",
                "power, lapack: X is symmetric; find its eigenvalues, with signs",
                false)};
constexpr auto options = with_spectral_options(kOwn);
constexpr assay_solver table =
    solver_table<Svd>(ASSAY_NEEDS_SQUARED, ASSAY_NEEDS_NO_PENALTY, ASSAY_TAKES_SPARSE, nullptr);
constexpr assay_plugin svd = describe(
    "assay.solver/1",
    "svd",
    "truncated singular value decomposition",
    "Halko, Martinsson and Tropp 2011; Musco and Musco 2015; Wu and Simon 2000",
    "X ~ U diag(s) V', U'U = V'V = I, s descending:  W = U diag(s), H = V'\n"
    "randomized: Z in the span of A'A K, K = [Z_0, A'A Z_0, ..., (A'A)^power Z_0], Z_0 random\n"
    "subspace: one Z = orth(A'A Z) a step;  lanczos: Z in the span of z, A'A z, (A'A)^2 z ...\n"
    "gram: eigenvectors of A'A;  lapack: divide and conquer on a dense copy\n"
    "power: v <- A v / |A v|, then A - lambda v v', a component a step (symmetric X: A = X)\n"
    "A is X with its longer side upright. All but lapack see A'A: an s of s_1 / c is right to "
    "about\n"
    "1e-16 c^2 by gram, and what is below 1e-8 s_1 (power, subspace: 1e-6) is noise; lanczos and "
    "lapack "
    "reach 1e-10\n"
    "cost: with q = k + oversample, randomized power + 2 reads of X and 4ndq flops each, subspace "
    "one\n"
    "  such read a step, lanczos and power one read and 4nd flops a vector, gram two reads and\n"
    "  nd min(n, d) flops, lapack X three times in memory and one thread\n"
    "guarantee: no other W H of rank k has a lower objective, once converged",
    options.data(),
    &table);

}  // namespace

ASSAY_MODULE("org.assay.svd", "1.0", svd)
