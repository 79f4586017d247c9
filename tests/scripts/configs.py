# SPDX-License-Identifier: Apache-2.0
# Every spec of configs/ runs, and shows what its head says. Usage: configs.py SOURCE BUILD [--few-steps] [NAME...]
# labels: quick
"""Specs whose data may not be shipped name a file below data/get/; it is taken from $ASSAY_DATA (default: shared/data
beside the project), or the spec is skipped with the reason. Specs without a check of their own make a few steps; with
--few-steps all of them do, and nothing is asked but that they run."""
import csv
import math
import operator
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

SOURCE, BUILD = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
TOOL = BUILD / "bin" / "assay"
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", SOURCE.parent / "shared" / "data"))
# What makes a spec small enough for a test that only asks whether it runs.
FEW_STEPS = ["stop.max_iter=3", "measure.every=1"]
SMALLER = {"fashion": ["data.rows=0:300"], "pca_fashion": ["data.rows=0:300"]}


class Skip(Exception):
    """Why a spec cannot run here."""


class Run:
    """A finished run: rows of results.csv, and the folder of each trial by the value of its matrix keys."""

    def __init__(self, folder):
        self.folder = folder
        with open(folder / "results.csv", encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))

    def values(self, metric, **cell):
        return [float(r["value"]) for r in self.rows if r["metric"] == metric and self.is_of(r, cell) and r["value"]]

    def trials(self, **cell):
        ids = dict.fromkeys(r["trial"] for r in self.rows if r["trial"] and self.is_of(r, cell))
        return [self.folder / "trials" / i for i in ids]

    @staticmethod
    def is_of(row, cell):
        return all(row[key.replace("__", ".")] == value for key, value in cell.items())


def array(path, name):
    """A float64 matrix (or vector, as a row) out of a .npz, without NumPy."""
    with zipfile.ZipFile(path) as archive:
        raw = archive.read(name + ".npy")
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    width = int(re.search(rb"(\d+),?\)", raw[10:start])[1])
    flat = struct.unpack(f"<{(len(raw) - start) // 8}d", raw[start:])
    return [flat[i:i + width] for i in range(0, len(flat), width)]


