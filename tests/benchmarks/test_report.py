"""The report says what the records say: numbers parsed out of the page, its sentences, its bad inputs."""

import json
import math
import re
import shutil
import sys
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.failures import Failure
from benchmarks.record_store import write_record
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings
from benchmarks.report import limits, page, scale
from benchmarks.report.__main__ import main, write_report
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.methods import methods_by_name
from benchmarks.report.references import ReferenceTable
from benchmarks.report.sections.curves import score_figure
from benchmarks.report.sections.films import MOST_BYTES
from benchmarks.report.summary import summarise

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

REFERENCES = {
    "PointDir-v0": {
        "random": {"returns": [-1.0, -1.0]},
        "blind": {"returns": [0.0, 0.0], "how": "analytic"},
        "oracle": {"returns": [99.0, 99.0]},
    }
}
FINAL = {
    "random": (-1, -1),
    "sb3-ppo": (20, 22),
    "sb3-ppo-oracle": (98, 98),
    "mono-s5": (40, 60),
    "team-s5": (70, 88),
    "team-s5-muted": (-3, -3),
}


def fake(
    method,
    seed,
    *,
    final=None,
    scenario="PointDir-v0",
    tasks=8,
    noise=1.0,
    version="4.0.0",
    configuration=None,
):
    """A record of a method that learns to `final`, a return for each inner episode."""
    final = np.array(FINAL.get(method, (10, 10)) if final is None else final, dtype=float)
    rng = np.random.default_rng([seed, len(method)])
    trained = method not in ("random", "zero")
    returns = final + noise * rng.normal(size=(tasks, 5, len(final)))
    curve = (
        tuple(CurvePoint(s, tuple((final * s / 1000).tolist())) for s in range(100, 1001, 100))
        if trained
        else ()
    )
    coordinates = tuple((round(-1 + 2 * i / tasks, 3),) for i in range(tasks))
    nested = tuple(tuple(tuple(row) for row in task) for task in returns.tolist())
    return Record(
        Run(
            scenario,
            method,
            seed,
            1000,
            "quick",
            {"seed": seed, **(configuration or {})},
            "0.1.0",
            "python -m x --quick",
        ),
        {"python": "3.11", "mujoco": version},
        Result(
            {"actor": 12345} if trained else {},
            1000 if trained else 0,
            curve,
            (
                Evaluation(1000, "test", "mode", coordinates, nested),
                Evaluation(1000, "test", "sampled", coordinates, nested),
            ),
        ),
        Timings(
            {"cpu": "2 cores"}, 65.0, 100.0, 4321.0 if trained else None, f"2026-01-01T00:00:{seed:02d}Z"
        ),
    )


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "references.json"
    path.write_text(json.dumps(REFERENCES))
    return path


def report(folder, table, records, **options):
    for record in records:
        write_record(folder, record)
    page = write_report(folder, references=table, **options)
    return page.read_text(), (page.parent / "report.md").read_text()


def all_methods(seeds=3):
    return [fake(method, seed) for method in FINAL for seed in range(seeds)]


def rows(markdown, head="Return, ep. 1"):
    """Cells by method name of the first table with such a column."""
    tables = [part.splitlines() for part in markdown.split("\n\n") if part.startswith("|")]
    lines = next(table for table in tables if f"| {head} |" in table[0])
    heads = [cell.strip() for cell in lines[0].strip("|").split("|")]
    found = {}
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found[re.search("(?:`(.*)`)?$", cells[0])[1] or cells[0]] = dict(zip(heads, cells, strict=True))
    return found


def number(text):
    return float(text.split()[0].replace("\N{MINUS SIGN}", "-").replace(",", ""))


