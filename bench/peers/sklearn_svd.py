# SPDX-License-Identifier: Apache-2.0
# scikit-learn's PCA and TruncatedSVD, or oneDAL's through scikit-learn-intelex: one JSON job on standard input, one JSON
# result on standard output.
import json
import resource
import sys
import time

import numpy as np
import scipy.io
import scipy.sparse
import scipy.linalg
import sklearn

JOB = json.load(sys.stdin)
if JOB["intelex"]:
    from sklearnex import patch_sklearn
    patch_sklearn(verbose=False)
from sklearn.decomposition import PCA, TruncatedSVD  # noqa: E402  (after the patch)
from threadpoolctl import threadpool_info  # noqa: E402


def load(path):
    if path.endswith(".mtx"):
        return scipy.sparse.csr_array(scipy.io.mmread(path)).astype(np.float64)
    return np.load(path)


def estimator():
    method, k = JOB["method"], JOB["rank"]
    if JOB["kind"] == "pca":
        return PCA(k, svd_solver=method, random_state=0)
    return TruncatedSVD(k, algorithm=method, random_state=0)


def objective(X, components):
    """Half the squares that the span of the components leaves, in float64, block of rows by block of rows."""
    V = scipy.linalg.orth(components.astype(np.float64).T)
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel() if JOB["kind"] == "pca" else np.zeros(X.shape[1])
    total = 0.0
    for first in range(0, X.shape[0], 2000):
        block = X[first:first + 2000]
        x = (block.toarray() if scipy.sparse.issparse(block) else block).astype(np.float64) - mean
        total += float(0.5 * np.sum((x - (x @ V) @ V.T) ** 2))
    return total


def main():
    X = load(JOB["data"])
    estimator().fit_transform(X[:max(3 * JOB["rank"], X.shape[0] // 20)])  # code and threads are warm afterwards
    model = estimator()
    begin = time.perf_counter()
    model.fit_transform(X)
    seconds = time.perf_counter() - begin
    import importlib.metadata as packages
    daal = f", scikit-learn-intelex {packages.version('scikit-learn-intelex')}" if JOB["intelex"] else ""
    json.dump({
        "peer": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}{daal}",
        "seconds": seconds,
        "objective": objective(X, model.components_),
        "threads": sorted({(i["internal_api"], i.get("architecture", ""), i["num_threads"]) for i in threadpool_info()}),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }, sys.stdout)


if __name__ == "__main__":
    main()
