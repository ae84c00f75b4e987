"""The reference of public names: `python docs/reference.py` writes `docs/api/` and says what is undocumented.

It reads the source text and imports nothing. A name is public if its module lists it in `__all__`, or, where
there is no such list, if it does not begin with an underscore.

What is checked, for every public module, class, function and method: it has a docstring; an `Args:` section
names each parameter, and no other. In the libraries (`STRICT`; the rest are programs) also: where arrays go
in or out, the text or the annotations give a shape; a function that raises says so; every field of a
dataclass is told of, and every parameter of a function that a package exports in its `__init__`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PACKAGES = ("ma_ssm_env", "policies", "baselines", "benchmarks")
STRICT = ("ma_ssm_env", "policies", "baselines", "benchmarks/stats", "benchmarks/metrics")
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

_ARRAY = re.compile(r"NDArray|ArrayLike|Tensor|ndarray|\bArray\b|\bFloat\b")
_SHAPE = re.compile(r"\[[^\]]*\]|\bscalar|\bone number|\bevery shape|\bany shape|\bshapes?\b", re.IGNORECASE)
_TOLD = re.compile(r"^Raises:|\berrors?\b|\brefuse|\braise|\bstops?\b", re.IGNORECASE | re.MULTILINE)
_LABELS = ("Args", "Attributes", "Returns", "Raises", "Yields")
# The checks of `ma_ssm_env.testing` are there to fail: that is what they tell of.
_NO_ERRORS = ("AssertionError",)


@dataclass(frozen=True)
class Module:
    """One public module: its dotted name, its path in the tree and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def strict(self) -> bool:
        """Whether it belongs to a library, of which more is asked."""
        return str(self.path.as_posix()).startswith(tuple(f"{folder}/" for folder in STRICT))

    def definitions(self) -> list[Definition]:
        """Its public classes and functions, in the order of the file."""
        listed = exported(self.tree)
        return [
            node
            for node in self.tree.body
            if isinstance(node, Definition)
            and (node.name in listed if listed is not None else not node.name.startswith("_"))
        ]


def public_modules(root: Path = ROOT) -> Iterator[Module]:
    """Every module without an underscore in its path, by package; an `__init__` stands for its package."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            inside = path.relative_to(root)
            parts = list(inside.with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            if any(part.startswith("_") and part != "__main__" for part in parts):
                continue
            yield Module(".".join(parts), inside, ast.parse(path.read_text(encoding="utf-8")))


def exported(tree: ast.Module) -> set[str] | None:
    """The names in `__all__`; None where there is no such list."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return set(ast.literal_eval(node.value))
    return None


def methods(node: ast.ClassDef) -> list[Function]:
    """The public methods of a class, its overloads left out."""
    found = [n for n in node.body if isinstance(n, Function) and not n.name.startswith("_")]
    return [n for n in found if not any("overload" in ast.unparse(d) for d in n.decorator_list)]


def parameters(node: Function, method: bool) -> list[ast.arg]:
    """The parameters that a caller gives, `self` and `cls` left out."""
    given = node.args
    static = any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
    plain = [*given.posonlyargs, *given.args][1 if method and not static else 0 :]
    return [*plain, *filter(None, [given.vararg]), *given.kwonlyargs, *filter(None, [given.kwarg])]


