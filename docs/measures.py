"""Tables of the report, quoted in pages: made anew from the committed records, so that no number is typed.

A page holds `<!-- report:demo/stability -->` ... `<!-- /report -->`: the folder of `benchmarks/results` whose
records are reported on (or several, as `demo+prices`), and the anchor of the section whose table is quoted.
For the table of a module of `benchmarks.studies` it holds `<!-- study:curriculum -->` ... `<!-- /study -->`,
and of some of its rows `<!-- study:maml/vel-maml,vel-multitask -->`. `<!-- tuning:SCENARIO -->` is for the
searches on a scenario, `<!-- ladder:FOLDER -->` for a folder's runs by method and scenario,
`<!-- modes:TEAM -->` for the modes of collaboration, and `<!-- references: -->` for the reference values.

`python docs/measures.py --figures` also takes the figures of the pages anew, from the report in Chromium.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from benchmarks.ladder_table import ladder_table
from benchmarks.reference import TABLE
from benchmarks.reference_table import reference_table
from benchmarks.report.__main__ import read_folder, write_report
from benchmarks.report.chromium import Chromium, ChromiumError, find_chromium
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.methods import methods_by_name
from benchmarks.report.references import default_path, read_references
from benchmarks.report.sections import SECTIONS
from benchmarks.report.summary import summarise
from benchmarks.runner.software import MIXED
from benchmarks.studies import collaboration
from benchmarks.tune.table import RESULTS, tuning_table

PAGES = (
    "findings.md",
    "performance_analysis.md",
    "curriculum.md",
    "maml.md",
    "adaptation.md",
    "collaboration.md",
    "baselines.md",
    "../baselines/TUNING.md",
)
FIGURES = {"demo-learning.png": ("demo", "answer"), "demo-profiles.png": ("demo", "profiles")}
_MARK = re.compile(r"<!-- report:([\w+]+)/([\w-]+) -->.*?<!-- /report -->", re.DOTALL)
_STUDY = re.compile(r"<!-- study:(\w+)(?:/([\w,-]+))? -->.*?<!-- /study -->", re.DOTALL)
_TABLE = re.compile(r"<!-- (tuning|ladder|modes|references):([\w-]*) -->.*?<!-- /\1 -->", re.DOTALL)
_MIXED = re.compile(rf"^{MIXED}.*$", re.MULTILINE)

_TABLES: dict[str, Callable[[str], str]] = {
    "tuning": lambda scenario: tuning_table(ROOT / RESULTS / f"{scenario}.json"),
    "ladder": lambda folder: ladder_table(ROOT / "benchmarks" / "results" / folder),
    "modes": lambda team: collaboration.table(ROOT / collaboration.RESULTS, collaboration.SCENARIO, team),
    "references": lambda _: reference_table(TABLE),
}


@cache
def fragments(folders: str) -> dict[str, Fragment]:
    """The sections of the report on the records of folders of `benchmarks/results`, by anchor."""
    found = [read_folder(ROOT / "benchmarks" / "results" / folder) for folder in folders.split("+")]
    records = [record for folder in found for record in folder.records]
    failures = [failure for folder in found for failure in folder.failures]
    methods = methods_by_name(name for folder in found for name in folder.methods)
    study = summarise(records, read_references(default_path()), methods, failures)
    said = tuple(line for folder in found for line in folder.said)
    report = Report(study=study, methods=methods, warnings=said)
    return {found.anchor: found for section in SECTIONS if (found := section(report)) is not None}


def first_table(text: str) -> str:
    """The first Markdown table of a text."""
    found = re.search(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no table in {text[:60]!r}")
    return found[0].strip()


def with_tables(text: str) -> str:
    """`text` with the tables between its marks made anew.

    Raises:
        ValueError: a mark names a section that the report does not have.
    """

    def made(match: re.Match[str]) -> str:
        known = fragments(match[1])
        if match[2] not in known:
            raise ValueError(f"report:{match[1]}/{match[2]}: no such section; one of {', '.join(known)}")
        table = first_table(known[match[2]].markdown)
        return f"<!-- report:{match[1]}/{match[2]} -->\n\n{table}\n\n<!-- /report -->"

    def studied(match: re.Match[str]) -> str:
        study = importlib.import_module(f"benchmarks.studies.{match[1]}")
        rows = (match[2].split(","),) if match[2] else ()
        text = study.table(ROOT / study.RESULTS, *rows)
        table = "\n\n".join([first_table(text), *_MIXED.findall(text)])
        return f"{match[0].partition('-->')[0]}-->\n\n{table}\n\n<!-- /study -->"

    def tabled(match: re.Match[str]) -> str:
        table = _TABLES[match[1]](match[2]).strip()
        return f"<!-- {match[1]}:{match[2]} -->\n\n{table}\n\n<!-- /{match[1]} -->"

    return _TABLE.sub(tabled, _STUDY.sub(studied, _MARK.sub(made, text)))


def write_all() -> None:
    """Write the pages that quote tables; one that would stay the same is not touched."""
    for name in PAGES:
        page = DOCS / name
        text = page.read_text()
        made = with_tables(text)
        if made != text:
            page.write_text(made)


def take_figures() -> None:
    """Write the first figure of each section in `FIGURES` into `docs/images`.

    Raises:
        ChromiumError: There is no browser, or it failed.
    """
    path = find_chromium()
    if path is None:
        raise ChromiumError("no Chromium is installed; on Debian: apt-get install chromium")
    with Chromium(path) as browser, tempfile.TemporaryDirectory() as folder:
        for name, (records, anchor) in FIGURES.items():
            at = Path(folder, records)
            if not at.exists():
                shutil.copytree(ROOT / "benchmarks" / "results" / records / "records", at / "records")
            browser.open(write_report(at))
            box = browser.evaluate(
                f"""(() => {{ const figure = document.querySelector("#{anchor} figure.plot");
                const box = figure.getBoundingClientRect();
                return {{x: box.x + scrollX, y: box.y + scrollY, width: box.width,
                height: box.height}}; }})()"""
            )
            clip = {**box, "scale": 1}
            answer = browser.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
            (DOCS / "images" / name).write_bytes(base64.b64decode(answer["data"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fill the tables of the pages from the committed records.")
    parser.add_argument(
        "--figures", action="store_true", help="take the pages' figures anew, too: needs Chromium"
    )
    given = parser.parse_args()
    write_all()
    if given.figures:
        take_figures()
