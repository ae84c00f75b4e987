"""A user's own suite in a file, checked on reading; an error names the file and the line.

TOML holds the fields of `Suite`; `judged` may be left out (the budget alone), `imports` too (nothing):

    scenarios = ["PointDir-v0", "HalfCheetahVel-v0"]
    methods = ["random", "sb3-ppo", "mono-s5", "team-s5"]     # or ["all"]
    seeds = 5
    budget = 300_000
    judged = [100_000, 300_000]
    imports = ["my_scenarios"]                                # modules that register what is one's own
    [budgets]
    off-policy = 50_000

A Python file assigns a `Suite` to the name `SUITE`. It is executed, and what is named in `imports` is
imported, so name only files that you trust.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import re
import tomllib
import traceback
from pathlib import Path
from typing import Any

from benchmarks.runner.methods import METHODS, find_methods
from benchmarks.runner.suites import Suite
from ma_ssm_env.scenarios import find_scenario

FIELDS = {field.name: field for field in dataclasses.fields(Suite)}
NEEDED = ("scenarios", "methods", "seeds", "budget")
KINDS = ("on-policy", "off-policy")


class SuiteFileError(ValueError):
    """A suite that cannot be used; the message is `FILE:LINE: what is wrong, and the remedy`."""


def read_suite(path: Path) -> Suite:
    """The suite of a TOML or Python file.

    Raises:
        SuiteFileError: it cannot be read, lacks something, or names what there is not.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteFileError(f"{path}:1: cannot be read: {error}") from None
    suite = _from_python(path, text) if path.suffix == ".py" else _from_toml(path, text)
    for module in suite.imports:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever the module raises
            told = f"imports: {module}: {type(error).__name__}: {error}"
            raise _error(path, text, "imports", told, module) from None
    for scenario in suite.scenarios:
        try:
            find_scenario(scenario)
        except ValueError as error:
            raise _error(path, text, "scenarios", str(error), scenario) from None
    for method in suite.methods:
        try:
            find_methods(suite.methods if suite.methods == ("all",) else [method])
        except ValueError as error:
            raise _error(path, text, "methods", str(error), method) from None
    for key in suite.budgets:
        if key not in METHODS and key not in KINDS:
            told = f"budgets: {key!r} is no method and none of {', '.join(KINDS)}"
            raise _error(path, text, "budgets", told, key)
    return suite


def _from_toml(path: Path, text: str) -> Suite:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        raise SuiteFileError(f"{path}:{line}: no TOML: {error}") from None
    for key in data:
        if key not in FIELDS:
            near = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(FIELDS)} is expected"
            raise _error(path, text, key, f"unknown field {key!r}; {hint}")
    for key in NEEDED:
        if key not in data:
            raise SuiteFileError(f"{path}:1: without {key!r}; {', '.join(NEEDED)} are needed")
    for key in ("scenarios", "methods", "judged", "imports"):
        if not isinstance(data.get(key, []), list):
            raise _error(path, text, key, f"{key}={data[key]!r}: a list is expected")
    if not isinstance(data.get("budgets", {}), dict):
        raise _error(path, text, "budgets", "a table [budgets] is expected")
    values: dict[str, Any] = {"name": path.stem, "judged": [data["budget"]], **data}
    for key in ("scenarios", "methods", "judged"):
        values[key] = tuple(values[key])
    try:
        return Suite(**values)
    except (ValueError, TypeError) as error:
        named = re.match(r"[a-z_]+", str(error))
        key = named.group() if named and named.group() in FIELDS else "budget"
        raise _error(path, text, key if key in data else "budget", str(error)) from None


def _from_python(path: Path, text: str) -> Suite:
    scope: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(compile(text, str(path), "exec"), scope)
    except SyntaxError as error:
        raise SuiteFileError(f"{path}:{error.lineno or 1}: no Python: {error.msg}") from None
    except Exception as error:  # whatever the file raises
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        raise SuiteFileError(f"{path}:{lines[-1] if lines else 1}: {type(error).__name__}: {error}") from None
    suite = scope.get("SUITE")
    if not isinstance(suite, Suite):
        line = _line(text, "SUITE") if "SUITE" in scope else text.count("\n") + 1
        raise SuiteFileError(
            f"{path}:{line}: SUITE is {suite!r}; assign a benchmarks.runner.suites.Suite to it"
        )
    return suite


def _error(path: Path, text: str, key: str, told: str, value: str | None = None) -> SuiteFileError:
    return SuiteFileError(f"{path}:{_line(text, key, value)}: {told}")


def _line(text: str, key: str, value: str | None = None) -> int:
    """The line of a field, or of `value` (a quoted text, or a key) at or after it; 1 where neither is."""
    lines = text.splitlines()
    begins = re.compile(rf"^\s*(\[\s*)?[\"']?{re.escape(key)}[\"']?\s*(=|\]|:)|\b{re.escape(key)}\s*=")
    start = next((n for n, line in enumerate(lines) if begins.search(line)), None)
    if value is not None:
        holds = re.compile(rf"[\"']{re.escape(value)}[\"']|^\s*{re.escape(value)}\s*=")
        for number in range(start or 0, len(lines)):
            if holds.search(lines[number].partition("#")[0]):
                return number + 1
    return 1 if start is None else start + 1
