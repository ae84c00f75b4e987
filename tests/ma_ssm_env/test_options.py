"""Scenarios and options: what is refused, and what the message names."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

from ma_ssm_env import ROLES, SCENARIOS, parallel_env, single_agent_env, vector_env
from ma_ssm_env.controls import team_vector_env, twin_vector_env
from ma_ssm_env.options import TEAM_CONTROLS, TWIN_CONTROLS, Options
from ma_ssm_env.plain_state import to_plain
from ma_ssm_env.scenarios import find_scenario

MAKERS = [
    parallel_env,
    single_agent_env,
    lambda id, **o: vector_env(id, 2, **o),
    lambda id, **o: single_agent_env(id, 2, **o),
]


@pytest.fixture(params=MAKERS, ids=["team", "twin", "team batch", "twin batch"])
def make(request):
    return request.param


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("HalfCheetahVel-v9", "HalfCheetahVel-v9: unknown scenario; versions of HalfCheetahVel: v0"),
        ("HalfCheetaVel-v0", r"did you mean HalfCheetahVel-v0\?"),
        ("halfcheetahdir", r"did you mean HalfCheetahDir-v0\?"),
        ("PointGaol-v0", r"did you mean PointGoal-v0\?"),
        (
            "Pong",
            r"Pong: unknown scenario; one of PointDir-v0, .*-v0 is expected|did you mean Point",
        ),
        ("", "one of PointDir-v0, PointGoal-v0, .* is expected"),
        (3, "3: unknown scenario; one of"),
        (None, "None: unknown scenario; one of"),
        ([], "unknown scenario; one of"),
    ],
)
def test_unknown_scenarios(make, id, message):
    with pytest.raises(ValueError, match=message):
        make(id)


def test_scenarios_can_be_given_as_such():
    scenario = SCENARIOS["PointDir-v0"]
    assert find_scenario(scenario) is scenario
    assert parallel_env(scenario).scenario is scenario


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("horizn", "horizon"),
        ("episodes", "episodes_per_trial"),
        ("noise", "sensor_noise"),
        ("feedbacks", "feedback"),
        ("hide_velocity", "hide_velocities"),
        # of the team, of the twin and of controls, wherever they are given
        ("observabilty", "observability"),
        ("revealtask", "reveal_task"),
        ("fixed_rat", "fixed_rate"),
        ("handicapp", "handicap"),
    ],
)
def test_unknown_options_name_the_nearest(make, name, near):
    with pytest.raises(
        ValueError, match=rf"HalfCheetahVel-v0: unknown option '{name}'; did you mean '{near}'\?"
    ):
        make("HalfCheetahVel-v0", **{name: 1})


@pytest.mark.parametrize(
    ("maker", "names"), [(team_vector_env, TEAM_CONTROLS), (twin_vector_env, TWIN_CONTROLS)]
)
def test_options_of_controls_name_who_takes_them(make, maker, names):
    own = inspect.signature(maker).parameters.values()
    assert names == {p.name for p in own if p.kind is p.KEYWORD_ONLY}
    for name in names:
        with pytest.raises(
            ValueError, match=rf"'{name}' belongs to .*controls\.{maker.__name__}, not to this"
        ):
            make("PointDir-v0", **{name: 1})


@pytest.mark.parametrize("name", ["qqq", "trails", "seed"])
def test_far_options_name_all(make, name):
    with pytest.raises(
        ValueError, match=rf"unknown option '{name}'; one of .*episodes_per_trial, feedback.* is expected"
    ):
        make("PointDir-v0", **{name: 1})


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("episodes_per_trial", [0, -1, 1.0, True, "2", None], "a whole number of at least 1 is expected"),
        ("horizon", [0, -5, 20.0, False, "20", None], "a whole number of at least 1 is expected"),
        ("num_threads", [0, 1.5, None], "a whole number of at least 1 is expected"),
        (
            "sensor_noise",
            [-0.1, float("nan"), float("inf"), "0.1", None],
            "a finite number of at least 0 is expected",
        ),
        ("hide_velocities", [1, "yes", None], "True or False is expected"),
        ("feedback", ["often", True, None], "one of 'step', 'episode', 'none' is expected"),
        ("split", ["dev", None], "one of 'train', 'validation', 'test', 'ood' is expected"),
        ("render_mode", ["ansi", True], "one of None, 'rgb_array', 'human' is expected"),
    ],
)
def test_values_that_an_option_does_not_take(make, name, values, message):
    for value in values:
        with pytest.raises(ValueError, match=f"option {name}=.*: {message}") as caught:
            make("HalfCheetahVel-v0", **{name: value})
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("bandwidth_cost", [-0.1, float("nan"), "0.1"], "a finite number of at least 0 is expected"),
        ("observability", ["all", None], "one of 'split', 'full' is expected"),
        ("absent_roles", ["adaptation", 3, None], "a set of roles is expected, such as {'state_modeling'}"),
        ("muted_roles", ["adaptation", 3, None], "a set of roles is expected, such as {'state_modeling'}"),
        ("task_source", ["teacher", None], "one of 'distribution', 'environment' is expected"),
        ("shared_ledger", [1, "yes", None], "True or False is expected"),
    ],
)
def test_values_that_an_option_of_the_team_does_not_take(name, values, message):
    for value in values:
        with pytest.raises(ValueError, match=f"option {name}=.*: {message}"):
            parallel_env("HalfCheetahVel-v0", **{name: value})


def test_unknown_roles_are_refused():
    for name in ("absent_roles", "muted_roles"):
        for role in ("adaptation_0", "boss", 3):
            with pytest.raises(
                ValueError, match=f"option {name}: unknown role {role!r}; the roles are state_modeling, meta"
            ):
                parallel_env("PointDir-v0", **{name: {role}})


def test_someone_must_be_there():
    with pytest.raises(ValueError, match="at least one role must be present"):
        parallel_env("PointDir-v0", absent_roles=ROLES)


def test_who_chooses_the_tasks_must_be_there():
    with pytest.raises(ValueError, match="task_source='environment': the environment role chooses the tasks"):
        parallel_env("PointDir-v0", task_source="environment", absent_roles={"environment"})


@pytest.mark.parametrize("split", ["validation", "test", "ood"])
def test_proposals_are_tasks_of_the_training_range(split):
    with pytest.raises(ValueError, match=f"task_source='environment': .*split='{split}' draws none"):
        parallel_env("HalfCheetahVel-v0", task_source="environment", split=split)


@pytest.mark.parametrize(
    "name",
    ["observability", "bandwidth_cost", "absent_roles", "muted_roles", "task_source", "shared_ledger"],
)
def test_options_of_the_team_are_not_the_twins(name):
    for num_envs in (None, 2):
        with pytest.raises(ValueError, match=f"option '{name}' belongs to the five-role team"):
            single_agent_env("PointDir-v0", num_envs, **{name: getattr(Options(1, 1), name)})


def test_options_of_the_twin_are_not_the_teams():
    for make in (parallel_env, lambda id, **o: vector_env(id, 2, **o)):
        with pytest.raises(ValueError, match="option 'reveal_task' belongs to the single-agent twin"):
            make("PointDir-v0", reveal_task=True)
    with pytest.raises(ValueError, match="option reveal_task=1: True or False is expected"):
        single_agent_env("PointDir-v0", reveal_task=1)


def test_roles_may_come_in_any_collection():
    for roles in (["adaptation"], ("adaptation",), {"adaptation"}, frozenset({"adaptation"})):
        env = parallel_env("PointDir-v0", absent_roles=roles)
        assert env.options.absent_roles == frozenset({"adaptation"})
        assert "adaptation_0" not in env.possible_agents


def test_every_option_reaches_the_environment():
    options = {
        "episodes_per_trial": 3,
        "horizon": 7,
        "observability": "full",
        "feedback": "none",
        "hide_velocities": True,
        "sensor_noise": 0.5,
        "bandwidth_cost": 0.25,
        "absent_roles": frozenset({"adaptation"}),
        "muted_roles": frozenset({"coordinator"}),
        "split": "ood",
        "num_threads": 2,
        "render_mode": "rgb_array",
        "task_source": "distribution",
        "shared_ledger": True,
    }
    assert set(options) | {"reveal_task"} == {field.name for field in dataclasses.fields(Options)}
    made = parallel_env("HalfCheetahVel-v0", **options).options
    assert {name: getattr(made, name) for name in options} == options


def test_nothing_may_be_sensed_and_be_noisy(make):
    env = make("PointDir-v0", hide_velocities=True, sensor_noise=0.1)  # and the place is no one's to see
    env.reset(seed=0)


def test_scalars_of_numpy_are_numbers_like_others():
    given = {"horizon": np.int64(5), "sensor_noise": np.float32(0.5), "hide_velocities": np.True_}
    for make in (parallel_env, single_agent_env):
        options = make("PointDir-v0", **given).options
        plain = make("PointDir-v0", horizon=5, sensor_noise=0.5, hide_velocities=True).options
        assert options == plain
        assert type(options.horizon) is int
        assert type(options.sensor_noise) is float
        assert options.hide_velocities is True
    for make in (vector_env, single_agent_env):
        env = make("PointDir-v0", np.int64(3), **given)
        assert type(env.num_envs) is int
        env.reset(seed=0)
        json.dumps(to_plain(env.clone_state())[1])
    with pytest.raises(ValueError, match=r"horizon=5\.0: a whole number"):
        parallel_env("PointDir-v0", horizon=np.float64(5.0))
