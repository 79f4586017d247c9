# SPDX-License-Identifier: Apache-2.0
# RcppML (GPL, so a program of its own): Rscript rcppml.R MATRIX.mtx RANK THREADS SEED STEPS,STEPS,...
# Prints a line per number of steps: seconds of the call of nmf(), and 1/2 norm(X - W H)^2 of what it returned.
library(Matrix)
library(RcppML)

given <- commandArgs(trailingOnly = TRUE)
A <- as(readMM(given[1]), "CsparseMatrix")
A <- as(as(A, "dMatrix"), "generalMatrix")
k <- as.integer(given[2])
setRcppMLthreads(as.integer(given[3]))
seed <- as.integer(given[4])

objective <- function(model) {
  W <- model$w %*% diag(model$d)
  H <- model$h
  rows <- A@i + 1L
  cols <- rep(seq_len(ncol(A)), diff(A@p))
  m <- rowSums(W[rows, ] * t(H)[cols, ])
  0.5 * (sum(A@x^2) - 2 * sum(A@x * m) + sum(crossprod(W) * tcrossprod(H)))
}

invisible(nmf(A, k, maxit = 1, tol = 0, seed = seed, verbose = FALSE))  # everything is loaded afterwards
for (steps in as.integer(strsplit(given[5], ",")[[1]])) {
  seconds <- system.time(model <- nmf(A, k, maxit = steps, tol = 0, seed = seed, verbose = FALSE))[["elapsed"]]
  cat(sprintf("%d %.4f %.17g\n", steps, seconds, objective(model)))
}
cat(sprintf("# RcppML %s, %s\n", packageVersion("RcppML"), R.version.string))
