# SPDX-License-Identifier: Apache-2.0
# Installs into a folder, moves it, and uses it as strangers do: a C program through pkg-config and
# through find_package, the tool from its new place, the template built by a plain C compiler.
# Usage: install.py SOURCE BUILD
# labels: quick static
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROGRAM = """#include <assay/assay.h>
#include <stdio.h>
int main(void) {
  puts(assay_version());
  return 0;
}
"""
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(stranger C)
find_package(assay 0.1 REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE assay::assay)
add_library(module MODULE program_module.c)
target_link_libraries(module PRIVATE assay::capi)
if(NOT IS_DIRECTORY "${assay_PLUGIN_DIR}")
  message(FATAL_ERROR "no plugins in ${assay_PLUGIN_DIR}")
endif()
"""
MODULE = "#include <assay/plugin.h>\nint assay_module_size = (int)sizeof(assay_option);\n"


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def check_files(prefix):
    """Everything EXPERIENCE promises of an installation is there."""
    wanted = """bin/assay include/assay/assay.h include/assay/plugin.h include/assay/plugin.hpp
        include/assay/types.h lib/libassay.so lib/libassay.so.0 lib/pkgconfig/assay.pc
        lib/cmake/assay/assayConfig.cmake lib/assay/plugins/loss-squared.so
        share/man/man1/assay.1 share/bash-completion/completions/assay
        share/zsh/site-functions/_assay share/doc/assay/LICENSE share/doc/assay/NOTICE"""
    missing = [name for name in wanted.split() if not (prefix / name).exists()]
    if missing:
        sys.exit(f"not installed: {missing}")
    soname = re.search(r"SONAME.*\[(.*)\]", run("readelf", "-d", prefix / "lib/libassay.so"))
    if not soname or soname.group(1) != "libassay.so.0":
        sys.exit("libassay.so has not the soname libassay.so.0")


def check_pkg_config(prefix, work, version):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    if run("pkg-config", "--modversion", "assay", env=environment) != version:
        sys.exit("pkg-config names another version")
    flags = run("pkg-config", "--cflags", "--libs", "assay", env=environment).split()
    run("cc", "-std=c11", "-Wall", "-Werror", "program.c", "-o", "program", *flags, cwd=work)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")}
    printed = run(work / "program", env=environment)
    if version not in printed:
        sys.exit(f"the program printed {printed!r}, not {version}")


def check_find_package(prefix, work):
    run("cmake", "-G", "Ninja", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=work)
    run("cmake", "--build", "build", cwd=work)
    run(work / "build" / "program")


def check_template(root, prefix):
    """The templates build with plain cc against the installed headers, and the tool finds them."""
    tool = prefix / "bin" / "assay"
    sources = sorted((root / "plugins/template").glob("*.c"))
    if not sources:
        sys.exit("plugins/template has no C source")
    kinds = {"loss": "losses", "density": "densities"}
    for source in sources:
        kind = next(k for k in kinds if f'"assay.{k}/1"' in source.read_text())
        module = prefix / f"lib/assay/plugins/{kind}-acme.{source.stem}.so"
        run("cc", "-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
            "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", f"-I{prefix / 'include'}",
            "-o", module, source, "-lm")
        if f"acme.{source.stem}" not in run(tool, "list", kinds[kind]):
            sys.exit(f"the tool does not list the template's {kind} acme.{source.stem}")


def main():
    root, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    cache = (build / "CMakeCache.txt").read_text()
    if re.search(r"^ASSAY_SANITIZE:\w+=.+$", cache, re.MULTILINE):
        print("skipped: a sanitizer's build is not installed")
        sys.exit(77)
    for part in ("core/api", "core/cli", "plugins/template"):
        if not any((root / part).glob("*.c*")):
            print(f"skipped: {part} has no sources yet")
            sys.exit(77)
    version = re.search(r"^CMAKE_PROJECT_VERSION:\w+=(.*)$", cache, re.MULTILINE).group(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run("cmake", "--install", build, "--prefix", folder / "first")
        prefix = folder / "moved"
        (folder / "first").rename(prefix)
        work = folder / "work"
        work.mkdir()
        (work / "program.c").write_text(PROGRAM)
        (work / "program_module.c").write_text(MODULE)
        (work / "CMakeLists.txt").write_text(PROJECT)
        check_files(prefix)
        check_pkg_config(prefix, work, version)
        check_find_package(prefix, work)
        check_template(root, prefix)
    print("installed, moved and used")


main()
