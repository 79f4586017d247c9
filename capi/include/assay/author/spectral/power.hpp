// SPDX-License-Identifier: Apache-2.0
// Power iteration with deflation, as it is taught: v <- A v / |A v| until v stays, lambda = v'A v, and on with A - lambda v v'
// for the next; a step finds one component. A is X itself where X is symmetric, X'X otherwise. With V the vectors found,
// deflation is (A - V L V') v = A v - V (V'A v); taken twice, so that what is found stays orthogonal.
//
// Starts are the user's, then random ones. A start that the deflated matrix maps to rounding noise is drawn anew, once, and
// the log says so: normalised noise would lead back to what was found before. Where a random start is mapped to noise too,
// the rest of the matrix is noise and the vector stands for a value of 0.
#ifndef ASSAY_AUTHOR_SPECTRAL_POWER_HPP
#define ASSAY_AUTHOR_SPECTRAL_POWER_HPP

#include <cfloat>
#include <vector>

#include "truncated.hpp"

namespace assay::author {

template <class Base>
class Power : public Base {
 protected:
  using Base::Base;

  void set_power(std::span<const double> starts, double tolerance, int64_t turns, bool symmetric) {
    const auto given = static_cast<int64_t>(starts.size());
    if (given % this->d_ != 0)
      throw Failure(ASSAY_E_SHAPE, "`start` has " + std::to_string(given) +
                                       " numbers, but a start has one for each of the " +
                                       std::to_string(this->d_) + " columns")
          .help("give starts of full length, one after the other");
    starts_.assign(starts.begin(), starts.end());
    for (int64_t first = 0; first < given; first += this->d_) unit_length(first);
    change_ = tolerance;
    turns_ = turns;
    symmetric_ = symmetric;
    // Vectors lie on the columns, as in X'X, whatever the shape.
    this->long_ = ASSAY_ROWS;
    this->short_ = ASSAY_COLS;
  }

  void begin_power(const Builder &b) const {
    const State s = state(b);
    this->template each<&Power::begin>(
        b, "begin", ASSAY_ONE, {{s.values, ASSAY_OUT}, {s.count, ASSAY_OUT}, {s.third, ASSAY_OUT}});
    this->template each<&Power::clear_found>(b, "clear", ASSAY_COLS, {{s.V, ASSAY_OUT}});
    if (symmetric_) check_symmetry(b, s);
  }

  void power(const Builder &b) const {
    const State s = state(b);
    const assay_buf until = b.small("until", 1, 1);
    this->template each<&Power::first>(
        b, "first", ASSAY_COLS,
        {{b.factor(ASSAY_COLS), ASSAY_IN}, {s.count, ASSAY_IN}, {s.v, ASSAY_OUT}});
    this->template each<&Power::fresh>(b, "fresh", ASSAY_ONE, {{s.redrawn, ASSAY_OUT}});
    b.loop(turns_, until);
    turn(b, s, until);
    b.end();
    const assay_buf Z = b.local("found_so_far", ASSAY_COLS), done = b.small("done", 1, 1);
    this->template each<&Power::keep>(
        b, "keep", ASSAY_COLS,
        {{s.v, ASSAY_IN}, {s.count, ASSAY_IN}, {s.V, ASSAY_INOUT}, {Z, ASSAY_OUT}});
    this->template each<&Power::count_on>(b, "count", ASSAY_ONE,
                                          {{s.count, ASSAY_INOUT}, {done, ASSAY_OUT}});
    this->leave(b, this->completed(b, Z, ASSAY_COLS, this->k_, "found"));
    b.report("converged", done);
  }

 private:
  struct State {
    assay_buf V, v, values, count, redrawn, third;  // third: 1 / 3 as the run keeps it
  };
  State state(const Builder &b) const {
    const auto number = [&](const char *name, int64_t width) {
      return b.buffer(name, ASSAY_ONE, ASSAY_STATE, 1, width, true);
    };
    return {b.buffer("found", ASSAY_COLS, ASSAY_STATE, 0, this->k_, true),
            b.buffer("iterate", ASSAY_COLS, ASSAY_STATE, 0, 1, true),
            number("values", this->k_),
            number("count", 1),
            number("redrawn", 1),
            number("third", 1)};
  }

  // X v and X'v of a random v.
  void check_symmetry(const Builder &b, const State &s) const {
    const assay_buf v = b.local("probe", ASSAY_COLS, 1),
                    rows = b.local("probe_rows", ASSAY_ROWS, 1),
                    right = b.local("probed", ASSAY_ROWS, 1),
                    left = b.local("probed_turned", ASSAY_COLS, 1), sums = b.sum("asymmetry", 1, 2);
    this->template each<&Power::draw_probe>(b, "draw_probe", ASSAY_COLS, {{v, ASSAY_OUT}});
    this->template each<&Power::rows_of>(b, "probe_rows", ASSAY_ROWS,
                                         {{v, ASSAY_IN}, {rows, ASSAY_OUT}});
    b.times(right, ASSAY_X, v);
    b.times(left, ASSAY_X, rows);
    this->template each<&Power::compare>(b, "compare", ASSAY_ROWS,
                                         {{right, ASSAY_IN}, {left, ASSAY_IN}, {sums, ASSAY_ADD}});
    this->template each<&Power::refuse>(b, "refuse", ASSAY_ONE,
                                        {{sums, ASSAY_IN}, {s.redrawn, ASSAY_OUT}});
  }

