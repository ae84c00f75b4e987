"""The page in headless Chromium: nothing goes wrong, tables sort, figures say values, nothing sticks out."""

import re

import pytest

from benchmarks.record_store import write_record
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings
from benchmarks.report.__main__ import write_report
from benchmarks.report.chromium import Chromium, ChromiumError, find_chromium
from benchmarks.report.pictures import main as take_pictures

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium is installed; on Debian: apt-get install chromium"
    ),
    pytest.mark.slow,
]
SCORES = {
    "random": 0.0,
    "mono-mlp": 40.0,
    "mono-s5": 60.0,
    "team-s5": 80.0,
    "team-s5-muted": 0.5,
    "sb3-ppo-oracle": 99.0,
}


def record(method, seed):
    """A run on HalfCheetahVel-v0, whose references the package has: -351 random, -20.4 oracle."""
    final = -350 + 3.3 * SCORES[method] + seed
    nested = tuple(((final, final + 1),) * 2 for _ in range(4))
    trained = method != "random"
    steps = range(100_000, 1_000_001, 100_000)
    curve = tuple(CurvePoint(s, (-350 + (final + 350) * s / 1e6,) * 2) for s in steps) if trained else ()
    tasks = tuple((0.5 * i - 0.75,) for i in range(4))
    return Record(
        Run("HalfCheetahVel-v0", method, seed, 1_000_000, "demo", {"lr": 1e-3}, "0.1.0", "python -m x"),
        {"mujoco": "4.0.0"},
        Result({"actor": 100}, 1_000_000, curve, (Evaluation(1_000_000, "test", "mode", tasks, nested),)),
        Timings({"cpu": "2 cores"}, 10.0, 20.0, 50.0 if trained else None, "2026-01-01T00:00:00Z"),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for method in SCORES:
        for seed in range(3):
            write_record(folder, record(method, seed))
    (folder / "films").mkdir()
    (folder / "films" / "wide.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 3000 200" width="3000">'
        '<rect width="9" height="9"/></svg>'
    )
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    with Chromium(CHROMIUM) as browser:
        yield browser


@pytest.fixture
def tab(browser, folder):
    browser.errors.clear()
    browser.requests.clear()
    browser.open(folder / "report" / "index.html")
    return browser


def column(tab, head, table="#answer table"):
    """Texts of a column of a table by its head, in the order shown."""
    return tab.evaluate(
        f"""(() => {{ const table = document.querySelector("{table}");
        const i = [...table.querySelectorAll("thead th")].findIndex(th => th.textContent === "{head}");
        return [...table.tBodies[0].rows].map(row => row.cells[i].firstChild.textContent); }})()"""
    )


def press(tab, head, table="#answer table"):
    return tab.evaluate(
        f"""(() => {{ const th = [...document.querySelectorAll("{table} thead th")]
        .find(th => th.textContent === "{head}"); th.querySelector("button").click();
        return th.getAttribute("aria-sort"); }})()"""
    )


def test_nothing_goes_wrong_and_nothing_is_fetched(tab, folder):
    assert tab.errors == []
    assert tab.requests == [(folder / "report" / "index.html").resolve().as_uri()]
    tab.evaluate("console.error('the watch works')")
    assert tab.errors == ["the watch works"]


def test_tables_sort_by_number_and_by_name(tab):
    first = column(tab, "Score")
    assert first == sorted(first, key=float, reverse=True)
    assert press(tab, "Score") == "descending"
    assert column(tab, "Score") == first
    assert press(tab, "Score") == "ascending"
    assert column(tab, "Score") == first[::-1]
    assert press(tab, "Method") == "ascending"
    names = tab.evaluate(
        "[...document.querySelectorAll('#answer tbody .who code')].map(e => "
        "e.closest('span').firstChild.textContent)"
    )
    assert names == sorted(names, key=str.lower)
    assert tab.evaluate("document.querySelectorAll('#answer [aria-sort]').length") == 1
    press(tab, "Score while learning")  # a dash has no value: it stays last either way
    assert column(tab, "Score while learning")[-1] == "\N{EN DASH}"
    press(tab, "Score while learning")
    assert column(tab, "Score while learning")[-1] == "\N{EN DASH}"


def test_figures_are_there_and_drawn(tab):
    boxes = tab.evaluate(
        """[...document.querySelectorAll(".chart")].map(chart => { const box = chart.getBoundingClientRect();
        return [box.width, box.height, chart.querySelectorAll(".series .line").length,
                getComputedStyle(chart.querySelector(".series .line")).stroke]; })"""
    )
    assert len(boxes) == 4  # learning in score, profiles, learning in returns, inner episodes
    assert all(width > 300 and height > 200 and lines >= 5 for width, height, lines, _ in boxes)
    assert all(re.match(r"rgb\(", stroke) and stroke != "rgb(0, 0, 0)" for *_, stroke in boxes)


def test_a_method_has_one_colour_in_every_figure_and_table(tab):
    colours = tab.evaluate(
        """[...new Set([...document.querySelectorAll(".m-team-s5")].map(e => getComputedStyle(e).stroke))]"""
    )
    assert colours == ["rgb(0, 103, 168)"]


def test_values_are_said_under_the_pointer_and_by_the_keys(tab):
    said = tab.evaluate(
        """(() => { const chart = document.querySelector(".chart"), svg = chart.querySelector("svg");
        const [x, y] = chart.querySelector(".series.m-team-s5").dataset.at.split(" ").at(-1).split(",");
        const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
        chart.dispatchEvent(new PointerEvent("pointermove",
          {clientX: box.left + x * scale + 2, clientY: box.top + y * scale - 2}));
        const tip = document.getElementById("tip"), told = [tip.hidden, tip.textContent];
        chart.dispatchEvent(new PointerEvent("pointerleave"));
        return [...told, tip.hidden]; })()"""
    )
    assert said[0] is False
    assert said[1].startswith("five-role team, S5, learned messages: score 0.8")
    assert "at 1M" in said[1]
    assert said[2] is True
    walked = tab.evaluate(
        """(() => { const chart = document.querySelector(".chart"); chart.focus(); const told = [];
        for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "Escape"]) {
          chart.dispatchEvent(new KeyboardEvent("keydown", {key}));
          told.push(document.getElementById("tip").hidden || document.getElementById("tip").textContent); }
        return told; })()"""
    )
    assert ["at 100k" in walked[0], "at 200k" in walked[1], "at 200k" in walked[2]] == [True] * 3
    assert walked[2].split(":")[0] != walked[1].split(":")[0]
    assert walked[3] is True


def test_a_legend_button_hides_a_method_in_every_figure(tab):
    shown = "[...document.querySelectorAll('.series.m-mono-s5')].map(g => getComputedStyle(g).display)"
    assert "none" not in tab.evaluate(shown)
    tab.evaluate("document.querySelector('.toggle[data-method=m-mono-s5]').click()")
    assert set(tab.evaluate(shown)) == {"none"}
    assert tab.evaluate("document.querySelector('.toggle[data-method=m-mono-s5]').ariaPressed") == "false"
    tab.evaluate("document.querySelector('.toggle[data-method=m-mono-s5]').click()")
    assert "none" not in tab.evaluate(shown)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out_and_all_can_be_read(browser, folder, width, dark):
    browser.open(folder / "report" / "index.html", width=width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    small, faint = browser.evaluate(
        """(() => { const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255)
          .map(n => n <= .04045 ? n / 12.92 : ((n + .055) / 1.055) ** 2.4);
          return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
        const paper = light(getComputedStyle(document.body).backgroundColor);
        const ratio = c => { const l = light(c); return (Math.max(l, paper) + .05) / (Math.min(l, paper) +
        .05); }; const small = [], faint = [];
        for (const text of document.querySelectorAll("p, td, th, small, figcaption, caption, .chart text")) {
          const style = getComputedStyle(text), svg = text.closest(".chart svg");
          const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
          if (parseFloat(style.fontSize) * scale < 10) small.push(text.textContent);
          if (ratio(svg ? style.fill : style.color) < 4.5) faint.push(text.textContent);
        } return [small, faint]; })()"""
    )
    assert small == []
    assert faint == []  # contrast below 4.5 to 1 against the page
    lines = browser.evaluate(
        """[...document.querySelectorAll(".first .series .line")].map(e => getComputedStyle(e).stroke)"""
    )
    assert len(set(lines)) == 5


def test_everything_is_open_in_print(tab, folder):
    assert tab.evaluate("document.querySelectorAll('details:not([open])').length") > 0
    assert tab.printed().startswith(b"%PDF")
    assert tab.evaluate(
        """(() => { dispatchEvent(new Event("beforeprint"));
        const closed = document.querySelectorAll("details:not([open])").length;
        dispatchEvent(new Event("afterprint"));
        return closed === 0 && document.querySelectorAll("details:not([open])").length > 0; })()"""
    )


def test_everything_is_reached_and_named_for_a_screen_reader(tab):
    tree = tab.send("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]
    ]
    for role in ("button", "link", "image", "region", "table", "Iframe"):
        assert all(name for kind, name in named if kind == role), role
    headers = [name for kind, name in named if kind == "columnheader"]
    assert "Score" in headers
    assert sum(kind in ("image", "img") for kind, _ in named) >= 5


def test_pictures_are_taken(folder, tmp_path, capsys):
    assert take_pictures([str(folder), "--out", str(tmp_path / "pictures")]) == 0
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert {"1280-light-first.png", "400-dark-whole.png", "printed.pdf"} <= names
    assert (tmp_path / "pictures" / "400-dark-first.png").read_bytes().startswith(b"\x89PNG")
    assert take_pictures([str(tmp_path)]) == 2
    assert "no page" in capsys.readouterr().err


def test_a_browser_that_does_not_start_is_an_error():
    with pytest.raises(ChromiumError, match="has ended"):
        Chromium("/bin/false", timeout=20)
