"""What several tests of the environments need: bitwise comparison and random actions."""

import ctypes.util
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS


def _assert_identical(a: Any, b: Any, where: str = "") -> None:
    assert type(a) is type(b), f"{where}: {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, Mapping):
        assert list(a) == list(b), f"{where}: keys {list(a)} and {list(b)}"
        for key in a:
            _assert_identical(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), f"{where}: lengths {len(a)} and {len(b)}"
        for i, pair in enumerate(zip(a, b, strict=True)):
            _assert_identical(*pair, f"{where}/{i}")
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), where
        if a.dtype == object:
            _assert_identical(list(a), list(b), where)
        else:
            assert a.tobytes() == b.tobytes(), f"{where}: {a} and {b}"
    elif isinstance(a, float):
        assert np.float64(a).tobytes() == np.float64(b).tobytes(), f"{where}: {a} and {b}"
    else:
        assert a == b, f"{where}: {a} and {b}"


def _random_actions(env: Any, rng: np.random.Generator) -> Any:
    """Uniform actions for a team or a twin, single or batched."""
    worlds = (env.num_envs,) if hasattr(env, "num_envs") else ()
    spaces = getattr(env.game, "action_spaces", None)
    if spaces is None:
        return rng.uniform(-1, 1, (*worlds, *env.game.action_space.shape)).astype(np.float32)
    return {a: rng.uniform(-1, 1, (*worlds, *s.shape)).astype(np.float32) for a, s in spaces.items()}


@pytest.fixture(scope="session")
def assert_identical() -> Callable[..., None]:
    """Assert that two nests of arrays and numbers agree bit for bit, types and order of keys included."""
    return _assert_identical


@pytest.fixture(scope="session")
def random_actions() -> Callable[..., Any]:
    """Uniform actions of everyone in an environment: `random_actions(env, rng)`."""
    return _random_actions


def _representatives() -> set[str]:
    """The first scenario of each body, of each law, and with delayed reward."""
    first: dict[object, str] = {}
    for id, known in SCENARIOS.items():
        for kind in (("body", known.body.name), ("law", known.variation.name), ("delayed", "Delayed" in id)):
            first.setdefault(kind, id)
    return set(first.values())


def _params(ids: Iterable[str]) -> list[Any]:
    few = _representatives()
    return [pytest.param(id, marks=[] if id in few else pytest.mark.slow) for id in ids]


@pytest.fixture(params=_params(id for id, known in SCENARIOS.items() if known.variation.size))
def hidden_scenario(request: pytest.FixtureRequest) -> str:
    """As `scenario`, of those that have more than one task."""
    return request.param


@pytest.fixture(params=_params(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> str:
    """Every scenario's id in turn; the fast tests play one of each body and one of each law."""
    return request.param


@pytest.fixture
def opengl() -> None:
    """What draws off the screen; `.ci/run` installs it where it may."""
    if ctypes.util.find_library("EGL") is None:
        pytest.skip("no OpenGL library here; on Debian: apt-get install libegl1 libegl-mesa0 libgl1")