  void turn(const Builder &b, const State &s, assay_buf until) const {
    const assay_buf along = b.local("along", ASSAY_ROWS, 1),
                    image = b.local("image", ASSAY_COLS, 1), v = b.local("shrunk", ASSAY_COLS, 1);
    this->template each<&Power::shrink>(b, "shrink", ASSAY_COLS, {{s.v, ASSAY_IN}, {v, ASSAY_OUT}});
    if (symmetric_)
      this->template each<&Power::rows_of>(b, "as_rows", ASSAY_ROWS,
                                           {{v, ASSAY_IN}, {along, ASSAY_OUT}});
    else
      b.times(along, ASSAY_X, v);
    b.times(image, ASSAY_X, along);
    assay_buf rest = image;
    for (const char *pass : {"first", "second"}) {
      const std::string name = pass;
      const assay_buf h = b.sum((name + "_overlap").c_str(), this->k_, 1),
                      left = b.local((name + "_rest").c_str(), ASSAY_COLS, 1);
      b.gram(h, s.V, rest);
      this->template each<&Power::deflate>(
          b, name + "_deflate", ASSAY_COLS,
          {{s.V, ASSAY_IN}, {h, ASSAY_IN}, {rest, ASSAY_IN}, {left, ASSAY_OUT}});
      rest = left;
    }
    const assay_buf size = b.sum("size", 1, 1), length = b.sum("length", 1, 1),
                    value = b.sum("value", 1, 1), change = b.sum("change", 1, 1),
                    what = b.small("what", 1, 1);
    b.gram(size, s.v, s.v);
    b.gram(length, rest, rest);
    b.gram(value, s.v, rest);
    this->template each<&Power::judge>(b, "judge", ASSAY_ONE,
                                       {{length, ASSAY_IN},
                                        {value, ASSAY_IN},
                                        {s.count, ASSAY_IN},
                                        {s.values, ASSAY_INOUT},
                                        {s.redrawn, ASSAY_INOUT},
                                        {what, ASSAY_OUT},
                                        {size, ASSAY_IN},
                                        {s.third, ASSAY_IN}});
    this->template each<&Power::next>(b, "next", ASSAY_COLS,
                                      {{rest, ASSAY_IN},
                                       {length, ASSAY_IN},
                                       {value, ASSAY_IN},
                                       {what, ASSAY_IN},
                                       {s.count, ASSAY_IN},
                                       {s.v, ASSAY_INOUT},
                                       {change, ASSAY_ADD}});
    this->template each<&Power::settle>(b, "settle", ASSAY_ONE,
                                        {{change, ASSAY_IN}, {what, ASSAY_IN}, {until, ASSAY_OUT}});
  }

  void unit_length(int64_t first) {
    const auto v =
        std::span(starts_).subspan(static_cast<size_t>(first), static_cast<size_t>(this->d_));
    double squares = 0;
    for (const double x : v) squares += x * x;
    if (!(squares > 0))
      throw Failure(ASSAY_E_DOMAIN, "a start of the power iteration is 0, and stays so")
          .help("give a `start` that is not 0");
    for (double &x : v) x /= std::sqrt(squares);
  }

  // ---- block functions ----

  static constexpr double kGoOn = 0, kRedraw = 1, kNoise = 2;

  void begin(const Block &b) const {
    std::fill_n(b.matrix(0).row(0).data(), this->k_, 0.0);
    b.number(1) = 0;
    b.number(2) = 1.0 / 3;
  }
  void draw_probe(const Block &b) const {
    const uint64_t stream = this->rng_->split(this->stream_, 2);
    this->rng_->normal(stream, static_cast<uint64_t>(b.first()), b.count(), b.matrix(0).data());
  }
  // {X v, X'v, |X v - X'v|^2 and |X v|^2}
  void compare(const Block &b) const {
    const Matrix right = b.matrix(0), left = b.matrix(1), sums = b.matrix(2);
    for (int64_t i = 0; i < right.rows(); ++i) {
      const double difference = right(i, 0) - left(b.first() + i, 0);
      sums(0, 0) += difference * difference;
      sums(0, 1) += right(i, 0) * right(i, 0);
    }
  }
  // {sums, redrawn}: a line that writes nothing would not be run.
  void refuse(const Block &b) const {
    const Matrix sums = b.matrix(0);
    b.number(1) = 0;
    if (sums(0, 0) > 1e-10 * sums(0, 1)) this->refuse_asymmetry();
  }
  void clear_found(const Block &b) const {
    const Matrix V = b.matrix(0);
    for (int64_t j = 0; j < V.rows(); ++j) std::fill_n(V.row(j).data(), V.cols(), 0.0);
  }
  void fresh(const Block &b) const { b.number(0) = 0; }

