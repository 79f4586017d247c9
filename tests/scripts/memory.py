# SPDX-License-Identifier: Apache-2.0
# What a fit takes beyond X does not grow with the rows, but for a few numbers a row that the method has to know (its label,
# its bounds). Peak memory of a small and of a large X, less X itself. Usage: memory.py SOURCE BUILD
# labels: quick
import array
import os
import pathlib
import random
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(sys.argv[2]) / "bin" / "assay"
COLUMNS = 8
ROWS = (400000, 1200000)
# Bytes a row beyond X. lloyd: label, distance, distance from the reference, bounds of its groups of centroids, and the label
# once more where the model is written. em: nothing but the log-density where it is summed row by row.
MOST = {
    "lloyd": (112, "model: { rank: 50, loss: squared }\ninit: random_rows\nsolver: lloyd\n"),
    "em": (80, "model: { kind: mixture, components: 10, density: { use: gaussian, covariance: full } }\n"
               "init: random_rows\nsolver: { use: em, start: means }\n"),
    "simplex_bound": (80, "model: { rank: 10, loss: squared }\ninit: random_rows\nsolver: simplex_bound\n"),
}


def write_npy(path, rows):
    rng = random.Random(1)
    line = array.array("f", (rng.gauss(0, 1) for _ in range(1009 * COLUMNS)))  # over and over
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, COLUMNS)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
        left = rows
        while left > 0:
            some = min(left, 1009)
            out.write(line[: some * COLUMNS].tobytes())
            left -= some


def peak(folder, name, rows, lines):
    spec = folder / f"{name}{rows}.yaml"
    spec.write_text(f"assay: 1\nname: {name}{rows}\ndata: {{ use: npy, path: {folder}/{rows}.npy }}\n{lines}"
                    "stop: { max_iter: 3, rel_tol: 0 }\nmeasure: { every: 1, metrics: [objective] }\nthreads: 1\n")
    run = subprocess.Popen([str(TOOL), "run", str(spec), "-o", str(folder / f"{name}{rows}"), "--quiet"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    text = run.stderr.read().decode()
    _, status, usage = os.wait4(run.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{name}, {rows} rows: {text}")
    return usage.ru_maxrss * 1024


def main():
    if b"__asan_init" in TOOL.read_bytes() or b"__tsan_init" in TOOL.read_bytes():
        print("a sanitizer keeps memory of its own")
        return 77
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for rows in ROWS:
            write_npy(folder / f"{rows}.npy", rows)
        for solver, (most, lines) in MOST.items():
            small, large = (peak(folder, solver, rows, lines) for rows in ROWS)
            beyond = (large - small) / (ROWS[1] - ROWS[0]) - 4 * COLUMNS
            print(f"{solver}: {beyond:.0f} bytes a row beyond X, at most {most}")
            failures += beyond > most
    return failures


if __name__ == "__main__":
    sys.exit(main())
