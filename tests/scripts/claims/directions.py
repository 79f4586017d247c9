# SPDX-License-Identifier: Apache-2.0
# Specs of directions of signed factors: principal components, completion, autoencoders.
import csv
import math
import operator
import subprocess

from .results import array, pictures_of_digits, run, SOURCE, table, TOOL


def eigendigits(folder):
    """Eigenvectors of the covariance, none of a larger eigenvalue left out; whitened scores are uncorrelated in one plane."""
    result = run("eigendigits", folder)
    plain, white = (result.trials(solver=solver)[0] / "model.npz" for solver in ("pca", "whitened"))
    H, variances = array(plain, "components"), array(plain, "explained_variance")[0]
    X = [[v / 16 for v in row] for row in pictures_of_digits()]
    centred = [[v - sum(column) / len(X) for v in column] for column in zip(*X)]
    C = [[sum(map(operator.mul, a, b)) / (len(X) - 1) for b in centred] for a in centred]
    for h, variance in zip(H, variances):
        image = [sum(map(operator.mul, row, h)) for row in C]
        assert all(abs(v - variance * u) < 1e-9 for u, v in zip(h, image)), variance
        assert min(h) < -0.1 and max(h) > 0.1
    # What is left of the variance when they are taken away is spread over directions of at most the last one's.
    C = [[v - sum(s * h[i] * h[j] for s, h in zip(variances, H)) for j, v in enumerate(row)] for i, row in enumerate(C)]
    x = [math.sin(i + 1) for i in range(64)]
    for _ in range(200):
        x = [sum(map(operator.mul, row, x)) for row in C]
        largest = sum(v * v for v in x) ** 0.5
        x = [v / largest for v in x]
    assert 0.5 * variances[-1] < largest <= variances[-1] * (1 + 1e-9) and list(variances) == sorted(variances, reverse=True)
    F = result.values("objective")
    assert abs(F[0] - F[1]) < 1e-9 * F[0], F
    assert all(abs(a - b) < 1e-12 for one, other in zip(H, array(white, "components")) for a, b in zip(one, other))
    scores = list(zip(*array(white, "W")))
    products = [[sum(map(operator.mul, a, b)) / (len(X) - 1) for b in scores] for a in scores]
    assert all(abs(v - (i == j)) < 1e-9 for i, row in enumerate(products) for j, v in enumerate(row)), products


def pca_fashion(folder):
    """Randomized components leave what the exact ones leave; the third trial has the fewest that keep four fifths."""
    result = run("pca_fashion", folder)
    gram, randomized, fraction = result.values("objective")
    assert abs(randomized - gram) < 1e-6 * gram < fraction - gram, (gram, randomized, fraction)
    shares = [v for v in array(result.trials(solver="fraction")[0] / "model.npz", "explained_variance_ratio")[0] if v]
    assert sum(shares) >= 0.8 > sum(shares[:-1]) and len(shares) < 50, shares


def svd_methods(folder):
    """All methods end at the best objective there is; random columns without a power do not, and are above it."""
    result = run("svd_methods", folder)
    F = {r["solver"]: float(r["value"]) for r in result.rows if r["metric"] == "objective"}
    short = F.pop("randomized without power")
    assert max(F.values()) < min(F.values()) * (1 + 1e-9) and short > max(F.values()), F


def lsi(folder):
    """The five nearest abstracts of each query are of its field; each abstract is nearest to itself, then to its field."""
    trial, = run("lsi", folder).trials()
    spec = (SOURCE / "configs" / "lsi.yaml").read_text(encoding="utf-8")
    queries = SOURCE / "configs/data/arxiv-abstracts/queries.txt"
    assert "# " in spec and "assay nearest" in spec and queries.name in spec, "the head says how to ask"

    def nearest(data, top):
        words = [str(TOOL), "nearest", str(trial / "model.npz"), str(data), "--top", top, "--csv"]
        found = {}
        for row in csv.DictReader(subprocess.run(words, text=True, capture_output=True, check=True).stdout.splitlines()):
            found.setdefault(row["query"], []).append(row)
        return found

    labels = {query: [row["label"] for row in rows] for query, rows in nearest(queries, "5").items()}
    assert labels == {"1": ["cs.RO"] * 5, "2": ["q-bio.PE"] * 5, "3": ["cs.CR"] * 5}, labels
    pairs = nearest(queries.with_name("abstracts.tsv.gz"), "2")
    assert len(pairs) == 1000 and all(pair[0]["name"] == query for query, pair in pairs.items())
    alike = sum(pair[0]["label"] == pair[1]["label"] for pair in pairs.values())
    assert alike > 850, f"{alike} of 1000 have a neighbour of their field"


