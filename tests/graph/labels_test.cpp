// SPDX-License-Identifier: Apache-2.0
// What clusterings need of a plan: sums of X by labels, the least keys of a sweep, rows of X by
// index, and rows of a tile from inside a block function; against plain loops, for every storage,
// and to the bit for any number of threads and ranks.
#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "tests/graph/support.hpp"

namespace assay::test {
namespace {

constexpr int64_t kClusters = 4, kSmallest = 5;

double at(const assay_view& v, int64_t i = 0, int64_t j = 0) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}
double& put(const assay_view& v, int64_t i = 0, int64_t j = 0) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}

assay_buf labels(assay_builder* b, int32_t role, int64_t width) {
  const assay_buffer d = {sizeof d, 0, "labels", ASSAY_ROWS, role, ASSAY_I32, 1, 0, width};
  return b->buffer(b, &d);
}
assay_buf state(assay_builder* b, const char* name, int32_t axis, int64_t rows, int64_t width) {
  const assay_buffer d = {sizeof d, 0, name, axis, ASSAY_STATE, ASSAY_F64, 1, rows, width};
  return b->buffer(b, &d);
}

// In run r row i is in cluster (5 i + 3 r) mod 5 - 1 of that run's four: one of five is in none.
int32_t label_of(int64_t i, int64_t r) {
  const int64_t c = (5 * i / 2 + 3 * r + i) % (kClusters + 1) - 1;
  return static_cast<int32_t>(c < 0 ? -1 : r * kClusters + c);
}

int32_t write_labels(void*, const assay_block* b) {
  const assay_view& l = b->arg[0];
  for (int64_t i = 0; i < b->count; ++i)
    for (int64_t r = 0; r < l.cols; ++r)
      static_cast<int32_t*>(l.data)[i * l.stride + r] = label_of(b->first + i, r);
  return 0;
}
int32_t copy(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->arg[0].rows; ++i)
    for (int64_t j = 0; j < b->arg[0].cols; ++j) put(b->arg[1], i, j) = at(b->arg[0], i, j);
  return 0;
}

template <int kRuns, uint32_t kFlags, int kRole = ASSAY_LOCAL>
int32_t build_sums(assay_builder* b) {
  const int64_t width = kRuns * kClusters;
  const assay_buf l = labels(b, kRole, kRuns), s = assay_local(b, "sums", ASSAY_COLS, width);
  ASSAY_EACH(b, "labels", ASSAY_ROWS, write_labels, {l, ASSAY_OUT});
  b->times(b, s, ASSAY_X, l, kFlags);
  ASSAY_EACH(b, "keep", ASSAY_COLS, copy, {s, ASSAY_IN},
             {state(b, "kept", ASSAY_COLS, 0, width), ASSAY_OUT});
  return b->status(b);
}

struct Case {
  const char* name;
  Shape shape;
  double tolerance;
};
std::vector<Case> storages() {
  std::vector<Case> all;
  const auto add = [&](const char* name, double tolerance, auto change) {
    Shape s;
    s.n = 333;
    s.d = 21;
    s.k = 3;
    s.seed = 90 + all.size();
    change(s);
    all.push_back({name, s, tolerance});
  };
  add("dense", 1e-13, [](Shape&) {});
  add("float32", 1e-13, [](Shape& s) { s.dtype = ASSAY_F32; });
  add("bytes", 1e-13, [](Shape& s) { s.dtype = ASSAY_U8; });
  add("row weights", 1e-13, [](Shape& s) { s.row_weights = true; });
  add("hidden entries", 1e-13, [](Shape& s) { s.mask = s.poison = true; });
  add("sparse", 1e-13, [](Shape& s) {
    s.sparse = true;
    s.zeros = 0.7;
  });
  add("sparse with row weights", 1e-13, [](Shape& s) {
    s.sparse = s.row_weights = true;
    s.zeros = 0.7;
  });
  return all;
}

double weight_of(const Stored& p, int64_t i) {
  return p.data->row_weights ? (*p.data->row_weights)[i] : 1.0;
}
double shown(const Stored& p, int64_t i, int64_t j) {
  const auto e = static_cast<size_t>(i * p.shape.d + j);
  return p.weight[e] == 0 ? 0.0 : p.x[e];
}

