"""The project's own files agree with each other."""

import ast
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str = "constraints.txt") -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def source_version() -> str:
    tree = ast.parse((ROOT / "ma_ssm_env" / "version.py").read_text())
    values = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    assert len(values) == 1
    return values[0]


def test_constraints_are_exact_public_versions() -> None:
    found = pins()
    assert found
    for name, version in found.items():
        # No local label (`+cpu`), direct reference (`name @ ...`), path or marker.
        assert re.fullmatch(r"[a-z0-9-]+", name), name
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)*((a|b|rc|\.post)[0-9]+)?", version), f"{name}: {version}"


def test_every_direct_dependency_is_pinned() -> None:
    extras = dict(PROJECT["optional-dependencies"])
    crew = extras.pop("crew")  # it excludes the versions of the others, and has its own file
    groups = [PROJECT["dependencies"], *extras.values()]
    names = {normal(re.match(r"[\w.-]+", requirement)[0]) for group in groups for requirement in group}
    assert names - {"ma-ssm-env"} <= pins().keys()
    direct = {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in crew}
    assert direct - {"ma-ssm-env"} <= pins("tests/crew/requirements.txt").keys()


def test_the_crew_runs_on_the_same_versions_where_it_can() -> None:
    ours, crew = pins(), pins("tests/crew/requirements.txt")
    differ = {name for name in ours.keys() & crew.keys() if ours[name] != crew[name]}
    assert differ == {"rich"}, "bring tests/crew/requirements.txt up to date, and run tests/crew/run.py"


def test_version_is_in_the_changelog() -> None:
    assert f"## [{source_version()}]" in (ROOT / "CHANGELOG.md").read_text()


def test_version_of_the_installed_distribution() -> None:
    assert metadata.version("ma-ssm-env") == source_version(), "stale; make setup installs it anew"


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    shown = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  ([a-z-]+) +\S", shown, re.MULTILINE)
    assert listed == phony
    for target in listed:  # `make -n` prints what it would do
        subprocess.run(["make", "-n", "-C", ROOT, target], capture_output=True, check=True)


def test_ci_script_is_executable() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_committed_results_say_nothing_of_the_machine_that_made_them() -> None:
    found = sorted((ROOT / "benchmarks" / "results").rglob("*.json"))
    assert found
    assert [path.name for path in found if re.search(r'[ "=]/\w+/', path.read_text())] == []
