// SPDX-License-Identifier: Apache-2.0
// `basis: full`: orthonormal columns completed to a square matrix, by a QR of them beside random
// ones.
#pragma once

#include <algorithm>
#include <assay/author/spectral/methods.hpp>
#include <cstdio>
#include <string>

template <class Base>
class FullBasis : public Base {
 protected:
  using Base::Base;

  // Asks for the memory of both bases and of the work on one, before anything is run.
  void check_memory(const assay::author::Call& call) const {
    constexpr double kGiga = 1e9, kMost = 1000;  // nobody waits for the QR of more
    const auto n = static_cast<double>(this->n_), d = static_cast<double>(this->d_),
               m = std::max(n, d), all = 8 * (2 * n * n + 2 * d * d + m * m) / kGiga;
    if (all < kMost) {
      void* const probe = call.host->alloc(static_cast<int64_t>(all * kGiga));
      call.host->free(probe);
      if (probe) return;
    }
    const auto text = [](double value) {
      char out[32];
      std::snprintf(out, sizeof out, "%.*f", value < 100 ? 1 : 0, value);
      return std::string(out);
    };
    const std::string side = std::to_string(std::max(this->n_, this->d_));
    throw assay::author::Failure(
        ASSAY_E_MEMORY, "`basis: full` makes " + std::string(n >= d ? "U" : "V") + "_full of " +
                            side + " x " + side + ", " + text(8 * m * m / kGiga) +
                            " GB, and needs " + text(all) + " GB in all")
        .help("leave `basis` out: the model holds the singular vectors it uses");
  }

  // Arrays U_full (n x n) and V_full (d x d), whose first columns are those of the vectors.
  void full_bases(const assay::author::Builder& b, const assay_buf vectors[2]) const {
    for (int32_t side = 0; side < 2; ++side) {
      const int64_t size = side == ASSAY_ROWS ? this->n_ : this->d_;
      const char* const name = side == ASSAY_ROWS ? "U_full" : "V_full";
      const assay_buf square =
                          b.small(side == ASSAY_ROWS ? "left_square" : "right_square", size, size),
                      out = b.buffer(name, side, ASSAY_STATE, 0, size, true, ASSAY_BUFFER_OUTPUT);
      this->template each<&FullBasis::complete>(b, std::string(name) + "_complete", ASSAY_ONE,
                                                {{vectors[side], ASSAY_IN}, {square, ASSAY_OUT}},
                                                side);
      this->template each<&FullBasis::rows_of>(b, name, side,
                                               {{square, ASSAY_IN}, {out, ASSAY_OUT}});
    }
  }

 private:
  // {vectors, square}
  void complete(const assay::author::Block& b) const {
    const assay::author::Matrix F = b.matrix(0), Q = b.matrix(1);
    const int64_t m = Q.rows(), k = F.cols();
    const uint64_t stream = this->rng_->split(this->stream_, 1000 + static_cast<uint64_t>(b.tag()));
    for (int64_t i = 0; i < m; ++i) {
      this->rng_->normal(stream, static_cast<uint64_t>(i * m), m, Q.row(i).data());
      std::copy_n(F.row(i).data(), k, Q.row(i).data());
    }
    const auto R = b.call().template scratch<double>(m * m);
    assay::author::Call::check(this->la()->qr(m, m, Q.data(), Q.stride(), R.data(), m));
  }
};