void check_sums(const Stored& p, const graph::Buffer& kept, int runs, bool weighted, double tol) {
  for (int64_t j = 0; j < p.shape.d; ++j) {
    std::vector<double> sum(static_cast<size_t>(runs * kClusters));
    for (int64_t i = 0; i < p.shape.n; ++i)
      for (int r = 0; r < runs; ++r)
        if (const int32_t c = label_of(i, r); c >= 0)
          sum[static_cast<size_t>(c)] += (weighted ? weight_of(p, i) : 1.0) * shown(p, i, j);
    for (size_t c = 0; c < sum.size(); ++c)
      CHECK(kept.get(j, static_cast<int64_t>(c)) == doctest::Approx(sum[c]).epsilon(tol));
  }
}

graph::PlanOptions threads_of(int threads) {
  graph::PlanOptions o = default_options();
  if (threads > 1) {
    o.arena = *graph::Arena::create(threads);
    o.force.run = graph::Force::Run::kGraph;
  }
  return o;
}

// Runs once; the model with what it left in its state.
graph::Model ran(const Stored& p,
                 const graph::Program::Build& build,
                 graph::PlanOptions options,
                 int32_t compute = ASSAY_F64) {
  graph::Model m = make_model(p, "squared", compute);
  auto plan = plan_of(m, build, std::move(options));
  REQUIRE_MESSAGE(plan, (plan ? std::string() : plan.error().message));
  const auto result = (*plan)->run(false);
  REQUIRE_MESSAGE(result, (result ? std::string() : result.error().message));
  return m;
}

// The same bits for threads and simulated ranks, at the lanes of the plan.
void same_everywhere(const Stored& p, const graph::Program::Build& build, const char* name) {
  const graph::Model one = ran(p, build, threads_of(1));
  for (const int threads : {2, 7})
    CHECK(same_bits(one.state.at(name), ran(p, build, threads_of(threads)).state.at(name)));
  for (const int ranks : {2, 3, 4}) {
    graph::PlanOptions o = default_options();
    o.force.run = graph::Force::Run::kSerial;
    o.force.ranks = ranks;
    CHECK(same_bits(one.state.at(name), ran(p, build, o).state.at(name)));
  }
}

}  // namespace

TEST_CASE("X times labels sums the rows of each cluster") {
  for (const Case& c : storages()) {
    CAPTURE(c.name);
    const Stored p = make_stored(c.shape);
    for (const int32_t compute : {ASSAY_F64, ASSAY_F32}) {
      CAPTURE(compute);
      const double tol = compute == ASSAY_F32 ? 1e-6 : c.tolerance;
      const auto sums = [&](const graph::Program::Build& build) {
        return ran(p, build, default_options(), compute).state.at("kept");
      };
      check_sums(p, sums(build_sums<1, 0>), 1, false, tol);
      check_sums(p, sums(build_sums<1, ASSAY_WEIGHTED>), 1, true, tol);
      check_sums(p, sums(build_sums<3, ASSAY_WEIGHTED>), 3, true, tol);
      check_sums(p, sums(build_sums<3, 0, ASSAY_STATE>), 3, false, tol);
    }
    same_everywhere(p, build_sums<3, ASSAY_WEIGHTED>, "kept");
  }
}

TEST_CASE("sums by labels do not depend on how sweeps are formed") {
  const Stored p = make_stored(storages().front().shape);
  const graph::Buffer fused = ran(p, build_sums<2, 0>, default_options()).state.at("kept");
  for (const int64_t tile : {int64_t{8}, int64_t{64}}) {
    graph::PlanOptions o = default_options();
    o.force.fuse = false;
    o.force.tile_rows = tile;
    CHECK(difference(ran(p, build_sums<2, 0>, o).state.at("kept"), fused) < 1e-13);
  }
}

TEST_CASE("labels lie on rows, their sums on columns") {
  Stored p = make_stored({});
  graph::Model m = make_model(p, "squared");
  const auto refused = [&](const graph::Program::Build& build) {
    return !graph::Program::build(m, "test", nullptr, build);
  };
  CHECK(refused([](assay_builder* b) {
    const assay_buf l = labels(b, ASSAY_STATE, 1);
    b->times(b, assay_local(b, "sums", ASSAY_ROWS, 2), ASSAY_X, l, 0);
    return b->status(b);
  }));
  CHECK(refused([](assay_builder* b) {
    const assay_buf l = labels(b, ASSAY_STATE, 1);
    b->times(b, assay_local(b, "sums", ASSAY_COLS, 2), ASSAY_X, l, ASSAY_SQUARE);
    return b->status(b);
  }));
}

