"""Runs on a Ray cluster: an existing one by its address, or one that is started here.

Placement, retries and lost nodes are Ray's work: a run is one task of one core, and Ray starts it again where
its worker or node dies. A run that begins again goes on from its last kept state where the folder is visible
there (one machine, or a file system that the nodes share), else from its start; its record is the same. The
record comes back as JSON and is written by this process as soon as it is there, so that no node writes into
the store; what had not come back when this process is killed is done again.

Ray is an extra (`pip install -e .[ray]`).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks.record_store import write_record
from benchmarks.records import Record, Run, record_key
from benchmarks.runner.events import Event
from benchmarks.runner.schedule import Backend
from benchmarks.runner.software import differing
from benchmarks.runner.unfinished import Unfinished

try:
    import ray
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("--backend ray: Ray is not installed; pip install -e .[ray]") from error

WAIT_S = 1.0
RETRIES = 20  # of a run whose worker or node died; a run that fails by itself is not tried again
ROOT = Path(benchmarks.__file__).resolve().parents[1]
NOT_SHIPPED = [".git", ".venv", "runs", "dist", "benchmarks/results", "**/__pycache__"]


def on_ray(
    jobs: int | None, address: str | None, *, allow_mixed: bool = False, imports: Sequence[str] = ()
) -> Backend:
    """The backend of a Ray cluster.

    Args:
        jobs: runs at a time; None for as many as the cluster has cores.
        address: of a running cluster (`auto`, `host:port`, `ray://host:port`); None starts one here.
        allow_mixed: take results of nodes whose packages differ from this process's.
        imports: modules that a worker imports before its run; they lie in this tree, or where its Python
            finds them.
    """

    def backend(runs: Sequence[Run], directory: Path, keep_every_s: float) -> Iterator[Event]:
        started = not ray.is_initialized()
        if started:
            _connect(jobs, address)
        try:
            yield from _do(runs, directory.resolve(), keep_every_s, jobs, allow_mixed, tuple(imports))
        finally:
            if started:
                ray.shutdown()

    return backend


def _connect(jobs: int | None, address: str | None) -> None:
    variables = {"OMP_NUM_THREADS": "1"}
    if address is None:  # the workers are on this machine; they see this tree, and the user's modules
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 starves them beside anything else
        environment: dict[str, Any] = {
            "env_vars": {**variables, "PYTHONPATH": os.pathsep.join((str(ROOT), os.getcwd()))}
        }
        ray.init(num_cpus=jobs, runtime_env=environment, include_dashboard=False, log_to_driver=False)
    else:
        shipped = {"working_dir": str(ROOT), "excludes": NOT_SHIPPED, "env_vars": variables}
        ray.init(address=address, runtime_env=shipped, log_to_driver=False)


def _do(
    runs: Sequence[Run],
    directory: Path,
    keep_every_s: float,
    jobs: int | None,
    allow_mixed: bool,
    imports: tuple[str, ...],
) -> Iterator[Event]:
    waiting = list(runs)
    running: dict[Any, Run] = {}
    task = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(_work)
    while waiting or running:
        # Twice the cores: Ray always has a next one to place, and this process never holds a whole suite.
        room = jobs or 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while waiting and len(running) < room:
            run = waiting.pop(0)
            running[task.remote(run, str(directory), keep_every_s, imports)] = run
        ready, _ = ray.wait(list(running), num_returns=1, timeout=WAIT_S)
        if not ready:
            yield Event("", "idle")
        for reference in ready:
            run = running.pop(reference)
            yield _outcome(reference, run, directory, allow_mixed)


def _outcome(reference: Any, run: Run, directory: Path, allow_mixed: bool) -> Event:
    key = record_key(run)
    try:
        kind, value = ray.get(reference)
    except ray.exceptions.RayError as error:  # worker or node lost more often than is tried again
        return Event(key, "failed", f"Ray: {error}")
    if kind == "failed":
        return Event(key, "failed", value)
    record = Record.from_json(value)
    other = differing(record.versions)
    if other and not allow_mixed:
        told = f"done by a node with {other}: give it the same packages, or say --allow-mixed"
        return Event(key, "failed", told)
    write_record(directory, record)
    Unfinished(directory, run).clear()
    return Event(key, "finished")


def _work(run: Run, directory: str, keep_every_s: float, imports: tuple[str, ...] = ()) -> tuple[str, Any]:
    """In a worker: the record as JSON, or why there is none."""
    os.environ["OMP_NUM_THREADS"] = "1"
    from benchmarks.runner.once import claimed_record

    try:
        quiet = (lambda steps: None, lambda: None)
        with claimed_record(directory, run, keep_every_s, *quiet, imports) as (record, _):
            return "record", record.to_json()
    except Exception:  # whatever a method raises is this run's failure, not the cluster's
        return "failed", traceback.format_exc()
