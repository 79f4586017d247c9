# SPDX-License-Identifier: Apache-2.0
# `assay run` killed at random moments, then run again: the same model.npz, bit for bit, as never killed; and what else can
# happen to the process: Ctrl-C, a second one in the same folder, a full disk. Usage: kill_resume.py SOURCE BUILD
# labels: quick
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

TOOL = pathlib.Path(sys.argv[2]) / "bin" / "assay"
KILLED_RUNS = int(os.environ.get("ASSAY_KILLS", "8"))
SPEC = """\
assay: 1
name: kill
data: { use: synthetic, rows: 300, columns: 60, rank: 5 }
model: { rank: 5, loss: kl, W: { constraint: nonneg }, H: { constraint: nonneg } }
solver: mu
stop: { max_iter: 1500, rel_tol: 0 }
measure: { every: 50, metrics: [rel_error] }
checkpoint: { every_seconds: 0, every_iterations: 40 }
repeats: 2
"""


def command(spec, folder, *more):
    return [str(TOOL), "run", str(spec), "-o", str(folder), "--quiet", *more]


def run(spec, folder, *more, **keywords):
    return subprocess.run(command(spec, folder, *more), capture_output=True, text=True, **keywords)


def models(folder):
    return {p.parent.name: p.read_bytes() for p in pathlib.Path(folder).glob("trials/*/model.npz")}


def check(condition, text):
    if not condition:
        sys.exit(f"kill_resume: {text}")


def check_whole(folder):
    """Whatever a kill left behind, no file under its own name is torn."""
    for path in pathlib.Path(folder).rglob("*"):
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                check(archive.testzip() is None, f"{path} is torn")
        if path.suffix == ".json":
            json.loads(path.read_text())


def killed_at_random(spec, root, reference, seconds):
    rng = random.Random(1)
    kills = 0
    for i in range(KILLED_RUNS):
        folder = root / f"killed{i}"
        for _ in range(4):
            process = subprocess.Popen(command(spec, folder), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0, 0.7 * seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            if folder.exists():
                check_whole(folder)
        done = run(spec, folder)
        check(done.returncode == 0, f"the run after kills ended with {done.returncode}: {done.stderr}")
        check(models(folder) == reference, "a resumed run has other models")
    check(kills > 0, "nothing was killed")
    return kills


def interrupted(spec, root, reference):
    folder = root / "interrupted"
    process = subprocess.Popen(command(spec, folder, "stop.max_iter=100000000"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(400):
        if list(folder.glob("trials/*/checkpoint.npz")):
            break
        time.sleep(0.05)
    second = run(spec, folder)
    check(second.returncode == 3 and "E0503" in second.stderr and str(process.pid) in second.stderr,
          f"a second process was not refused: {second.returncode} {second.stderr}")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    check(process.returncode == 130, f"Ctrl-C ended with {process.returncode}: {err}")
    check("assay" in out.splitlines()[-1] and "run" in out.splitlines()[-1],
          f"the last line is not the command that goes on: {out.splitlines()[-1:]}")
    statuses = [json.loads(p.read_text())["status"] for p in folder.glob("trials/*/status.json")]
    check(statuses == ["interrupted"], f"statuses after Ctrl-C: {statuses}")
    check_whole(folder)


def full_disk(spec, root, reference):
    folder = root / "full"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    full = run(spec, folder, preexec_fn=limit)
    check(full.returncode == 3 and "E0502" in full.stderr,
          f"a full disk ended with {full.returncode}: {full.stderr}")
    check_whole(folder)
    done = run(spec, folder)
    check(done.returncode == 0 and models(folder) == reference, "the run after a full disk differs")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        spec = root / "kill.yaml"
        spec.write_text(SPEC)
        start = time.monotonic()
        first = run(spec, root / "whole")
        seconds = time.monotonic() - start
        check(first.returncode == 0, f"the first run ended with {first.returncode}: {first.stderr}")
        reference = models(root / "whole")
        check(len(reference) == 2, f"{len(reference)} models instead of 2")
        again = run(spec, root / "whole")
        check(again.returncode == 0 and "nothing to do" in again.stdout, "a second run did something")
        seven = run(spec, root / "seven", "threads=7")
        check(seven.returncode == 0 and models(root / "seven") == reference, "7 threads: other models")
        rows = (root / "whole" / "results.csv").read_text().splitlines()
        check(rows[0] == "trial,status,stop,repeat,metric,value" and len(rows) > 10, f"results.csv: {rows[:2]}")
        kills = killed_at_random(spec, root, reference, seconds)
        interrupted(spec, root, reference)
        full_disk(spec, root, reference)
        print(f"{kills} kills in {KILLED_RUNS} runs, all models equal")


main()
