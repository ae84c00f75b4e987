"""The throughput benchmark's arithmetic and its handling of peers; never its timings."""

import sys

import pytest

from benchmarks import peers, throughput


def speeds(*values):
    remaining = list(values)
    return lambda: remaining.pop(0)


def test_a_comparison_is_of_medians_and_of_ratios_within_a_turn():
    row = throughput.compare("x", speeds(10.0, 20.0, 90.0), speeds(5.0, 40.0, 30.0), 3)
    assert (row.ours, row.peer) == (20.0, 30.0)
    assert (row.ratio, row.lowest, row.highest) == (2.0, 0.5, 3.0)


def test_who_is_measured_first_alternates():
    order = []

    def measure(name):
        return lambda: order.append(name) or 1.0

    throughput.compare("x", measure("ours"), measure("peer"), 3)
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]


def ticking():
    """A clock that says 0, 2, 4, ... seconds."""
    times = iter(range(0, 1000, 2))
    return lambda: float(next(times))


@pytest.mark.parametrize(
    "loop",
    [
        lambda clock: throughput.bare_loop("PointDir-v0", 3, 1, clock, 4),
        lambda clock: throughput.team_loop("PointDir-v0", 3, 1, clock, 4),
        lambda clock: throughput.twin_loop("PointDir-v0", 3, clock, 4),
    ],
    ids=["bare", "team", "twin"],
)
def test_speed_is_steps_of_all_worlds_over_the_clock(loop):
    assert loop(ticking())() == 3 * 4 / 2.0


def test_a_single_world_goes_on_past_the_end_of_its_trial():
    assert throughput.single_world_loop("PointDir-v0", ticking(), 120)() == 120 / 2.0


@pytest.mark.parametrize("name", ["envpool", "gymnasium_robotics"])
def test_a_missing_peer_says_how_it_is_installed(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(peers.PeerMissing, match=r"pip install -e \.\[peers\]"):
        peers.envpool("HalfCheetah", 2, 2) if name == "envpool" else peers.multi_agent_mujoco(2, 2)


def test_an_unknown_scenario_is_bad_usage(capsys):
    assert throughput.main(["--scenario", "PointDor-v0"]) == 2
    assert "did you mean PointDir-v0?" in capsys.readouterr().err


@pytest.mark.slow
def test_memory_of_worlds_grows_with_their_number():
    few, many = (throughput.worlds_memory("HalfCheetahVel-v0", count) for count in (1, 1024))
    assert 0 < few < many
