// SPDX-License-Identifier: Apache-2.0
// Composition of the penalties of one factor: at most one quadratic, one l1 and one set.
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
    case ASSAY_PENALTY_QUADRATIC_L1:
      return "quadratic and l1 penalty";
    default:
      return "constraint";
  }
}

// Which parts of a composition a penalty takes up.
int parts(int32_t kind) {
  switch (kind) {
    case ASSAY_PENALTY_QUADRATIC:
      return 1;
    case ASSAY_PENALTY_L1:
      return 2;
    case ASSAY_PENALTY_QUADRATIC_L1:
      return 3;
    default:
      return 4;
  }
}

Expected<PenaltySet::Item> create_item(const Descriptor& d, const Options& options, int32_t side) {
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
  item.facts.side = side;
  status = guarded(&ctx, d.id, [&] { return item.table->describe(item.self, &item.facts); });
  const bool whole = item.facts.scope >= ASSAY_SCOPE_COLUMN;
  const bool callable =
      !whole || (item.set() ? item.table->project != nullptr : item.table->whole != nullptr);
  if (status >= 0 && callable) return item;
  if (!callable)
    status = ctx.failed ? status
                        : host()->set_error(&ctx, ASSAY_E_PLUGIN,
                                            "a penalty of the whole factor needs `whole`, a set "
                                            "of it `project`");
  if (item.table->destroy && item.self) item.table->destroy(item.self);
  return ctx.take_error(status, d.id);
}

}  // namespace

PenaltySet::~PenaltySet() {
  for (const Item& item : items_)
    if (item.table->destroy && item.self) item.table->destroy(item.self);
}

Expected<std::shared_ptr<PenaltySet>> PenaltySet::create(
    const std::vector<std::pair<const Descriptor*, Options>>& items,
    int32_t side) {
  auto set = std::make_shared<PenaltySet>();
  for (const auto& [d, options] : items) {
    auto item = create_item(*d, options, side);
    if (!item) return std::move(item.error());
    set->items_.push_back(std::move(*item));
    const Item& added = set->items_.back();
    for (const Item& other : set->items_) {
      if (&other == &added || !(parts(other.facts.kind) & parts(added.facts.kind))) continue;
      const bool same = other.facts.kind == added.facts.kind;
      return Error(
                 ASSAY_E_COMBINATION, "E0208",
                 fmt::format("`{}` and `{}` cannot act on one factor together", other.id, added.id))
          .with_expected("at most one quadratic penalty, one l1 penalty and one constraint")
          .with_found(same ? fmt::format("two of kind {}", kind_word(added.facts.kind))
                           : fmt::format("a {} and a {}", kind_word(other.facts.kind),
                                         kind_word(added.facts.kind)))
          .with_help(fmt::format("remove `{}` or `{}`", other.id, added.id));
    }
  }
  std::stable_sort(set->items_.begin(), set->items_.end(),
                   [](const Item& a, const Item& b) { return a.facts.kind < b.facts.kind; });
  return set;
}

uint32_t PenaltySet::Item::forms() const {
  const assay_penalty& t = *table;
  if (facts.scope >= ASSAY_SCOPE_COLUMN) {
    if (set()) return ASSAY_NEEDS_PROX;
    const uint32_t slopes = ASSAY_NEEDS_MU_ADD | ASSAY_NEEDS_GRAD_ADD;
    const bool above = !(facts.flags & ASSAY_PENALTY_NO_MAJORISER);
    return slopes | (above ? ASSAY_NEEDS_PROX | ASSAY_NEEDS_QUAD_ROWS : 0u);
  }
  uint32_t out = 0;
  if (t.mu_add) out |= ASSAY_NEEDS_MU_ADD;
  if (t.quad_add) out |= ASSAY_NEEDS_QUAD | ASSAY_NEEDS_QUAD_ROWS;
  if (set() && t.bounds) out |= ASSAY_NEEDS_QUAD_ROWS;
  if (t.prox) out |= ASSAY_NEEDS_PROX;
  if (t.grad_add) out |= ASSAY_NEEDS_GRAD_ADD;
  const bool interval = set() && facts.scope == ASSAY_SCOPE_ELEMENT && t.prox;
  if (interval && (facts.flags & ASSAY_PENALTY_NONNEG)) out |= ASSAY_NEEDS_CLIP;
  return out;
}

