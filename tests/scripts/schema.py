# SPDX-License-Identifier: Apache-2.0
# docs/experiment.schema.json is what `assay schema` prints for the built-in plugins, and every
# experiment of configs/ uses only keys it knows. Usage: schema.py SOURCE BUILD [--update]
# labels: quick static
import json
import os
import pathlib
import re
import subprocess
import sys


def main():
    root, build = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    tool = build / "bin" / "assay"
    if not tool.exists():
        print("skipped: the tool is not built")
        sys.exit(77)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
    printed = subprocess.run([tool, "schema"], capture_output=True, text=True, check=True, env=environment).stdout
    committed = root / "docs" / "experiment.schema.json"
    if "--update" in sys.argv:
        committed.write_text(printed)
    schema = json.loads(printed)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert set(schema["definitions"]) >= {"loss", "penalty", "init", "solver", "transform", "metric", "writer"}
    pointed = set(re.findall(r'"#/definitions/([a-z]+)"', printed))
    assert pointed <= set(schema["definitions"]), f"nothing defines {pointed - set(schema['definitions'])}"
    if not committed.exists() or committed.read_text() != printed:
        sys.exit(f"{committed.name} is not what `assay schema` prints; run this with --update")
    print(f"{len(schema['properties'])} keys at the top")


main()
