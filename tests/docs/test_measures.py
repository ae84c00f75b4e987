"""The numbers in the pages are those of the committed records."""

import importlib.util
import re
from pathlib import Path

import pytest

from benchmarks.studies import maml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
spec = importlib.util.spec_from_file_location("measures", DOCS / "measures.py")
measures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measures)


@pytest.mark.parametrize("name", measures.PAGES)
def test_the_tables_of_a_page_are_those_of_its_records(name: str) -> None:
    text = (DOCS / name).read_text()
    assert measures.with_tables(text) == text, "run python docs/measures.py"
    assert re.search(r"<!-- (report|study|tuning|ladder|modes|references):", text)


def test_a_wrong_number_is_noticed() -> None:
    text = (DOCS / "performance_analysis.md").read_text()
    assert text.count("0.97 | 0.95 to 0.98") == 1
    assert measures.with_tables(text.replace("0.97 | 0.95 to 0.98", "0.98 | 0.95 to 0.98")) == text


def test_that_versions_are_mixed_is_quoted_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Mixed versions: mujoco 3 / 4. Differences may come from that."
    table = "| a |\n|---|\n| 1 |"
    monkeypatch.setattr(maml, "table", lambda out: f"A scenario:\n\n{table}\n\n{said}\n")
    made = measures.with_tables("<!-- study:maml --><!-- /study -->")
    assert made == f"<!-- study:maml -->\n\n{table}\n\n{said}\n\n<!-- /study -->"


def test_an_unknown_section_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"report:demo/curve: no such section; one of answer, limits"):
        measures.with_tables("<!-- report:demo/curve --><!-- /report -->")


def test_returns_quoted_on_the_page_of_messages_are_those_of_the_readme() -> None:
    rows = re.findall(
        r"^\| `.*seeds \| (.*?) \| (.*?) \| `python", (DOCS / "communication.md").read_text(), re.M
    )
    assert len(rows) == 2
    readme = (ROOT / "README.md").read_text()
    for cell in (cell for row in rows for cell in row):
        assert f"| {cell}" in readme or f"| -{cell}" in readme, cell


def test_reading_the_records_prints_what_the_page_says(capsys, monkeypatch) -> None:
    code, said = re.search(
        r"## Read the records.*?```python\n(.*?)```.*?```text\n(.*?)```",
        (DOCS / "report.md").read_text(),
        re.S,
    ).groups()
    monkeypatch.chdir(ROOT)
    exec(compile(code, "report.md", "exec"), {})
    assert capsys.readouterr().out == said
    readme = (ROOT / "README.md").read_text()
    for score in re.findall(r"[\d.]+ \([\d.]+ to [\d.]+\)", said):
        assert f"| {score} |" in readme


def test_what_the_analysis_says_in_words_is_in_its_tables() -> None:
    text = (DOCS / "performance_analysis.md").read_text()
    words = re.sub(r"<!-- report.*?<!-- /report -->", "", text, flags=re.DOTALL)
    tables = "\n".join(re.findall(r"<!-- report.*?<!-- /report -->", text, re.DOTALL))
    for said in ("954k (3/5)", "> 1M (0/5)", "154k"):
        assert said in words
        assert said in tables