Expected<void> PenaltySet::check_signs() const {
  for (const Item& item : items_) {
    if (!(item.facts.flags & ASSAY_PENALTY_NEEDS_NONNEG) || nonneg()) continue;
    return Error(ASSAY_E_COMBINATION, "E0208",
                 fmt::format("`{}` in this form needs a factor that is not negative", item.id))
        .with_expected("a constraint within f >= 0, such as `nonneg`")
        .with_found(constraint() ? fmt::format("`{}`", constraint()->id) : "no constraint")
        .with_help("give the factor such a constraint, or choose the penalty's other form");
  }
  return {};
}

Expected<void> PenaltySet::bind(const assay_factor_facts& factor) {
  for (const Item& item : items_) {
    if (!item.table->bind || item.relaxed) continue;
    assay_ctx ctx;
    const int32_t status =
        guarded(&ctx, item.id, [&] { return item.table->bind(item.self, &ctx, &factor); });
    if (status < 0) return ctx.take_error(status, item.id);
  }
  return {};
}

std::vector<std::string> PenaltySet::relax() {
  std::vector<std::string> left_out;
  for (Item& item : items_) {
    if (item.facts.scope < ASSAY_SCOPE_COLUMN && !(item.facts.flags & ASSAY_PENALTY_BY_PLACE))
      continue;
    item.relaxed = true;
    left_out.push_back(item.id);
  }
  return left_out;
}

bool PenaltySet::nonneg() const {
  return std::any_of(items_.begin(), items_.end(),
                     [](const Item& i) { return i.set() && i.facts.flags & ASSAY_PENALTY_NONNEG; });
}

bool PenaltySet::sees_whole() const {
  return std::any_of(items_.begin(), items_.end(),
                     [](const Item& i) { return !i.set() && i.whole(); });
}

bool PenaltySet::couples() const {
  return std::any_of(items_.begin(), items_.end(),
                     [](const Item& i) { return i.set() && i.whole(); });
}

const PenaltySet::Item* PenaltySet::constraint() const {
  for (const Item& item : items_)
    if (item.set()) return &item;
  return nullptr;
}

bool PenaltySet::plain_bounds() const {
  const Item* item = constraint();
  return !item || item->relaxed || item->table->quad_add || item->table->bounds;
}

bool PenaltySet::only_nonneg() const {
  const Item* item = constraint();
  if (!item || item->relaxed) return true;
  if (!item->table->quad_add || item->table->bounds || item->facts.scope != ASSAY_SCOPE_ELEMENT)
    return false;
  double f = 0, diag = 0, lin = 0, lower = -std::numeric_limits<double>::infinity(),
         upper = std::numeric_limits<double>::infinity();
  const assay_view F = {&f, 1, 1, 1, 0, ASSAY_F64, ASSAY_READ_ONLY};
  assay_ctx ctx;
  const int32_t status = guarded(&ctx, item->id, [&] {
    return item->table->quad_add(item->self, &ctx, &F, &diag, &lin, &lower, &upper);
  });
  return status >= 0 && lower == 0 && upper == std::numeric_limits<double>::infinity();
}

bool PenaltySet::quadratic() const {
  return std::all_of(items_.begin(), items_.end(), [](const Item& i) {
    return i.relaxed || (i.forms() & ASSAY_NEEDS_QUAD_ROWS) != 0;
  });
}

std::optional<std::string> PenaltySet::by_place() const {
  for (const Item& item : items_)
    if (!item.relaxed && (item.facts.flags & ASSAY_PENALTY_BY_PLACE) != 0) return item.id;
  return std::nullopt;
}

double PenaltySet::mu_power() const {
  double most = 0;
  for (const Item& item : items_)
    if (!item.relaxed) most = std::max(most, item.facts.mu_power);
  return most;
}

}  // namespace assay::plugin