def fields(node: ast.ClassDef) -> list[str]:
    """The public fields that a class declares."""
    names = [
        n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    return [name for name in names if not name.startswith("_")]


# -- the check -----------------------------------------------------------------------------------------------


def gaps(root: Path = ROOT) -> list[str]:
    """What is missing, a line each: `file:line: name: what`."""
    modules = list(public_modules(root))
    listed = front_door(modules)
    return [gap for module in modules for gap in _module_gaps(module, listed)]


def front_door(modules: list[Module]) -> set[tuple[str, str]]:
    """(module, name) of everything that an `__init__` takes from a module and lists in `__all__`."""
    return {
        (node.module, alias.name)
        for module in modules
        if module.path.name == "__init__.py"
        for node in module.tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
        if (alias.asname or alias.name) in (exported(module.tree) or set())
    }


def _module_gaps(module: Module, listed: set[tuple[str, str]]) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield f"{module.path}:1: {module.name}: the module has no docstring"
    for node in module.definitions():
        if isinstance(node, ast.ClassDef):
            found = list(_class_gaps(node, module.strict))
            yield from (f"{module.path}:{node.lineno}: {node.name}: {what}" for what in found)
            for method in methods(node):
                name = f"{node.name}.{method.name}"
                found = list(_function_gaps(method, True, module.strict))
                yield from (f"{module.path}:{method.lineno}: {name}: {what}" for what in found)
        else:
            found = list(_function_gaps(node, False, module.strict))
            if module.strict and (module.name, node.name) in listed:
                found += _untold(node)
            yield from (f"{module.path}:{node.lineno}: {node.name}: {what}" for what in found)


def _class_gaps(node: ast.ClassDef, strict: bool) -> Iterator[str]:
    text = ast.get_docstring(node)
    if not text:
        yield "no docstring"
        return
    if strict and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        silent = [name for name in fields(node) if not re.search(rf"\b{name}\b", text)]
        if silent:
            yield f"says nothing of {', '.join(silent)}"


def _function_gaps(node: Function, method: bool, strict: bool) -> Iterator[str]:
    text = ast.get_docstring(node)
    if not text:
        yield "no docstring"
        return
    if text.startswith(
        "See `"
    ):  # it does what the method of another class promises, which is documented there
        return
    given = parameters(node, method)
    names = [argument.arg for argument in given]
    if "Args" in sections(text):
        listed = [name for names_of, _ in entries(sections(text)["Args"]) for name in names_of]
        for name in listed:
            if name not in names:
                yield f"Args tells of {name}, which is no parameter"
        missing = [name for name in names if name not in listed and not name.startswith("_")]
        if missing:
            yield f"Args does not tell of {', '.join(missing)}"
    if not strict:
        return
    raised = [n.exc for n in ast.walk(node) if isinstance(n, ast.Raise) and n.exc is not None]
    kinds = [ast.unparse(error).partition("(")[0] for error in raised]
    if any(kind not in _NO_ERRORS for kind in kinds) and not _TOLD.search(text):
        yield f"does not say that it raises {', '.join(sorted(set(kinds)))}"
    annotations = [ast.unparse(a) for a in [*(p.annotation for p in given), node.returns] if a is not None]
    arrays = [a for a in annotations if _ARRAY.search(a) and "Float[" not in a]
    if arrays and not _SHAPE.search(text):
        yield f"gives no shape for {arrays[0]}"


def _untold(node: Function) -> list[str]:
    text = ast.get_docstring(node) or ""
    names = [argument.arg for argument in parameters(node, method=False)]
    silent = [name for name in names if not re.search(rf"\b{name}\b", text)]
    return [f"says nothing of {', '.join(silent)}"] if silent else []


def sections(text: str) -> dict[str, str]:
    """The labelled sections of a Google docstring: label -> the text under it, as it is indented."""
    found = re.findall(rf"^({'|'.join(_LABELS)}):\n((?:[ \t]+.*\n?|\n)+)", text + "\n", re.MULTILINE)
    return dict(found)


def entries(section: str) -> list[tuple[list[str], str]]:
    """Names and text of each entry of a section; text without a name has none."""
    found: list[tuple[list[str], str]] = []
    for block in re.split(r"\n(?= {4}\S)", "\n" + section.rstrip()):
        if not block.strip():
            continue
        head, colon, rest = block.strip().partition(":")
        names = [name.strip().lstrip("*").strip("`") for name in head.split(",")]
        if colon and all(re.fullmatch(r"[A-Za-z_][\w.]*", name) for name in names):
            found.append((names, rest.strip()))
        else:
            found.append(([], block.strip()))
    return found


# -- the pages -----------------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """A docstring as Markdown; its sections become lists."""
    for label, section in sections(text).items():
        rows = [
            f"- {', '.join(f'`{name}`' for name in names)}{': ' if names else ''}{_joined(said)}"
            for names, said in entries(section)
        ]
        text = text.replace(f"{label}:\n{section.rstrip()}", f"**{label}**\n\n" + "\n".join(rows))
    # A `*(` would open emphasis, a `<` a tag: outside of code both are meant as they stand.
    parts = re.split(r"(`[^`]*`|^ {4,}.*$)", text, flags=re.MULTILINE)
    kept = [part if i % 2 else part.replace("*(", r"\*(").replace("<", r"\<") for i, part in enumerate(parts)]
    return "".join(kept)


def _joined(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text)


def signature(node: Definition) -> str:
    """The line that defines it, decorators that change how it is called included."""
    shown = [ast.unparse(d) for d in node.decorator_list]
    kept = [f"@{d}\n" for d in shown if d in ("property", "staticmethod", "classmethod")]
    if isinstance(node, ast.ClassDef):
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        frozen = "@dataclass(frozen=True)\n" if any("dataclass" in d for d in shown) else ""
        return f"{frozen}class {node.name}{bases}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"def {node.name}({ast.unparse(node.args)}){returns}"
    if len(line) > 80:
        inside = ",\n    ".join(_arguments(node))
        line = f"def {node.name}(\n    {inside},\n){returns}"
    return "".join(kept) + line


def _arguments(node: Function) -> list[str]:
    """Each parameter as it is written, with the stars that stand alone."""
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    values = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    out = [_argument(a, v) for a, v in zip(plain, values, strict=True)]
    if given.vararg:
        out.append("*" + _argument(given.vararg, None))
    elif given.kwonlyargs:
        out.append("*")
    out += [_argument(a, v) for a, v in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return out + (["**" + _argument(given.kwarg, None)] if given.kwarg else [])


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg + (f": {ast.unparse(argument.annotation)}" if argument.annotation else "")
    if default is None:
        return text
    return f"{text} = {ast.unparse(default)}" if argument.annotation else f"{text}={ast.unparse(default)}"


def _described(node: Definition) -> list[str]:
    out = [f"```python\n{signature(node)}\n```", markdown(ast.get_docstring(node) or "")]
    if isinstance(node, ast.ClassDef):
        for method in methods(node):
            out += [f"**{node.name}.{method.name}**", *_described(method)]
    return out


def pages(root: Path = ROOT) -> dict[str, str]:
    """The pages of the reference by name: one for each package and sub-package, and their index."""
    grouped: dict[str, list[Module]] = {}
    for module in public_modules(root):
        package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
        grouped.setdefault(package, []).append(module)
    made = {}
    for package, modules in grouped.items():
        out = [f"# `{package}`"]
        for module in sorted(modules, key=lambda m: (m.name != package, m.name)):
            if module.name != package:
                out.append(f"## `{module.name}`")
            out.append(markdown(ast.get_docstring(module.tree) or ""))
            if module.name == package and module.definitions():
                out.append("## In the package itself")
            for node in module.definitions():
                out += [f"### `{node.name}`", *_described(node)]
        made[package] = "\n\n".join(out) + "\n"
    listed = "\n".join(f"- [`{name}`]({name}.md): {_first_line(grouped[name], name)}" for name in made)
    contents = "\n".join(made)
    made["index"] = (
        "# Reference\n\nThe public names of the four packages, from their docstrings. `ma_ssm_env` is what "
        "the wheel ships; the others are code of the checkout. Axis letters: `T` time, `B` worlds, `R` roles "
        "(or runs), "
        "`N` tasks, `O` observation, `A` action, `D` features, `P` state of a state-space model, `K` inner "
        f"episodes.\n\n{listed}\n\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"
    )
    return made


def _first_line(modules: list[Module], package: str) -> str:
    own = next((m for m in modules if m.name == package), None)
    text = (ast.get_docstring(own.tree) or "") if own else ""
    return markdown(_joined(text.partition("\n\n")[0]))


def write_all() -> None:
    """Write `docs/api/`; files that would stay the same are not touched, those of other names are removed."""
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    made = {folder / f"{name}.md": text for name, text in pages().items()}
    for old in folder.glob("*.md"):
        if old not in made:
            old.unlink()
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    write_all()
    found = gaps()
    print("\n".join(found))
    sys.exit(bool(found))
