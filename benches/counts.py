#!/usr/bin/env python3
"""counts.py [--update]: what a pass costs in counts that do not depend on the machine, against baseline.json.

Instructions per series (valgrind --tool=callgrind) and system calls per kept file (strace -c) of a full pass over a recorded tree with
100 containers: the difference between 11 passes and 1, so that what happens once does not count. Allocations per pass are 0, which
`cargo test --test allocations` checks. Fails when a count is more than 10 % above the baseline, and says when one is that much below.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "baseline.json")
CONTAINERS, PASSES = 100, 10


def build():
    done = subprocess.run(["cargo", "bench", "--no-run", "--bench", "cost", "--message-format", "json"],
                          cwd=HERE, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, done.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "cost")


def between(measure):
    """What PASSES passes cost: PASSES + 1 of them, less one."""
    return measure(PASSES + 1) - measure(1)


def main():
    for tool in ("valgrind", "strace"):
        if not shutil.which(tool):
            print(f"SKIPPED counts: there is no {tool}")
            print("0 passed, 0 failed, 1 skipped")
            return
    binary = build()
    with tempfile.TemporaryDirectory() as tree:
        subprocess.run([binary, "tree", str(CONTAINERS), tree], check=True)
        command = lambda count: [binary, "passes", str(count), tree]
        facts = json.loads(subprocess.run(command(1), check=True, stdout=subprocess.PIPE).stdout)

        def instructions(count):
            run = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={tree}/callgrind.out", *command(count)]
            text = subprocess.run(run, check=True, capture_output=True, text=True).stderr
            return int(re.search(r"Collected : (\d+)", text)[1])

        def calls(count):
            run = ["strace", "-f", "-c", "-o", f"{tree}/strace.out", *command(count)]
            subprocess.run(run, check=True, capture_output=True)
            with open(f"{tree}/strace.out", encoding="ascii") as lines:
                total = next(line.split() for line in lines if line.strip().endswith("total"))
            return int(total[-2] if total[-2].isdigit() and len(total) == 5 else total[3])

        measured = {
            "instructions per series": between(instructions) / PASSES / facts["series"],
            "system calls per container": between(calls) / PASSES / facts["containers"],
            "bytes per container": facts["bytes"] / facts["containers"],
            "series per container": facts["series"] / facts["containers"],
            "kept files per container": facts["kept_files"] / facts["containers"],
        }
    measured["system calls per kept file"] = measured["system calls per container"] / measured["kept files per container"]
    measured = {name: round(value, 2) for name, value in measured.items()}
    if "--update" in sys.argv:
        with open(BASELINE, "w", encoding="ascii") as file:
            json.dump(measured, file, indent=1)
            file.write("\n")
    with open(BASELINE, encoding="ascii") as file:
        baseline = json.load(file)
    results = {"passed": 0, "failed": 0}
    for name, value in measured.items():
        ratio = value / baseline[name]
        verdict = "failed" if ratio > 1.1 else "passed"
        results[verdict] += 1
        print(f"{verdict} {name}: {value} (baseline {baseline[name]}, × {ratio:.2f})" + (" - lower the baseline" if ratio < 0.9 else ""))
    print(f"{results['passed']} passed, {results['failed']} failed")
    sys.exit(1 if results["failed"] else 0)


main()
