// SPDX-License-Identifier: Apache-2.0
// The fake plugins: each says what it needs and offers, and does nothing.
#include "tests/unit/spec_fakes.hpp"

#include <doctest/doctest.h>

namespace fakes {
namespace {

using assay::plugin::Registry;

int32_t span(void*, assay_ctx*, int64_t, const double*, const double*, double*) { return 0; }
int32_t split(void*, assay_ctx*, int64_t, const double*, const double*, double*, double*) {
  return 0;
}
int32_t near_facts(void*, assay_loss_facts* out) {
  out->tag = ASSAY_TAG_SQUARED;
  out->x_lo = out->m_lo = -INFINITY;
  out->x_hi = out->m_hi = INFINITY;
  return 0;
}
int32_t far_facts(void*, assay_loss_facts* out) {
  out->x_hi = out->m_hi = INFINITY;
  out->m_lo = -INFINITY;
  return 0;
}
int32_t value(void*, assay_ctx*, const assay_view*, double*) { return 0; }
int32_t prox(void*, assay_ctx*, assay_view*, double) { return 0; }
int32_t quad(void*, assay_ctx*, const assay_view*, double*, double*, double*, double*) { return 0; }
int32_t ridge_facts(void*, assay_penalty_facts* out) {
  out->kind = ASSAY_PENALTY_QUADRATIC;
  return 0;
}
int32_t pos_facts(void*, assay_penalty_facts* out) {
  out->kind = ASSAY_PENALTY_SET;
  out->flags = ASSAY_PENALTY_NONNEG;
  return 0;
}
int32_t create(const assay_host*, assay_ctx*, const assay_problem*, void**) { return 0; }
int32_t build(void*, assay_builder*, int32_t) { return 0; }
int32_t open(const assay_host*, assay_ctx*, const char*, const assay_options*, void**) { return 0; }
int32_t shape(void*, assay_ctx*, assay_shape*) { return 0; }
int32_t read(void*, assay_ctx*, int64_t, int64_t, const assay_sink*) { return 0; }
void close(void*) {}
int32_t write(void*,
              assay_ctx*,
              const assay_results*,
              const char*,
              void (*)(void*, const char*),
              void*) {
  return 0;
}

template <class T>
T table() {
  T t{};
  t.struct_size = sizeof(T);
  return t;
}

const char* const kWords[] = {"slow", "fast", nullptr};
const assay_option kTableOptions[] = {
    {"label_column", "labels", ASSAY_OPT_STRING, 0, 0, 0, 0, nullptr, nullptr},
    {"header", "first line names columns", ASSAY_OPT_BOOL, 0, 1, 0, 1, nullptr, nullptr},
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
const assay_option kWeight[] = {{"weight", "factor in front", ASSAY_OPT_FLOAT, ASSAY_OPT_REQUIRED,
                                 0, 0, 1e300, nullptr, nullptr},
                                {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
const assay_option kGentle[] = {
    {"inner", "inner steps", ASSAY_OPT_INT, 0, 1, 1, 100, nullptr, nullptr},
    {"damping", "", ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN, 0.5, 0, 1, nullptr, nullptr},
    {"pace", "", ASSAY_OPT_ENUM, 0, 0, 0, 0, "slow", kWords},
    {"warm", "", ASSAY_OPT_BOOL, 0, 0, 0, 1, nullptr, nullptr},
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
const assay_option kPaper[] = {{"shape", "", ASSAY_OPT_LIST, 0, 0, 1, 1e6, nullptr, nullptr},
                               {"map", "", ASSAY_OPT_PATH, 0, 0, 0, 0, nullptr, nullptr},
                               {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};

void add(Registry& r,
         const char* kind,
         const char* id,
         const void* vtable,
         const assay_option* options = nullptr,
         uint32_t flags = 0) {
  const assay_plugin plugin{
      sizeof(assay_plugin), flags, kind, id, "a fake", nullptr, nullptr, options, vtable, nullptr};
  REQUIRE(r.add(&plugin).ok());
}

void add_all(Registry& r) {
  auto loss = table<assay_loss>();
  loss.describe = near_facts;
  loss.value = loss.grad = loss.curvature = span;
  loss.mu_split = split;
  add(r, "assay.loss/1", "near", &loss, nullptr, ASSAY_PLUGIN_DEFAULT);
  loss.describe = far_facts;
  loss.curvature = nullptr;
  add(r, "assay.loss/1", "far", &loss);

  auto penalty = table<assay_penalty>();
  penalty.describe = ridge_facts;
  penalty.value = value;
  penalty.quad_add = quad;
  add(r, "assay.penalty/1", "ridge", &penalty, kWeight);
  penalty.describe = pos_facts;
  penalty.quad_add = nullptr;
  penalty.prox = prox;
  add(r, "assay.penalty/1", "pos", &penalty);

  auto solver = table<assay_solver>();
  solver.create = create;
  solver.build = build;
  solver.needs_loss = ASSAY_NEEDS_SQUARED;
  solver.needs_penalty = ASSAY_NEEDS_QUAD;
  solver.implies = "pos";
  add(r, "assay.solver/1", "gentle", &solver, kGentle, ASSAY_PLUGIN_DETERMINISTIC);
  solver.needs_loss = ASSAY_NEEDS_MU_SPLIT;
  solver.needs_penalty = ASSAY_NEEDS_PROX;
  solver.takes_data = ASSAY_TAKES_MASK | ASSAY_TAKES_WEIGHTS;
  solver.implies = nullptr;
  add(r, "assay.solver/1", "wild", &solver);

  auto init = table<assay_init>();
  init.create = create;
  init.build = build;
  add(r, "assay.init/1", "dice", &init, nullptr, ASSAY_PLUGIN_DEFAULT);
  add(r, "assay.init/1", "file", &init, nullptr, ASSAY_PLUGIN_DETERMINISTIC);

  auto metric = table<assay_metric>();
  metric.create = create;
  metric.build = build;
  add(r, "assay.metric/1", "fit", &metric, nullptr, ASSAY_PLUGIN_DEFAULT);
  metric.flags = ASSAY_METRIC_PER_FACTOR;
  add(r, "assay.metric/1", "share", &metric);
  add(r, "assay.metric/1", "acme.share", &metric);

  auto reader = table<assay_reader>();
  reader.suffixes = ".tab .tab.gz";
  reader.open = open;
  reader.shape = shape;
  reader.read = read;
  reader.close = close;
  add(r, "assay.reader/1", "table", &reader, kTableOptions, ASSAY_PLUGIN_DETERMINISTIC);

  const auto transform = table<assay_transform>();
  add(r, "assay.transform/1", "twice", &transform, nullptr, ASSAY_PLUGIN_DETERMINISTIC);
  auto writer = table<assay_writer>();
  writer.write = write;
  add(r, "assay.writer/1", "paper", &writer, kPaper);
}

}  // namespace

std::shared_ptr<Registry> registry() {
  static const std::shared_ptr<Registry> made = [] {
    assay::plugin::SearchOptions none;
    none.use_environment = none.use_builtin = false;
    auto r = Registry::open(none);
    REQUIRE(r.ok());
    add_all(**r);
    return *r;
  }();
  return made;
}

}  // namespace fakes
