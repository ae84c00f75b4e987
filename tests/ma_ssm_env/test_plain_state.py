"""The plain form of a state is arrays and JSON, and gives the state back bit for bit."""

import io
import json
from typing import Any

import numpy as np
import pytest

from ma_ssm_env import SingleAgentVectorEnv, TeamVectorEnv
from ma_ssm_env.plain_state import from_plain, to_plain


def _stored(arrays: Any, outline: Any) -> Any:
    """Through a file of arrays without pickles, and through JSON text."""
    file = io.BytesIO()
    np.savez(file, **{name.replace("/", ":"): value for name, value in arrays.items()})
    file.seek(0)
    with np.load(file, allow_pickle=False) as read:
        again = {name.replace(":", "/"): read[name] for name in read.files}
    return from_plain(again, json.loads(json.dumps(outline, allow_nan=False)))


def _play(env: Any, steps: int, seed: int) -> list[bytes]:
    rng, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        if isinstance(env, TeamVectorEnv):
            actions: Any = {
                a: rng.uniform(-1, 1, (env.num_envs, *env.single_action_space(a).shape)) for a in env.agents
            }
        else:
            actions = rng.uniform(-1, 1, (env.num_envs, *env.single_action_space.shape))
        observations, rewards, *_ = env.step(actions)
        parts = observations.values() if isinstance(observations, dict) else [observations]
        seen += [np.asarray(x).tobytes() for x in (*parts, env.state())]
        seen.append(str(rewards).encode())
    return seen


CASES: list[tuple[str, bool, dict[str, Any]]] = [
    ("PointDir-v0", True, {"horizon": 7, "sensor_noise": 0.1, "muted_roles": ["coordinator"]}),
    ("PointGoal-v0", True, {"horizon": 5, "task_source": "environment"}),
    ("HopperRandParams-v0", True, {"horizon": 9}),
    ("HalfCheetahVel-v0", False, {"horizon": 8}),
]


@pytest.mark.parametrize(("scenario", "team", "options"), CASES)
def test_a_stored_state_goes_on_bit_for_bit(scenario: str, team: bool, options: dict[str, Any]) -> None:
    make = TeamVectorEnv if team else SingleAgentVectorEnv
    env, other = make(scenario, 3, **options), make(scenario, 3, **options)
    env.reset(seed=11)
    _play(env, 20, 0)
    state = _stored(*to_plain(env.clone_state()))
    other.reset(seed=99)
    other.restore_state(state)
    assert _play(env, 30, 1) == _play(other, 30, 1)


def test_containers_numbers_and_dtypes_survive() -> None:
    state = {
        "a": (1, 2.5, [None, "x", True]),
        "empty": {},
        "arrays": {"b": np.zeros((2, 0), np.float32), "c": np.array([-(2**62)]), "d": np.array(True)},
    }
    again = _stored(*to_plain(state))
    assert again["a"] == (1, 2.5, [None, "x", True])
    assert type(again["a"][2][2]) is bool
    assert again["empty"] == {}
    for name, value in state["arrays"].items():  # type: ignore[union-attr, attr-defined]
        assert again["arrays"][name].dtype == value.dtype
        assert np.array_equal(again["arrays"][name], value)
        assert again["arrays"][name].shape == value.shape


def test_the_plain_form_shares_no_memory_with_the_state() -> None:
    state = {"x": np.arange(3)}
    arrays, outline = to_plain(state)
    again = from_plain(arrays, outline)
    state["x"][:] = 7
    assert arrays["x"].tolist() == [0, 1, 2]
    arrays["x"][:] = 8
    assert again["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("bad", [object(), {1: 2}, np.array([None]), {"deep": [np.float64(1.0), set()]}])
def test_what_has_no_plain_form_is_refused_with_its_path(bad: Any) -> None:
    with pytest.raises(TypeError, match="has no plain form"):
        to_plain({"top": bad})


def test_a_missing_array_and_a_foreign_outline_are_refused() -> None:
    arrays, outline = to_plain({"x": np.arange(3)})
    with pytest.raises(ValueError, match="array 'x' is missing"):
        from_plain({}, outline)
    with pytest.raises(ValueError, match="not one that to_plain makes"):
        from_plain(arrays, {"pickle": "x"})
