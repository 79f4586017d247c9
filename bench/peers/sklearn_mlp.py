# SPDX-License-Identifier: Apache-2.0
# scikit-learn's MLPRegressor trained to give back its input: one JSON job on standard input, one JSON result on standard output.
import json
import resource
import statistics
import sys
import time
import warnings

import numpy as np
import sklearn
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_info


def main():
    job = json.load(sys.stdin)
    X = np.load(job["data"])
    warnings.filterwarnings("ignore")
    model = MLPRegressor(hidden_layer_sizes=tuple(job["layers"]), activation="relu", solver="adam", alpha=0, batch_size=256,
                         learning_rate_init=1e-3, shuffle=True, random_state=0)
    epochs = []
    for _ in range(job["steps"]):
        begin = time.perf_counter()
        model.partial_fit(X, X)  # one epoch
        epochs.append(time.perf_counter() - begin)
    objective = 0.0
    for first in range(0, X.shape[0], 1000):
        x = X[first:first + 1000]
        objective += 0.5 * float(np.sum((x - model.predict(x)).astype(np.float64) ** 2))
    json.dump({
        "peer": f"scikit-learn {sklearn.__version__} MLPRegressor",
        # The first epoch also draws the weights and warms the threads.
        "seconds_per_step": statistics.median(epochs[1:] or epochs),
        "objective": objective,
        "threads": sorted({(i["internal_api"], i.get("architecture", ""), i["num_threads"]) for i in threadpool_info()}),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }, sys.stdout)


if __name__ == "__main__":
    main()
