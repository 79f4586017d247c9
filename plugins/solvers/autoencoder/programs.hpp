// SPDX-License-Identifier: Apache-2.0
// The programs of an autoencoder: drawing weights, an epoch, measuring, new rows, the end.
#pragma once

#include <string>
#include <vector>

#include "blocks.hpp"

namespace assay::autoencoder {

class Programs {
 public:
  Programs(const Autoencoder& a, const Builder& b)
      : b_(b),
        rng_(a.rng()),
        s_(a.settings()),
        k_(a.width()),
        d_(a.columns()),
        frozen_(a.frozen()),
        stream_(a.stream()) {}

  void build(int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !frozen_) return start();
    if (purpose == ASSAY_STEP) return frozen_ ? known() : epoch();
    if (purpose == ASSAY_MEASURE) return measure();
    if (purpose == ASSAY_FINISH) finish();
  }

 private:
  static constexpr int64_t kSteps = Autoencoder::kSteps;
  size_t last() const { return s_.last(); }

  // ---- buffers ----

  static std::string named(const std::string& what, size_t l) {
    return what + "_" + std::to_string(l + 1);
  }
  assay_buf state(const std::string& name,
                  int32_t axis,
                  int64_t rows,
                  int64_t width,
                  uint32_t flags = 0) const {
    return b_.buffer(name.c_str(), axis, ASSAY_STATE, rows, width, true, flags);
  }
  // Weights of layer l are in x sums, of the first on COLS; count is {updates so far, 1 once
  // weights are drawn}.
  struct Net {
    std::vector<assay_buf> weights, biases;
    assay_buf count;
  };
  Net net() const {
    Net net;
    for (size_t l = 0; l < s_.layers.size(); ++l) {
      const Layer& layer = s_.layers[l];
      net.weights.push_back(l == 0 && s_.tied
                                ? b_.factor(1)
                                : state(named("weights", l), axis_of(l), layer.in, layer.sums));
      if (s_.bias) net.biases.push_back(state(named("bias", l), ASSAY_ONE, 1, layer.sums));
    }
    net.count = state("updates", ASSAY_ONE, 1, 2);
    return net;
  }
  static int32_t axis_of(size_t l) { return l == 0 ? ASSAY_COLS : ASSAY_ONE; }

  // ---- programs ----

  // Weights are drawn unless a saved model brought them.
  void start() const {
    const Net net = this->net();
    b_.each<&Autoencoder::draw>("draw_output", ASSAY_COLS,
                                {{b_.factor(1), ASSAY_INOUT}, {net.count, ASSAY_IN}}, -1);
    for (size_t l = s_.tied ? 1 : 0; l < s_.layers.size(); ++l)
      b_.each<&Autoencoder::draw>(named("draw", l).c_str(), axis_of(l),
                                  {{net.weights[l], ASSAY_INOUT}, {net.count, ASSAY_IN}},
                                  static_cast<int32_t>(l));
    b_.each<&Autoencoder::mark>("drawn", ASSAY_ONE, {{net.count, ASSAY_INOUT}});
    if (s_.orthogonal) orthogonalise();
  }

  // A_1 .. A_L of the rows in sight, the last of them `to`; Z the sums of a posterior.
  struct Pass {
    std::vector<assay_buf> A;
    assay_buf Z = ASSAY_NO;
  };
  enum class Code { kMean, kDrawn };
  Pass forward(const Net& net,
               assay_buf input,
               assay_buf to,
               Code code,
               const std::string& prefix = "") const {
    Pass pass;
    for (size_t l = 0; l < s_.layers.size(); ++l) {
      const auto tag = static_cast<int32_t>(l);
      const Layer& layer = s_.layers[l];
      const std::string name = named(prefix + "layer", l);
      const assay_buf Z = b_.local(named(prefix + "sums", l).c_str(), ASSAY_ROWS,
                                   l == 0 && s_.tied ? k_ : layer.sums);
      b_.times(Z, l == 0 ? input : pass.A.back(), net.weights[l]);
      const bool apart = l == last() || s_.posterior(l);
      const assay_buf A = l == last() ? to
                          : apart     ? b_.local((name + "_code").c_str(), ASSAY_ROWS, layer.out)
                                      : Z;
      std::vector<assay_arg> args = {{Z, ASSAY_INOUT}};
      if (apart) args.push_back({A, ASSAY_OUT});
      if (s_.bias) args.push_back({net.biases[l], ASSAY_IN});
      if (!s_.posterior(l))
        b_.each<&Autoencoder::layer>(name.c_str(), ASSAY_ROWS, args, tag);
      else if (code == Code::kMean)
        b_.each<&Autoencoder::mean_code>(name.c_str(), ASSAY_ROWS, args, tag);
      else
        b_.each<&Autoencoder::drawn_code>(name.c_str(), ASSAY_ROWS, args, tag);
      if (s_.posterior(l)) pass.Z = Z;
      pass.A.push_back(A);
    }
    return pass;
  }
  Pass clean(const Net& net) const { return forward(net, ASSAY_X, b_.factor(0), Code::kMean); }

