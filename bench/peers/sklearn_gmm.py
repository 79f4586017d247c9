# SPDX-License-Identifier: Apache-2.0
# scikit-learn's GaussianMixture, or oneDAL's EM through daal4py, full covariances from a start in common: weights 1 / k, the
# means given, the variances of all data. One JSON job on standard input, one JSON result on standard output.
import importlib.metadata as packages
import json
import resource
import sys
import time
import warnings

import numpy as np
from scipy.special import logsumexp
from threadpoolctl import threadpool_info

JOB = json.load(sys.stdin)
warnings.filterwarnings("ignore")  # that it has not converged


def objective(X, weights, means, covariances):
    """Minus the log-likelihood, in float64."""
    a = np.empty((X.shape[0], len(weights)))
    for c, (mean, C) in enumerate(zip(means, covariances)):
        L = np.linalg.cholesky(C)
        z = np.linalg.solve(L, (X.astype(np.float64) - mean).T)
        a[:, c] = np.log(weights[c]) - 0.5 * (len(mean) * np.log(2 * np.pi) + (z ** 2).sum(0)) - np.log(np.diag(L)).sum()
    return -float(logsumexp(a, axis=1).sum())


def scikit_learn(X, means, variances):
    from sklearn.mixture import GaussianMixture
    k = len(means)

    def model(steps, floor=0.0):
        return GaussianMixture(k, tol=0, max_iter=steps, reg_covar=floor, weights_init=np.full(k, 1 / k, X.dtype),
                               means_init=means.astype(X.dtype),
                               precisions_init=np.array([np.diag(1 / variances)] * k).astype(X.dtype))
    model(2, 1e-3).fit(X[:max(3 * k, X.shape[0] // 20)])  # code and threads are warm afterwards
    fitted = model(JOB["steps"])
    begin = time.perf_counter()
    fitted.fit(X)
    return time.perf_counter() - begin, fitted.weights_, fitted.means_, fitted.covariances_


def onedal(X, means, variances):
    import daal4py
    k = len(means)
    daal4py.daalinit(JOB["threads"])
    start = (np.full((1, k), 1 / k), means, [np.diag(variances) for _ in range(k)])
    daal4py.em_gmm(nComponents=k, maxIterations=2, accuracyThreshold=1e-300).compute(X, *start)
    algorithm = daal4py.em_gmm(nComponents=k, maxIterations=JOB["steps"], accuracyThreshold=1e-300)
    begin = time.perf_counter()
    done = algorithm.compute(X, *start)
    return time.perf_counter() - begin, done.weights.ravel(), done.means, done.covariances


def main():
    X = np.load(JOB["data"])
    with np.load(JOB["start"]) as start:
        means = start["H"].astype(np.float64)
    variances = X.astype(np.float64).var(axis=0)
    seconds, *fitted = (onedal if JOB["onedal"] else scikit_learn)(X, means, variances)
    name = "daal4py " + packages.version("scikit-learn-intelex") if JOB["onedal"] else \
        "scikit-learn " + packages.version("scikit-learn")
    json.dump({
        "peer": f"{name}, numpy {np.__version__}",
        "seconds_per_step": seconds / JOB["steps"],
        "objective": objective(X, *fitted),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": [f"{t['internal_api']} {t['num_threads']}" for t in threadpool_info()],
    }, sys.stdout)


if __name__ == "__main__":
    main()
