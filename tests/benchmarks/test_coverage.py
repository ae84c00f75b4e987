"""The simulation of coverage: it counts right, and a small one agrees with the table in the documentation."""

import re

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import ONE_METHOD, PAGE, SHAPES, Shape, main, markdown_table, simulate

REPORT, PERCENTILE = list(ONE_METHOD)[:2]


def printed(method, shape):
    """Coverage by number of seeds, as docs/statistics.md prints it."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[:2] == [method, shape]:
            return dict(zip(coverage.SEEDS, (float(c.split("%")[0]) / 100 for c in cells[2:]), strict=True))
    raise AssertionError(f"docs/statistics.md has no line for {method}, {shape}")


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_shapes_have_the_iqm_that_they_say(shape):
    values = np.sort(shape.draw(np.random.default_rng(1), (400_000,)))
    assert values[100_000:300_000].mean() == pytest.approx(shape.iqm, abs=0.006)


def test_a_small_simulation_agrees_with_the_printed_table():
    rows = simulate(400, np.random.default_rng(11), seeds=(3, 5), methods=(REPORT, PERCENTILE))
    assert len(rows) == 2 * 2 * len(SHAPES)
    for row in rows:
        expected = printed(row.method, row.shape)[row.seeds]
        error = (expected * (1 - expected) / 400) ** 0.5
        assert row.held == pytest.approx(expected, abs=4 * error), row


def test_the_default_of_the_report_is_the_one_that_covers():
    """The choice is by measurement: near 95% at every count of seeds, where the bootstrap is far below."""
    for shape in SHAPES:
        ours, bootstrap = printed(REPORT, shape.name), printed(PERCENTILE, shape.name)
        assert all(0.90 < ours[n] < 0.985 for n in coverage.SEEDS)
        assert bootstrap[3] < 0.80
        assert all(abs(ours[n] - 0.95) < abs(bootstrap[n] - 0.95) for n in (3, 5))


def test_an_interval_that_never_holds_counts_zero():
    always = Shape("constant", lambda rng, size: np.zeros(size), 1.0)
    (row,) = simulate(5, np.random.default_rng(0), seeds=(3,), shapes=(always,), methods=(REPORT,))
    assert (row.held, row.width) == (0, 0)
    assert "| 0.0% (0.00) |" in markdown_table([row])


def test_command_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(coverage, "SEEDS", (3,))
    page = tmp_path / "statistics.md"
    page.write_text("before\n<!-- coverage -->\nold\n<!-- /coverage -->\nafter\n")
    monkeypatch.setattr(coverage, "PAGE", page)
    monkeypatch.setattr(coverage, "REPLICATES", 20)
    assert main(["--simulations", "2", "--write"]) == 0
    assert REPORT in capsys.readouterr().out
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n<!-- coverage -->\nMade by `python -m benchmarks.coverage")
    assert re.search(r"<!-- /coverage -->\nafter\n$", text)
    page.write_text("nothing")
    assert main(["--simulations", "1", "--write"]) == 1
    with pytest.raises(SystemExit) as stopped:
        main(["--simulations", "0"])
    assert stopped.value.code == 2
