"""The report says what the records say: numbers parsed out of the page, its sentences, its bad inputs."""

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from benchmarks.record_store import write_record
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings
from benchmarks.report.__main__ import main, write_report
from benchmarks.report.methods import methods_by_name

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


def rows(markdown):
    """Cells of the first table by method name."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    heads = [cell.strip() for cell in lines[0].strip("|").split("|")]
    found = {}
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found[re.search("`(.*)`", cells[0])[1]] = dict(zip(heads, cells, strict=True))
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
        if tag not in ("meta", "link", "br", "hr", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], f"</{tag}> closes something else"
        self.open.pop()


def test_numbers_are_those_of_the_records(tmp_path, table):
    records = all_methods()
    html, markdown = report(tmp_path, table, records)
    found = rows(markdown)
    for method in ("team-s5", "mono-s5", "sb3-ppo"):
        returns = np.mean(
            [r.result.evaluations[0].array().mean(axis=(0, 1)) for r in records if r.run.method == method],
            axis=0,
        )
        row = found[method]
        assert number(row["Return, ep. 1"]) == pytest.approx(returns[0], abs=0.06)
        assert number(row["Return, ep. 2"]) == pytest.approx(returns[1], abs=0.06)
        assert number(row["Score (IQM)"]) == pytest.approx((returns.mean() + 1) / 100, abs=0.006)
        assert row["Actor parameters"] == "12,345"
        assert row["Steps charged"] == "1k"
        assert row["Wall time"] == "1:05 min"
        assert row["Steps per CPU-s"] == "4,321"
        assert row["Score (IQM)"].split(" (")[0] in html
    # the curve of team-s5 is 79 * steps / 1000, its score (79 s + 1) / 100: 0.5 at 621 -> the check at 700
    assert found["team-s5"]["Steps to 50%"] == "700 (3/3)"
    assert found["team-s5"]["Steps to 75%"] == "1k (3/3)"
    assert found["team-s5"]["Steps to 90%"] == "> 1k (0/3)"
    assert next(name for name in found if name in FINAL) == "sb3-ppo-oracle"
    assert {"oracle", "blind", "random"} <= set(found)


def test_the_answer_is_the_difference_to_the_best_single_agent(tmp_path, table):
    html, markdown = report(tmp_path, table, all_methods())
    answer = markdown.split("**")[1]
    assert "five-role team did better than the best single agent (one agent, S5 memory)" in answer
    gap = float(re.search(r"normalised score \+(\d\.\d\d)", answer)[1])
    assert gap == pytest.approx((79 - 50) / 100, abs=0.011)
    assert answer in html
    assert "The messages are used" in html
    assert "not that the roles coordinate" in html


def test_worse_and_undecided_are_said(tmp_path, table):
    base = [fake("mono-s5", seed) for seed in range(3)]
    _, worse = report(tmp_path / "a", table, base + [fake("team-s5", s, final=(5, 5)) for s in range(3)])
    assert "did worse than" in worse
    scattered = [fake("team-s5", s, final=(50 + d, 50 + d)) for s, d in enumerate((-30, 2, 30))]
    _, open_ = report(tmp_path / "b", table, base + scattered)
    assert "the intervals do not decide" in open_.split("**")[1]
    assert "nothing is said about communication" in open_


def test_the_first_limit_names_trained_methods_below_the_blind_ceiling(tmp_path, table):
    records = all_methods() + [fake("mono-mlp", seed, final=(-2, -2)) for seed in range(3)]
    _, markdown = report(tmp_path, table, records)
    limits = markdown.split("What this shows and what it does not")[1].strip()
    assert limits.startswith("mono-mlp has not passed the blind ceiling")
    assert "team-s5-muted is at or below the blind ceiling as expected" in limits
    assert "that is the control" in limits
    assert "3 seeds" in limits
    assert "a team can win in learning only" in limits


def test_a_muted_team_above_the_ceiling_is_called_a_leak(tmp_path, table):
    records = [fake("team-s5", s) for s in range(3)] + [
        fake("team-s5-muted", s, final=(30, 30)) for s in range(3)
    ]
    assert "the task leaks" in report(tmp_path, table, records)[1]


def test_other_limits_come_from_the_records(tmp_path, table):
    records = [fake("team-s5", s, tasks=2) for s in range(5)]
    records += [fake("mono-s5", s, tasks=2, version="3.9") for s in range(5)]
    _, markdown = report(tmp_path, table, records)
    limits = markdown.split("What this shows")[1]
    assert "training and test tasks are the same" in limits.replace("\n", " ")
    assert "Mixed versions: mujoco 3.9 / 4.0.0" in limits
    assert "are censored for" in limits
    assert "seeds a method" not in limits  # five are enough


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
    assert "//" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert all(reference[1:] in page.ids for reference in page.references if reference.startswith("#"))
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(page.ids)
    assert not [tag for tag, _ in page.tags if tag in ("script", "img", "iframe")]
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html
    labels = [
        given["aria-label"] for _, given in page.tags if given.get("role") == "img" and "aria-label" in given
    ]
    assert len(labels) == 2
    assert all("five-role team" in label for label in labels)
    assert html.count("<caption>") == html.count("<table")
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
    assert own.rstrip() == alone.split("The figures are in")[0].rstrip()
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
    assert rows(markdown)["mono-s5"]["Return, ep. 1"] == "not finite (2 runs)"
    assert ">nan<" not in html.lower()


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
    answer = report(tmp_path, table, all_methods(1))[1].split("**")[1]
    assert "one seed does not decide" in answer


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
    assert "<script" not in report(tmp_path, table, [record])[0]


def test_methods_keep_their_looks(tmp_path):
    methods = methods_by_name(["team-s5", "new-b", "new-a"])
    assert methods["new-a"].label == "new-a"
    assert methods["team-s5"] == methods_by_name(["team-s5"])["team-s5"]
    many = methods_by_name([*FINAL, "zero", "mono-mlp", *(f"new-{i}" for i in range(6))])
    assert len({method.light for method in many.values()}) == len(many)


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
