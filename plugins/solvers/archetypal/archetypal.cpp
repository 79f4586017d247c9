// SPDX-License-Identifier: Apache-2.0
// Archetypal analysis: minimise 1/2 |X - W B'X|^2 with rows of W and columns of B on the simplex:
// rows are mixtures of archetypes, the rows of H = B'X, which are mixtures of rows. A step:
//   W: the exact minimiser of every row on the simplex, as in solver `simplex_mf`;
//   B: `inner` pairwise Frank-Wolfe turns. With S = X'W, Q = W'W the gradient in H is P = HQ - S
//      (d x k), that in B is g = X P. Archetype a moves towards the row s with the least g_sa,
//      away from the row v with the largest b_va (g_va - g_sa), h_a += t (x_s - x_v), b_sa += t,
//      b_va -= t, with the t of exact line search in [-b_sa, b_va]; one archetype after another, P
//      brought up to date between.
// B stays sparse. Near a tie the last bits decide which rows a turn picks, so another order of sums
// may take another way down; the solver is therefore not marked as deterministic. Each turn reads X
// once, a step twice more: 2 n d k flops a turn and 6 n d k. Never raises the objective. B starts
// at the rows nearest to the start of H. The residual is that of W, or the gap sum_i b_i g_i -
// min_i g_i of an archetype relative to |h_a| (|S_a| + |HQ_a|) where it is larger. Cutler and
// Breiman 1994; Bauckhage et al. 2015; Lacoste-Julien and Jaggi 2015. A row of weight v counts as v
// rows, one of weight 0 is in no archetype; with weights c of columns P = C (HQ - S). Each step
// reports the two terms of 1/2 |X - W H|^2 at the model it begins with, `bound` and `correction`.
#include <assay/mixing.h>
#include <assay/steps.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace assay::author;

constexpr double kLast = 1e300;  // a key behind all others
constexpr int64_t kGroup = 24;   // components that share a line of least keys

