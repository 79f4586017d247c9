// SPDX-License-Identifier: Apache-2.0
// Autoencoders: X ~ W H where W is made from X by layers, trained by backpropagation in batches of
// rows (Rumelhart, Hinton and Williams 1986; Baldi and Hornik 1989 for the linear ones).
//
//   A_0 = X,  A_l = f(A_(l-1) W_l + b_l),  l = 1 .. L;   W = [A_L 1],  M = W H, H's last row b
//
// A step is one epoch; a batch is
//   forward:  Z_1 = X W_1, each row: f; Z_l = A_(l-1) W_l, each row: f, ...; the last into W
//   loss:     D = grad of the loss by W, G = by H: the products of any factorization
//   backward: each row: D_l = (D_(l+1) W_(l+1)') * f'(A_l); grad of W_l = A_(l-1)' D_l, of W_1 X'
//   D_1 update:   of every weight from its mean gradient over the batch
// The output's own activation is in the loss: `logistic` is a sigmoid with Bernoulli's likelihood.
// Tied: W_1 = H'. Orthogonal: H goes back to H (H'H)^(-1/2) after every update. Denoising: A_0 is X
// with noise, the loss is at X. Variational: see posterior.hpp; the objective is minus the ELBO at
// one draw a row, with the same draws whenever it is measured. Cost: 6 n d (h_1 + h_L) flops an
// epoch and the inner layers'.
#include <assay/plugin.hpp>
#include <string>
#include <vector>

#include "decode.hpp"
#include "posterior.hpp"
#include "settings.hpp"

