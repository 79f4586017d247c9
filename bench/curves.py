#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Objective against seconds for every solver, with the peers' curves beside: build/bench/curves.{json,svg}.

Two problems, squared loss: Fashion-MNIST (dense) and the counts of 2500 abstracts (sparse). All of ours and scikit-learn
begin from the same factors; RcppML takes no start. Drawn is the distance to the best objective anybody reached, relative;
the table says when each came within 1 % and 0.1 % of it.
"""
import argparse
import json
import math
import pathlib
import sys

import data
import ours
import rows
import run
import svg

# Solvers of ours that fit a plain non-negative factorization, with options that make them what people use.
SOLVERS = {
    "mu": "mu", "hals": "hals", "cd": "cd", "anls_bpp": "anls_bpp", "admm": "admm", "palm": "palm",
    "gradient": "gradient", "gradient, accelerated": "{ use: gradient, accelerated: true }", "online": "online",
}
WITHIN = (1e-2, 1e-3)


def problems(quick):
    """Name -> (the row that describes it, steps of ours, steps at which peers are looked at)."""
    steps, looks = (20, [1, 2, 5, 10, 20]) if quick else (150, [1, 2, 5, 10, 20, 40, 80, 150])
    dense = rows.digits() if quick else rows.fashion(60000)
    sparse = (lambda: data.zipf_words(300, 500, 40)) if quick else data.abstracts
    return {
        "digits" if quick else "fashion": (rows.Row("dense", dense, "squared", "sklearn", 0, rows.FASHION_MEAN), steps, looks),
        "words" if quick else "abstracts": (rows.Row("sparse", sparse, "squared", "sklearn", 0, rows.WORDS_MEAN), steps, looks),
    }


def our_curves(row, path, start, steps, known):
    """(name, [(seconds, objective)]) of each solver that is built and takes the problem."""
    for name, spec in SOLVERS.items():
        if (spec.split("use: ")[-1].split(",")[0].strip(" }") if "use:" in spec else spec) not in known:
            yield name, None, "not built"
            continue
        one = rows.dataclasses.replace(row, solver=spec)
        try:
            result = ours.run(ARGUMENTS.tool, one, path, start, steps, ARGUMENTS.threads, every=max(1, steps // 50))
        except ours.Failed as failed:
            yield name, None, str(failed).splitlines()[1]
            continue
        yield name, [(seconds, F) for _, seconds, F in result["curve"]], ""


def peer_curves(row, path, start, looks):
    for solver in ("mu", "cd"):
        one = rows.dataclasses.replace(row, solver=solver)
        result = run.run_sklearn(one, path, start, looks[-1], ARGUMENTS.threads, looks)
        yield f"scikit-learn {solver}", result and [(seconds, F) for _, seconds, F in result["curve"]]
    if path.suffix == ".mtx":
        result = run.run_rcppml(row, path, start, looks, ARGUMENTS.threads)
        yield "RcppML", result and [(seconds, F) for _, seconds, F in result["curve"]]


def first_within(curve, best, share):
    return next((seconds for seconds, F in curve if F <= best * (1 + share)), None)


def panel(name, row, steps, looks, known):
    """All curves of one problem, and the table of when each got near the best."""
    path, shape = row.data()
    start = data.start(shape, row.rank, row.mean)
    curves, missing = {}, {}
    for label, curve, why in our_curves(row, path, start, steps, known):
        curves.update({label: curve} if curve else {})
        missing.update({} if curve else {label: why})
    for label, curve in peer_curves(row, path, start, looks):
        curves.update({label: curve} if curve else {})
        missing.update({} if curve else {label: "not installed"})
    best = min(F for curve in curves.values() for _, F in curve)
    print(f"{name}: best objective {best:.8g}")
    for label, curve in curves.items():
        times = [first_within(curve, best, share) for share in WITHIN]
        texts = ["never" if t is None else f"{t * 1e3:.0f} ms" for t in times]
        print(f"  {label:24} within 1 %: {texts[0]:>10}   within 0.1 %: {texts[1]:>10}   last {curve[-1][1]:.8g}")
    for label, why in missing.items():
        print(f"  {label:24} missing: {why}")
    return {"best": best, "curves": curves, "missing": missing}


def picture(panels):
    """Distance to the best, relative, over seconds; peers dashed."""
    drawn = []
    for name, p in panels.items():
        lines = {}
        for label, curve in p["curves"].items():
            points = [(math.log10(s), math.log10(F / p["best"] - 1)) for s, F in curve if s > 0 and F > p["best"] * (1 + 1e-6)]
            lines[label] = (points, label.startswith(("scikit", "Rcpp")))
        drawn.append((name, lines))
    return svg.panels(drawn, "seconds inside steps", "F / best - 1")


def main():
    known = ours.listed(ARGUMENTS.tool, "solvers")
    panels = {name: panel(name, *given, known) for name, given in problems(ARGUMENTS.quick).items()}
    out = ARGUMENTS.out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps({"machine": run.machine(), "problems": panels}, indent=1) + "\n")
    out.with_suffix(".svg").write_text(picture(panels))
    print(f"written: {out.with_suffix('.json')}, {out.with_suffix('.svg')}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small problems")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tool", type=pathlib.Path, default=data.ROOT / "build" / "release" / "bin" / "assay")
    parser.add_argument("--out", type=pathlib.Path, default=data.WORK / "curves")
    ARGUMENTS = parser.parse_args()
    sys.exit(main())
