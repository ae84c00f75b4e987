"""What makes a callable a tool: a name, a description, and a JSON schema that its arguments are held to.

A tool is a frozen dataclass with a `__call__` under `@checked`. Its schema is derived from the annotations
of `__call__` and from the `Args` of its docstring, so that neither can say what the other does not. Arguments
may be anything that JSON can hold, and beside that arrays, tensors, tuples and paths; results are JSON
values.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, get_args, get_origin

Schema = dict[str, Any]
Call = TypeVar("Call", bound=Callable[..., dict[str, Any]])
_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
}
_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a finite number",
    "string": "a string",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_PLURALS = {
    "number": "finite numbers",
    "integer": "whole numbers",
    "string": "strings",
    "array": "lists",
    "object": "objects",
}


class ToolError(ValueError):
    """Arguments that a tool does not take; the message names tool, argument, value and what is expected."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number, as in `Annotated[int, Range(1, 10)]`.

    Attributes:
        low, high: least and greatest value; None: no bound.
    """

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Items:
    """Length of a list, as in `Annotated[list[float], Items(2)]`.

    Attributes:
        low: least number of items.
    """

    low: int


class Tool(Protocol):
    """What can be given to an agent: see the module.

    Attributes:
        name: what it is called by, in snake case.
        description: what it is for, for whoever has to choose one.
    """

    @property
    def name(self) -> str:
        """What it is called by."""
        ...

    @property
    def description(self) -> str:
        """What it is for."""
        ...

    def schema(self) -> Schema:
        """JSON schema of the arguments: an object."""
        ...

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run it; JSON values."""
        ...


def checked(call: Call) -> Call:
    """A tool's `__call__` that refuses what its schema does not allow, with a `ToolError`."""
    signature = inspect.signature(call)

    @functools.wraps(call)
    def with_checks(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        names = [name for name in signature.parameters if name != "self"]
        for name in kwargs:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(names)} is expected"
                raise ToolError(f"{self.name}: unknown argument {name!r}; {hint}")
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise ToolError(f"{self.name}: {error}") from None
        properties = schema_of(call)["properties"]
        for name, value in bound.arguments.items():
            if name != "self":
                try:
                    bound.arguments[name] = conform(value, properties[name], name)
                except ToolError as error:
                    raise ToolError(f"{self.name}: {error}") from None
        return call(*bound.args, **bound.kwargs)

    return typing.cast(Call, with_checks)


def schema_of(call: Callable[..., Any]) -> Schema:
    """JSON schema of the arguments of `call`, without `self`.

    Raises:
        TypeError: an annotation that has no schema here, or an argument that the docstring does not describe.
    """
    call = inspect.unwrap(call)
    hints = typing.get_type_hints(call, include_extras=True)
    told = _described(inspect.getdoc(call) or "")
    properties: dict[str, Schema] = {}
    required = []
    for name, parameter in inspect.signature(call).parameters.items():
        if name == "self":
            continue
        if name not in told:
            raise TypeError(f"{call.__qualname__}: its docstring does not describe the argument {name!r}")
        properties[name] = {**_schema(hints[name]), "description": told[name]}
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
        else:
            properties[name]["default"] = parameter.default
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def conform(value: Any, schema: Schema, where: str) -> Any:
    """`value` as the JSON value that `schema` describes.

    Raises:
        ToolError: it is none; the message says where, what was given and what is expected.
    """
    value = _plain(value)
    if "anyOf" in schema:
        failures = []
        for choice in schema["anyOf"]:
            try:
                return conform(value, choice, where)
            except ToolError as error:
                failures.append((_depth(value, choice), error))
        # The choice that went furthest is the one that was meant.
        deepest = max(depth for depth, _ in failures)
        if deepest == 0:
            raise ToolError(f"{where}={_short(value)}: {_words(schema)} is expected")
        raise next(error for depth, error in failures if depth == deepest)
    if "enum" in schema:
        if value not in schema["enum"]:
            raise ToolError(f"{where}={_short(value)}: {_words(schema)} is expected")
        return value
    kind = schema["type"]
    if not _is(value, kind):
        raise ToolError(f"{where}={_short(value)}: {_words(schema)} is expected")
    if kind in ("integer", "number"):
        value = int(value) if kind == "integer" else float(value)
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            raise ToolError(f"{where}={_short(value)}: {_words(schema)} is expected")
    elif kind == "array":
        if len(value) < schema.get("minItems", 0):
            raise ToolError(f"{where} has {len(value)} items: at least {schema['minItems']} are expected")
        value = [conform(item, schema["items"], f"{where}[{i}]") for i, item in enumerate(value)]
    elif kind == "object":
        unknown = [name for name in value if name not in schema["properties"]]
        missing = [name for name in schema["required"] if name not in value]
        if unknown or missing:
            wrong = f"unknown {unknown[0]!r}" if unknown else f"without {missing[0]!r}"
            raise ToolError(f"{where}: {wrong}; {', '.join(schema['properties'])} are expected")
        value = {
            name: conform(item, schema["properties"][name], f"{where}.{name}") for name, item in value.items()
        }
    return value


def _schema(hint: Any) -> Schema:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        schema = _schema(parts[0])
        for extra in parts[1:]:
            if isinstance(extra, Range):
                bounds = {"minimum": extra.low, "maximum": extra.high}
                schema |= {name: bound for name, bound in bounds.items() if bound is not None}
            elif isinstance(extra, Items):
                schema["minItems"] = extra.low
        return schema
    if hint in _NAMES:
        return {"type": _NAMES[hint]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is list:
        return {"type": "array", "items": _schema(parts[0])}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(part) for part in parts]}
    if typing.is_typeddict(hint):
        fields = typing.get_type_hints(hint, include_extras=True)
        return {
            "type": "object",
            "properties": {name: _schema(field) for name, field in fields.items()},
            "required": sorted(hint.__required_keys__),
            "additionalProperties": False,
        }
    raise TypeError(f"{hint!r}: no JSON schema for this annotation")


def _described(docstring: str) -> dict[str, str]:
    """Argument -> what the `Args` of a Google-style docstring say of it."""
    block = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)+)", docstring, re.MULTILINE)
    if block is None:
        return {}
    entries = re.split(r"^ {4}(?=\w)", block.group(1), flags=re.MULTILINE)[1:]
    told = (entry.partition(":") for entry in entries)
    return {name.strip(): " ".join(text.split()) for name, _, text in told}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays and tensors
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return dict(value) if isinstance(value, Mapping) else value


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool) and abs(value) < 2**63
        case "number":
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return number and abs(value) <= sys.float_info.max
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return isinstance(value, {"boolean": bool, "string": str, "null": type(None)}[kind])


def _depth(value: Any, schema: Schema) -> int:
    """How far into nested lists or objects a value goes along a schema; 0: not even its own kind."""
    kind = schema.get("type")
    if kind is None or not _is(value, kind):
        return 0
    if kind == "array" and value:
        return 1 + _depth(_plain(value[0]), schema["items"])
    return 1


def _words(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(map(repr, schema["enum"]))
    low, high = schema.get("minimum"), schema.get("maximum")
    words = _WORDS[schema["type"]]
    if schema["type"] == "array":
        words += f" of {_PLURALS.get(schema['items'].get('type'), 'items')}"
    if low is not None and high is not None:
        return f"{words} from {low} to {high}"
    return words if low is None else f"{words} of at least {low}"


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
