"""Models that differ between worlds, and dead actuators: against models changed and stepped by hand."""

import copy
import dataclasses
import pickle
import re

import mujoco
import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env
from ma_ssm_env.bodies import BODIES
from ma_ssm_env.physics import Physics
from ma_ssm_env.variations import ANT_LEGS, BASE, cripple, gravity, rand_params, running

MODELS = [id for id, scenario in SCENARIOS.items() if scenario.variation.fields]
FIELDS = ["body_mass", "body_inertia", "geom_friction", "dof_damping"]
CONSTANTS = ["body_subtreemass", "body_invweight0", "dof_M0", "dof_invweight0", "actuator_acc0"]


@pytest.fixture(params=MODELS)
def id(request):
    return request.param


def test_which_scenarios_have_models_of_their_own():
    expected = [
        *(f"HalfCheetah{law}-v0" for law in ("Gravity", "Mass", "Friction", "Damping", "RandParams")),
        "AntGravity-v0",
        *(f"Hopper{law}-v0" for law in ("Gravity", "Mass", "RandParams")),
        *(f"Walker2d{law}-v0" for law in ("Gravity", "Mass", "RandParams")),
        "HumanoidGravity-v0",
        "HalfCheetahStrength-v0",
    ]
    assert expected == MODELS


def some_tasks(id, count, seed=0):
    law = SCENARIOS[id].variation
    return np.random.default_rng(seed).uniform(law.coordinates[0].low, 3, (count, law.size))


def lasting(scenario):
    """The scenario, in which a fall ends nothing."""
    variation = dataclasses.replace(scenario.variation, ends_unhealthy=False)
    return dataclasses.replace(scenario, variation=variation)


def unmodified(id):
    """The same reward on the body as it is."""
    scenario = SCENARIOS[id]
    paid = running(1e-3, 1.0) if id in ("HopperRandParams-v0", "Walker2dRandParams-v0") else BASE
    return dataclasses.replace(scenario, variation=paid)


def model_by_hand(id, task):
    """A fresh body with the factors of `task`, written out; its constants derived anew."""
    body = SCENARIOS[id].body
    model = body.load()
    match id.removeprefix(body.name):
        case "Gravity-v0":
            model.opt.gravity[:] = np.array([0, 0, -9.81]) * 1.5 ** task[0]
        case "Mass-v0":
            model.body_mass[:] = model.body_mass.copy() * 1.5 ** task[0]
            model.body_inertia[:] = model.body_inertia.copy() * 1.5 ** task[0]
        case "Friction-v0":
            model.geom_friction[:] = model.geom_friction.copy() * 1.5 ** task[0]
        case "Damping-v0":
            model.dof_damping[:] = model.dof_damping.copy() * 1.3 ** task[0]
        case "Strength-v0":
            model.actuator_gear[:] = model.actuator_gear.copy() * 1.5 ** task[0]
        case "RandParams-v0":
            for c, x in zip(SCENARIOS[id].variation.coordinates, task, strict=True):
                what, column, name = re.fullmatch(r"(\w+) ?(\d?) of (\w+), exponent of .*", c.name).groups()
                match what:
                    case "mass":
                        model.body(name).mass *= 1.5**x
                    case "inertia":
                        model.body(name).inertia[int(column)] *= 1.5**x
                    case "friction":
                        model.geom(name).friction[int(column)] *= 1.5**x
                    case "damping":
                        model.joint(name).damping *= 1.3**x
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def test_the_world_is_the_model_by_hand_bit_for_bit(id):
    env = single_agent_env(lasting(SCENARIOS[id]), 3)
    tasks = some_tasks(id, 3)
    env.reset(seed=0, options={"task": tasks})
    physics = env.game.trials.physics
    models = [model_by_hand(id, task) for task in tasks]
    alone = [mujoco.MjData(model) for model in models]
    for i, (model, data) in enumerate(zip(models, alone, strict=True)):
        mine = physics._batch.get_model(i)
        np.testing.assert_array_equal(mine.opt.gravity, model.opt.gravity)
        for name in FIELDS + CONSTANTS:
            np.testing.assert_array_equal(getattr(mine, name), getattr(model, name), err_msg=name)
        data.qpos, data.qvel = physics.qpos[i], physics.qvel[i]
    rng = np.random.default_rng(1)
    for _ in range(100):
        torque = rng.uniform(-1, 1, (3, physics.num_actuators)).astype(np.float32)
        env.step(torque)
        control = physics.controls(torque)
        for i, (model, data) in enumerate(zip(models, alone, strict=True)):
            data.ctrl[:] = control[i]
            mujoco.mj_step(model, data, env.scenario.body.frame_skip)
            np.testing.assert_array_equal(physics.qpos[i], data.qpos)
            np.testing.assert_array_equal(physics.qvel[i], data.qvel)


