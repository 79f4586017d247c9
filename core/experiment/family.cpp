// SPDX-License-Identifier: Apache-2.0
// What a density says of the data it is given.
#include "core/experiment/family.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/number.hpp"
#include "core/data/observe.hpp"
#include "core/data/tile.hpp"

namespace assay::experiment {
namespace {

using Place = std::pair<int64_t, int64_t>;

// The first entry of row i that is not stored, or hidden; lines have their indices in order.
std::optional<Place> missing_in_line(const data::Data& x, int64_t i) {
  int64_t next = 0;
  for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p, ++next) {
    const int64_t j = x.csr.indices[p];
    if (!x.unstored_zero && j != next) return Place{i, next};
    if (x.csr.weights && !(x.csr.weights[p] > 0)) return Place{i, j};
  }
  if (!x.unstored_zero && next < x.cols) return Place{i, next};
  return {};
}

std::optional<Place> first_missing(const data::Data& x) {
  if (!x.hidden()) return {};
  for (int64_t i = 0; i < x.rows; ++i) {
    if (x.sparse) {
      if (const auto place = missing_in_line(x, i)) return place;
      continue;
    }
    for (int64_t j = 0; j < x.cols; ++j)
      if (!x.mask->observed(i, j)) return Place{i, j};
  }
  return {};
}

// The key that leaves entries out.
std::string cause(const spec::Trial& trial, const data::Data& x) {
  if (trial.split.kind == spec::SplitSpec::Kind::kEntries) return "split";
  if (!trial.data.mask_path.empty()) return "data.mask";
  if (x.sparse && !x.unstored_zero && !trial.data.unstored.empty()) return "data.unstored";
  return trial.data.missing_nan ? "data.missing" : "data.path";
}

// Densities that take rows with entries missing, and these values.
std::string densities_for_missing(const data::Data& x,
                                  const data::Facts& facts,
                                  const Runtime& runtime) {
  assay_problem p{};
  p.struct_size = sizeof p;
  p.n = x.rows;
  p.d = x.cols;
  p.k[0] = 1;
  std::string out;
  for (const plugin::Descriptor* d : runtime.registry->all("density")) {
    const auto made = plugin::Density::create(*d, {}, p, 1);
    if (!made || ((*made)->facts().flags & ASSAY_DENSITY_MISSING) == 0) continue;
    if (facts.min < (*made)->facts().x_lo || facts.max > (*made)->facts().x_hi) continue;
    out += (out.empty() ? "`" : ", `") + d->id + "`";
  }
  return out;
}

Expected<void> check_missing(const spec::Trial& trial,
                             const plugin::Density& density,
                             const data::Data& x,
                             const data::Facts& facts,
                             const Runtime& runtime) {
  if ((density.facts().flags & ASSAY_DENSITY_MISSING) != 0) return {};
  const auto place = first_missing(x);
  if (!place) return {};
  Error e(ASSAY_E_COMBINATION, "E0206",
          fmt::format("density `{}` takes no rows with entries missing", density.id()));
  e.key = cause(trial, x);
  if (e.key == "data.path") e.file = trial.data.path;
  e.found.push_back(
      fmt::format("the first of them at {}", data::place_of(x, place->first, place->second)));
  if (const std::string others = densities_for_missing(x, facts, runtime); !others.empty())
    e.help.push_back("densities that take such rows, by what is seen of them: " + others);
  if (e.key == "split") {
    e.help.push_back("`split: { use: rows, test: 0.2 }` holds out whole rows");
  } else if (e.key == "data.unstored") {
    e.help.push_back("`data.unstored: zero` where entries that are not stored are zeros");
  } else {
    e.help.push_back("fill the entries in, or leave out the rows or columns that have them");
  }
  e.note.push_back("a missing entry does not count as 0, and nothing was run");
  return e;
}

// A likelihood is one of whole rows: weights repeat rows.
Expected<void> check_weights(const spec::Trial& trial, const data::Data& x) {
  if (!x.col_weights && !x.entry_weights) return {};
  Error e(ASSAY_E_COMBINATION, "E0206",
          fmt::format("a mixture takes weights of rows, not of {}",
                      x.col_weights ? "columns" : "entries"));
  e.key = x.col_weights && !trial.data.col_weights_path.empty() ? "data.weights.column_path"
                                                                : "data.weights";
  e.help.push_back("scale the columns themselves with a transform, or leave the weights out");
  return e;
}

// The first observed entry of which `odd` is true; those hidden load as 0.
template <class F>
std::optional<Place> first_entry(const data::Data& x, F&& odd) {
  std::vector<double> row(static_cast<size_t>(x.cols));
  for (int64_t i = 0; i < x.rows; ++i) {
    data::load<double>(x, i, 1, 0, x.cols, row.data(), x.cols);
    for (int64_t j = 0; j < x.cols; ++j)
      if (odd(row[static_cast<size_t>(j)])) return Place{i, j};
  }
  return {};
}

Expected<void> check_values(const spec::Trial& trial,
                            const plugin::Density& density,
                            const data::Data& x,
                            const data::Facts& f) {
  const assay_density_facts& family = density.facts();
  if (f.min >= family.x_lo && f.max <= family.x_hi) return {};
  Error e(ASSAY_E_DOMAIN, "E0310",
          fmt::format("data lie outside the domain of density `{}`", density.id()));
  e.key = "data.path";
  e.file = trial.data.path;
  e.expected.push_back(
      fmt::format("x from {} to {}", format_shortest(family.x_lo), format_shortest(family.x_hi)));
  if (f.min < family.x_lo) {
    e.found.push_back(
        fmt::format("{} at {}", format_shortest(f.min), data::place_of(x, f.min_row, f.min_col)));
  } else {
    const auto place = first_entry(x, [&](double v) { return v > family.x_hi; });
    e.found.push_back(
        fmt::format("x up to {}{}", format_shortest(f.max),
                    place ? ", the first above at " + data::place_of(x, place->first, place->second)
                          : std::string()));
  }
  if ((family.flags & ASSAY_DENSITY_INTEGER) == 0 && family.x_lo == 0 && family.x_hi == 1)
    e.help.push_back("`binarise` makes every entry 0 or 1");
  e.help.push_back("use data in the density's domain, or a density that takes these values");
  e.note.push_back("nothing was clipped and nothing was run");
  return e;
}

Expected<void> check_whole(const spec::Trial& trial,
                           const plugin::Density& density,
                           const data::Data& x) {
  if ((density.facts().flags & ASSAY_DENSITY_INTEGER) == 0) return {};
  const auto place = first_entry(x, [](double v) { return v != std::floor(v); });
  if (!place) return {};
  Error e(ASSAY_E_DOMAIN, "E0310",
          fmt::format("density `{}` takes whole numbers only", density.id()));
  e.key = "data.path";
  e.file = trial.data.path;
  e.found.push_back(
      fmt::format("the first fraction at {}", data::place_of(x, place->first, place->second)));
  e.help.push_back("leave out the columns that are no codes, or use a density that takes them");
  e.note.push_back("nothing was rounded and nothing was run");
  return e;
}

}  // namespace

Expected<void> check_family(const spec::Trial& trial,
                            const plugin::Density& density,
                            const data::Data& x,
                            const data::Facts& facts,
                            const Runtime& runtime) {
  ASSAY_TRY(check_values(trial, density, x, facts));
  ASSAY_TRY(check_whole(trial, density, x));
  ASSAY_TRY(check_weights(trial, x));
  return check_missing(trial, density, x, facts, runtime);
}

}  // namespace assay::experiment
