"""Wherever runs are done: who waited for another process takes its record; a run without one is done."""

import importlib
import sys
import threading
import time
import types

import pytest

from benchmarks.record_store import find_record, write_record
from benchmarks.records import Record
from benchmarks.runner import claim, local, once
from benchmarks.runner.claim import claimed
from benchmarks.runner.execute import execute, plan
from benchmarks.runner.suites import Suite

RUN = plan(Suite("t", ("PointDir-v0",), ("zero",), 1, 100, (100,), 2), "")[0]


class Pipe:
    """Takes what a local worker says."""

    def __init__(self):
        self.said = []

    def send(self, message):
        self.said.append(message)


def locally(directory, monkeypatch):
    """The record after a worker of this machine has done the run."""
    pipe = Pipe()
    local._work(RUN, str(directory), 60.0, pipe)
    assert all(kind in ("waits", "steps") for kind, _ in pipe.said)
    return find_record(directory, RUN)


def on_ray(directory, monkeypatch):
    """The record that a worker of Ray gives back; Ray itself takes no part in a worker's work."""
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    monkeypatch.delitem(sys.modules, "benchmarks.runner.on_ray", raising=False)
    module = importlib.import_module("benchmarks.runner.on_ray")
    monkeypatch.delitem(sys.modules, "benchmarks.runner.on_ray")
    kind, value = module._work(RUN, str(directory), 60.0)
    assert kind == "record", value
    return Record.from_json(value)


@pytest.fixture(params=[locally, on_ray])
def worker(request, monkeypatch):
    monkeypatch.setattr(claim, "LOOK_EVERY_S", 0.01)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lambda directory: request.param(directory, monkeypatch)


def test_a_run_without_a_record_is_done(worker, tmp_path):
    found = worker(tmp_path)
    assert found.run == RUN
    made = execute(RUN, lambda steps: None)
    assert found.to_json()["result"] == made.to_json()["result"]


def test_the_record_of_the_process_that_was_waited_for_is_taken(worker, tmp_path, monkeypatch):
    made = execute(RUN, lambda steps: None)
    for module in (once, importlib.import_module("benchmarks.runner.execute")):
        monkeypatch.setattr(module, "execute", lambda *given: pytest.fail("it is done twice"))
    held = threading.Event()

    def other():
        with claimed(tmp_path, RUN, lambda: None):
            held.set()
            time.sleep(0.1)  # most of the time the worker waits meanwhile; it must not begin in any case
            write_record(tmp_path, made)

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(60)
    found = worker(tmp_path)
    thread.join()
    assert found == find_record(tmp_path, RUN)
    assert found.timings == made.timings
