"""Every command lists itself, explains itself, and ends as it should; one table over all of them.

Run this file to write the table of `docs/commands.md` anew: `python tests/test_commands.py`.
"""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path

import pytest

from ma_ssm_env import commands

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "commands.md"
PACKAGES = ("ma_ssm_env", "policies", "benchmarks")
LISTED = [found for package in PACKAGES for found in commands.commands(package, ROOT / package)]
NAMES = [command.name for command in LISTED]

# What a program would read the result of. Others print a path, or write JSON to `--out`.
WITH_JSON = {
    "ma_ssm_env.recorded_trials",
    "ma_ssm_env.testing",
    "policies.evaluate",
    "policies.maml.curves",
    "policies.tools",
    "benchmarks.compare",
    "benchmarks.crew",
    "benchmarks.emergence",
    "benchmarks.report.scale",
    "benchmarks.run",
    "benchmarks.throughput",
}

# What cannot be had: command, arguments ("@" is a folder with a damaged checkpoint), and what is said of it.
NO_SCENARIO = "PointDor-v0: unknown scenario; did you mean PointDir-v0?"
DAMAGED = "not a checkpoint"
REFUSED = [
    ("ma_ssm_env.play", "PointDor-v0 --out @/x.gif", NO_SCENARIO),
    ("ma_ssm_env.play", "PointDir-v0 --checkpoint @ --out @/x.gif", DAMAGED),
    ("ma_ssm_env.recorded_trials", "PointDor-v0 --out @/x.npz", NO_SCENARIO),
    ("ma_ssm_env.recorded_trials", "PointDir-v0 --checkpoint @ --out @/x.npz", DAMAGED),
    ("ma_ssm_env.testing", "PointDor-v0", NO_SCENARIO),
    ("ma_ssm_env.testing", "PointDir-v0 --horizon 0", "--horizon 0: at least 1"),
    ("policies.evaluate", "@", DAMAGED),
    ("policies.evaluate", "@/none", "no checkpoint there"),
    ("policies.maml", "--out @/x --scenario PointDor-v0", NO_SCENARIO),
    ("policies.maml", "--out @/x --steps 0", "--steps 0: at least 1"),
    ("policies.maml.curves", "@", "no meta-trained prior there"),
    ("policies.tools", "hammer", "unknown tool 'hammer'"),
    ("policies.tools", "maml @/none.json", "none.json: No such file"),
    ("policies.train", "--out @/x --scenario PointDor-v0", NO_SCENARIO),
    ("policies.train", "--out @/x --ppo speed=1", "unknown setting 'speed'"),
    ("benchmarks.compare", "@/none @", "none: no such folder"),
    ("benchmarks.core_speed", "--alternations 0", "--alternations 0: at least 1"),
    ("benchmarks.coverage", "--simulations 0", "--simulations 0: at least 1"),
    ("benchmarks.crew", "goal --model m --largest-budget 0", "--largest-budget 0: at least 1"),
    ("benchmarks.emergence", "@", DAMAGED),
    ("benchmarks.emergence", "@ --name a/b", "--name 'a/b'"),
    ("benchmarks.emergence.calibration", "--out @/x.json --teams 0", "--teams 0: at least 1"),
    ("benchmarks.emergence.controls", "@", DAMAGED),
    ("benchmarks.export", "@ --marl-eval @/x.json", "no records"),
    ("benchmarks.export", "@", "nothing to write"),
    ("benchmarks.films", "@ --out @/x", DAMAGED),
    ("benchmarks.readme", "--chek", "--chek"),
    ("benchmarks.recurrent_speed", "--scenario PointDor-v0", NO_SCENARIO),
    ("benchmarks.reference", "--scenarios PointDor-v0", "PointDor-v0: no reference budget"),
    ("benchmarks.reference", "--jobs 0", "--jobs 0: at least 1"),
    ("benchmarks.report", "@/none", "none: no such folder"),
    ("benchmarks.report.pictures", "@/none", "none"),
    ("benchmarks.report.scale", "--records 0", "--records 0: at least 1"),
    ("benchmarks.run", "--suite quik --out @/x", "quik"),
    ("benchmarks.run", "--suite quick --out @/x --scenarios PointDor-v0", "--scenarios PointDor-v0"),
    ("benchmarks.store_scale", "--out @/x --records 0", "--records 0: at least 1"),
    ("benchmarks.studies.adaptation", "point-flop", "'point-flop': one of"),
    ("benchmarks.studies.collaboration", "run --scenario PointDor-v0", "PointDor-v0"),
    ("benchmarks.studies.curriculum", "pointgaol", "'pointgaol': one of"),
    ("benchmarks.studies.maml", "nothing", "'nothing': one of"),
    ("benchmarks.studies.maml_speed", "--repeats 0", "--repeats 0: at least 1"),
    ("benchmarks.studies.tools", "Hammer", "'Hammer': one of"),
    ("benchmarks.throughput", "--scenario PointDor-v0", NO_SCENARIO),
    ("benchmarks.throughput", "--worlds 0", "--worlds 0: at least 1"),
    ("benchmarks.training_cost", "--steps 0", "--steps 0: at least 1"),
    ("benchmarks.tune", "--scenario PointDor-v0", NO_SCENARIO),
    ("benchmarks.tune", "--methods magic", "method 'magic'"),
]


