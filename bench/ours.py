# SPDX-License-Identifier: Apache-2.0
# One benchmark row through the tool, as a user would run it: a spec into a folder, times from trace.csv (inside steps only).
import csv
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SPEC = """\
assay: 1
name: bench
data: {{ use: {reader}, path: {data}{compute} }}
model:
  rank: {rank}
  loss: {loss}
  W: {{ constraint: nonneg }}
  H: {{ constraint: nonneg }}
init: {{ use: from_file, path: {start} }}
solver: {solver}
stop: {{ max_iter: {steps}, rel_tol: 0, patience: 0 }}
measure: {{ every: {every}, metrics: [objective] }}
checkpoint: {{ every_seconds: 0 }}
threads: {threads}
"""


# Without a start and signs: singular vectors. The method says when it has ended.
SPECTRAL = """\
assay: 1
name: bench
data: {{ use: {reader}, path: {data}{compute} }}
model: {{ rank: {rank} }}
solver: {solver}
stop: {{ rel_tol: 0, patience: 0 }}
measure: {{ every: 1000, metrics: [objective] }}
checkpoint: {{ every_seconds: 0 }}
threads: {threads}
"""

# From rows of the data; W is made from the labels.
CLUSTERS = """\
assay: 1
name: bench
data: {{ use: {reader}, path: {data}{compute} }}
model: {{ rank: {rank} }}
init: {{ use: from_file, path: {start} }}
solver: {solver}
stop: {{ max_iter: {steps}, rel_tol: 0, patience: 0 }}
measure: {{ every: {every}, metrics: [objective] }}
checkpoint: {{ every_seconds: 0 }}
threads: {threads}
"""

AUTOENCODER = """\
assay: 1
name: bench
data: {{ use: {reader}, path: {data}{compute} }}
model: {{ kind: autoencoder, layers: {layers}, loss: {loss} }}
solver: {{ use: autoencoder, init: glorot }}
stop: {{ max_iter: {steps}, rel_tol: 0, patience: 0 }}
measure: {{ every: {every}, metrics: [objective] }}
checkpoint: {{ every_seconds: 0 }}
threads: {threads}
"""


MIXTURE = """\
assay: 1
name: bench
data: {{ use: {reader}, path: {data}{compute} }}
model: {{ kind: mixture, components: {rank}, density: {{ use: gaussian, floor: 1.0e-12 }} }}
init: {{ use: from_file, path: {start} }}
solver: {{ use: em, start: means }}
stop: {{ max_iter: {steps}, rel_tol: 0, patience: 0 }}
measure: {{ every: {every}, metrics: [objective] }}
checkpoint: {{ every_seconds: 0 }}
threads: {threads}
"""


@functools.lru_cache
def listed(tool, kind):
    """Ids of the plugins of a kind."""
    done = subprocess.run([str(tool), "list", kind, "--json"], text=True, capture_output=True, check=True)
    return {json.loads(line)["id"] for line in done.stdout.splitlines()}


class Failed(Exception):
    """The tool did not finish the row; the text is what it said."""


def run(tool, row, data, start, steps, threads, plugin_dir=None, every=0):
    """Seconds per step, objective and peak memory of `steps` steps; with `every` the curve of the objective too."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="assay-bench-"))
    try:
        spec = folder / "bench.yaml"
        text = (MIXTURE if row.mixture else AUTOENCODER if row.layers else CLUSTERS if row.clusters else
                SPECTRAL if row.peer_method else SPEC)
        spec.write_text(text.format(
            layers=list(row.layers), reader={".mtx": "mtx", ".npy": "npy", ".npz": "npy"}.get(data.suffix, "idx"), data=data,
            compute=", compute: f32" if row.dtype == "float32" else "", rank=row.rank,
            loss=row.loss, start=start, steps=steps, threads=threads, every=every or steps, solver=row.solver))
        command = [str(tool), "run", str(spec), "-o", str(folder / "out"), "--quiet",
                   *(["--plugin-dir", str(plugin_dir)] if plugin_dir else [])]
        peak, output, status = measured(command, folder)
        if status:
            raise Failed(f"{' '.join(command)}: exit code {status}\n{output}")
        trial, = (folder / "out" / "trials").iterdir()
        with open(trial / "trace.csv", encoding="ascii") as file:
            trace = list(csv.DictReader(file))
        last = trace[-1]
        environment = json.loads((folder / "out" / "environment.json").read_text(encoding="utf-8"))
        return {
            "seconds": float(last["seconds"]),
            "seconds_per_step": float(last["seconds"]) / int(last["iteration"]),
            "steps": int(last["iteration"]),
            "objective": float(last["objective"]),
            "peak_mib": peak / 1024,
            "curve": [(int(r["iteration"]), float(r["seconds"]), float(r["objective"])) for r in trace if r["objective"]],
            "environment": environment,
        }
    finally:
        shutil.rmtree(folder)


# A child's peak begins with the memory of the process that started it, so a small one does: it writes the peak in KiB
# to the file named first and ends like the command.
LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


def measured(command, folder):
    """Runs a command; its peak resident set in KiB, what it printed, and its exit status."""
    peak = folder / "peak"
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, str(peak), *command], text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"}, check=False)
    return int(peak.read_text()), done.stdout, done.returncode
