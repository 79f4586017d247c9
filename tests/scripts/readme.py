# SPDX-License-Identifier: Apache-2.0
# Every command of README.md and docs/*.md works, and every path they name exists. Usage: readme.py SOURCE BUILD
# labels: quick
"""A ```sh block is run as it stands, from a folder that looks like the source tree but is thrown away. An html comment
on the line before a block changes what happens to it:

  <!-- file: NAME -->      the block is written to the file NAME, for the commands that follow
  <!-- test: KEY=VALUE --> is appended to each `assay run` of the block, to make it smaller
  <!-- shown only -->      the block is not run
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^(?:<!-- (?P<note>.*?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
PATH = re.compile(r"`((?:bench|capi|configs|core|docs|plugins|scripts|tests)/[\w./-]*)`")


def commands(text, overrides):
    """The block's commands, one a line, continued lines joined, without remarks."""
    for line in text.replace("\\\n", " ").splitlines():
        command = line.split("  # ")[0].strip()
        if command:
            yield command + (f" {overrides}" if overrides and command.startswith("assay run") else "")


def run(page, folder, environment):
    """The faults of one page's commands."""
    faults = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        note, text = block["note"] or "", block["text"]
        if note.startswith("file: "):
            (folder / note[6:].strip()).write_text(text, encoding="utf-8")
        if block["kind"] != "sh" or note == "shown only":
            continue
        for command in commands(text, note[6:] if note.startswith("test: ") else ""):
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=300,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            print(f"{page.name}: {command}: {'ok' if done.returncode == 0 else done.returncode}")
            if done.returncode:
                faults.append(f"{page.name}: `{command}` ended with {done.returncode}:\n{done.stdout}")
    return faults


def missing_paths(page, source):
    """Paths in backticks that are not in the source tree."""
    for path in sorted(set(PATH.findall(page.read_text(encoding="utf-8")))):
        if not (source / path).exists():
            yield f"{page.name}: `{path}` does not exist"


def main():
    source, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    tool = build / "bin" / "assay"
    environment = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    pages = [source / "README.md", source / "CONTRIBUTING.md", source / "bench" / "README.md",
             *sorted((source / "docs").glob("*.md"))]
    faults = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for entry in ("bench", "capi", "configs", "docs", "plugins"):
            (folder / entry).symlink_to(source / entry)
        assert run_self_test(folder, environment)
        for page in pages:
            faults += run(page, folder, environment)
            faults += missing_paths(page, source)
    print("\n".join(faults))
    return 1 if faults else 0


def run_self_test(folder, environment):
    """A page with a failing command and a wrong path is found out."""
    page = folder / "bad.md"
    page.write_text("```sh\nfalse\n```\n`docs/none.md`\n", encoding="utf-8")
    return len(run(page, folder, environment)) == 1 and len(list(missing_paths(page, folder))) == 1


if __name__ == "__main__":
    sys.exit(main())
