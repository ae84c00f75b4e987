"""Every public name is documented, each kind of gap is found, and the pages say what the docstrings say."""

import importlib.util
import sys
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
reference = importlib.util.module_from_spec(spec)
sys.modules["reference"] = reference  # its dataclass looks its module up
spec.loader.exec_module(reference)


def test_no_public_name_of_this_project_is_undocumented() -> None:
    assert reference.gaps() == []


def test_the_pages_hold_every_public_module_and_name() -> None:
    pages = reference.pages()
    modules = list(reference.public_modules())
    assert {"ma_ssm_env.team", "policies.ppo", "baselines.sb3", "benchmarks.stats.scores"} <= {
        module.name for module in modules
    }
    text = "\n".join(pages.values())
    for module in modules:
        assert f"`{module.name}`" in text, module.name
        for node in module.definitions():
            assert f"### `{node.name}`\n" in text, f"{module.name}.{node.name}"


def found(tmp_path: Path, source: str, package: str = "ma_ssm_env") -> list[str]:
    """The gaps of a tree with one module; each without its place."""
    for name in reference.PACKAGES:
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / package / "module.py").write_text('"""A module."""\n\n' + textwrap.dedent(source))
    return [gap.partition(": ")[2] for gap in reference.gaps(tmp_path)]


@pytest.mark.parametrize(
    ("source", "gap"),
    [
        ("def f(): pass", "f: no docstring"),
        ("class C: pass", "C: no docstring"),
        ('class C:\n    """C."""\n    def m(self): pass', "C.m: no docstring"),
        ('def f(a, b):\n    """F.\n\n    Args:\n        a: one.\n    """', "f: Args does not tell of b"),
        (
            'def f(a):\n    """F.\n\n    Args:\n        a: one.\n        z: none.\n    """',
            "f: Args tells of z, which is no parameter",
        ),
        ('def f(x: Array) -> float:\n    """F."""', "f: gives no shape for Array"),
        ('def f() -> "NDArray[np.float64]":\n    """F."""', "f: gives no shape for 'NDArray[np.float64]'"),
        (
            'def f(x):\n    """F."""\n    raise ValueError("no")',
            "f: does not say that it raises ValueError",
        ),
        ('@dataclass\nclass C:\n    """C."""\n    size: int', "C: says nothing of size"),
    ],
)
def test_a_gap_is_found(tmp_path: Path, source: str, gap: str) -> None:
    assert found(tmp_path, source) == [gap]


@pytest.mark.parametrize(
    "source",
    [
        "def _f(): pass",
        '__all__ = ["g"]\ndef f(): pass\ndef g():\n    """G."""',
        'def f(x: Array) -> float:\n    """F of x [B]."""',
        'def f(x: Float[Tensor, "T B"]):\n    """F."""',
        'def f(x):\n    """F.\n\n    Raises:\n        ValueError: always.\n    """\n    raise ValueError',
        'def f(a, b):\n    """F.\n\n    Args:\n        a, b: two\n            lines.\n    """',
        'class C:\n    """C."""\n    def m(self, x):\n        """See `B.m`."""\n        raise ValueError',
    ],
)
def test_what_is_documented_or_private_is_no_gap(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) == []


def test_programs_need_docstrings_but_no_shapes(tmp_path: Path) -> None:
    assert found(tmp_path, 'def f(x: Array):\n    """F."""', "benchmarks") == []
    assert found(tmp_path, "def f(x: Array): pass", "benchmarks") == ["f: no docstring"]


def test_a_function_that_a_package_exports_tells_of_every_parameter(tmp_path: Path) -> None:
    source = 'def f(kept, silent):\n    """F of kept."""'
    assert found(tmp_path, source) == []
    door = '"""A package."""\n\nfrom ma_ssm_env.module import f\n\n__all__ = ["f"]\n'
    (tmp_path / "ma_ssm_env" / "__init__.py").write_text(door)
    assert found(tmp_path, source) == ["f: says nothing of silent"]


def test_a_module_without_a_docstring_is_a_gap(tmp_path: Path) -> None:
    found(tmp_path, "")
    (tmp_path / "policies" / "bare.py").write_text("x = 1\n")
    assert reference.gaps(tmp_path) == ["policies/bare.py:1: policies.bare: the module has no docstring"]


def test_sections_become_lists_and_signs_stay_what_they_are() -> None:
    text = "F, 2 *(a) <b> `<c>`.\n\nArgs:\n    a, b: of shape\n        [B].\n\nReturns:\n    One."
    assert reference.markdown(text) == (
        "F, 2 \\*(a) \\<b> `<c>`.\n\n**Args**\n\n- `a`, `b`: of shape [B].\n\n**Returns**\n\n- One."
    )
