# SPDX-License-Identifier: Apache-2.0
# The public headers compile alone and twice, as C11, C17, C++17 and C++20, with gcc and clang,
# pedantic and without implicit padding. Usage: headers.py SOURCE BUILD
# labels: quick static
import pathlib
import shutil
import subprocess
import sys
import tempfile

STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
C_MODES = [("c", "c11"), ("c", "c17"), ("c++", "c++17"), ("c++", "c++20")]
COMPILERS = {"gcc": {"c": "gcc", "c++": "g++"}, "clang": {"c": "clang", "c++": "clang++"}}


def compile_header(header, include, family, language, standard, flags):
    """The compiler's complaints about including `header` twice; empty when it is clean."""
    source = f'#include "{header}"\n#include "{header}"\nint assay_header_is_not_empty;\n'
    command = [COMPILERS[family][language], f"-std={standard}", "-x", language, f"-I{include}"]
    command += STRICT + flags + ["-c", "-o", "/dev/null", "-"]
    run = subprocess.run(command, input=source, capture_output=True, text=True)
    return "" if run.returncode == 0 else f"{header}: {' '.join(command)}\n{run.stderr}"


def check(include, families):
    """All complaints about the headers below `include`/assay, and how many compilations ran."""
    problems, count = [], 0
    for header in sorted((include / "assay").rglob("*")):
        name = str(header.relative_to(include))
        if header.suffix == ".h":
            modes = [(lang, std, ["-Wpadded"]) for lang, std in C_MODES]
        elif header.suffix == ".hpp":
            # xtensor's own headers are the system's; ours is still held to the same warnings.
            modes = [("c++", "c++20", [])]
        else:
            continue
        for family in families:
            for language, standard, flags in modes:
                count += 1
                problem = compile_header(name, include, family, language, standard, flags)
                if problem:
                    problems.append(problem)
    return problems, count


def self_test(families):
    """A header with padding and one in C99's newer dialect must each be refused."""
    bad = {
        "padded.h": "#pragma once\nstruct padded { char c; double d; };\nextern struct padded p;\n"
        "enum { size = sizeof(struct padded) };\n",
        "zero.h": "#ifndef Z\n#define Z\nstruct z { int n; int rest[0]; };\n#endif\n",
        "twice.h": "typedef struct { int x; } once;\n",
    }
    for name, text in bad.items():
        with tempfile.TemporaryDirectory() as folder:
            include = pathlib.Path(folder)
            (include / "assay").mkdir()
            (include / "assay" / name).write_text(text)
            for family in families:
                if not check(include, [family])[0]:
                    sys.exit(f"self-test: {family} took {name}")


def main():
    include = pathlib.Path(sys.argv[1]) / "capi" / "include"
    families = [f for f in COMPILERS if shutil.which(f)]
    if "gcc" not in families:
        print("skipped: gcc is not installed")
        sys.exit(77)
    self_test(families)
    if not (include / "assay").is_dir():
        print(f"skipped: {include}/assay does not exist")
        sys.exit(77)
    problems, count = check(include, families)
    print(f"{count} compilations with {', '.join(families)}, {len(problems)} failed")
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


main()
