# SPDX-License-Identifier: Apache-2.0
# What specs of clusterings claim.
import gzip
import os
import struct
import subprocess
import zipfile

from claims.results import array, run, SOURCE, table, TOOL


def iris(folder):
    """The proven optimum of three clusters."""
    (inertia,) = run("iris", folder).values("inertia")
    assert abs(inertia - 78.85144) < 1e-5, inertia


def digits_clusters(folder):
    """The best of ten starts is within 2 % of the best known inertia; rows, batches and splits come within 10 %."""
    done = run("digits_clusters", folder)
    for solver, most in (("lloyd", 1.02), ("batches", 1.1), ("rows", 1.1)):
        found = done.values("inertia", solver=solver)
        assert len(found) == 2 and 69404.7 <= min(found) <= most * 69404.73, (solver, found)
    (split,) = done.values("inertia", solver="splits")
    assert 69404.7 <= split <= 1.1 * 69404.73, split


def fashion_clusters(folder):
    """Fifty clusters of 60000 rows; the centroids are the mean pictures, by sums of single pixels; X stays bytes."""
    done = run("fashion_clusters", folder)
    (trial,) = done.trials()
    with zipfile.ZipFile(trial / "model.npz") as archive:
        labels = struct.unpack("<60000i", archive.read("labels.npy")[-240000:])
    assert sorted(set(labels)) == list(range(50))
    with gzip.open("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") as file:
        pixels = file.read()[16:]
    H, sizes = array(trial / "model.npz", "H"), [labels.count(a) for a in range(50)]
    for j in (0, 300, 406, 500, 770):
        sums = [0] * 50
        for label, x in zip(labels, pixels[j::784]):
            sums[label] += x
        wrong = max(abs(s / n - h[j]) for s, n, h in zip(sums, sizes, H))
        assert wrong < 2, (j, wrong)  # rows that still moved in the last step: `rel_tol` ended it
    assert (trial / "pictures" / "H.png").stat().st_size > 10000
    words = [str(TOOL), "run", str(SOURCE / "configs/fashion_clusters.yaml"), "-o", str(folder / "memory"), "--quiet",
             "stop.max_iter=1", "threads=1"]
    used = os.wait4(subprocess.Popen(words, stdout=subprocess.DEVNULL).pid, 0)[2].ru_maxrss * 1024
    assert used < 4 * 60000 * 784, f"{used} bytes: X as float32 would take as much"


def vector_quantisation(folder):
    """What decoding loses is the inertia."""
    done = run("vector_quantisation", folder)
    (inertia,) = done.values("inertia")
    (trial,) = done.trials()
    decoded = folder / "decoded.csv"
    subprocess.run([str(TOOL), "reconstruct", str(trial / "model.npz"), "-o", str(decoded), "--quiet"], check=True)
    lost = sum((float(a) - float(b)) ** 2 for x, y in zip(table(SOURCE / "configs/data/digit_patches.csv"), table(decoded))
               for a, b in zip(x.values(), y.values()))
    assert abs(lost - inertia) < 1e-6 * inertia, (lost, inertia)


def bridge(folder):
    """Squared error = bound + correction five times; the bound alone is k-means; the factorization has the least error."""
    done = run("bridge", folder)
    found = {name: done.values(name) for name in ("simplex_bound", "simplex_correction", "rmse", "purity")}
    bound, correction = found["simplex_bound"], found["simplex_correction"]
    errors = [600 * v * v for v in found["rmse"]]
    assert len(errors) == 5 and all(abs(b + c - e) < 1e-8 * b for b, c, e in zip(bound, correction, errors)), found
    assert correction[0] == correction[3] == 0 and abs(bound[0] - bound[3]) < 1e-9 * bound[0], found
    assert max(correction[1], correction[2], correction[4]) < 0 and min(bound[1], bound[2]) > bound[0], found
    assert errors[4] < min(errors[:4]) and bound[4] > max(bound[:4]) and found["purity"][0] > 0.85, found
    for trial in done.trials():
        assert (trial / "pictures" / "scatter.svg").read_text(encoding="utf-8").count("<circle") == 150