def test_constants_follow_the_masses():
    """A heavier body without `mj_setConst` would keep the weights of the lighter one."""
    env = single_agent_env("HalfCheetahMass-v0")
    env.reset(seed=0, options={"task": 2.0})
    model = env.game.trials.physics._batch.get_model(0)
    pristine = BODIES["HalfCheetah"].load()
    np.testing.assert_allclose(model.body_subtreemass, pristine.body_subtreemass * 1.5**2)
    assert (np.abs(model.dof_invweight0 / pristine.dof_invweight0 - 1) > 0.04).all()


def test_elements_of_rand_params():
    law = SCENARIOS["HalfCheetahRandParams-v0"].variation
    names = [c.name for c in law.coordinates]
    links = ["torso", "bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"]
    assert [n.split(",")[0] for n in names[:7]] == [f"mass of {link}" for link in links]
    assert [re.sub(r" \d", "", n.split(",")[0]) for n in names[7:14]] == [
        f"inertia of {link}" for link in links
    ]
    geoms = ["floor", "torso", "head", *links[1:]]
    assert [n.split(",")[0] for n in names[14:23]] == [f"friction 0 of {geom}" for geom in geoms]
    assert [n.split(",")[0] for n in names[23:]] == [f"damping of {link}" for link in links[1:]]
    assert all("exponent of 1.3" in n for n in names[23:])
    assert all("exponent of 1.5" in n for n in names[:23])
    assert rand_params(BODIES["Point"]).size == 1 + 2, "a mass and two dampings: no turning, no contact"


@pytest.mark.parametrize("name", ["HalfCheetah", "Hopper", "Walker2d"])
def test_elements_that_are_left_out_do_not_matter(name):
    """Doubling every element without a coordinate leaves the trajectory where it is, but for rounding."""
    law, body = SCENARIOS[f"{name}RandParams-v0"].variation, BODIES[name]
    twice = law.factors(np.log(2) / np.log([1.3 if "damping" in c.name else 1.5 for c in law.coordinates]))
    plain, left_out, chosen = (body.load() for _ in range(3))
    for field, factor in twice.items():
        values = getattr(plain, field).copy()
        getattr(left_out, field)[:] = values * np.where(np.isclose(factor, 2), 1, 2)
        getattr(chosen, field)[:] = values * factor
    ends = []
    for model in (plain, left_out, chosen):
        data = mujoco.MjData(model)
        mujoco.mj_setConst(model, data)
        mujoco.mj_resetData(model, data)
        rng = np.random.default_rng(0)
        for _ in range(60):
            data.ctrl[:] = rng.uniform(-1, 1, model.nu)
            mujoco.mj_step(model, data, body.frame_skip)
        ends.append(data.qpos.copy())
    assert np.abs(ends[0] - ends[2]).max() > 0.1
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-6)


def test_factor_one_is_the_unmodified_scenario_bit_for_bit(id, random_actions, assert_identical):
    options = {"horizon": 60, "episodes_per_trial": 2}
    plain, env = single_agent_env(unmodified(id), 3, **options), single_agent_env(id, 3, **options)
    tasks = some_tasks(id, 3)
    tasks[1] = 0.0  # a nominal world between two that are not
    env.set_tasks(tasks)  # of the trials after a fall as well
    plain.reset(seed=0)
    env.reset(seed=0)
    rng, apart = np.random.default_rng(0), False
    for _ in range(119):
        torque = random_actions(env, rng)
        mine, reward, *_, infos = env.step(torque)
        expected, expected_reward, *_, expected_infos = plain.step(torque)
        assert_identical(mine[1], expected[1])
        assert reward[1] == expected_reward[1]
        assert infos["reward_control"][1] == expected_infos["reward_control"][1]
        apart |= bool((mine[[0, 2]] != expected[[0, 2]]).any(1).all())
    assert apart