  // New rows: the layers are known.
  void known() const {
    (void)clean(net());
    const assay_buf done = b_.small("done", 1, 1);
    b_.each<&Autoencoder::one>("done", ASSAY_ONE, {{done, ASSAY_OUT}});
    b_.report("converged", done);
  }

  // W as the layers make it; of a variational one minus the ELBO.
  void measure() const {
    const Net net = this->net();
    (void)clean(net);
    if (!s_.variational) return;
    const assay_buf drawn = b_.local("drawn", ASSAY_ROWS, k_),
                    loss = b_.local("drawn_loss", ASSAY_ROWS, 1),
                    total = b_.sum("minus_elbo", 1, 1),
                    bound =
                        b_.buffer("elbo", ASSAY_ROWS, ASSAY_STATE, 0, 1, true, ASSAY_BUFFER_OUTPUT);
    const Pass pass = forward(net, ASSAY_X, drawn, code_drawn(), "drawn_");
    b_.terms({ASSAY_VALUE, ASSAY_ROWS, drawn, b_.factor(1), ASSAY_NO, ASSAY_NO, loss, 0});
    b_.each<&Autoencoder::bound>(
        "bound", ASSAY_ROWS,
        {{loss, ASSAY_IN}, {pass.Z, ASSAY_IN}, {bound, ASSAY_OUT}, {total, ASSAY_ADD}});
    b_.report("objective", total);
  }
  Code code_drawn() const { return s_.sampling ? Code::kDrawn : Code::kMean; }

  void finish() const {
    const Net net = this->net();
    const Pass pass = clean(net);
    const assay_buf code = b_.buffer("code", ASSAY_ROWS, ASSAY_STATE, 0, s_.layers[s_.code].out,
                                     true, ASSAY_BUFFER_OUTPUT);
    b_.each<&Autoencoder::keep>("keep_code", ASSAY_ROWS,
                                {{pass.A[s_.code], ASSAY_IN}, {code, ASSAY_OUT}});
    if (frozen_) return;
    if (s_.samples > 0) picture<&Autoencoder::sample>(net, "samples", s_.samples, code);
    if (s_.interpolations > 0)
      picture<&Autoencoder::interpolate>(net, "interpolation", s_.interpolations * kSteps, code);
  }
  // Rows of X's shape, decoded: {rows, H, code, weights and biases behind the code}.
  template <auto Member>
  void picture(const Net& net, const char* name, int64_t rows, assay_buf code) const {
    const assay_buf out = state(name, ASSAY_ONE, rows, d_, ASSAY_BUFFER_OUTPUT);
    std::vector<assay_arg> args = {{out, ASSAY_OUT}, {b_.factor(1), ASSAY_IN}, {code, ASSAY_IN}};
    for (size_t l = s_.code + 1; l < s_.layers.size(); ++l) {
      args.push_back({net.weights[l], ASSAY_IN});
      if (s_.bias) args.push_back({net.biases[l], ASSAY_IN});
    }
    b_.each<Member>((std::string("decode_") + name).c_str(), ASSAY_ONE, args);
  }

  void epoch() const {
    const Net net = this->net();
    b_.batches(s_.batch, s_.shuffle ? ASSAY_SHUFFLED_ROWS : ASSAY_NATURAL, rng_->split(stream_, 1));
    const assay_buf input = s_.noise.any() ? noisy() : static_cast<assay_buf>(ASSAY_X);
    const Pass pass = forward(net, input, b_.factor(0), code_drawn());
    const assay_buf D = b_.local("gradient_w", ASSAY_ROWS, k_),
                    G = b_.local("gradient_h", ASSAY_COLS, k_), rows = b_.sum("rows", 1, 1);
    b_.terms(ASSAY_GRAD, ASSAY_ROWS, D, ASSAY_NO);
    const Gradients by = backpropagate(net, pass, D, rows);
    const assay_buf rate = b_.small("rate", 1, 4);
    b_.each<&Autoencoder::schedule>(
        "schedule", ASSAY_ONE, {{net.count, ASSAY_INOUT}, {rows, ASSAY_IN}, {rate, ASSAY_OUT}});
    // Behind the rate, so that columns are updated in the sweep that finds their gradients.
    b_.terms(ASSAY_GRAD, ASSAY_COLS, G, ASSAY_NO);
    b_.times(by.weights[0], input, by.delta);
    assay_buf by_output = G;
    if (s_.tied) {
      by_output = b_.local("gradient_both", ASSAY_COLS, k_);
      b_.each<&Autoencoder::add>(
          "both", ASSAY_COLS, {{G, ASSAY_IN}, {by.weights[0], ASSAY_IN}, {by_output, ASSAY_OUT}});
    }
    update("output", ASSAY_COLS, 0, k_, b_.factor(1), by_output, rate);
    for (size_t l = 0; l < s_.layers.size(); ++l) {
      const Layer& layer = s_.layers[l];
      if (l > 0 || !s_.tied)
        update(named("weights", l), axis_of(l), layer.in, layer.sums, net.weights[l], by.weights[l],
               rate);
      if (s_.bias)
        update(named("bias", l), ASSAY_ONE, 1, layer.sums, net.biases[l], by.biases[l], rate);
    }
    if (s_.orthogonal) orthogonalise();
    b_.end();
  }