class Page(HTMLParser):
    """Collects tags, and finds what is opened and never closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.references = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.references += [
            given[name] for name in ("src", "href", "action", "srcset", "data") if name in given
        ]
        if tag not in ("meta", "link", "br", "hr", "img", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open[-1:] == [tag]:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], f"</{tag}> closes something else"
        self.open.pop()


def test_numbers_are_those_of_the_records(tmp_path, table):
    records = all_methods()
    html, markdown = report(tmp_path, table, records)
    found = rows(markdown)
    ranked, learnt = rows(markdown, "Place"), rows(markdown, "Steps to 50%")
    cost = rows(markdown, "Wall time")
    for method in ("team-s5", "mono-s5", "sb3-ppo"):
        returns = np.mean(
            [r.result.evaluations[0].array().mean(axis=(0, 1)) for r in records if r.run.method == method],
            axis=0,
        )
        row = found[method]
        assert number(row["Return, ep. 1"]) == pytest.approx(returns[0], abs=0.06)
        assert number(row["Return, ep. 2"]) == pytest.approx(returns[1], abs=0.06)
        assert number(row["Score (IQM)"]) == pytest.approx((returns.mean() + 1) / 100, abs=0.006)
        assert ranked[method]["Score"] == row["Score (IQM)"].split(" (")[0]
        assert cost[method]["Actor parameters"] == "12,345"
        assert cost[method]["Steps charged"] == "1k"
        assert cost[method]["Wall time"] == "1:05 min"
        assert cost[method]["CPU time"] == "1:40 min"
        assert cost[method]["Steps per CPU-s"] == "4,321"
        assert row["Score (IQM)"].split(" (")[0] in html
    # the curve of team-s5 is 79 * steps / 1000, its score (79 s + 1) / 100: 0.5 at 621 -> the check at 700
    assert learnt["team-s5"]["Steps to 50%"] == "700 (3/3)"
    assert learnt["team-s5"]["Steps to 75%"] == "1k (3/3)"
    assert learnt["team-s5"]["Steps to 90%"] == "> 1k (0/3)"
    # linear from (0, 0): half of the triangle under (79 s + 1) / 100, but for the first check's own 0.01
    assert number(learnt["team-s5"]["Score while learning"]) == pytest.approx(0.40, abs=0.006)
    assert next(name for name in found if name in FINAL) == "sb3-ppo-oracle"
    assert {"oracle", "blind", "random"} <= set(found)


def test_the_answer_is_the_difference_to_the_best_single_agent(tmp_path, table):
    html, markdown = report(tmp_path, table, all_methods())
    answer = markdown.split("**")[1]
    assert "five-role team did better than the best single agent (one agent, S5 memory)" in answer
    gap = float(re.search(r"normalised score \+(\d\.\d\d)", answer)[1])
    assert gap == pytest.approx((79 - 50) / 100, abs=0.011)
    assert escape(answer) in html
    assert "The messages are used" in html
    assert "not that the roles coordinate" in html


def test_worse_and_undecided_are_said(tmp_path, table):
    base = [fake("mono-s5", seed) for seed in range(3)]
    _, worse = report(tmp_path / "a", table, base + [fake("team-s5", s, final=(5, 5)) for s in range(3)])
    assert "did worse than" in worse
    scattered = [fake("team-s5", s, final=(50 + d, 50 + d)) for s, d in enumerate((-30, 2, 30))]
    _, open_ = report(tmp_path / "b", table, base + scattered)
    assert "the data do not decide" in open_.split("**")[1]
    assert "nothing is said about communication" in open_


def test_the_first_limit_names_trained_methods_below_the_blind_ceiling(tmp_path, table):
    records = all_methods() + [fake("mono-mlp", seed, final=(-2, -2)) for seed in range(3)]
    _, markdown = report(tmp_path, table, records)
    limits = markdown.split("What this shows and what it does not")[1].split("\n## ")[0].strip()
    assert limits.startswith("mono-mlp has not passed the blind ceiling")
    assert "team-s5-muted is at or below the blind ceiling as expected" in limits
    assert "that is the control" in limits
    assert "3 seeds" in limits
    assert "a team can win in learning only" in limits


def test_a_hundred_methods_do_not_fill_the_page_with_their_names(tmp_path, table):
    records = all_methods()
    for number in range(40):
        low = number > 2
        final = (-2, -2) if low else (50, 50)
        records += [fake(f"mine-{number}", seed, final=final) for seed in range(3)]
    _, markdown = report(tmp_path, table, records)
    limits = markdown.split("What this shows and what it does not")[1].split("\n## ")[0].strip()
    assert limits.startswith("37 of 44 trained methods (all but sb3-ppo-oracle, team-s5, mono-s5, ")
    assert max(len(line) for line in limits.splitlines()) < 1500
    assert re.search(r"neighbours in the table whose order is not decided: \d+ of 43 pairs\.", limits)
    assert re.search(r"steps to a level are censored for .* and \d+ others: the median run", limits)
    assert limits.count("mine-") < 40


def test_of_one_seed_it_is_open_whether_it_passed_the_ceiling(tmp_path, table):
    _, markdown = report(tmp_path, table, [fake("mono-s5", 0, final=(90, 90)), fake("team-s5", 0)])
    assert "Whether mono-s5 and team-s5 passed the blind ceiling is open: they are one seed each." in markdown
    assert "not passed the blind ceiling" not in markdown


def test_a_muted_team_above_the_ceiling_is_called_a_leak(tmp_path, table):
    records = [fake("team-s5", s) for s in range(3)] + [
        fake("team-s5-muted", s, final=(30, 30)) for s in range(3)
    ]
    assert "the task leaks" in report(tmp_path, table, records)[1]


def bounded(tmp_path):
    """Reference values whose blind ceiling was trained."""
    trained = {"returns": [30.0, 30.0], "per_seed": {"0": 30.0}, "how": "trained: a lower bound"}
    path = tmp_path / "bounded.json"
    path.write_text(json.dumps({"PointDir-v0": REFERENCES["PointDir-v0"] | {"blind": trained}}))
    return path


def test_a_ceiling_that_was_trained_is_called_a_lower_bound(tmp_path):
    records = [fake("team-s5", s) for s in range(3)] + [fake("mono-s5", s) for s in range(3)]
    _, markdown = report(tmp_path, bounded(tmp_path), records)
    assert "passed the blind ceiling, the best return that is known without knowing the task" in markdown
    assert "passing it does not show that the task was found" in markdown
    assert "possible without knowing" not in markdown
    assert "Reference: told nothing, trained: a lower bound of the blind ceiling" in markdown


def test_a_muted_team_above_a_trained_ceiling_is_no_leak(tmp_path):
    records = [fake("team-s5", s) for s in range(3)]
    records += [fake("team-s5-muted", s, final=(40, 40)) for s in range(3)]
    _, markdown = report(tmp_path, bounded(tmp_path), records)
    assert "the task leaks" not in markdown
    assert "team-s5-muted passed what an agent that is told nothing earned in training" in markdown


def test_an_order_is_undecided_by_the_difference_and_not_by_overlap(tmp_path, table):
    # 10 +- 4 and 20 +- 4 at three seeds: (0 to 20) and (10 to 30) overlap, their difference is clear of 0.
    records = [fake("mono-s5", s, final=(20 + d, 20 + d), noise=0) for s, d in enumerate((-4, 0, 4))]
    records += [fake("mono-mlp", s, final=(10 + d, 10 + d), noise=0) for s, d in enumerate((-4, 0, 4))]
    records += [fake("sb3-ppo", s, final=(8 + d, 8 + d), noise=0) for s, d in enumerate((-4, 0, 4))]
    _, markdown = report(tmp_path, table, records)
    assert "whose order is not decided: mono-mlp and sb3-ppo." in markdown


@pytest.mark.parametrize(
    ("scenario", "distinct", "finite"),
    [
        ("HalfCheetahFault-v0", 6, True),
        ("HalfCheetahVel-v0", 2, False),
        ("Mine-v0", 4, True),
        ("Mine-v0", 5, False),
    ],
)
def test_a_finite_law_is_known_by_the_scenario(scenario, distinct, finite):
    assert limits.is_finite(scenario, distinct) is finite


def test_references_of_another_mujoco_are_said(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"PointDir-v0": REFERENCES["PointDir-v0"] | {"mujoco": "3.9"}}))
    _, markdown = report(tmp_path, path, [fake("mono-s5", s) for s in range(3)])
    assert "measured with MuJoCo 3.9, the runs with 4.0.0" in markdown
    path.write_text(json.dumps({"PointDir-v0": REFERENCES["PointDir-v0"] | {"mujoco": "4.0.0"}}))
    _, markdown = report(tmp_path / "same", path, [fake("mono-s5", s) for s in range(3)])
    assert "measured with MuJoCo" not in markdown


def test_without_a_single_agent_nothing_is_said_of_one(tmp_path, table):
    records = [fake("team-s5", s) for s in range(3)]
    records += [fake("team-s5-muted", s, final=(60 + 20 * s, 60)) for s in range(3)]
    _, markdown = report(tmp_path, table, records)
    assert "No answer: there is no finished run of a single agent" in markdown
    assert "The interval of the main difference includes zero" not in markdown
    assert "chosen as the best of several" not in markdown


def test_score_while_learning_is_taken_over_each_budgets_own_length():
    long, short = fake("sb3-ppo", 0, final=(60, 60)), fake("sb3-sac", 0, final=(60, 60))
    curve = tuple(replace(point, steps=point.steps // 10) for point in short.result.curve[:5])
    short = replace(short, run=replace(short.run, budget=50), result=replace(short.result, curve=curve))
    cut = replace(
        long, run=replace(long.run, seed=1), result=replace(long.result, curve=long.result.curve[:5])
    )
    references = ReferenceTable(REFERENCES)
    area = {m.method.name: m.area.estimate for m in summarise([long, short], references).scenarios[0].methods}
    assert area["sb3-ppo"] == pytest.approx(2 * area["sb3-sac"], rel=0.05)  # as each alone
    alone = summarise([long], references).scenarios[0].methods[0].area.estimate
    assert area["sb3-ppo"] == alone
    together = summarise([long, cut], references).scenarios[0].methods[0].area.estimate
    assert together < 0.6 * alone  # of one budget: up to the shorter curve


@pytest.mark.parametrize(
    ("reason", "collapsed"),
    [
        ("its process ended with exit code -9", 0),
        ("Traceback ...\nFloatingPointError: loss is nan", 1),
        ("Traceback ...\nValueError: an option is wrong", 0),
    ],
)
def test_only_broken_learning_is_a_collapse(reason, collapsed):
    records = [fake("mono-s5", seed) for seed in range(3)]
    lost = Failure(replace(records[0].run, seed=3), reason, {}, "")
    summary = summarise(records, ReferenceTable(REFERENCES), failures=[lost]).scenarios[0].methods[0]
    assert (summary.stability.collapsed, summary.stability.runs) == (collapsed, 3 + collapsed)
    assert summary.failed == (3,)


def test_one_record_of_other_inner_episodes_removes_no_other():
    records = [fake("mono-s5", seed) for seed in range(3)] + [fake("mono-mlp", 0, final=(50, 50, 50))]
    scenario = summarise(records, ReferenceTable(REFERENCES)).scenarios[0]
    assert [m.method.name for m in scenario.methods] == ["mono-s5"]
    assert "mono-mlp, seed 0: another number of inner episodes" in scenario.notes[0]


def test_all_curves_of_a_figure_have_one_axis(tmp_path, monkeypatch):
    # One method's budget differs between scenarios, the other's does not: steps of one and shares of the
    # other would be drawn on one axis.
    records = []
    for method, lengths in (("mono-s5", (1000, 300)), ("team-s5", (1000, 1000))):
        for scenario, length in zip(("PointDir-v0", "HalfCheetahVel-v0"), lengths, strict=True):
            made = fake(method, 0, scenario=scenario)
            curve = tuple(replace(point, steps=point.steps * length // 1000) for point in made.result.curve)
            records.append(replace(made, result=replace(made.result, curve=curve)))
    table = ReferenceTable(dict.fromkeys(("PointDir-v0", "HalfCheetahVel-v0"), REFERENCES["PointDir-v0"]))
    methods = methods_by_name(["mono-s5", "team-s5"])
    drawn = {}
    monkeypatch.setattr(
        sys.modules[score_figure.__module__],
        "line_chart",
        lambda series, **axes: drawn.update(axes, series=series) or "",
    )
    score_figure(Report(study=summarise(records, table, methods), methods=methods))
    assert [series.x[-1] for series in drawn["series"]] == [1.0, 1.0]
    assert drawn["x_label"] == "share of the budget"


@pytest.mark.parametrize("finals", [[(80, 80)], [(5, 5), (60, 60), (90, 90)]])
def test_a_muted_team_of_which_nothing_is_known_is_no_passed_control(tmp_path, table, finals):
    records = [fake("team-s5", s) for s in range(3)]
    records += [fake("team-s5-muted", s, final=final) for s, final in enumerate(finals)]
    said = report(tmp_path, table, records)[1]
    assert "Whether team-s5-muted keeps to the blind ceiling, as the control should, is open" in said
    assert "as expected" not in said
    assert "the task leaks" not in said


def test_other_limits_come_from_the_records(tmp_path, table):
    records = [fake("team-s5", s, tasks=2) for s in range(5)]
    records += [fake("mono-s5", s, tasks=2, version="3.9") for s in range(5)]
    records += [fake("mono-s5", s, tasks=6, scenario="HalfCheetahFault-v0") for s in range(5)]
    _, markdown = report(tmp_path, table, records)
    limits = markdown.split("What this shows")[1].split("\n## ")[0]
    same = "the test list has 6 distinct tasks: the law is finite, so training and test tasks are the same"
    assert f"HalfCheetahFault-v0: {same}" in limits.replace("\n", " ")
    assert limits.count("the law is finite") == 1  # PointDir's is not, however few tasks a list has
    assert "Mixed versions: mujoco 3.9 / 4.0.0" in limits
    assert "are censored for" in limits
    assert "There are 5 seeds a method; a headline wants 10" in limits
    assert "holds the truth in about 90% of cases instead of 95%" in limits


@pytest.mark.parametrize(
    ("commits", "said"), [("ab", "commit a / b"), ("abcd", "commit 4 different"), ("a", "")]
)
def test_records_of_several_commits_are_told_of(tmp_path, table, commits, said):
    records = [fake("mono-s5", s) for s in range(4)]
    records = [
        replace(one, versions=one.versions | {"commit": commits[s % len(commits)]})
        for s, one in enumerate(records)
    ]
    _, markdown = report(tmp_path, table, records)
    assert f"Mixed versions: {said}." in markdown if said else "Mixed versions" not in markdown


def test_different_configurations_are_not_seeds_of_one_method(tmp_path, table):
    records = [fake("team-s5", s) for s in range(3)] + [
        fake("team-s5", 0, final=(0, 0), configuration={"lr": 1})
    ]
    _, markdown = report(tmp_path, table, records)
    assert number(rows(markdown)["team-s5"]["Return, ep. 1"]) == pytest.approx(70, abs=1)
    assert "4 records of 2 different configurations" in markdown


def test_the_page_stands_alone_and_is_sound(tmp_path, table):
    html, _ = report(tmp_path, table, all_methods())
    page = Page(html)
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert "http" not in html
    assert "://" not in html
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert all(reference[1:] in page.ids for reference in page.references if reference.startswith("#"))
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(page.ids)
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "form")]
    assert [given for tag, given in page.tags if tag == "script"] == [{}]  # one, inline
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html
    labels = [
        given["aria-label"] for _, given in page.tags if given.get("role") == "img" and "aria-label" in given
    ]
    assert len(labels) == 4
    assert all("five-role team" in label for label in labels)
    assert html.count("<caption>") == html.count("<table")
    regions = [given for _, given in page.tags if given.get("role") == "region"]
    assert regions
    assert all(given["tabindex"] == "0" and given["aria-label"] for given in regions)
    names = {given["id"] for _, given in page.tags if "id" in given}
    assert {"roles-title", "roles-text"} <= names
    used = set(re.findall(r"var\(--(m-[\w-]+)\)", html))
    assert all(html.count(f"--{name}:#") == 2 for name in used)  # one colour for light, one for dark


def test_the_same_records_give_the_same_page(tmp_path, table):
    first = report(tmp_path, table, all_methods(2))
    assert first == report(tmp_path, table, [])


def test_earlier_records_are_shown_apart_and_never_mixed(tmp_path, table):
    for seed in range(3):
        write_record(tmp_path / "demo", fake("team-s5", seed, final=(500, 500)))
    alone = report(tmp_path / "own", table, all_methods())[1]
    html, beside = report(tmp_path / "own", table, [], beside=tmp_path / "demo")
    own, earlier = beside.split("# Computed earlier, with: ")
    assert own.rstrip() == alone.split("The figures are in")[0].rstrip(), "an earlier record took part"
    assert earlier.startswith("`python -m x --quick`")
    assert number(rows(earlier)["team-s5"]["Return, ep. 1"]) > 490
    assert "Computed earlier, with:" in html
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))


def test_runs_that_are_not_finite_are_left_out_and_said(tmp_path, table):
    records = [fake("team-s5", s) for s in range(2)] + [fake("team-s5", 2, final=(math.nan, 1))]
    records += [fake("mono-s5", s, final=(math.nan, math.nan)) for s in range(2)]
    html, markdown = report(tmp_path, table, records)
    assert "1 of 3 runs gave returns that are not finite (seed 2)" in markdown
    assert "flatters" in markdown
    assert rows(markdown)["mono-s5"]["Return, ep. 1"] == "failed (2 runs)"
    assert rows(markdown, "Collapsed")["team-s5"]["Collapsed"] == "1 of 3"
    assert ">nan" not in html.lower()
    assert "inf" not in re.findall(r'd="[^"]*"', html)
    assert "nan" not in " ".join(re.findall(r' (?:d|x|y|x1|y1|data-at)="[^"]*"', html))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "the reference table has no PointDir-v0"),
        ("{", "cannot be read"),
        (None, "there is no reference table"),
        (
            json.dumps({"PointDir-v0": {"random": {"returns": [9, 9]}, "oracle": {"returns": [9.1, 9.1]}}}),
            "not clearly apart",
        ),
        (
            json.dumps({"PointDir-v0": {"random": {"returns": [0]}, "oracle": {"returns": [9]}}}),
            "1 inner episodes",
        ),
        (json.dumps({"PointDir-v0": {"random": {"returns": [0, 0]}}}), "cannot be used"),
    ],
)
def test_without_references_there_are_returns_and_no_scores(tmp_path, content, said):
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content)
    html, markdown = report(tmp_path, path, all_methods(2))
    assert "no scores: no reference values" in html
    assert said in html
    assert rows(markdown)["team-s5"]["Score (IQM)"] == "\N{EN DASH}"
    assert "No answer: no scores" in markdown


@pytest.mark.parametrize("methods", [["team-s5"], ["mono-s5"], ["random"], ["something-new"]])
def test_one_method_with_one_seed_gives_a_page_without_an_answer(tmp_path, table, methods):
    html, markdown = report(tmp_path, table, [fake(method, 0) for method in methods])
    assert "No answer" in markdown
    assert methods[0] in html
    Page(html)


def test_one_seed_is_never_decided(tmp_path, table):
    html, markdown = report(tmp_path, table, all_methods(1))
    assert "one seed does not decide" in markdown.split("**")[1]
    assert "with one seed there is no interval" in markdown
    assert "nothing is known about the next seed" in markdown
    assert "p = " not in markdown
    assert "inf" not in " ".join(re.findall(r' (?:d|x|y|x1|x2|y1|cx|data-at)="[^"]*"', html))


def test_one_inner_episode_and_several_scenarios(tmp_path, table):
    table.write_text(
        json.dumps(REFERENCES | {"Other-v0": {"random": {"returns": [0]}, "oracle": {"returns": [100]}}})
    )
    other = [
        fake(m, s, final=(f,), scenario="Other-v0")
        for m, f in (("team-s5", 30), ("mono-s5", 90))
        for s in range(3)
    ]
    html, markdown = report(tmp_path, table, all_methods() + other)
    gap = float(re.search(r"normalised score (.\d\.\d\d)", markdown)[1].replace("\N{MINUS SIGN}", "-"))
    assert gap == pytest.approx((0.29 - 0.60) / 2, abs=0.011)
    assert "on Other-v0 and PointDir-v0" in markdown
    assert "No blind ceiling can be drawn for Other-v0" in markdown
    Page(html)


def test_names_are_escaped(tmp_path, table):
    record = fake("team-s5", 0, configuration={"note": "<script>alert(1)</script>"})
    assert "<script>alert" not in report(tmp_path, table, [record])[0]


def test_methods_keep_their_looks(tmp_path):
    methods = methods_by_name(["team-s5", "new-b", "new-a"])
    assert methods["new-a"].label == "new-a"
    for name in methods:  # whatever else is on the page
        assert methods[name] == methods_by_name([name])[name]
    ladder = [*FINAL, "zero", "mono-mlp", "mono-gru", "team-gru", "team-mlp", "mono-lstm", "mono-mamba"]
    ladder += ["mono-transformer", "sb3-sac", "sb3-recurrent-ppo", "team-s5-full", "mono-s5-handicapped"]
    looks = {(m.light, m.marker, m.dash) for m in methods_by_name(ladder).values()}
    assert len(looks) == len(ladder)
    assert len({m.light for m in methods_by_name(ladder[:11]).values()}) == 11


def test_methods_are_labelled_and_sorted_by_their_names():
    kinds = {"team-gru": "team", "team-s5-full": "variant", "mono-s5-handicapped": "variant"}
    kinds |= {"mono-mlp-oracle": "oracle", "team-gru-muted": "muted", "sb3-shared-ppo": "team"}
    kinds |= {"mono-lstm": "single", "sb3-recurrent-ppo": "single", "sb3-sac": "single"}
    kinds |= {"team-s5-without-meta-learning": "variant", "mono-mlp-blind": "variant"}
    kinds |= {"mono-s5-plain-critic": "single", "team-s5-fixed-trust": "variant", "sb3-ppo-stack": "single"}
    methods = methods_by_name(kinds)
    assert {name: method.kind for name, method in methods.items()} == kinds
    assert methods["mono-s5-handicapped"].label == "one agent, S5 memory, behind the team's channel"
    assert methods["team-gru-muted"].label == "five-role team, GRU memory, belief muted"
    assert methods["team-s5-fixed-trust"].label == "five-role team, S5 memory, trust fixed at 1/2"
    assert methods["sb3-ppo-stack"].label == "SB3 PPO, a stack of past observations"
    assert methods["sb3-recurrent-ppo"].label == "SB3 recurrent PPO"
    assert methods_by_name(["team-s5-something"])["team-s5-something"].label == "team-s5-something"


def test_command_line(tmp_path, table, capsys):
    write_record(tmp_path, fake("team-s5", 0))
    assert main([str(tmp_path), "--references", str(table), "--no-beside"]) == 0
    assert capsys.readouterr().out.strip() == str((tmp_path / "report" / "index.html").resolve())
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "Exit code" in capsys.readouterr().out


def test_nothing_to_report_is_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder, said in (("missing", "no such folder"), ("empty", "no records")):
        assert main([str(tmp_path / folder)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


def test_a_damaged_record_is_named_on_the_page(tmp_path, table, capsys):
    path = write_record(tmp_path, fake("team-s5", 1))
    path.write_text("{")
    html, _ = report(tmp_path, table, [fake("team-s5", 0)])
    assert "Set aside while reading" in html
    assert path.name in html
    assert path.name in capsys.readouterr().err


def test_the_price_list_holds_the_differences_that_can_be_had(tmp_path, table):
    records = all_methods() + [fake("mono-s5-handicapped", s, final=(30, 40)) for s in range(3)]
    records += [
        fake(f"team-s5-{form}", s, final=(90, 92)) for s in range(3) for form in ("full", "infer-task")
    ]
    _, markdown = report(tmp_path, table, records)
    prices = rows(markdown, "p")
    gap = {name: number(cells["Difference"]) for name, cells in prices.items()}
    assert gap["Deciding apart: the price of decentralisation"] == pytest.approx(-0.29, abs=0.02)
    assert gap["... of which the channel"] == pytest.approx(0.15, abs=0.02)
    assert gap["... of which the split"] == pytest.approx(-0.44, abs=0.02)
    assert gap["The messages"] == pytest.approx(0.82, abs=0.02)
    assert gap["Being told instead of sensing"] == pytest.approx(0.12, abs=0.02)
    assert gap["Teaching the sender"] == pytest.approx(0.12, abs=0.02)
    assert gap["Knowing the task"] == pytest.approx(0.77, abs=0.02)
    assert "Teaching one agent" not in markdown  # nobody set out to run it
    assert "Not priced, for want of runs: Paying for bits (team-s5-free against team-s5)" in markdown
    # a variant under other rules is never the contestant of the answer
    assert "best single agent (one agent, S5 memory)" in markdown.split("**")[1]


def test_the_share_that_the_caveat_names_is_the_measured_one():
    for seeds in (3, 5):
        for shape in ("normal", "skewed (minus an exponential)", "heavy tails (t, 3 df)"):
            line = next(
                line
                for line in coverage.PAGE.read_text().splitlines()
                if line.startswith(f"| percentile bootstrap over seeds (rliable) | {shape} |")
            )
            measured = float(line.split("|")[3 + coverage.SEEDS.index(seeds)].split("%")[0])
            assert abs(measured - float(re.search(r"\d+", limits._BOOTSTRAP[seeds])[0])) < 2


def test_a_run_that_is_there_twice_counts_once():
    records = [fake("mono-s5", seed) for seed in range(3)]
    one, two = (summarise(some, ReferenceTable({})) for some in (records, records + records[:2]))
    assert one.scenarios[0].methods[0].judged == two.scenarios[0].methods[0].judged
    assert two.scenarios[0].methods[0].runs == 3


def test_an_agent_that_was_taught_the_task_is_not_the_best_single_agent(tmp_path, table):
    records = all_methods() + [fake("mono-s5-infer-task", s, final=(95, 95)) for s in range(3)]
    _, markdown = report(tmp_path, table, records)
    assert "best single agent (one agent, S5 memory)" in markdown.split("**")[1]


def test_a_wider_agent_does_not_charge_its_width_to_the_channel(tmp_path, table):
    records = all_methods() + [fake("mono-s5-handicapped", s, final=(30, 40)) for s in range(3)]
    records += [fake("mono-s5-matched", s, final=(60, 80)) for s in range(3)]
    _, markdown = report(tmp_path, table, records)
    gap = {name: number(cells["Difference"]) for name, cells in rows(markdown, "p").items()}
    assert gap["... of which the parameters"] == pytest.approx(0.20, abs=0.02)
    assert gap["... of which the channel"] == pytest.approx(0.15, abs=0.02)
    parts = sum(gap[f"... of which the {part}"] for part in ("parameters", "channel", "split"))
    assert parts == pytest.approx(gap["Deciding apart: the price of decentralisation"], abs=0.02)


def test_of_a_delayed_scenario_the_last_inner_episode_counts(tmp_path, table):
    table.write_text(json.dumps({"PointDirDelayed-v0": REFERENCES["PointDir-v0"]}))
    records = [fake("mono-s5", s, final=(0, 60), scenario="PointDirDelayed-v0") for s in range(3)]
    records += [fake("mono-mlp", s, final=(55, 40), scenario="PointDirDelayed-v0") for s in range(3)]
    _, markdown = report(tmp_path, table, records)
    scores = {name: number(cells["Score (IQM)"]) for name, cells in rows(markdown, "Score (IQM)").items()}
    assert scores["mono-s5"] == pytest.approx(0.61, abs=0.02)
    assert scores["mono-mlp"] == pytest.approx(0.41, abs=0.02)
    assert list(scores).index("mono-s5") < list(scores).index("mono-mlp")


def test_another_team_answers_where_there_is_no_s5_team(tmp_path, table):
    records = [fake("team-gru", s, final=(60, 60)) for s in range(3)]
    records += [fake("team-mlp", s, final=(20, 20)) for s in range(3)]
    records += [fake("team-gru-muted", s, final=(0, 0)) for s in range(3)]
    records += [fake("mono-s5", s, final=(40, 40)) for s in range(3)]
    _, markdown = report(tmp_path, table, records)
    assert re.search(r"normalised score \+0\.(19|20|21)", markdown.split("**")[1])
    assert "The messages are used" in markdown


def test_probability_of_improvement_and_places(tmp_path, table):
    _, markdown = report(tmp_path, table, all_methods(5))
    chances = rows(markdown, "P(team better)")
    assert chances["mono-s5"]["P(team better)"].startswith("1.00")
    assert chances["sb3-ppo-oracle"]["P(team better)"].startswith("0.00")
    assert chances["team-s5"]["Optimality gap"] == "0.20"
    places = {name: cells["Place"] for name, cells in rows(markdown, "Place").items()}
    assert places["sb3-ppo-oracle"] == "1"
    assert places["team-s5"] == "2"
    scattered = [fake("a", s, final=(40 + 9 * s, 40)) for s in range(3)]
    scattered += [fake("b", s, final=(44 - 5 * s, 60)) for s in range(3)]
    _, markdown = report(tmp_path / "open", table, scattered)
    assert {cells["Place"] for cells in rows(markdown, "Place").values()} == {"1\N{EN DASH}2"}


def test_a_method_that_misses_a_scenario_is_shown_but_not_ranked(tmp_path, table):
    table.write_text(
        json.dumps(REFERENCES | {"Other-v0": {"random": {"returns": [0]}, "oracle": {"returns": [100]}}})
    )
    records = all_methods() + [fake("team-s5", s, final=(30,), scenario="Other-v0") for s in range(3)]
    html, markdown = report(tmp_path, table, records)
    ranked = rows(markdown, "Place")
    assert ranked["team-s5"]["Place"] == "1"
    assert ranked["sb3-ppo-oracle"]["Place"] == "\N{EN DASH}"
    assert "Not ranked, because they were not run on every scored scenario: sb3-ppo-oracle" in markdown
    Page(html)


def test_deficit_and_recovery_are_shown_where_records_have_phases(tmp_path, table):
    records = [with_phases(fake("team-s5", s), [2.0 + s, 0.5, 1.5]) for s in range(3)]
    html, markdown = report(tmp_path, table, [*records, fake("mono-s5", 0)])
    changed = rows(markdown, "Deficit")
    assert list(changed) == ["team-s5"]
    assert number(changed["team-s5"]["Before"]) == pytest.approx(3)
    assert number(changed["team-s5"]["Deficit"]) == pytest.approx(2.5)
    assert number(changed["team-s5"]["Recovered"]) == pytest.approx(
        (1 / 1.5 + 1 / 2.5 + 1 / 3.5) / 3, abs=0.006
    )
    assert "reward in the shock" in html


def with_phases(record, phases):
    """The record with mean rewards of a step by phase; one trial lacks a shock."""
    judged = record.result.evaluations[0]
    values = np.broadcast_to(phases, (*judged.array().shape[:2], 3)).copy()
    values[0, 0, 1] = math.nan
    nested = tuple(tuple(tuple(trial) for trial in task) for task in values.tolist())
    evaluations = (replace(judged, phases=nested), *record.result.evaluations[1:])
    return replace(record, result=replace(record.result, evaluations=evaluations))


def test_films_are_embedded_with_their_captions(tmp_path, table):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "team.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "team.txt").write_text("The team runs <fast>.\n")
    (folder / "long.mp4").write_bytes(b"0" * (MOST_BYTES + 1))
    html, markdown = report(tmp_path, table, all_methods(2))
    assert 'alt="The team runs &lt;fast&gt;."' in html
    assert "data:image/svg+xml;base64," in html
    assert "long.mp4 is not embedded: 2.5 MB would make the page too large" in html
    assert "![The team runs <fast>.](../films/team.svg)" in markdown
    assert len(html) < 1_000_000


def test_emergence_records_of_the_folder_have_a_section(tmp_path, table):
    html, markdown = report(tmp_path, table, all_methods(2))
    assert 'id="emergence"' not in html
    assert "Emergence" not in markdown
    shutil.copytree(RESULTS / "emergence" / "emergence", tmp_path / "emergence")
    (tmp_path / "emergence" / "broken.json").write_text("{")
    html, markdown = report(tmp_path, table, all_methods(2))
    assert html.count('id="emergence"><h2>Emergence: is it coordination?</h2>') == 1
    assert markdown.count("## Emergence: is it coordination?") == 1
    for text in (html, markdown):
        assert "broken.json" in text
        assert "oordination" in text
        assert "muted" in text


def test_a_section_is_a_line_in_the_registry(tmp_path, table, monkeypatch):
    def mine(report):
        return Fragment("Mine", "mine", f"<p>{len(report.study.records)} records</p>", "mine as text")

    monkeypatch.setattr(page, "SECTIONS", (*page.SECTIONS, mine, lambda report: None))
    html, markdown = report(tmp_path, table, all_methods(1))
    assert '<section id="mine"><h2>Mine</h2><p>6 records</p></section>' in html
    assert '<a href="#mine">Mine</a>' in html
    assert "## Mine\n\nmine as text" in markdown


def test_many_records_are_measured(tmp_path):
    found = scale.measure(60, tmp_path)
    assert found["records"] == 60
    assert len(list((tmp_path / "records").iterdir())) == 60
    assert 0 < found["page_mb"] < 1
    assert set(found) >= {"read_s", "summarise_s", "page_s", "peak_gb"}


def test_everything_that_can_be_wrong_at_once_still_gives_a_page(tmp_path, table, capsys):
    """Mixed versions, a damaged file, lost runs, one seed, an unknown scenario, all in one folder."""
    records = [fake("team-s5", s, version=f"4.{s}.0") for s in range(3)]
    records += [fake("mono-s5", 0), fake("sb3-ppo", 0, final=(math.nan, 1))]
    records += [fake("team-s5", 0, scenario="Unheard-v0"), fake("random", 0)]
    broken = write_record(tmp_path, fake("mono-s5", 1))
    broken.write_bytes(b"\xff\xfe{")
    html, markdown = report(tmp_path, table, records)
    Page(html)
    for said in (
        "Mixed versions: mujoco 4.0.0 / 4.1.0 / 4.2.0",
        "Set aside while reading",
        "1 of 1 runs gave returns that are not finite",
        "the reference table has no Unheard-v0",
        "one seed does not decide",
        "1 to 3 seeds a method",
    ):
        assert said in markdown, said
    assert rows(markdown)["mono-s5"]["Return, ep. 1"].endswith("(one seed)")
    assert broken.name in capsys.readouterr().err


def test_a_curve_with_holes_is_drawn_where_it_is_whole(tmp_path, table):
    records = [fake("team-s5", s) for s in range(3)]
    curve = tuple(
        replace(point, returns=(math.nan, 1.0)) if i == 4 else point
        for i, point in enumerate(records[0].result.curve)
    )
    records[0] = replace(records[0], result=replace(records[0].result, curve=curve))
    html, markdown = report(tmp_path, table, records)
    assert "nan" not in " ".join(re.findall(r' (?:d|x|y|data-at)="[^"]*"', html))
    points = re.findall(r'class="series m-team-s5"[^>]*data-at="([^"]*)"', html)
    assert {len(at.split()) for at in points} == {9, 101, 2}  # curves, profile, inner episodes
    assert "Score while learning" in markdown
