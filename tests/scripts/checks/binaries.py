# SPDX-License-Identifier: Apache-2.0
# What must be absent from the built libraries, read with binutils. Each check yields problems.
import re
import subprocess

ENTRY = "assay_plugin_main_v1"
RUNTIME = re.compile(r"^(libc|libm|libstdc\+\+|libgcc_s|ld-linux[-\w]*)\.so")
FORMATS = {"ZLIB::ZLIB": "libz.so", "PNG::PNG": "libpng16.so", "ICU::uc": "libicuuc.so"}
# What the compiler's start files and the CPU detection of target_clones keep writable.
START_FILES = re.compile(
    r"^(completed\.\d+|__dso_handle|_DYNAMIC|__TMC_END__|__bss_start|_edata|_end|data_start"
    r"|__data_start|__cpu_model|__cpu_features2|\.\w+"
    r"|DW\.ref\..+)$"  # the compiler's pointers to types an exception table names
)


def tool(*command):
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {run.stderr}")
    return run.stdout


def exported(library):
    """Names of the symbols a shared library defines for others."""
    lines = tool("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if line.strip()}


def needed(library):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", tool("readelf", "-d", library))


def one_symbol(module):
    """A module exports its entry and nothing else."""
    names = exported(module)
    if names != {ENTRY}:
        yield f"{module.name} exports {sorted(names)}, not {ENTRY} alone"


def linked(module, libraries):
    """A module links the C and C++ runtime and the format libraries its CMakeLists.txt names."""
    allowed = tuple(FORMATS[name] for name in libraries if name in FORMATS)
    for name in needed(module):
        if not RUNTIME.match(name) and not (allowed and name.startswith(allowed)):
            yield f"{module.name} links {name}"


def no_thread_local(module):
    """A module has no thread-local storage: nothing tells a plugin which worker it is."""
    if re.search(r"^\s+TLS\s", tool("readelf", "-lW", module), re.MULTILINE):
        yield f"{module.name} has thread-local storage"


def no_constructor(module):
    """Loading a module runs no code of its own."""
    text = tool("nm", "-C", module)
    for name in re.findall(r" t (_GLOBAL__sub_I_.*|_Z41__static_init.*|__cxx_global_var_init.*)", text):
        yield f"{module.name} has the static constructor {name}"
    size = re.search(r"\.init_array\s+INIT_ARRAY\s+\S+\s+\S+\s+(\S+)", tool("readelf", "-SW", module))
    entries = int(size.group(1), 16) // 8 if size else 0
    expected = 2 if "__cpu_indicator_init" in text else 1  # frame_dummy; target_clones
    if entries > expected:
        yield f"{module.name} has {entries - expected} static constructors"


def no_state(module):
    """A module has no writable variables, so every instance stands alone."""
    for line in tool("nm", "-f", "sysv", module).splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7 and fields[6] in (".data", ".bss") and not START_FILES.match(fields[0]):
            yield f"{module.name} has the writable variable {fields[0]}"


def only_api(library, declared):
    """libassay.so exports what assay.h declares, nothing more and nothing less."""
    names = exported(library)
    for name in sorted(names - declared):
        yield f"{library.name} exports {name}, which assay.h does not declare"
    for name in sorted(declared - names):
        yield f"{library.name} does not export {name} of assay.h"


_FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
_WIDE = {
    "AVX-512": (re.compile(r"%zmm|%k[1-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b"), ("isa_avx512",)),
    "AVX": (re.compile(r"%ymm|\tv[a-z]+\d*\w* .*%xmm"), ("isa_avx512", "isa_avx2")),
}


def vector_units(library):
    """Wide instructions only in the kernels of their ISA; returns (problems, functions seen)."""
    problems, seen = set(), {isa: set() for isa in _WIDE}
    function = "?"
    objdump = subprocess.Popen(
        ["objdump", "-d", "-C", "--no-show-raw-insn", "-j", ".text", library],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in objdump.stdout:
        start = _FUNCTION.match(line)
        if start:
            function = start.group(1)
            continue
        for isa, (pattern, namespaces) in _WIDE.items():
            if pattern.search(line):
                seen[isa].add(function)
                if not any(f"{namespace}::" in function for namespace in namespaces):
                    problems.add(f"{library.name}: {isa} instructions in {function}")
    if objdump.wait() != 0:
        problems.add(f"{library.name}: objdump failed")
    return sorted(problems), seen
