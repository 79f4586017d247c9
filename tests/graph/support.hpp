// SPDX-License-Identifier: Apache-2.0
// Small problems for the planner's tests: random X in every storage, a model with given factors,
// and plain loops that say what a step must give.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/data/data.hpp"
#include "core/graph/plan.hpp"
#include "core/plugin/registry.hpp"

namespace assay::test {

struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 2654435761u + 88172645463325252u) {}
  double uniform() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  }
};

// What X is made of; the matrix itself is the same for every storage of one seed.
struct Shape {
  int64_t n = 60, d = 40, k = 5;
  double zeros = 0.0;  // share of exact zeros
  bool sparse = false, unobserved = false;
  bool mask = false, entry_weights = false, row_weights = false, col_weights = false;
  int32_t dtype = ASSAY_F64;
  uint64_t seed = 1;
  bool poison = false;  // NaN at hidden entries
};

// X as stored, and what it says entry by entry.
struct Stored {
  Shape shape;
  std::vector<double> x, weight;  // dense, row-major; weight 0 = hidden or unobserved
  std::shared_ptr<data::Data> data;
};

template <class T>
std::shared_ptr<const void> keep(std::vector<T> v, const void** at) {
  auto p = std::make_shared<std::vector<T>>(std::move(v));
  *at = p->data();
  return p;
}

inline Stored make_stored(const Shape& s) {
  Stored p;
  p.shape = s;
  Random r(s.seed);
  const auto size = static_cast<size_t>(s.n * s.d);
  p.x.resize(size);
  p.weight.assign(size, 1.0);
  for (double& v : p.x) {
    v = r.uniform() < s.zeros ? 0.0 : 0.1 + r.uniform();
    if (s.dtype == ASSAY_F32) v = static_cast<double>(static_cast<float>(v));
    if (s.dtype == ASSAY_U8) v = std::floor(v * 200);
  }
  auto d = std::make_shared<data::Data>();
  d->rows = s.n;
  d->cols = s.d;
  d->sparse = s.sparse;
  d->unstored_zero = !s.unobserved;
  std::vector<double> rw(static_cast<size_t>(s.n), 1.0), cw(static_cast<size_t>(s.d), 1.0);
  const auto share = [](const std::vector<double>& v) {
    auto a = std::make_shared<AlignedArray<double>>(static_cast<int64_t>(v.size()));
    std::copy(v.begin(), v.end(), a->begin());
    return std::shared_ptr<const AlignedArray<double>>(a);
  };
  if (s.row_weights) {
    for (double& v : rw) v = 0.5 + r.uniform();
    d->row_weights = share(rw);
  }
  if (s.col_weights) {
    for (double& v : cw) v = 0.5 + r.uniform();
    d->col_weights = share(cw);
  }
  std::vector<float> ew(size, 1.0f);
  if (s.entry_weights)
    for (float& v : ew) v = static_cast<float>(0.5 + r.uniform());
  std::vector<char> hidden(size, 0);
  if (s.mask)
    for (char& h : hidden) h = r.uniform() < 0.2;
  for (size_t i = 0; i < size; ++i) {
    const auto row = i / static_cast<size_t>(s.d), col = i % static_cast<size_t>(s.d);
    p.weight[i] = hidden[i] || (s.unobserved && p.x[i] == 0.0)
                      ? 0.0
                      : static_cast<double>(ew[i]) * rw[row] * cw[col];
  }
  std::vector<double> stored = p.x;
  if (s.poison)
    for (size_t i = 0; i < size; ++i)
      if (hidden[i]) stored[i] = std::nan("");
  if (s.sparse) {
    std::vector<int64_t> indptr(1, 0);
    std::vector<int32_t> indices;
    std::vector<double> values;
    std::vector<float> weights;
    for (int64_t i = 0; i < s.n; ++i) {
      for (int64_t j = 0; j < s.d; ++j) {
        const auto at = static_cast<size_t>(i * s.d + j);
        if (p.x[at] == 0.0 && !hidden[at]) continue;
        indices.push_back(static_cast<int32_t>(j));
        values.push_back(stored[at]);
        weights.push_back(hidden[at] ? 0.0f : ew[at]);
      }
      indptr.push_back(static_cast<int64_t>(indices.size()));
    }
    struct Owner {
      std::vector<int64_t> indptr;
      std::vector<int32_t> indices;
      std::vector<double> values;
      std::vector<float> weights;
    };
    auto owner = std::make_shared<Owner>(Owner{indptr, indices, values, weights});
    d->csr.owner = owner;
    d->csr.indptr = owner->indptr.data();
    d->csr.indices = owner->indices.data();
    d->csr.values = owner->values.data();
    if (s.mask || s.entry_weights) d->csr.weights = owner->weights.data();
    d->csr.lines = s.n;
    d->csr.nnz = static_cast<int64_t>(owner->indices.size());
    // Entries whose weight differs from 1 must be stored for a weight to reach them.
    if (s.entry_weights)
      for (size_t i = 0; i < size; ++i)
        if (p.x[i] == 0.0 && !hidden[i] && !s.unobserved)
          p.weight[i] = rw[i / static_cast<size_t>(s.d)] * cw[i % static_cast<size_t>(s.d)];
  } else {
    d->dense.stride = s.d;
    d->dense.dtype = s.dtype;
    if (s.dtype == ASSAY_F32)
      d->dense.owner = keep(std::vector<float>(stored.begin(), stored.end()), &d->dense.data);
    else if (s.dtype == ASSAY_U8)
      d->dense.owner = keep(std::vector<uint8_t>(p.x.begin(), p.x.end()), &d->dense.data);
    else
      d->dense.owner = keep(stored, &d->dense.data);
    if (s.mask) {
      auto m = std::make_shared<data::Bitmap>();
      m->rows = s.n;
      m->cols = s.d;
      m->words = (s.d + 63) / 64;
      m->bits = AlignedArray<uint64_t>(s.n * m->words);
      for (int64_t i = 0; i < s.n; ++i)
        for (int64_t j = 0; j < s.d; ++j)
          if (!hidden[static_cast<size_t>(i * s.d + j)])
            m->bits[i * m->words + j / 64] |= uint64_t{1} << (j % 64);
      d->mask = m;
    }
    if (s.entry_weights) {
      auto w = std::make_shared<AlignedArray<float>>(s.n * s.d);
      std::copy(ew.begin(), ew.end(), w->begin());
      d->entry_weights = w;
    }
  }
  p.data = d;
  return p;
}

