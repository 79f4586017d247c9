# SPDX-License-Identifier: Apache-2.0
# Folders with a command and the exact text it prints: how tests/errors and tests/golden are run.
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

CANNOT = 77  # exit code of a command that cannot be shown on this machine


def normal(text, folder, root, build):
    """Takes out what differs between machines and with every new plugin."""
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    text = text.replace(f"{build}/", "BUILD/").replace(f"{root}/", "SOURCE/")
    text = re.sub(r"\d+ \w+ (is|are) loaded", "N plugins are loaded", text)
    text = re.sub(r"(that take [^:\n]*): `.*", r"\1: ...", text)
    text = re.sub(r"(verbs|lists|keys here|no loaded solver takes[^`]*) are `.*", r"\1 are ...", text)
    text = re.sub(r"pid \d+", "pid N", text)
    text = re.sub(r"on host \S+", "on host HOST", text)
    return re.sub(r"\b[0-9a-f]{32}\b", "ID", text)


def run(case, root, build, standard):
    """What the case prints, with its exit code; None: it cannot be shown here."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve() / "case"
        shutil.copytree(case, folder)
        script = case / "command"
        command = script.read_text() if script.exists() else standard
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "LC_", "LANG", "COLUMNS"))}
        environment.update(PATH=f"{build}/bin:{environment.get('PATH', '')}", NO_COLOR="1", LC_ALL="C",
                           MODULES=f"{build}/lib/assay/test-modules", CONFIGS=f"{root}/configs")
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == CANNOT:
            return None
        return normal(done.stdout, folder, root, build) + f"exit {done.returncode}\n"


def check(case, root, build, standard, update):
    """Problems of one case, and what it printed."""
    printed = run(case, root, build, standard)
    if printed is None:
        print(f"{case.name}: cannot be shown on this machine")
        return [], None
    expected = case / "expected.txt"
    if update:
        expected.write_text(printed)
    if not expected.exists():
        return [f"{case.name}: no expected.txt"], printed
    if printed != expected.read_text():
        return [f"{case.name}: expected\n{expected.read_text()}\n--- printed\n{printed}"], printed
    return [], printed
