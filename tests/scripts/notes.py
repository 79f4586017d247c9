# SPDX-License-Identifier: Apache-2.0
# docs/notes.md has a row for every number of the source notes, and each row names files that exist.
# labels: quick static

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The equation numbers that stand in the notes, in \tag{..} or in brackets, note by note. Note 003 has none.
EXPECTED = {
    "000": [f"({i})" for i in range(1, 12)],
    "001": [f"({i})" for i in range(1, 25)],
    "002": [f"({i})" for i in
            [*range(1, 8), 10, 11, *range(13, 19), *range(20, 23), 24, 25, 26, *range(28, 32), 33]],
    "003": ["SVD by hand", "power iteration", "deflation", "SVD, rank deficient", "truncated SVD",
            "SVD through A'A", "two factors", "three factors", "NMF", "L2 loss", "L1 loss", "KL loss",
            "IS loss", "stochastic gradient descent", "scikit-learn's objective",
            "application: audio signal separation", "application: analytic chemistry",
            "application: gene expression analysis", "application: recommender systems",
            "neighbourhood methods", "latent factor models"],
    "004": [f"(9.{i})" for i in [5, 12, 21, 22, 30, 33, 36, 39, 40, 46, 47, 49, 50, 59, 60]] + ["(*)"],
}
# What "run by" may hold besides `later`: files, each with the name of a test case in it or without.
REFERENCE = re.compile(r'`([^`]+)`(?: "([^"]+)")?')


def rows(text):
    """The cells of each table row of the page, headings and rules left out."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and re.fullmatch(r"00\d", cells[0]):
            yield number, cells
        elif line.startswith("|") and not line.startswith(("| note |", "|---")):
            yield number, None


def check(text):
    """All faults of the page, as lines of text."""
    faults = []
    seen = {note: [] for note in EXPECTED}
    for number, cells in rows(text):
        if cells is None or cells[0] not in seen:
            faults.append(f"docs/notes.md:{number}: not a row of four cells that begins with a note")
            continue
        note, item, says, run_by = cells
        if item in seen[note]:
            faults.append(f"docs/notes.md:{number}: {note} {item} has two rows")
        seen[note].append(item)
        if not says:
            faults.append(f"docs/notes.md:{number}: {note} {item} does not say what it says")
        if run_by == "later":
            continue
        if REFERENCE.sub("", run_by).strip(" ,") or not REFERENCE.search(run_by):
            faults.append(f"docs/notes.md:{number}: `{run_by}` is neither `later` nor a list of files")
        for path, case in REFERENCE.findall(run_by):
            file = ROOT / path
            if not file.is_file():
                faults.append(f"docs/notes.md:{number}: `{path}` does not exist")
            elif case and case not in file.read_text(encoding="utf-8"):
                faults.append(f'docs/notes.md:{number}: `{path}` has no case "{case}"')
    for note, items in EXPECTED.items():
        faults += [f"docs/notes.md: note {note} has no row for {i}" for i in items if i not in seen[note]]
    return faults


def main():
    text = (ROOT / "docs" / "notes.md").read_text(encoding="utf-8")
    faults = check(text)
    # The check itself can fail: a row taken out and a file misnamed are both found.
    assert check(text.replace("| 004 | (9.39) |", "| 004 | (9.39x) |")) != faults
    assert check(text.replace("`configs/digits.yaml`", "`configs/none.yaml`")) != faults
    for fault in faults:
        print(fault)
    if not faults:
        print(f"notes: {sum(1 for _ in rows(text))} rows, every number has one")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
