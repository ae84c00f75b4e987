"""Every command that README.md, the pages and the examples show exists, and takes the arguments shown.

A command is parsed by the program's own parser, which is stopped before anything runs: a flag that does not
exist, a value that it does not take or a file of ours that is gone fails here.
"""

import argparse
import importlib.util
import re
import runpy
import shlex
import sys
import warnings
from pathlib import Path

import pytest
import tyro

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "README.md"]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
OURS = ("ma_ssm_env", "policies", "baselines", "benchmarks", "examples")
# What a shell block may hold besides: set-up, and looking at what was made.
SHELL = {"cat", "cd", "cp", "export", "git", "ls", "mkdir", "pip", "source", "xdg-open"}


class Parsed(Exception):
    """The arguments were taken; nothing has run."""


def blocks(text, languages):
    """Lines of the fenced blocks of these languages, continued lines joined."""
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language in languages:
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                yield from line.partition(" #")[0].split(" && ")


def inline(text):
    """What stands between backticks outside of blocks, on one line."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", text)]


def words_of(line):
    """The words of a shell line, without comments and leading variables."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words


def shown_in(path):
    """The commands of a file: (whole, words), where what is not whole is a program's name in running text."""
    text = path.read_text()
    if path.suffix == ".py":
        docstring = text.partition('"""')[2].partition('"""')[0]
        found = [words_of(line) for line in docstring.splitlines() if line.startswith("    ")]
        return [(True, tuple(words)) for words in found if words and words[0].endswith("python")]
    found = [(True, words_of(line)) for line in blocks(text, ("sh", "bash", "console"))]
    for code in inline(text):
        if re.match(r"([A-Z_]+=\S+ )*(python|make) ", code) and not re.search(r"\.\.\.|[\[\]]", code):
            words = words_of(code)
            found.append((len(words) > (3 if "-m" in words else 2), words))
    return [(whole, tuple(words)) for whole, words in found if words]


COMMANDS = sorted(
    {(path.name, whole, words) for path in [*PAGES, *EXAMPLES] for whole, words in shown_in(path)}
)
TARGETS = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()


def start(is_module, program, monkeypatch):
    """Run a program as `python -m program` or `python program` does."""
    with warnings.catch_warnings():
        again = ".* found in sys.modules after import"
        warnings.filterwarnings("ignore", message=again, category=RuntimeWarning)
        if is_module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            monkeypatch.syspath_prepend(str((ROOT / program).parent))
            runpy.run_path(str(ROOT / program), run_name="__main__")


def parse(words, monkeypatch):
    """Let the program of `python ...` parse its arguments, and stop it then."""

    def stopping(parser):
        def parse_and_stop(*arguments, **settings):
            parser(*arguments, **settings)
            raise Parsed

        return parse_and_stop

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stopping(argparse.ArgumentParser.parse_args))
    monkeypatch.setattr(tyro, "cli", stopping(tyro.cli))
    program, *arguments = words[1:] if words[1] != "-m" else words[2:]
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises((Parsed, SystemExit)) as stopped:
        start(words[1] == "-m", program, monkeypatch)
    if isinstance(stopped.value, SystemExit):
        assert "--help" in words, f"{shlex.join(words)}: refused"
        assert not stopped.value.code


def check(whole, words, monkeypatch):
    """One command: of make, of Python, or of the shell."""
    if words[0] == "make":
        for target in words[1:]:
            assert target in TARGETS, f"make {target}: the Makefile has {', '.join(TARGETS)}"
    elif words[0].endswith("python"):
        program = words[2] if words[1] == "-m" else words[1]
        if words[1] != "-m":
            assert (ROOT / program).is_file(), f"there is no file {program}"
        elif program == "venv":
            return
        else:
            assert program.split(".")[0] in OURS, f"{program} is not of this project"
            assert importlib.util.find_spec(program) is not None, f"there is no module {program}"
        # A script without arguments may have no parser, and would run: that it is there is all.
        if whole and (words[1] == "-m" or len(words) > 2):
            parse(words, monkeypatch)
    else:
        assert words[0] in SHELL, f"{shlex.join(words)}: what is {words[0]}? add it to SHELL if it is right"


@pytest.mark.parametrize(
    ("page", "whole", "words"),
    [pytest.param(*command, id=f"{command[0]}: {shlex.join(command[2])}") for command in COMMANDS],
)
def test_it_exists_and_takes_the_arguments_that_are_shown(page, whole, words, monkeypatch, table, capsys):
    check(whole, words, monkeypatch)


def test_there_are_commands_to_test():
    pages = {page for page, _, _ in COMMANDS}
    assert {"README.md", "pictures.md", "emergence.md", "getting_started.md"} <= pages
    assert {path.name for path in EXAMPLES} <= pages
    assert len(COMMANDS) > 60


@pytest.mark.parametrize(
    "line",
    [
        "make tea",
        "python -m policies.trian --team",
        "python -m policies.train --teem --out runs/team",
        "python -m policies.train --scenario PointDir-v0 --steps many --out runs/team",
        "python -m policies.train --core rnn --out runs/team",
        "python -m ma_ssm_env.play PointDir-v0 --polcy scripted --out trial.mp4",
        "python -m benchmarks.emergence",  # the checkpoint is missing
        "python examples/getting_finished.py",
        "python examples/getting_started.py --step-count 3",
        "brew install ma-ssm-env",
    ],
)
def test_a_wrong_command_is_noticed(line, monkeypatch, capsys):
    with pytest.raises(AssertionError):
        check(True, tuple(words_of(line)), monkeypatch)


def test_how_commands_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Say `make docs`, `python -m policies.evaluate CHECKPOINT` or\n`python -m policies.train`, not\n"
        "`make`, `maker x`, `python -m x [ID ...]`.\n"
        "```sh\nA=b python -m policies.train --team \\\n    --out runs/team   # a minute && more\n"
        "\ncd x && ls runs\n```\n"
        "```python\nmake = 1\n```\n"
    )
    assert shown_in(page) == [
        (True, ("python", "-m", "policies.train", "--team", "--out", "runs/team")),
        (True, ("cd", "x")),
        (True, ("ls", "runs")),
        (False, ("make", "docs")),
        (True, ("python", "-m", "policies.evaluate", "CHECKPOINT")),
        (False, ("python", "-m", "policies.train")),
    ]
