/* SPDX-License-Identifier: Apache-2.0 */
/* Beta divergence, any real b:
     l(x, m) = (x^b + (b - 1) m^b - b x m^(b - 1)) / (b (b - 1)),
   with its limits kl at b = 1 and itakura_saito at b = 0, and squared at b = 2.
   l' = (m - x) m^(b - 2), MU split num = x m^(b - 2), den = m^(b - 1), monotone with the exponent
   1 / (2 - b) for b < 1, 1 for 1 <= b <= 2, 1 / (b - 1) for b > 2 (Fevotte and Idier 2011, Theorem
   1), l'' = ((b - 1) m - (b - 2) x) m^(b - 3); convex for 1 <= b <= 2.

   With r = x / m, t = log r and E(c) = expm1(c t) / c (t at c = 0) nothing divides by what vanishes
   near b = 0 and 1, and nothing overflows before l does:
     l = m^b (r - 1 - E(b)) / (1 - b)                              b < 1/2
       = m^b (r E(b - 1) - (r - 1)) / b                            else, x <= m
       = x^b (E(1 - b) - (1 - 1 / r) r^(1 - b)) / b                else                        */
#include <assay/losses.h>
#include <math.h>

enum { CHUNK = 128 };

#define SPANS(T, suffix, smallest, root)                                                          \
  ASSAY_SIMD static void ratio##suffix(int64_t n, const T* restrict x, const T* restrict m,       \
                                       T* restrict out) {                                         \
    for (int64_t i = 0; i < n; i++) {                                                             \
      const T r = x[i] / m[i];                                                                    \
      out[i] = r > smallest ? r : smallest;                                                       \
    }                                                                                             \
  }                                                                                               \
  /* m^e; for half-integer e near 0 by roots and products: half the time of a step. */            \
  ASSAY_SIMD static void roots##suffix(int64_t n, int64_t twice, const T* restrict m,             \
                                       T* restrict out) {                                         \
    const int64_t size = twice < 0 ? -twice : twice;                                              \
    if (size % 2) {                                                                               \
      for (int64_t i = 0; i < n; i++) out[i] = root(m[i]);                                        \
    } else {                                                                                      \
      for (int64_t i = 0; i < n; i++) out[i] = 1;                                                 \
    }                                                                                             \
    for (int64_t product = 0; product < size / 2; product++)                                      \
      for (int64_t i = 0; i < n; i++) out[i] *= m[i];                                             \
    if (twice < 0)                                                                                \
      for (int64_t i = 0; i < n; i++) out[i] = 1 / out[i];                                        \
  }                                                                                               \
  static void power##suffix(const assay_math* math, int64_t n, const T* m, double e, T* out) {    \
    if (e >= -2 && e <= 2 && 2 * e == (double)(int64_t)(2 * e))                                   \
      roots##suffix(n, (int64_t)(2 * e), m, out);                                                 \
    else                                                                                          \
      math->pow##suffix(n, m, (T)e, out);                                                         \
  }                                                                                               \
  /* t -> the argument of expm1; base is what the power is taken of. */                           \
  ASSAY_SIMD static void argument##suffix(int64_t n, T c, int low, const T* restrict x,           \
                                          const T* restrict m, T* restrict t, T* restrict base) { \
    for (int64_t i = 0; i < n; i++) {                                                             \
      const int above = !low && x[i] > m[i];                                                      \
      base[i] = above ? x[i] : m[i];                                                              \
      t[i] = above ? -c * t[i] : c * t[i];                                                        \
    }                                                                                             \
  }                                                                                               \
  /* e: expm1 of the argument (the argument itself, +-t, at c = 0). */                            \
  ASSAY_SIMD static void combine##suffix(int64_t n, T b, T c, int low, const T* restrict x,       \
                                         const T* restrict m, const T* restrict e,                \
                                         const T* restrict power, T* restrict out) {              \
    const T over = c != 0 ? 1 / c : 1, at_zero = b > 0 ? 1 / b : 0;                               \
    for (int64_t i = 0; i < n; i++) {                                                             \
      const T r = x[i] / m[i], E = e[i] * over;                                                   \
      const T below = low ? (r - 1 - E) / (1 - b) : (r * E - (r - 1)) / b;                        \
      const T above = (-E - (1 + (c != 0 ? e[i] : 0)) * ((r - 1) / r)) / b;                       \
      const T one = !low && x[i] > m[i] ? above : below;                                          \
      const T v = b > 0 && !(r > smallest) ? at_zero : one;                                       \
      out[i] = power[i] * (v > 0 ? v : 0);                                                        \
    }                                                                                             \
  }
SPANS(double, , DBL_MIN, sqrt)
SPANS(float, _f32, FLT_MIN, sqrtf)

typedef assay_loss_number beta; /* its number is b */