// ---- the least keys ----

namespace {

// Keys with many ties; rows at multiples of 3 offer none.
double key_of(int64_t i) { return static_cast<double>((i * 37) % 11); }

template <int kSkip>
int32_t offer(void*, const assay_block* b) {
  for (int64_t i = b->first; i < b->first + b->count; ++i)
    if (i % kSkip != 0) assay_smallest_add(&b->arg[0], key_of(i), i);
  return 0;
}

// What a state may hold: a free place as -1, -1.
int32_t keep_keys(void*, const assay_block* b) {
  for (int64_t s = 0; s < b->arg[0].rows; ++s) {
    const bool some = at(b->arg[0], s, 1) >= 0;
    CHECK((some || at(b->arg[0], s, 0) == INFINITY));
    put(b->arg[1], s, 0) = some ? at(b->arg[0], s, 0) : -1;
    put(b->arg[1], s, 1) = at(b->arg[0], s, 1);
  }
  return 0;
}

template <int kSkip>
int32_t build_smallest(assay_builder* b) {
  const assay_buffer d = {sizeof d,  0, "least",   ASSAY_ONE, ASSAY_SMALLEST,
                          ASSAY_F64, 0, kSmallest, 2};
  const assay_buf least = b->buffer(b, &d);
  ASSAY_EACH(b, "offer", ASSAY_ROWS, offer<kSkip>, {least, ASSAY_ADD});
  const assay_buffer g = {sizeof g,  0, "rows of X", ASSAY_ONE, ASSAY_LOCAL,
                          ASSAY_F64, 0, kSmallest,   21};
  const assay_buf found = b->buffer(b, &g);
  b->gather(b, found, least);
  ASSAY_EACH(b, "keep keys", ASSAY_ONE, keep_keys, {least, ASSAY_IN},
             {state(b, "keys", ASSAY_ONE, kSmallest, 2), ASSAY_OUT});
  ASSAY_EACH(b, "keep rows", ASSAY_ONE, copy, {found, ASSAY_IN},
             {state(b, "rows", ASSAY_ONE, kSmallest, 21), ASSAY_OUT});
  return b->status(b);
}

template <int kSkip>
void check_smallest(const Stored& p) {
  std::vector<std::pair<double, int64_t>> keys;
  for (int64_t i = 0; i < p.shape.n; ++i)
    if (i % kSkip != 0) keys.emplace_back(key_of(i), i);
  std::sort(keys.begin(), keys.end());
  const graph::Model m = ran(p, build_smallest<kSkip>, default_options());
  for (int64_t s = 0; s < kSmallest; ++s) {
    const bool some = s < static_cast<int64_t>(keys.size());
    const auto expected = some ? keys[static_cast<size_t>(s)] : std::pair<double, int64_t>(-1, -1);
    CHECK(m.state.at("keys").get(s, 0) == expected.first);
    CHECK(m.state.at("keys").get(s, 1) == static_cast<double>(expected.second));
    for (int64_t j = 0; j < p.shape.d; ++j)
      CHECK(m.state.at("rows").get(s, j) == (some ? shown(p, expected.second, j) : 0.0));
  }
  same_everywhere(p, build_smallest<kSkip>, "keys");
}

}  // namespace

TEST_CASE("the least keys come with their rows, ties by the index") {
  for (const Case& c : storages()) {
    CAPTURE(c.name);
    check_smallest<3>(make_stored(c.shape));
  }
}

TEST_CASE("fewer keys than places leave the rest free") {
  Shape s = storages().front().shape;
  s.n = 4;
  check_smallest<2>(make_stored(s));
  s.n = 1;  // none at all
  check_smallest<1>(make_stored(s));
}

