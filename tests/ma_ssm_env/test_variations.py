"""Laws of hidden tasks: splits, normalised coordinates."""

import dataclasses
import math

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env
from ma_ssm_env.variations import (
    ANT_GOAL,
    ANT_LEGS,
    BASE,
    DIR,
    GOAL,
    GRAVITY,
    HALF_CHEETAH_CRIPPLE,
    PLANAR_DIR,
    VEL,
    Coordinate,
    fault,
)

LAWS = {"vel": VEL, "goal": GOAL, "ant goal": ANT_GOAL, "planar dir": PLANAR_DIR, "gravity": GRAVITY} | {
    id: SCENARIOS[id].variation
    for id in (
        *("HalfCheetahRandParams-v0", "Walker2dRandParams-v0", "HumanoidGravity-v0"),
        *("HalfCheetahSwitch-v0", "PointSwitch-v0"),
    )
}


@pytest.fixture(params=list(LAWS.values()), ids=list(LAWS))
def law(request):
    return request.param


def test_validation_and_test_are_disjoint_lists_inside_the_range(law):
    validation, test = law.tasks("validation"), law.tasks("test")
    assert (validation.shape, test.shape) == ((10, law.size), (20, law.size))
    both = np.concatenate([validation, test])
    assert len(np.unique(both, axis=0)) == 30
    assert (np.abs(law.normalise(both)) <= 1).all()
    np.testing.assert_array_equal(test, law.tasks("test"))
    # They cover the range: every third of every coordinate has at least one task of each list.
    for tasks in (validation, test):
        thirds = np.floor((law.normalise(tasks) + 1) / 2 * 3)
        assert all(set(column) == {0, 1, 2} for column in thirds.T)


def test_lists_of_one_coordinate_by_hand():
    np.testing.assert_allclose(VEL.tasks("test"), 3 * (np.arange(20)[:, None] + 0.5) / 20)
    np.testing.assert_allclose(VEL.tasks("validation"), 3 * (np.arange(10)[:, None] + 0.5) / 10)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_fixed_splits_draw_from_their_lists_alone(scenario, split):
    env = vector_env(scenario, 200, split=split)
    env.reset(seed=0)
    tasks = SCENARIOS[scenario].variation.tasks(split)
    drawn = {tuple(row) for row in env.game.trials.task}
    assert drawn == {tuple(row) for row in tasks}


def test_training_draws_are_uniform():
    env = vector_env("HalfCheetahVel-v0", 1000)
    env.reset(seed=0)
    speeds = np.sort(env.game.trials.task[:, 0])
    assert np.abs(speeds / 3 - (np.arange(1000) + 0.5) / 1000).max() < 0.05  # Kolmogorov-Smirnov, p < 0.01
    assert len(np.unique(speeds)) == 1000
    goals = vector_env("PointGoal-v0", 1000)
    goals.reset(seed=0)
    radius, angle = goals.game.trials.task.T
    share = np.sort((radius / 1.75) ** 2)  # uniform on the disc
    assert np.abs(share - (np.arange(1000) + 0.5) / 1000).max() < 0.05
    assert np.abs(np.sort(angle) / math.tau + 0.5 - (np.arange(1000) + 0.5) / 1000).max() < 0.05


def test_a_finite_law_has_one_list():
    assert DIR.finite
    for split in ("train", "validation", "test"):
        assert DIR.tasks(split).tolist() == [[-1.0], [1.0]]
    assert SCENARIOS["HalfCheetah-v0"].variation.tasks("test").shape == (1, 0)


def test_the_train_split_of_an_infinite_law_has_no_list(law):
    assert not law.finite
    with pytest.raises(ValueError, match="the train split is a continuous law"):
        law.tasks("train")


def test_out_of_distribution_tasks_lie_outside():
    for id, (low, high) in {
        "HalfCheetahVel-v0": (3.0, 4.0),
        "Walker2dVel-v0": (3.0, 4.0),
        "PointGoal-v0": (1.75, 2.5),
        "AntGoal-v0": (3.0, 4.0),
    }.items():
        env = vector_env(id, 200, split="ood")
        env.reset(seed=0)
        first = env.game.trials.task[:, 0]
        assert first.min() >= low
        assert first.max() <= high
        assert first.max() - first.min() > 0.9 * (high - low)
        listed = SCENARIOS[id].variation.tasks("ood")
        assert ((low <= listed[:, 0]) & (listed[:, 0] <= high)).all()
        env.reset(options={"task": first[:1].tolist() + [0.0] * (env.scenario.variation.size - 1)})


