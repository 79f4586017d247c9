/* SPDX-License-Identifier: Apache-2.0 */
/* The two hot loops of full covariances, over a block of centred rows z, `wide` = d rounded up to 8
   doubles apart and 0 behind d; the number of rows is a multiple of 8, too. */
#ifndef GAUSSIAN_KERNEL_H
#define GAUSSIAN_KERNEL_H

#include <stdint.h>

/* q[i] = |z_i T|^2, T (wide x wide) upper triangular. */
void gaussian_squares(int64_t rows,
                      int64_t wide,
                      const double* restrict z,
                      const double* restrict T,
                      double* restrict q);

/* S += sum_i r_i z_i' z_i (wide x wide), its lower triangle, and first += sum_i r_i z_i; scaled:
 * rows x wide doubles of memory, then r_i z_i. */
void gaussian_scatter(int64_t rows,
                      int64_t wide,
                      const double* restrict z,
                      const double* restrict r,
                      double* restrict scaled,
                      double* restrict first,
                      double* restrict S);

#endif