namespace {

int32_t choose(void*, const assay_block* b) {
  const assay_view& v = b->arg[0];
  const int64_t rows[3] = {332, -1, 7};
  for (int64_t i = 0; i < 3; ++i) static_cast<int64_t*>(v.data)[i * v.stride] = rows[i];
  return 0;
}
int32_t build_gather(assay_builder* b) {
  const assay_buffer d = {sizeof d, 0, "which", ASSAY_ONE, ASSAY_STATE, ASSAY_I64, 1, 3, 1};
  const assay_buffer g = {sizeof g, 0, "found", ASSAY_ONE, ASSAY_LOCAL, ASSAY_F64, 0, 3, 21};
  const assay_buf which = b->buffer(b, &d), found = b->buffer(b, &g);
  ASSAY_EACH(b, "choose", ASSAY_ONE, choose, {which, ASSAY_OUT});
  b->gather(b, found, which);
  ASSAY_EACH(b, "keep", ASSAY_ONE, copy, {found, ASSAY_IN},
             {state(b, "rows", ASSAY_ONE, 3, 21), ASSAY_OUT});
  return b->status(b);
}

}  // namespace

TEST_CASE("rows are gathered by an index of the program's own") {
  const Stored p = make_stored(storages().front().shape);
  const graph::Model m = ran(p, build_gather, default_options());
  for (int64_t j = 0; j < p.shape.d; ++j) {
    CHECK(m.state.at("rows").get(0, j) == shown(p, 332, j));
    CHECK(m.state.at("rows").get(1, j) == 0.0);
    CHECK(m.state.at("rows").get(2, j) == shown(p, 7, j));
  }
}

// ---- rows of a tile ----

namespace {

const assay_tile* tile_service() {
  return static_cast<const assay_tile*>(plugin::host()->service("assay.tile/1"));
}

// {H, out}: out = X H by dense rows, by times of all rows, or by times of every second row.
template <int kHow>
int32_t multiply(void*, const assay_block* b) {
  const assay_view &H = b->arg[0], &out = b->arg[1];
  for (int64_t i = 0; i < b->count; ++i)
    for (int64_t a = 0; a < out.cols; ++a) put(out, i, a) = 0;
  if (kHow == 0) {
    for (int64_t i = 0; i < b->count; i += 3) {
      const int64_t some = std::min<int64_t>(3, b->count - i);
      assay_view x{};
      if (const int32_t bad = tile_service()->dense(b->ctx, i, some, &x)) return bad;
      for (int64_t r = 0; r < some; ++r)
        for (int64_t j = 0; j < x.cols; ++j)
          for (int64_t a = 0; a < out.cols; ++a) put(out, i + r, a) += at(x, r, j) * at(H, j, a);
    }
    return 0;
  }
  std::vector<int64_t> rows;
  for (int64_t i = kHow == 2 ? 1 : 0; i < b->count; i += kHow) rows.push_back(i);
  std::vector<double> product(rows.size() * 8 + 8);
  const auto n = static_cast<int64_t>(rows.size());
  if (const int32_t bad = tile_service()->times(b->ctx, n, kHow == 1 ? nullptr : rows.data(), &H,
                                                product.data(), 8))
    return bad;
  for (size_t r = 0; r < rows.size(); ++r)
    for (int64_t a = 0; a < out.cols; ++a)
      put(out, rows[r], a) = product[r * 8 + static_cast<size_t>(a)];
  return 0;
}

template <int kHow>
int32_t build_multiply(assay_builder* b) {
  const assay_buf H = assay_local(b, "H in double", ASSAY_COLS, 0);
  ASSAY_EACH(b, "copy H", ASSAY_COLS, copy, {b->factor(b, 1), ASSAY_IN}, {H, ASSAY_OUT});
  const assay_arg args[] = {{H, ASSAY_IN}, {state(b, "product", ASSAY_ROWS, 0, 3), ASSAY_OUT}};
  const assay_each e = {sizeof e,       ASSAY_EACH_X, "multiply", ASSAY_ROWS, 2,
                        multiply<kHow>, args,         0,          0};
  b->each(b, &e);
  return b->status(b);
}

template <int kHow>
void check_multiply(const Stored& p) {
  const graph::Model m = ran(p, build_multiply<kHow>, default_options());
  const graph::Buffer& got = m.state.at("rows.product");
  graph::PlanOptions o = default_options();
  o.force.tile_rows = 8;
  const graph::Model tiled = ran(p, build_multiply<kHow>, o);
  for (int64_t i = 0; i < p.shape.n; ++i)
    for (int64_t a = 0; a < p.shape.k; ++a) {
      double sum = 0;
      for (int64_t j = 0; j < p.shape.d; ++j) sum += shown(p, i, j) * m.factor[1].get(j, a);
      CHECK(tiled.state.at("rows.product").get(i, a) ==
            doctest::Approx(kHow == 2 && i % 8 % 2 == 0 ? 0.0 : sum).epsilon(1e-12));
      if (kHow != 2) CHECK(got.get(i, a) == doctest::Approx(sum).epsilon(1e-12));
    }
}

// {points, squares, out}: squared distances of the block's rows, backwards, from both points.
int32_t distances(void*, const assay_block* b) {
  const assay_view &points = b->arg[0], &out = b->arg[2];
  std::vector<int64_t> rows;
  std::vector<int32_t> lines;
  for (int64_t i = b->count; i-- > 0;)
    for (int32_t l : {1, 0}) {
      rows.push_back(i);
      lines.push_back(l);
    }
  std::vector<double> found(rows.size());
  if (const int32_t bad = tile_service()->distances(
          b->ctx, static_cast<int64_t>(rows.size()), rows.data(), lines.data(), &points,
          static_cast<const double*>(b->arg[1].data), found.data()))
    return bad;
  for (size_t e = 0; e < rows.size(); ++e) put(out, rows[e], lines[e]) = found[e];
  return 0;
}
int32_t write_points(void*, const assay_block* b) {
  for (int64_t l = 0; l < 2; ++l) {
    put(b->arg[1], 0, l) = 0;
    for (int64_t j = 0; j < b->arg[0].cols; ++j) {
      const double p = 1e6 * static_cast<double>(l) + static_cast<double>(j % 5);
      put(b->arg[0], l, j) = p;
      put(b->arg[1], 0, l) += at(b->arg[2], j) * p * p;
    }
  }
  return 0;
}
template <int64_t kColumns>
int32_t build_distances(assay_builder* b) {
  const auto small = [b](const char* name, int64_t rows, int64_t width) {
    const assay_buffer d = {sizeof d, 0, name, ASSAY_ONE, ASSAY_LOCAL, ASSAY_F64, 0, rows, width};
    return b->buffer(b, &d);
  };
  const assay_buf points = small("points", 2, kColumns), squares = small("squares", 1, 2);
  ASSAY_EACH(b, "points", ASSAY_ONE, write_points, {points, ASSAY_OUT}, {squares, ASSAY_OUT},
             {b->given(b, ASSAY_COL_WEIGHTS), ASSAY_IN});
  const assay_arg args[] = {
      {points, ASSAY_IN}, {squares, ASSAY_IN}, {state(b, "apart", ASSAY_ROWS, 0, 2), ASSAY_OUT}};
  const assay_each e = {sizeof e, ASSAY_EACH_X, "distances", ASSAY_ROWS, 3, distances, args, 0, 0};
  b->each(b, &e);
  return b->status(b);
}

}  // namespace

