"""Runs in processes: whoever is killed, whenever, the scheduler hears of it and the others go on."""

import contextlib
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from benchmarks.record_store import find_record
from benchmarks.records import record_key
from benchmarks.runner import local
from benchmarks.runner.execute import plan
from benchmarks.runner.local import run_local
from benchmarks.runner.methods import METHODS, Method
from benchmarks.runner.suites import Suite


def talks(job, report, progress):
    """Says so much that a kill lands in the middle of saying it."""
    for steps in range(3000):
        progress(steps)
    METHODS["zero"].run(job, report, progress)
    return {}, 0


@pytest.fixture
def talkers(monkeypatch):
    """Forked workers: they begin at once, and know a method of this test."""
    context = multiprocessing.get_context("fork")
    monkeypatch.setattr(local.multiprocessing, "get_context", lambda method: context)
    method = Method(1.0, lambda scenario, budget: {"kind": "talks"}, talks, trains=False)
    monkeypatch.setitem(METHODS, "talks", method)
    return plan(Suite("talk", ("PointDir-v0",), ("talks",), 40, 100, (100,), 2), "")


def children():
    """Process ids of all children; `multiprocessing.active_children` would reap them before the scheduler."""
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return {int(number) for text in lists for number in text.split()}


def killer(stop, kills, generator, others):
    """Kills workers: children but for `others`, which were there before (`multiprocessing` has its own)."""
    while not stop.is_set():
        time.sleep(generator.uniform(0.0, 0.02))
        for child in sorted(children() - others):
            if generator.random() < 0.1:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    kills.append(child)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_kills_stop_no_other_run_and_every_end_is_told(talkers, tmp_path, seed):
    stop, kills, ends, said = threading.Event(), [], {}, 0
    what = (stop, kills, random.Random(seed), children())
    thread = threading.Thread(target=killer, args=what, daemon=True)
    thread.start()
    try:
        for event in run_local(talkers, tmp_path, 4, 60.0):
            said += event.kind == "steps"
            if event.kind in ("finished", "failed"):
                assert event.key not in ends
                ends[event.key] = event
    finally:
        stop.set()
        thread.join()
    assert kills
    assert said > 1000
    assert set(ends) == {record_key(run) for run in talkers}
    for run in talkers:
        event = ends[record_key(run)]
        assert (event.kind == "finished") == (find_record(tmp_path, run) is not None)
        assert event.kind == "finished" or "exit code -9" in event.value
    assert any(event.kind == "failed" for event in ends.values())


def test_a_worker_whose_scheduler_is_gone_ends(talkers, tmp_path):
    here, there = multiprocessing.Pipe(duplex=False)
    here.close()
    with pytest.raises(SystemExit) as ended:
        local._work(talkers[0], str(tmp_path), 60.0, there)
    assert ended.value.code == 1
    assert find_record(tmp_path, talkers[0]) is None
