// SPDX-License-Identifier: Apache-2.0
// Model: the data a program runs over and the buffers that outlive a step (FACTOR and STATE).
// Saved, checkpointed, frozen.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/aligned.hpp"
#include "core/data/data.hpp"
#include "core/plugin/density.hpp"
#include "core/plugin/instance.hpp"

namespace assay::graph {

// Before the name of a STATE buffer on ROWS, among the model's.
inline constexpr const char* kRowsState = "rows.";

// Row-major storage of rows x width entries. Rows are padded to 64 bytes with zeros, as kernels
// want what they write; or packed, where no kernel does: rows of at most half of that lie as close
// as a power of two allows.
struct Buffer {
  int32_t dtype = ASSAY_F64;  // F64, F32, I32, I64
  int64_t rows = 0, width = 0, ld = 0;
  AlignedArray<unsigned char> bytes;

  static Buffer make(int32_t dtype, int64_t rows, int64_t width);
  static Buffer packed(int32_t dtype, int64_t rows, int64_t width);
  static int64_t packed_ld(int32_t dtype, int64_t width);
  // As model.state keeps it under that key: packed on the rows.
  static Buffer state(const std::string& key, int32_t dtype, int64_t rows, int64_t width);
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
  double get(int64_t i, int64_t j) const;  // any dtype, widened
  void set(int64_t i, int64_t j, double v);
};

// The solver's lines that make W, where the model does not store it.
struct Apply {
  std::function<int32_t(assay_builder*)> fn;  // empty: W is stored
  void* self = nullptr;
};

// The class of each row, by its label.
struct Classes {
  std::shared_ptr<const data::Names> of;
  std::vector<int32_t> of_row;  // -1 without a label
  int64_t count = 0;
};

struct Model {
  std::shared_ptr<const data::Data> x;
  data::Facts facts;                                       // of *x
  std::shared_ptr<const plugin::Loss> loss;                // null: programs without terms only
  std::shared_ptr<const plugin::Density> density;          // of a mixture, else null
  std::shared_ptr<const plugin::PenaltySet> penalties[3];  // null: none
  int32_t compute = ASSAY_F64;                             // or F32
  int32_t n_factors = 2;
  std::vector<int64_t> layers;  // of an autoencoder: assay_problem's layers
  // W n x k (0 rows where it is made, not stored), H d x k (long side first), S k1 x k2 between.
  Buffer factor[3];
  Apply apply;
  bool frozen[3] = {false, false, false};
  bool goes_on = false;                 // H and the state are of other rows, to which these come
  std::map<std::string, Buffer> state;  // STATE buffers by name
  // Those of them that are part of the result: the plugin's name and the key in state.
  std::map<std::string, std::string> results;

  int64_t n() const { return x->rows; }
  int64_t d() const { return x->cols; }
  // problem as plugins see it; options, stream and side filled in by the caller. Its arrays live as
  // long as the model and its x.
  assay_problem problem() const;

 private:
  mutable std::shared_ptr<const Classes> classes_;  // made when problem() first needs them
};

}  // namespace assay::graph
