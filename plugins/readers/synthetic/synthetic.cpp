// SPDX-License-Identifier: Apache-2.0
// Reader `synthetic`: X = A B + noise with A, B >= 0 of the given rank. Entries of the factors are
// exponential with mean 1 plus `least`, each kept with probability `density`, and `zeros` of each
// line are 0; X is divided by the rank, so that its entries stay near 1. The same options give the
// same X, whatever the machine: every draw is a function of (seed, what, row, column).
//
//   normal:   x = m + sigma z           (may be negative unless `clip: true`)
//   laplace:  x = m + sigma / sqrt(2) l, l of scale 1: standard deviation sigma (likewise)
//   poisson:  x = Poisson(scale m) / scale
//   gamma:    x = m g, g gamma of shape `shape` and mean 1 (multiplicative)
#include <assay/plugin.h>

#include <algorithm>
#include <assay/reader.hpp>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "draws.hpp"

namespace {

using assay::reading::Call;
using assay::reading::Fault;

const char* const kNoise[] = {"none", "normal", "laplace", "poisson", "gamma", nullptr};
const char* const kDtype[] = {"float64", "float32", nullptr};
constexpr assay_option kOptions[] = {
    {"rows", "number of rows", ASSAY_OPT_INT, ASSAY_OPT_REQUIRED, 0, 1, 2147483647, nullptr,
     nullptr},
    {"columns", "number of columns", ASSAY_OPT_INT, ASSAY_OPT_REQUIRED, 0, 1, 2147483647, nullptr,
     nullptr},
    {"rank", "inner dimension of the product", ASSAY_OPT_INT, ASSAY_OPT_REQUIRED, 0, 1, 1000000,
     nullptr, nullptr},
    {"noise", "none; normal or laplace, added; poisson counts; gamma, multiplied", ASSAY_OPT_ENUM,
     0, 0, 0, 0, "none", kNoise},
    {"sigma", "standard deviation of normal and laplace noise", ASSAY_OPT_FLOAT, 0, 0.1, 0, 1e300,
     nullptr, nullptr},
    {"scale", "poisson: counts for an entry of 1; more means less noise", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN, 1, 0, 1e12, nullptr, nullptr},
    {"shape", "gamma: shape of the factor of mean 1; more means less noise", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN, 10, 0, 1e12, nullptr, nullptr},
    {"clip", "raise entries that noise took below `clip_at` to it; without it they stay",
     ASSAY_OPT_BOOL, 0, 0, 0, 1, nullptr, nullptr},
    {"clip_at", "what `clip` raises smaller entries to", ASSAY_OPT_FLOAT, 0, 0, 0, 1e300, nullptr,
     nullptr},
    {"zeros",
     "entries of each row of W (column of H) that are 0, at random; fewer than half of the rank "
     "leave X positive",
     ASSAY_OPT_INT, 0, 0, 0, 1000000, nullptr, nullptr},
    {"least", "added to the entries that are not 0", ASSAY_OPT_FLOAT, 0, 0, 0, 1e300, nullptr,
     nullptr},
    {"density", "probability that an entry of a factor is not 0", ASSAY_OPT_FLOAT,
     ASSAY_OPT_LO_OPEN, 1, 0, 1, nullptr, nullptr},
    {"dtype", "type of the entries", ASSAY_OPT_ENUM, 0, 0, 0, 0, "float64", kDtype},
    {"seed", "seed of the matrix", ASSAY_OPT_INT, 0, 0, 0, 9007199254740992.0, nullptr, nullptr},
    {}};

constexpr int64_t kBlockEntries = int64_t{1} << 16;

class Synthetic {
 public:
  Synthetic(const Call& call, const char*, const assay_options* options)
      : host_(call.host), options_(options) {
    rng_ = static_cast<const assay_rng*>(host_->service("assay.rng/1"));
    if (!rng_) throw Fault{ASSAY_E_PLUGIN, "the host has no random numbers", "", "", "", ""};
    rows_ = whole("rows");
    cols_ = whole("columns");
    rank_ = whole("rank");
    noise_ = host_->option_text(options_, "noise");
    narrow_ = std::string(host_->option_text(options_, "dtype")) == "float32";
    sigma_ = number("sigma");
    scale_ = number("scale");
    shape_ = number("shape");
    clip_ = number("clip") != 0;
    clip_at_ = number("clip_at");
    stream_ = rng_->split(static_cast<uint64_t>(whole("seed")),
                          0x73796e74u);  // its own family of streams
  }
  assay_shape shape() const {
    return assay::reading::shape_of(rows_, cols_, -1, narrow_ ? ASSAY_F32 : ASSAY_F64);
  }

  void read(int64_t row0, int64_t rows, const assay_sink& sink) {
    const std::vector<double> b = lines_of(2, 0, cols_);
    const int64_t block = std::clamp<int64_t>(kBlockEntries / cols_, 1, rows);
    std::vector<double> x(static_cast<size_t>(block * cols_));
    std::vector<float> low(narrow_ ? x.size() : 0);
    for (int64_t done = 0; done < rows; done += block) {
      const int64_t n = std::min(block, rows - done);
      const std::vector<double> a = lines_of(1, row0 + done, n);
      multiply(n, a, b, x);
      for (int64_t i = 0; i < n; ++i) add_noise(row0 + done + i, x.data() + i * cols_);
      if (narrow_)
        std::transform(x.begin(), x.end(), low.begin(),
                       [](double v) { return static_cast<float>(v); });
      const void* data = narrow_ ? static_cast<const void*>(low.data()) : x.data();
      assay::reading::push_dense(
          sink, row0 + done,
          assay::reading::block_of(data, narrow_ ? ASSAY_F32 : ASSAY_F64, n, cols_));
    }
  }

