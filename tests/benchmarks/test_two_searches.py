"""Two processes on one search: the second waits, and takes the first's trials or goes on after its death."""

import io
import multiprocessing
import os
import signal
import sys

import pytest

from benchmarks.runner import claim
from benchmarks.tune import search as search_module
from benchmarks.tune.methods import SEARCHED, Searched
from benchmarks.tune.search import search
from benchmarks.workflows import Choices, EmergentOptimization

FORK = multiprocessing.get_context("fork")
TRIALS = 2


def tune(folder):
    """Worths of the trials of a search of settings."""
    return [value for value, _ in search("PointDir-v0", "toy", TRIALS, 77, folder)["all"]]


def optimize(folder):
    """Worths of the trials of a search for a team."""
    choices = Choices(roles=("all",), core=("mlp",), width=(4,), belief_size=(2, 8), bandwidth_cost=(0.0,))
    workflow = EmergentOptimization(choices=choices)
    found = workflow.search("PointDir-v0", trials=TRIALS, budget=1, out=folder, progress=False)
    return [worth for _, worth in found.trials]


@pytest.fixture(params=[tune, optimize])
def searches(request, monkeypatch):
    """The search, and what puts a training in the place of the one of its trials."""
    toy = Searched(lambda scenario: {"a": 1}, {"a": (1, 2, 3)}, lambda *given: None)
    monkeypatch.setitem(SEARCHED, "toy", toy)

    def trains(train):
        monkeypatch.setattr(
            search_module, "_worth", lambda searched, scenario, steps, chosen, seed: train(chosen)
        )
        monkeypatch.setattr(
            EmergentOptimization, "_worth", lambda self, settings, *rest: (train(settings), 0.5)
        )

    return request.param, trains


class Told(io.StringIO):
    """Standard error that says when somebody writes to it."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def write(self, text):
        self.heard()
        return super().write(text)


@pytest.mark.parametrize("killed", [False, True])
def test_the_second_waits_for_the_first(searches, tmp_path, monkeypatch, killed):
    do, trains = searches
    monkeypatch.setattr(claim, "LOOK_EVERY_S", 0.01)
    # Pipes, as an event that a killed process waited for is never set.
    (training, trains_now), (ends_now, may_end) = FORK.Pipe(duplex=False), FORK.Pipe(duplex=False)
    log = tmp_path / "trained"

    def first_trains(settings):
        """Waits in the middle of its first trial."""
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"first {settings}\n")
        trains_now.send(None)
        assert ends_now.poll(60)
        return 1.0

    def second_trains(settings):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"second {settings}\n")
        return 2.0

    trains(first_trains)
    first = FORK.Process(target=do, args=(tmp_path / "out",), daemon=True)
    first.start()
    assert training.poll(60)
    trains(second_trains)
    heard = Told((lambda: os.kill(first.pid, signal.SIGKILL)) if killed else lambda: may_end.send(None))
    monkeypatch.setattr(sys, "stderr", heard)
    try:
        worths = do(tmp_path / "out")
    finally:
        may_end.send(None)
        first.join()
    assert first.exitcode == (-signal.SIGKILL if killed else 0)
    (said,) = heard.getvalue().splitlines()
    assert said.startswith("another process does the search")
    assert str(tmp_path / "out") in said
    assert said.endswith("waiting for it")
    assert worths == ([2.0, 2.0] if killed else [1.0, 1.0])
    trained = log.read_text().splitlines()
    if killed:  # the trial that was cut off is done again, with its settings
        cut, again, _ = trained
        assert again == cut.replace("first", "second")
    else:
        assert [line.partition(" ")[0] for line in trained] == ["first", "first"]
