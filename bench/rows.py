# SPDX-License-Identifier: Apache-2.0
# The table of what is measured: one Row per line of the printed result.
import dataclasses
from typing import Callable, Optional

import data


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    data: Callable        # () -> (path, shape), or raises data.Missing
    loss: str
    peer: str             # of run.PEERS; `sklearn_svd`, `onedal`; "": only the memory is looked at
    goal: float           # times faster than the peer (seconds per step)
    mean: float           # of the data: sets the scale of the start
    steps: int = 20
    rank: int = 16
    dtype: str = "float64"
    threads: Optional[int] = None             # None: as asked for
    solver: str = "mu"
    until: bool = False                       # seconds until the peer's objective is reached, not seconds per step
    peer_method: str = ""                     # peers `sklearn_svd`, `onedal`: kind and algorithm
    layers: tuple = ()                        # of an autoencoder
    clusters: bool = False                    # k-means: from rows of the data, W made from labels
    mixture: bool = False                     # of Gaussians with full covariances
    reference_loss: str = ""                  # peer "builtin": the loss to compare with
    plugin_dir: Optional[Callable] = None     # where a loss of somebody else's lies

    @property
    def tolerance(self):
        """How far the two objectives may differ, relative."""
        if self.layers:
            return 0.2  # each draws weights and batches of its own
        return 1e-3 if self.dtype == "float32" else 1e-6


def fashion(rows, dtype="float64", offset=0):
    return lambda: data.fashion(rows, dtype, offset)


def digits(dtype="float64"):
    return lambda: data.digits(dtype)


def hals(rank, dtype, goal):
    """A row against coordinate descent: the same updates in the same order, so the same objective."""
    return Row(f"hals k={rank} f{dtype[-2:]}, fashion", fashion(60000, dtype), "squared", "sklearn", goal, FASHION_MEAN,
               rank=rank, dtype=dtype, solver="hals")


def spectral(name, source, solver, peer, method, goal, rank=50):
    """A row about singular vectors: the whole method on both sides, no start; the objective is what the k directions leave of
    the (centred) data, and ours may not be above the peer's."""
    return Row(name, source, "squared", peer, goal, 0, rank=rank, solver=solver, peer_method=method)


def kmeans(name, source, peer, goal, rank=50, dtype="float64", steps=20):
    """A row of Lloyd's steps against a peer's: equal labels, so equal inertia."""
    return Row(name, source, "squared", peer, goal, 0, steps=steps, rank=rank, dtype=dtype, solver="lloyd", clusters=True)


def gaussians(name, peer, goal, dtype="float64"):
    """A row about EM: the same start and the same steps, so the same objective."""
    return Row(name, lambda: data.scores(dtype), "squared", peer, goal, 0, rank=10, dtype=dtype, solver="em", mixture=True)


FASHION_MEAN, DIGITS_MEAN, WORDS_MEAN = 0.286, 0.305, 0.015


