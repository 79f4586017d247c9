# SPDX-License-Identifier: Apache-2.0
# Every message code has a folder tests/errors/CODE with a mistake and the exact text people see, and
# a long text for `assay explain`. Usage: errors.py SOURCE BUILD [--update] [CODE...]
#
# A folder holds bad.yaml (checked with `assay validate`) or `command`, a shell script that makes the
# mistake; and expected.txt, what the tool then prints and its exit code. A code no command line can
# provoke has `elsewhere.txt` instead: the file that raises or tests it, and why.
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from checks import cases  # noqa: E402

CODE = re.compile(r'"([EW]0\d{3})"')


def used_codes(root):
    """Codes in string literals of core and plugins, apart from the table of long texts."""
    found = {}
    for top in ("core", "plugins"):
        for path in (root / top).rglob("*"):
            if path.suffix in (".cpp", ".hpp", ".c", ".h") and path.name != "codes.cpp":
                for code in CODE.findall(path.read_text()):
                    found.setdefault(code, path.relative_to(root))
    return found


def elsewhere(case, root):
    place = root / (case / "elsewhere.txt").read_text().split()[0]
    if not place.is_file():
        return [f"{case.name}: elsewhere.txt names {place.relative_to(root)}, which does not exist"]
    if case.name not in place.read_text():
        return [f"{case.name}: {place.relative_to(root)} does not mention it"]
    return []


def one_case(case, root, build, update):
    if (case / "elsewhere.txt").exists():
        return elsewhere(case, root)
    problems, printed = cases.check(case, root, build, "assay validate bad.yaml\n", update)
    if printed is not None and f"[{case.name}]" not in printed:
        problems.append(f"{case.name}: its case does not print it:\n{printed}")
    return problems


def main():
    root, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    words = sys.argv[3:]
    if not (build / "bin" / "assay").exists():
        print("skipped: the tool is not built")
        sys.exit(77)
    folders = {p.name: p for p in sorted((root / "tests/errors").iterdir()) if p.is_dir()}
    explained = set(CODE.findall((root / "core/cli/codes.cpp").read_text()))
    problems = []
    for code, place in sorted(used_codes(root).items()):
        if code not in explained:
            problems.append(f"{code} ({place}) has no long text in core/cli/codes.cpp")
    for code in sorted(explained - set(folders)):
        problems.append(f"{code} has no folder in tests/errors")
    for code in sorted(set(folders) - explained):
        problems.append(f"tests/errors/{code} is about a code without a long text")
    for code in [w for w in words if w in folders] or folders:
        problems += one_case(folders[code], root, build, "--update" in words)
    print("\n".join(problems))
    print(f"{len(folders)} codes, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
