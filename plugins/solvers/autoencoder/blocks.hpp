// SPDX-License-Identifier: Apache-2.0
// An autoencoder's settings and the functions its programs call on blocks: layers forward and back,
// codes, noise, updates of weights, pictures.
#pragma once

#include <assay/plugin.hpp>
#include <string>
#include <vector>

#include "decode.hpp"
#include "posterior.hpp"
#include "settings.hpp"

namespace assay::autoencoder {

using namespace assay::author;

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

  // In programs.hpp.
  void build(const Builder& b, int32_t purpose) const;

  // Streams of random numbers: 1 the order of rows, then
  enum : uint64_t { kOutput = 2, kNoise, kDraws, kSamples, kEnds, kLayers = 16 };

  static constexpr int64_t kSteps = 10;  // of an interpolation
  const Settings& settings() const { return s_; }
  const assay_rng* rng() const { return rng_; }
  int64_t width() const { return k_; }
  int64_t columns() const { return d_; }
  bool frozen() const { return frozen_; }
  uint64_t stream() const { return stream_; }

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
    const uint64_t stream =
        rng_->split(rng_->split(stream_, kDraws), static_cast<uint64_t>(b.step()));
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
    const uint64_t stream =
        rng_->split(rng_->split(stream_, kNoise), static_cast<uint64_t>(b.step()));
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

 private:
  size_t last() const { return s_.last(); }

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

}  // namespace assay::autoencoder
