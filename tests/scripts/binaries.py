# SPDX-License-Identifier: Apache-2.0
# The invariants of docs/architecture.md that libraries can break: exported symbols, libraries
# linked, state in modules, wide instructions. Each check is first shown able to fail on a small
# bad module. Usage: binaries.py SOURCE BUILD
# labels: quick static
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from checks import binaries, sources  # noqa: E402

ENTRY = 'extern "C" __attribute__((visibility("default"))) int assay_plugin_main_v1();\n'
BODY = "int assay_plugin_main_v1() { return 0; }\n"
GOOD = ENTRY + "static const char* const names[] = {\"a\"};\n" + BODY
BAD = {
    "one_symbol": ENTRY + BODY + "int other() { return 1; }\n",
    "linked": ENTRY + 'extern "C" const char* zlibVersion();\n'
    "int assay_plugin_main_v1() { return zlibVersion()[0]; }\n",
    "no_thread_local": ENTRY + "static thread_local int t;\n"
    "int assay_plugin_main_v1() { return ++t; }\n",
    "no_constructor": ENTRY + "int make();\nstatic const int v = make();\n"
    "int make() { return __builtin_cpu_supports(\"sse2\"); }\n"
    "int assay_plugin_main_v1() { return v; }\n",
    "no_state": ENTRY + "static int count;\nint assay_plugin_main_v1() { return ++count; }\n",
}
WIDE = (
    "namespace isa_avx512 { double f(const double* a) "
    "{ double s = 0; for (int i = 0; i < 64; ++i) s += a[i] * a[i + 64]; return s; } }\n"
)


def build(folder, text, *flags):
    source, module = folder / "m.cpp", folder / "loss-m.so"
    source.write_text(text)
    command = ["c++", "-O2", "-fPIC", "-shared", "-o", module, source, *flags]
    subprocess.run(command, check=True)
    return module


def problems_of(module, libraries):
    found = {
        check.__name__: list(check(module))
        for check in (
            binaries.one_symbol,
            binaries.no_thread_local,
            binaries.no_constructor,
            binaries.no_state,
        )
    }
    found["linked"] = list(binaries.linked(module, libraries))
    return found


def self_test():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        found = problems_of(build(folder, GOOD), [])
        if any(found.values()):
            sys.exit(f"self-test: the good module has problems: {found}")
        for check, text in BAD.items():
            module = build(folder, text, *(["-lz"] if check == "linked" else []))
            if not problems_of(module, [])[check]:
                sys.exit(f"self-test: {check} did not object to:\n{text}")
        if list(binaries.linked(build(folder, BAD["linked"], "-lz"), ["ZLIB::ZLIB"])):
            sys.exit("self-test: a format library that was declared is refused")
        module = build(folder, GOOD)
        if len(list(binaries.only_api(module, {"assay_version"}))) != 2:
            sys.exit("self-test: only_api missed a symbol too many or too few")
        if platform.machine() == "x86_64":
            flags = ["-O3", "-ffast-math", "-mavx512f", "-mprefer-vector-width=512"]
            good, seen = binaries.vector_units(build(folder, WIDE, *flags))
            bad, _ = binaries.vector_units(build(folder, WIDE.replace("isa_", "x_"), *flags))
            if good or not seen["AVX-512"] or not bad:
                sys.exit("self-test: vector_units cannot tell where AVX-512 is")


def declared(header):
    """Functions of assay.h, by their calls' shape in its declarations."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.DOTALL)
    return set(re.findall(r"^ASSAY_API\b[^;(]*?\b(assay_\w+)\s*\(", text, re.MULTILINE))


def main():
    root, build_folder = map(pathlib.Path, sys.argv[1:3])
    cache = (build_folder / "CMakeCache.txt").read_text()
    if re.search(r"^ASSAY_SANITIZE:\w+=.+$", cache, re.MULTILINE):
        print("skipped: a sanitizer's build has symbols of its own")
        sys.exit(77)
    self_test()
    problems = []
    libraries = {}
    for _, kind, plugin_id, names in sources.plugin_calls(root):
        libraries[f"{kind}-{plugin_id}.so"] = names
    modules = sorted((build_folder / "lib" / "assay" / "plugins").glob("*.so"))
    for module in modules:
        found = problems_of(module, libraries.get(module.name, []))
        problems += [p for list_ in found.values() for p in list_]
    library = build_folder / "lib" / "libassay.so"
    tool = build_folder / "bin" / "assay"
    if library.exists():
        problems += binaries.only_api(library, declared(root / "capi/include/assay/assay.h"))
    for binary in (b for b in (library, tool) if b.exists()):
        if platform.machine() == "x86_64":
            found, seen = binaries.vector_units(binary)
            problems += found
            if not seen["AVX-512"] and any((root / "core/kernels/isa").glob("*.cpp")):
                problems.append(f"{binary.name}: no AVX-512 kernel found where there should be")
    print("\n".join(problems))
    print(f"{len(modules)} modules, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
