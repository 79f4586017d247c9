# SPDX-License-Identifier: Apache-2.0
# Specs of factors that are not negative: parts, topics, spectra, groups.
import operator

from .results import array, cosines, pictures_of_digits, run, table


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