def test_factors_do_not_compound(id, random_actions, assert_identical):
    fresh, used = single_agent_env(id, 2, horizon=5), single_agent_env(id, 2, horizon=5)
    rng = np.random.default_rng(0)
    for trial in range(5):
        used.reset(seed=trial)
        for _ in range(25):  # over the ends of trials too
            used.step(random_actions(used, rng))
    tasks = some_tasks(id, 2, seed=3)
    assert_identical(
        fresh.reset(seed=9, options={"task": tasks}), used.reset(seed=9, options={"task": tasks})
    )
    for _ in range(9):
        torque = random_actions(fresh, rng)
        assert_identical(fresh.step(torque), used.step(torque))
    for i in range(2):
        mine, expected = (env.game.trials.physics._batch.get_model(i) for env in (used, fresh))
        for name in FIELDS + CONSTANTS:
            np.testing.assert_array_equal(getattr(mine, name), getattr(expected, name))
    pristine = SCENARIOS[id].body.load()
    for name in FIELDS + CONSTANTS:
        kept = getattr(used.game.trials.physics.model, name)
        np.testing.assert_array_equal(kept, getattr(pristine, name))


def test_neighbours_do_not_notice(id, random_actions, assert_identical):
    a, b = single_agent_env(id, 3, horizon=10), single_agent_env(id, 3, horizon=10)
    tasks, others = some_tasks(id, 3), some_tasks(id, 3, seed=1)
    others[1] = tasks[1]
    first = a.reset(seed=0, options={"task": tasks})[0], b.reset(seed=0, options={"task": others})[0]
    assert_identical(first[0][1], first[1][1])
    rng = np.random.default_rng(0)
    for _ in range(19):
        torque = random_actions(a, rng)
        mine, its = a.step(torque), b.step(torque)
        assert_identical(mine[0][1], its[0][1])
        assert mine[1][1] == its[1][1]


CHANGING = [
    *("HalfCheetahMass-v0", "HalfCheetahRandParams-v0", "HalfCheetahFault-v0", "PointSwitch-v0"),
    *("AntGravity-v0", "AntFault-v0", "AntCripple-v0", "Walker2dRandParams-v0", "HumanoidGravity-v0"),
]


@pytest.mark.parametrize("id", CHANGING)
def test_batch_threads_and_singles_agree(id, random_actions, assert_identical):
    options = {"horizon": 8, "episodes_per_trial": 2}
    batch, threaded = vector_env(id, 4, **options), vector_env(id, 4, num_threads=2, **options)
    singles = [parallel_env(id, **options) for _ in range(4)]
    observations, _ = batch.reset(seed=5)
    assert_identical(observations, threaded.reset(seed=5)[0])
    for i, single in enumerate(singles):
        single.reset(seed=5 + i)
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions = random_actions(batch, rng)
        step = batch.step(actions)
        assert_identical(step, threaded.step(actions))
        assert_identical(batch.state(), threaded.state())
        for i, single in enumerate(singles):
            mine, rewards, _, _, infos = single.step({a: actions[a][i] for a in actions})
            assert rewards["adaptation_0"] == step[1]["adaptation_0"][i]
            assert infos["adaptation_0"]["phase"] == step[4]["phase"][i]
            if not single.agents:
                single.reset()
            else:
                assert_identical(mine, {a: o[i] for a, o in step[0].items()})
            assert_identical(single.state(), batch.state()[i])


@pytest.mark.parametrize("id", CHANGING)
@pytest.mark.parametrize("horizon", [3, 200])
def test_clones_go_on_bit_for_bit(id, horizon, random_actions, assert_identical):
    """Into another environment that is in the middle of other tasks; over changes of task and of trial."""
    options = {"horizon": horizon, "episodes_per_trial": 1}
    env, other = single_agent_env(id, 3, **options), single_agent_env(id, 3, **options)
    env.reset(seed=0)
    other.reset(seed=77)
    rng = np.random.default_rng(0)
    for _ in range(70):
        env.step(random_actions(env, rng))
        other.step(random_actions(env, rng))
    clone, pickled = env.clone_state(), pickle.dumps(env)
    actions = [random_actions(env, rng) for _ in range(80)]
    expected = [(env.step(a), env.state()) for a in actions]
    for again in (env, other, pickle.loads(pickled)):
        again.restore_state(copy.deepcopy(clone))
        assert_identical(again.clone_state(), clone)
        assert_identical([(again.step(a), again.state()) for a in actions], expected)


