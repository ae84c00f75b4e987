"""Kept states: whole or not there, and a run that goes on from one gives the record of an undisturbed run."""

import json

import pytest

from benchmarks.record_store import RecordWarning
from benchmarks.runner import unfinished
from benchmarks.runner.execute import execute, plan
from benchmarks.runner.methods import METHODS
from benchmarks.runner.suites import Suite
from benchmarks.runner.unfinished import Unfinished

RUN = plan(Suite("t", ("PointDir-v0",), ("mono-mlp",), 1, 100, (100,), 2), "")[0]


def state(folder):
    (folder / "weights").write_bytes(b"1234")


def keep(place, steps, write=state):
    return place.keep(steps, write, lambda: {"evaluated": steps})


def test_the_last_state_is_found_whole_and_the_older_are_gone(tmp_path):
    place = Unfinished(tmp_path, RUN, 0.0)
    assert place.find() is None
    assert keep(place, 50)
    assert keep(place, 80)
    kept = place.find()
    assert (kept.steps, kept.runner) == (80, {"evaluated": 80})
    assert (kept.folder / "weights").read_bytes() == b"1234"
    assert [path.name for path in place.folder.iterdir()] == ["state-80"]
    place.clear()
    assert place.find() is None
    assert not place.folder.exists()


def test_a_state_is_kept_when_it_is_time_and_once(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(unfinished.time, "monotonic", lambda: now[0])
    place = Unfinished(tmp_path, RUN, 60.0)
    assert not keep(place, 10)
    now[0] = 61.0
    assert keep(place, 20)
    now[0] = 100.0
    assert not keep(place, 30)
    now[0] = 130.0
    assert not keep(place, 20)  # the very state that the run went on from
    assert keep(place, 40)


def test_a_writer_that_is_killed_leaves_the_state_before(tmp_path):
    place = Unfinished(tmp_path, RUN, 0.0)
    keep(place, 50)

    def dies(folder):
        state(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(place, 80, dies)
    assert place.find().steps == 50


@pytest.mark.parametrize("file", ["weights", "state.json"])
def test_a_damaged_state_is_named_and_not_used(tmp_path, file):
    place = Unfinished(tmp_path, RUN, 0.0)
    keep(place, 50)
    (place.find().folder / file).write_bytes(b"12x4")
    with pytest.warns(RecordWarning, match="state-50: damaged"):
        assert place.find() is None
    assert (place.folder / "damaged-state-50").exists()
    assert keep(place, 50)
    assert place.find().steps == 50


def test_a_state_of_other_versions_is_not_gone_on_from(tmp_path):
    place = Unfinished(tmp_path, RUN, 0.0)
    keep(place, 50)
    path = place.find().folder / "state.json"
    data = json.loads(path.read_text())
    data["versions"]["mujoco"] = "3.0"
    path.write_text(json.dumps(data))
    with pytest.warns(RecordWarning, match=r"mujoco 3.0 \(here .*it starts anew"):
        assert place.find() is None


class CutError(Exception):
    """Where a run is killed."""


class CutsAtEveryState(Unfinished):
    def keep(self, steps, write, runner):
        if super().keep(steps, write, runner):
            raise CutError
        return False


SLOW = [
    pytest.param("sb3-ppo", 3300, marks=pytest.mark.slow),
    pytest.param("sb3-sac", 2064, marks=pytest.mark.slow),
    pytest.param("mono-s5", 6500, marks=pytest.mark.slow),
    pytest.param("sb3-ppo-stack", 5000, marks=pytest.mark.slow),
    pytest.param("sb3-recurrent-ppo", 9000, marks=pytest.mark.slow),
    pytest.param("sb3-td3", 2064, marks=pytest.mark.slow),
    pytest.param("sb3-tqc", 2064, marks=pytest.mark.slow),
    pytest.param("mono-s5-handicapped", 6500, marks=pytest.mark.slow),
    pytest.param("mono-mlp-scratchpad", 6500, marks=pytest.mark.slow),
    pytest.param("team-s5", 6500, marks=pytest.mark.slow),
    pytest.param("team-s5-curriculum", 6500, marks=pytest.mark.slow),
    pytest.param("team-s5-alp-gmm", 6500, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("method", "budget"), [("sb3-a2c", 400), ("mono-mlp", 6500), *SLOW])
def test_a_run_that_is_cut_at_every_state_gives_the_same_record(method, budget, tmp_path):
    assert METHODS[method].resumes
    run = plan(Suite("t", ("PointDir-v0",), (method,), 1, budget, (budget // 2, budget), 3), "")[0]
    whole = execute(run, lambda steps: None).to_json()["result"]
    cuts, seen = 0, []
    while True:
        try:
            told = execute(run, seen.append, CutsAtEveryState(tmp_path, run, 0.0)).to_json()["result"]
        except CutError:
            cuts += 1
        else:
            break
    assert cuts >= 1
    assert told == whole
    assert seen[-1] == whole["charged_steps"]


def test_a_method_that_cannot_go_on_says_so_and_leaves_no_state():
    assert not METHODS["sb3-shared-ppo"].resumes
    assert [name for name, m in METHODS.items() if m.trains and not m.resumes] == ["sb3-shared-ppo"]