TEST_CASE("block functions get rows of their tile, and products of some of them") {
  for (const Case& c : storages()) {
    CAPTURE(c.name);
    const Stored p = make_stored(c.shape);
    check_multiply<0>(p);
    check_multiply<1>(p);
    check_multiply<2>(p);
  }
}

TEST_CASE("block functions get distances of rows from points, by differences") {
  std::vector<Case> all = storages();
  for (const bool sparse : {false, true}) {
    all.push_back(
        {sparse ? "sparse with column weights" : "column weights", all[sparse ? 5 : 0].shape, 0});
    all.back().shape.col_weights = true;
  }
  for (const Case& c : all) {
    CAPTURE(c.name);
    const Stored p = make_stored(c.shape);
    constexpr int64_t kColumns = 21;
    REQUIRE(p.shape.d == kColumns);
    const graph::Model m = ran(p, build_distances<kColumns>, default_options());
    const auto& v = p.data->col_weights;
    for (int64_t i = 0; i < p.shape.n; ++i)
      for (int64_t l = 0; l < 2; ++l) {
        double sum = 0;
        for (int64_t j = 0; j < p.shape.d; ++j) {
          const auto e = static_cast<size_t>(i * p.shape.d + j);
          const double from = p.x[e] - 1e6 * static_cast<double>(l) - static_cast<double>(j % 5);
          if (p.weight[e] != 0) sum += (v ? (*v)[j] : 1.0) * from * from;
        }
        CHECK(m.state.at("rows.apart").get(i, l) == doctest::Approx(sum).epsilon(1e-13));
      }
  }
}

}  // namespace assay::test
