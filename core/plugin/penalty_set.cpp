// SPDX-License-Identifier: Apache-2.0
// Composition of the penalties of one factor: at most one quadratic, one l1 and one set. The prox
// of their sum is exact in the order l1, quadratic, set: soft threshold, then shrink (the elastic
// net's prox), then the projection.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/plugin/guard.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

namespace {

const char* kind_word(int32_t kind) {
  switch (kind) {
    case ASSAY_PENALTY_QUADRATIC:
      return "quadratic penalty";
    case ASSAY_PENALTY_L1:
      return "l1 penalty";
    default:
      return "constraint";
  }
}

int32_t lacks(assay_ctx* ctx, const PenaltySet::Item& item, const char* what) {
  return guarded(ctx, item.id, [&] {
    const std::string text =
        fmt::format("penalty `{}` has no {}, which this solver calls", item.id, what);
    return host()->set_error(ctx, ASSAY_E_COMBINATION, text.c_str());
  });
}

Expected<PenaltySet::Item> create_item(const Descriptor& d, const Options& options) {
  if (d.kind != "penalty")
    return Error(ASSAY_E_COMBINATION, "E0207",
                 fmt::format("`{}` is a {}, not a penalty", d.id, d.kind));
  auto complete = Options::complete(d.plugin->options, options, d.id);
  if (!complete) return std::move(complete.error());
  PenaltySet::Item item;
  item.id = d.id;
  item.table = static_cast<const assay_penalty*>(d.plugin->vtable);
  assay_ctx ctx;
  int32_t status = guarded(&ctx, d.id, [&] {
    return item.table->create ? item.table->create(host(), &ctx, complete->handle(), &item.self)
                              : ASSAY_OK;
  });
  if (status < 0) return ctx.take_error(status, d.id);
  item.facts.struct_size = sizeof(assay_penalty_facts);
  status = guarded(&ctx, d.id, [&] { return item.table->describe(item.self, &item.facts); });
  if (status >= 0) return item;
  if (item.table->destroy && item.self) item.table->destroy(item.self);
  return ctx.take_error(status, d.id);
}

}  // namespace

PenaltySet::~PenaltySet() {
  for (const Item& item : items_)
    if (item.table->destroy && item.self) item.table->destroy(item.self);
}

Expected<std::shared_ptr<PenaltySet>> PenaltySet::create(
    const std::vector<std::pair<const Descriptor*, Options>>& items) {
  auto set = std::make_shared<PenaltySet>();
  for (const auto& [d, options] : items) {
    auto item = create_item(*d, options);
    if (!item) return std::move(item.error());
    set->items_.push_back(std::move(*item));
    const Item& added = set->items_.back();
    for (const Item& other : set->items_) {
      if (&other == &added || other.facts.kind != added.facts.kind) continue;
      return Error(
                 ASSAY_E_COMBINATION, "E0208",
                 fmt::format("`{}` and `{}` cannot act on one factor together", other.id, added.id))
          .with_expected("at most one quadratic penalty, one l1 penalty and one constraint")
          .with_found(fmt::format("two of kind {}", kind_word(added.facts.kind)))
          .with_help(fmt::format("remove `{}` or `{}`", other.id, added.id));
    }
  }
  std::stable_sort(set->items_.begin(), set->items_.end(),
                   [](const Item& a, const Item& b) { return a.facts.kind < b.facts.kind; });
  return set;
}

bool PenaltySet::nonneg() const {
  return std::any_of(items_.begin(), items_.end(),
                     [](const Item& i) { return i.facts.flags & ASSAY_PENALTY_NONNEG; });
}

int32_t PenaltySet::mu(assay_ctx* ctx,
                       const assay_view* F,
                       assay_view* num,
                       assay_view* den) const {
  for (const Item& item : items_) {
    const bool plain_nonneg =
        item.facts.kind == ASSAY_PENALTY_SET && item.facts.flags & ASSAY_PENALTY_NONNEG;
    if (!item.table->mu_add && plain_nonneg) continue;
    if (!item.table->mu_add) return lacks(ctx, item, "multiplicative form");
    const int32_t status =
        guarded(ctx, item.id, [&] { return item.table->mu_add(item.self, ctx, F, num, den); });
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::quad(assay_ctx* ctx,
                         const assay_view* F,
                         double* diag,
                         double* lin,
                         double* lower,
                         double* upper) const {
  const int64_t k = F->flags & ASSAY_BY_COMPONENT ? F->rows : F->cols;
  std::fill_n(diag, k, 0.0);
  std::fill_n(lin, k, 0.0);
  std::fill_n(lower, k, -std::numeric_limits<double>::infinity());
  std::fill_n(upper, k, std::numeric_limits<double>::infinity());
  for (const Item& item : items_) {
    if (!item.table->quad_add) return lacks(ctx, item, "quadratic form");
    // weight * |f| is linear on f >= 0 only.
    if (item.facts.kind == ASSAY_PENALTY_L1 && !nonneg())
      return lacks(ctx, item, "quadratic form for a signed factor");
    const int32_t status = guarded(ctx, item.id, [&] {
      return item.table->quad_add(item.self, ctx, F, diag, lin, lower, upper);
    });
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::prox(assay_ctx* ctx, assay_view* F, double step) const {
  for (const int32_t kind : {ASSAY_PENALTY_L1, ASSAY_PENALTY_QUADRATIC, ASSAY_PENALTY_SET}) {
    for (const Item& item : items_) {
      if (item.facts.kind != kind) continue;
      if (!item.table->prox) return lacks(ctx, item, "prox");
      const int32_t status =
          guarded(ctx, item.id, [&] { return item.table->prox(item.self, ctx, F, step); });
      if (status < 0) return status;
    }
  }
  return ASSAY_OK;
}

int32_t PenaltySet::grad(assay_ctx* ctx, const assay_view* F, assay_view* g) const {
  for (const Item& item : items_) {
    if (item.facts.kind == ASSAY_PENALTY_SET) continue;
    if (!item.table->grad_add) return lacks(ctx, item, "gradient");
    const int32_t status =
        guarded(ctx, item.id, [&] { return item.table->grad_add(item.self, ctx, F, g); });
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::value(assay_ctx* ctx, const assay_view* F, double* out) const {
  double total = 0;
  for (const Item& item : items_) {
    double part = 0;
    const int32_t status =
        guarded(ctx, item.id, [&] { return item.table->value(item.self, ctx, F, &part); });
    if (status < 0) return status;
    total += part;
  }
  *out = total;
  return ASSAY_OK;
}

}  // namespace assay::plugin
