#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One page per solver, loss and density into docs/methods/, from the cards that `assay explain` shows.

Usage: methods.py [BUILD] [--check]: writes the pages, or says which are not what they would be.

A line of a card's maths that begins with `cost:` or `guarantee:` goes below a heading of its own, the others are the
update or the formula.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "methods"
FOLDERS = {"solver": "solvers", "loss": "losses", "density": "densities"}
HEADINGS = {"cost:": "Cost", "guarantee:": "Guarantees", "residual:": "Residual"}
NOTICE = "<!-- made by scripts/methods.py from the card of the plugin; edit the plugin, not this page -->\n\n"


def ask(tool, *words):
    """One JSON object a line. Only the built-in plugins: the pages are about them."""
    environment = {**os.environ, "ASSAY_PLUGIN_PATH": ""}
    done = subprocess.run([str(tool), *words, "--json"], text=True, capture_output=True, check=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def sections(maths):
    """The maths by heading: a line without a word in front goes on where the last one stood, if it is indented."""
    out, current = {"": []}, ""
    for line in maths.splitlines():
        word = line.split(" ", 1)[0]
        if word in HEADINGS:
            current, line = HEADINGS[word], line[len(word):].strip()
        elif not line.startswith(" ") and current:
            current = ""
        out.setdefault(current, []).append(line.strip() if current else line)
    return out


def page(card):
    """The page of one plugin."""
    kind, parts = card["kind"], sections(card.get("maths", ""))
    text = f"# {kind.capitalize()} `{card['id']}`\n\n{NOTICE}{sentence(card['summary'])}\n"
    if any(parts[""]):
        heading = "The update" if kind == "solver" else "The formula"
        text += f"\n## {heading}\n\n```text\n" + "\n".join(parts[""]) + "\n```\n"
    for heading in HEADINGS.values():
        if heading in parts:
            text += f"\n## {heading}\n\n" + sentence("\n".join(parts[heading])) + "\n"
    if card["options"]:
        text += "\n## Options\n\n| option | what it says | values |\n|---|---|---|\n"
        text += "".join(f"| `{o['name']}` | {cell(o['doc'])} | {cell(o['type'])} |\n" for o in card["options"])
    if card["capabilities"]:
        text += "\n## Capabilities\n\n" + "".join(f"- {line}\n" for line in card["capabilities"])
    if card.get("citation"):
        text += f"\n## Reference\n\n{card['citation']}.\n"
    return text


def sentence(text):
    return text[0].upper() + text[1:] + "."


def cell(text):
    return text.replace("|", "\\|")


def index(cards):
    """The table of contents."""
    text = f"# Methods\n\n{NOTICE}What `assay explain ID` shows of each solver, loss and density, as pages.\n"
    for kind, folder in FOLDERS.items():
        text += f"\n## {folder.capitalize()}\n\n| id | what it is |\n|---|---|\n"
        text += "".join(f"| [`{c['id']}`]({folder}/{c['id']}.md) | {cell(c['summary'])} |\n"
                        for c in cards if c["kind"] == kind)
    return text


def pages(tool):
    """Path -> text of all pages."""
    cards = []
    for kind, folder in FOLDERS.items():
        for plugin in ask(tool, "list", folder):
            cards += [c for c in ask(tool, "explain", plugin["id"]) if c["kind"] == kind]
    out = {PAGES / FOLDERS[c["kind"]] / f"{c['id']}.md": page(c) for c in cards}
    return {**out, PAGES / "README.md": index(cards)}, cards


def main():
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    build = pathlib.Path(words[0] if words else ROOT / "build" / "release").resolve()
    wanted, _ = pages(build / "bin" / "assay")
    old = {p for p in PAGES.glob("**/*.md")} - set(wanted)
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in sorted(old | set(stale)):
            print(f"{path.relative_to(ROOT)} is not up to date: scripts/methods.py writes it")
        return 1 if old or stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    for path in old:
        path.unlink()
    print(f"{len(wanted)} pages, {len(stale)} written, {len(old)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
