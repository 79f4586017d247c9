# SPDX-License-Identifier: Apache-2.0
# What specs of mixtures claim.
import json

from claims.results import run


def old_faithful(folder):
    """The least BIC is that of three components with a covariance in common, at the published log-likelihood."""
    done = run("old_faithful", folder)
    cells = {(kind, k): done.values("bic", model__density__covariance=kind, model__components=str(k))[0]
             for kind in ("full", "tied", "diag", "spherical", "identity") for k in range(1, 7)}
    best = min(cells, key=cells.get)
    assert best == ("tied", 3), (best, cells[best])
    (likelihood,) = done.values("log_likelihood", model__density__covariance="tied", model__components="3")
    assert -1126.317 <= likelihood <= -1126.315, likelihood
    chosen = json.loads((done.folder / "selected.json").read_text(encoding="utf-8"))
    assert chosen["by"] == "bic" and chosen["better"] == "lower" and chosen["compared"] == 30, chosen
    assert chosen["cell"] == {"model.density.covariance": "tied", "model.components": "3"}, chosen
    assert abs(chosen["value"] - cells[best]) < 1e-9 * cells[best], chosen
    picture = (done.folder / "selected" / "scatter.svg").read_text(encoding="utf-8")
    assert picture == (done.folder / "trials" / chosen["trial"] / "pictures" / "scatter.svg").read_text(encoding="utf-8")
    assert picture.count("<circle") == 272 and picture.count('Z"/>') == 6, "two ellipses for each of three components"


def mixture_selection(folder):
    """The choice has the highest mean of held-out log-likelihood, two or three components, and the seen rows prefer more."""
    done = run("mixture_selection", folder)

    def mean(metric, kind, k):
        return done.values(metric, model__density__covariance=kind, model__components=str(k), fold="mean")[0]

    cells = [(kind, k) for kind in ("full", "tied", "diag", "spherical") for k in range(1, 6)]
    heldout = {cell: mean("heldout.log_likelihood", *cell) for cell in cells}
    seen = {cell: mean("log_likelihood", *cell) for cell in cells}
    chosen = json.loads((done.folder / "selected.json").read_text(encoding="utf-8"))
    best = max(heldout, key=heldout.get)
    assert chosen["cell"] == {"model.density.covariance": best[0], "model.components": str(best[1])}, (chosen, best)
    assert chosen["better"] == "higher" and chosen["compared"] == 20, chosen
    assert best[1] in (2, 3) and seen["full", 5] > seen[best], (best, heldout, seen)


def digit_mixture(folder):
    """Nine of ten random starts, at least, reach log-likelihood -35300 and purity .65."""
    done = run("digit_mixture", folder)
    pairs = list(zip(done.values("log_likelihood"), done.values("purity")))
    good = [1 for likelihood, purity in pairs if likelihood >= -35300 and purity >= 0.65]
    assert len(pairs) == 10 and len(good) >= 9, pairs
