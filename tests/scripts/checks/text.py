# SPDX-License-Identifier: Apache-2.0
# Reads C and C++ sources as far as the checks need it: includes, code without comments, strings.
import re

SOURCE_SUFFIXES = {".c", ".cpp", ".h", ".hpp"}

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<raw>R"(?P<tag>[^()\\ ]{0,16})\(.*?\)(?P=tag)")
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(folder):
    """All C and C++ files below `folder`, sorted."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.rglob("*") if p.suffix in SOURCE_SUFFIXES)


def includes(path):
    """Pairs (is_quoted, name) of every include of the file."""
    return [(mark == '"', name) for mark, name in _INCLUDE.findall(path.read_text())]


def _blank(match):
    return "\n" * match.group(0).count("\n")


def code(path):
    """The file without comments and with strings emptied; lines keep their numbers."""

    def replace(match):
        return _blank(match) + ("" if match.group("comment") else '""')

    return _TOKEN.sub(replace, path.read_text())


def strings(path):
    """Pairs (line, text) of the string literals outside includes."""
    text = path.read_text()
    found = []
    for match in _TOKEN.finditer(text):
        if match.group("string"):
            line_start = text.rfind("\n", 0, match.start()) + 1
            if "#include" not in text[line_start : match.start()].replace("# ", "#"):
                found.append((text.count("\n", 0, match.start()) + 1, match.group("string")[1:-1]))
    return found
