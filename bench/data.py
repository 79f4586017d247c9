# SPDX-License-Identifier: Apache-2.0
# The data and the starts of the benchmark's rows, made once below build/bench; a missing source is a reason, not a failure.
import gzip
import pathlib
import subprocess

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "bench"
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")


class Missing(Exception):
    """A source of data that is not on this machine."""


def fashion(rows, dtype, offset=0):
    """The first rows of Fashion-MNIST in [0, 1], as a .npy file; offset, in grey levels, keeps zeros out."""
    path = WORK / f"fashion_{rows}_{np.dtype(dtype).name}{f'_{offset}' if offset else ''}.npy"
    if not path.exists():
        if not FASHION.exists():
            raise Missing("Debian's package dataset-fashion-mnist is not installed")
        with gzip.open(FASHION) as file:
            file.seek(16)
            raw = np.frombuffer(file.read(rows * 784), np.uint8).reshape(rows, 784)
        save(path, (raw.astype(dtype) + np.dtype(dtype).type(offset)) / np.dtype(dtype).type(255))
    return path, (rows, 784)


def scores(dtype, width=32):
    """Scores of Fashion-MNIST's first principal components."""
    path = WORK / f"fashion_scores_{width}_{np.dtype(dtype).name}.npy"
    if not path.exists():
        X = np.load(fashion(60000, "float64")[0])
        X = X - X.mean(axis=0)
        _, V = np.linalg.eigh(X.T @ X)
        save(path, (X @ V[:, ::-1][:, :width]).astype(dtype))
    return path, (60000, width)


def digits(dtype):
    """The shipped digits in [0, 1]."""
    path = WORK / f"digits_{np.dtype(dtype).name}.npy"
    if not path.exists():
        table = np.loadtxt(ROOT / "configs" / "data" / "digits.csv", delimiter=",", skiprows=1)
        save(path, (table[:, :64] / 16).astype(dtype))
    return path, (1797, 64)


def abstracts():
    """The shipped term counts of 2500 abstracts, 147391 of them not zero."""
    path = WORK / "abstracts.mtx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.decompress((ROOT / "configs/data/arxiv-abstracts/docs_terms.mtx.gz").read_bytes()))
    return path, (2500, 5040)


def zipf_words(rows, columns, per_row):
    """A made-up bag of words for the smoke test: word frequencies fall like 1 / rank."""
    path = WORK / f"words_{rows}x{columns}.mtx"
    if not path.exists():
        draw = np.random.default_rng(1)
        weight = 1 / np.arange(1, columns + 1)
        words = draw.choice(columns, size=(rows, per_row), p=weight / weight.sum())
        words[:, 0] = np.arange(rows) % columns  # no empty column
        keys, counts = np.unique(np.arange(rows)[:, None] * columns + words, return_counts=True)
        lines = [f"{key // columns + 1} {key % columns + 1} {count}" for key, count in zip(keys, counts)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("%%MatrixMarket matrix coordinate integer general\n"
                        f"{rows} {columns} {len(lines)}\n" + "\n".join(lines) + "\n")
    return path, (rows, columns)


def large_counts():
    """About 1e7 counts at random places of 100000 x 50000, as SciPy stores them: for the memory of a sparse fit."""
    path = WORK / "counts_100000x50000.npz"
    if not path.exists():
        n, d, per_row = 100000, 50000, 100
        draw = np.random.default_rng(1)
        columns = np.sort(draw.integers(0, d, size=(n, per_row)), axis=1)
        first = np.ones(columns.shape, bool)
        first[:, 1:] = columns[:, 1:] != columns[:, :-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, data=draw.integers(1, 6, size=int(first.sum())).astype(np.float64),
                 indices=columns[first].astype(np.int32), shape=np.array([n, d]), format=np.array(b"csr"),
                 indptr=np.concatenate([[0], np.cumsum(first.sum(axis=1))]).astype(np.int32))
    return path, (100000, 50000)


def stored_entries(path):
    """Entries a sparse file stores."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return arrays["data"].size
    with open(path, encoding="ascii") as file:
        return next(int(line.split()[2]) for line in file if not line.startswith("%"))


def own_loss():
    """The folder with the untagged loss, built as its author would build it."""
    folder = WORK / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared",
                    "-fvisibility=hidden", "-I", str(ROOT / "capi" / "include"), "-o", str(folder / "loss-bench.kl.so"),
                    str(ROOT / "bench" / "handwritten" / "loss-bench.kl.c")], check=True)
    return folder


def projected(rows, columns):
    """Fashion-MNIST on this many random directions, float32."""
    path = WORK / f"fashion_{rows}_on_{columns}.npy"
    if not path.exists():
        x = np.load(fashion(rows, "float32")[0])
        save(path, x @ np.random.default_rng(1).standard_normal((x.shape[1], columns), dtype=np.float32) / np.float32(28))
    return path, (rows, columns)


def start_rows(path, rank):
    """H of k rows of the data."""
    start = path.with_name(f"{path.stem}_rows_{rank}.npz")
    if not start.exists():
        x = np.load(path, mmap_mode="r")
        chosen = np.sort(np.random.default_rng(0).choice(x.shape[0], rank, replace=False))
        np.savez(start, H=np.asarray(x[chosen], dtype=np.float64))
    return start


def start(shape, rank, mean):
    """Factors W (n x k) and H (k x d) both sides begin from, uniform around the scale of the data."""
    n, d = shape
    path = WORK / f"start_{n}x{d}_{rank}_{mean:.3g}.npz"
    if not path.exists():
        draw = np.random.default_rng(0)
        scale = 2 * np.sqrt(mean / rank)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, W=scale * (0.05 + draw.random((n, rank))), H=scale * (0.05 + draw.random((rank, d))))
    return path


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
