// SPDX-License-Identifier: Apache-2.0
// Autoencoders as specs, and their weights as numbers a test can read and set.
#pragma once

#include <map>

#include "tests/laws/solver_support.hpp"

namespace assay::test {

// model: "layers: [3], bias: false"; solver: ", activation: tanh"; X has few rows, so batches are
// set.
inline spec::Trial autoencoder(const std::string& model,
                               const std::string& solver,
                               int64_t epochs = 12,
                               const std::string& loss = "squared") {
  const std::string text = "assay: 1\nname: law\nmodel: { kind: autoencoder, " + model +
                           ", loss: " + loss + " }\nsolver: { use: autoencoder" + solver +
                           " }\nstop: { max_iter: " + std::to_string(epochs) +
                           ", rel_tol: 0, patience: 0 }\nmeasure: { every: 4, metrics: [] }\n";
  auto parsed = spec::parse("law.yaml", text, {{}, {}, true}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), text);
  return parsed.experiment->trials[0];
}

inline double objective(const Outcome& o) { return o.result.trace.rows.back().objective; }

// All that is trained: state buffers by name, H among them, without the optimiser's averages.
using Weights = std::map<std::string, std::vector<double>>;

inline std::vector<double> entries(const graph::Buffer& b) {
  std::vector<double> out;
  for (int64_t i = 0; i < b.rows; ++i)
    for (int64_t j = 0; j < b.width; ++j) out.push_back(b.get(i, j));
  return out;
}

inline Weights weights_of(const graph::Model& model) {
  Weights out;
  out["H"] = entries(model.factor[1]);
  for (const auto& [name, state] : model.state)
    if (name.rfind("weights_", 0) == 0 || name.rfind("bias_", 0) == 0)
      if (name.find('.') == std::string::npos) out[name] = entries(state);
  return out;
}

// Starts a fit from weights of a model of the same shape, whose state says that they are drawn.
inline Change start_at(const graph::Model& like, const Weights& weights) {
  return [&like, weights](fit::Task&, graph::Model& model) {
    const auto fill = [](const std::vector<double>& from, graph::Buffer& to) {
      for (int64_t i = 0; i < to.rows; ++i)
        for (int64_t j = 0; j < to.width; ++j)
          to.set(i, j, from[static_cast<size_t>(i * to.width + j)]);
    };
    fill(weights.at("H"), model.factor[1]);
    for (const auto& [name, values] : weights) {
      if (name == "H") continue;
      model.state[name] = like.state.at(name);
      fill(values, model.state[name]);
    }
    model.state["updates"] = graph::Buffer::make(ASSAY_F64, 1, 2);
    model.state["updates"].set(0, 1, 1);
  };
}

}  // namespace assay::test
