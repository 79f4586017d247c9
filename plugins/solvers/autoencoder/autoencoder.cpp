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
// Tied: W_1 = H'. Cost: 6 n d (h_1 + h_L) flops an epoch and the inner layers'.
#include <assay/plugin.hpp>
#include <string>
#include <vector>

#include "layers.hpp"
#include "optimiser.hpp"

namespace {

using namespace assay::author;
using namespace assay::autoencoder;

class Autoencoder {
 public:
  Autoencoder(Call call, const assay_problem& p)
      : rng_(call.service<assay_rng>("assay.rng/1")),
        math_(call.service<assay_math>("assay.math/1")),
        n_(p.n),
        d_(p.d),
        k_(p.k[0]),
        frozen_((p.factor_flags[1] & ASSAY_FACTOR_FROZEN) != 0),
        bias_((p.flags & ASSAY_PROBLEM_BIAS) != 0),
        stream_(p.stream) {
    const Options options(call.host, p.options);
    read(options, p);
    batch_ = options.integer("batch_size");
    shuffle_ = options.flag("shuffle");
    tied_ = options.flag("tied");
    optimiser_.adam = options.text("optimiser") == "adam";
    optimiser_.rate = options.number("learning_rate");
    optimiser_.momentum = options.number("momentum");
    optimiser_.second = options.number("second_moment");
    optimiser_.epsilon = options.number("epsilon");
    optimiser_.schedule = options.text("schedule").value_or("constant");
    optimiser_.decay = options.number("decay");
    optimiser_.period = options.number("period");
    start_ = options.text("init").value_or("auto");
    if (tied_ && layers_.size() != 1)
      throw Failure(ASSAY_E_COMBINATION, "tied weights are those of one layer, and the model has " +
                                             std::to_string(layers_.size()))
          .help("give one layer, or `tied: false`");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !frozen_) return start(b);
    if (purpose == ASSAY_STEP) return frozen_ ? known(b) : epoch(b);
    if (purpose == ASSAY_FINISH || purpose == ASSAY_MEASURE) (void)forward(b, net(b), b.factor(0));
    if (purpose == ASSAY_FINISH) keep_code(b);
  }

 private:
  struct Layer {
    int64_t in, out;
    Activation f;
  };
  size_t last() const { return layers_.size() - 1; }

  void read(const Options& options, const assay_problem& p) {
    const std::string inner = options.text("activation").value_or("relu"),
                      code = options.text("code_activation").value_or("same");
    code_ = options.integer("code_layer") - 1;
    if (code_ >= p.n_layers)
      throw Failure(ASSAY_E_COMBINATION, "`code_layer` is " + std::to_string(code_ + 1) +
                                             ", and the model has " + std::to_string(p.n_layers) +
                                             " layers");
    if (code_ < 0) code_ = std::min_element(p.layers, p.layers + p.n_layers) - p.layers;
    for (int64_t l = 0; l < p.n_layers; ++l) {
      const bool is_code = l == code_ && code != "same";
      layers_.push_back(
          {l == 0 ? p.d : p.layers[l - 1], p.layers[l], activation_of(is_code ? code : inner)});
    }
  }

  // ---- buffers ----

  static std::string named(const char* what, size_t l) {
    return std::string(what) + "_" + std::to_string(l + 1);
  }
  assay_buf state(const Builder& b,
                  const std::string& name,
                  int32_t axis,
                  int64_t rows,
                  int64_t width,
                  uint32_t flags = 0) const {
    return b.buffer(name.c_str(), axis, ASSAY_STATE, rows, width, true, flags);
  }
  // Weights of layer l are in x out, of the first on COLS; count is {updates so far, 1 once weights
  // are drawn}.
  struct Net {
    std::vector<assay_buf> weights, biases;
    assay_buf count;
  };
  Net net(const Builder& b) const {
    Net net;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      net.weights.push_back(l == 0 && tied_
                                ? b.factor(1)
                                : state(b, named("weights", l), axis_of(l), layer.in, layer.out));
      if (bias_) net.biases.push_back(state(b, named("bias", l), ASSAY_ONE, 1, layer.out));
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
    for (size_t l = tied_ ? 1 : 0; l < layers_.size(); ++l)
      b.each<&Autoencoder::draw>(named("draw", l).c_str(), axis_of(l),
                                 {{net.weights[l], ASSAY_INOUT}, {net.count, ASSAY_IN}},
                                 static_cast<int32_t>(l));
    b.each<&Autoencoder::mark>("drawn", ASSAY_ONE, {{net.count, ASSAY_INOUT}});
  }

