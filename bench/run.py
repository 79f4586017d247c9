#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""This project against its peers: same data, same start, same number of steps, same threads, interleaved repeats.

Prints one line per row (medians, the ratio, the goal, the objective both reached) and writes JSON. A row whose sides
reach different objectives has failed, however fast it was; a peer that is not installed is reported missing.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

import data
import ours
import rows

PEER_PYTHON = data.WORK / "peers" / "bin" / "python"
# Peers choose their own kernels; the limits some systems set for old OpenBLAS builds are not theirs.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def peer_environment(threads):
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    pinned = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS")}
    return {**kept, **pinned}


def run_sklearn(row, path, start, steps, threads, curve=()):
    """One run of the peer in a process of its own; None when it is not installed."""
    if not PEER_PYTHON.exists():
        return None
    job = {"data": str(path), "start": str(start), "loss": row.loss, "steps": steps,
           "solver": {"mu": "mu", "online": "minibatch"}.get(row.solver, "cd"), "curve": curve}
    done = subprocess.run([str(PEER_PYTHON), str(data.ROOT / "bench" / "peers" / "sklearn_nmf.py")],
                          input=json.dumps(job), text=True, capture_output=True, env=peer_environment(threads), check=False)
    if done.returncode:
        raise ours.Failed(done.stderr)
    return json.loads(done.stdout)


def run_handwritten(row, path, start, steps, threads):
    """The hand-written C step, compiled for this machine; one thread."""
    del threads
    import numpy as np
    program = data.WORK / "mu_digits"
    source = data.ROOT / "bench" / "handwritten" / "mu_digits.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-std=gnu11", "-O3", "-march=native", "-o", str(program), str(source)], check=True)
    raw = {}
    with np.load(start) as arrays:
        for name, array in (("X", np.load(path)), ("W", arrays["W"]), ("H", arrays["H"])):
            raw[name] = data.WORK / f"{path.stem}.{name}.f64"
            array.astype(np.float64).tofile(raw[name])
    n, d = np.load(path, mmap_mode="r").shape
    done = subprocess.run([str(program), str(n), str(d), str(steps), "7", *(str(raw[name]) for name in "XWH")],
                          text=True, capture_output=True, check=True)
    seconds, objective = map(float, done.stdout.split())
    return {"peer": "hand-written C, gcc -O3 -march=native", "seconds_per_step": seconds, "objective": objective}


def run_builtin(row, path, start, steps, threads):
    """This project with the built-in loss, for rows that run a plugin of somebody else's."""
    builtin = dataclasses.replace(row, loss=row.reference_loss)
    result = ours.run(ARGUMENTS.tool, builtin, path, start, steps, threads)
    return {"peer": f"built-in `{row.reference_loss}`", **result}


def run_rcppml(row, path, start, steps, threads):
    """RcppML's NMF, which takes no start: seconds of one call and the objective it reached."""
    del start
    if not shutil.which("Rscript"):
        return None
    done = subprocess.run(["Rscript", str(data.ROOT / "bench" / "peers" / "rcppml.R"), str(path), str(row.rank), str(threads),
                           "1", ",".join(map(str, steps if isinstance(steps, list) else [steps]))],
                          text=True, capture_output=True, env=peer_environment(threads), check=False)
    if done.returncode:
        if "there is no package called" in done.stderr:
            return None
        raise ours.Failed(done.stderr)
    *lines, version = done.stdout.splitlines()
    curve = [(int(n), float(seconds), float(F)) for n, seconds, F in map(str.split, lines)]
    return {"peer": version.strip("# "), "curve": curve, "seconds": curve[-1][1], "objective": curve[-1][2],
            "seconds_per_step": curve[-1][1] / curve[-1][0]}


def run_decomposition(row, path, threads):
    """scikit-learn's PCA or TruncatedSVD, or oneDAL's in its place."""
    if not PEER_PYTHON.exists():
        return None
    kind, method = row.peer_method.split()
    job = {"data": str(path), "kind": kind, "method": method, "rank": row.rank, "intelex": row.peer == "onedal"}
    done = subprocess.run([str(PEER_PYTHON), str(data.ROOT / "bench" / "peers" / "sklearn_svd.py")],
                          input=json.dumps(job), text=True, capture_output=True, env=peer_environment(threads), check=False)
    if "No module named 'sklearnex'" in done.stderr:
        return None
    if done.returncode:
        raise ours.Failed(done.stderr)
    return json.loads(done.stdout)


