"""List the tools, or run one on arguments in JSON: `python -m policies.tools ssm_forecast arguments.json`.

Without a name it lists them; with a name alone it prints the JSON schema of that tool's arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ma_ssm_env.commands import exit_with
from policies.tools import TOOLS, ToolError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, 1 where the tool failed, or 2 where its arguments are refused."""
    parser = argparse.ArgumentParser(
        prog="python -m policies.tools", description="List the tools, or run one on arguments in JSON."
    )
    parser.add_argument("tool", nargs="?", help=f"one of {', '.join(tool.name for tool in TOOLS)}")
    parser.add_argument(
        "arguments", nargs="?", help="file with the arguments, a JSON object; - reads them from the input"
    )
    parser.add_argument("--json", action="store_true", help="the list, too, as one line of JSON")
    given = parser.parse_args(arguments)
    if given.tool is None:
        if given.json:
            listed = [{"name": t.name, "description": t.description, "schema": t.schema()} for t in TOOLS]
            print(json.dumps(listed))
        else:
            for tool in TOOLS:
                print(f"{tool.name}\n    {tool.description}")
        return 0
    found = [tool for tool in TOOLS if tool.name == given.tool]
    if not found:
        parser.error(
            f"unknown tool {given.tool!r}; one of {', '.join(tool.name for tool in TOOLS)} is expected"
        )
    if given.arguments is None:
        print(json.dumps(found[0].schema(), indent=None if given.json else 1))
        return 0
    torch.set_num_threads(1)
    try:
        text = sys.stdin.read() if given.arguments == "-" else Path(given.arguments).read_text()
        values = json.loads(text)
    except OSError as error:
        print(f"{given.arguments}: {error.strerror}", file=sys.stderr)
        return 2
    except (ValueError, RecursionError) as error:
        print(f"{given.arguments}: not JSON: {error}", file=sys.stderr)
        return 2
    if not isinstance(values, dict):
        wrong = type(values).__name__
        print(f"{given.arguments}: a JSON object is expected, not {wrong}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(found[0](**values), allow_nan=False))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 2
    except (ArithmeticError, OSError, RuntimeError, ValueError) as error:
        print(f"{found[0].name}: failed: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    exit_with(main)
