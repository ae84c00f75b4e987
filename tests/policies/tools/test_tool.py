"""Schemas from annotations, and arguments that are held to them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypedDict

import numpy as np
import pytest

from policies.tools import TOOLS, SSMTool, ToolError
from policies.tools.__main__ import main
from policies.tools.tool import Items, Range, checked, schema_of


class Place(TypedDict):
    x: float
    y: float


@dataclass(frozen=True)
class Echo:
    """Says what it was given."""

    name: ClassVar[str] = "echo"
    description: ClassVar[str] = "Says what it was given."

    def schema(self) -> dict[str, Any]:
        return schema_of(type(self).__call__)

    @checked
    def __call__(
        self,
        count: Annotated[int, Range(1, 3)],
        where: Place | None = None,
        rows: Annotated[list[list[float]], Items(1)] | str = "file",
        mode: Literal["up", "down"] = "up",
        loud: bool = False,
    ) -> dict[str, Any]:
        """Say it.

        Args:
            count: how often.
            where: the place,
                in the plane.
            rows: numbers.
            mode: which way.
            loud: or not.
        """
        return {"count": count, "where": where, "rows": rows, "mode": mode, "loud": loud}


def test_a_schema_says_what_the_signature_and_the_docstring_say() -> None:
    schema = Echo().schema()
    assert schema["required"] == ["count"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["count"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 3,
        "description": "how often.",
    }
    place = {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}
    place |= {"required": ["x", "y"], "additionalProperties": False}
    assert properties["where"]["anyOf"] == [place, {"type": "null"}]
    assert properties["where"]["description"] == "the place, in the plane."
    assert properties["rows"]["default"] == "file"
    assert properties["mode"]["enum"] == ["up", "down"]


def test_what_json_can_hold_comes_through_and_arrays_and_paths_become_it() -> None:
    told = Echo()(2, where={"x": 1, "y": 2.5}, rows=np.ones((2, 2), np.float32), loud=True)
    assert told == {
        "count": 2,
        "where": {"x": 1.0, "y": 2.5},
        "rows": [[1.0, 1.0], [1.0, 1.0]],
        "mode": "up",
        "loud": True,
    }
    assert Echo()(count=3.0, rows=Path("a/b"))["rows"] == "a/b"  # type: ignore[arg-type]
    assert Echo()(1, rows=((1, 2),))["rows"] == [[1.0, 2.0]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "echo: missing a required argument: 'count'"),
        ({"count": 4}, "echo: count=4: a whole number from 1 to 3 is expected"),
        ({"count": 1.5}, "count=1.5: a whole number"),
        ({"count": True}, "count=true: a whole number"),
        ({"count": "1"}, 'count="1": a whole number'),
        ({"count": 1, "loud": 1}, "loud=1: true or false is expected"),
        ({"count": 1, "mode": "left"}, "mode=\"left\": one of 'up', 'down' is expected"),
        ({"count": 1, "cuont": 1}, "unknown argument 'cuont'; did you mean 'count'"),
        ({"count": 1, "zzz": 1}, "unknown argument 'zzz'; one of count, where"),
        ({"count": 1, "where": {"x": 1}}, "where: without 'y'; x, y are expected"),
        ({"count": 1, "where": {"x": 1, "y": 1, "z": 1}}, "where: unknown 'z'"),
        ({"count": 1, "rows": []}, "rows has 0 items: at least 1"),
        ({"count": 1, "rows": [[1, None]]}, r"rows\[0\]\[1\]=null: a finite number is expected"),
        ({"count": 1, "rows": [[float("nan")]]}, r"rows\[0\]\[0\]=NaN: a finite number"),
        ({"count": 1, "rows": [[10**400]]}, r"rows\[0\]\[0\]=10+\.\.\.: a finite number is expected"),
        ({"count": 10**400}, r"count=10+\.\.\.: a whole number from 1 to 3"),
        ({"count": 1, "rows": 3}, "rows=3: a list of lists or a string is expected"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        Echo()(**arguments)


def test_a_whole_number_is_one_of_64_bits() -> None:
    """Generators are seeded with no more."""
    with pytest.raises(ToolError, match=r"seed=10+\.\.\.: a whole number of at least 0"):
        SSMTool()([[0.0]], seed=10**400)


def test_an_argument_without_a_description_or_a_schema_is_a_programming_error() -> None:
    def silent(x: int) -> None:
        """Nothing said."""

    def strange(x: complex) -> None:
        """Say.

        Args:
            x: a complex number.
        """

    with pytest.raises(TypeError, match="does not describe the argument 'x'"):
        schema_of(silent)
    with pytest.raises(TypeError, match="no JSON schema"):
        schema_of(strange)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_says_what_it_takes_in_json(tool: Any) -> None:
    schema = json.loads(json.dumps(tool.schema()))
    assert schema["type"] == "object"
    assert schema["required"]
    assert all(part["description"] for part in schema["properties"].values())
    assert tool.name.isidentifier()
    assert len(tool.description) > 80
    with pytest.raises(ToolError, match=f"{tool.name}: missing a required argument"):
        tool()


def test_the_command_lists_describes_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.count("\n") == 2 * len(TOOLS)
    assert main(["--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [tool["name"] for tool in listed] == [tool.name for tool in TOOLS]
    assert main(["maml"]) == 0
    assert json.loads(capsys.readouterr().out) == listed[1]["schema"]
    file = tmp_path / "arguments.json"
    for text, message in (
        ("{", "not JSON"),
        ("[]", "a JSON object is expected, not list"),
        ('{"tasks": 3}', "missing a required argument"),
        ('{"tasks": 3, "new_tasks": []}', "maml: tasks=3: a list"),
    ):
        file.write_text(text)
        assert main(["maml", str(file)]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1
    assert main(["maml", str(tmp_path / "none.json")]) == 2
    assert "No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        main(["hammer"])
    assert usage.value.code == 2


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            ValueError("need at least one array"),
            1,
            "ssm_forecast: failed: ValueError: need at least one array",
        ),
        (OSError("no space left"), 1, "ssm_forecast: failed: OSError: no space left"),
        (ToolError("ssm_forecast: more data"), 2, "ssm_forecast: more data"),
        (None, 1, "ssm_forecast: failed: ValueError: Out of range float values"),
    ],
)
def test_a_tool_that_fails_is_told_from_arguments_that_are_refused(
    error: Exception | None,
    code: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def call(self: SSMTool, **values: Any) -> dict[str, Any]:
        if error is None:
            return {"standard_error": float("nan")}  # JSON has no word for it
        raise error

    monkeypatch.setattr(SSMTool, "__call__", call)
    file = tmp_path / "arguments.json"
    file.write_text("{}")
    assert main(["ssm_forecast", str(file)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1
