// SPDX-License-Identifier: Apache-2.0
// Lowering: each line of a program becomes ops. Zero terms and constant denominators replace
// contractions by column sums; the squared loss by Gram matrices.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/sweeps.hpp"

namespace assay::graph {

class Lowering : private Sweeps {
 public:
  Lowering(const Program::Body& program, Model& model, const PlanOptions& options);
  Expected<Layout> run();

 private:
  using Scalars = std::vector<std::pair<int, double>>;  // 1 x 1 sums, each with its factor
  struct General;

  // ---- lower.cpp: one function a line, and the ops several of them share ----
  void lower(const Line& line);
  void lower_each(const Line& line);
  void lower_grid(const Line& line);
  bool rows_have_places() const;
  void refuse(const std::string& what);
  // Of X times `width` columns; densify: with every zero of sparse X.
  double product_flops(int64_t width, bool densify = false) const;
  bool shifted_zeros() const;  // unstored zeros of sparse X that the view shows as its shift
  int row_weight(int32_t axis) const;
  int emit_gram(const std::string& name,
                int left,
                int right,
                int out,
                int weight,
                double scale = 1);
  int gram_of(int factor, int weight = -1, double scale = 1);
  int emit_colsum(int left, int weight);
  void emit_times_gram(int32_t axis, int own, int gram, int out, bool only_measured = false);
  void emit_subtract(const std::string& name, int32_t axis, int out, int extra);

  // ---- lower_products.cpp ----
  void lower_times(const Line& line);
  void lower_shaped(const Line& line);
  void lower_square(const Line& line);
  void lower_labels(const Line& line);
  void lower_gather(const Line& line);
  void emit_product(const std::string& name, int32_t axis, int opposite, int out, int power);
  void emit_product(int32_t axis, int opposite, int out);
  int shift_buffer();

  // ---- lower_terms.cpp: which form, whose value; the squared loss from products ----
  void lower_terms(const Line& line);
  void lower_squared(const Line& line, bool entering);
  void say_cost();
  bool wants_entering(const assay_terms& t);
  bool per_line(const assay_terms& t);
  void note_product(const Line& line);
  bool at_model(const assay_terms& t);
  bool at_mean(const assay_terms& t);
  void publish_value(const assay_terms& t,
                     bool entering,
                     Scalars scalars,
                     double constant,
                     bool free);
  void emit_squared_value(const assay_terms& t,
                          int own,
                          int product,
                          int den,
                          int32_t axis,
                          bool entering);

  // ---- lower_general.cpp: any loss ----
  void lower_general(const Line& line, bool squared, bool entering);
  void settle_zeros(General& g, Op& op);
  void emit_zeros(General& g);

  // ---- lower_normals.cpp ----
  void lower_normals(const Line& line);
  void lower_shared(const Line& line);
  void lower_uniform(const Line& line, double curvature);
  void lower_own(const Line& line, bool squared);
  double largest_weight() const;

  std::optional<Error> refused_;
  bool cost_said_ = false, entering_done_ = false;
  bool weighted_ = false, zeros_ = false;  // of X; zeros: unstored entries are zeros
  int shift_ = -1;
  std::set<int> x_shaped_;    // buffers that stand in X's place
  int with_s_[2] = {-1, -1};  // buffers that hold W S and H S'
};

// The factor a line is about, and the one it is contracted with.
inline std::pair<int, int> own_opposite(int32_t axis, int left, int right) {
  return axis == ASSAY_ROWS ? std::pair(left, right) : std::pair(right, left);
}

}  // namespace assay::graph
