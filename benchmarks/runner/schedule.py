"""Many runs: finished ones are reused, unfinished ones go on, failures are told, nothing is lost."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from benchmarks.failures import clear_failure, write_failure
from benchmarks.record_index import Entry, read_index
from benchmarks.records import Run, record_key
from benchmarks.runner.events import Event
from benchmarks.runner.local import run_local
from benchmarks.runner.methods import METHODS
from benchmarks.runner.software import differing, versions
from benchmarks.runner.unfinished import KEEP_EVERY_S, Unfinished, clear_finished, unfinished_keys

Backend = Callable[[Sequence[Run], Path, float], Iterator[Event]]  # runs, directory, seconds between states


class MixedVersionsError(RuntimeError):
    """Records of other package versions are in the folder; the message names versions and remedy."""


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


def local(jobs: int, imports: Sequence[str] = ()) -> Backend:
    """The backend of processes on this machine, `jobs` at a time, which import the modules `imports`."""
    return lambda runs, directory, keep_every_s: run_local(runs, directory, jobs, keep_every_s, imports)


def run_all(
    runs: Sequence[Run],
    directory: Path,
    backend: Backend | int,
    *,
    allow_mixed: bool = False,
    keep_every_s: float = KEEP_EVERY_S,
) -> Done:
    """Do what is not yet done of `runs`.

    Args:
        runs: what is wanted.
        directory: of the records.
        backend: where runs are done; a number is `local` with so many processes.
        allow_mixed: reuse records of other package versions, and say so, rather than refuse.
        keep_every_s: seconds between two kept states of a run.

    Raises:
        MixedVersionsError: a finished record is of other package versions, and `allow_mixed` is False.
    """
    wanted = {record_key(run): run for run in runs}
    there = {key: entry for key, entry in read_index(directory).items() if key in wanted}
    _check_versions(list(there.values()), directory, allow_mixed)
    todo = [run for key, run in wanted.items() if key not in there]
    for key in unfinished_keys(directory) & there.keys():
        # Whoever reuses no record of other versions does that run anew: its states are not left over.
        if not differing(there[key].versions):
            clear_finished(directory, wanted[key])
    if there:
        _say_reused(list(there.values()), len(runs), directory)
    if not todo:
        return Done(len(there), 0, {})
    _say_unfinished(todo, directory)
    return _do(
        todo, directory, local(backend) if isinstance(backend, int) else backend, len(there), keep_every_s
    )


def _do(todo: Sequence[Run], directory: Path, backend: Backend, reused: int, keep_every_s: float) -> Done:
    asked = {record_key(run): run for run in todo}
    weights = {key: METHODS[run.method].cost for key, run in asked.items()}
    budgets = {key: run.budget for key, run in asked.items()}
    total = sum(weights[key] * budgets[key] for key in budgets)
    progress: dict[str, float] = {}
    failed: dict[str, str] = {}
    finished = 0
    with tqdm(
        total=round(total), unit="", unit_scale=True, desc=f"runs 0/{len(todo)}", smoothing=0.05
    ) as bar:
        for event in backend(todo, directory, keep_every_s):
            key = event.key
            if event.kind == "steps":
                progress[key] = weights[key] * event.value
            elif event.kind == "finished":
                finished += 1
                clear_failure(directory, asked[key])
                progress[key] = weights[key] * budgets[key]
            elif event.kind == "failed":
                failed[key] = str(event.value)
                failure = write_failure(directory, asked[key], failed[key], versions())
                progress[key] = weights[key] * budgets[key]
                bar.write(f"failed: {key}: {failure.in_short}")
            elif event.kind == "waits":
                bar.write(f"another process does {key}: waiting for it")
            bar.set_description(f"runs {finished}/{len(todo)}", refresh=False)
            bar.update(min(round(sum(progress.values())), round(total)) - bar.n)
    return Done(reused, finished, failed)


def _check_versions(records: Sequence[Entry], directory: Path, allow_mixed: bool) -> None:
    others = Counter(found for record in records if (found := differing(record.versions)))
    if not others:
        return
    said = "; ".join(f"{count} with {found}" for found, count in others.items())
    if not allow_mixed:
        raise MixedVersionsError(
            f"{directory}/records: of {len(records)} finished runs, {said}: results of different versions "
            "are not mixed; choose another --out, or say --allow-mixed"
        )
    print(f"mixed versions, as --allow-mixed says: of {len(records)} reused runs, {said}", file=sys.stderr)


def _say_reused(records: Sequence[Entry], wanted: int, directory: Path) -> None:
    counts = Counter(record.method for record in records)
    each = ", ".join(f"{method} {count}" for method, count in counts.items())
    print(
        f"{len(records)} of {wanted} runs are already in {directory}/records and are reused: {each}",
        flush=True,
    )


def _say_unfinished(todo: Sequence[Run], directory: Path) -> None:
    """Say which runs were cut off, from where they go on, and which cannot."""
    for run in todo:
        if not METHODS[run.method].resumes:
            continue
        kept = Unfinished(directory, run).find()
        if kept is not None:
            print(f"goes on from step {kept.steps:,} of {run.budget:,}: {record_key(run)}", flush=True)
