# SPDX-License-Identifier: Apache-2.0
# Specs of gradient steps, against the formulas of the notes.
import subprocess

from .results import array, run, SOURCE, table


def line_fit(folder):
    """a and b after each step are those of the notes' update, and in the end the least-squares line."""
    xs = [float(r["x"]) for r in table(SOURCE / "configs/data/line/x.csv")]
    ys = table(SOURCE / "configs/data/line/y.csv")
    for steps in (1, 2, 3, 10, 200):
        trial, = run("line_fit", folder, f"stop.max_iter={steps}", f"name=line-fit-{steps}", "stop.rel_tol=0", "stop.patience=0").trials()[-1:]
        H = array(trial / "model.npz", "H")
        for column, name in enumerate(("first", "second")):
            a = b = 0.0
            for _ in range(steps):
                errors = [float(y[name]) - (a * x + b) for x, y in zip(xs, ys)]
                a, b = a + 0.1 * sum(e * x for e, x in zip(errors, xs)) / len(xs), b + 0.1 * sum(errors) / len(xs)
            assert abs(H[0][column] - a) < 1e-12 and abs(H[1][column] - b) < 1e-12, (steps, name, H, a, b)
        subprocess.run(["rm", "-rf", str(folder / "line_fit")], check=True)


def step_size(folder):
    """Too short is slow, 1 / L is best of the steps, far beyond ends far off, and without a bound diverges."""
    result = run("step_size", folder)
    F = {s: result.values("objective", solver=s)[0] for s in ("mu", "0.1 / L", "0.3 / L", "1 / L", "3 / L", "10 / L")}
    assert F["0.1 / L"] > F["0.3 / L"] > F["1 / L"], F
    assert F["0.1 / L"] > 1.1 * F["mu"] and F["1 / L"] < 1.1 * F["mu"], F
    assert min(F["3 / L"], F["10 / L"]) > 5 * F["1 / L"], F
    status = {r["solver"]: r["status"] for r in result.rows}
    assert all(status[s] == "diverged" for s in status if s.startswith(("3 / L", "10 / L"))), status
    assert not any(status[s] == "diverged" for s in ("mu", "0.1 / L", "0.3 / L", "1 / L")), status