namespace {

using namespace assay::author;
using namespace assay::autoencoder;

class Autoencoder {
 public:
  Autoencoder(Call call, const assay_problem& p)
      : rng_(call.service<assay_rng>("assay.rng/1")),
        math_(call.service<assay_math>("assay.math/1")),
        la_(call.service<assay_la>("assay.la/1")),
        tile_(call.service<assay_tile>("assay.tile/1")),
        n_(p.n),
        d_(p.d),
        k_(p.k[0]),
        frozen_((p.factor_flags[1] & ASSAY_FACTOR_FROZEN) != 0),
        tag_(p.loss ? p.loss->tag : 0),
        stream_(p.stream),
        s_(Options(call.host, p.options), p) {}

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !frozen_) return start(b);
    if (purpose == ASSAY_STEP) return frozen_ ? known(b) : epoch(b);
    if (purpose == ASSAY_MEASURE) return measure(b);
    if (purpose == ASSAY_FINISH) finish(b);
  }

 private:
  // Streams of random numbers: 1 the order of rows, then
  enum : uint64_t { kOutput = 2, kNoise, kDraws, kSamples, kEnds, kLayers = 16 };
  size_t last() const { return s_.last(); }

  // ---- buffers ----

  static std::string named(const std::string& what, size_t l) {
    return what + "_" + std::to_string(l + 1);
  }
  assay_buf state(const Builder& b,
                  const std::string& name,
                  int32_t axis,
                  int64_t rows,
                  int64_t width,
                  uint32_t flags = 0) const {
    return b.buffer(name.c_str(), axis, ASSAY_STATE, rows, width, true, flags);
  }
  // Weights of layer l are in x sums, of the first on COLS; count is {updates so far, 1 once
  // weights are drawn}.
  struct Net {
    std::vector<assay_buf> weights, biases;
    assay_buf count;
  };
  Net net(const Builder& b) const {
    Net net;
    for (size_t l = 0; l < s_.layers.size(); ++l) {
      const Layer& layer = s_.layers[l];
      net.weights.push_back(l == 0 && s_.tied
                                ? b.factor(1)
                                : state(b, named("weights", l), axis_of(l), layer.in, layer.sums));
      if (s_.bias) net.biases.push_back(state(b, named("bias", l), ASSAY_ONE, 1, layer.sums));
    }
    net.count = state(b, "updates", ASSAY_ONE, 1, 2);
    return net;
  }
  static int32_t axis_of(size_t l) { return l == 0 ? ASSAY_COLS : ASSAY_ONE; }

  // ---- programs ----

  // Weights are drawn unless a saved model brought them.
  void start(const Builder& b) const {
    const Net net = this->net(b);
    b.each<&Autoencoder::draw>("draw_output", ASSAY_COLS,
                               {{b.factor(1), ASSAY_INOUT}, {net.count, ASSAY_IN}}, -1);
    for (size_t l = s_.tied ? 1 : 0; l < s_.layers.size(); ++l)
      b.each<&Autoencoder::draw>(named("draw", l).c_str(), axis_of(l),
                                 {{net.weights[l], ASSAY_INOUT}, {net.count, ASSAY_IN}},
                                 static_cast<int32_t>(l));
    b.each<&Autoencoder::mark>("drawn", ASSAY_ONE, {{net.count, ASSAY_INOUT}});
    if (s_.orthogonal) orthogonalise(b);
  }

  // A_1 .. A_L of the rows in sight, the last of them `to`; Z the sums of a posterior.
  struct Pass {
    std::vector<assay_buf> A;
    assay_buf Z = ASSAY_NO;
  };
  enum class Code { kMean, kDrawn };
  Pass forward(const Builder& b,
               const Net& net,
               assay_buf input,
               assay_buf to,
               Code code,
               const std::string& prefix = "") const {
    Pass pass;
    for (size_t l = 0; l < s_.layers.size(); ++l) {
      const auto tag = static_cast<int32_t>(l);
      const Layer& layer = s_.layers[l];
      const std::string name = named(prefix + "layer", l);
      const assay_buf Z = b.local(named(prefix + "sums", l).c_str(), ASSAY_ROWS,
                                  l == 0 && s_.tied ? k_ : layer.sums);
      b.times(Z, l == 0 ? input : pass.A.back(), net.weights[l]);
      const bool apart = l == last() || s_.posterior(l);
      const assay_buf A = l == last() ? to
                          : apart     ? b.local((name + "_code").c_str(), ASSAY_ROWS, layer.out)
                                      : Z;
      std::vector<assay_arg> args = {{Z, ASSAY_INOUT}};
      if (apart) args.push_back({A, ASSAY_OUT});
      if (s_.bias) args.push_back({net.biases[l], ASSAY_IN});
      if (!s_.posterior(l))
        b.each<&Autoencoder::layer>(name.c_str(), ASSAY_ROWS, args, tag);
      else if (code == Code::kMean)
        b.each<&Autoencoder::mean_code>(name.c_str(), ASSAY_ROWS, args, tag);
      else
        b.each<&Autoencoder::drawn_code>(name.c_str(), ASSAY_ROWS, args, tag);
      if (s_.posterior(l)) pass.Z = Z;
      pass.A.push_back(A);
    }
    return pass;
  }
  Pass clean(const Builder& b, const Net& net) const {
    return forward(b, net, ASSAY_X, b.factor(0), Code::kMean);
  }

  // New rows: the layers are known.
  void known(const Builder& b) const {
    (void)clean(b, net(b));
    const assay_buf done = b.small("done", 1, 1);
    b.each<&Autoencoder::one>("done", ASSAY_ONE, {{done, ASSAY_OUT}});
    b.report("converged", done);
  }

  // W as the layers make it; of a variational one minus the ELBO.
  void measure(const Builder& b) const {
    const Net net = this->net(b);
    (void)clean(b, net);
    if (!s_.variational) return;
    const assay_buf drawn = b.local("drawn", ASSAY_ROWS, k_),
                    loss = b.local("drawn_loss", ASSAY_ROWS, 1), total = b.sum("minus_elbo", 1, 1),
                    bound =
                        b.buffer("elbo", ASSAY_ROWS, ASSAY_STATE, 0, 1, true, ASSAY_BUFFER_OUTPUT);
    const Pass pass = forward(b, net, ASSAY_X, drawn, code_drawn(), "drawn_");
    b.terms({ASSAY_VALUE, ASSAY_ROWS, drawn, b.factor(1), ASSAY_NO, ASSAY_NO, loss, 0});
    b.each<&Autoencoder::bound>(
        "bound", ASSAY_ROWS,
        {{loss, ASSAY_IN}, {pass.Z, ASSAY_IN}, {bound, ASSAY_OUT}, {total, ASSAY_ADD}});
    b.report("objective", total);
  }
  Code code_drawn() const { return s_.sampling ? Code::kDrawn : Code::kMean; }

  void finish(const Builder& b) const {
    const Net net = this->net(b);
    const Pass pass = clean(b, net);
    const assay_buf code = b.buffer("code", ASSAY_ROWS, ASSAY_STATE, 0, s_.layers[s_.code].out,
                                    true, ASSAY_BUFFER_OUTPUT);
    b.each<&Autoencoder::keep>("keep_code", ASSAY_ROWS,
                               {{pass.A[s_.code], ASSAY_IN}, {code, ASSAY_OUT}});
    if (frozen_) return;
    if (s_.samples > 0) picture<&Autoencoder::sample>(b, net, "samples", s_.samples, code);
    if (s_.interpolations > 0)
      picture<&Autoencoder::interpolate>(b, net, "interpolation", s_.interpolations * kSteps, code);
  }
  // Rows of X's shape, decoded: {rows, H, code, weights and biases behind the code}.
  template <auto Member>
  void picture(const Builder& b, const Net& net, const char* name, int64_t rows, assay_buf code)
      const {
    const assay_buf out = state(b, name, ASSAY_ONE, rows, d_, ASSAY_BUFFER_OUTPUT);
    std::vector<assay_arg> args = {{out, ASSAY_OUT}, {b.factor(1), ASSAY_IN}, {code, ASSAY_IN}};
    for (size_t l = s_.code + 1; l < s_.layers.size(); ++l) {
      args.push_back({net.weights[l], ASSAY_IN});
      if (s_.bias) args.push_back({net.biases[l], ASSAY_IN});
    }
    b.each<Member>((std::string("decode_") + name).c_str(), ASSAY_ONE, args);
  }

  void epoch(const Builder& b) const {
    const Net net = this->net(b);
    b.batches(s_.batch, s_.shuffle ? ASSAY_SHUFFLED_ROWS : ASSAY_NATURAL, rng_->split(stream_, 1));
    const assay_buf input = s_.noise.any() ? noisy(b) : static_cast<assay_buf>(ASSAY_X);
    const Pass pass = forward(b, net, input, b.factor(0), code_drawn());
    const assay_buf D = b.local("gradient_w", ASSAY_ROWS, k_),
                    G = b.local("gradient_h", ASSAY_COLS, k_), rows = b.sum("rows", 1, 1);
    b.terms(ASSAY_GRAD, ASSAY_ROWS, D, ASSAY_NO);
    b.terms(ASSAY_GRAD, ASSAY_COLS, G, ASSAY_NO);
    const Gradients by = backpropagate(b, net, pass, input, D, rows);
    const assay_buf rate = b.small("rate", 1, 4);
    b.each<&Autoencoder::schedule>("schedule", ASSAY_ONE,
                                   {{net.count, ASSAY_INOUT}, {rows, ASSAY_IN}, {rate, ASSAY_OUT}});
    assay_buf by_output = G;
    if (s_.tied) {
      by_output = b.local("gradient_both", ASSAY_COLS, k_);
      b.each<&Autoencoder::add>("both", ASSAY_COLS,
                                {{G, ASSAY_IN}, {by.weights[0], ASSAY_IN}, {by_output, ASSAY_OUT}});
    }
    update(b, "output", ASSAY_COLS, 0, k_, b.factor(1), by_output, rate);
    for (size_t l = 0; l < s_.layers.size(); ++l) {
      const Layer& layer = s_.layers[l];
      if (l > 0 || !s_.tied)
        update(b, named("weights", l), axis_of(l), layer.in, layer.sums, net.weights[l],
               by.weights[l], rate);
      if (s_.bias)
        update(b, named("bias", l), ASSAY_ONE, 1, layer.sums, net.biases[l], by.biases[l], rate);
    }
    if (s_.orthogonal) orthogonalise(b);
    b.end();
  }

  assay_buf noisy(const Builder& b) const {
    const assay_buf X = b.local("noisy", ASSAY_ROWS, d_);
    b.each<&Autoencoder::corrupt>("noise", ASSAY_ROWS, {{X, ASSAY_OUT}}, 0, ASSAY_EACH_X);
    return X;
  }

  struct Gradients {
    std::vector<assay_buf> weights, biases;
  };
  // From D, the gradient by [A_L 1], down to the first layer; `rows` counts the batch's.
  Gradients backpropagate(const Builder& b,
                          const Net& net,
                          const Pass& pass,
                          assay_buf input,
                          assay_buf D,
                          assay_buf rows) const {
    Gradients by;
    by.weights.resize(s_.layers.size());
    by.biases.resize(s_.layers.size());
    assay_buf above = D;  // the gradient by A_l
    for (size_t l = s_.layers.size(); l-- > 0;) {
      const Layer& layer = s_.layers[l];
      const assay_buf delta =
          b.local(named("delta", l).c_str(), ASSAY_ROWS, s_.tied ? k_ : layer.sums);
      std::vector<assay_arg> args = {{pass.A[l], ASSAY_IN}, {above, ASSAY_IN}, {delta, ASSAY_OUT}};
      args.push_back({s_.posterior(l) ? pass.Z : pass.A[l], ASSAY_IN});
      if (l == last()) args.push_back({rows, ASSAY_ADD});
      if (s_.bias) {
        by.biases[l] = b.sum(named("gradient_bias", l).c_str(), 1, layer.sums);
        args.push_back({by.biases[l], ASSAY_ADD});
      }
      b.each<&Autoencoder::backward>(named("backward", l).c_str(), ASSAY_ROWS, args,
                                     static_cast<int32_t>(l));
      const std::string name = named("gradient", l);
      if (l == 0) {
        by.weights[0] = b.local(name.c_str(), ASSAY_COLS, s_.tied ? k_ : layer.sums);
        b.times(by.weights[0], input, delta);
        break;
      }
      by.weights[l] = b.sum(name.c_str(), layer.in, layer.sums);
      b.gram(by.weights[l], pass.A[l - 1], delta);
      above = b.local(named("above", l - 1).c_str(), ASSAY_ROWS, layer.in);
      b.times(above, delta, net.weights[l], ASSAY_TRANSPOSED);
    }
    return by;
  }

  void update(const Builder& b,
              const std::string& name,
              int32_t axis,
              int64_t rows,
              int64_t width,
              assay_buf weight,
              assay_buf gradient,
              assay_buf rate) const {
    std::vector<assay_arg> args = {{weight, ASSAY_INOUT}, {gradient, ASSAY_IN}, {rate, ASSAY_IN}};
    args.push_back({state(b, name + ".mean", axis, rows, width), ASSAY_INOUT});
    if (s_.optimiser.adam)
      args.push_back({state(b, name + ".square", axis, rows, width), ASSAY_INOUT});
    b.each<&Autoencoder::follow>(("update_" + name).c_str(), axis, args);
  }

  // H <- H (H'H)^(-1/2), the nearest with orthonormal columns.
  void orthogonalise(const Builder& b) const {
    const assay_buf H = b.factor(1), G = b.sum("gram_h", k_, k_), R = b.small("root", k_, k_),
                    Q = b.local("orthonormal", ASSAY_COLS, k_);
    b.gram(G, H, H);
    b.each<&Autoencoder::inverse_root>("inverse_root", ASSAY_ONE, {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b.times(Q, H, R);
    b.each<&Autoencoder::keep>("keep_orthonormal", ASSAY_COLS, {{Q, ASSAY_IN}, {H, ASSAY_OUT}});
  }

  // ---- block functions ----

  void one(const Block& b) const { b.number(0) = 1; }
  void mark(const Block& b) const { b.matrix(0)(0, 1) = 1; }
  const Layer& layer_of(const Block& b) const { return s_.layers[static_cast<size_t>(b.tag())]; }

  // {weights, count}; tag: the layer, -1 the output. Row i is input i; of H input and output change
  // places.
  void draw(const Block& b) const {
    const Matrix w = b.matrix(0);
    if (b.matrix(1)(0, 1) != 0) return;
    const bool output = b.tag() < 0;
    const Layer& layer = s_.layers[output ? last() : static_cast<size_t>(b.tag())];
    const int64_t width = layer.out;
    const double in = static_cast<double>(output ? width : layer.in),
                 out = static_cast<double>(output ? d_ : width);
    const bool he = !output && (s_.start == "he" || (s_.start == "auto" && rectified(layer.f)));
    const double scale = he ? std::sqrt(2 / in) : std::sqrt(6 / (in + out));
    const auto u = b.call().scratch<double>(width);
    // A posterior's variances are drawn behind its means, from a stream of their own.
    for (int64_t first = 0; first + width <= w.cols(); first += width) {
      const uint64_t which = output ? uint64_t{kOutput}
                                    : kLayers + 2 * static_cast<uint64_t>(b.tag()) +
                                          static_cast<uint64_t>(first / width);
      const uint64_t stream = rng_->split(stream_, which);
      for (int64_t i = 0; i < w.rows(); ++i) {
        const auto at = static_cast<uint64_t>((b.axis() == ASSAY_ONE ? i : b.index(i)) * width);
        (he ? rng_->normal : rng_->uniform)(stream, at, width, u.data());
        for (int64_t j = 0; j < width; ++j) {
          const double v = u[static_cast<size_t>(j)];
          w(i, first + j) = scale * (he ? v : 2 * v - 1);
        }
      }
    }
    for (int64_t i = 0; i < w.rows(); ++i)
      for (int64_t j = w.cols() / width * width; j < w.cols(); ++j) w(i, j) = 0;
  }
  static bool rectified(Activation f) {
    return f == Activation::kRelu || f == Activation::kSoftplus;
  }

  // {Z, A unless it is Z, bias}; tag: the layer.
  void layer(const Block& b) const {
    const Layer& layer = layer_of(b);
    const bool apart = static_cast<size_t>(b.tag()) == last();
    const Matrix Z = b.matrix(0), A = b.matrix(apart ? 1 : 0);
    const double* bias = s_.bias ? b.matrix(apart ? 2 : 1).data() : nullptr;
    for (int64_t i = 0; i < b.count(); ++i) {
      double* a = A.row(i).data();
      if (apart) std::copy_n(Z.row(i).data(), layer.out, a);
      for (int64_t j = 0; bias && j < layer.out; ++j) a[j] += bias[j];
      activate(layer.f, *math_, layer.out, a);
      if (apart && A.cols() > layer.out) a[layer.out] = 1;
    }
  }
  // {Z, A, bias}
  void mean_code(const Block& b) const { code(b, false); }
  void drawn_code(const Block& b) const { code(b, true); }
  void code(const Block& b, bool drawn) const {
    const Layer& layer = layer_of(b);
    const Matrix Z = b.matrix(0), A = b.matrix(1);
    const double* bias = s_.bias ? b.matrix(2).data() : nullptr;
    const uint64_t stream = rng_->split(rng_->split(stream_, kDraws), b.step());
    for (int64_t i = 0; i < b.count(); ++i) {
      const std::span<double> mu_v = Z.row(i), z = A.row(i).first(static_cast<size_t>(layer.out));
      for (size_t j = 0; bias && j < mu_v.size(); ++j) mu_v[j] += bias[j];
      if (drawn) {
        rng_->normal(stream, static_cast<uint64_t>(b.index(i) * layer.out), layer.out, z.data());
        draw_code(mu_v, z);
      } else {
        std::copy_n(mu_v.begin(), z.size(), z.begin());
      }
      if (A.cols() > layer.out) A(i, layer.out) = 1;
    }
  }

  // {noisy X}
  void corrupt(const Block& b) const {
    const Matrix X = b.matrix(0);
    const uint64_t stream = rng_->split(rng_->split(stream_, kNoise), b.step());
    const auto scratch = b.call().scratch<double>(d_);
    for (int64_t i = 0; i < b.count(); ++i) {
      assay_line line{};
      line.struct_size = sizeof line;
      Call::check(tile_->line(b.call().ctx, i, &line));
      const std::span<double> x = X.row(i);
      std::fill(x.begin(), x.end(), 0.0);
      for (int64_t e = 0; e < line.n; ++e)
        x[static_cast<size_t>(line.idx ? line.idx[e] : e)] = line.x[e];
      s_.noise.corrupt(*rng_, stream, b.index(i), x, scratch);
    }
  }

  // {A, gradient by it, delta, a posterior's Z, rows of the last layer, gradient of the bias}
  void backward(const Block& b) const {
    const Layer& layer = layer_of(b);
    const bool top = static_cast<size_t>(b.tag()) == last();
    const Matrix A = b.matrix(0), above = b.matrix(1), D = b.matrix(2), Z = b.matrix(3);
    double* sum = s_.bias ? b.matrix(top ? 5 : 4).data() : nullptr;
    for (int64_t i = 0; i < b.count(); ++i) {
      const std::span<double> d = D.row(i);
      if (s_.posterior(static_cast<size_t>(b.tag()))) {
        chain_code(s_.beta, Z.row(i), A.row(i).data(), above.row(i).data(), d);
      } else {
        std::copy_n(above.row(i).data(), layer.out, d.data());
        chain(layer.f, *math_, layer.out, A.row(i).data(), d.data());
        std::fill(d.begin() + layer.out, d.end(), 0.0);
      }
      for (int64_t j = 0; sum && j < layer.sums; ++j) sum[j] += d[static_cast<size_t>(j)];
    }
    if (top) b.number(4) += static_cast<double>(b.count());
  }

  // {count, rows, rate}
  void schedule(const Block& b) const {
    const Matrix count = b.matrix(0), rate = b.matrix(2);
    const double batches = std::ceil(static_cast<double>(n_) / static_cast<double>(s_.batch));
    const double epoch = std::floor(count(0, 0) / batches);
    count(0, 0) += 1;
    const Update u = s_.optimiser.at(count(0, 0), epoch, b.number(1));
    const double values[] = {u.rate, u.per_row, u.mean_up, u.square_up};
    std::copy_n(values, 4, rate.data());
  }

  // {a, b, a + b}
  void add(const Block& b) const {
    const Matrix x = b.matrix(0), y = b.matrix(1), sum = b.matrix(2);
    for (int64_t i = 0; i < sum.rows(); ++i)
      for (int64_t j = 0; j < sum.cols(); ++j) sum(i, j) = x(i, j) + y(i, j);
  }

  // {from, to}; of W the layer alone.
  void keep(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t i = 0; i < to.rows(); ++i)
      std::copy_n(from.row(i).data(), to.cols(), to.row(i).data());
  }

  // {weights, gradient, rate, mean, square}
  void follow(const Block& b) const {
    const Matrix w = b.matrix(0), g = b.matrix(1), m = b.matrix(3);
    const double* rate = b.matrix(2).data();
    const Update u = {rate[0], rate[1], rate[2], rate[3]};
    const Optimiser& o = s_.optimiser;
    for (int64_t i = 0; i < w.rows(); ++i) {
      if (o.adam)
        adam_row(w.cols(), o.momentum, o.second, o.epsilon, u, g.row(i).data(), m.row(i).data(),
                 b.matrix(4).row(i).data(), w.row(i).data());
      else
        momentum_row(w.cols(), o.momentum, u, g.row(i).data(), m.row(i).data(), w.row(i).data());
    }
  }

  // {G, G^(-1/2)}
  void inverse_root(const Block& b) const {
    const Matrix G = b.matrix(0), R = b.matrix(1);
    const auto V = b.call().scratch<double>(k_ * k_), w = b.call().scratch<double>(k_);
    for (int64_t i = 0; i < k_; ++i)
      std::copy_n(G.row(i).data(), k_, &V[static_cast<size_t>(i * k_)]);
    Call::check(la_->eigh(k_, V.data(), k_, w.data()));
    const double least = 1e-14 * w[static_cast<size_t>(k_ - 1)];
    for (int64_t i = 0; i < k_; ++i)
      for (int64_t j = 0; j < k_; ++j) {
        double sum = 0;
        for (int64_t a = 0; a < k_; ++a) {
          const double e = w[static_cast<size_t>(a)];
          if (e > least)
            sum += V[static_cast<size_t>(i * k_ + a)] * V[static_cast<size_t>(j * k_ + a)] /
                   std::sqrt(e);
        }
        R(i, j) = sum;
      }
  }

  // {loss of a row, Z, the row's ELBO, sum of loss + beta KL}
  void bound(const Block& b) const {
    const Matrix loss = b.matrix(0), Z = b.matrix(1), out = b.matrix(2);
    double total = 0;
    for (int64_t i = 0; i < b.count(); ++i) {
      const double kl = divergence(Z.row(i));
      out(i, 0) = -loss(i, 0) - kl;
      total += loss(i, 0) + s_.beta * kl;
    }
    b.number(3) += total;
  }

  // {rows, H, code, ...}: codes drawn from the prior.
  void sample(const Block& b) const {
    const int64_t h = s_.layers[s_.code].out, m = b.matrix(0).rows();
    const auto z = b.call().scratch<double>(m * h);
    rng_->normal(rng_->split(stream_, kSamples), 0, m * h, z.data());
    decode(b, z);
  }
  // Codes on the way from one row's to another's, kSteps of each pair.
  void interpolate(const Block& b) const {
    const Matrix codes = b.matrix(2);
    const int64_t h = codes.cols(), m = b.matrix(0).rows();
    const auto z = b.call().scratch<double>(m * h);
    double u[2];
    for (int64_t i = 0; i < m; ++i) {
      rng_->uniform(rng_->split(stream_, kEnds), static_cast<uint64_t>(2 * (i / kSteps)), 2, u);
      const auto from = static_cast<int64_t>(u[0] * static_cast<double>(n_)),
                 to = static_cast<int64_t>(u[1] * static_cast<double>(n_));
      const double t = static_cast<double>(i % kSteps) / (kSteps - 1);
      for (int64_t j = 0; j < h; ++j)
        z[static_cast<size_t>(i * h + j)] = (1 - t) * codes(from, j) + t * codes(to, j);
    }
    decode(b, z);
  }
  void decode(const Block& b, std::span<const double> z) const {
    Decoder decoder{*la_, *math_, b, s_, tag_};
    decoder.run(z);
  }

  static constexpr int64_t kSteps = 10;

  const assay_rng* rng_;
  const assay_math* math_;
  const assay_la* la_;
  const assay_tile* tile_;
  int64_t n_, d_, k_;
  bool frozen_;
  int32_t tag_;  // of the loss
  uint64_t stream_;
  Settings s_;
};

