# SPDX-License-Identifier: Apache-2.0
# What must be absent from the sources. Each check takes the source root and yields problems.
import re

from checks.text import code, includes, sources, strings

# A folder of core may include itself and folders of a lower level.
LEVELS = {
    "base": 0,
    "kernels": 1,
    "data": 2,
    "plugin": 3,
    "graph": 4,
    "fit": 5,
    "spec": 5,
    "experiment": 6,
    "report": 7,
    "api": 8,
    "cli": 8,
}

STANDARD = set(
    """algorithm array bit cassert cctype cerrno cfloat charconv cinttypes climits cmath compare
    complex concepts cstddef cstdint cstdio cstdlib cstring deque exception filesystem fstream
    functional initializer_list istream iterator limits list map memory new numbers numeric
    optional ostream queue ratio set span sstream stdexcept streambuf string string_view system_error tuple
    type_traits unordered_map unordered_set utility variant vector
    assert.h ctype.h errno.h float.h inttypes.h limits.h math.h stddef.h stdint.h stdio.h stdlib.h
    string.h dirent.h fcntl.h sys/mman.h sys/stat.h sys/types.h unistd.h""".split()
)
# Headers of the format library a plugin's CMakeLists.txt names under LIBRARIES.
FORMATS = {
    "ZLIB::ZLIB": {"zlib.h"},
    "PNG::PNG": {"png.h"},
    "ICU::uc": {f"unicode/{name}.h" for name in "brkiter locid normalizer2 uchar unistr utf8".split()},
}

# Third-party headers and the only places that may include them.
ROOMS = [
    ("TBB", re.compile(r"^(oneapi/)?tbb\b"), re.compile(r"^core/graph/")),
    ("yaml-cpp", re.compile(r"^yaml-cpp/"), re.compile(r"^core/spec/")),
    (
        "xtensor, BLAS and LAPACK",
        re.compile(r"^(xtensor|xtensor-blas|xtl|xflens|cblas|lapacke?|openblas)\b"),
        re.compile(r"^core/kernels/[^/]*\.cpp$|^core/kernels/xtensor\.hpp$|"
                   r"^capi/include/assay/xtensor\.hpp$|^tests/"),
    ),
    ("SLEEF", re.compile(r"^sleef"), re.compile(r"^core/kernels/")),
    ("CLI11", re.compile(r"^CLI/"), re.compile(r"^core/cli/")),
    ("doctest", re.compile(r"^doctest\b"), re.compile(r"^tests/")),
    ("MPI", re.compile(r"^mpi\.h"), re.compile(r"^core/mpi/")),
]

# Headers a kernel compiled per ISA may reach: none of them has inline functions that the linker
# would merge with those of other objects.
ISA_HEADERS = {"stddef.h", "stdint.h", "cstddef", "cstdint", "sleef.h", "immintrin.h", "float.h"}

PRINTS = re.compile(
    r"\bstd::(cout|cerr|clog)\b|(?<![\w.>])(std::)?(v?f?printf|puts|fputs|putchar|perror)\s*\("
    r"|\bfmt::print\b"
)
ENDS = re.compile(r"(?<![\w.>])(std::)?(exit|_exit|quick_exit|abort|terminate)\s*\(")


def plugin_calls(root):
    """(folder, kind, id, libraries) of every assay_plugin() call."""
    for path in sorted((root / "plugins").glob("*/*/CMakeLists.txt")):
        text = re.sub(r"#[^\n]*", "", path.read_text())
        for body in re.findall(r"assay_plugin\(([^)]*)\)", text):
            words = body.split()
            libraries = words[words.index("LIBRARIES") + 1 :] if "LIBRARIES" in words else []
            yield path.parent, words[0], words[1], libraries


def plugin_includes(root):
    """A plugin includes <assay/...>, the C and C++ library, its format's library, itself."""
    formats = {}
    for folder, _, _, libraries in plugin_calls(root):
        headers = set().union(*(FORMATS.get(name, set()) for name in libraries))
        formats.setdefault(folder, set()).update(headers)
    for path in sources(root / "plugins"):
        allowed = set().union(*(h for f, h in formats.items() if f in path.parents))
        for quoted, name in includes(path):
            if name.startswith("assay/"):
                ok = (root / "capi" / "include" / name).is_file()
            elif quoted:
                ok = "/" not in name and (path.parent / name).is_file()
            else:
                ok = name in STANDARD or name in allowed
            if not ok:
                yield f"{path.relative_to(root)} includes {name}: not a plugin's business"


