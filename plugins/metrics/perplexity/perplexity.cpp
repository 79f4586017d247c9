// SPDX-License-Identifier: Apache-2.0
// Perplexity of counts under a topic model: each row of M, divided by its sum, is the document's
// distribution over the words, and
//   perplexity = exp(- sum w x log p / sum w x),  p_ij = m_ij / sum_j m_ij:
// as many equally likely words would be as hard to guess (Blei, Ng and Jordan 2003, equation 11
// with the fitted distributions in place of the integral). Of held-out entries it is that of the
// words left out of each document. One pass over X; entries that are 0 add nothing.
#include <assay/plugin.hpp>
#include <cmath>
#include <limits>

namespace {

using namespace assay::author;

class Perplexity {
 public:
  Perplexity(Call call, const assay_problem& p)
      : tile_(call.service<assay_tile>("assay.tile/1")), k_(p.k[1]) {
    for (int32_t side = 0; side < p.n_factors; ++side)
      if (!(p.factor_flags[side] & ASSAY_FACTOR_NONNEG))
        throw Failure(ASSAY_E_COMBINATION,
                      "metric `perplexity` needs factors that are not negative")
            .help("give each factor a constraint such as `nonneg` or `simplex`, or leave it out");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf words = b.sum("words", 1, k_), sums = b.sum("logs", 1, 2),
                    value = b.small("perplexity", 1, 1);
    b.each<&Perplexity::add_words>("words", ASSAY_COLS,
                                   {{b.factor(1), ASSAY_IN}, {words, ASSAY_ADD}});
    b.each<&Perplexity::add_logs>("logs", ASSAY_ROWS,
                                  {{b.factor(ASSAY_LEFT), ASSAY_IN},
                                   {b.factor(1), ASSAY_IN},
                                   {words, ASSAY_IN},
                                   {sums, ASSAY_ADD}},
                                  0, ASSAY_EACH_X);
    b.each<&Perplexity::finish>("perplexity", ASSAY_ONE, {{sums, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  void add_words(const Block& b) const {
    const Matrix H = b.matrix(0), words = b.matrix(1);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) words(0, a) += H(j, a);
  }
  void add_logs(const Block& b) const {
    constexpr double kLeast = std::numeric_limits<double>::min();
    const Matrix W = b.matrix(0), H = b.matrix(1), words = b.matrix(2), sums = b.matrix(3);
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line;
      Call::check(tile_->line(b.call().ctx, i, &line));
      double whole = 0;
      for (int64_t a = 0; a < k_; ++a) whole += W(i, a) * words(0, a);
      for (int64_t e = 0; e < line.n; ++e) {
        const double x = line.x[e] * (line.w ? line.w[e] : 1);
        if (x == 0) continue;
        if (x < 0) throw Failure(ASSAY_E_DOMAIN, "metric `perplexity` needs counts, none negative");
        const int64_t j = line.idx ? line.idx[e] : e;
        double m = 0;
        for (int64_t a = 0; a < k_; ++a) m += W(i, a) * H(j, a);
        sums(0, 0) += x * std::log(std::max(whole > 0 ? m / whole : 0, kLeast));
        sums(0, 1) += x;
      }
    }
  }
  void finish(const Block& b) const {
    const Matrix sums = b.matrix(0);
    b.number(1) = sums(0, 1) > 0 ? std::exp(-sums(0, 0) / sums(0, 1)) : 1;
  }

  const assay_tile* tile_;
  int64_t k_;
};

constexpr assay_metric vtable = metric_table<Perplexity>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "perplexity",
             "how many equally likely words are as hard to guess as the next one",
             "Blei, Ng and Jordan 2003",
             "exp(- sum w x log p / sum w x), p_ij = m_ij / sum_j m_ij",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.perplexity", "1.0", plugin)