def run_mlp(row, path, start, steps, threads):
    """scikit-learn's MLPRegressor of the same layers; None when it is not installed."""
    del start
    if not PEER_PYTHON.exists():
        return None
    job = {"data": str(path), "steps": steps, "layers": row.layers}
    done = subprocess.run([str(PEER_PYTHON), str(data.ROOT / "bench" / "peers" / "sklearn_mlp.py")],
                          input=json.dumps(job), text=True, capture_output=True, env=peer_environment(threads), check=False)
    if done.returncode:
        raise ours.Failed(done.stderr)
    return json.loads(done.stdout)


def run_kmeans(row, path, start, steps, threads):
    """A loop of k-means from the same centroids; None when it is not installed."""
    if not PEER_PYTHON.exists():
        return None
    job = {"data": str(path), "start": str(start), "steps": steps, "threads": threads, "method": row.peer}
    done = subprocess.run([str(PEER_PYTHON), str(data.ROOT / "bench" / "peers" / "sklearn_kmeans.py")],
                          input=json.dumps(job), text=True, capture_output=True, env=peer_environment(threads), check=False)
    if "No module named" in done.stderr:
        return None
    if done.returncode:
        raise ours.Failed(done.stderr)
    return json.loads(done.stdout)


def run_gmm(row, path, start, steps, threads):
    """scikit-learn's GaussianMixture, or oneDAL's; None when it is not installed."""
    if not PEER_PYTHON.exists():
        return None
    job = {"data": str(path), "start": str(start), "steps": steps, "threads": threads, "onedal": row.peer == "onedal_gmm"}
    done = subprocess.run([str(PEER_PYTHON), str(data.ROOT / "bench" / "peers" / "sklearn_gmm.py")],
                          input=json.dumps(job), text=True, capture_output=True, env=peer_environment(threads), check=False)
    if "No module named 'daal4py'" in done.stderr:
        return None
    if done.returncode:
        raise ours.Failed(done.stderr)
    return json.loads(done.stdout)


KMEANS = ("lloyd", "elkan", "onedal_kmeans", "faiss")
GMM = ("gmm", "onedal_gmm")
PEERS = {**dict.fromkeys(KMEANS, run_kmeans), **dict.fromkeys(GMM, run_gmm), "rcppml": run_rcppml, "mlp": run_mlp,
         "sklearn": run_sklearn, "handwritten": run_handwritten, "builtin": run_builtin}


def allowed_mib(row, path, shape):
    """TARGETS: 1.15 x (X as stored + factors + results) + 64 MiB. Results are the factors once more, as saved."""
    size = 4 if row.dtype == "float32" else 8
    n, d = shape
    if path.suffix in (".mtx", ".npz"):
        nnz = data.stored_entries(path)
        # And the index by columns, which the log names.
        stored = 2 * nnz * (size + 4) + (n + d + 2) * 8
    else:
        stored = n * d * size
    factors = (n + d) * row.rank * 8
    return (1.15 * (stored + 2 * factors)) / 2**20 + 64


# Steps this project may take to reach a peer's objective.
PATIENCE = 500


def run_until(row, repeats, threads, report, path, start):
    """A row about time to an objective: the peer's, at the end of its steps; starts differ."""
    mine, theirs = [], []
    for _ in range(repeats):
        theirs.append(PEERS[row.peer](row, path, start, row.steps, threads))
        if theirs[0] is None:
            return {**report, "status": "missing", "reason": f"peer `{row.peer}` is not installed: bench/peers/setup.sh"}
        mine.append(ours.run(ARGUMENTS.tool, row, path, start, PATIENCE, threads, every=1))
    goal = theirs[0]["objective"]
    reached = [[point for point in m["curve"] if point[2] <= goal] for m in mine]
    if not all(reached):
        return {**report, "status": "failed", "reason": f"{mine[0]['objective']:.8g} after {PATIENCE} steps, peer {goal:.8g}"}
    steps, _, objective = reached[0][0]
    ratios = [t["seconds"] / points[0][1] for t, points in zip(theirs, reached)]
    report |= {
        "steps": steps, "peer_steps": row.steps, "threads": threads, "seconds": statistics.median(p[0][1] for p in reached),
        "seconds_per_step": statistics.median(p[0][1] for p in reached) / steps, "objective": objective,
        "peer": theirs[0]["peer"], "peer_seconds": statistics.median(t["seconds"] for t in theirs),
        "peer_seconds_per_step": statistics.median(t["seconds_per_step"] for t in theirs), "peer_objective": goal,
        "objective_difference": (goal - objective) / goal, "ratios": ratios, "ratio": statistics.median(ratios),
        "peak_mib": max(m["peak_mib"] for m in mine), "allowed_mib": allowed_mib(row, path, report["shape"]),
    }
    return {**report, "reached": report["ratio"] >= row.goal, "status": "ok"}


