"""The worked additions of docs/extending.md: each patch applies, touches what the page says, and works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATCHES = ROOT / "docs" / "extending"
PAGE = (ROOT / "docs" / "extending.md").read_text()
NAMES = ("body", "variation", "core", "baseline", "metric", "role_policy")
COPIED = ("ma_ssm_env", "policies", "baselines", "benchmarks", "tests", "docs")
# The house's own tests, as they stand with the patch, on what it adds.
HELD_BY = {
    "body": ("tests/ma_ssm_env/test_pages.py", "InvertedDoublePendulum"),
    "core": ("tests/policies/cores/test_core.py", "mingru or default_sizes or command_line"),
}
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patches; it is missing")


def copy_of_tree(folder: Path) -> Path:
    left_out = shutil.ignore_patterns("__pycache__", "scenarios", "pictures")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", folder)
    # `scenarios` are pages that docs/pages.py makes, pictures are large; neither matters to what is run.
    return folder


def git_apply(folder: Path, name: str, *options: str) -> str:
    done = subprocess.run(
        ["git", "apply", *options, str(PATCHES / f"{name}.patch")],
        cwd=folder,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, f"{name}.patch no longer applies; make it anew:\n{done.stderr}"
    return done.stdout


def python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def patched(folder: Path, name: str) -> Path:
    git_apply(copy_of_tree(folder), name)
    return folder


def check_prints(folder: Path, name: str) -> None:
    script = PATCHES / f"{name}.py"
    said = python(patched(folder, name), "-W", "error", str(script))
    said = re.sub(r"; records: .*", "", said)  # where a temporary folder lay
    expected = re.search(rf"<!-- prints:{name} -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert expected, name
    assert said.strip() == expected[1].strip()


def test_the_page_shows_every_patch_and_there_is_no_other() -> None:
    assert {path.stem for path in PATCHES.glob("*.patch")} == set(NAMES)
    for name in NAMES:
        assert f"{{literalinclude}} extending/{name}.patch" in PAGE
        assert f"{{literalinclude}} extending/{name}.py" in PAGE


@pytest.mark.parametrize("name", NAMES)
def test_files_and_lines_are_those_that_the_page_counts(name: str, tmp_path: Path) -> None:
    new, new_lines, lines = 0, 0, 0
    for row in git_apply(tmp_path, name, "--numstat").splitlines():
        added, removed, path = row.split("\t")
        assert removed == "0", f"{path}: an addition takes nothing away"
        if (ROOT / path).exists():
            lines += int(added)
        else:
            new, new_lines = new + 1, new_lines + int(added)
    anchor = "a-" + name.replace("_", "-")
    row = next(line for line in PAGE.splitlines() if line.startswith("|") and f"(#{anchor})" in line)
    assert [int(cell) for cell in row.split("|")[2:5]] == [new, new_lines, lines]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "baseline"])
def test_it_works_through_its_public_entries(name: str, tmp_path: Path) -> None:
    check_prints(tmp_path, name)


@pytest.mark.slow
def test_the_baseline_is_run_by_the_runner(tmp_path: Path) -> None:
    check_prints(tmp_path, "baseline")


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD_BY)
def test_the_tests_of_the_house_hold_it(name: str, tmp_path: Path) -> None:
    file, selected = HELD_BY[name]
    pytest_call = ("-m", "pytest", "-q", "-p", "no:cacheprovider", file, "-k", selected)
    last = python(patched(tmp_path, name), *pytest_call).strip().splitlines()[-1]
    assert int(re.search(r"(\d+) passed", last)[1]) > 0, last


@pytest.mark.slow
def test_all_of_them_together_pass_lint_and_import_contracts(tmp_path: Path) -> None:
    copy_of_tree(tmp_path)
    for name in NAMES:
        git_apply(tmp_path, name)
    python(tmp_path, "-m", "ruff", "check", "--no-cache", ".")
    python(tmp_path, "-m", "ruff", "format", "--no-cache", "--check", ".")
    call = "from importlinter.cli import lint_imports_command as call; call()"
    assert "0 broken" in python(tmp_path, "-c", call, "--no-cache")