def core_includes(root):
    """Every include of core points down, is written from the root, and exists."""
    for path in sources(root / "core"):
        place = path.relative_to(root)
        folder = place.parts[1]
        for quoted, name in includes(path):
            if not quoted:
                if re.match(r"(core|plugins|tests)/", name):
                    yield f'{place} includes <{name}>: write "{name}"'
                continue
            if name.startswith("assay/"):
                continue
            parts = name.split("/")
            if parts[0] != "core" or len(parts) < 3 or not (root / name).is_file():
                yield f'{place} includes "{name}": not a header of core, written from the root'
            elif parts[1] != folder and LEVELS.get(parts[1], 99) >= LEVELS.get(folder, -1):
                yield f"{place} includes {name}: {parts[1]} is not below {folder}"


def capi_includes(root):
    """The C surface stands on nothing: <assay/...>, the standard library; xtensor and zlib in one
    optional header each."""
    for path in sources(root / "capi" / "include"):
        for quoted, name in includes(path):
            optional = path.name == "xtensor.hpp" and name.startswith("xtensor/")
            optional = optional or (path.name == "gzip.hpp" and name == "zlib.h")
            ours = name.startswith("assay/") or (quoted and (path.parent / name).is_file())
            if not (name in STANDARD or ours or optional):
                yield f"{path.relative_to(root)} includes {name}: the C surface stands on nothing"


def rooms(root):
    """Third-party libraries stay where they belong."""
    for top in ("capi", "core", "plugins", "tests", "bench"):
        for path in sources(root / top):
            place = str(path.relative_to(root))
            for _, name in includes(path):
                for library, header, room in ROOMS:
                    if header.match(name) and not room.match(place):
                        yield f"{place} includes {name}: {library} has another room"
                if name == "core/kernels/xtensor.hpp" and path.suffix != ".cpp":
                    yield f"{place} includes {name}: only .cpp files may"


def isa_headers(root):
    """Kernels compiled per ISA reach no header with inline functions of others."""
    seen = set()
    queue = sources(root / "core" / "kernels" / "isa")
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        for quoted, name in includes(path):
            for base in (root, root / "capi" / "include", path.parent):
                if (base / name).is_file():
                    queue.append(base / name)
                    break
            else:
                if quoted or name not in ISA_HEADERS:
                    yield f"{path.relative_to(root)} includes {name}: reached by ISA kernels"


def plugin_ids(root):
    """Core names no plugin: no string literal of it is an id, alone or as a module's name."""
    ids = {}
    for _, kind, plugin_id, _ in plugin_calls(root):
        ids.setdefault(plugin_id, kind)
        ids.setdefault(f"{kind}-{plugin_id}", kind)
    for path in sources(root / "core"):
        place = str(path.relative_to(root))
        for line, text in strings(path):
            if text in ids and (place, text) not in NOT_IDS and text not in WORDS:
                yield f'{place}:{line} names the {ids[text]} "{text}"'


# Literals that are spelt like a plugin's id and are something else, by file or everywhere.
NOT_IDS = set()
# A report of plugin.h; words of the format, of the tool and of mathematics that are ids as well.
WORDS = {"objective", "fixed", "graph", "gradient", "autoencoder", "shift", "text"}


def silence(root):
    """Core outside core/cli and all plugins neither print nor end the process."""
    for top in ("core", "plugins"):
        for path in sources(root / top):
            place = path.relative_to(root)
            if place.parts[:2] == ("core", "cli"):
                continue
            for number, line in enumerate(code(path).split("\n"), 1):
                if PRINTS.search(line):
                    yield f"{place}:{number} prints"
                if ENDS.search(line):
                    yield f"{place}:{number} ends the process"


def licence_lines(root):
    """Every source file starts with its SPDX line and then says what it is."""
    for top in ("capi", "core", "plugins", "tests", "bench"):
        for path in sources(root / top):
            lines = path.read_text().split("\n")
            if "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
                yield f"{path.relative_to(root)}: the first line is not the SPDX line"
            elif not re.match(r"\s*(//|/\*|\*)\s*\S|#if|#pragma", lines[1] if lines[1:] else ""):
                yield f"{path.relative_to(root)}: the second line does not say what the file is"


ALL = [
    plugin_includes,
    core_includes,
    capi_includes,
    rooms,
    isa_headers,
    plugin_ids,
    silence,
    licence_lines,
]