def full():
    """The rows of the published numbers."""
    return [
        Row("mu squared f64, fashion", fashion(60000), "squared", "sklearn", 12, FASHION_MEAN, steps=40),
        Row("mu squared f32, fashion", fashion(60000, "float32"), "squared", "sklearn", 6, FASHION_MEAN, steps=40,
            dtype="float32"),
        Row("mu kl f64, fashion 10000", fashion(10000), "kl", "sklearn", 8, FASHION_MEAN),
        Row("mu kl f32, fashion 10000", fashion(10000, "float32"), "kl", "sklearn", 5, FASHION_MEAN, dtype="float32"),
        *(hals(rank, dtype, goal) for rank in (16, 50) for dtype, goal in (("float64", 8), ("float32", 6))),
        Row("mu is f64, fashion 10000", fashion(10000, "float64", 1), "itakura_saito", "sklearn", 8, FASHION_MEAN),
        Row("mu is f32, fashion 10000", fashion(10000, "float32", 1), "itakura_saito", "sklearn", 5, FASHION_MEAN,
            dtype="float32"),
        *(Row(f"hals k={rank} sparse, abstracts", data.abstracts, "squared", "rcppml", 2, WORDS_MEAN, steps=20, rank=rank,
              solver="hals", until=True) for rank in (16, 50)),
        # Minibatches of 1024 rows on both sides, forgetting 0.7: time to what the peer reaches in 10 epochs.
        Row("online squared f64, fashion", fashion(60000), "squared", "sklearn", 10, FASHION_MEAN, steps=10, solver="online",
            until=True),
        # 20 steps: later each side has entries at its own smallest value, and the paths part by 1e-5.
        Row("mu kl sparse, abstracts", data.abstracts, "kl", "sklearn", 5, WORDS_MEAN),
        # `power` is the least that ends at or below the peer's objective.
        spectral("pca randomized, fashion", fashion(60000), "{ use: pca, method: randomized, power: 3 }", "sklearn_svd",
                 "pca randomized", 3),
        *(spectral(f"pca gram against {method}, fashion", fashion(60000), "{ use: pca, method: gram }", "sklearn_svd",
                   f"pca {method}", goal) for method, goal in (("covariance_eigh", 2), ("full", 8))),
        spectral("pca gram against oneDAL, fashion", fashion(60000), "{ use: pca, method: gram }", "onedal",
                 "pca covariance_eigh", 1),
        spectral("svd against ARPACK, abstracts", data.abstracts, "{ use: svd, method: randomized, power: 6 }", "sklearn_svd",
                 "svd arpack", 2),
        spectral("svd randomized, abstracts", data.abstracts, "{ use: svd, method: randomized, power: 3 }", "sklearn_svd",
                 "svd randomized", 2),
        *(kmeans(f"k-means k=50 f{dtype[-2:]} against {peer}, fashion", fashion(60000, dtype), peer, goal, dtype=dtype)
          for dtype in ("float64", "float32")
          for peer, goal in (("lloyd", 2.5), ("elkan", 2.5), ("onedal_kmeans", 1), *((("faiss", 1),) if dtype == "float32" else ()))),
        *(kmeans(f"k-means k=1000 f32 against {peer}, 60000 x 64", lambda: data.projected(60000, 64), peer, 1, 1000, "float32")
          for peer in ("onedal_kmeans", "faiss")),
        Row("mu kl sparse memory, 100000 x 50000", data.large_counts, "kl", "", 0, 0.006, steps=3, rank=20),
        gaussians("gaussians k=10, 60000 x 32", "gmm", 6),
        gaussians("gaussians k=10, against oneDAL", "onedal_gmm", 1),
        Row("autoencoder f32, fashion", fashion(60000, "float32"), "squared", "mlp", 2, FASHION_MEAN, steps=8, rank=129,
            dtype="float32", solver="autoencoder", layers=(128, 16, 128)),
        Row("mu kl f64, a C plugin's own", fashion(10000), "bench.kl", "builtin", 0.8, FASHION_MEAN, reference_loss="kl",
            plugin_dir=data.own_loss),
        Row("mu squared f64, digits, 1 thread", digits(), "squared", "handwritten", 1 / 1.15, DIGITS_MEAN, steps=300,
            threads=1),
    ]


def quick():
    """Small relatives of them: seconds in all, so that a change that breaks the harness is seen at once."""
    return [
        Row("quick squared f64, digits", digits(), "squared", "sklearn", 0, DIGITS_MEAN),
        Row("quick squared f32, digits", digits("float32"), "squared", "sklearn", 0, DIGITS_MEAN, dtype="float32"),
        Row("quick kl f64, digits", digits(), "kl", "sklearn", 0, DIGITS_MEAN),
        Row("quick kl sparse, made-up words", lambda: data.zipf_words(300, 500, 40), "kl", "sklearn", 0, 0.08),
        Row("quick kl, a C plugin's own", digits(), "bench.kl", "builtin", 0, DIGITS_MEAN, reference_loss="kl",
            plugin_dir=data.own_loss),
        Row("quick hals f64, digits", digits(), "squared", "sklearn", 0, DIGITS_MEAN, solver="hals"),
        Row("quick hals sparse, made-up words", lambda: data.zipf_words(300, 500, 40), "squared", "rcppml", 0, 0.08,
            solver="hals", until=True),
        Row("quick online f64, digits", digits(), "squared", "sklearn", 0, DIGITS_MEAN, solver="online", until=True),
        spectral("quick pca gram, digits", digits(), "{ use: pca, method: gram }", "sklearn_svd", "pca covariance_eigh", 0, 10),
        spectral("quick svd, made-up words", lambda: data.zipf_words(300, 500, 40), "{ use: svd, method: lanczos }",
                 "sklearn_svd", "svd arpack", 0, 10),
        Row("quick autoencoder f32, digits", digits("float32"), "squared", "mlp", 0, DIGITS_MEAN, steps=8, rank=33,
            dtype="float32", solver="autoencoder", layers=(32, 8, 32)),
        kmeans("quick k-means against lloyd, digits", digits(), "lloyd", 0, 20, steps=5),
        kmeans("quick k-means against elkan, digits", digits("float32"), "elkan", 0, 20, "float32", 5),
        Row("quick squared, by hand", digits(), "squared", "handwritten", 0, DIGITS_MEAN, threads=1),
    ]
