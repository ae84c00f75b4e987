"""The page on tools says what was measured. Run this file to write its tables anew."""

import json
import re
from pathlib import Path

from benchmarks.runner.software import host, versions, versions_note
from benchmarks.studies import tools
from benchmarks.studies.tools import OUT, read, table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tools.md"


def crew():
    """A line on the crew's last run."""
    ran = json.loads((ROOT / "docs" / "crew.json").read_text())
    versions = ", ".join(f"{name} {version}" for name, version in ran["versions"].items())
    return f"{versions}; Python {ran['python']}; {ran['outcome']}: {ran['ran']} ({ran['date']}).\n"


def written(page):
    """The page with its tables as they are now."""
    known = read(ROOT / OUT)
    parts = {"known": table(known["rows"]) + versions_note(list(known["made"].values())), "crew": crew()}
    for name, text in parts.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        page, found = re.subn(pattern, lambda m, text=text: m[1] + text + m[2], page, flags=re.DOTALL)
        assert found == 1, name
    return page


def test_the_page_says_what_was_measured():
    page = PAGE.read_text()
    assert page == written(page), "out of date: python tests/benchmarks/test_tools_page.py"


def test_a_tool_that_is_run_again_leaves_the_versions_of_the_others(tmp_path, monkeypatch, capsys):
    def rows(tool):
        return [{"tool": tool, "data": "d", "known": "k", "found": "f"}]

    monkeypatch.setattr(tools, "STUDIES", {name: lambda name=name: rows(name) for name in tools.STUDIES})
    path = tmp_path / "tools.json"
    before = {"host": {"cpu": "another"}, "versions": {**versions(), "mujoco": "3.14.0"}}
    path.write_text(json.dumps({**before, "rows": rows("SSMTool") + rows("MAMLTool")}))
    assert tools.main(["table", "--out", str(path)]) == 0
    assert "Mixed" not in capsys.readouterr().out
    assert tools.main(["MAMLTool", "--out", str(path)]) == 0
    now = {"host": host(), "versions": versions()}
    assert read(path)["made"] == {"SSMTool": before, "MAMLTool": now}
    assert f"\nMixed versions: mujoco 3.14.0 / {versions()['mujoco']}." in capsys.readouterr().out
    assert tools.main(["--out", str(path)]) == 0
    assert read(path)["made"] == dict.fromkeys(tools.STUDIES, now)
    assert "Mixed" not in capsys.readouterr().out


def test_the_crew_passed_on_the_versions_that_are_pinned():
    ran = json.loads((ROOT / "docs" / "crew.json").read_text())
    assert ran["outcome"] == "passed"
    pins = dict(
        line.split("==")
        for line in (ROOT / "tests/crew/requirements.txt").read_text().split()
        if "==" in line
    )
    for name, version in ran["versions"].items():
        assert version.partition("+")[0] == pins[name]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
