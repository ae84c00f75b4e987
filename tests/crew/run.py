"""Run the crew's tests where CrewAI is: `python tests/crew/run.py`, in an environment of its own.

CrewAI and the exact versions of `constraints.txt` exclude each other (its dependency `instructor` wants
rich < 15), so it has its own, in `requirements.txt`. The environment is made in `.consumers/crew` (or
`--venv DIRECTORY`) and used again while they are the same: 2.2 GB, of which 730 MB are CrewAI's. The tests
themselves open no connection. What ran, with which versions, is written to `docs/crew.json`.
"""

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "docs" / "crew.json"
REQUIREMENTS = HERE / "requirements.txt"
SHOWN = ("crewai", "pydantic", "torch", "numpy", "mujoco", "gymnasium", "pettingzoo")
ASK = (
    "import json, sys; from importlib.metadata import version\n"
    "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
)


def prepare(folder: Path) -> Path:
    """The environment's Python; the environment is made where it is not there yet."""
    python, stamp = folder / "bin" / "python", folder / "made-from"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
            sys.exit(f"{folder}: not a virtual environment, and not empty: name another --venv")
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        (torch,) = [line for line in REQUIREMENTS.read_text().splitlines() if line.startswith("torch==")]
        # The CPU build first and alone, where there is one: without gigabytes of CUDA libraries.
        if subprocess.run([*pip, "--no-deps", torch + "+cpu"]).returncode != 0:
            index = ["--index-url", "https://download.pytorch.org/whl/cpu"]
            subprocess.run([*pip, "--no-deps", *index, torch + "+cpu"])
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(digest)
    return python


def main() -> int:
    """The command line; 1 where a test failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".consumers" / "crew")
    given = parser.parse_args()
    python = prepare(given.venv.resolve())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    ran = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", str(HERE)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    print(ran.stdout, ran.stderr, sep="\n", file=sys.stderr)
    asked = subprocess.run([python, "-c", ASK, *SHOWN], capture_output=True, text=True, check=True)
    about = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "versions": json.loads(asked.stdout),
        "outcome": "passed" if ran.returncode == 0 else "failed",
        "ran": [line for line in ran.stdout.splitlines() if line.strip()][-1],
        "seconds": round(time.monotonic() - started),
    }
    beside = RESULTS.with_suffix(".tmp")
    beside.write_text(json.dumps(about, indent=1) + "\n")
    os.replace(beside, RESULTS)
    print(json.dumps(about))
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
