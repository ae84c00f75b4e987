"""Runs in processes of this machine, each with a pipe of its own to the scheduler.

Nothing is shared between workers. A queue that they shared would be guarded by one lock, and a worker that
is killed while it holds that lock (in the middle of a `put`) leaves it taken: the others then wait for ever.
With a pipe each, a death closes that worker's pipe and touches no other. A message is smaller than what a
pipe takes in one piece, so the scheduler never waits for the second half of one.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, cast

from benchmarks.record_store import find_record, write_record
from benchmarks.records import Run, record_key
from benchmarks.runner.events import Event
from benchmarks.runner.once import claimed_record
from benchmarks.runner.unfinished import Unfinished

WAIT_S = 0.5  # how long the scheduler sleeps at most
# Of a traceback: with its frame below PIPE_BUF (4096), so that it is written in one piece.
REASON_BYTES = 3000


def run_local(
    runs: Sequence[Run], directory: Path, jobs: int, keep_every_s: float, imports: Sequence[str] = ()
) -> Iterator[Event]:
    """Do `runs`, `jobs` at a time, each in a process of its own; yields what happens, as it happens.

    A process imports the modules `imports` first: it knows nothing of what this one registered.

    Each record is written by its worker when its run ends, so that killing anything at any moment loses no
    finished run. A worker that dies takes its own run with it, not the others.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(runs)
    running: dict[Connection, tuple[Run, SpawnProcess]] = {}
    told: set[str] = set()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(
                    target=_work,
                    args=(run, str(directory), keep_every_s, theirs, tuple(imports)),
                    daemon=True,
                )
                process.start()
                theirs.close()  # the worker's end is the worker's alone: its death is the end of the pipe
                running[ours] = run, process
            ready = cast(list[Connection], connection.wait(list(running), WAIT_S))
            if not ready:
                yield Event("", "idle")
            for pipe in ready:
                run, process = running[pipe]
                key = record_key(run)
                try:
                    kind, value = pipe.recv()
                except (EOFError, OSError):
                    del running[pipe]
                    pipe.close()
                    process.join()
                    if find_record(directory, run) is not None:
                        yield Event(key, "finished")
                    elif key not in told:
                        yield Event(key, "failed", f"its process ended with exit code {process.exitcode}")
                    continue
                if kind == "failed":
                    told.add(key)
                yield Event(key, kind, value)
    finally:
        for _, process in running.values():
            process.terminate()


def _work(run: Run, directory: str, keep_every_s: float, pipe: Any, imports: tuple[str, ...] = ()) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    def say(kind: str, value: int | None = None) -> None:
        try:
            pipe.send((kind, value))
        except BrokenPipeError:  # the scheduler was killed; the next one goes on from the last kept state
            sys.exit(1)

    def progress(steps: int) -> None:
        say("steps", min(steps, run.budget))

    try:
        waits = partial(say, "waits")
        with claimed_record(directory, run, keep_every_s, progress, waits, imports) as (record, there):
            if not there:
                write_record(directory, record)
            Unfinished(directory, run).clear()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # whatever a method raises: its run is reported as failed, with the traceback, and the
        # others go on; the exit status of the whole command is 1
        reason = traceback.format_exc().encode()[-REASON_BYTES:].decode(errors="replace")
        pipe.send(("failed", reason))
        sys.exit(1)
