"""The software and the machine that a run ran on, and what is said of results that differ in it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ma_ssm_env import __version__

PACKAGES = (
    "mujoco",
    "gymnasium",
    "pettingzoo",
    "numpy",
    "torch",
    "stable-baselines3",
    "sb3-contrib",
    "supersuit",
)
MIXED = "Mixed versions: "  # how the note under a table begins
CHECKOUT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"python": platform.python_version(), "ma-ssm-env": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit(checkout: Path = CHECKOUT) -> dict[str, str]:
    """The commit that a result is of, as a further version: `{"commit": "0123456789ab"}`.

    It tells where a result comes from and refuses nothing: most commits change no result. `+` is added where
    tracked files differ from the commit. Empty where the code does not lie in a git checkout of its own, or
    git cannot say.
    """
    if not (checkout / ".git").exists():
        return {}
    asked = ["git", "-C", str(checkout), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": said}


def differing(others: Mapping[str, str]) -> str:
    """Where `others` differ from the versions here: `mujoco 3.14 (here 4.0.0), ...`; empty where nowhere.

    Python's own version is left out, and so is a package that one side does not list. A local label of the
    same release (`2.13.0+cpu`) makes no difference.
    """
    here = versions()
    return ", ".join(
        f"{name} {others[name]} (here {here[name]})"
        for name in here
        if name != "python" and name in others and _release(others[name]) != _release(here[name])
    )


def disagreement(all_made_with: Iterable[Mapping[str, str]]) -> str:
    """Where the versions of several results differ: `mujoco 3.14.0 / 4.0.0, ...`; empty where nowhere.

    What makes no difference is what makes none in `differing`.
    """
    releases: dict[str, set[str]] = {}
    for made_with in all_made_with:
        for name, text in made_with.items():
            releases.setdefault(name, set()).add(_release(text))
    return ", ".join(
        f"{name} {' / '.join(sorted(found))}"
        for name, found in releases.items()
        if name != "python" and len(found) > 1
    )


def versions_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The versions that a record says; the first records say this project's alone, or none."""
    code = {"ma-ssm-env": record["code"]} if "code" in record else {}
    return dict(record.get("versions", code))


def versions_note(records: Sequence[Mapping[str, Any]]) -> str:
    """What is to be said under a table of these records; nothing where all are alike in versions."""
    silent = sum(not record.get("versions") for record in records)
    parts = [disagreement(map(versions_of, records))]
    if 0 < silent < len(records):
        parts.append(f"not recorded in {silent} of {len(records)} records")
    said = "; ".join(part for part in parts if part)
    return f"\n{MIXED}{said}. Differences may come from that.\n" if said else ""


def host() -> dict[str, Any]:
    """What the run ran on, without naming the machine."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system(), "torch_threads": 1}


def _release(text: str) -> str:
    return text.partition("+")[0]
