# SPDX-License-Identifier: Apache-2.0
# What specs of mixtures claim.
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


def digit_mixture(folder):
    """Nine of ten random starts, at least, reach log-likelihood -35300 and purity .65."""
    done = run("digit_mixture", folder)
    pairs = list(zip(done.values("log_likelihood"), done.values("purity")))
    good = [1 for likelihood, purity in pairs if likelihood >= -35300 and purity >= 0.65]
    assert len(pairs) == 10 and len(good) >= 9, pairs
