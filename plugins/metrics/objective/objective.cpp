// SPDX-License-Identifier: Apache-2.0
// The objective: the model's loss over observed entries, times weights, plus the penalties of all
// factors.
#include <assay/plugin.hpp>

namespace {

using namespace assay::author;

class Objective {
 public:
  Objective(Call call, const assay_problem& p)
      : penalties_(call.service<assay_penalty_calls>("assay.penalty/1")),
        three_(p.n_factors == 3) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf loss = b.sum("loss", 1, 1);
    b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, loss);
    const assay_buf pw = b.sum("penalty_w", 1, 1), ph = b.sum("penalty_h", 1, 1),
                    middle = b.small("penalty_s", 1, 1), total = b.small("total", 1, 1);
    b.each<&Objective::add_penalty>("penalty_of_w", ASSAY_ROWS,
                                    {{b.factor(0), ASSAY_IN}, {pw, ASSAY_ADD}}, 0);
    b.each<&Objective::add_penalty>("penalty_of_h", ASSAY_COLS,
                                    {{b.factor(1), ASSAY_IN}, {ph, ASSAY_ADD}}, 1);
    if (three_)
      b.each<&Objective::set_penalty>("penalty_of_s", ASSAY_ONE,
                                      {{b.factor(2), ASSAY_IN}, {middle, ASSAY_OUT}}, 2);
    else
      b.each<&Objective::set_zero>("no_s", ASSAY_ONE, {{middle, ASSAY_OUT}});
    b.each<&Objective::add_up>(
        "objective", ASSAY_ONE,
        {{loss, ASSAY_IN}, {pw, ASSAY_IN}, {ph, ASSAY_IN}, {middle, ASSAY_IN}, {total, ASSAY_OUT}});
    b.report("value", total);
  }

 private:
  void add_penalty(const Block& b) const {
    double part = 0;
    Call::check(penalties_->value(b.call().ctx, b.tag(), &b.view(0), &part));
    b.number(1) += part;
  }
  void set_penalty(const Block& b) const {
    b.number(1) = 0;
    add_penalty(b);
  }
  void set_zero(const Block& b) const { b.number(0) = 0; }
  void add_up(const Block& b) const {
    b.number(4) = b.number(0) + b.number(1) + b.number(2) + b.number(3);
  }

  const assay_penalty_calls* penalties_;
  bool three_;
};

constexpr assay_metric vtable = metric_table<Objective>(ASSAY_METRIC_LOWER_IS_BETTER);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "objective",
             "loss over observed entries plus penalties: what a fit minimises",
             nullptr,
             "sum w_ij l(x_ij, m_ij) + penalties(W) + penalties(H)",
             nullptr,
             &vtable,
             ASSAY_PLUGIN_DEFAULT);

}  // namespace

ASSAY_MODULE("org.assay.objective", "1.0", plugin)
