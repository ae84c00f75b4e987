"""A run done once: whoever claims it looks for its record before it begins, wherever runs are done."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.record_store import find_record
from benchmarks.records import Record, Run
from benchmarks.runner.claim import claimed
from benchmarks.runner.execute import execute
from benchmarks.runner.unfinished import Unfinished


@contextmanager
def claimed_record(
    directory: str | os.PathLike[str],
    run: Run,
    keep_every_s: float,
    progress: Callable[[int], None],
    waits: Callable[[], None],
    imports: Sequence[str] = (),
) -> Iterator[tuple[Record, bool]]:
    """The record of `run`, and whether it was there already; the claim is held until the block ends.

    Another process may have finished the run while this one waited for the claim, or before.

    Args:
        directory: of the records.
        run: what is to be done.
        keep_every_s: seconds between two kept states.
        progress: gets the control steps done so far.
        waits: told once, before waiting for another process.
        imports: modules that are imported first: this process knows nothing of what another registered.
    """
    for module in imports:
        importlib.import_module(module)
    with claimed(directory, run, waits):
        found = find_record(directory, run)
        if found is not None:
            yield found, True
        else:
            yield execute(run, progress, Unfinished(directory, run, keep_every_s)), False