ASSAY_LOSS_SPAN(value, {
  const beta* s = self;
  const int low = s->number < 0.5;
  const T b = (T)s->number, c = (T)(low ? s->number : s->number - 1);
  T e[CHUNK], power[CHUNK];
  for (int64_t i = 0; i < n; i += CHUNK) {
    const int64_t size = n - i < CHUNK ? n - i : CHUNK;
    ASSAY_TWIN(ratio)(size, x + i, m + i, e);
    ASSAY_TWIN(s->math->log)(size, e, e);
    ASSAY_TWIN(argument)(size, c != 0 ? c : 1, low, x + i, m + i, e, power);
    if (c != 0) ASSAY_TWIN(s->math->expm1)(size, e, e);
    ASSAY_TWIN(s->math->pow)(size, power, b, power);
    ASSAY_TWIN(combine)(size, b, c, low, x + i, m + i, e, power, out + i);
  }
})
ASSAY_LOSS_SPAN(grad, {
  const beta* s = self;
  ASSAY_TWIN(power)(s->math, n, m, s->number - 2, out);
  for (int64_t i = 0; i < n; i++) out[i] *= m[i] - x[i];
})
ASSAY_LOSS_SPLIT(mu_split, {
  const beta* s = self;
  ASSAY_TWIN(power)(s->math, n, m, s->number - 2, den);
  const int one = s->number == 1;
  for (int64_t i = 0; i < n; i++) {
    const T power = den[i];
    num[i] = x[i] * power;
    den[i] = one ? 1 : m[i] * power;
  }
})
ASSAY_LOSS_SPAN(curvature, {
  const beta* s = self;
  const T b = (T)s->number;
  ASSAY_TWIN(power)(s->math, n, m, s->number - 3, out);
  for (int64_t i = 0; i < n; i++) out[i] *= (b - 1) * m[i] - (b - 2) * x[i];
})

static int32_t noise_of(double b) {
  return b == 2   ? ASSAY_NOISE_NORMAL
         : b == 1 ? ASSAY_NOISE_POISSON
         : b == 0 ? ASSAY_NOISE_GAMMA
                  : ASSAY_NOISE_NONE;
}

/* b = 2, 1, 0: normal, Poisson and exponential. */
static int32_t log_density(void* self,
                           assay_ctx* ctx,
                           int64_t n,
                           const double* x,
                           const double* m,
                           double* out) {
  const beta* s = self;
  const int32_t noise = noise_of(s->number);
  if (noise == ASSAY_NOISE_NONE)
    return s->host->set_error(ctx, ASSAY_E_COMBINATION, "no density in closed form for this beta");
  s->math->log(n, m, out);
  if (noise == ASSAY_NOISE_POISSON) {
    for (int64_t i = 0; i < n; i++) out[i] = x[i] * out[i] - m[i];
    assay_less_log_factorial(s->math, n, x, out);
  } else if (noise == ASSAY_NOISE_GAMMA) {
    for (int64_t i = 0; i < n; i++) out[i] = -out[i] - x[i] / m[i];
  } else {
    for (int64_t i = 0; i < n; i++)
      out[i] = -0.5 * (x[i] - m[i]) * (x[i] - m[i]) - 0.918938533204672742;
  }
  return ASSAY_OK;
}

static int32_t create(const assay_host* host,
                      assay_ctx* ctx,
                      const assay_options* options,
                      void** self) {
  return assay_loss_with_number(host, ctx, options, "beta", self);
}

static int32_t describe(void* self, assay_loss_facts* out) {
  const double b = assay_loss_number_of(self);
  out->flags = ASSAY_LOSS_M_LO_OPEN;
  if (b <= 0) out->flags |= ASSAY_LOSS_X_LO_OPEN;
  if (b >= 1 && b <= 2) out->flags |= ASSAY_LOSS_CONVEX;
  if (b == 2) out->flags |= ASSAY_LOSS_CURVATURE_MAJORISES;
  out->x_hi = out->m_hi = INFINITY;
  out->tag = b == 2   ? ASSAY_TAG_SQUARED
             : b == 1 ? ASSAY_TAG_KL
             : b == 0 ? ASSAY_TAG_IS
                      : ASSAY_TAG_BETA;
  out->tag_parameter = b;
  out->zero_term = b == 2 ? ASSAY_ZERO_QUADRATIC : b == 1 ? ASSAY_ZERO_LINEAR : ASSAY_ZERO_NONE;
  out->zero_a = b == 2 ? 0.5 : b == 1 ? 1 : 0;
  out->den_is = b == 1 ? 1 : NAN;
  out->mu_exponent = b < 1 ? 1 / (2 - b) : b <= 2 ? 1 : 1 / (b - 1);
  out->curvature_bound = b == 2 ? 1 : INFINITY;
  out->noise = noise_of(b);
  return ASSAY_OK;
}

static const assay_option options[] = {
    {"beta", "any real number; 2 squared, 1 kl, 0 itakura_saito; from 1 to 2 convex",
     ASSAY_OPT_FLOAT, 0, 1.5, -100, 100, NULL, NULL},
    {NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL}};
static const assay_loss vtable = {.struct_size = sizeof vtable,
                                  .create = create,
                                  .destroy = assay_loss_free,
                                  .describe = describe,
                                  ASSAY_LOSS_TWINS(value),
                                  ASSAY_LOSS_TWINS(grad),
                                  ASSAY_LOSS_TWINS(mu_split),
                                  ASSAY_LOSS_TWINS(curvature),
                                  .log_density = log_density};
static const assay_plugin plugin = {
    sizeof plugin,
    0,
    "assay.loss/1",
    "beta",
    "beta divergence, from multiplicative (0) over counting (1) to normal noise (2)",
    "Basu et al. 1998; Fevotte and Idier 2011",
    "l(x, m) = (x^b + (b - 1) m^b - b x m^(b - 1)) / (b (b - 1)),  limits at b = 0 and 1\n"
    "          l(g x, g m) = g^b l(x, m);  b <= 0 needs x > 0\n"
    "l'      = (m - x) m^(b - 2) = den - num,  num = x m^(b - 2),  den = m^(b - 1)\n"
    "MU      = monotone with exponent 1 / (2 - b) below 1, 1 up to 2, 1 / (b - 1) above\n"
    "noise   = variance proportional to m^(2 - b): multiplicative gamma (b = 0), Poisson\n"
    "          (1), normal (2); between 0 and 1 and below 0 other Tweedie laws",
    options,
    &vtable,
    NULL};
ASSAY_MODULE("org.assay.beta", "1.0", plugin)
