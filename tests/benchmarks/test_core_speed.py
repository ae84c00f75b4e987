"""The arithmetic of the speed tables, and that rivals do what their names say; never their timings."""

import json

import pytest
import torch

from benchmarks import core_speed
from benchmarks.core_speed import (
    Row,
    block_rivals,
    core_rivals,
    main,
    markdown,
    measure,
    rows_of,
    scan_rivals,
)


def clock_of(costs, log):
    """Rivals that take `costs` seconds on a clock of their own."""
    now = [0.0]

    def work(name):
        def run():
            log.append(name)
            now[0] += costs[name]

        return run

    return {name: work(name) for name in costs}, lambda: now[0]


def test_a_measurement_is_seconds_a_call_and_the_order_alternates():
    log = []
    rivals, clock = clock_of({"fast": 0.01, "slow": 1.0}, log)
    seconds = measure(rivals, 3, clock)
    assert seconds == {"fast": pytest.approx([0.01] * 3), "slow": pytest.approx([1.0] * 3)}
    turns = log[4:]  # after two calls each that warm and size the measurement
    assert turns == ["fast"] * 5 + ["slow", "slow"] + ["fast"] * 10 + ["slow"]


def test_ratios_are_within_an_alternation():
    seconds = {"ours": [1.0, 2.0, 4.0], "peer": [2.0, 8.0, 4.0]}
    ours, peer = rows_of("scan", "T1", seconds, ["peer"])
    assert ours == Row("scan", "T1", "ours", 2000.0, {"peer": [2.0, 1.0, 4.0]})
    assert peer == Row("scan", "T1", "peer", 4000.0, {})


def test_the_table_says_what_was_measured():
    text = markdown(
        [Row("scan", "T1", "ours", 0.5, {"peer": [2.0, 1.0, 4.0]}), Row("scan", "T1", "peer", 1.0, {})]
    )
    assert text.splitlines()[0] == "| Scan alone, forward and backward | size | ms | against peer |"
    assert "| ours | T1 | 0.5 | 2.00x (1.00 to 4.00) |" in text
    assert "| peer | T1 | 1 |  |" in text


@pytest.mark.parametrize("rivals", [scan_rivals, block_rivals])
def test_every_rival_of_a_layer_differentiates_the_same_inputs(rivals, monkeypatch):
    """Each gives a gradient to inputs [T, B, N] from outputs of that shape."""
    seen = []

    def record(forward, leaves):
        output = forward()
        (gradient, *_) = torch.autograd.grad(output.square().sum(), [x for x in leaves if x.ndim == 3])
        seen.append((tuple(output.shape), tuple(gradient.shape), bool(gradient.any())))
        return lambda: None

    monkeypatch.setattr(core_speed, "_trained", record)
    rivals(3, 2, 4)
    assert seen == [((3, 2, 4), (3, 2, 4), True)] * 4


def test_a_call_of_a_core_leaves_fresh_gradients(monkeypatch):
    cores = []
    original = core_speed.make_core
    monkeypatch.setattr(core_speed, "make_core", lambda *given: cores.append(original(*given)) or cores[-1])
    works = core_rivals(3, 2).values()
    for core, work in zip(cores, works, strict=True):
        work()
        once = [p.grad.clone() for p in core.parameters() if p.grad is not None]
        work()
        twice = [p.grad for p in core.parameters() if p.grad is not None]
        assert once
        torch.testing.assert_close(once, twice)


def test_the_command_writes_and_prints_the_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(core_speed, "SHAPES", ((4, 2, 6),))
    monkeypatch.setattr(core_speed, "LONGEST", 0.0)
    out = tmp_path / "speed.json"
    threads = torch.get_num_threads()
    try:
        assert main(["--alternations", "1", "--out", str(out)]) == 0
    finally:
        torch.set_num_threads(threads)
    rows = json.loads(out.read_text())["rows"]
    assert {row["table"] for row in rows} == {"scan", "block", "sequence", "step"}
    assert {row["name"] for row in rows if row["table"] == "step"} == set(core_speed.VARIANTS)
    assert all(row["ms"] >= 0 for row in rows)
    assert "| S5 block | T4 B2 N6 |" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


def test_no_alternation_is_bad_usage(capsys):
    assert main(["--alternations", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