  // {factor, count, v}: the start of component `count`.
  void first(const Block &b) const {
    const Matrix F = b.matrix(0), v = b.matrix(2);
    const auto c = static_cast<int64_t>(b.number(1));
    const bool given = (c + 1) * this->d_ <= static_cast<int64_t>(starts_.size());
    for (int64_t j = 0; j < v.rows(); ++j)
      v(j, 0) = given ? starts_[static_cast<size_t>(c * this->d_ + b.first() + j)] : F(j, c);
  }
  // {v, v by the size of A}
  void shrink(const Block &b) const {
    const Matrix v = b.matrix(0), out = b.matrix(1);
    const double size = symmetric_ ? std::sqrt(this->size_) : this->size_;
    for (int64_t j = 0; j < v.rows(); ++j) out(j, 0) = v(j, 0) / size;
  }
  // {V, h, x, x - V h}
  void deflate(const Block &b) const {
    const Matrix V = b.matrix(0), h = b.matrix(1), x = b.matrix(2), out = b.matrix(3);
    for (int64_t j = 0; j < V.rows(); ++j) {
      double sum = 0;
      for (int64_t a = 0; a < this->k_; ++a) sum += V(j, a) * h(a, 0);
      out(j, 0) = x(j, 0) - sum;
    }
  }
  // {|y|^2, v'y, count, values, redrawn, what, |v|^2, 1 / 3}: y is the image of v. Of a vector that was
  // found, rounding and the tolerance it was found to leave eps |A v| and some; eps is float32's where the run keeps 1 / 3 so.
  void judge(const Block &b) const {
    const auto c = static_cast<int64_t>(b.number(2));
    const Matrix values = b.matrix(3);
    const double eps = std::max(DBL_EPSILON, 8 * std::fabs(3 * b.number(7) - 1));
    const double noise = 16 * eps * std::sqrt(static_cast<double>(this->d_)) + 4 * change_;
    const double largest = std::fabs(values(0, 0)), size = b.number(6);
    const bool lost = !(std::sqrt(b.number(0)) > (c > 0 ? noise * largest * std::sqrt(size) : 0));
    values(0, c) = size > 0 ? b.number(1) / size : 0;
    b.number(5) = !lost ? kGoOn : b.number(4) == 0 ? kRedraw : kNoise;
    if (b.number(5) != kRedraw) return;
    b.number(4) = 1;
    b.call().log("power iteration: the matrix, deflated by " + std::to_string(c) +
                 " components, maps the start of component " + std::to_string(c + 1) +
                 " to rounding noise; it was drawn anew");
  }
  // {y, |y|^2, v'y, what, count, v, change}
  void next(const Block &b) const {
    const Matrix y = b.matrix(0), v = b.matrix(5);
    const double length = std::sqrt(b.number(1)), sign = b.number(2) < 0 ? -1 : 1;
    const uint64_t stream =
        this->rng_->split(this->stream_, 3 + static_cast<uint64_t>(b.number(4)));
    double change = 0;
    for (int64_t j = 0; j < v.rows(); ++j) {
      double now = length > 0 ? y(j, 0) / length : 0;
      if (b.number(3) == kRedraw)
        this->rng_->normal(stream, static_cast<uint64_t>(b.first() + j), 1, &now);
      change += (now - sign * v(j, 0)) * (now - sign * v(j, 0));
      v(j, 0) = now;
    }
    b.number(6) += change;
  }
  // {change, what, until}
  void settle(const Block &b) const {
    const bool still = b.number(1) == kGoOn && b.number(0) <= change_ * change_;
    b.number(2) = still || b.number(1) == kNoise ? 1 : 0;
  }
  // {v, count, V, V so far}
  void keep(const Block &b) const {
    const Matrix v = b.matrix(0), V = b.matrix(2), out = b.matrix(3);
    const auto c = static_cast<int64_t>(b.number(1));
    for (int64_t j = 0; j < V.rows(); ++j) {
      V(j, c) = v(j, 0);
      std::copy_n(V.row(j).data(), V.cols(), out.row(j).data());
    }
  }
  void count_on(const Block &b) const {
    b.number(0) += 1;
    b.number(1) = b.number(0) >= static_cast<double>(this->k_) ? 1 : 0;
  }

  std::vector<double> starts_;
  double change_ = 0;
  int64_t turns_ = 0;
  bool symmetric_ = false;
};

}  // namespace assay::author

#endif