constexpr const char* kActivations[] = {"relu", "tanh", "sigmoid", "softplus", "identity", nullptr};
constexpr const char* kCodeActivations[] = {"same",     "relu",     "tanh", "sigmoid",
                                            "softplus", "identity", nullptr};
constexpr const char* kNoises[] = {"none", "gaussian", "masking", "salt_and_pepper", nullptr};
constexpr const char* kOptimisers[] = {"adam", "sgd", nullptr};
constexpr const char* kSchedules[] = {"constant", "cosine", "step", "exponential", nullptr};
constexpr const char* kStarts[] = {"auto", "glorot", "he", nullptr};

constexpr assay_option options[] = {
    enum_option("activation", "of every layer", "relu", kActivations),
    enum_option("code_activation", "of the code layer", "same", kCodeActivations),
    integer_option("code_layer",
                   "which layer is the code; 0: the narrowest, the first of equals",
                   0,
                   0,
                   1000),
    bool_option("tied", "the encoder is the output layer turned: one layer only", false),
    bool_option("orthogonal", "tied weights whose components stay orthonormal", false),
    enum_option("noise", "on the input; the loss stays at X without it", "none", kNoises),
    number_option("noise_level",
                  "gaussian: standard deviation; else the share of entries",
                  0.1,
                  0,
                  1e6),
    bool_option("variational", "the code is drawn from a Gaussian posterior", false),
    number_option("beta", "variational: weight of the divergence from the prior", 1, 0, 1e6),
    bool_option("sampling", "variational: false takes the posterior's mean", true),
    integer_option("samples", "variational: rows decoded from draws of the prior", 100, 0, 1000000),
    integer_option("interpolations",
                   "variational: pairs of rows joined by ten decoded codes",
                   10,
                   0,
                   100000),
    enum_option("optimiser", "Adam, or gradient with momentum", "adam", kOptimisers),
    number_option("learning_rate", "of the first epoch", 1e-3, 0, 1e6),
    number_option("momentum", "share of the past in the mean of gradients", 0.9, 0, 0.9999),
    number_option("second_moment",
                  "Adam: share of the past in the mean of their squares",
                  0.999,
                  0,
                  0.999999),
    number_option("epsilon", "Adam: keeps the step finite where gradients vanish", 1e-8, 0, 1),
    enum_option("schedule", "of the learning rate", "constant", kSchedules),
    number_option("decay", "factor of the rate in one period (step, exponential)", 0.1, 0, 1),
    number_option("period", "epochs of a step, or until a cosine ends at 0", 100, 1, 1e9),
    integer_option("batch_size", "rows of a batch", 256, 1, 1000000000),
    bool_option("shuffle", "rows are drawn into batches anew every epoch", true),
    enum_option("init", "auto: He before relu and softplus, else Glorot", "auto", kStarts),
    kNoMoreOptions};
