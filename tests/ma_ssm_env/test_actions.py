"""Actions at the door: what is refused, with what message, and that nothing has changed then."""

import re

import numpy as np
import pytest

from ma_ssm_env import parallel_env, single_agent_env, vector_env
from ma_ssm_env.actions import checked_action

ID = "HalfCheetahVel-v0"


def neutral(env):
    """Neutral actions, as a caller writes them."""
    worlds = (env.num_envs,) if hasattr(env, "num_envs") else ()
    return {a: np.zeros((*worlds, *s.shape), np.float32) for a, s in env.game.action_spaces.items()}


@pytest.fixture(params=["single", "batch"])
def team(request):
    env = parallel_env(ID) if request.param == "single" else vector_env(ID, 2)
    env.reset(seed=0)
    env.step(neutral(env))
    return env


def refused(env, actions, message, assert_identical):
    before = env.clone_state()
    with pytest.raises(ValueError, match=re.escape(message)):
        env.step(actions)
    assert_identical(before, env.clone_state())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("agent", ["state_modeling_0", "environment_0", "coordinator_0"])
def test_what_is_not_finite_is_refused(team, agent, value, assert_identical):
    actions = neutral(team)
    actions[agent].flat[-1] = value
    refused(team, actions, f"{ID}: action of {agent} is {value} at index (", assert_identical)


def test_the_place_is_named():
    with pytest.raises(
        ValueError, match=r"action of x is inf at index \(1, 2\); finite numbers in \[-1, 1\]"
    ):
        checked_action(ID, "x", [[0, 0, 0], [0, 0, np.inf]], (2, 3))


@pytest.mark.parametrize(
    "value",
    [
        "forward",
        "0.5",
        ["0.5"] * 6,
        None,
        {},
        object(),
        1j,
        [1j] * 6,
        np.datetime64("2020-01-01"),
        [10**400] * 6,
    ],
)
def test_what_is_no_number_is_refused(team, value, assert_identical):
    refused(team, neutral(team) | {"adaptation_0": value}, f"{ID}: action of adaptation_0", assert_identical)


def test_text_that_reads_as_a_number_is_text():
    for value in ("0.5", ["0.5"], np.array(["0.5"])):
        with pytest.raises(ValueError, match=r"numbers of shape \(1,\) are expected"):
            checked_action(ID, "x", value, (1,))


@pytest.mark.parametrize("shape", [(5,), (7,), (2, 6, 1), (3, 6), (0,), ()])
def test_other_sizes_are_refused(team, shape, assert_identical):
    expected = neutral(team)["meta_learning_0"].shape
    message = f"{ID}: action of meta_learning_0 has shape {shape}; {expected} is expected"
    refused(team, neutral(team) | {"meta_learning_0": np.zeros(shape)}, message, assert_identical)


def test_a_batch_must_not_be_transposed(assert_identical):
    env = vector_env(ID, 2)
    env.reset(seed=0)
    actions = neutral(env)
    actions["adaptation_0"] = actions["adaptation_0"].T
    refused(env, actions, "has shape (6, 2); (2, 6) is expected", assert_identical)


def test_ragged_lists_are_refused(team, assert_identical):
    actions = neutral(team) | {"meta_learning_0": [[1.0], [1.0, 2.0]]}
    refused(team, actions, f"{ID}: action of meta_learning_0", assert_identical)


def test_every_agent_must_act(team, assert_identical):
    actions = neutral(team)
    del actions["adaptation_0"], actions["coordinator_0"]
    refused(
        team,
        actions,
        f"{ID}: no action for adaptation_0, coordinator_0; every agent acts in every step",
        assert_identical,
    )


def test_unknown_agents_are_refused(team, assert_identical):
    for name in ("adaptation", "adaptation_1", 3):
        refused(
            team,
            neutral(team) | {name: np.zeros(6)},
            f"{ID}: actions for unknown agent {name!r}; the agents are state_modeling_0, meta_learning_0",
            assert_identical,
        )


def test_absent_agents_are_unknown(assert_identical):
    env = parallel_env(ID, absent_roles={"adaptation"})
    env.reset(seed=0)
    actions = neutral(env) | {"adaptation_0": np.zeros(6)}
    refused(env, actions, "actions for unknown agent 'adaptation_0'", assert_identical)
    with pytest.raises(
        ValueError, match=r"unknown agent 'adaptation_0'; the agents are state_modeling_0, meta"
    ):
        env.action_space("adaptation_0")


