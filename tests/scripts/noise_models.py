# SPDX-License-Identifier: Apache-2.0
# configs/noise_models.yaml with fewer steps and starts: under each noise the loss that is its likelihood comes nearest to
# the true factors, by a run's own numbers: of the starts of a pair the one of lowest objective counts.
# labels: quick

import csv
import pathlib
import subprocess
import sys
import tempfile

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
MATCHING = {"normal": "squared", "laplace": "l1", "poisson": "kl", "gamma": "itakura_saito"}


def read(path):
    """{(noise, loss): {repeat: {metric: value}}} of a run's results.csv."""
    pairs = {}
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert row["status"] == "ok", row
            pair = pairs.setdefault((row["data.noise"], row["model.loss"].split("(")[0].strip()), {})
            pair.setdefault(row["repeat"], {})[row["metric"]] = float(row["value"])
    return pairs


def error_of(repeats):
    """factor_error of the start of lowest objective."""
    return min(repeats.values(), key=lambda metrics: metrics["objective"])["factor_error"]


def winners(pairs):
    """The loss of smallest factor error for each noise, and the errors."""
    errors = {}
    for (noise, loss), repeats in pairs.items():
        errors.setdefault(noise, {})[loss] = error_of(repeats)
    return {noise: min(by_loss, key=by_loss.get) for noise, by_loss in errors.items()}, errors


def main():
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "run"
        subprocess.run([str(BUILD / "bin" / "assay"), "run", str(SOURCE / "configs" / "noise_models.yaml"),
                        "stop.max_iter=1500", "repeats=2", "-o", str(out), "--quiet"], check=True)
        pairs = read(out / "results.csv")
    assert len(pairs) == 16, sorted(pairs)
    found, errors = winners(pairs)
    for noise, by_loss in errors.items():
        print(f"{noise:8}", "  ".join(f"{loss} {error:.4f}" for loss, error in by_loss.items()))
    assert found == MATCHING, found


main()
