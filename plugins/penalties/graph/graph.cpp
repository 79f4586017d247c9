// SPDX-License-Identifier: Apache-2.0
// weight/2 * tr(F' L F) = weight/2 * sum over edges w_ij |f_i - f_j|^2: rows joined in a graph are
// alike. L = D - A, or I - D^-1/2 A D^-1/2 when normalised. L is at most 2 D; the halves are 2 D f
// and (A + D) f, so that the multiplicative update's majoriser holds for all rows at once (Cai et
// al. 2011 with their D doubled).
#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <vector>

namespace {

using namespace assay::author;

struct Edge {
  int64_t i, j;
  double weight;
};

class Graph {
 public:
  Graph(Call, const Options& o)
      : path_(o.text("path").value_or("")),
        weight_(o.number("weight")),
        normalised_(o.flag("normalised")) {}
  assay_penalty_facts facts() const {
    assay_penalty_facts f{};
    f.flags = ASSAY_PENALTY_CONVEX | ASSAY_PENALTY_BY_PLACE;
    f.scope = ASSAY_SCOPE_MATRIX;
    f.kind = ASSAY_PENALTY_QUADRATIC;
    f.mu_power = 1;
    return f;
  }
  void bind(const Call& call, const assay_factor_facts& f) {
    read(call, f.rows);
    std::vector<double> degree(static_cast<size_t>(f.rows), 0.0);
    for (const Edge& e : edges_) {
      degree[static_cast<size_t>(e.i)] += e.weight;
      degree[static_cast<size_t>(e.j)] += e.weight;
    }
    scale_.assign(degree.size(), 1.0);
    if (normalised_) {
      for (size_t i = 0; i < degree.size(); ++i)
        if (degree[i] > 0) scale_[i] = 1 / std::sqrt(degree[i]);
    }
    degree_ = degree;
    most_ = 0;
    for (size_t i = 0; i < degree.size(); ++i) {
      degree_[i] *= scale_[i] * scale_[i];
      most_ = std::max(most_, degree_[i]);
    }
  }
  double value(ConstMatrix F) const {
    double total = 0;
    for (const Edge& e : edges_) {
      const double si = scale_[static_cast<size_t>(e.i)], sj = scale_[static_cast<size_t>(e.j)];
      for (int64_t a = 0; a < F.cols(); ++a) {
        const double jump = si * F(e.i, a) - sj * F(e.j, a);
        total += e.weight * jump * jump;
      }
    }
    return 0.5 * weight_ * total;
  }
  double whole(ConstMatrix F, Matrix num, Matrix den) const {
    for (int64_t i = 0; i < F.rows() && !degree_.empty(); ++i) {
      const double d = weight_ * degree_[static_cast<size_t>(i)];
      for (int64_t a = 0; a < F.cols(); ++a) {
        num(i, a) += d * F(i, a);
        den(i, a) += 2 * d * F(i, a);
      }
    }
    for (const Edge& e : edges_) {
      const double w =
          weight_ * e.weight * scale_[static_cast<size_t>(e.i)] * scale_[static_cast<size_t>(e.j)];
      for (int64_t a = 0; a < F.cols(); ++a) {
        num(e.i, a) += w * F(e.j, a);
        num(e.j, a) += w * F(e.i, a);
      }
    }
    return 2 * weight_ * most_;
  }

 private:
  void read(const Call& call, int64_t rows) {
    const auto* files = call.service<assay_files>("assay.files/1");
    int64_t n = 0, columns = 0;
    Call::check(files->shape(call.ctx, path_.c_str(), nullptr, &n, &columns));
    if (columns != 2 && columns != 3)
      throw Failure(ASSAY_E_SHAPE, "`" + path_ + "` has " + std::to_string(columns) +
                                       " columns, but a list of edges has 2 or 3")
          .help("give a line per edge: the two rows it joins, counted from 0, and its weight");
    std::vector<double> list(static_cast<size_t>(n * columns));
    Call::check(files->load(call.ctx, path_.c_str(), nullptr, n, columns, list.data()));
    edges_.clear();
    for (int64_t l = 0; l < n; ++l) {
      const double* line = list.data() + l * columns;
      const double w = columns == 3 ? line[2] : 1;
      for (int end = 0; end < 2; ++end) {
        if (line[end] >= 0 && line[end] < static_cast<double>(rows) &&
            line[end] == std::floor(line[end]))
          continue;
        throw Failure(ASSAY_E_DOMAIN, "edge " + std::to_string(l + 1) + " of `" + path_ +
                                          "` joins a row that the factor does not have")
            .help("rows are whole numbers from 0 to " + std::to_string(rows - 1));
      }
      if (!(w >= 0) || std::isinf(w))
        throw Failure(ASSAY_E_DOMAIN, "edge " + std::to_string(l + 1) + " of `" + path_ +
                                          "` has a weight that is not a number from 0 on")
            .help("weights say how alike two rows are");
      const auto i = static_cast<int64_t>(line[0]), j = static_cast<int64_t>(line[1]);
      if (i != j && w > 0) edges_.push_back({std::min(i, j), std::max(i, j), w});
    }
    // A pair listed in both directions is one edge, of the larger weight.
    std::sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) {
      return a.i != b.i ? a.i < b.i : a.j != b.j ? a.j < b.j : a.weight > b.weight;
    });
    edges_.erase(std::unique(edges_.begin(), edges_.end(),
                             [](const Edge& a, const Edge& b) { return a.i == b.i && a.j == b.j; }),
                 edges_.end());
  }

  std::string path_;
  double weight_;
  bool normalised_;
  std::vector<Edge> edges_;
  std::vector<double> scale_, degree_;
  double most_ = 0;
};

constexpr assay_option options[] = {
    path_option("path",
                "edges, a line each: two rows of the factor from 0, and a weight (1)",
                ASSAY_OPT_REQUIRED),
    number_option("weight", "strength of the pull between neighbours", 0.1, 0, INFINITY),
    bool_option("normalised", "the Laplacian divided by the degrees", false), kNoMoreOptions};
constexpr assay_penalty vtable = penalty_table<Graph>();
constexpr assay_plugin plugin =
    describe("assay.penalty/1",
             "graph",
             "rows joined in a graph are alike",
             "Cai, He, Han and Huang 2011",
             "weight/2 * tr(F' L F) = weight/2 * sum w_ij |f_i - f_j|^2",
             options,
             &vtable);

}  // namespace

ASSAY_MODULE("org.assay.graph", "1.0", plugin)
