# SPDX-License-Identifier: Apache-2.0
# What the tool prints for good and for bad input, word for word: tests/golden/NAME/{command,
# expected.txt}. Usage: golden.py SOURCE BUILD [--update] [NAME...]
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from checks import cases  # noqa: E402


def main():
    root, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    words = sys.argv[3:]
    if not (build / "bin" / "assay").exists():
        print("skipped: the tool is not built")
        sys.exit(77)
    folders = {p.name: p for p in sorted((root / "tests/golden").iterdir()) if p.is_dir()}
    problems = []
    for name in [w for w in words if w in folders] or folders:
        problems += cases.check(folders[name], root, build, "", "--update" in words)[0]
    print("\n".join(problems))
    print(f"{len(folders)} cases, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