constexpr assay_solver vtable =
    solver_table<Autoencoder>(ASSAY_NEEDS_GRAD,
                              ASSAY_NEEDS_NO_PENALTY,
                              ASSAY_TAKES_SPARSE | ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS,
                              nullptr,
                              ASSAY_FITS_AUTOENCODER | ASSAY_SOLVER_NO_RESIDUAL);
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "autoencoder",
    "layers that make W from X and H that makes X from W, trained together in batches of rows",
    "Rumelhart, Hinton and Williams 1986; Vincent et al. 2008; Kingma and Welling 2014",
    "A_0 = X, A_l = f(A_(l-1) W_l + b_l), W = [A_L 1], X ~ W H\n"
    "weights follow the mean gradient over a batch: Adam (Kingma and Ba 2015), or momentum\n"
    "tied: W_1 = H'; orthogonal: HH' = I; noise: A_0 is X with noise, drawn anew every epoch\n"
    "variational: the code is z = mu + e^(v/2) eps, [mu v] = A_(l-1) W_l + b_l, and\n"
    "  F = sum of losses + beta/2 sum (mu^2 + e^v - 1 - v), minus the ELBO at one draw a row\n"
    "cost: 6 n d (h_1 + h_L) flops an epoch, and the inner layers'\n"
    "guarantee: none for an epoch; the objective falls on average while the rate is small",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.autoencoder", "1.0", plugin)