  // Rank of the factors X was made from; side 0: W with the share 1 / rank, so that X = W H'.
  int64_t factor(int32_t side, double* out) const {
    if (!out) return rank_;
    const std::vector<double> lines = lines_of(side == 0 ? 1u : 2u, 0, side == 0 ? rows_ : cols_);
    const double by = side == 0 ? 1 / static_cast<double>(rank_) : 1;
    std::transform(lines.begin(), lines.end(), out, [by](double v) { return by * v; });
    return rank_;
  }

 private:
  double number(const char* name) const { return host_->option_number(options_, name); }
  int64_t whole(const char* name) const { return static_cast<int64_t>(std::llround(number(name))); }

  // Lines first .. first + n - 1 of a factor, n x rank.
  std::vector<double> lines_of(uint64_t which, int64_t first, int64_t n) const {
    const double density = number("density");
    std::vector<double> out(static_cast<size_t>(n * rank_)), kept(out.size());
    const auto index = static_cast<uint64_t>(first * rank_);
    rng_->uniform(rng_->split(stream_, which), index, n * rank_, out.data());
    if (density < 1) rng_->uniform(rng_->split(stream_, which + 16), index, n * rank_, kept.data());
    const double least = number("least");
    for (size_t e = 0; e < out.size(); ++e)
      out[e] = kept[e] < density ? least - std::log(out[e]) : 0;
    set_zeros(rng_->split(stream_, which + 32), index, out);
    return out;
  }
  // The `zeros` components of each line whose draws are smallest.
  void set_zeros(uint64_t stream, uint64_t index, std::vector<double>& lines) const {
    const auto zeros = static_cast<size_t>(whole("zeros")), rank = static_cast<size_t>(rank_);
    if (zeros == 0) return;
    std::vector<double> draws(lines.size());
    rng_->uniform(stream, index, static_cast<int64_t>(draws.size()), draws.data());
    std::vector<size_t> order(rank);
    for (size_t line = 0; line < lines.size(); line += rank) {
      std::iota(order.begin(), order.end(), line);
      std::sort(order.begin(), order.end(),
                [&](size_t a, size_t b) { return draws[a] < draws[b]; });
      for (size_t a = 0; a < std::min(zeros, rank); ++a) lines[order[a]] = 0;
    }
  }
  void multiply(int64_t n,
                const std::vector<double>& a,
                const std::vector<double>& b,
                std::vector<double>& x) const {
    const double by = 1 / static_cast<double>(rank_);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < cols_; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < rank_; ++k)
          sum += a[static_cast<size_t>(i * rank_ + k)] * b[static_cast<size_t>(j * rank_ + k)];
        x[static_cast<size_t>(i * cols_ + j)] = sum * by;
      }
    }
  }
  void add_noise(int64_t i, double* x) const {
    if (noise_ == "none") return;
    const uint64_t stream = rng_->split(stream_, 3);
    const auto index = static_cast<uint64_t>(i * cols_);
    std::vector<double> draws(static_cast<size_t>(cols_));
    if (noise_ == "normal") rng_->normal(stream, index, cols_, draws.data());
    if (noise_ == "laplace") rng_->uniform(stream, index, cols_, draws.data());
    for (int64_t j = 0; j < cols_; ++j) {
      const double u = draws[static_cast<size_t>(j)];
      if (noise_ == "normal") x[j] += sigma_ * u;
      if (noise_ == "laplace")
        x[j] += sigma_ * std::sqrt(0.5) * (u < 0.5 ? std::log(2 * u) : -std::log(2 * (1 - u)));
      if (noise_ == "poisson" || noise_ == "gamma") {
        synthetic::Draws entry(*rng_, rng_->split(stream, index + static_cast<uint64_t>(j)));
        x[j] = noise_ == "gamma" ? x[j] * entry.gamma(shape_) / shape_
                                 : entry.poisson(scale_ * x[j]) / scale_;
      }
      if (clip_) x[j] = std::max(x[j], clip_at_);
    }
  }

  const assay_host* host_;
  const assay_options* options_;
  const assay_rng* rng_ = nullptr;
  int64_t rows_ = 0, cols_ = 0, rank_ = 0;
  std::string noise_;
  bool narrow_ = false, clip_ = false;
  double sigma_ = 0, scale_ = 1, shape_ = 1, clip_at_ = 0;
  uint64_t stream_ = 0;
};

constexpr assay_reader kReader =
    assay::reading::table<Synthetic>(nullptr, nullptr, ASSAY_READER_NO_PATH);
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.reader/1",
                                  "synthetic",
                                  "a random non-negative matrix of given rank, with noise",
                                  nullptr,
                                  nullptr,
                                  kOptions,
                                  &kReader,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.synthetic", "1.0", kPlugin)
