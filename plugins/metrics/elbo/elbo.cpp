// SPDX-License-Identifier: Apache-2.0
// Evidence lower bound of a variational autoencoder, the mean over rows in nats: what the solver
// left in its array `elbo` when it was last measured.
#include <assay/plugin.hpp>
#include <limits>

namespace {

using namespace assay::author;

class Elbo {
 public:
  Elbo(Call, const assay_problem& p) : rows_(p.n) {
    if (p.n_layers == 0)
      throw Failure(ASSAY_E_COMBINATION, "`elbo` is about variational autoencoders")
          .help("`model.kind: autoencoder` and the solver's option `variational: true`");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf bound = b.buffer("elbo", ASSAY_ROWS, ASSAY_STATE, 0, 1, true),
                    sum = b.sum("sum", 1, 1), mean = b.small("mean", 1, 1);
    b.each<&Elbo::add>("add", ASSAY_ROWS, {{bound, ASSAY_IN}, {sum, ASSAY_ADD}});
    b.each<&Elbo::finish>("finish", ASSAY_ONE, {{sum, ASSAY_IN}, {mean, ASSAY_OUT}});
    b.report("value", mean);
  }

 private:
  void add(const Block& b) const {
    for (int64_t i = 0; i < b.count(); ++i) b.number(1) += b.matrix(0)(i, 0);
  }
  // Zeros are what nobody wrote: a solver that has no posterior, or held-out entries of its rows.
  void finish(const Block& b) const {
    const bool known = b.number(0) != 0;
    if (!known && !said_)
      b.call().log(
          "`elbo` has no value here: it needs the solver's option `variational: true`, and where "
          "something is held out a split of rows",
          ASSAY_LOG_WARNING);
    said_ = !known;
    b.number(1) =
        known ? b.number(0) / static_cast<double>(rows_) : std::numeric_limits<double>::quiet_NaN();
  }

  int64_t rows_;
  mutable bool said_ = false;  // finish is called by one thread at a time
};

constexpr assay_metric vtable = metric_table<Elbo>(0);
constexpr assay_plugin plugin = describe(
    "assay.metric/1",
    "elbo",
    "evidence lower bound of a variational autoencoder, a row's mean",
    "Kingma and Welling 2014",
    "mean of log p(x | z) - KL(q(z | x) | N(0, I)) at one draw a row, in nats; log p is minus\n"
    "the loss: exact for `logistic`, without -d/2 log(2 pi) for `squared`",
    nullptr,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.elbo", "1.0", plugin)
