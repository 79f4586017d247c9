# SPDX-License-Identifier: Apache-2.0
# The manual page and the completions know the verbs the tool has, and no others; the page's
# options exist. Usage: cli_share.py SOURCE BUILD
# labels: quick static
import pathlib
import re
import subprocess
import sys


def verbs_of_tool(tool):
    text = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
    block = text.split("Subcommands:", 1)[-1]
    return set(re.findall(r"^  ([a-z][-a-z]*)\b", block, re.MULTILINE))


def options_of_tool(tool, verbs):
    options = set()
    for verb in [None, *verbs]:
        command = [tool, "--help"] if verb is None else [tool, verb, "--help"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        options |= set(re.findall(r"(?<![\w-])(--?[a-z][-a-z]*)", text))
    return options


def verbs_of_page(text):
    section = text.split(".SH VERBS", 1)[1].split(".SH", 1)[0]
    return set(re.findall(r"^\\fB([a-z][-a-z]*)\\fR", section, re.MULTILINE))


def options_of(text):
    return set(re.findall(r"(?<![\w-])(--?[a-z][-a-z]*)", text.replace("\\-", "-")))


def compare(what, found, wanted, problems):
    for name in sorted(wanted - found):
        problems.append(f"{what} lacks `{name}`")
    for name in sorted(found - wanted):
        problems.append(f"{what} has `{name}`, the tool has not")


def main():
    root, build = map(pathlib.Path, sys.argv[1:3])
    tool = build / "bin" / "assay"
    if not tool.exists():
        print("skipped: the tool is not built")
        sys.exit(77)
    share = root / "core" / "cli" / "share"
    page, bash, zsh = ((share / n).read_text() for n in ("assay.1", "assay.bash", "_assay"))
    verbs = verbs_of_tool(tool)
    problems = []
    if not verbs:
        problems.append("`assay --help` lists no verbs")
    compare("assay.1", verbs_of_page(page), verbs, problems)
    bash_verbs = set(re.search(r'verbs="([^"]*)"', bash).group(1).split())
    compare("assay.bash", bash_verbs, verbs, problems)
    zsh_verbs = set(re.findall(r"^    '([a-z][-a-z]*):", zsh, re.MULTILINE))
    compare("_assay", zsh_verbs, verbs, problems)
    known = options_of_tool(tool, verbs)
    section = page.split(".SH OPTIONS", 1)[1].split(".SH EXIT", 1)[0]
    bash_lists = " ".join(re.findall(r'(?:compgen -W|common=) ?"([^"]*)"', bash))
    for what, text in (("assay.1", section), ("assay.bash", bash_lists)):
        for option in sorted(options_of(text) - known):
            problems.append(f"{what} has option `{option}`, the tool has not")
    print("\n".join(problems))
    print(f"{len(verbs)} verbs, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
