// SPDX-License-Identifier: Apache-2.0
// What an autoencoder is asked to be: its options, and the layers of the model.
#pragma once

#include <algorithm>
#include <assay/plugin.hpp>
#include <string>
#include <vector>

#include "layers.hpp"
#include "noise.hpp"
#include "optimiser.hpp"

namespace assay::autoencoder {

struct Layer {
  int64_t in, out;  // widths
  int64_t
      sums;  // of what the weights make: out, or twice that of a posterior's means and variances
  Activation f;
};

struct Settings {
  std::vector<Layer> layers;
  size_t code = 0;
  bool bias = false, tied = false, orthogonal = false, shuffle = true;
  bool variational = false, sampling = true;
  double beta = 1;
  int64_t batch = 256, samples = 0, interpolations = 0;
  Noise noise;
  Optimiser optimiser;
  std::string start;

  Settings(const author::Options& options, const assay_problem& p);
  size_t last() const { return layers.size() - 1; }
  bool posterior(size_t l) const { return variational && l == code; }

 private:
  void read_layers(const author::Options& options, const assay_problem& p);
  void check(bool sparse) const;
};

inline Settings::Settings(const author::Options& options, const assay_problem& p) {
  bias = (p.flags & ASSAY_PROBLEM_BIAS) != 0;
  variational = options.flag("variational");
  sampling = options.flag("sampling");
  beta = options.number("beta");
  read_layers(options, p);
  batch = options.integer("batch_size");
  shuffle = options.flag("shuffle");
  tied = options.flag("tied");
  orthogonal = options.flag("orthogonal");
  samples = variational ? options.integer("samples") : 0;
  interpolations = variational ? options.integer("interpolations") : 0;
  noise = {options.text("noise").value_or("none"), options.number("noise_level"), p.x_min, p.x_max};
  optimiser = {options.text("optimiser") == "adam",
               options.number("learning_rate"),
               options.number("momentum"),
               options.number("second_moment"),
               options.number("epsilon"),
               options.text("schedule").value_or("constant"),
               options.number("decay"),
               options.number("period")};
  start = options.text("init").value_or("auto");
  check(p.sparse != 0);
}

inline void Settings::read_layers(const author::Options& options, const assay_problem& p) {
  const std::string inner = options.text("activation").value_or("relu"),
                    of_code = options.text("code_activation").value_or("same");
  const int64_t asked = options.integer("code_layer");
  if (asked > p.n_layers)
    throw author::Failure(ASSAY_E_COMBINATION,
                          "`code_layer` is " + std::to_string(asked) + ", and the model has " +
                              std::to_string(p.n_layers) + (p.n_layers == 1 ? " layer" : " layers"))
        .help("count the layers of `model.layers` from 1, or leave `code_layer` out");
  const int64_t* narrowest = std::min_element(p.layers, p.layers + p.n_layers);
  code = static_cast<size_t>(asked > 0 ? asked - 1 : narrowest - p.layers);
  for (int64_t l = 0; l < p.n_layers; ++l) {
    const bool is_code = static_cast<size_t>(l) == code;
    const std::string& f = is_code && of_code != "same" ? of_code : inner;
    layers.push_back(
        {l == 0 ? p.d : p.layers[l - 1], p.layers[l],
         posterior(static_cast<size_t>(l)) ? 2 * p.layers[l] : p.layers[l],
         posterior(static_cast<size_t>(l)) ? Activation::kIdentity : activation_of(f)});
  }
}

inline void Settings::check(bool sparse) const {
  const auto refuse = [](const char* what, const char* help) {
    throw author::Failure(ASSAY_E_COMBINATION, what).help(help);
  };
  if (sparse && noise.any())
    refuse("noise leaves no zeros, and X is sparse", "`noise: none`, or dense data");
  if (noise.is_share() && noise.level > 1)
    refuse("`noise_level` is above 1, and this noise takes a share of the entries",
           "a share from 0 to 1, such as `noise_level: 0.2`");
  if (tied && layers.size() != 1)
    refuse("tied weights are those of one layer, and the model has more",
           "give one layer, or `tied: false`");
  if (tied && variational)
    refuse("a posterior has two sets of weights, and the output layer one to tie them to",
           "`tied: false`");
  if (orthogonal && (!tied || bias))
    refuse("orthogonal weights are tied ones without bias",
           "`tied: true` and `model.bias: false`; the transform `centre` takes the mean away");
}

}  // namespace assay::autoencoder