def logistic_pca(folder):
    """Held-out pixels are told better with every component more, by 2 already better than by each pixel's share."""
    result = run("logistic_pca", folder)
    black = [[v > 7.5 for v in row] for row in pictures_of_digits()]
    shares = [(sum(pixel) + 0.5) / (len(black) + 1) for pixel in zip(*black)]
    told = sum(math.log(p if v else 1 - p) for row in black for p, v in zip(shares, row))
    held = [v / (0.1 * len(black) * len(shares)) for v in result.values("heldout.log_likelihood")]
    assert told / (len(black) * len(shares)) + 0.01 < held[0] < held[1] < held[2] < held[3], (told, held)
    assert abs(held[0] + 0.37) < 0.02 and abs(held[3] + 0.27) < 0.02, held
    errors = result.values("heldout.rmse")
    assert 0.5 > errors[0] > errors[1] > errors[2] > errors[3], errors


def robust_pca(folder):
    """Under huber W H is the clean matrix to about the noise, under squares it is not; the residual lists the errors."""
    data = SOURCE / "configs/data/robust"
    clean = [[float(v) for v in row.values()] for row in table(data / "clean.csv")]
    off = {}
    for trial in run("robust_pca", folder).trials():
        W, H = array(trial / "model.npz", "W"), array(trial / "model.npz", "H")
        squares = [(sum(w * h[j] for w, h in zip(row, H)) - value) ** 2 for row, truth in zip(W, clean)
                   for j, value in enumerate(truth)]
        robust = '"huber"' in (trial / "config.json").read_text(encoding="utf-8")
        off[robust] = (sum(squares) / len(squares)) ** 0.5
        if robust:
            words = [str(TOOL), "residual", str(trial / "model.npz"), str(data / "x.csv"), "-o", str(folder / "S.csv")]
            subprocess.run(words, check=True, capture_output=True)
    assert off[True] < 0.05 and off[False] > 1, off
    found, errors = ({(r["row"], r["column"]): float(r["value"]) for r in table(path)}
                     for path in (folder / "S.csv", data / "errors.csv"))
    assert found.keys() == errors.keys() and len(found) == 96, found.keys() ^ errors.keys()
    # Each is drawn towards 0 by delta, give or take the noise.
    assert all(0 < (abs(errors[e]) - abs(found[e])) < 0.6 and errors[e] * found[e] > 0 for e in errors)


def completion(folder):
    """Soft-impute guesses hidden pixels better than any rank alone, and what is kept is the best guess."""
    result = run("completion", folder)
    held = result.values("heldout.rmse")
    assert len(held) == 4 and max(held[2:]) < min(held[:2]), held
    for trial, kept in zip(result.trials(), held):
        best = min(float(row["heldout.rmse"]) for row in table(trial / "trace.csv") if row["heldout.rmse"])
        assert abs(kept - best) <= 1e-12 * best, (kept, best)


def autoencoders(folder):
    """Linear ones, tied or not, end near the error of the best rank 16 about the means; the deep one is below it."""
    result = run("autoencoders", folder)
    linear, tied, deep, noisy = result.values("objective")
    assert abs(linear - tied) < 0.01 * linear and deep < 0.9 * linear and linear < noisy < 2 * linear, (linear, tied, deep, noisy)


def variational(folder):
    """Above the held-out log-likelihood of ten Bernoulli components on the same rows, -19.7 nats; digits are drawn."""
    result = run("variational", folder, "repeats=1")
    assert result.values("heldout.elbo")[0] > -19, result.values("heldout.elbo")
    trial, = result.trials()
    for name in ("samples", "interpolation"):
        assert (trial / "pictures" / f"{name}.png").stat().st_size > 1000
