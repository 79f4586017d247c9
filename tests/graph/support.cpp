// SPDX-License-Identifier: Apache-2.0
// Multiplicative updates as a test program.
#include "tests/graph/support.hpp"

namespace assay::test {

namespace {
int32_t update(void*, const assay_block* b) {
  const assay_view &F = b->arg[0], &N = b->arg[1], &D = b->arg[2];
  for (int64_t i = 0; i < F.rows; ++i)
    for (int64_t j = 0; j < F.cols; ++j)
      static_cast<double*>(F.data)[i * F.stride + j] *=
          static_cast<double*>(N.data)[i * N.stride + j] /
          (static_cast<double*>(D.data)[i * D.stride + j] + 1e-16);
  return 0;
}
}  // namespace

int32_t build_mu(assay_builder* b) {
  for (int32_t side = 0; side < 2; ++side) {
    const assay_buf n = assay_local(b, side ? "nh" : "nw", side, 0),
                    d = assay_local(b, side ? "dh" : "dw", side, 0);
    const assay_terms t = {sizeof t,        0, ASSAY_MU, side,     b->factor(b, 0),
                           b->factor(b, 1), n, d,        ASSAY_NO, 0};
    b->terms(b, &t);
    ASSAY_EACH(b, side ? "uh" : "uw", side, update, {b->factor(b, side), ASSAY_INOUT},
               {n, ASSAY_IN}, {d, ASSAY_IN});
  }
  return b->status(b);
}

}  // namespace assay::test