def module(name: str):
    packaged = (ROOT / name.replace(".", "/")).is_dir()
    return importlib.import_module(f"{name}.__main__" if packaged else name)


def outcome(name: str, arguments: list[str]) -> int:
    try:
        return module(name).main(arguments)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize("name", NAMES)
def test_a_command_explains_itself_and_refuses_what_it_does_not_know(name, capsys, monkeypatch):
    parsers = []
    parse = ArgumentParser.parse_args

    def watched(self, *args, **kwargs):
        parsers.append(self)
        return parse(self, *args, **kwargs)

    monkeypatch.setattr(ArgumentParser, "parse_args", watched)
    assert outcome(name, ["--help"]) == 0
    said = capsys.readouterr().out
    assert f"usage: python -m {name}" in said
    assert ("--json" in said) == (name in WITH_JSON)
    for parser in parsers:  # tyro, which makes the others, shows every default
        for action in parser._actions:
            assert action.help, f"{name}: {action.dest} is not explained"
            if action.option_strings and not action.required and action.nargs != 0:
                shown = parser._get_formatter()._expand_help(action)
                known = action.default in (None, SUPPRESS) or str(action.default) in shown
                assert known or "default" in shown, f"{name}: no default of {action.option_strings[-1]}"
    assert outcome(name, ["--nonsense"]) == 2
    captured = capsys.readouterr()
    assert captured.err
    assert not captured.out


