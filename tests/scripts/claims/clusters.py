# SPDX-License-Identifier: Apache-2.0
# What specs of clusterings claim.
import subprocess

from claims.results import run, SOURCE, table, TOOL


def iris(folder):
    """The proven optimum of three clusters."""
    (inertia,) = run("iris", folder).values("inertia")
    assert abs(inertia - 78.85144) < 1e-5, inertia


def digits_clusters(folder):
    """The best of ten starts is within 2 % of the best known inertia; rows and batches come within 10 %."""
    done = run("digits_clusters", folder)
    for solver, most in (("lloyd", 1.02), ("batches", 1.1), ("rows", 1.1)):
        found = done.values("inertia", solver=solver)
        assert len(found) == 2 and 69404.7 <= min(found) <= most * 69404.73, (solver, found)


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
