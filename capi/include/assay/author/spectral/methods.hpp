// SPDX-License-Identifier: Apache-2.0
// The methods for the leading singular directions of X under one roof, with the options they share: a plugin derives from
// SingularVectors<itself>, builds with prepare() and step(), and finishes from signed_triplets().
#ifndef ASSAY_AUTHOR_SPECTRAL_METHODS_HPP
#define ASSAY_AUTHOR_SPECTRAL_METHODS_HPP

#include <array>
#include <cstddef>

#include "../../plugin.hpp"
#include "dense.hpp"
#include "gram.hpp"
#include "lanczos.hpp"
#include "power.hpp"
#include "randomized.hpp"
#include "subspace.hpp"
#include "triplets.hpp"

namespace assay::author {

// Behind a plugin's own options.
inline constexpr std::array kSpectralOptions = {
    integer_option("power", "randomized: power iterations", 4, 0, 1000),
    integer_option("oversample", "randomized, subspace: columns beyond the rank", 10, 0, 10000),
    integer_option("vectors", "lanczos: vectors before a restart; 0: 2 k + 20, 3 k at least", 0, 0,
                   100000),
    number_option(
        "tolerance",
        "lanczos, power: what ends it: residual of each s^2, relative, or change of a vector "
        "of length 1",
        1e-13, 0, 1),
    integer_option("turns", "power: most iterations of a component", 1000, 1, 1000000000),
    list_option("start", "power: start vectors, one after the other; random where there are none",
                -1e300, 1e300)};

template <size_t N>
constexpr std::array<assay_option, N + kSpectralOptions.size() + 1> with_spectral_options(
    const assay_option (&own)[N]) {
  std::array<assay_option, N + kSpectralOptions.size() + 1> all{};
  for (size_t i = 0; i < N; ++i) all[i] = own[i];
  for (size_t i = 0; i < kSpectralOptions.size(); ++i) all[N + i] = kSpectralOptions[i];
  all.back() = kNoMoreOptions;
  return all;
}

template <class Plugin>
using SpectralMethods =
    SignedTriplets<Power<Lapack<Gram<Lanczos<Subspace<Randomized<Truncated<Plugin>>>>>>>>;

template <class Plugin>
class SingularVectors : public SpectralMethods<Plugin> {
 protected:
  // `method` `auto`: gram where A'A is small, else randomized. symmetric: eigenvalues are asked for.
  SingularVectors(Call call, const assay_problem &p, bool symmetric = false)
      : SpectralMethods<Plugin>(call, p), symmetric_(symmetric) {
    if (this->known_ >= 0) return;
    const Options options(call.host, p.options);
    constexpr int64_t kSmall = 2000;
    method_ = options.text("method").value_or("auto");
    if (method_ == "auto" || method_ == "gram" || method_ == "lapack") this->forget_seed();
    if (method_ == "auto") method_ = this->least_ <= kSmall ? "gram" : "randomized";
    if (this->goes_on_ && method_ != "incremental")
      throw Failure(
          ASSAY_E_COMBINATION,
          "method `" + method_ +
              "` finds its directions in the rows it is given, and cannot go on with more")
          .help(
              "fit all rows together, use solver `pca` with `method: incremental`, or `assay "
              "transform` for new rows");
    if (symmetric_) check_symmetric_problem(p);
    power_ = options.integer("power");
    q_ = std::min(this->least_, this->k_ + options.integer("oversample"));
    const double tolerance = options.number("tolerance");
    this->set_basis(options.integer("vectors"), tolerance);
    if (method_ == "power")
      this->set_power(options.list("start"), tolerance, options.integer("turns"), symmetric_);
  }

  const std::string &method() const { return method_; }
  bool symmetric() const { return symmetric_; }

  // One step and done: what follows the directions may be part of it.
  bool direct() const {
    return method_ == "randomized" || method_ == "gram" || method_ == "lapack";
  }

  void prepare(const Builder &b) const {
    if (method_ == "subspace") this->begin_subspace(b, q_);
    if (method_ == "lanczos") this->begin_lanczos(b);
    if (method_ == "power") this->begin_power(b);
  }
  void step(const Builder &b) const {
    if (method_ == "randomized") this->block_krylov(b, q_, power_);
    if (method_ == "subspace") this->subspace(b, q_);
    if (method_ == "lanczos") this->lanczos(b);
    if (method_ == "gram") this->eigenvectors_of_gram(b);
    if (method_ == "lapack") this->lapack(b, symmetric_);
    if (method_ == "power") this->power(b);
  }

 private:
  void check_symmetric_problem(const assay_problem &p) const {
    if (method_ != "power" && method_ != "lapack")
      throw Failure(ASSAY_E_COMBINATION, "method `" + method_ + "` has no signed eigenvalues")
          .help("use `symmetric: true` with method `power` or `lapack`");
    if (p.n != p.d)
      throw Failure(ASSAY_E_SHAPE, "`symmetric: true`, but X has " + std::to_string(p.n) +
                                       " rows and " + std::to_string(p.d) + " columns")
          .help("leave `symmetric` out for singular values");
  }

  std::string method_;
  int64_t q_ = 0, power_ = 0;
  bool symmetric_ = false;
};

}  // namespace assay::author

#endif
