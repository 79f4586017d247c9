# SPDX-License-Identifier: Apache-2.0
# Every spec of configs/ runs, and shows what its head says. Usage: configs.py SOURCE BUILD [--few-steps] [NAME...]
# labels: quick
"""Specs whose data may not be shipped name a file below data/get/; it is taken from $ASSAY_DATA (default: shared/data
beside the project), or the spec is skipped with the reason. A function of claims/ checks the spec of its name; specs without
one make a few steps; with --few-steps all of them do, and nothing is asked but that they run."""
import pathlib
import sys
import tempfile

from claims import clusters, directions, mixtures, parts, steps
from claims.results import run, Skip, SOURCE, TOOL

# What makes a spec small enough for a test that only asks whether it runs.
FEW_STEPS = ["stop.max_iter=3", "measure.every=1"]
SMALLER = {"fashion": ["data.rows=0:300"], "pca_fashion": ["data.rows=0:300"],
           "fashion_clusters": ["data.rows=0:300"]}
CHECKS = {f.__name__: f for module in (clusters, directions, mixtures, parts, steps) for f in vars(module).values()
          if getattr(f, "__module__", "") == module.__name__}


def main():
    if not TOOL.exists():
        print("skipped: the tool is not built")
        return 77
    few_steps = "--few-steps" in sys.argv[3:]
    named = [word for word in sys.argv[3:] if word != "--few-steps"]
    specs = sorted(p.stem for p in (SOURCE / "configs").glob("*.yaml"))
    assert not CHECKS.keys() - set(specs), f"checks of no spec: {CHECKS.keys() - set(specs)}"
    names = named or specs
    failed = skipped = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            try:
                if name in CHECKS and not few_steps:
                    CHECKS[name](pathlib.Path(temporary))
                else:
                    run(name, pathlib.Path(temporary), *FEW_STEPS, *SMALLER.get(name, []))
                print(f"{name}: ok", flush=True)
            except Skip as why:
                skipped += 1
                print(f"{name}: skipped: {why}", flush=True)
            except AssertionError as wrong:
                failed += 1
                print(f"{name}: failed: {wrong}", flush=True)
    print(f"{len(names) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
