# SPDX-License-Identifier: Apache-2.0
# docs/methods/ is what scripts/methods.py makes of the cards, and each page says what a reader needs.
# labels: quick static
import importlib.util
import pathlib
import sys

ROOT, BUILD = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
# The headings each kind of page must have.
NEEDED = {"solvers": ["The update", "Cost", "Guarantees", "Capabilities", "Reference"],
          "losses": ["The formula", "Capabilities", "Reference"]}


def generator():
    spec = importlib.util.spec_from_file_location("methods", ROOT / "scripts" / "methods.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def faults_of(pages):
    """Pages without a heading they need."""
    for path, text in sorted(pages.items()):
        for heading in NEEDED.get(path.parent.name, []):
            if f"\n## {heading}\n" not in text:
                yield f"{path.relative_to(ROOT)} has no section `{heading}`: the card says nothing about it"


def main():
    if not (BUILD / "bin" / "assay").exists():
        print("skipped: the tool is not built")
        return 77
    methods = generator()
    parts = methods.sections("F <- F - h G\ncost: 4ndk a step,\n  2ndk a trial\nguarantee: none\nG = the gradient")
    assert parts == {"": ["F <- F - h G", "G = the gradient"], "Cost": ["4ndk a step,", "2ndk a trial"],
                     "Guarantees": ["none"]}, parts
    pages, cards = methods.pages(BUILD / "bin" / "assay")
    assert len(cards) >= 3, "solvers and losses are found"
    faults = list(faults_of(pages))
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            faults.append(f"{path.relative_to(ROOT)} is not up to date: scripts/methods.py writes it")
    faults += [f"{p.relative_to(ROOT)} is about no plugin" for p in methods.PAGES.glob("**/*.md") if p not in pages]
    print("\n".join(faults))
    print(f"{len(pages)} pages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
