"""Who does a run, or a search: one process at a time, whoever else works in the same folder.

A claim is a lock of the operating system on a file, for a run `DIRECTORY/unfinished/<key>.lock`; it ends with
its holder, however that ends, so nothing is left to clean up after a kill.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.records import Run, record_key

LOOK_EVERY_S = 1.0


@contextmanager
def claimed(directory: str | os.PathLike[str], run: Run, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the claim on `run`; where another process holds it, wait until that one is done or dead.

    Whoever has waited looks first whether the record is there now.

    Args:
        directory: of the records.
        run: what is to be done.
        waits: told once, before waiting.
    """
    with locked(claim_path(directory, run), waits):
        yield


@contextmanager
def locked(path: Path, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on a file; where another process holds it, wait until that one is done or dead.

    Args:
        path: of the file, which is made where it is not there, and left.
        waits: told once, before waiting.
    """
    lock = _lock(path)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        waits()
        held = lock.acquire()
    with held:
        yield


@contextmanager
def claimed_if_free(directory: str | os.PathLike[str], run: Run) -> Iterator[bool]:
    """Hold the claim on `run` where no other process does; gives whether it is held."""
    try:
        held = _lock(claim_path(directory, run)).acquire(timeout=0)
    except Timeout:
        yield False
        return
    with held:
        yield True


def claim_path(directory: str | os.PathLike[str], run: Run) -> Path:
    """The file that is locked."""
    return Path(directory) / "unfinished" / f"{record_key(run)}.lock"


def _lock(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, poll_interval=LOOK_EVERY_S)