@pytest.mark.parametrize("actions", [None, [], np.zeros(6), "state_modeling_0"])
def test_actions_come_in_a_dict(team, actions, assert_identical):
    kind = type(actions).__name__
    refused(
        team, actions, f"{ID}: actions are {kind}; a dict from agent to action is expected", assert_identical
    )


def test_unknown_agents_have_no_spaces(team):
    for ask in ("observation_fields", "action_fields", "observation_space", "single_action_space"):
        if hasattr(team, ask):
            with pytest.raises(
                ValueError, match=f"{ID}: unknown agent 'x'; the agents are state_modeling_0, meta"
            ):
                getattr(team, ask)("x")


def test_what_fits_is_taken(assert_identical):
    """Lists, float64, integers, booleans, nested and 0-d arrays where they have as many numbers."""
    plain = {
        "state_modeling_0": np.linspace(-1, 1, 8, dtype=np.float32),
        "meta_learning_0": np.float32([1, 0, -1, 1, 0, -1]),
        "adaptation_0": np.float32([0, 0, 1, 1, 1, 0]),
        "environment_0": np.float32([1]),
        "coordinator_0": np.full(7, 0.5, np.float32),
    }
    ways = [
        {a: v.tolist() for a, v in plain.items()},
        {a: v.astype(np.float64) for a, v in plain.items()},
        {a: v[None] for a, v in plain.items()},
        {a: list(v) for a, v in plain.items()},
        plain | {"meta_learning_0": plain["meta_learning_0"].astype(np.int8)},
        plain | {"adaptation_0": plain["adaptation_0"].astype(bool)},
        plain | {"environment_0": np.array(1.0)},
        plain | {"environment_0": 1},
        plain | {"coordinator_0": np.full(7, 0.5, np.float16)},
        plain | {"coordinator_0": np.full(7, 0.5, object)},
        plain | {"coordinator_0": tuple([0.5] * 7)},
    ]
    env = parallel_env(ID)
    env.reset(seed=0)
    start = env.clone_state()
    expected = env.step(plain)
    for way in ways:
        env.restore_state(start)
        assert_identical(expected, env.step(way))


@pytest.mark.parametrize("large", [1.5, 1e30, 1e300, 10**30, np.float32(3e38)])
def test_finite_actions_outside_the_box_are_clipped(team, large, assert_identical):
    start = team.clone_state()
    ones = {a: np.ones_like(v) for a, v in neutral(team).items()}
    for sign in (1, -1):
        team.restore_state(start)
        expected = team.step({a: sign * v for a, v in ones.items()})
        team.restore_state(start)
        got = team.step({a: np.full(v.shape, sign * large) for a, v in ones.items()})
        assert_identical(expected, got)


def test_the_caller_keeps_its_arrays(team, random_actions, assert_identical):
    actions = random_actions(team, np.random.default_rng(0))
    actions = {a: 3 * v for a, v in actions.items()}
    before = {a: v.copy() for a, v in actions.items()}
    team.step(actions)
    assert_identical(before, actions)


@pytest.mark.parametrize("value", [[np.nan] * 6, "x", [0.0] * 5, None])
def test_the_twin_refuses_the_same(value, assert_identical):
    for env in (single_agent_env(ID), single_agent_env(ID, 2)):
        env.reset(seed=0)
        before = env.clone_state()
        with pytest.raises(ValueError, match=f"{ID}: action of the agent"):
            env.step(value if not hasattr(env, "num_envs") else [value, value])
        assert_identical(before, env.clone_state())


def test_before_reset_nothing_can_be_stepped(assert_identical):
    for env in (parallel_env(ID), vector_env(ID, 2), single_agent_env(ID), single_agent_env(ID, 2)):
        before = env.clone_state()
        with pytest.raises(RuntimeError, match=rf"{ID}: .*call reset\(\) first"):
            env.step({} if hasattr(env, "agents") else np.zeros(6))
        assert_identical(before, env.clone_state())


def test_after_its_end_a_trial_cannot_be_stepped(assert_identical):
    for env in (parallel_env(ID, horizon=1), single_agent_env(ID, horizon=1)):
        env.reset(seed=0)
        actions = neutral(env) if hasattr(env, "agents") else np.zeros(6)
        env.step(actions)
        env.step(actions)
        before = env.clone_state()
        with pytest.raises(RuntimeError, match=r"call reset\(\)"):
            env.step(actions)
        assert_identical(before, env.clone_state())
        env.reset()
        env.step(actions)
