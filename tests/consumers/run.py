"""Run every consumer for real: `python tests/consumers/run.py [NAME ...]`, or `make consumers`.

A consumer is a script beside this file and a file of exact versions in `requirements/`. Each gets a virtual
environment of its own in `.consumers/` (or `--venvs DIRECTORY`), since their pins exclude each other; one
that is there is used again while its requirements are the same. What ran, with which versions, is written to
`docs/consumers.json`, from which the compatibility page is made (`python docs/pages.py`). A consumer that
fails is written down as such, and the exit status is 1.
"""

import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "docs" / "consumers.json"
CONSUMERS = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run")
LIMIT = 1800  # seconds that a script may take
ASK = (
    "import json, sys; from importlib.metadata import version, PackageNotFoundError\n"
    "def find(name):\n"
    "    try:\n        return version(name)\n"
    "    except PackageNotFoundError:\n        return None\n"
    "print(json.dumps({name: find(name) for name in sys.argv[1:]}))"
)
BESIDE = ("gymnasium", "pettingzoo", "mujoco", "numpy", "torch")


def direct_requirements(name: str) -> list[str]:
    """The distributions that a requirements file names before its dependencies, such as `skrl`."""
    lines = (HERE / "requirements" / f"{name}.txt").read_text().splitlines()
    direct = lines[: lines.index("")] if "" in lines else lines
    return [line.partition("==")[0].partition("[")[0].strip() for line in direct if "==" in line]


def prepare(name: str, venvs: Path) -> Path:
    """The Python of the consumer's environment, made where it is not there yet."""
    requirements = HERE / "requirements" / f"{name}.txt"
    folder = venvs / name
    python, stamp = folder / "bin" / "python", folder / "made-from"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        venv.create(folder, with_pip=True, clear=True)
        # Torch first and alone: the CPU build where there is one, without gigabytes of CUDA libraries.
        pin = [line for line in requirements.read_text().splitlines() if line.startswith("torch==")]
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if pin and subprocess.run([*pip, "--no-deps", pin[0] + "+cpu"]).returncode != 0:
            index = ["--index-url", "https://download.pytorch.org/whl/cpu"]
            subprocess.run([*pip, "--no-deps", *index, pin[0] + "+cpu"])
        subprocess.run([*pip, "-r", str(requirements)], check=True)
        stamp.write_text(digest)
    return python


def run(name: str, venvs: Path) -> dict[str, object]:
    """Run one consumer; what is written down about it."""
    about: dict[str, object] = {"date": datetime.date.today().isoformat()}
    try:
        python = prepare(name, venvs)
        names = [*direct_requirements(name), *BESIDE]
        asked = subprocess.run([python, "-c", ASK, *names], capture_output=True, text=True, check=True)
        about["versions"] = {key: value for key, value in json.loads(asked.stdout).items() if value}
        about["python"] = subprocess.run(
            [python, "-c", "import platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
        ).stdout.strip()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        start = time.monotonic()
        ran = subprocess.run(
            [python, HERE / f"{name}.py"],
            env=environment,
            cwd=venvs,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        about["seconds"] = round(time.monotonic() - start)
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr[-2000:])
        about |= {"outcome": "passed", **json.loads(ran.stdout.strip().splitlines()[-1])}
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        about |= {"outcome": "failed", "ran": str(error).strip().splitlines()[-1][:200]}
    return about


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CONSUMERS)}; none: all")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".consumers")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in CONSUMERS]
    if unknown:
        parser.error(f"unknown consumer {unknown[0]}; one of {', '.join(CONSUMERS)} is expected")
    given.venvs.mkdir(exist_ok=True, parents=True)
    failed = []
    for name in given.names or CONSUMERS:
        about = run(name, given.venvs.resolve())
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        beside = RESULTS.with_suffix(".tmp")
        beside.write_text(json.dumps(dict(sorted({**known, name: about}.items())), indent=1) + "\n")
        os.replace(beside, RESULTS)
        print(f"{name}: {about['outcome']}: {about['ran']}", flush=True)
        failed += [name] * (about["outcome"] != "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