// Not named like that of tests/fit/support.hpp, whose type differs: test programs may hold both.
inline const std::shared_ptr<plugin::Registry>& all_plugins() {
  static const std::shared_ptr<plugin::Registry> r = *plugin::Registry::open({});
  return r;
}

inline std::shared_ptr<plugin::Loss> make_loss(const std::string& id) {
  const plugin::Descriptor* d = all_plugins()->find("loss", id);
  return d ? *plugin::Loss::create(*d, *plugin::Options::complete(d->plugin->options, {}, id))
           : nullptr;
}

inline graph::Model make_model(const Stored& p,
                               const std::string& loss,
                               int32_t compute = ASSAY_F64) {
  graph::Model m;
  m.x = p.data;
  m.facts = data::measure(*p.data);
  m.loss = make_loss(loss);
  m.compute = compute;
  Random r(p.shape.seed + 77);
  m.factor[0] = graph::Buffer::make(compute, p.shape.n, p.shape.k);
  m.factor[1] = graph::Buffer::make(compute, p.shape.d, p.shape.k);
  for (graph::Buffer& f : m.factor)
    for (int64_t i = 0; i < f.rows; ++i)
      for (int64_t j = 0; j < f.width; ++j) f.set(i, j, 0.2 + r.uniform());
  return m;
}

// The two lines a side of multiplicative updates, as a program of the test's own.
int32_t build_mu(assay_builder* b);

inline Expected<std::unique_ptr<graph::Plan>> plan_of(graph::Model& m,
                                                      const graph::Program::Build& build,
                                                      graph::PlanOptions options,
                                                      void* self = nullptr) {
  auto program = graph::Program::build(m, "test", self, build);
  if (!program) return program.error();
  return graph::Plan::make(*program, m, options);
}

inline graph::PlanOptions options_for(kernels::Isa isa) {
  graph::PlanOptions o;
  o.isa = isa;
  return o;
}
inline graph::PlanOptions default_options() {
  return options_for(*kernels::isa_from_environment());
}

// Largest relative difference of two buffers.
inline double difference(const graph::Buffer& a, const graph::Buffer& b) {
  double worst = 0, size = 0;
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.width; ++j) {
      worst = std::max(worst, std::abs(a.get(i, j) - b.get(i, j)));
      size = std::max(size, std::abs(b.get(i, j)));
    }
  return size > 0 ? worst / size : worst;
}
inline bool same_bits(const graph::Buffer& a, const graph::Buffer& b) {
  return a.bytes.size() == b.bytes.size() &&
         std::memcmp(a.bytes.data(), b.bytes.data(), static_cast<size_t>(a.bytes.size())) == 0;
}

}  // namespace assay::test