def run_spectral(row, repeats, threads, report, path):
    """A row about singular vectors: seconds of the whole, ours at least as near to the data."""
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(ours.run(ARGUMENTS.tool, row, path, "", 1, threads))
        theirs.append(run_decomposition(row, path, threads))
        if theirs[0] is None:
            return {**report, "status": "missing", "reason": f"peer `{row.peer}` is not installed: bench/peers/setup.sh"}
    ratios = [t["seconds"] / m["seconds"] for m, t in zip(mine, theirs)]
    objective, goal = mine[0]["objective"], theirs[0]["objective"]
    seconds = statistics.median(m["seconds"] for m in mine)
    peer_seconds = statistics.median(t["seconds"] for t in theirs)
    report |= {
        "threads": threads, "seconds": seconds, "seconds_per_step": seconds, "all_seconds": [m["seconds"] for m in mine],
        "objective": objective, "peer": theirs[0]["peer"], "peer_kernel": theirs[0]["threads"], "peer_seconds": peer_seconds,
        "peer_seconds_per_step": peer_seconds, "peer_peak_mib": theirs[0]["peak_mib"], "peer_objective": goal,
        "objective_difference": (goal - objective) / goal, "ratios": ratios, "ratio": statistics.median(ratios),
        "peak_mib": max(m["peak_mib"] for m in mine), "allowed_mib": allowed_mib(row, path, report["shape"]),
    }
    if objective > goal * (1 + row.tolerance):
        return {**report, "status": "failed", "reason": f"the peer's objective is lower, by {objective / goal - 1:.2e} relative"}
    return {**report, "reached": report["ratio"] >= row.goal, "status": "ok"}


def run_row(row, repeats, threads):
    """The report of one row: medians over repeats in which both sides took turns."""
    report = {"row": row.name, "goal": row.goal, "loss": row.loss, "dtype": row.dtype}
    try:
        if not row.peer_method and row.solver not in ours.listed(ARGUMENTS.tool, "solvers"):
            raise data.Missing(f"solver `{row.solver}` is not among the plugins")
        if "." not in row.loss and row.loss not in ours.listed(ARGUMENTS.tool, "losses"):
            raise data.Missing(f"loss `{row.loss}` is not among the plugins")
        path, shape = row.data()
        plugin_dir = row.plugin_dir() if row.plugin_dir else None
    except data.Missing as missing:
        return {**report, "status": "skipped", "reason": str(missing)}
    threads = row.threads or threads
    if row.peer_method:
        return run_spectral(row, repeats, threads, {**report, "shape": shape}, path)
    start = data.start_rows(path, row.rank) if row.clusters or row.mixture else data.start(shape, row.rank, row.mean)
    if row.until:
        return run_until(row, repeats, threads, {**report, "shape": shape}, path, start)
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(ours.run(ARGUMENTS.tool, row, path, start, row.steps, threads, plugin_dir))
        theirs.append(PEERS[row.peer](row, path, start, row.steps, threads) if row.peer else None)
    objective = mine[0]["objective"]
    report |= {
        "steps": row.steps, "threads": threads, "shape": shape,
        "seconds_per_step": statistics.median(m["seconds_per_step"] for m in mine),
        "all_seconds": [m["seconds_per_step"] for m in mine],
        "objective": objective, "peak_mib": max(m["peak_mib"] for m in mine),
        "allowed_mib": allowed_mib(row, path, shape),
    }
    if mine[0]["steps"] != row.steps:
        return {**report, "status": "failed", "reason": f"stopped after {mine[0]['steps']} steps"}
    report["memory_ok"] = report["peak_mib"] <= report["allowed_mib"]
    if not row.peer:
        text = f"peak {report['peak_mib']:.0f} MiB, allowed {report['allowed_mib']:.0f}"
        return {**report, "status": "memory" if report["memory_ok"] else "failed", "reason": text}
    if theirs[0] is None:
        return {**report, "status": "missing", "reason": f"peer `{row.peer}` is not installed: bench/peers/setup.sh"}
    difference = abs(objective - theirs[0]["objective"]) / abs(theirs[0]["objective"])
    ratios = [t["seconds_per_step"] / m["seconds_per_step"] for m, t in zip(mine, theirs)]
    report |= {
        "peer": theirs[0]["peer"], "peer_kernel": theirs[0].get("threads"),
        "peer_seconds_per_step": statistics.median(t["seconds_per_step"] for t in theirs),
        "peer_peak_mib": theirs[0].get("peak_mib"), "peer_objective": theirs[0]["objective"],
        "objective_difference": difference, "ratios": ratios, "ratio": statistics.median(ratios),
    }
    if not difference <= row.tolerance:
        return {**report, "status": "failed", "reason": f"objectives differ by {difference:.2e} relative"}
    report["reached"] = report["ratio"] >= row.goal
    return {**report, "status": "ok"}