@pytest.mark.parametrize(
    ("body", "law", "end"),
    [
        *(("HalfCheetah", law, 3) for law in ("Gravity", "Mass", "Friction", "Damping", "Strength")),
        *(("Ant", "Gravity", 3), ("Hopper", "Mass", 3), ("Humanoid", "Gravity", 2)),
    ],
)
def test_the_outside_of_a_factor_lies_at_both_ends(body, law, end):
    id = f"{body}{law}-v0"
    env = vector_env(id, 400, split="ood")
    env.reset(seed=0)
    drawn = env.game.trials.task[:, 0]
    assert ((np.abs(drawn) >= end) & (np.abs(drawn) <= end + 1)).all()
    assert (drawn > 0).mean() == pytest.approx(0.5, abs=0.1)
    for side in (drawn[drawn > 0], drawn[drawn < 0]):
        assert np.ptp(side) > 0.95
    listed = SCENARIOS[id].variation.tasks("ood")[:, 0]
    below = -end - (np.arange(10) + 0.5) / 10
    np.testing.assert_allclose(listed, [*below, *-below])
    env.reset(options={"task": end + 1.0})
    env.reset(options={"task": -end - 1.0})
    outside = rf"\(ood: \[-{end + 1}, -{end}\] and \[{end}, {end + 1}\]\)"
    message = rf"{law.lower()}, exponent of 1\.\d in \[-{end}, {end}\] {outside} expected"
    for task in (end + 1.1, -end - 1.1):
        with pytest.raises(ValueError, match=message):
            env.reset(options={"task": task})


def test_laws_of_many_elements_have_short_messages():
    env = parallel_env("HalfCheetahRandParams-v0")
    with pytest.raises(ValueError, match=r"bshin, exponent of 1.5 in \[-3, 3\], ... \(29 numbers\) expected"):
        env.reset(options={"task": [0.0]})


def test_exponents_are_normalised_linearly():
    tasks = np.array([[-4.0], [-3.0], [0.0], [1.5], [3.0]])
    assert GRAVITY.normalise(tasks)[:, 0] == pytest.approx([-4 / 3, -1, 0, 0.5, 1])
    assert GRAVITY.denormalise(np.array([0.5]))[0] == 1.5


def test_categories_go_to_the_nearest_that_is_trained_on():
    coordinates = np.array([[-1.0], [-0.8], [-0.7], [0.2], [1.0], [-1.5]])
    assert HALF_CHEETAH_CRIPPLE.denormalise(coordinates)[:, 0].tolist() == [1, 1, 2, 3, 5, 0]
    assert HALF_CHEETAH_CRIPPLE.normalise(np.array([[0.0], [1.0], [3.0], [5.0]]))[:, 0].tolist() == [
        *(-1.5, -1, 0, 1)
    ]


@pytest.mark.parametrize(
    "id",
    [
        *("PointDir-v0", "HalfCheetahDir-v0", "HalfCheetah-v0", "PointSwitch-v0"),
        *("AntDir-v0", "Swimmer-v0"),
        *("HalfCheetahRandParams-v0", "HalfCheetahFault-v0", "HopperRandParams-v0", "AntFault-v0"),
    ],
)
def test_out_of_distribution_is_refused_where_there_is_no_outside(id):
    with pytest.raises(ValueError, match=r"split 'ood': the tasks of .* have no outside"):
        parallel_env(id, split="ood")


def test_a_law_without_weights_for_a_body_says_so():
    body = SCENARIOS["Hopper-v0"].body
    strange = dataclasses.replace(SCENARIOS["AntVel-v0"], id="HopperVel-v0", body=body)
    env = single_agent_env(strange)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="HopperVel: the law has no weights for this body; add them"):
        env.step([0.0, 0.0, 0.0])


def test_laws_in_words():
    words = {id: s.variation.describe() for id, s in SCENARIOS.items()}
    assert words["AntGoal-v0"] == "radius, m in [0, 3] (ood: [3, 4]), angle, rad in [-3.14159, 3.14159]"
    assert words["HumanoidDir-v0"] == "angle, rad in [-3.14159, 3.14159]"
    assert words["SwimmerDir-v0"] == "direction -1 or 1"
    assert words["Walker2d-v0"] == "an empty task (this scenario has one task)"


def test_goals_of_the_ant_are_uniform_on_its_disc():
    env = vector_env("AntGoal-v0", 1000)
    env.reset(seed=0)
    radius, angle = env.game.trials.task.T
    share = np.sort((radius / 3) ** 2)
    assert np.abs(share - (np.arange(1000) + 0.5) / 1000).max() < 0.05
    assert np.abs(np.sort(angle) / math.tau + 0.5 - (np.arange(1000) + 0.5) / 1000).max() < 0.05


def test_unknown_splits_are_refused():
    with pytest.raises(
        ValueError, match="split 'dev': unknown; one of train, validation, test, ood is expected"
    ):
        VEL.ranges("dev")


def test_normalised_coordinates_by_hand():
    assert VEL.normalise(np.array([[0.0], [1.5], [3.0], [4.0]]))[:, 0] == pytest.approx([-1, 0, 1, 5 / 3])
    assert DIR.normalise(np.array([[-1.0], [1.0]]))[:, 0].tolist() == [-1, 1]
    assert GOAL.normalise(np.array([[1.75, math.pi / 2]]))[0] == pytest.approx([1, 0.5])
    assert DIR.denormalise(np.array([[-0.2], [0.2]]))[:, 0].tolist() == [-1, 1]