  // A_1 .. A_L of the rows in sight, the last of them `to`.
  std::vector<assay_buf> forward(const Builder& b, const Net& net, assay_buf to) const {
    std::vector<assay_buf> A;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const auto tag = static_cast<int32_t>(l);
      const int64_t width = l == 0 && tied_ ? k_ : layers_[l].out;
      const assay_buf Z = b.local(named("sum", l).c_str(), ASSAY_ROWS, width);
      b.times(Z, l == 0 ? static_cast<assay_buf>(ASSAY_X) : A.back(), net.weights[l]);
      std::vector<assay_arg> args = {{Z, l == last() ? ASSAY_IN : ASSAY_INOUT}};
      if (l == last()) args.push_back({to, ASSAY_OUT});
      if (bias_) args.push_back({net.biases[l], ASSAY_IN});
      if (l == last())
        b.each<&Autoencoder::output>(named("layer", l).c_str(), ASSAY_ROWS, args, tag);
      else
        b.each<&Autoencoder::layer>(named("layer", l).c_str(), ASSAY_ROWS, args, tag);
      A.push_back(l == last() ? to : Z);
    }
    return A;
  }

  // New rows: the layers are known.
  void known(const Builder& b) const {
    (void)forward(b, net(b), b.factor(0));
    const assay_buf done = b.small("done", 1, 1);
    b.each<&Autoencoder::one>("done", ASSAY_ONE, {{done, ASSAY_OUT}});
    b.report("converged", done);
  }

  void keep_code(const Builder&) const {}

  void epoch(const Builder& b) const {
    const assay_buf W = b.factor(0), H = b.factor(1);
    const Net net = this->net(b);
    b.batches(batch_, shuffle_ ? ASSAY_SHUFFLED_ROWS : ASSAY_NATURAL, rng_->split(stream_, 1));
    const std::vector<assay_buf> A = forward(b, net, W);
    const assay_buf D = b.local("gradient_w", ASSAY_ROWS, k_),
                    G = b.local("gradient_h", ASSAY_COLS, k_), rows = b.sum("rows", 1, 1);
    b.terms(ASSAY_GRAD, ASSAY_ROWS, D, ASSAY_NO);
    b.terms(ASSAY_GRAD, ASSAY_COLS, G, ASSAY_NO);
    assay_buf above = D;  // the gradient by A_l
    std::vector<assay_buf> by_weights, by_bias;
    for (size_t l = layers_.size(); l-- > 0;) {
      const auto tag = static_cast<int32_t>(l);
      const Layer& layer = layers_[l];
      const assay_buf delta = l == last() && k_ != layer.out && !tied_
                                  ? b.local(named("delta", l).c_str(), ASSAY_ROWS, layer.out)
                                  : above;
      std::vector<assay_arg> args = {{A[l], ASSAY_IN}};
      if (delta == above) {
        args.push_back({delta, ASSAY_INOUT});
      } else {
        args.push_back({delta, ASSAY_OUT});
        args.push_back({above, ASSAY_IN});
      }
      if (l == last()) args.push_back({rows, ASSAY_ADD});
      const assay_buf bias = bias_ ? b.sum(named("gradient_bias", l).c_str(), 1, layer.out) : -1;
      if (bias_) args.push_back({bias, ASSAY_ADD});
      by_bias.push_back(bias);
      b.each<&Autoencoder::backward>(named("backward", l).c_str(), ASSAY_ROWS, args, tag);
      const std::string name = named("gradient", l);
      if (l == 0) {
        const assay_buf grad = b.local(name.c_str(), ASSAY_COLS, tied_ ? k_ : layer.out);
        b.times(grad, ASSAY_X, delta);
        by_weights.push_back(grad);
        continue;
      }
      const assay_buf grad = b.sum(name.c_str(), layer.in, layer.out);
      b.gram(grad, A[l - 1], delta);
      by_weights.push_back(grad);
      above = b.local(named("above", l - 1).c_str(), ASSAY_ROWS, layer.in);
      b.times(above, delta, net.weights[l], ASSAY_TRANSPOSED);
    }
    const assay_buf rate = b.small("rate", 1, 4);
    b.each<&Autoencoder::schedule>("schedule", ASSAY_ONE,
                                   {{net.count, ASSAY_INOUT}, {rows, ASSAY_IN}, {rate, ASSAY_OUT}});
    if (tied_) {
      const assay_buf both = b.local("gradient_both", ASSAY_COLS, k_);
      b.each<&Autoencoder::add>("both", ASSAY_COLS,
                                {{G, ASSAY_IN}, {by_weights.back(), ASSAY_IN}, {both, ASSAY_OUT}});
      update(b, "output", ASSAY_COLS, 0, k_, H, both, rate);
    } else {
      update(b, "output", ASSAY_COLS, 0, k_, H, G, rate);
    }
    for (size_t l = layers_.size(); l-- > 0;) {
      const Layer& layer = layers_[l];
      const size_t at = layers_.size() - 1 - l;
      if (l > 0 || !tied_)
        update(b, named("weights", l), axis_of(l), layer.in, layer.out, net.weights[l],
               by_weights[at], rate);
      if (bias_)
        update(b, named("bias", l), ASSAY_ONE, 1, layer.out, net.biases[l], by_bias[at], rate);
    }
    b.end();
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
    if (optimiser_.adam)
      args.push_back({state(b, name + ".square", axis, rows, width), ASSAY_INOUT});
    b.each<&Autoencoder::follow>(("update_" + name).c_str(), axis, args);
  }

  // ---- block functions ----

  void one(const Block& b) const { b.number(0) = 1; }
  void mark(const Block& b) const { b.matrix(0)(0, 1) = 1; }

  // {weights, count}; tag: the layer, -1 the output. Row i is input i; of H input and output change
  // places.
  void draw(const Block& b) const {
    const Matrix w = b.matrix(0);
    if (b.matrix(1)(0, 1) != 0) return;
    const bool output = b.tag() < 0;
    const auto l = static_cast<size_t>(std::max(b.tag(), 0));
    const int64_t width = output ? layers_[last()].out : layers_[l].out;
    const double in = static_cast<double>(output ? width : layers_[l].in),
                 out = static_cast<double>(output ? d_ : layers_[l].out);
    const uint64_t stream = rng_->split(stream_, output ? 2 : 3 + l);
    const auto u = b.call().scratch<double>(width);
    const bool he = !output && (start_ == "he" || (start_ == "auto" && rectified(layers_[l].f)));
    for (int64_t i = 0; i < w.rows(); ++i) {
      const int64_t row = b.axis() == ASSAY_ONE ? i : b.first() + i;
      const auto at = static_cast<uint64_t>(row * width);
      if (he)
        rng_->normal(stream, at, width, u.data());
      else
        rng_->uniform(stream, at, width, u.data());
      const double scale = he ? std::sqrt(2 / in) : std::sqrt(6 / (in + out));
      for (int64_t j = 0; j < w.cols(); ++j)
        w(i, j) = j >= width ? 0.0
                  : he       ? scale * u[static_cast<size_t>(j)]
                             : scale * (2 * u[static_cast<size_t>(j)] - 1);
    }
  }
  static bool rectified(Activation f) {
    return f == Activation::kRelu || f == Activation::kSoftplus;
  }

  // {Z in place of A, bias}; tag: the layer.
  void layer(const Block& b) const {
    const Matrix Z = b.matrix(0);
    const double* bias = bias_ ? b.matrix(1).data() : nullptr;
    for (int64_t i = 0; i < b.count(); ++i) activate_row(b, Z.cols(), bias, Z.row(i).data());
  }
  // {Z, the factor, bias}
  void output(const Block& b) const {
    const Matrix Z = b.matrix(0), W = b.matrix(1);
    const double* bias = bias_ ? b.matrix(2).data() : nullptr;
    const int64_t width = layers_[last()].out;
    for (int64_t i = 0; i < b.count(); ++i) {
      double* w = W.row(i).data();
      std::copy_n(Z.row(i).data(), width, w);
      activate_row(b, width, bias, w);
      if (k_ > width) w[width] = 1;
    }
  }
  void activate_row(const Block& b, int64_t n, const double* bias, double* z) const {
    for (int64_t j = 0; bias && j < n; ++j) z[j] += bias[j];
    activate(layers_[static_cast<size_t>(b.tag())].f, *math_, n, z);
  }

  // {A, delta, the gradient by A unless delta is, rows of the last, gradient of the bias}
  void backward(const Block& b) const {
    const Layer& layer = layers_[static_cast<size_t>(b.tag())];
    const bool top = static_cast<size_t>(b.tag()) == last();
    const bool apart = top && k_ != layer.out && !tied_;
    const Matrix A = b.matrix(0), D = b.matrix(1);
    double* sum = bias_ ? b.matrix(2 + (apart ? 1 : 0) + (top ? 1 : 0)).data() : nullptr;
    for (int64_t i = 0; i < b.count(); ++i) {
      double* d = D.row(i).data();
      if (apart) std::copy_n(b.matrix(2).row(i).data(), layer.out, d);
      chain(layer.f, *math_, layer.out, A.row(i).data(), d);
      for (int64_t j = layer.out; j < D.cols(); ++j) d[j] = 0;
      for (int64_t j = 0; sum && j < layer.out; ++j) sum[j] += d[j];
    }
    if (top) b.number(apart ? 3 : 2) += static_cast<double>(b.count());
  }

  // {count, rows, rate}
  void schedule(const Block& b) const {
    const Matrix count = b.matrix(0), rate = b.matrix(2);
    const double batches = std::ceil(static_cast<double>(n_) / static_cast<double>(batch_));
    const double epoch = std::floor(count(0, 0) / batches);
    count(0, 0) += 1;
    const Update u = optimiser_.at(count(0, 0), epoch, b.number(1));
    const double values[] = {u.rate, u.per_row, u.mean_up, u.square_up};
    std::copy_n(values, 4, rate.data());
  }

  // {a, b, a + b}
  void add(const Block& b) const {
    const Matrix x = b.matrix(0), y = b.matrix(1), sum = b.matrix(2);
    for (int64_t i = 0; i < sum.rows(); ++i)
      for (int64_t j = 0; j < sum.cols(); ++j) sum(i, j) = x(i, j) + y(i, j);
  }

  // {weights, gradient, rate, mean, square}
  void follow(const Block& b) const {
    const Matrix w = b.matrix(0), g = b.matrix(1), m = b.matrix(3);
    const double* rate = b.matrix(2).data();
    const Update u = {rate[0], rate[1], rate[2], rate[3]};
    for (int64_t i = 0; i < w.rows(); ++i) {
      if (optimiser_.adam)
        adam_row(w.cols(), optimiser_.momentum, optimiser_.second, optimiser_.epsilon, u,
                 g.row(i).data(), m.row(i).data(), b.matrix(4).row(i).data(), w.row(i).data());
      else
        momentum_row(w.cols(), optimiser_.momentum, u, g.row(i).data(), m.row(i).data(),
                     w.row(i).data());
    }
  }

  const assay_rng* rng_;
  const assay_math* math_;
  int64_t n_, d_, k_;
  bool frozen_, bias_;
  uint64_t stream_;
  std::vector<Layer> layers_;
  int64_t code_ = 0;
  int64_t batch_ = 256;
  bool shuffle_ = true, tied_ = false;
  Optimiser optimiser_;
  std::string start_;
};

constexpr const char* kActivations[] = {"relu", "tanh", "sigmoid", "softplus", "identity", nullptr};
constexpr const char* kCodeActivations[] = {"same",     "relu",     "tanh", "sigmoid",
                                            "softplus", "identity", nullptr};
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
    bool_option("shuffle", "batches come in a new order every epoch", true),
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
    "Rumelhart, Hinton and Williams 1986; Kingma and Ba 2015",
    "A_0 = X, A_l = f(A_(l-1) W_l + b_l), W = [A_L 1], X ~ W H\n"
    "weights follow the mean gradient over a batch: Adam, or momentum\n"
    "cost: 6 n d (h_1 + h_L) flops an epoch, and the inner layers'\n"
    "guarantee: none for an epoch; the objective falls on average while the rate is small",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.autoencoder", "1.0", plugin)