@pytest.mark.parametrize(("name", "arguments", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_had_is_said_in_a_line(name, arguments, message, tmp_path, capsys, monkeypatch):
    (tmp_path / "checkpoint.json").write_text("{")
    monkeypatch.chdir(tmp_path)  # nothing is written into the tree
    words = [word.replace("@", str(tmp_path)) for word in arguments.split()]
    assert outcome(name, words) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    told = [line for line in lines if message in line] or [" ".join(captured.err.split())]
    assert message in told[-1].replace("│", "")
    assert "Traceback" not in captured.err
    unboxed = [line for line in lines if not line.startswith(("usage:", " ", "│", "╭", "╰", "─"))]
    assert len(unboxed) <= 1 + captured.err.count("usage:"), captured.err


def test_every_command_has_a_line_a_summary_and_one_way_to_end():
    assert {name for name, _, _ in REFUSED} == set(NAMES)
    assert set(NAMES) >= WITH_JSON
    for command in LISTED:
        assert 10 < len(command.summary) < 100, f"{command.name}: {command.summary!r}"
        tree = ast.parse(inspect.getsource(module(command.name)))
        assert ast.unparse(tree.body[-1]).splitlines()[-1].strip() == "exit_with(main)", command.name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_lists_what_it_can_do(package, capsys):
    assert outcome(package, []) == 0
    lines = capsys.readouterr().out.splitlines()
    assert outcome(package, ["--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [line.split()[2] for line in lines] == [command["name"] for command in listed]
    assert f"{package}.__main__" not in str(listed)
    assert outcome(package, ["--nonsense"]) == 2
    assert all(line.endswith(command["summary"]) for line, command in zip(lines, listed, strict=True))


def test_the_list_comes_from_the_modules_themselves(tmp_path):
    guard = '\n\nif __name__ == "__main__":\n    print(1)\n'
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "__main__.py").write_text('"""Dig: `python -m p.deep DEPTH`, or more."""' + guard)
    (tmp_path / "plain.py").write_text('"""Say what is so. And more.\n\nMuch more.\n"""' + guard)
    (tmp_path / "asks.py").write_text('"""Is it so? It measures: `python -m p.asks`."""' + guard)
    (tmp_path / "library.py").write_text('"""No command."""\n')
    (tmp_path / "__main__.py").write_text('"""The list."""' + guard)
    found = commands.commands("p", tmp_path)
    assert [(c.name, c.summary) for c in found] == [
        ("p.asks", "Is it so?"),
        ("p.deep", "Dig"),
        ("p.plain", "Say what is so"),
    ]


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (None, 0, ""),
        (FileNotFoundError(2, "No such file or directory", "x.json"), 1, "error: x.json: No such file"),
        (OSError(28, "No space left on device"), 1, "error: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_how_a_command_ends(raised, status, said, capsys):
    def command():
        if raised is not None:
            raise raised
        return 0

    with pytest.raises(SystemExit) as ended:
        commands.exit_with(command)
    assert ended.value.code == status
    assert capsys.readouterr().err.strip().startswith(said)


def test_a_fault_of_the_code_keeps_its_traceback():
    def command():
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        commands.exit_with(command)


def test_for_real_in_processes_of_their_own(tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)

    (tmp_path / "file").write_text("")
    failed = run("benchmarks.store_scale", "--records", "1", "--out", str(tmp_path / "file" / "x"))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("error: ")
    listed = run("policies")
    assert listed.returncode == 0
    assert "python -m policies.train " in listed.stdout


@pytest.mark.parametrize(
    ("name", "arguments", "keys"),
    [
        (
            "benchmarks.throughput",
            "--scenario PointDir-v0 --worlds 2 --alternations 1 --json",
            {"host", "versions", "rows"},
        ),
        ("benchmarks.report.scale", "--records 30 --json", {"records", "read_s"}),
        ("ma_ssm_env.testing", "PointDir-v0 --horizon 3 --json", {"PointDir-v0"}),
    ],
)
def test_json_is_alone_on_the_output(name, arguments, keys, capsys):
    assert outcome(name, arguments.split()) == 0
    assert json.loads(capsys.readouterr().out).keys() >= keys


def written(page):
    """The page with the table as it is now."""
    rows = [f"| `python -m {command.name}` | {command.summary} |" for command in LISTED]
    table = "\n".join(["| command | what it is for |", "|---|---|", *rows])
    before, _, rest = page.partition("<!-- commands -->\n")
    return f"{before}<!-- commands -->\n{table}\n<!-- /commands -->{rest.partition('<!-- /commands -->')[2]}"


def test_the_page_on_commands_is_the_list():
    page = PAGE.read_text()
    assert page == written(page), "out of date: python tests/test_commands.py"
    after = page.partition("<!-- /commands -->")[2]
    assert all(f"`{name}`" in after for name in WITH_JSON)


def test_a_kept_command_shows_no_folder_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commands.shown_path(tmp_path / "runs" / "demo") == "runs/demo"
    assert commands.shown_path(tmp_path.parent / "elsewhere" / "demo") == "demo"
    assert commands.shown_path("runs/demo") == "runs/demo"
    assert commands.shown_path("quick") == "quick"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
