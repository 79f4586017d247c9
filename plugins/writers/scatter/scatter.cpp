// SPDX-License-Identifier: Apache-2.0
// Writer `scatter`: two columns of the data as points, in one SVG. A point has the colour of its
// row's component (where its W is largest) or of its label. Crosses mark the rows of H, and where
// the result has `covariances` (k d x d, or d x d for all, or k x d variances) ellipses hold 1 and
// 2 standard deviations of these two columns.
#include <assay/plugin.h>

#include <algorithm>
#include <array>
#include <assay/plugin.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "ellipse.hpp"
#include "svg.hpp"

namespace {

using assay::author::Failure;
using assay::author::Options;

const char* const kColours[] = {"component", "label", "none", nullptr};
constexpr assay_option kOptions[] = {
    {"x", "column across: its name, or its number from 1", ASSAY_OPT_STRING, 0, 0, 0, 0, "1",
     nullptr},
    {"y", "column upwards: its name, or its number from 1", ASSAY_OPT_STRING, 0, 0, 0, 0, "2",
     nullptr},
    {"colour", "what the colours of the points say", ASSAY_OPT_ENUM, 0, 0, 0, 0, "component",
     kColours},
    {"points", "most points drawn; of more rows every second, third ... is", ASSAY_OPT_INT, 0, 5000,
     1, 1000000, nullptr, nullptr},
    {}};

struct Scatter {
  const assay_host* host;
  std::string column[2];
  std::string colour;
  int64_t points;
};

// Its place among the columns of X, by name or by number.
int64_t place_of(const std::string& text, const assay_results& r) {
  for (int64_t j = 0; j < r.n_col_names; ++j)
    if (text == r.col_names[j]) return j;
  char* end = nullptr;
  const long long number = std::strtoll(text.c_str(), &end, 10);
  if (!text.empty() && *end == 0 && number >= 1 && number <= r.n_cols) return number - 1;
  throw Failure(ASSAY_E_NOT_FOUND, "writer `scatter`: the data have no column `" + text + "`")
      .help("give a name, or a number from 1 to " + std::to_string(r.n_cols));
}

std::string name_of(int64_t j, const assay_results& r) {
  return j < r.n_col_names ? r.col_names[j] : "column " + std::to_string(j + 1);
}

// An array of numbers of the result.
struct Array {
  const assay_dense* view = nullptr;
  explicit operator bool() const { return view != nullptr; }
  double at(int64_t i, int64_t j) const {
    const int64_t place = i * view->row_stride + j * view->col_stride;
    return view->dtype == ASSAY_F32
               ? static_cast<double>(static_cast<const float*>(view->data)[place])
               : static_cast<const double*>(view->data)[place];
  }
};

Array find(const assay_results& r, const std::string& name) {
  for (int64_t a = 0; a < r.n_arrays; ++a) {
    const assay_dense& v = r.arrays[a].view;
    if (name == r.arrays[a].name && (v.dtype == ASSAY_F64 || v.dtype == ASSAY_F32)) return {&v};
  }
  return {};
}

// Which colour each row has; empty: one for all.
std::vector<int32_t> groups(const Scatter& self, const assay_results& r) {
  std::vector<int32_t> out;
  if (self.colour == "component") {
    out.resize(static_cast<size_t>(r.n_rows));
    if (r.components(r.data, out.data()) < 0)
      throw Failure(ASSAY_E_PLUGIN, "writer `scatter`: the components of the rows are not known")
          .help("`colour: none`");
  } else if (self.colour == "label") {
    if (!r.labels)
      throw Failure(ASSAY_E_NOT_FOUND, "writer `scatter`: the data have no labels")
          .help("name their column with `data.label_column`, or write `colour: component`");
    std::vector<std::string> seen;
    for (int64_t i = 0; i < r.n_rows; ++i) {
      const auto at = std::ranges::find(seen, r.labels[i]);
      out.push_back(static_cast<int32_t>(at - seen.begin()));
      if (at == seen.end()) seen.emplace_back(r.labels[i]);
    }
  }
  return out;
}

// The 2 x 2 part of component a's covariance; false: the result has none.
bool covariance_of(const assay_results& r,
                   int64_t k,
                   int64_t a,
                   const int64_t column[2],
                   scatter::Covariance& out) {
  const Array c = find(r, "covariances");
  const int64_t d = r.n_cols;
  if (!c || c.view->cols != d) return false;
  if (c.view->rows == k * d || c.view->rows == d) {
    const int64_t first = c.view->rows == k * d ? a * d : 0;
    out = {c.at(first + column[0], column[0]), c.at(first + column[0], column[1]),
           c.at(first + column[1], column[1])};
    return true;
  }
  if (c.view->rows != k) return false;
  out = {c.at(a, column[0]), 0, c.at(a, column[1])};
  return true;
}

std::string draw(const Scatter& self, const assay_results& r) {
  if (!r.data || r.n_rows < 1)
    throw Failure(ASSAY_E_STATE, "writer `scatter` needs the data of the fit");
  const int64_t column[2] = {place_of(self.column[0], r), place_of(self.column[1], r)};
  std::vector<double> xy[2];
  for (int side = 0; side < 2; ++side) {
    xy[side].resize(static_cast<size_t>(r.n_rows));
    const int32_t status = r.column(r.data, column[side], xy[side].data());
    if (status < 0) throw Failure(status, "writer `scatter`: a column cannot be read");
  }
  const std::vector<int32_t> group = groups(self, r);
  const int64_t every = (r.n_rows + self.points - 1) / self.points;
  scatter::Picture picture(xy[0], xy[1]);
  for (size_t i = 0; i < xy[0].size(); i += static_cast<size_t>(every))
    picture.point(xy[0][i], xy[1][i], group.empty() ? 0 : group[i]);
  const Array H = find(r, "H");
  const bool centres = H && H.view->cols == r.n_cols;
  for (int64_t a = 0; centres && a < H.view->rows; ++a) {
    const double x = H.at(a, column[0]), y = H.at(a, column[1]);
    scatter::Covariance covariance;
    if (covariance_of(r, H.view->rows, a, column, covariance))
      for (const double deviations : {1.0, 2.0})
        picture.ellipse(x, y, scatter::ellipse_of(covariance, deviations), static_cast<int32_t>(a));
    picture.cross(x, y, static_cast<int32_t>(a));
  }
  return picture.text(name_of(column[0], r), name_of(column[1], r));
}

int32_t create(const assay_host* host, assay_ctx* ctx, const assay_options* given, void** self) {
  return assay::author::catching(host, ctx, [&] {
    const Options options(host, given);
    *self = new Scatter{host,
                        {*options.text("x"), *options.text("y")},
                        *options.text("colour"),
                        options.integer("points")};
  });
}

int32_t write(void* self,
              assay_ctx* ctx,
              const assay_results* results,
              const char* folder,
              void (*wrote)(void*, const char*),
              void* sink) {
  const Scatter& scatter = *static_cast<Scatter*>(self);
  return assay::author::catching(scatter.host, ctx, [&] {
    if (!ASSAY_HAS(results, components))
      throw Failure(ASSAY_E_ABI, "writer `scatter` needs a host that shows the data");
    const std::string path = std::string(folder) + "/scatter.svg";
    std::ofstream file(path, std::ios::binary);
    file << draw(scatter, *results);
    file.close();
    if (!file) throw Failure(ASSAY_E_IO, "file `" + path + "` cannot be written");
    wrote(sink, "scatter.svg");
  });
}

void destroy(void* self) { delete static_cast<Scatter*>(self); }

constexpr assay_writer kWriter = {sizeof(assay_writer), 0, create, write, destroy};
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.writer/1",
                                  "scatter",
                                  "two columns of the data with components and ellipses (SVG)",
                                  nullptr,
                                  nullptr,
                                  kOptions,
                                  &kWriter,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.scatter", "1.0", kPlugin)
