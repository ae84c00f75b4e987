"""Many runs on the processes of one machine: finished ones are reused, failures are told, nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.record_store import find_record, write_record
from benchmarks.records import Run, record_key
from benchmarks.runner.execute import execute
from benchmarks.runner.methods import METHODS


@dataclass(frozen=True)
class Done:
    """What became of a suite.

    Attributes:
        reused: runs whose records were there before.
        finished: runs done now.
        failed: keys of the runs that failed, with the reason.
    """

    reused: int
    finished: int
    failed: dict[str, str]


def run_all(runs: Sequence[Run], directory: Path, jobs: int) -> Done:
    """Do what is not yet done of `runs`, `jobs` at a time, each in a process of its own.

    Each record is written by its worker when its run ends, so that killing anything at any moment loses no
    finished run. A worker that dies takes its own run with it, not the others.
    """
    todo = [run for run in runs if find_record(directory, run) is None]
    reused = len(runs) - len(todo)
    if reused:
        print(f"{reused} of {len(runs)} runs are already in {directory}/records and are reused", flush=True)
    if not todo:
        return Done(reused, 0, {})
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    weights = {record_key(run): METHODS[run.method].cost for run in todo}
    total = sum(weights[record_key(run)] * run.budget for run in todo)
    waiting = list(todo)
    running: dict[str, Any] = {}
    progress: dict[str, float] = {}
    failed: dict[str, str] = {}
    finished = 0
    with tqdm(
        total=round(total), unit="", unit_scale=True, desc="runs 0/" + str(len(todo)), smoothing=0.05
    ) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    run = waiting.pop(0)
                    process = context.Process(target=_work, args=(run, str(directory), messages), daemon=True)
                    process.start()
                    running[record_key(run)] = process
                # Who is dead is asked before the messages are read: what the dead had to say is among them.
                dead = [key for key, process in running.items() if not process.is_alive()]
                for kind, key, value in _received(messages, 0.0 if dead else 0.5):
                    if kind == "steps":
                        progress[key] = weights[key] * value
                    elif kind == "failed":
                        failed[key] = value
                        bar.write(f"failed: {key}: {value.strip().splitlines()[-1]}")
                for key in dead:
                    process = running.pop(key)
                    process.join()
                    run = next(r for r in todo if record_key(r) == key)
                    progress[key] = weights[key] * run.budget
                    if find_record(directory, run) is not None:
                        finished += 1
                    elif key not in failed:
                        failed[key] = f"its process ended with exit code {process.exitcode}"
                        bar.write(f"failed: {key}: {failed[key]}")
                bar.set_description(f"runs {finished}/{len(todo)}", refresh=False)
                bar.update(min(round(sum(progress.values())), round(total)) - bar.n)
        finally:
            for process in running.values():
                process.terminate()
    return Done(reused, finished, failed)


def _received(messages: Any, timeout: float) -> Iterator[tuple[str, str, Any]]:
    """All messages that are there; waits at most `timeout` seconds for the first."""
    try:
        while True:
            yield messages.get(timeout=timeout)
            timeout = 0.0
    except queue.Empty:
        return


def _work(run: Run, directory: str, messages: Any) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    key = record_key(run)
    try:
        record = execute(run, lambda steps: messages.put(("steps", key, min(steps, run.budget))))
        write_record(directory, record)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # whatever a method raises: its run is reported as failed, with the traceback, and the
        # others go on; the exit status of the whole command is 1
        messages.put(("failed", key, traceback.format_exc()))
        sys.exit(1)
