# SPDX-License-Identifier: Apache-2.0
# scikit-learn's loops of k-means (lloyd, elkan), oneDAL's through scikit-learn-intelex, or faiss's: one JSON job on standard
# input, one JSON result on standard output.
import importlib.metadata as packages
import json
import os
import resource
import sys
import time

import numpy as np
import sklearn

JOB = json.load(sys.stdin)
if JOB["method"] == "onedal_kmeans":
    from sklearnex import patch_sklearn
    patch_sklearn(verbose=False)
import sklearn.cluster  # noqa: E402  (after the patch)
from sklearn.cluster import _kmeans  # noqa: E402
from threadpoolctl import threadpool_info  # noqa: E402


def loop(X, centres, steps):
    """Seconds, centroids and steps of the loop alone: no checks, no copies, X as it is (scikit-learn centres a copy)."""
    weights = np.ones(X.shape[0], dtype=X.dtype)
    one = {"lloyd": _kmeans._kmeans_single_lloyd, "elkan": _kmeans._kmeans_single_elkan}[JOB["method"]]
    begin = time.perf_counter()
    _, _, found, done = one(X, weights, centres, max_iter=steps, tol=0, n_threads=JOB["threads"])
    return time.perf_counter() - begin, found, done


def whole(X, centres, steps):
    """oneDAL has no loop to call: its fit."""
    model = sklearn.cluster.KMeans(len(centres), init=centres, n_init=1, max_iter=steps, tol=0)
    begin = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - begin, model.cluster_centers_, model.n_iter_


def by_faiss(X, centres, steps):
    import faiss
    faiss.omp_set_num_threads(JOB["threads"])
    model = faiss.Kmeans(X.shape[1], len(centres), niter=steps, nredo=1, max_points_per_centroid=X.shape[0],
                         min_points_per_centroid=1)
    begin = time.perf_counter()
    model.train(X, init_centroids=centres)
    return time.perf_counter() - begin, model.centroids, steps


def objective(X, centres):
    """Half the inertia in float64, block of rows by block of rows."""
    c = centres.astype(np.float64)
    total = 0.0
    for first in range(0, X.shape[0], 2000):
        x = X[first:first + 2000].astype(np.float64)
        total += 0.5 * float(np.maximum((x * x).sum(1) + ((c * c).sum(1) - 2 * (x @ c.T)).min(1), 0).sum())
    return total


def main():
    X = np.load(JOB["data"])
    centres = np.ascontiguousarray(np.load(JOB["start"])["H"].astype(X.dtype))
    run = {"onedal_kmeans": whole, "faiss": by_faiss}.get(JOB["method"], loop)
    run(X[:max(3 * len(centres), X.shape[0] // 20)], centres.copy(), 2)  # code and threads are warm afterwards
    seconds, found, done = run(X, centres.copy(), JOB["steps"])
    package = {"onedal_kmeans": "scikit-learn-intelex", "faiss": "faiss-cpu"}.get(JOB["method"])
    other = f", {package} {packages.version(package)}" if package else ""
    json.dump({
        "peer": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}{other}",
        "seconds": seconds,
        "seconds_per_step": seconds / done,
        "steps": done,
        "objective": objective(X, found),
        "threads": sorted({(i["internal_api"], i.get("architecture", ""), i["num_threads"]) for i in threadpool_info()}),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(JOB["threads"]))
    main()
