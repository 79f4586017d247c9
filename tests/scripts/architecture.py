# SPDX-License-Identifier: Apache-2.0
# The invariants of docs/architecture.md that sources can break, each first shown able to fail on a
# small bad tree. Usage: architecture.py SOURCE BUILD
# labels: quick static
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from checks import sources  # noqa: E402

HEAD = "// SPDX-License-Identifier: Apache-2.0\n// A file.\n"
GOOD = {
    "capi/include/assay/plugin.h": HEAD + "#include <stdint.h>\n",
    "core/base/text.hpp": HEAD + '#include <string>\n// printf("x")\n',
    "core/data/matrix.hpp": HEAD + '#include "core/base/text.hpp"\nconst char* t = "printf(";\n',
    "core/graph/run.cpp": HEAD + "#include <oneapi/tbb/flow_graph.h>\n",
    "core/cli/main.cpp": HEAD + 'int main() { std::printf("ok"); }\n',
    "core/kernels/isa/dot.cpp": HEAD + "#include <stdint.h>\n",
    "plugins/losses/kl/CMakeLists.txt": "assay_plugin(loss kl)\n",
    "plugins/losses/kl/kl.cpp": HEAD + "#include <assay/plugin.h>\n#include <cmath>\n",
    "plugins/readers/idx/CMakeLists.txt": "assay_plugin(reader idx LIBRARIES ZLIB::ZLIB)\n",
    "plugins/readers/idx/idx.cpp": HEAD + "#include <zlib.h>\n",
}
# (the check that must object, file, its text)
BAD = [
    ("plugin_includes", "plugins/losses/kl/bad.cpp", HEAD + '#include "core/base/text.hpp"\n'),
    ("plugin_includes", "plugins/losses/kl/bad.cpp", HEAD + "#include <zlib.h>\n"),
    ("plugin_includes", "plugins/losses/kl/bad.cpp", HEAD + "#include <thread>\n"),
    ("plugin_includes", "plugins/losses/kl/bad.cpp", HEAD + '#include "../../readers/idx/idx.cpp"\n'),
    ("plugin_includes", "plugins/losses/kl/bad.cpp", HEAD + "#include <assay/none.h>\n"),
    ("core_includes", "core/base/bad.cpp", HEAD + '#include "core/data/matrix.hpp"\n'),
    ("core_includes", "core/cli/bad.cpp", HEAD + '#include "core/api/none.hpp"\n'),
    ("core_includes", "core/data/bad.cpp", HEAD + '#include "matrix.hpp"\n'),
    ("core_includes", "core/data/bad.cpp", HEAD + '#include "plugins/losses/kl/kl.cpp"\n'),
    ("capi_includes", "capi/include/assay/bad.h", HEAD + "#include <yaml-cpp/yaml.h>\n"),
    ("rooms", "core/fit/bad.cpp", HEAD + "#include <tbb/task_arena.h>\n"),
    ("rooms", "core/fit/bad.cpp", HEAD + "#include <yaml-cpp/yaml.h>\n"),
    ("rooms", "core/kernels/bad.hpp", HEAD + "#include <xtensor-blas/xlinalg.hpp>\n"),
    ("rooms", "core/kernels/isa/bad.cpp", HEAD + "#include <cblas.h>\n"),
    ("rooms", "core/base/bad.cpp", HEAD + "#include <doctest/doctest.h>\n"),
    ("rooms", "core/kernels/bad.hpp", HEAD + '#include "core/kernels/xtensor.hpp"\n'),
    ("isa_headers", "core/kernels/isa/bad.cpp", HEAD + "#include <algorithm>\n"),
    ("isa_headers", "core/kernels/isa/bad.cpp", HEAD + '#include "core/base/text.hpp"\n'),
    ("plugin_ids", "core/fit/bad.cpp", HEAD + 'bool b = id == "kl";\n'),
    ("plugin_ids", "core/fit/bad.cpp", HEAD + 'auto f = "loss-kl";\n'),
    ("silence", "core/fit/bad.cpp", HEAD + "void f() { std::cerr << 1; }\n"),
    ("silence", "core/fit/bad.cpp", HEAD + 'void f() { fmt::print("x"); }\n'),
    ("silence", "plugins/losses/kl/bad.cpp", HEAD + 'void f() { printf("x"); }\n'),
    ("silence", "core/fit/bad.cpp", HEAD + "void f() { std::abort(); }\n"),
    ("silence", "core/fit/bad.cpp", HEAD + "void f() { /* why */ exit(1); }\n"),
    ("licence_lines", "core/fit/bad.cpp", "// A file.\n"),
    ("licence_lines", "core/fit/bad.cpp", "// SPDX-License-Identifier: Apache-2.0\nint x;\n"),
]


def write_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def problems(root):
    return {check.__name__: list(check(root)) for check in sources.ALL}


def self_test():
    """The good tree passes; each bad file is objected to by its check."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        write_tree(root, GOOD)
        found = {name: p for name, p in problems(root).items() if p}
        if found:
            sys.exit(f"self-test: the good tree has problems: {found}")
        for check, name, text in BAD:
            write_tree(root, {name: text})
            found = {n: p for n, p in problems(root).items() if p}
            (root / name).unlink()
            if check not in found:
                sys.exit(f"self-test: {check} did not object to {name}:\n{text}")
    missing = {check.__name__ for check in sources.ALL} - {check for check, _, _ in BAD}
    if missing:
        sys.exit(f"self-test: nothing shows that these can fail: {missing}")


def main():
    self_test()
    found = [p for list_ in problems(pathlib.Path(sys.argv[1])).values() for p in list_]
    print("\n".join(found))
    print(f"{len(sources.ALL)} checks, {len(found)} problems")
    sys.exit(1 if found else 0)


main()
