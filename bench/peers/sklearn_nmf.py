# SPDX-License-Identifier: Apache-2.0
# scikit-learn's `mu`, `cd` or minibatches from a given start: one JSON job on standard input, one JSON result on standard output.
import json
import resource
import statistics
import sys
import time

import numpy as np
import scipy.io
import scipy.sparse
import sklearn
from sklearn.decomposition import MiniBatchNMF, _nmf
from threadpoolctl import threadpool_info

BETA = {"squared": 2, "kl": 1, "itakura_saito": 0}


def load(path):
    if path.endswith(".mtx"):
        return scipy.sparse.csr_array(scipy.io.mmread(path)).astype(np.float64)
    return np.load(path)


def objective(X, W, H, loss):
    """The value both sides must reach, in float64, block of rows by block of rows."""
    W, H = W.astype(np.float64), H.astype(np.float64)
    if scipy.sparse.issparse(X):
        rows, cols = X.nonzero()
        x = X.data.astype(np.float64)
        m = np.einsum("ij,ij->i", W[rows], H.T[cols])
        if loss == "kl":
            return float(np.sum(x * np.log(x / m) - x) + W.sum(axis=0) @ H.sum(axis=1))
        return float(0.5 * (np.sum(x * x - 2 * x * m) + np.sum((W.T @ W) * (H @ H.T))))
    total = 0.0
    for first in range(0, X.shape[0], 1000):
        x = X[first:first + 1000].astype(np.float64)
        m = W[first:first + 1000] @ H
        if loss == "kl":
            logs = np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / m), 0)
            total += float(np.sum(logs - x + m))
        elif loss == "itakura_saito":
            total += float(np.sum(x / m - np.log(x / m) - 1))
        else:
            total += float(0.5 * np.sum((x - m) ** 2))
    return total


def minibatches(job, X, W, H):
    """Seconds of `steps` epochs of MiniBatchNMF, and the objective at its end."""
    model = MiniBatchNMF(H.shape[0], init="custom", batch_size=1024, beta_loss=BETA[job["loss"]], forget_factor=0.7, tol=0,
                         max_no_improvement=None, max_iter=job["steps"], random_state=0)
    begin = time.perf_counter()
    W = model.fit_transform(X, W=W.copy(), H=H.copy())
    seconds = time.perf_counter() - begin
    return {"peer": f"scikit-learn {sklearn.__version__} MiniBatchNMF", "seconds": seconds,
            "seconds_per_step": seconds / job["steps"], "objective": objective(X, W, model.components_, job["loss"])}


def main():
    job = json.load(sys.stdin)
    X = load(job["data"])
    with np.load(job["start"]) as start:
        W0, H0 = (start[name].astype(X.dtype) for name in ("W", "H"))

    if job["solver"] == "minibatch":
        json.dump(minibatches(job, X, W0, H0), sys.stdout)
        return

    # The loop itself, without the checks and copies around it: tol=0 evaluates nothing in between.
    def advance(W, H, steps):
        if job["solver"] == "cd":
            return _nmf._fit_coordinate_descent(X, W, H, tol=0, max_iter=steps)[:2]
        return _nmf._fit_multiplicative_update(X, W, H, BETA[job["loss"]], max_iter=steps, tol=0)[:2]

    def fit(steps):
        W, H = W0.copy(), H0.copy()
        begin = time.perf_counter()
        W, H = advance(W, H, steps)
        return time.perf_counter() - begin, W, H

    fit(2)  # caches and threads are warm afterwards
    # One step also holds the objective at the start, which is not part of a step.
    short = statistics.median(fit(1)[0] for _ in range(3))
    long, W, H = fit(job["steps"])
    seconds = (long - short) / (job["steps"] - 1)
    curve = []  # objective after so many seconds of steps, for the figure
    if job.get("curve"):
        W, H, done = W0.copy(), H0.copy(), 0
        for steps in job["curve"]:
            W, H = advance(W, H, steps - done)
            done = steps
            curve.append((steps, steps * seconds, objective(X, W, H, job["loss"])))
    json.dump({
        "peer": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
        "seconds_per_step": seconds,
        "curve": curve,
        "objective": objective(X, W, H, job["loss"]),
        "threads": sorted({(i["internal_api"], i.get("architecture", ""), i["num_threads"]) for i in threadpool_info()}),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }, sys.stdout)


if __name__ == "__main__":
    main()
