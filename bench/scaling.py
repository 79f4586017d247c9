#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Time of a step and peak memory over two decades of rows: k-means, a mixture and simplex factorization.

For each solver the milliseconds of a step at n = 2000 .. 200000 rows of 32 columns, the exponent of n fitted to them by least
squares in the logarithms, and what a row takes beyond X at its peak. Processor time of one thread, so that other jobs of the
machine count for little. --quick: two sizes, few steps.
"""
import argparse
import csv
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np

import data

COLUMNS = 32
SOLVERS = {
    "lloyd k = 50": "model: { rank: 50, loss: squared }\ninit: random_rows\nsolver: lloyd\n",
    "em full k = 10": "model: { kind: mixture, components: 10, density: { use: gaussian, covariance: full } }\n"
                      "init: random_rows\nsolver: { use: em, start: means }\n",
    "simplex_mf k = 10": "model: { rank: 10, loss: squared }\ninit: random_rows\nsolver: simplex_mf\n",
}


def blobs(folder, rows, dtype):
    """Rows about 100 centres a few deviations apart, so that k-means goes on for some steps."""
    path = folder / f"blobs_{rows}_{dtype}.npy"
    if not path.exists():
        rng = np.random.default_rng(1)
        centres = rng.normal(size=(100, COLUMNS)) * 1.5
        np.save(path, (centres[rng.integers(0, 100, rows)] + rng.normal(size=(rows, COLUMNS))).astype(dtype))
    return path


def run(tool, folder, lines, path, steps):
    """Steps made, processor seconds of the whole process on one thread, and its peak resident set in bytes."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        spec = pathlib.Path(out) / "scaling.yaml"
        spec.write_text(f"assay: 1\nname: scaling\ndata: {{ use: npy, path: {path} }}\n{lines}stop: {{ max_iter: {steps}, "
                        f"rel_tol: 0, patience: 0 }}\nmeasure: {{ every: 1000, metrics: [objective] }}\nthreads: 1\n")
        done = subprocess.Popen([str(tool), "run", str(spec), "-o", out + "/run", "--quiet"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        said = done.stderr.read()
        _, status, usage = os.wait4(done.pid, 0)
        if os.waitstatus_to_exitcode(status):
            sys.exit(said)
        (trace,) = pathlib.Path(out).glob("run/trials/*/trace.csv")
        with open(trace, encoding="utf-8") as file:
            made = max(int(row["iteration"]) for row in csv.DictReader(file))
    return made, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def step(tool, folder, lines, path, few, many, repeats):
    """Processor seconds of a step, from a run of few steps and one of many, each the least of some; and the peak."""
    ends = []
    for steps in (few, many):
        found = [run(tool, folder, lines, path, steps) for _ in range(repeats)]
        ends.append((found[0][0], min(f[1] for f in found), min(f[2] for f in found)))
    (first, begin, _), (last, end, peak) = ends
    assert last > first, f"{path.name}: the fit ended after {last} steps"
    return max(end - begin, 1e-9) / (last - first), peak


def exponent(sizes, seconds):
    x, y = [math.log(n) for n in sizes], [math.log(t) for t in seconds]
    mx, my = statistics.fmean(x), statistics.fmean(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y)) / sum((a - mx) ** 2 for a in x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two sizes, few steps: does it still run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "float64"], nargs="*", default=["float64", "float32"])
    parser.add_argument("--tool", type=pathlib.Path, default=data.ROOT / "build" / "release" / "bin" / "assay")
    words = parser.parse_args()
    sizes = [500, 2000] if words.quick else [2000, 6300, 20000, 63000, 200000]
    steps, repeats = (8, 1) if words.quick else (24, words.repeats)
    data.WORK.mkdir(parents=True, exist_ok=True)
    print("| row | " + " | ".join(f"n = {n}" for n in sizes) + " | exponent | peak MiB | bytes a row beyond X |")
    print("|---" * (len(sizes) + 4) + "|")
    for dtype in words.dtype[:1] if words.quick else words.dtype:
        for name, lines in SOLVERS.items():
            seconds, peaks = [], []
            for n in sizes:
                t, peak = step(words.tool, data.WORK, lines, blobs(data.WORK, n, dtype), 4, steps,
                               repeats * (4 if n < 20000 else 1))
                seconds.append(t)
                peaks.append(peak)
            beyond = (peaks[-1] - peaks[-2]) / (sizes[-1] - sizes[-2]) - COLUMNS * np.dtype(dtype).itemsize
            cells = [f"{1000 * t:.3g}" for t in seconds] + [f"{exponent(sizes, seconds):.2f}", f"{peaks[-1] / 2**20:.0f}"]
            print(f"| {name}, {dtype} | " + " | ".join(cells) + f" | {beyond:.0f} |", flush=True)


if __name__ == "__main__":
    main()