def test_only_scenarios_that_need_it_have_models_of_their_own():
    for id, scenario in SCENARIOS.items():
        env = single_agent_env(id, 2)
        env.reset(seed=0)
        batch = env.game.trials.physics._batch
        names = {*FIELDS, *CONSTANTS, "opt.gravity", *scenario.variation.fields}
        expanded = {name for name in names if batch.expanded(name) is not None}
        assert expanded >= set(scenario.variation.fields)
        if not {"body_mass", "actuator_gear"} & set(scenario.variation.fields):
            assert expanded == set(scenario.variation.fields), "and constants are derived for none of them"


def test_a_nominal_trial_derives_no_constants(monkeypatch):
    env = single_agent_env("HalfCheetahMass-v0", 4)
    derived = []
    real = env.game.trials.physics._batch

    class Spy:
        def __getattr__(self, name):
            return getattr(real, name)

        def set_const(self, ids):
            derived.append(np.asarray(ids).tolist())
            real.set_const(ids)

    monkeypatch.setattr(env.game.trials.physics, "_batch", Spy())
    env.reset(seed=0, options={"task": [0.0, 1.0, 0.0, 2.0]})
    env.reset(options={"task": [0.0, 1.0, 3.0, 2.0]})
    assert derived == [[1, 3], [2]]


def test_a_field_that_stays_does_not_hide_that_another_changed():
    body = SCENARIOS["HalfCheetah-v0"].body
    doubled, same = np.full(1, 2.0), np.ones(1)
    for fields in (("body_mass", "body_inertia"), ("body_inertia", "body_mass")):
        physics = Physics(body, 2, 1, fields)
        physics.scale_models(np.array([1]), [{"body_mass": doubled, "body_inertia": same}])
        subtree = [physics._batch.get_model(world).body_subtreemass[0] for world in (0, 1)]
        assert subtree[1] == pytest.approx(2 * subtree[0]), fields


def test_the_place_of_a_start_is_that_of_the_worlds_own_model():
    """A center of mass follows the masses of its world, also where one of several worlds starts anew."""
    humanoid = SCENARIOS["HumanoidGravity-v0"]
    heavy = dataclasses.replace(humanoid, id="HumanoidRandParams-v0", variation=rand_params(humanoid.body))
    env = single_agent_env(heavy, 3)
    tasks = np.random.default_rng(0).uniform(-3, 3, (3, heavy.variation.size))
    env.set_tasks(tasks)
    env.reset(seed=0)
    physics = env.game.trials.physics

    def assert_placed(worlds):
        for i in worlds:
            model = physics._batch.get_model(i)
            data = mujoco.MjData(model)
            data.qpos[:] = physics.qpos[i]
            mujoco.mj_kinematics(model, data)
            com = model.body_mass @ data.xipos / model.body_mass.sum()
            np.testing.assert_allclose(physics.point[i], com[:2], rtol=0, atol=1e-12)

    assert_placed(range(3))
    for _ in range(2):  # within the trial, then the next trial
        physics.qpos[1, 2] = 0.5
        before = physics.point.copy()
        env.step(np.zeros((3, 17)))
        assert_placed([1])
        assert np.abs(physics.point[[0, 2]] - before[[0, 2]]).max() < 0.01
        env.step(np.zeros((3, 17)))


def test_laws_of_other_bodies_are_a_line():
    humanoid = gravity(limit=2.0)
    assert humanoid.ranges("train") == ((-2.0, 2.0),)
    assert humanoid.ranges("ood") == ((2.0, 3.0),)
    law = rand_params(BODIES["HalfCheetah"], running(control=1e-3, survive=1.0))
    assert law.terms == ("forward", "survive", "control")
    assert BASE.terms == ("forward", "survive", "control")