def test_normalised_coordinates_round_trip(scenario):
    law = SCENARIOS[scenario].variation
    splits = ["test", "validation"] + ["ood"] * any(c.outside for c in law.coordinates)
    for split in splits:
        tasks = law.tasks(split)
        np.testing.assert_allclose(law.denormalise(law.normalise(tasks)), tasks, atol=1e-12)


def test_what_the_state_shows_is_the_normalised_task(scenario):
    env = parallel_env(scenario)
    env.reset(seed=3)
    shown = env.state()[env.state_fields["task"]]
    law, task = env.scenario.variation, env.game.trials.task[0]
    if law.active_coordinates is None:
        np.testing.assert_array_equal(shown, np.float32(law.normalise(task)))
    elif law.mask is None:  # a switch: the number that is rewarded first
        np.testing.assert_array_equal(shown, np.float32(law.normalise(task))[:1])
    else:  # the actuators that are dead
        group = ANT_LEGS[int(task[0])] if scenario == "AntCripple-v0" else task[:1].tolist()
        assert np.flatnonzero(shown == 1).tolist() == ([] if law.changes else list(group))
        assert set(shown) <= {-1.0, 1.0}


# Most that an inner episode can return, as the laws are written.
BOUNDS = {
    "PointDir-v0": 2.0 * math.sqrt(2.0) * 50,
    "PointSwitch-v0": 2.0 * math.sqrt(2.0) * 400,
    "PointGoal-v0": 0.0,
    "AntGoal-v0": 0.0,
    "HalfCheetahVel-v0": 0.0,
    "HalfCheetahSwitch-v0": 0.0,
    "AntVel-v0": 1.05 * 200,
    "Walker2dVel-v0": 2.0 * 200,
    "InvertedPendulum-v0": 1000.0,
}


@pytest.mark.parametrize("id", list(SCENARIOS))
def test_outcome_scales_are_finite_ordered_and_within_reach(id):
    low, high = SCENARIOS[id].outcome_scale
    assert -math.inf < low < high < math.inf
    assert high <= BOUNDS.get(id.replace("Delayed", ""), math.inf)


# -- what is no law -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "categorical"}, "kind is 'categorical'; one of real, wrapped, category is expected"),
        ({"low": 2.0}, r"range is \[2, 1\]; two finite numbers are expected, the lower first"),
        ({"low": 1.0}, r"range is \[1, 1\]"),
        ({"high": math.inf}, r"range is \[0, inf\]"),
        ({"low": math.nan}, r"range is \[nan, 1\]"),
        ({"kind": "category", "values": (2.0, 3.0)}, r"none of its values \(2.0, 3.0\) lies in \[0, 1\]"),
        ({"outside": (2.0, 1.5)}, r"outside is \[2, 1.5\]"),
        ({"outside": (1.0, math.nan)}, r"outside is \[1, nan\]"),
    ],
)
def test_a_coordinate_that_is_none_is_refused(given, message):
    with pytest.raises(ValueError, match=f"coordinate 'speed': .*{message}"):
        Coordinate(**{"name": "speed", "low": 0.0, "high": 1.0, **given})


def test_an_outside_that_an_observed_task_cannot_hold_is_refused():
    far = Coordinate("speed", 0.0, 1.0, outside=(1.0, 2.5))  # 4 in normalised coordinates: as far as it goes
    law = dataclasses.replace(VEL, coordinates=(far,))
    known = dataclasses.replace(SCENARIOS["HalfCheetahVel-v0"], variation=law)
    env = single_agent_env(known, reveal_task=True)
    observation, _ = env.reset(seed=0, options={"task": 2.5})
    assert env.observation_space.contains(observation)
    further = (dataclasses.replace(far, outside=(5.0, 9.0)),)
    with pytest.raises(
        ValueError, match=r"'speed': its outside \[5, 9\] reaches 17 in normalised .* 4 at most"
    ):
        dataclasses.replace(law, coordinates=further)
    # What is observed counts: a task that is not shown itself may lie anywhere.
    dataclasses.replace(law, coordinates=further, active_coordinates=(far,))


def test_a_category_of_one_value_is_a_law_without_a_choice(random_actions):
    law = fault(1, dataclasses.replace(BASE, place=True))
    env = parallel_env(dataclasses.replace(SCENARIOS["InvertedPendulum-v0"], variation=law, horizon=8))
    assert law.normalise(law.tasks("test")).tolist() == [[-1.0]]
    assert law.denormalise(np.array([[-1.0], [0.3]])).tolist() == [[0.0], [0.0]]
    env.reset(seed=0)
    while env.agents:
        observations, *_ = env.step(random_actions(env, np.random.default_rng(0)))
    for agent, observation in observations.items():
        assert env.observation_space(agent).contains(observation), agent
        assert np.isfinite(observation).all(), agent
