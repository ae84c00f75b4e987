"""Two processes in one folder: each run is done once, and a claim ends with its holder."""

import dataclasses
import multiprocessing
import os
import signal
import threading
import time

import pytest

from benchmarks.record_store import find_record, write_record
from benchmarks.records import record_key
from benchmarks.runner import claim, local
from benchmarks.runner.claim import claim_path, claimed
from benchmarks.runner.execute import execute, plan
from benchmarks.runner.methods import METHODS, Method
from benchmarks.runner.schedule import Done, run_all
from benchmarks.runner.suites import Suite
from benchmarks.runner.unfinished import Unfinished

FORK = multiprocessing.get_context("fork")
RUN = plan(Suite("t", ("PointDir-v0",), ("zero",), 1, 100, (100,), 2), "")[0]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(claim, "LOOK_EVERY_S", 0.01)


def hold(directory, held):
    with claimed(directory, RUN, lambda: None):
        held.set()
        signal.pause()


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the claim on `RUN`."""
    held = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path, held), daemon=True)
    process.start()
    assert held.wait(30)
    yield process
    process.kill()
    process.join()


def test_a_free_claim_is_taken_without_a_word_and_given_back(tmp_path):
    for _ in range(2):
        with claimed(tmp_path, RUN, lambda: pytest.fail("nobody holds it")):
            assert claim_path(tmp_path, RUN).exists()
    Unfinished(tmp_path, RUN).clear()
    assert list((tmp_path / "unfinished").iterdir()) == []


def test_who_waits_is_told_once_and_goes_on_when_the_holder_is_killed(tmp_path, holder):
    waits = []

    def told():
        waits.append(time.monotonic())
        threading.Timer(0.1, os.kill, (holder.pid, signal.SIGKILL)).start()

    with claimed(tmp_path, RUN, told):
        assert len(waits) == 1
        holder.join()
        assert holder.exitcode == -signal.SIGKILL


def test_a_run_that_another_process_finished_in_the_meantime_is_not_done_again(tmp_path, monkeypatch):
    """Two schedulers in one folder start together; the method counts how often it is done."""
    monkeypatch.setattr(local.multiprocessing, "get_context", lambda method: FORK)

    def slow(job, report, progress):
        with open(tmp_path / "done", "a", encoding="utf-8") as file:
            file.write("once\n")
        time.sleep(0.5)
        return METHODS["zero"].run(job, report, progress)

    monkeypatch.setitem(
        METHODS, "slow", Method(1.0, lambda scenario, budget: {"kind": "slow"}, slow, trains=False)
    )
    runs = plan(Suite("t", ("PointDir-v0",), ("slow",), 1, 100, (100,), 2), "")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(run_all(runs, tmp_path / "out", 1))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Done(0, 1, {})] * 2
    assert (tmp_path / "done").read_text() == "once\n"
    assert find_record(tmp_path / "out", runs[0]) is not None
    assert not list((tmp_path / "out" / "unfinished").iterdir())


def keep_a_state(directory):
    place = Unfinished(directory, RUN, 0.0)
    assert place.keep(50, lambda folder: (folder / "replay").write_bytes(b"1234"), dict)
    return place.folder


def test_what_a_process_killed_after_its_record_left_is_cleared(tmp_path):
    run_all([RUN], tmp_path, 1)
    keep_a_state(tmp_path)
    claim_path(tmp_path, RUN).touch()
    other = Unfinished(tmp_path, dataclasses.replace(RUN, seed=1), 0.0)  # in progress
    assert other.keep(50, lambda folder: None, dict)
    assert run_all([RUN], tmp_path, 1) == Done(1, 0, {})
    assert list((tmp_path / "unfinished").iterdir()) == [other.folder]


def test_what_another_process_has_claimed_is_left_to_it(tmp_path, holder):
    write_record(tmp_path, execute(RUN, lambda steps: None))
    folder = keep_a_state(tmp_path)
    assert run_all([RUN], tmp_path, 1) == Done(1, 0, {})
    assert list(folder.iterdir())
    holder.kill()
    holder.join()
    run_all([RUN], tmp_path, 1)
    assert list((tmp_path / "unfinished").iterdir()) == []


def test_the_states_of_a_run_that_is_done_anew_with_other_versions_are_left(tmp_path):
    record = execute(RUN, lambda steps: None)
    write_record(tmp_path, dataclasses.replace(record, versions={**record.versions, "mujoco": "3.14.0"}))
    folder = keep_a_state(tmp_path)
    assert run_all([RUN], tmp_path, 1, allow_mixed=True) == Done(1, 0, {})
    assert list(folder.iterdir())


def test_that_another_process_does_it_is_said(tmp_path, holder, monkeypatch, capsys):
    monkeypatch.setattr(local.multiprocessing, "get_context", lambda method: FORK)
    threading.Timer(1.0, os.kill, (holder.pid, signal.SIGKILL)).start()
    assert run_all([RUN], tmp_path, 1) == Done(0, 1, {})
    assert f"another process does {record_key(RUN)}: waiting for it" in capsys.readouterr().out


def test_who_looks_while_states_are_kept_finds_whole_ones_alone(tmp_path):
    """A scheduler that starts looks at the states of runs that another one's processes are doing."""
    stop = threading.Event()

    def keep():
        place, steps = Unfinished(tmp_path, RUN, 0.0), 0
        while not stop.is_set():
            steps += 1
            place.keep(steps, lambda folder: (folder / "weights").write_bytes(b"1234" * 1000), dict)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    seen, looks, until = [], 0, time.monotonic() + 60
    try:
        while (len(set(seen)) < 10 or looks < 300) and time.monotonic() < until:
            looks += 1
            kept = Unfinished(tmp_path, RUN).find()
            seen += [] if kept is None else [kept.steps]
    finally:
        stop.set()
        thread.join()
    assert len(set(seen)) >= 10
    assert seen == sorted(seen)
    assert not list(Unfinished(tmp_path, RUN).folder.glob("damaged-*"))
