// SPDX-License-Identifier: Apache-2.0
// Autoencoders: X ~ W H where W is made from X by layers, trained by backpropagation in batches of
// rows (Rumelhart, Hinton and Williams 1986; Baldi and Hornik 1989 for the linear ones).
//
//   A_0 = X,  A_l = f(A_(l-1) W_l + b_l),  l = 1 .. L;   W = [A_L 1],  M = W H, H's last row b
//
// A step is one epoch; a batch is
//   forward:  Z_1 = X W_1, each row: f; Z_l = A_(l-1) W_l, each row: f, ...; the last into W
//   loss:     D = grad of the loss by W, G = by H: the products of any factorization
//   backward: each row: D_l = (D_(l+1) W_(l+1)') * f'(A_l); by W_l: A_(l-1)' D_l, by W_1: X' D_1
//   update:   every weight follows its mean gradient over the batch
//
// The output's own activation is in the loss: `logistic` is a sigmoid with Bernoulli's likelihood.
// Tied: W_1 = H'. Orthogonal: H goes back to H (H'H)^(-1/2) after every update. Denoising: A_0 is X
// with noise, the loss is at X. Variational: see posterior.hpp; the objective is minus the ELBO at
// one draw a row, with the same draws whenever it is measured.
//
// Cost: 6 n d (h_1 + h_L) flops an epoch and the inner layers'.
#include "programs.hpp"

namespace {

using namespace assay::autoencoder;

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
                  "gaussian, masking, salt_and_pepper: standard deviation (gaussian), or the "
                  "share of entries",
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
                  "adam: share of the past in the mean of their squares",
                  0.999,
                  0,
                  0.999999),
    number_option("epsilon", "adam: keeps the step finite where gradients vanish", 1e-8, 0, 1),
    enum_option("schedule", "of the learning rate", "constant", kSchedules),
    number_option("decay", "step, exponential: factor of the rate in one period", 0.1, 0, 1),
    number_option("period",
                  "step, exponential, cosine: epochs of a step, or until the cosine ends at 0",
                  100,
                  1,
                  1e9),
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
