// SPDX-License-Identifier: Apache-2.0
// Loops and batches: the tree of a program's control, walked on the calling thread. Between them
// sweeps run as they would in a program without control. At each turn and each batch the run may be
// given up: a step can be longer than anyone waits for.
#include <algorithm>

#include "core/graph/run.hpp"
#include "core/plugin/registry.hpp"

namespace assay::graph {

namespace {

struct Node {
  Control what;  // body empty: the nodes hold it
  std::unique_ptr<Executor> run;
  std::vector<Node> body;
  std::vector<int64_t> order;  // of batches
};

std::vector<Node> make_nodes(const std::vector<Control>& control,
                             int64_t rows,
                             const MakeRun& make_run) {
  std::vector<Node> nodes;
  for (const Control& c : control) {
    Node node;
    node.what = c;
    node.what.body.clear();
    if (c.kind == Control::Kind::kRun) node.run = make_run(c.first, c.last);
    if (c.kind == Control::Kind::kBatches)
      node.order.resize(static_cast<size_t>(c.windowed ? rows : (rows + c.count - 1) / c.count));
    node.body = make_nodes(c.body, rows, make_run);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

class Walk final : public Executor {
 public:
  Walk(Engine& engine, const MakeRun& make_run)
      : engine_(engine),
        frame_(engine.frame),
        rng_(static_cast<const assay_rng*>(plugin::host()->service("assay.rng/1"))),
        nodes_(make_nodes(engine.layout.control, engine.frame.model->n(), make_run)) {}

  void run() override { walk(nodes_); }
  int live_partials() const override { return most(nodes_); }

 private:
  void walk(std::vector<Node>& nodes) {
    for (Node& node : nodes) {
      if (engine_.failed) return;
      switch (node.what.kind) {
        case Control::Kind::kRun:
          node.run->run();
          break;
        case Control::Kind::kLoop:
          loop(node);
          break;
        case Control::Kind::kBatches:
          batches(node);
          break;
      }
    }
  }

  void loop(Node& node) {
    const int64_t outer = frame_.turn;
    for (int64_t turn = 0; turn < node.what.count && !engine_.failed; ++turn) {
      if (turn > 0 && node.what.until >= 0 && scalar(frame_, node.what.until) != 0) break;
      if (given_up()) break;
      set_turn(turn);
      walk(node.body);
    }
    set_turn(outer);
  }

  bool given_up() {
    if (!engine_.give_up || !(*engine_.give_up)()) return false;
    engine_.fail(0, 0, Error(ASSAY_E_CANCELLED, "", "the step was given up"));
    return true;
  }

  void set_turn(int64_t turn) {
    frame_.turn = turn;
    if (engine_.window) engine_.window->frame().turn = turn;
  }

  void batches(Node& node) {
    const int64_t n = frame_.model->n(), size = node.what.count;
    draw_order(node);
    if (node.what.windowed && engine_.window) return windows(node);
    for (size_t i = 0; i < node.order.size() && !engine_.failed && !given_up(); ++i) {
      frame_.first_row = node.order[i] * size;
      frame_.rows = std::min(size, n - frame_.first_row);
      frame_.turn = static_cast<int64_t>(i);
      walk(node.body);
    }
    frame_.first_row = 0;
    frame_.rows = n;
    frame_.turn = 0;
  }

  // Batches of single rows: `order` is of rows.
  void windows(Node& node) {
    const int64_t n = frame_.model->n(), size = node.what.count;
    for (int64_t first = 0; first < n && !engine_.failed && !given_up(); first += size) {
      frame_.turn = first / size;
      engine_.window->enter(frame_, node.order.data() + first, std::min(size, n - first));
      walk(node.body);
      engine_.window->leave();
    }
    set_turn(0);
  }

  // Fisher and Yates with one draw for each place, keyed by the step: a resumed run sees the same.
  void draw_order(Node& node) const {
    std::vector<int64_t>& order = node.order;
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    if (!node.what.shuffled && !node.what.windowed) return;
    const uint64_t stream = rng_->split(node.what.stream, static_cast<uint64_t>(frame_.step));
    for (size_t i = order.size(); i-- > 1;) {
      double u = 0;
      rng_->uniform(stream, i, 1, &u);
      const auto j = std::min(i, static_cast<size_t>(u * static_cast<double>(i + 1)));
      std::swap(order[i], order[j]);
    }
  }

  static int most(const std::vector<Node>& nodes) {
    int live = 0;
    for (const Node& node : nodes)
      live = std::max({live, node.run ? node.run->live_partials() : 0, most(node.body)});
    return live;
  }

  Engine& engine_;
  Frame& frame_;
  const assay_rng* rng_;
  std::vector<Node> nodes_;
};

}  // namespace

std::unique_ptr<Executor> make_walk(Engine& engine, const MakeRun& make_run) {
  return std::make_unique<Walk>(engine, make_run);
}

}  // namespace assay::graph
