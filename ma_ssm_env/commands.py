"""What a package can do: its commands, each with the first line of its own docstring; and how they end.

A command is a module that runs as `python -m`: one with an `if __name__ == "__main__"`. Modules are read, not
imported, so that a list is there at once.

Every command ends with 0 where it did what was asked; with 2 where what was asked for cannot be had: options,
scenarios, files or checkpoints that are not there or not sound; with 1 where it began and failed; and with
130 where it was interrupted. What went wrong is one line on standard error.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True)
class Command:
    """A command and what it is for.

    Attributes:
        name: of the module, as `policies.train`.
        summary: the first line of the module's docstring, without the command line that it may end in.
    """

    name: str
    summary: str


def commands(package: str, folder: str | Path) -> list[Command]:
    """The commands of the package whose modules lie in `folder`, by name; the package's own list left out."""
    found = []
    root = Path(folder)
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts == ("__main__",):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(_runs(node) for node in tree.body):
            shown = parts[:-1] if parts[-1] == "__main__" else parts
            found.append(Command(".".join((package, *shown)), _summary(ast.get_docstring(tree) or "")))
    return sorted(found, key=lambda command: command.name)


def main(package: str, folder: str | Path, arguments: Sequence[str] | None = None) -> int:
    """The command line of a package: list what it can do."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}", description=f"List the commands of {package}; each has --help."
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args(arguments)
    found = commands(package, folder)
    if given.json:
        print(json.dumps([vars(command) for command in found]))
        return 0
    width = max(len(command.name) for command in found)
    for command in found:
        print(f"python -m {command.name:<{width}}  {command.summary}")
    return 0


def shown_path(path: str | Path) -> str:
    """A path as a command that is kept shows it: nothing of the machine that it was typed on.

    Below the working folder it is relative to that; elsewhere an absolute path shrinks to its last name.
    """
    given = Path(path)
    if not given.is_absolute():
        return str(path)
    here = Path.cwd()
    return str(given.relative_to(here)) if given.is_relative_to(here) else given.name


def _runs(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _summary(docstring: str) -> str:
    first = " ".join(docstring.strip().partition("\n\n")[0].split())
    # "Train: `python -m policies.train --help`." is known from the name.
    first = re.sub(r"(?::|,)?\s*`python -m [^`]*`[^.]*(?=\.|$)", "", first)
    return re.split(r"(?<=[.?])\s", first, maxsplit=1)[0].rstrip(".:")


def exit_with(command: Callable[[], int]) -> NoReturn:
    """Run a command line and end the process with what it returns.

    A file that cannot be read or written, a full disk or an interruption is no fault of the code: one line
    without a traceback. Anything else that is raised is a fault, and keeps its traceback.
    """
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has gone: `| head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the interpreter flushes it at its end
        status = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)