class Archetypal {
 public:
  Archetypal(Call call, const assay_problem& p)
      : host_(call.host),
        penalties_(call.service<assay_penalty_calls>("assay.penalty/1")),
        k_(p.k[0]),
        n_(p.n),
        d_(p.d),
        weighted_(p.flags & ASSAY_PROBLEM_UNEQUAL),
        known_(p.factor_flags[1] & ASSAY_FACTOR_FROZEN) {
    const uint32_t w = p.factor_flags[0], h = p.factor_flags[1];
    if (!(w & (ASSAY_FACTOR_SET | ASSAY_FACTOR_FROZEN)) ||
        (w & (ASSAY_FACTOR_COUPLED | ASSAY_FACTOR_PENALISED)))
      throw Failure(
          ASSAY_E_COMBINATION,
          "solver `archetypal` needs the constraint `simplex` on W and no penalties there")
          .help("leave both out: it is the constraint where none is named");
    if (!known_ && (h & (ASSAY_FACTOR_PENALISED | ASSAY_FACTOR_SET | ASSAY_FACTOR_COUPLED)))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `archetypal` takes nothing on H, whose rows are mixtures of rows of X")
          .help("leave the constraint and the penalties of H out");
    if (!known_ && p.x_min < 0 && (h & ASSAY_FACTOR_NONNEG))
      throw Failure(
          ASSAY_E_COMBINATION,
          "rows of X have negative entries, so H of solver `archetypal` cannot be `nonneg`")
          .help("leave the constraint of H out");
    if (!known_ && (p.flags & ASSAY_PROBLEM_GOES_ON))
      throw Failure(ASSAY_E_COMBINATION,
                    "solver `archetypal` cannot go on with other rows: its archetypes are mixtures "
                    "of the rows it was fitted on")
          .help("fit all rows together, or `assay transform` the new ones");
    half_square_ = p.x_sumsq / 2;
    inner_ = Options(call.host, p.options).integer("inner");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose == ASSAY_PREPARE && !known_) start(b);
    if (purpose == ASSAY_STEP) step(b);
    if (purpose == ASSAY_MEASURE) measure(b);
  }

 private:
  assay_buf coefficients(const Builder& b) const {
    return b.buffer("B", ASSAY_ROWS, ASSAY_STATE, 0, k_, true, ASSAY_BUFFER_OUTPUT);
  }

  // Of each component the row with the least key, as a column of indices on ONE, `count` in all,
  // the first of this kind at `first`. Keys: a LOCAL on ROWS; signs as choose_keys reads the tag.
  void find_least(const Builder& b,
                  const std::string& name,
                  assay_buf keys,
                  assay_buf B,
                  int32_t kind,
                  int64_t places,
                  std::vector<assay_arg>& found) const {
    for (int64_t first = 0; first < k_; first += kGroup) {
      const int64_t last = std::min(k_, first + kGroup);
      std::vector<assay_arg> args = {{keys, ASSAY_IN}, {B, ASSAY_IN}};
      for (int64_t a = first; a < last; ++a) {
        const assay_buf least = b.smallest((name + std::to_string(a)).c_str(), places);
        args.push_back({least, ASSAY_ADD});
        found.push_back({least, ASSAY_IN});
      }
      for (int64_t c = first; kind == 1 && c < last; ++c)
        args.push_back(found[static_cast<size_t>(c)]);
      const auto tag = static_cast<int32_t>(2 * first + kind);
      b.each<&Archetypal::offer>((name + "_of_" + std::to_string(first)).c_str(), ASSAY_ROWS, args,
                                 tag);
    }
  }

  // Indices of least keys in one column; where there are several to choose from, each another.
  assay_buf listed(const Builder& b, const std::vector<assay_arg>& found) const {
    const assay_buf rows =
        b.buffer("rows", ASSAY_ONE, ASSAY_LOCAL, static_cast<int64_t>(found.size()), 1);
    for (size_t first = 0; first < found.size(); first += kGroup) {
      std::vector<assay_arg> args = {{rows, first == 0 ? ASSAY_OUT : ASSAY_INOUT}};
      for (size_t i = first; i < std::min(found.size(), first + kGroup); ++i)
        args.push_back(found[i]);
      b.each<&Archetypal::list>(("list_" + std::to_string(first)).c_str(), ASSAY_ONE, args,
                                static_cast<int32_t>(first));
    }
    return rows;
  }

  void start(const Builder& b) const {
    const assay_buf R = b.local("products", ASSAY_ROWS), own = b.local("squares", ASSAY_ROWS, 1),
                    sizes = b.sum("sizes", 1, k_), keys = b.local("keys", ASSAY_ROWS),
                    B = coefficients(b);
    assay_buf H = b.factor(1);
    if (weighted_) {
      H = b.local("weighted_h", ASSAY_COLS);
      b.each<&Archetypal::weigh_rows>(
          "weighted_h", ASSAY_COLS,
          {{b.factor(1), ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {H, ASSAY_OUT}});
    }
    b.times(R, ASSAY_X, H);
    b.times(own, ASSAY_X, b.given(ASSAY_COL_WEIGHTS), ASSAY_SQUARE);
    b.each<&Archetypal::measure_h>("sizes", ASSAY_COLS,
                                   {{b.factor(1), ASSAY_IN}, {H, ASSAY_IN}, {sizes, ASSAY_ADD}});
    b.each<&Archetypal::nearness>(
        "keys", ASSAY_ROWS, {{R, ASSAY_IN}, {own, ASSAY_IN}, {sizes, ASSAY_IN}, {keys, ASSAY_OUT}});
    leave_out(b, keys);
    std::vector<assay_arg> found;
    find_least(b, "nearest", keys, keys, 0, std::min(k_, n_), found);
    b.each<&Archetypal::place>("start", ASSAY_ROWS, {{listed(b, found), ASSAY_IN}, {B, ASSAY_OUT}});
    combine(b, B);
  }

  // Rows of weight 0 come last.
  void leave_out(const Builder& b, assay_buf keys) const {
    if (!weighted_) return;
    b.each<&Archetypal::put_last>("left_out", ASSAY_ROWS,
                                  {{b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {keys, ASSAY_INOUT}});
  }

  // H = B'X
  void combine(const Builder& b, assay_buf B) const {
    const assay_buf T = b.local("combined", ASSAY_COLS);
    b.times(T, ASSAY_X, B);
    b.each<&Archetypal::copy>("archetypes", ASSAY_COLS, {{T, ASSAY_IN}, {b.factor(1), ASSAY_OUT}});
  }

  struct Products {
    assay_buf S, Q, HQ, P, level;
  };
  Products products(const Builder& b) const {
    const Products p{b.local("xw", ASSAY_COLS), b.sum("gram_w", k_, k_), b.local("hq", ASSAY_COLS),
                     b.local("slope_h", ASSAY_COLS), b.sum("level", 1, k_)};
    assay_buf W = b.factor(0);
    if (weighted_) {
      W = b.local("weighted_w", ASSAY_ROWS);
      b.each<&Archetypal::weigh_rows>(
          "weighted_w", ASSAY_ROWS,
          {{b.factor(0), ASSAY_IN}, {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {W, ASSAY_OUT}});
    }
    b.times(p.S, ASSAY_X, W);
    b.gram(p.Q, W, b.factor(0));
    return p;
  }
  // P = HQ - S, g = X P and sum_i b_i g_i = h'p.
  assay_buf slope(const Builder& b, const Products& p) const {
    const assay_buf g = b.local("slope_b", ASSAY_ROWS);
    b.times(p.HQ, b.factor(1), p.Q);
    b.each<&Archetypal::subtract>("slope_h", ASSAY_COLS,
                                  {{p.HQ, ASSAY_IN},
                                   {p.S, ASSAY_IN},
                                   {b.factor(1), ASSAY_IN},
                                   {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                   {p.P, ASSAY_OUT},
                                   {p.level, ASSAY_ADD}});
    b.times(g, ASSAY_X, p.P);
    return g;
  }

  void step(const Builder& b) const {
    const assay_buf G = b.local("gram_h", ASSAY_ROWS, k_ * k_), r = b.local("rhs_w", ASSAY_ROWS);
    b.normals(ASSAY_ROWS, G, r);
    report_terms(b, G, r);
    b.each<&Archetypal::mix>("solve_w", ASSAY_ROWS,
                             {{b.factor(0), ASSAY_INOUT}, {G, ASSAY_IN}, {r, ASSAY_IN}});
    if (known_) return;
    const assay_buf B = coefficients(b);
    const Products p = products(b);
    const assay_buf own = b.local("squares", ASSAY_ROWS, 1);
    b.times(own, ASSAY_X, b.given(ASSAY_COL_WEIGHTS), ASSAY_SQUARE);
    const assay_buf size = b.sum("size_of_rows", 1, 2);
    b.each<&Archetypal::add_squares>(
        "size_of_rows", ASSAY_ROWS,
        {{own, ASSAY_IN}, {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN}, {size, ASSAY_ADD}});
    b.loop(inner_, ASSAY_NO);
    turn(b, p, B, own, size);
    b.end();
    combine(b, B);
  }

  // The bound and the correction.
  void report_terms(const Builder& b, assay_buf G, assay_buf r) const {
    const assay_buf D = b.sum("distances", k_, k_), sums = b.sum("terms", 1, 2),
                    bound = b.small("bound", 1, 1), correction = b.small("correction", 1, 1);
    b.each<&Archetypal::separate>(
        "distances", ASSAY_COLS,
        {{b.factor(1), ASSAY_IN}, {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN}, {D, ASSAY_ADD}});
    b.each<&Archetypal::add_terms>("terms", ASSAY_ROWS,
                                   {{b.factor(0), ASSAY_IN},
                                    {G, ASSAY_IN},
                                    {r, ASSAY_IN},
                                    {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                    {D, ASSAY_IN},
                                    {sums, ASSAY_ADD}});
    b.each<&Archetypal::finish_terms>(
        "finish_terms", ASSAY_ONE, {{sums, ASSAY_IN}, {bound, ASSAY_OUT}, {correction, ASSAY_OUT}});
    b.report("bound", bound);
    b.report("correction", correction);
  }

  void turn(const Builder& b, const Products& p, assay_buf B, assay_buf own, assay_buf size) const {
    const assay_buf g = slope(b, p), keys = b.local("keys", ASSAY_ROWS);
    b.each<&Archetypal::rank>(
        "keys", ASSAY_ROWS,
        {{g, ASSAY_IN}, {own, ASSAY_IN}, {p.level, ASSAY_IN}, {size, ASSAY_IN}, {keys, ASSAY_OUT}});
    leave_out(b, keys);
    std::vector<assay_arg> found;
    find_least(b, "least", keys, B, 0, 1, found);
    find_least(b, "most", keys, B, 1, 1, found);
    const assay_buf rows = listed(b, found), A = b.small("atoms", 2 * k_, d_),
                    mass = b.sum("mass", 1, 2 * k_), t = b.small("steps", 1, k_);
    b.gather(A, rows);
    b.each<&Archetypal::weigh>("mass", ASSAY_ROWS,
                               {{rows, ASSAY_IN}, {B, ASSAY_IN}, {mass, ASSAY_ADD}});
    b.each<&Archetypal::search>("steps", ASSAY_ONE,
                                {{A, ASSAY_IN},
                                 {p.P, ASSAY_IN},
                                 {p.Q, ASSAY_IN},
                                 {mass, ASSAY_IN},
                                 {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                 {t, ASSAY_OUT}});
    b.each<&Archetypal::move_h>("move_h", ASSAY_COLS,
                                {{b.factor(1), ASSAY_INOUT}, {A, ASSAY_IN}, {t, ASSAY_IN}});
    b.each<&Archetypal::move_b>(
        "move_b", ASSAY_ROWS,
        {{B, ASSAY_INOUT}, {rows, ASSAY_IN}, {mass, ASSAY_IN}, {t, ASSAY_IN}});
  }

  void measure(const Builder& b) const {
    const assay_buf G = b.local("gram_h", ASSAY_ROWS, k_ * k_), r = b.local("rhs_w", ASSAY_ROWS),
                    w = b.sum("squares_w", 1, 3), kkt = b.small("kkt", 1, 1);
    b.normals(ASSAY_ROWS, G, r);
    report_terms(b, G, r);
    b.each<&Archetypal::residual_w>(
        "residual_w", ASSAY_ROWS,
        {{b.factor(0), ASSAY_IN}, {G, ASSAY_IN}, {r, ASSAY_IN}, {w, ASSAY_ADD}});
    if (known_) {
      b.each<&Archetypal::alone>("residual", ASSAY_ONE, {{w, ASSAY_IN}, {kkt, ASSAY_OUT}});
    } else {
      const Products p = products(b);
      const assay_buf g = slope(b, p), at = b.sum("at_b", 1, k_), sizes = b.sum("sizes", 3, k_),
                      least = b.buffer("least", ASSAY_ONE, ASSAY_MIN, 1, k_);
      b.each<&Archetypal::add_gap>("gap", ASSAY_ROWS,
                                   {{g, ASSAY_IN},
                                    {coefficients(b), ASSAY_IN},
                                    {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                    {at, ASSAY_ADD},
                                    {least, ASSAY_ADD}});
      b.each<&Archetypal::add_sizes>("sizes", ASSAY_COLS,
                                     {{b.factor(1), ASSAY_IN},
                                      {p.S, ASSAY_IN},
                                      {p.HQ, ASSAY_IN},
                                      {b.given(ASSAY_COL_WEIGHTS), ASSAY_IN},
                                      {sizes, ASSAY_ADD}});
      b.each<&Archetypal::larger>(
          "residual", ASSAY_ONE,
          {{w, ASSAY_IN}, {at, ASSAY_IN}, {least, ASSAY_IN}, {sizes, ASSAY_IN}, {kkt, ASSAY_OUT}});
    }
    b.report("kkt", kkt);
  }

  // ---- block functions ----

  // {keys, B, found..., kind 1: least...}
  void offer(const Block& b) const {
    const Matrix keys = b.matrix(0), B = b.matrix(1);
    const int64_t first = b.tag() / 2, last = std::min(k_, first + kGroup);
    const auto low = [&](int64_t a) {
      return b.matrix(static_cast<int32_t>(2 + (last - first) + a - first))(0, 0);
    };
    for (int64_t i = 0; i < keys.rows(); ++i)
      for (int64_t a = first; a < last; ++a) {
        const assay_view& least = b.view(static_cast<int32_t>(2 + a - first));
        if (b.tag() % 2 == 0)
          assay_smallest_add(&least, keys(i, a), b.index(i));
        else if (B(i, a) > 0)
          assay_smallest_add(&least, (low(a) - keys(i, a)) * B(i, a), b.index(i));
      }
  }
  // {rows, least...}
  void list(const Block& b) const {
    const Matrix rows = b.matrix(0);
    const int64_t first = b.tag(), left = std::min(rows.rows() - first, kGroup);
    for (int64_t i = 0; i < left; ++i) {
      const Matrix least = b.matrix(static_cast<int32_t>(1 + i));
      int64_t place = 0;
      const auto taken = [&](double row) {
        for (int64_t a = 0; a < first + i; ++a)
          if (rows(a, 0) == row) return true;
        return false;
      };
      while (place + 1 < least.rows() && taken(least(place, 1))) ++place;
      rows(first + i, 0) = least(place, 1);
    }
  }
  // {F, weights of its rows, out}
  void weigh_rows(const Block& b) const {
    const Matrix F = b.matrix(0), v = b.matrix(1), out = b.matrix(2);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) out(i, a) = v(i, 0) * F(i, a);
  }
  // {row weights, keys}
  void put_last(const Block& b) const {
    const Matrix v = b.matrix(0), keys = b.matrix(1);
    for (int64_t i = 0; i < keys.rows(); ++i)
      if (!(v(i, 0) > 0)) std::ranges::fill(keys.row(i), kLast);
  }
  // {H, H times the columns' weights, sizes}
  void measure_h(const Block& b) const {
    const Matrix H = b.matrix(0), weighted = b.matrix(1), sizes = b.matrix(2);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) sizes(0, a) += H(j, a) * weighted(j, a);
  }
  // {products, squares, sizes, keys}
  void nearness(const Block& b) const {
    const Matrix R = b.matrix(0), own = b.matrix(1), sizes = b.matrix(2), keys = b.matrix(3);
    for (int64_t i = 0; i < R.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) keys(i, a) = own(i, 0) - 2 * R(i, a) + sizes(0, a);
  }
  // {rows, B}
  void place(const Block& b) const {
    const Matrix rows = b.matrix(0), B = b.matrix(1);
    for (int64_t i = 0; i < B.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a)
        B(i, a) = static_cast<double>(b.index(i)) == rows(a, 0) ? 1 : 0;
  }
  void copy(const Block& b) const {
    const Matrix from = b.matrix(0), to = b.matrix(1);
    for (int64_t j = 0; j < from.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) to(j, a) = from(j, a);
  }
  // {HQ, S, H, column weights, P, level}
  void subtract(const Block& b) const {
    const Matrix left = b.matrix(0), right = b.matrix(1), H = b.matrix(2), c = b.matrix(3),
                 P = b.matrix(4), level = b.matrix(5);
    for (int64_t j = 0; j < P.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a) {
        P(j, a) = c(j, 0) * (left(j, a) - right(j, a));
        level(0, a) += H(j, a) * P(j, a);
      }
  }
  // {squares, row weights, sums of both}
  void add_squares(const Block& b) const {
    const Matrix own = b.matrix(0), v = b.matrix(1), sums = b.matrix(2);
    for (int64_t i = 0; i < own.rows(); ++i) {
      sums(0, 0) += v(i, 0) * own(i, 0);
      sums(0, 1) += v(i, 0);
    }
  }
  // {g, squares, level, sums of squares, keys}: how far below the mean slope of the archetype a
  // row's is. Exact line search leaves two rows with one slope; a little of their length tells them
  // apart, whatever the order of sums and of rows.
  void rank(const Block& b) const {
    const Matrix g = b.matrix(0), own = b.matrix(1), level = b.matrix(2), sums = b.matrix(3),
                 keys = b.matrix(4);
    const double mean = sums(0, 0) > 0 ? sums(0, 0) / sums(0, 1) : 1;
    for (int64_t i = 0; i < g.rows(); ++i) {
      const double size = own(i, 0) / mean, much = 1 + 1e-3 * size / (1 + size);
      for (int64_t a = 0; a < k_; ++a) keys(i, a) = (g(i, a) - level(0, a)) * much;
    }
  }

  // {W, G, r}
  void mix(const Block& b) const {
    const Matrix W = b.matrix(0), r = b.matrix(2);
    const assay_view& G = b.view(1);
    Call::check(assay_mixing_check(host_, penalties_, b.call().ctx, k_));
    const auto memory = b.call().scratch<char>(assay_mixing_bytes(k_));
    for (int64_t i = 0; i < W.rows(); ++i) {
      const auto* g = static_cast<const double*>(G.data) + i * G.step;
      assay_mixing_solve(k_, g, G.stride, r.row(i).data(), W.row(i).data(), memory.data());
    }
  }

  // {H, column weights, D}
  void separate(const Block& b) const {
    const auto* c = static_cast<const double*>(b.view(1).data);
    auto* D = static_cast<double*>(b.view(2).data);
    assay_mixing_distances(&b.view(0), c, D, b.view(2).stride);
  }
  // {W, G, r, row weights, D, sums}: half the squared error less 1/2 |X|^2, and half the spread.
  void add_terms(const Block& b) const {
    const Matrix W = b.matrix(0), r = b.matrix(2), v = b.matrix(3), sums = b.matrix(5);
    const assay_view &G = b.view(1), &D = b.view(4);
    for (int64_t i = 0; i < W.rows(); ++i) {
      const auto* g = static_cast<const double*>(G.data) + i * G.step;
      const double* w = W.row(i).data();
      sums(0, 0) += assay_mixing_error(k_, w, g, G.stride, r.row(i).data());
      sums(0, 1) +=
          v(i, 0) * assay_mixing_spread(k_, w, static_cast<const double*>(D.data), D.stride);
    }
  }
  // {sums, bound, correction}
  void finish_terms(const Block& b) const {
    const Matrix sums = b.matrix(0);
    b.number(1) = half_square_ + sums(0, 0) + sums(0, 1);
    b.number(2) = 0 - sums(0, 1);
  }

  // {rows, B, mass}: of the rows each archetype moves towards and away from.
  void weigh(const Block& b) const {
    const Matrix rows = b.matrix(0), B = b.matrix(1), mass = b.matrix(2);
    for (int64_t at = 0; at < 2 * k_; ++at) {
      const int64_t i = static_cast<int64_t>(rows(at, 0)) - b.first();
      if (i >= 0 && i < b.count()) mass(0, at) += B(i, at % k_);
    }
  }

  // {atoms, P, Q, mass, column weights, steps}
  void search(const Block& b) const {
    const Matrix A = b.matrix(0), P = b.matrix(1), Q = b.matrix(2), mass = b.matrix(3),
                 weight = b.matrix(4), t = b.matrix(5);
    const int64_t d = P.rows();
    const auto slope = b.call().scratch<double>(d * k_);
    for (int64_t j = 0; j < d; ++j)
      for (int64_t a = 0; a < k_; ++a) slope[static_cast<size_t>(j * k_ + a)] = P(j, a);
    for (int64_t a = 0; a < k_; ++a) {
      double fall = 0, length = 0;
      for (int64_t j = 0; j < d; ++j) {
        const double move = A(a, j) - A(k_ + a, j);
        fall -= move * slope[static_cast<size_t>(j * k_ + a)];
        length += weight(j, 0) * move * move;
      }
      const double bend = Q(a, a) * length;
      t(0, a) = bend > 0 ? std::clamp(fall / bend, -mass(0, a), mass(0, k_ + a)) : 0;
      if (t(0, a) == 0) continue;
      for (int64_t j = 0; j < d; ++j) {
        const double move = weight(j, 0) * t(0, a) * (A(a, j) - A(k_ + a, j));
        for (int64_t c = 0; c < k_; ++c) slope[static_cast<size_t>(j * k_ + c)] += move * Q(a, c);
      }
    }
  }
  // {H, atoms, steps}
  void move_h(const Block& b) const {
    const Matrix H = b.matrix(0), A = b.matrix(1), t = b.matrix(2);
    for (int64_t j = 0; j < H.rows(); ++j)
      for (int64_t a = 0; a < k_; ++a)
        H(j, a) += t(0, a) * (A(a, b.first() + j) - A(k_ + a, b.first() + j));
  }
  // {B, rows, mass, steps}
  void move_b(const Block& b) const {
    const Matrix B = b.matrix(0), rows = b.matrix(1), mass = b.matrix(2), t = b.matrix(3);
    for (int64_t a = 0; a < k_; ++a) {
      const int64_t to = static_cast<int64_t>(rows(a, 0)) - b.first(),
                    from = static_cast<int64_t>(rows(k_ + a, 0)) - b.first();
      if (to == from || t(0, a) == 0) continue;
      if (to >= 0 && to < b.count()) B(to, a) = t(0, a) <= -mass(0, a) ? 0 : B(to, a) + t(0, a);
      if (from >= 0 && from < b.count())
        B(from, a) = t(0, a) >= mass(0, k_ + a) ? 0 : B(from, a) - t(0, a);
    }
  }

  // {W, G, r, squares}: of the projected gradient and of the two halves of the gradient.
  void residual_w(const Block& b) const {
    const Matrix W = b.matrix(0), r = b.matrix(2), sums = b.matrix(3);
    const assay_view& G = b.view(1);
    const auto slope = b.call().scratch<double>(k_);
    for (int64_t i = 0; i < W.rows(); ++i) {
      const auto* g = static_cast<const double*>(G.data) + i * G.step;
      assay_normal_gradient(k_, g, G.stride, W.row(i).data(), r.row(i).data(), slope.data());
      for (int64_t a = 0; a < k_; ++a) {
        const double num = r(i, a), den = slope[static_cast<size_t>(a)] + num;
        sums(0, 1) += num * num;
        sums(0, 2) += den * den;
      }
      sums(0, 0) += off_cone(W.row(i), slope);
    }
  }
  // |the gradient less its part along the simplex's normal cone at w|^2.
  static double off_cone(std::span<const double> w, std::span<const double> g) {
    double level = std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t counted = -1, before = -2; counted != before;) {
      before = counted;
      double total = 0;
      counted = 0;
      for (size_t a = 0; a < w.size(); ++a) {
        if (w[a] <= 0 && g[a] >= level) continue;
        total += g[a];
        ++counted;
      }
      level = total / static_cast<double>(counted);
    }
    for (size_t a = 0; a < w.size(); ++a) {
      const double off = w[a] > 0 ? g[a] - level : std::min(g[a] - level, 0.0);
      sum += off * off;
    }
    return sum;
  }

  // {g, B, row weights, sum b g, least g}
  void add_gap(const Block& b) const {
    const Matrix g = b.matrix(0), B = b.matrix(1), v = b.matrix(2), at = b.matrix(3),
                 least = b.matrix(4);
    for (int64_t i = 0; i < g.rows(); ++i)
      for (int64_t a = 0; a < k_; ++a) {
        at(0, a) += B(i, a) * g(i, a);
        if (v(i, 0) > 0) least(0, a) = std::min(least(0, a), g(i, a));
      }
  }
  // {H, S, HQ, column weights, squares of each}
  void add_sizes(const Block& b) const {
    const Matrix c = b.matrix(3), sizes = b.matrix(4);
    for (int32_t m = 0; m < 3; ++m) {
      const Matrix F = b.matrix(m);
      for (int64_t j = 0; j < F.rows(); ++j)
        for (int64_t a = 0; a < k_; ++a) {
          const double f = m == 0 ? F(j, a) : c(j, 0) * F(j, a);
          sizes(m, a) += f * f;
        }
    }
  }
  void alone(const Block& b) const { b.number(1) = assay_residual(b.matrix(0).row(0).data()); }
  // {squares of W, sum b g, least g, sizes, kkt}
  void larger(const Block& b) const {
    const Matrix at = b.matrix(1), least = b.matrix(2), sizes = b.matrix(3);
    double worst = assay_residual(b.matrix(0).row(0).data());
    for (int64_t a = 0; a < k_; ++a) {
      const double scale =
          std::sqrt(sizes(0, a)) * (std::sqrt(sizes(1, a)) + std::sqrt(sizes(2, a)));
      if (scale > 0) worst = std::max(worst, (at(0, a) - least(0, a)) / scale);
    }
    b.number(4) = worst;
  }

  const assay_host* host_;
  const assay_penalty_calls* penalties_;
  int64_t k_, n_, d_, inner_ = 1;
  double half_square_ = 0;  // 1/2 |X|^2
  bool weighted_, known_;
};

constexpr assay_option options[] = {
    integer_option("inner", "Frank-Wolfe turns of the archetypes per step", 8, 1, 1000),
    kNoMoreOptions};
constexpr assay_solver vtable =
    solver_table<Archetypal>(ASSAY_NEEDS_SQUARED,
                             ASSAY_NEEDS_PROX,
                             ASSAY_TAKES_SPARSE | ASSAY_TAKES_LINE_WEIGHTS,
                             "simplex:W",
                             ASSAY_SOLVER_NO_RESIDUAL,
                             nullptr,
                             "kmeans_plus_plus");
constexpr assay_plugin plugin = describe(
    "assay.solver/1",
    "archetypal",
    "rows are mixtures of archetypes, and archetypes are mixtures of rows",
    "Cutler and Breiman 1994; Lacoste-Julien and Jaggi 2015",
    "min 1/2 |X - W B'X|^2, rows of W and columns of B on the simplex;  H = B'X\n"
    "w_n <- argmin 1/2 w'G w - r'w on the simplex, G = H H', r = H x_n\n"
    "h_a <- h_a + t (x_s - x_v), s the row where the slope g is least, v that of B with\n"
    "  the largest b_v (g_v - g_s), t by exact line search in [-b_sa, b_va]; `inner` times for all "
    "a\n"
    "a row of weight v counts as v rows; entries missing are refused: archetypes are whole rows\n"
    "`bound` + `correction` = F in every row of the trace (half of what the metrics\n"
    "`simplex_bound` and `simplex_correction` are)\n"
    "cost: 2ndk flops and one read of X for each of them, 6ndk and two reads beside them\n"
    "guarantee: the objective never rises; B is sparse",
    options,
    &vtable);

}  // namespace

ASSAY_MODULE("org.assay.archetypal", "1.0", plugin)
