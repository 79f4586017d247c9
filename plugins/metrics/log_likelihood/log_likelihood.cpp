// SPDX-License-Identifier: Apache-2.0
// Log-likelihood of the noise model that the loss belongs to, all constants included; a dispersion
// is the one that makes the data most likely. With N the sum of weights:
//   normal     variance 2 F / N of the squared loss F:  -N/2 (log(2 pi 2 F / N) + 1)
//   Laplace    scale b, the mean of |x - m|:            -N (log(2 b) + 1)
//   gamma      shape a with log a - digamma(a) = F / N: N (a log a - lgamma(a) - a) - a F - sum log
//   x Poisson, Bernoulli, Huber's law: no dispersion, the sum of the log densities.
// Weights count as repetitions. Of a mixture it is sum_i log sum_c pi_c p(x_i | c).
#include <assay/author/mixture_metric.hpp>
#include <assay/plugin.hpp>
#include <cmath>

namespace {

using namespace assay::author;

constexpr double kPi = 3.14159265358979324;

// digamma and trigamma for a > 0: recurrence up to 10, then the asymptotic series (error 1e-15).
struct Gammas {
  double digamma, trigamma;
};
Gammas gammas(double a) {
  Gammas g{0, 0};
  for (; a < 10; a += 1) {
    g.digamma -= 1 / a;
    g.trigamma += 1 / (a * a);
  }
  const double i = 1 / a, s = i * i;
  g.digamma += std::log(a) - i / 2 - s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s / 240)));
  g.trigamma +=
      i + s / 2 + i * s * (1.0 / 6 - s * (1.0 / 30 - s * (1.0 / 42 - s * (1.0 / 30 - s * 5 / 66))));
  return g;
}

// The a with log a - digamma(a) = c > 0: Minka's start and Newton steps on 1 / a (Minka 2002).
double most_likely_shape(double c) {
  double a = (3 - c + std::sqrt((c - 3) * (c - 3) + 24 * c)) / (12 * c);
  for (int step = 0; step < 20; ++step) {
    const Gammas g = gammas(a);
    const double inverse = 1 / a + (std::log(a) - g.digamma - c) / (a * a * (1 / a - g.trigamma));
    const double next = 1 / inverse;
    if (!(next > 0) || std::abs(next - a) <= 1e-14 * a) break;
    a = next;
  }
  return a;
}

class LogLikelihood : public MixtureMetric<LogLikelihood> {
 public:
  LogLikelihood(Call call, const assay_problem& p)
      : MixtureMetric(call, p, false),
        noise_(p.loss ? p.loss->noise : ASSAY_NOISE_NONE),
        n_(p.observed) {
    if (!density_ && noise_ == ASSAY_NOISE_NONE)
      throw Failure(ASSAY_E_COMBINATION, "the loss is the likelihood of no noise in closed form")
          .help("leave the metric `log_likelihood` out; the card of a loss names its noise");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    if (density_) return sums_over_rows(b);
    const assay_buf value = b.small("log_likelihood", 1, 1);
    const bool normal = noise_ == ASSAY_NOISE_NORMAL, gamma = noise_ == ASSAY_NOISE_GAMMA;
    assay_buf loss = ASSAY_NO, density = ASSAY_NO;
    if (normal || gamma) {
      loss = b.sum("loss", 1, 1);
      b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, loss, normal ? ASSAY_TERMS_SQUARED : 0);
    }
    if (!normal) {
      density = b.sum("log_density", 1, 1);
      b.terms(ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, density, ASSAY_TERMS_LOG_DENSITY);
    }
    if (normal)
      b.each<&LogLikelihood::of_normal>("normal", ASSAY_ONE,
                                        {{loss, ASSAY_IN}, {value, ASSAY_OUT}});
    else if (gamma)
      b.each<&LogLikelihood::of_gamma>("gamma", ASSAY_ONE,
                                       {{loss, ASSAY_IN}, {density, ASSAY_IN}, {value, ASSAY_OUT}});
    else
      b.each<&LogLikelihood::of_others>("density", ASSAY_ONE,
                                        {{density, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

  double value(const double* sums, double) const { return sums[kLogLikelihood]; }

 private:
  void of_normal(const Block& b) const {
    const double variance = 2 * b.number(0) / n_;
    b.number(1) = -0.5 * n_ * (std::log(2 * kPi * variance) + 1);
  }
  void of_gamma(const Block& b) const {
    // At shape 1 the density sums to -F - N - sum log x.
    const double loss = b.number(0), logs = -b.number(1) - loss - n_;
    const double a = most_likely_shape(loss / n_);
    b.number(2) = n_ * (a * std::log(a) - std::lgamma(a) - a) - a * loss - logs;
  }
  void of_others(const Block& b) const {
    const double at_one = b.number(0);
    if (noise_ != ASSAY_NOISE_LAPLACE) {
      b.number(1) = at_one;
      return;
    }
    const double scale = (-at_one - n_ * std::log(2)) / n_;
    b.number(1) = -n_ * (std::log(2 * scale) + 1);
  }

  int32_t noise_;
  double n_;  // sum of weights of the observed entries
};

constexpr assay_metric vtable = metric_table<LogLikelihood>(0);
constexpr assay_plugin plugin =
    describe("assay.metric/1",
             "log_likelihood",
             "log-likelihood of the loss's noise model, constants and dispersion included",
             "Minka 2002 (shape of the gamma law)",
             "squared        normal, variance 2 F / N:  -N/2 (log(2 pi 2 F / N) + 1)\n"
             "l1             Laplace, scale b = mean |x - m|:  -N (log(2 b) + 1)\n"
             "itakura_saito  gamma of mean m, shape a: log a - digamma(a) = F / N\n"
             "kl, poisson_log, logistic, huber  the sum of log p(x | m)\n"
             "a mixture      sum_i log sum_c pi_c p(x_i | c)\n"
             "(probabilities of counts do not compare with densities)",
             nullptr,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.log_likelihood", "1.0", plugin)
