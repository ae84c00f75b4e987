"""The kept state of a run in progress: `DIRECTORY/unfinished/<key>/state-<steps>/`.

A method hands over its state at a boundary of its own (`Job.keep`), the runner adds what it has evaluated so
far, and both become visible together, by one rename: a killed run goes on from the last whole state, and the
record that it gives is the one of an undisturbed run. `state.json` is the runner's part and lists the digests
of the method's files; a state that does not match it is named, set aside and not used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record_store import RecordWarning
from benchmarks.records import Run, record_key
from benchmarks.runner.claim import claim_path, claimed_if_free
from benchmarks.runner.software import differing, versions

FILE = "state.json"
KEEP_EVERY_S = 60.0
ABANDONED_S = 3600.0


@dataclass(frozen=True)
class Kept:
    """A state that a run can go on from.

    Attributes:
        steps: control steps charged when it was kept.
        folder: the method's files.
        runner: what the runner had evaluated until then, as JSON.
    """

    steps: int
    folder: Path
    runner: dict[str, Any]


class Unfinished:
    """Where the state of one run in progress is kept.

    Args:
        directory: of the records.
        run: the run.
        every_s: seconds of wall time between two states; 0 keeps one at every boundary.
    """

    def __init__(self, directory: str | os.PathLike[str], run: Run, every_s: float = KEEP_EVERY_S) -> None:
        self.folder = Path(directory) / "unfinished" / record_key(run)
        self._claim = claim_path(directory, run)
        self.every_s = every_s
        self._last = time.monotonic()

    def find(self) -> Kept | None:
        """The latest whole state; None where there is none that this software can go on from."""
        for path in sorted(self.folder.glob("state-*"), key=_steps, reverse=True):
            try:
                data = json.loads((path / FILE).read_text(encoding="utf-8"))
                for name, digest in data["files"].items():
                    if _digest(path / name) != digest:
                        raise ValueError(f"{name} is not the file that was written")
                steps, runner, made_with = int(data["steps"]), dict(data["runner"]), dict(data["versions"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                aside = path.with_name("damaged-" + path.name)
                try:
                    shutil.rmtree(aside, ignore_errors=True)
                    os.replace(path, aside)
                except FileNotFoundError:  # who does the run has kept a newer state in the meantime
                    continue
                _warn(f"{path}: damaged: {error}; moved to {aside.name}; the run goes on from an earlier one")
                continue
            other = differing(made_with)
            if other:
                _warn(
                    f"{path}: made with {other}; a run does not change its software half way: it starts anew"
                )
                return None
            return Kept(steps, path, runner)
        return None

    def keep(
        self, steps: int, write: Callable[[Path], None], runner: Callable[[], Mapping[str, Any]]
    ) -> bool:
        """Keep the state after `steps`, if it is time; returns whether it was.

        Args:
            steps: control steps charged.
            write: writes the method's files into a folder.
            runner: gives what the runner has evaluated so far.
        """
        place = self.folder / f"state-{steps}"
        if time.monotonic() - self._last < self.every_s or place.exists():  # it goes on from just this state
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{steps}.{os.getpid()}.tmp"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        write(beside)
        files = {path.name: _digest(path) for path in sorted(beside.iterdir())}
        state = {"steps": steps, "files": files, "versions": versions(), "runner": dict(runner())}
        (beside / FILE).write_text(json.dumps(state) + "\n", encoding="utf-8")
        for path in beside.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        os.replace(beside, place)
        for path in self.folder.iterdir():
            if path != place and (path.name.startswith("state-") or _abandoned(path)):
                # Out of sight at once: whoever looks finds a whole state or none.
                away = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                os.replace(path, away)
                shutil.rmtree(away, ignore_errors=True)
        self._last = time.monotonic()
        return True

    def clear(self) -> None:
        """Forget the run's states, and the claim on it: its record is written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._claim.unlink(missing_ok=True)


def unfinished_keys(directory: str | os.PathLike[str]) -> set[str]:
    """Keys of the runs of which there is a state or a claim, whether or not they have finished since."""
    try:
        with os.scandir(Path(directory) / "unfinished") as entries:
            return {entry.name.removesuffix(".lock") for entry in entries}
    except FileNotFoundError:
        return set()


def clear_finished(directory: str | os.PathLike[str], run: Run) -> None:
    """Forget what is left of a run whose record is there, as of a process killed just after it wrote it.

    What another process has claimed is left: that one clears it itself.
    """
    with claimed_if_free(directory, run) as free:
        if free:
            Unfinished(directory, run).clear()


def _steps(path: Path) -> int:
    number = path.name.removeprefix("state-")
    return int(number) if number.isdigit() else -1


def _abandoned(path: Path) -> bool:
    """Whether a half-written state is old enough that nobody writes it any more."""
    try:
        return path.name.endswith(".tmp") and time.time() - path.stat().st_mtime > ABANDONED_S
    except FileNotFoundError:
        return False


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _warn(text: str) -> None:
    warnings.warn(text, RecordWarning, stacklevel=3)
