# SPDX-License-Identifier: Apache-2.0
# Runs a spec of configs/ and reads what came out.
import csv
import operator
import os
import pathlib
import re
import struct
import subprocess
import sys
import zipfile

SOURCE, BUILD = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
TOOL = BUILD / "bin" / "assay"
DATA = pathlib.Path(os.environ.get("ASSAY_DATA", SOURCE.parent / "shared" / "data"))


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