  assay_buf noisy() const {
    const assay_buf X = b_.local("noisy", ASSAY_ROWS, d_);
    b_.each<&Autoencoder::corrupt>("noise", ASSAY_ROWS, {{X, ASSAY_OUT}}, 0, ASSAY_EACH_X);
    return X;
  }

  struct Gradients {
    std::vector<assay_buf> weights, biases;
    assay_buf delta = ASSAY_NO;  // by the first layer's sums: X' delta is weights[0], not yet stated
  };
  // From D, the gradient by [A_L 1], down to the first layer; `rows` counts the batch's.
  Gradients backpropagate(const Net& net,
                          const Pass& pass,
                          assay_buf D,
                          assay_buf rows) const {
    Gradients by;
    by.weights.resize(s_.layers.size());
    by.biases.resize(s_.layers.size());
    assay_buf above = D;  // the gradient by A_l
    for (size_t l = s_.layers.size(); l-- > 0;) {
      const Layer& layer = s_.layers[l];
      const assay_buf delta =
          b_.local(named("delta", l).c_str(), ASSAY_ROWS, s_.tied ? k_ : layer.sums);
      std::vector<assay_arg> args = {{pass.A[l], ASSAY_IN}, {above, ASSAY_IN}, {delta, ASSAY_OUT}};
      args.push_back({s_.posterior(l) ? pass.Z : pass.A[l], ASSAY_IN});
      if (l == last()) args.push_back({rows, ASSAY_ADD});
      if (s_.bias) {
        by.biases[l] = b_.sum(named("gradient_bias", l).c_str(), 1, layer.sums);
        args.push_back({by.biases[l], ASSAY_ADD});
      }
      b_.each<&Autoencoder::backward>(named("backward", l).c_str(), ASSAY_ROWS, args,
                                      static_cast<int32_t>(l));
      const std::string name = named("gradient", l);
      if (l == 0) {
        by.weights[0] = b_.local(name.c_str(), ASSAY_COLS, s_.tied ? k_ : layer.sums);
        by.delta = delta;
        break;
      }
      by.weights[l] = b_.sum(name.c_str(), layer.in, layer.sums);
      b_.gram(by.weights[l], pass.A[l - 1], delta);
      above = b_.local(named("above", l - 1).c_str(), ASSAY_ROWS, layer.in);
      b_.times(above, delta, net.weights[l], ASSAY_TRANSPOSED);
    }
    return by;
  }

  void update(const std::string& name,
              int32_t axis,
              int64_t rows,
              int64_t width,
              assay_buf weight,
              assay_buf gradient,
              assay_buf rate) const {
    std::vector<assay_arg> args = {{weight, ASSAY_INOUT}, {gradient, ASSAY_IN}, {rate, ASSAY_IN}};
    args.push_back({state(name + ".mean", axis, rows, width), ASSAY_INOUT});
    if (s_.optimiser.adam)
      args.push_back({state(name + ".square", axis, rows, width), ASSAY_INOUT});
    b_.each<&Autoencoder::follow>(("update_" + name).c_str(), axis, args);
  }

  // H <- H (H'H)^(-1/2), the nearest with orthonormal columns.
  void orthogonalise() const {
    const assay_buf H = b_.factor(1), G = b_.sum("gram_h", k_, k_), R = b_.small("root", k_, k_),
                    Q = b_.local("orthonormal", ASSAY_COLS, k_);
    b_.gram(G, H, H);
    b_.each<&Autoencoder::inverse_root>("inverse_root", ASSAY_ONE, {{G, ASSAY_IN}, {R, ASSAY_OUT}});
    b_.times(Q, H, R);
    b_.each<&Autoencoder::keep>("keep_orthonormal", ASSAY_COLS, {{Q, ASSAY_IN}, {H, ASSAY_OUT}});
  }

  const Builder& b_;
  const assay_rng* rng_;
  const Settings& s_;
  int64_t k_, d_;
  bool frozen_;
  uint64_t stream_;
};

inline void Autoencoder::build(const Builder& b, int32_t purpose) const {
  Programs(*this, b).build(purpose);
}

}  // namespace assay::autoencoder
