// SPDX-License-Identifier: Apache-2.0
// Expectation maximisation of a mixture sum_c pi_c p(x | c):
//   E   r_ic = pi_c p(x_i | c) / sum_c' pi_c' p(x_i | c')
//   M   pi_c = N_c / n,  N_c = sum_i r_ic;  parameters of c: the density's, from statistics of rows
//       weighted by r_ic; with a prior the maximum is that of the posterior
// F = -(log-likelihood + log prior) and never rises. Statistics are summed in float64 in the sweep
// that makes the responsibilities, which are stored nowhere: X is read once a step.
// `assignment: hard` takes the largest r as 1 (CEM: F is minus the classification likelihood, its
// limit for equal spherical covariances k-means). Dempster, Laird and Rubin 1977; Celeux and
// Govaert 1992; Ueda and Nakano 1998 (annealing).
#include <assay/plugin.hpp>

#include "fitted.hpp"

namespace {

using namespace assay::author;

class Em : public em::Fitted<Em> {
 public:
  Em(Call call, const assay_problem& p) : Fitted(call, p) {
    const Options o(call.host, p.options);
    hard_ = o.text("assignment").value_or("soft") == "hard";
    temperature_ = o.number("temperature");
    cooling_ = o.integer("cooling_steps");
    if (!frozen_ && (p.flags & ASSAY_PROBLEM_GOES_ON))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `em` cannot go on with other rows: one step of it would forget those "
                    "it was fitted on")
          .help(
              "fit by `online_em`, which goes on; `assay predict` and `assay transform` take new "
              "rows");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !frozen_) begin(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_FINISH) finish(b);
    if (purpose == ASSAY_APPLY) apply(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  void step(const Builder& b) const {
    Lines m = state(b);
    prepare(b, m, "");
    Wanted w;
    w.sums = b.sum("sums", 1, kSums);
    w.stats = statistics_sum(b, "");
    if (linear_) w.resp = b.local("step_responsibilities", ASSAY_ROWS);
    expect(b, m, w, "");
    if (frozen_) return;
    report(b, objective(b, m, w.sums, linear_, ""));
    const assay_buf floored = maximise(b, m, products(b, w.stats, w.resp, ""), "");
    show_means(b, m, "");
    b.report("floored", floored);
  }
};

constexpr const char* kAssignments[] = {"soft", "hard", nullptr};
constexpr assay_option options[] = {
    em::kStartOption,
    enum_option("assignment",
                "soft, or hard: each row counts for its likeliest component alone",
                "soft",
                kAssignments),
    em::kRestartsOption,
    integer_option("restart_steps", "steps each start is tried for", 10, 1, 100000),
    number_option("temperature",
                  "above 1: annealing, from here down to 1, before the first step",
                  1,
                  1,
                  1e6),
    integer_option("cooling_steps", "steps of the annealing", 20, 1, 100000),
    em::kEqualWeightsOption,
    em::kResponsibilitiesOption,
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
constexpr assay_solver vtable =
    solver_table<Em>(0,
                     ASSAY_NEEDS_NO_PENALTY,
                     em::kTakes,
                     nullptr,
                     ASSAY_FITS_MIXTURE | ASSAY_SOLVER_MAKES_W | ASSAY_SOLVER_NO_RESIDUAL,
                     nullptr,
                     "kmeans_plus_plus");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "em",
    "expectation maximisation of a mixture of any density",
    "Dempster, Laird and Rubin 1977",
    "E: r_ic = pi_c p(x_i | c) / sum_c' pi_c' p(x_i | c')\n"
    "M: pi_c = sum_i r_ic / n; parameters of c: the density's maximum over rows weighted\n"
    "   by r_ic, with a prior that of the posterior\n"
    "F = -(log-likelihood + log prior), all constants included\n"
    "guarantee: F never rises, but where `on_singular: prior` or `remove` mends a component; a\n"
    "   floor keeps covariances from shrinking to a point\n"
    "cost: what the density asks for, and one read of X",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.em", "1.0", plugin)