def line(report):
    """A row of the printed table."""
    text = f"{report['row']:36}"
    if "seconds_per_step" in report:
        text += f" {report['seconds_per_step'] * 1e3:9.3f} ms"
    if "ratio" in report:
        text += (f" {report['peer_seconds_per_step'] * 1e3:9.3f} ms {report['ratio']:7.2f} x {report['goal']:6.2f} x"
                 f"  {'yes' if report.get('reached') else 'no':3}  {report['objective_difference']:8.1e}"
                 f" {report['peak_mib']:7.0f} {report['allowed_mib']:7.0f}")
    if report["status"] != "ok":
        text += f"  {report['status']}: {report['reason']}"
    return text


def machine():
    model = "unknown"
    for text in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines():
        if text.startswith("model name"):
            model = text.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
            "avx512": "avx512f" in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="names of rows, or parts of them (default: all)")
    parser.add_argument("--quick", action="store_true", help="small rows, one repeat: does everything still start and agree")
    parser.add_argument("--repeats", type=int, help="turns per row (default 5; 1 with --quick)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tool", type=pathlib.Path, default=data.ROOT / "build" / "release" / "bin" / "assay")
    parser.add_argument("--json", type=pathlib.Path, default=data.WORK / "results.json")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    return parser.parse_args(argv)


def main():
    chosen = rows.quick() if ARGUMENTS.quick else rows.full()
    if ARGUMENTS.rows:
        chosen = [row for row in chosen if any(part in row.name for part in ARGUMENTS.rows)]
    if ARGUMENTS.list:
        print("\n".join(f"{row.name:36} " + (f"against {row.peer}, goal {row.goal} x" if row.peer else "memory") for row in chosen))
        return 0
    repeats = ARGUMENTS.repeats or (1 if ARGUMENTS.quick else 5)
    load = os.getloadavg()[0]
    if load > 0.5 and not ARGUMENTS.quick:
        print(f"warning: the machine is busy (load {load:.1f}): a peer whose threads wait for each other suffers most, "
              "these ratios say little")
    print(f"{'row':36} {'ours':>12} {'peer':>12} {'ratio':>9} {'goal':>8}  met  {'dF/F':>8} {'MiB':>7} {'allowed':>7}")
    reports = []
    for row in chosen:
        try:
            reports.append(run_row(row, repeats, ARGUMENTS.threads))
        except ours.Failed as failed:
            reports.append({"row": row.name, "goal": row.goal, "status": "failed", "reason": str(failed)})
        print(line(reports[-1]), flush=True)
    for text in sorted({f"{r['peer']}; {r['peer_kernel']}" for r in reports if r.get("peer_kernel")}):
        print(f"peer: {text}")
    ARGUMENTS.json.parent.mkdir(parents=True, exist_ok=True)
    ARGUMENTS.json.write_text(json.dumps({"machine": machine(), "load_before": load, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                                          "repeats": repeats, "rows": reports}, indent=1) + "\n", encoding="utf-8")
    print(f"written: {ARGUMENTS.json}")
    return 1 if any(report["status"] == "failed" for report in reports) else 0


if __name__ == "__main__":
    ARGUMENTS = parse(sys.argv[1:])
    sys.exit(main())