def table(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cosines(columns):
    """The mean cosine of the angles between any two columns."""
    units = [[v / sum(w * w for w in column) ** 0.5 for v in column] for column in columns]
    pairs = [sum(map(operator.mul, a, b)) for i, a in enumerate(units) for b in units[:i]]
    return sum(pairs) / len(pairs)


def pictures_of_digits():
    """The shipped digits, a list of 64 counts of dots each."""
    return [[float(v) for k, v in row.items() if k != "digit"] for row in table(SOURCE / "configs/data/digits.csv")]


def run(name, folder, *overrides):
    """Runs a spec; its own data, or those of $ASSAY_DATA."""
    spec = SOURCE / "configs" / f"{name}.yaml"
    words = [str(TOOL), "run", str(spec), "-o", str(folder / name), "--quiet", *overrides]
    for line in spec.read_text(encoding="utf-8").splitlines():
        if "data/get/" in line and line.strip().startswith("path:"):
            path = DATA / line.split("data/get/")[1].split()[0]
            if not path.exists():
                raise Skip(f"{path} is not there, and its data may not be shipped")
            words.append(f"data.path={path}")
        if "path: /" in line and not pathlib.Path(line.split("path: ")[1].split()[0]).exists():
            raise Skip(f"{line.split('path: ')[1].split()[0]} is not installed")
    done = subprocess.run(words, text=True, capture_output=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode in expected_codes(name), f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return Run(folder / name)


def expected_codes(name):
    # A step that is too long diverges, and says so.
    return (0, 1) if name == "step_size" else (0,)


# ---- What a spec must show ----

def digits(folder):
    """Sixteen parts, each in a place of its own, leave 26 % of the pictures."""
    result = run("digits", folder)
    trial, = result.trials()
    assert result.rows[0]["stop"] == "converged" and result.values("rel_error")[0] < 0.26, result.rows[0]
    assert result.values("sparseness.H")[0] > 0.7 and (trial / "pictures" / "H.png").stat().st_size > 1000
    assert all(v >= 0 for name in "WH" for row in array(trial / "model.npz", name) for v in row)


def digits_kl(folder):
    """About its model a pixel spreads as a Poisson variable of that mean, not by the same at all means."""
    trial, = run("digits_kl", folder).trials()
    columns = list(zip(*array(trial / "model.npz", "H")))
    points = []
    for row, weights in zip(pictures_of_digits(), array(trial / "model.npz", "W")):
        for value, column in zip(row, columns):
            mean = sum(map(operator.mul, weights, column))
            points.append((mean, (value - mean) ** 2))
    points.sort()
    groups = [points[i:i + len(points) // 12] for i in range(0, len(points), len(points) // 12)][3:12]
    means, variances = ([sum(point[i] for point in group) / len(group) for group in groups] for i in range(2))
    ratios = [v / m for m, v in zip(means, variances)]
    assert max(ratios) < 5 * min(ratios) and max(variances) > 1000 * min(variances), (ratios, variances)
    assert 0.5 < min(ratios) < max(ratios) < 2.5, ratios


def random_matrix(folder):
    """Both rules start at the same factors and never rise; each row of a trace has the sparseness of both factors."""
    result = run("random_matrix", folder)
    starts = []
    for loss in ("squared", "kl"):
        traces = [table(trial / "trace.csv") for trial in result.trials(model__loss=loss)]
        starts.append([[row[0][name] for name in ("rel_error", "sparseness.W", "sparseness.H")] for row in traces])
        for trace in traces:
            F = [float(row["objective"]) for row in trace]
            assert len(F) == 301 and all(b <= a * (1 + 1e-12) for a, b in zip(F, F[1:])), loss
            assert all(0 < float(row[f"sparseness.{name}"]) < 1 for row in trace for name in "WH")
    assert starts[0] == starts[1] and len(starts[0]) == 3, starts


def three_factors(folder):
    """Groups of pictures and of pixels overlap less where both outer factors are to be orthogonal."""
    result = run("three_factors", folder)
    overlap = {}
    for solver in ("free", "orthogonal"):
        (trial,), names = result.trials(solver=solver), "WSH"
        W, S, H = (array(trial / "model.npz", name) for name in names)
        assert (len(W), len(S), len(S[0]), len(H)) == (1797, 10, 16, 16)
        assert all(v >= 0 for factor in (W, S, H) for row in factor for v in row)
        overlap[solver] = (cosines(list(zip(*W))), cosines(H))
    assert all(o < 0.5 * f for o, f in zip(overlap["orthogonal"], overlap["free"])), overlap


def completion(folder):
    """Soft-impute guesses hidden pixels better than any rank alone, and what is kept is the best guess."""
    result = run("completion", folder)
    held = result.values("heldout.rmse")
    assert len(held) == 4 and max(held[2:]) < min(held[:2]), held
    for trial, kept in zip(result.trials(), held):
        best = min(float(row["heldout.rmse"]) for row in table(trial / "trace.csv") if row["heldout.rmse"])
        assert abs(kept - best) <= 1e-12 * best, (kept, best)


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


def topics(folder):
    """Words of one field are in one topic, words of different fields are not."""
    trial, = run("topics", folder).trials()
    found = {}
    for row in table(trial / "pictures" / "top_words.csv"):
        found.setdefault(row["name"], set()).add(row["component"])
    for words in (("robot", "robots"), ("groups", "subgroups"), ("climate", "atmospheric"), ("plasma", "laser")):
        assert found[words[0]] & found[words[1]], f"{words} are in {found[words[0]]} and {found[words[1]]}"
    apart = [found[word] for word in ("robot", "subgroups", "climate", "plasma", "security")]
    assert len(set.union(*apart)) == sum(map(len, apart)), f"fields share a topic: {apart}"


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


def unmixing(folder):
    """Two of three are found blind; with the pure spectra known the amounts are those that were published."""
    result = run("unmixing", folder)
    blind, = result.trials(model__rank="4")
    spectra = {r["reference"]: float(r["correlation"]) for r in table(blind / "pictures" / "match_H.csv")}
    assert spectra["styrene"] > 0.95 and spectra["benzaldehyde"] > 0.95, spectra
    assert result.values("rel_error", model__rank="4")[0] < 0.013
    known = next(t for t in result.trials() if "spectra.csv" in (t / "config.json").read_text(encoding="utf-8"))
    amounts = {r["reference"]: float(r["correlation"]) for r in table(known / "pictures" / "match_W.csv")}
    assert amounts["styrene"] > 0.995 and amounts["styrene oxide"] > 0.98 and amounts["benzaldehyde"] > 0.7, amounts
    assert all(float(r["correlation"]) > 1 - 1e-9 for r in table(known / "pictures" / "match_H.csv")[:3])


def rank_selection(folder):
    """Held-out entries prefer a middle rank, the fitted ones always the largest."""
    result = run("rank_selection", folder, "repeats=2", "stop.max_iter=150")
    ranks = ("2", "16", "32")
    held = [sum(result.values("heldout.rmse", model__rank=k)) for k in ranks]
    fitted = [sum(result.values("rmse", model__rank=k)) for k in ranks]
    assert held[1] < held[0] and held[1] < held[2], held
    assert fitted[0] > fitted[1] > fitted[2], fitted
    assert all(0 <= v <= 1 for v in result.values("cophenetic.H") + result.values("dispersion.H"))
    assert len(result.values("cophenetic.H")) == 7


def gene_expression(folder):
    """Two and three metagenes are found from every start, as published; five are not."""
    result = run("gene_expression", folder, "repeats=6")
    agreement = {k: result.values("cophenetic.H", model__rank=k)[0] for k in "2345"}
    assert agreement["2"] > 0.99 and agreement["3"] > 0.97 and agreement["5"] < agreement["2"], agreement
    assert result.values("dispersion.H", model__rank="2")[0] > 0.9


def faces(folder):
    """Forty-nine sparse parts, drawn."""
    result = run("faces", folder, "stop.max_iter=100")
    trial, = result.trials()
    assert (trial / "pictures" / "H.png").stat().st_size > 1000
    assert result.values("sparseness.H")[0] > 0.4


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


def design_choices(folder):
    """Every choice runs; a simplex keeps rows at one, and the penalty brings W'W closer to diagonal."""
    result = run("design_choices", folder, "stop.max_iter=100")
    assert len(result.trials()) == 28, len(result.trials())
    apart = {}
    for trial in result.trials(model__rank="4", model__loss="squared"):
        text = (trial / "config.json").read_text(encoding="utf-8")
        W = array(trial / "model.npz", "W")
        if '"simplex"' in text:
            assert all(abs(sum(row) - 1) < 1e-9 for row in W)
        apart.setdefault("orthogonal" if '"orthogonal"' in text else "other", []).append(cosines(list(zip(*W))))
    assert max(apart["orthogonal"]) < min(apart["other"]), apart


def svd_methods(folder):
    """All methods end at the best objective there is; random columns without a power do not, and are above it."""
    result = run("svd_methods", folder)
    F = {r["solver"]: float(r["value"]) for r in result.rows if r["metric"] == "objective"}
    short = F.pop("randomized without power")
    assert max(F.values()) < min(F.values()) * (1 + 1e-9) and short > max(F.values()), F


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


CHECKS = {f.__name__: f for f in (autoencoders, completion, design_choices, digits, digits_kl, eigendigits, faces, gene_expression,
                                  line_fit, logistic_pca, lsi, pca_fashion, random_matrix, rank_selection, robust_pca,
                                  step_size, svd_methods, three_factors, topics, unmixing, variational)}



def main():
    if not TOOL.exists():
        print("skipped: the tool is not built")
        return 77
    few_steps = "--few-steps" in sys.argv[3:]
    named = [word for word in sys.argv[3:] if word != "--few-steps"]
    names = named or sorted(p.stem for p in (SOURCE / "configs").glob("*.yaml"))
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