# -- dead actuators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("joint", range(6))
def test_a_dead_actuator_has_no_effect_and_costs_what_is_asked(joint):
    env, still = single_agent_env("HalfCheetahCripple-v0"), single_agent_env("HalfCheetahCripple-v0")
    plain = single_agent_env("HalfCheetah-v0", horizon=200, episodes_per_trial=2)
    for each in (env, still):
        each.reset(seed=0, options={"task": joint})
    plain.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        torque = rng.uniform(-1, 1, 6).astype(np.float32)
        without = np.where(np.arange(6) == joint, 0, torque).astype(np.float32)
        _, _, _, _, infos = env.step(torque)
        for each in (still, plain):
            each.step(without)
            np.testing.assert_array_equal(env.game.trials.physics.qpos, each.game.trials.physics.qpos)
            np.testing.assert_array_equal(env.game.trials.physics.qvel, each.game.trials.physics.qvel)
        assert infos["reward_control"] == pytest.approx(-0.05 * np.square(torque).sum(), rel=1e-6)


def test_what_is_shown_of_a_crippled_body():
    env = single_agent_env("HalfCheetahCripple-v0", reveal_task=True)
    for joint in range(6):
        observation, _ = env.reset(seed=0, options={"task": joint})
        expected = np.where(np.arange(6) == joint, 1.0, -1.0)
        np.testing.assert_array_equal(observation[env.observation_fields()["task"]], expected)
        np.testing.assert_array_equal(env.state()[env.state_fields["task"]], expected)


def test_the_joint_that_is_held_out():
    joints = {}
    for split in ("train", "validation", "test", "ood"):
        env = vector_env("HalfCheetahCripple-v0", 200, split=split)
        env.reset(seed=0)
        joints[split] = set(env.game.trials.task[:, 0])
    assert joints.pop("ood") == {0}
    assert all(drawn == {1, 2, 3, 4, 5} for drawn in joints.values())
    for task in (2.5, 6, -1):
        with pytest.raises(ValueError, match=r"dead group 1, 2, 3, 4 or 5 \(ood: 0\) expected"):
            env.reset(options={"task": task})


def test_joints_are_equally_likely():
    env = vector_env("HalfCheetahCripple-v0", 2000)
    env.reset(seed=0)
    counts = np.bincount(env.game.trials.task[:, 0].astype(int), minlength=6)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 400).max() < 4 * np.sqrt(400)


@pytest.mark.parametrize("leg", range(4))
def test_a_crippled_leg_is_dead(leg):
    env = single_agent_env("AntCripple-v0", reveal_task=True)
    observation, _ = env.reset(seed=0, options={"task": leg})
    physics = env.game.trials.physics
    hinges = [physics.model.joint(physics.model.actuator_trnid[i, 0]).name for i in ANT_LEGS[leg]]
    assert hinges == [f"hip_{leg + 1}", f"ankle_{leg + 1}"]
    shown = observation[env.observation_fields()["task"]]
    assert np.flatnonzero(shown == 1).tolist() == list(ANT_LEGS[leg])
    torque = np.full(8, 0.5, dtype=np.float32)
    env.step(torque)
    torque[list(ANT_LEGS[leg])] = 0
    np.testing.assert_array_equal(physics._ctrl[0], torque)


def test_a_crippled_ant_that_has_fallen_goes_on():
    env = single_agent_env("AntCripple-v0", horizon=5)
    env.reset(seed=0)
    ends = []
    for _ in range(10):
        env.game.trials.physics.qpos[0, 2] = 1.5
        ends.append(env.step(np.zeros(8))[4]["episode_ended"])
    assert ends == [False, False, False, False, True] * 2


def test_legs_of_the_ant():
    law = cripple(ANT_LEGS, (0, 2), 3, running(control=0.0, survive=0.05))
    assert law.terms == ("forward", "survive")
    assert law.tasks("train")[:, 0].tolist() == [0, 1, 2]
    assert law.tasks("ood")[:, 0].tolist() == [3]
    for leg, dead in enumerate([(2, 3), (4, 5), (6, 7), (0, 1)]):
        mask = law.mask(law.active(np.array([float(leg)]), False))
        assert np.flatnonzero(mask == 0).tolist() == list(dead)
        assert mask.sum() == 6


def test_laws_can_be_pickled(scenario):
    """Batches that go to other processes carry their law with them."""
    law = SCENARIOS[scenario].variation
    again = pickle.loads(pickle.dumps(law))
    task = law.tasks("test")[0]
    for changed in (False, True):
        active = law.active(task, changed)
        np.testing.assert_array_equal(again.active(task, changed), active)
        assert again.factors(active).keys() == law.factors(active).keys()
