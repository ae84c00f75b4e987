"""The PettingZoo environment: determinism, fresh memory, copies, spaces, conformance."""

import copy
import dataclasses
import functools
import pickle
import warnings

import numpy as np
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test

from ma_ssm_env import SCENARIOS, env, parallel_env, single_agent_env, vector_env
from ma_ssm_env.controls import twin_vector_env

KINDS = {
    "team": lambda scenario, **o: parallel_env(scenario, **o),
    "team batch": lambda scenario, **o: vector_env(scenario, 2, **o),
    "twin": lambda scenario, **o: single_agent_env(scenario, **o),
    "twin batch": lambda scenario, **o: single_agent_env(scenario, 2, **o),
}


@pytest.fixture(params=list(KINDS))
def make(request):
    return KINDS[request.param]


def over(env, step):
    """Whether a step's result says that a single environment's trial ended."""
    if hasattr(env, "num_envs"):
        return False
    return step[2] is True or (isinstance(step[2], dict) and any(step[2].values()))


def play(env, random_actions, steps, rng_seed=0):
    """Everything that an environment says over some steps, with an unseeded reset where a trial ends."""
    rng, said = np.random.default_rng(rng_seed), []
    for _ in range(steps):
        step = env.step(random_actions(env, rng))
        said.append((copy.deepcopy(step), env.state()))
        if over(env, step):
            said.append((copy.deepcopy(env.reset()), env.state()))
    return said


# -- seeds ----------------------------------------------------------------------------------------------


def test_same_seed_same_trials(scenario, make, assert_identical, random_actions):
    one, two = make(scenario, horizon=4), make(scenario, horizon=4)
    two.reset(seed=99)  # what was played before does not matter
    play(two, random_actions, 3)
    assert_identical(one.reset(seed=3), two.reset(seed=3))
    assert_identical(one.state(), two.state())
    assert_identical(play(one, random_actions, 18), play(two, random_actions, 18))


def test_different_seeds_differ(scenario):
    one, two = vector_env(scenario, 1), vector_env(scenario, 1)
    one.reset(seed=3)
    two.reset(seed=4)
    if SCENARIOS[scenario].variation.size and not SCENARIOS[scenario].variation.finite:
        assert (one.game.trials.task != two.game.trials.task).all()
    assert (one.game.trials.physics.qpos != two.game.trials.physics.qpos).all()
    assert (one.game.trials.physics.qvel != two.game.trials.physics.qvel).all()
    still = {a: np.zeros((1, s.shape[0])) for a, s in one.game.action_spaces.items()}
    assert (one.step(still)[4]["channel_noise"] != two.step(still)[4]["channel_noise"]).all()


def test_seeds_of_numpy_are_taken(make, assert_identical):
    one, two = make("PointDir-v0"), make("PointDir-v0")
    assert_identical(one.reset(seed=np.int64(3)), two.reset(seed=3))


def test_both_directions_are_drawn():
    env = vector_env("HalfCheetahDir-v0", 40)
    env.reset(seed=0)
    assert 10 <= (env.game.trials.task == 1).sum() <= 30


def test_unseeded_reset_goes_on(scenario, make, assert_identical):
    one, two = make(scenario), make(scenario)
    first = one.reset(seed=3)
    assert_identical(first, two.reset(seed=3))
    second = one.reset()
    assert_identical(second, two.reset())
    assert_identical(one.reset(), two.reset())
    with pytest.raises(AssertionError):
        assert_identical(first, second)


def test_unseeded_environments_differ(make, assert_identical):
    one, two = make("PointDir-v0"), make("PointDir-v0")
    with pytest.raises(AssertionError):
        assert_identical(one.reset(), two.reset())


def test_global_generator_is_neither_used_nor_touched(make, assert_identical, random_actions):
    said = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002 the legacy generator is what this test is about
        before = np.random.get_state()  # noqa: NPY002
        env = make("PointDir-v0", horizon=3, sensor_noise=0.1)
        env.reset()
        env.reset(seed=0)
        said.append(play(env, random_actions, 8))
        after = np.random.get_state()  # noqa: NPY002
        assert_identical(before, after)
    assert_identical(*said)


def test_order_of_the_actions_is_irrelevant(assert_identical, random_actions):
    one, two = parallel_env("HalfCheetahVel-v0"), parallel_env("HalfCheetahVel-v0")
    one.reset(seed=0)
    two.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        actions = random_actions(one, rng)
        assert_identical(one.step(actions), two.step(dict(reversed(actions.items()))))


# -- memory ---------------------------------------------------------------------------------------------


def arrays(nest):
    if isinstance(nest, np.ndarray):
        if nest.dtype == object:
            return [a for item in nest for a in arrays(item)]
        return [nest]
    if isinstance(nest, dict):
        return [a for item in nest.values() for a in arrays(item)]
    if isinstance(nest, list | tuple):
        return [a for item in nest for a in arrays(item)]
    return []


def spoil(nest):
    """Write into every array, and empty every dict, of what an environment returned."""
    for array in arrays(nest):
        array[...] = 1 if array.dtype == bool else 77
    for item in nest if isinstance(nest, tuple) else (nest,):
        if isinstance(item, dict):
            for inner in item.values():
                if isinstance(inner, dict):
                    inner.clear()
            item.clear()


def test_what_is_returned_may_be_written_into(scenario, make, assert_identical, random_actions):
    clean, dirty = make(scenario, horizon=3), make(scenario, horizon=3)
    clean.reset(seed=0)
    spoil(dirty.reset(seed=0))
    rng = np.random.default_rng(0)
    for _ in range(14):
        actions = random_actions(clean, rng)
        given = copy.deepcopy(actions)
        expected, got = clean.step(actions), dirty.step(given)
        assert_identical(expected, got)
        ended = over(clean, got)
        spoil(got)
        spoil(given)
        spoil(dirty.state())
        spoil(dirty.clone_state())
        assert_identical(clean.state(), dirty.state())
        if ended:
            clean.reset()
            spoil(dirty.reset())
    assert_identical(clean.clone_state(), dirty.clone_state())


def test_no_two_arrays_share_memory(scenario, make, random_actions):
    env = make(scenario, horizon=2)
    kept = arrays(env.reset(seed=0))
    rng = np.random.default_rng(0)
    for _ in range(SCENARIOS[scenario].episodes_per_trial * 2):
        kept += [*arrays(env.step(random_actions(env, rng))), env.state()]
    for i, a in enumerate(kept):
        assert a.flags.writeable
        for b in kept[:i]:
            assert not np.shares_memory(a, b)


def test_dicts_are_fresh(random_actions):
    env = parallel_env("PointDir-v0", horizon=2)
    _, infos = env.reset(seed=0)
    rng = np.random.default_rng(0)
    dicts = [infos, *infos.values()]
    for _ in range(4):
        step = env.step(random_actions(env, rng))
        dicts += [*step, *step[4].values()]
    assert len({id(d) for d in dicts}) == len(dicts)
    assert env.agents == []
    env.reset()
    env.agents.clear()
    assert len(env.possible_agents) == 5


# -- copies ---------------------------------------------------------------------------------------------


def restored(make, scenario, env, options):
    other = make(scenario, **options)
    other.reset(seed=1234)
    other.restore_state(env.clone_state())
    return other


@pytest.mark.parametrize("played", [0, 2, 3, 5, 6, 7])  # 3 steps an inner episode, 6 a trial
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "clone"])
def test_copies_go_on_bit_for_bit(make, played, how, assert_identical, random_actions):
    options = {"horizon": 3, "sensor_noise": 0.05, "feedback": "episode"}
    env = make("HalfCheetahVel-v0", **options)
    env.set_tasks(1.5)
    env.reset(seed=8)
    env.set_tasks(None)
    rng = np.random.default_rng(1)
    ended = False
    for _ in range(played):
        if ended:
            env.reset()
        ended = over(env, env.step(random_actions(env, rng)))
    if how == "pickle":
        other = pickle.loads(pickle.dumps(env))
    elif how == "deepcopy":
        other = copy.deepcopy(env)
    else:
        other = restored(make, "HalfCheetahVel-v0", env, options)
    assert_identical(env.clone_state(), other.clone_state())
    assert_identical(env.state(), other.state())
    if ended:
        with pytest.raises(RuntimeError, match=r"call reset\(\)"):
            other.step(random_actions(other, rng))
        assert_identical(env.reset(), other.reset())
    expected = play(env, random_actions, 14)
    assert_identical(expected, play(other, random_actions, 14))


def test_a_clone_goes_back_in_time(make, assert_identical, random_actions):
    env = make("PointGoal-v0", horizon=3)
    env.set_tasks([1.0, 0.5])
    env.reset(seed=8)
    play(env, random_actions, 4)
    state = env.clone_state()
    first = play(env, random_actions, 10)
    env.set_tasks(None)
    env.reset(seed=0)
    env.restore_state(state)
    assert_identical(first, play(env, random_actions, 10))
    env.restore_state(state)  # the clone was not written into
    assert_identical(first, play(env, random_actions, 10))


@pytest.mark.parametrize("options", [{}, {"feedback": "episode", "horizon": 3}, {"sensor_noise": 0.2}])
def test_what_is_observed_of_a_restored_state_is_what_was_observed_of_it(
    make, options, assert_identical, random_actions
):
    env, other = make("HalfCheetahVel-v0", **options), make("HalfCheetahVel-v0", **options)
    env.reset(seed=8)
    other.reset(seed=9)
    play(env, random_actions, 3)
    other.restore_state(env.clone_state())
    assert env.game.trials.feedback.all()
    assert_identical(env.game.observe(), other.game.observe())


def test_copies_keep_what_was_asked_for(make):
    env = make("PointDir-v0", horizon=7, feedback="none", render_mode="rgb_array", num_threads=2)
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert other.options == env.options
        assert other.scenario is env.scenario or other.scenario == env.scenario
        with pytest.raises(RuntimeError):
            other.step(None)


def test_copies_have_the_scenario_of_the_table(make):
    # Functions that a law binds compare by identity: a copy of one is another scenario.
    for id in ("HopperMass-v0", "HalfCheetahRandParams-v0"):
        env = make(id)
        for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
            assert other.scenario is SCENARIOS[id]


def test_copies_keep_a_scenario_that_is_not_in_the_table(make):
    known = SCENARIOS["PointDir-v0"]
    kinder = dataclasses.replace(known, variation=dataclasses.replace(known.variation, worst_reward=-1.0))
    env = make(kinder)
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert other.scenario == kinder


def test_a_clone_of_another_game_is_refused(make, assert_identical):
    env = make("PointDir-v0", horizon=7)
    env.reset(seed=0)
    before = env.clone_state()
    for other in (make("PointGoal-v0", horizon=7), make("PointDir-v0", horizon=8)):
        with pytest.raises(ValueError, match="does not fit"):
            env.restore_state(other.clone_state())
    assert_identical(before, env.clone_state())


def test_a_clone_of_more_worlds_is_refused():
    for few, many in (
        (vector_env("PointDir-v0", 2), vector_env("PointDir-v0", 3)),
        (single_agent_env("PointDir-v0", 2), single_agent_env("PointDir-v0", 3)),
    ):
        with pytest.raises(ValueError, match="state of 3 worlds does not fit 2"):
            few.restore_state(many.clone_state())


ONE_WORLD = {
    "TeamEnv": parallel_env,
    "TeamVectorEnv": functools.partial(vector_env, num_envs=1),
    "SingleAgentEnv": single_agent_env,
    "SingleAgentVectorEnv": functools.partial(single_agent_env, num_envs=1),
    "HandicappedTwin": functools.partial(twin_vector_env, num_envs=1, handicap=True),
    "ScratchpadTwin": functools.partial(twin_vector_env, num_envs=1, scratchpad=True),
}


@pytest.mark.parametrize("kind", ONE_WORLD)
def test_a_clone_of_another_kind_is_refused_before_anything_is_written(kind, assert_identical):
    env = ONE_WORLD[kind]("PointDir-v0")
    env.reset(seed=0)
    before = env.clone_state()
    for other in ONE_WORLD.keys() - {kind}:
        foreign = ONE_WORLD[other]("PointDir-v0")
        foreign.reset(seed=9)
        with pytest.raises(ValueError, match="state"):
            env.restore_state(foreign.clone_state())
        assert_identical(before, env.clone_state())


def test_a_clone_in_parts_is_refused_by_the_name_of_what_is_missing(assert_identical):
    env, other = parallel_env("PointDir-v0"), parallel_env("PointDir-v0")
    env.reset(seed=0)
    other.reset(seed=9)
    before, state = env.clone_state(), other.clone_state()
    del state["game"]["blackboard"]["snr"]
    with pytest.raises(ValueError, match="state without 'blackboard/snr': not one that the clone_state of"):
        env.restore_state(state)
    with pytest.raises(ValueError, match="state with list in place of a mapping"):
        env.restore_state([])
    with pytest.raises(ValueError, match="state with int at 'trials'"):
        env.restore_state({**before, "game": {**before["game"], "trials": 3}})
    assert_identical(before, env.clone_state())


# -- spaces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"observability": "full", "sensor_noise": 0.3}, {"hide_velocities": True, "feedback": "episode"}],
)
def test_everything_is_finite_and_in_its_space(scenario, options):
    env = parallel_env(scenario, horizon=20, **options)
    rng = np.random.default_rng(0)
    observations, infos = env.reset(seed=2)
    keys = list(infos[env.agents[0]])
    for step in range(130):
        for agent, observation in observations.items():
            assert env.observation_space(agent).contains(observation), (agent, observation)
            assert np.isfinite(observation).all()
            fields = env.observation_fields(agent)
            assert max(s.stop for s in fields.values()) == observation.size
            assert list(infos[agent]) == keys
            assert all(type(v) in (int, float) and np.isfinite(v) for v in infos[agent].values())
        assert env.state_space.contains(env.state())
        assert np.isfinite(env.state()).all()
        if not env.agents:
            observations, infos = env.reset()
            continue
        draw = rng.choice([-1.0, 1.0], 40) if step % 2 else rng.uniform(-1, 1, 40)
        actions = {a: draw[: env.action_space(a).shape[0]].astype(np.float32) for a in env.agents}
        observations, rewards, terminations, truncations, infos = env.step(actions)
        assert all(type(r) is float and np.isfinite(r) for r in rewards.values())
        assert all(type(flag) is bool for flag in (*terminations.values(), *truncations.values()))
        assert len(set(terminations.values())) == 1, "all agents end together"


def test_fields_tile_the_vectors(scenario):
    for observability in ("split", "full"):
        env = parallel_env(scenario, observability=observability)
        env.reset(seed=0)
        layouts = [(env.observation_fields(a), env.observation_space(a)) for a in env.agents]
        layouts += [(env.action_fields(a), env.action_space(a)) for a in env.agents]
        layouts += [(env.state_fields, env.state_space)]
        for fields, space in layouts:
            assert space.dtype == np.float32
            end = 0
            for where in fields.values():
                assert where.start == end
                end = where.stop
            assert end == space.shape[0]


def test_who_sees_and_acts_what():
    env = parallel_env("PointDir-v0")
    header = ["episode_start", "time_left", "episode_index"]
    seen = {a: [f for f in env.observation_fields(a) if f not in header] for a in env.possible_agents}
    assert seen == {
        "state_modeling_0": ["positions", "velocities", "last_torque", "last_reward"],
        "meta_learning_0": ["positions", "received_belief", "last_torque"],
        "adaptation_0": ["positions", "received_belief", "last_torque", "last_prior"],
        "environment_0": ["ledger"],
        "coordinator_0": ["received_belief", "last_prior", "last_correction", "last_rate"],
    }
    acts = {a: list(env.action_fields(a)) for a in env.possible_agents}
    assert acts == {
        "state_modeling_0": ["belief"],
        "meta_learning_0": ["prior"],
        "adaptation_0": ["correction"],
        "environment_0": ["proposal"],
        "coordinator_0": ["trust", "rate"],
    }
    full = parallel_env("PointDir-v0", observability="full")
    for agent in full.possible_agents:
        fields = set(full.observation_fields(agent))
        everything = {"positions", "velocities", "last_torque", "last_reward"}
        assert (everything <= fields) == (agent != "environment_0")
        assert set(seen[agent]) <= fields


def test_acting_roles_are_paid_the_same_and_the_environment_role_nothing(random_actions):
    env = parallel_env("HalfCheetahVel-v0", bandwidth_cost=0.3)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        actions = random_actions(env, rng)
        _, rewards, _, _, infos = env.step(actions)
        info = infos["coordinator_0"]
        rate = float(actions["coordinator_0"][env.action_fields("coordinator_0")["rate"]][0])
        assert info["rate_cost"] == pytest.approx(0.3 * (rate + 1) / 2, rel=1e-6)
        assert info["bits"] == pytest.approx(64 * (rate + 1) / 2, rel=1e-6)
        assert info["task_reward"] == info["reward_speed"] + info["reward_control"]
        for agent, reward in rewards.items():
            acting = agent != "environment_0"
            assert infos[agent]["active"] == int(acting)
            assert reward == (info["task_reward"] - info["rate_cost"] if acting else 0.0)


# -- conformance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"absent_roles": {"environment", "adaptation"}}])
def test_pettingzoo_parallel_conformance(scenario, options):
    options |= {"horizon": 10}
    parallel_api_test(parallel_env(scenario, **options), num_cycles=50)
    parallel_seed_test(lambda: parallel_env(scenario, **options), num_cycles=50)


def test_pettingzoo_cycle_conformance(scenario):
    with warnings.catch_warnings():
        # Roles see and do different things: that is the game.
        for what in (
            "Observations are different shapes",
            "Agents have different (action|observation) space sizes",
        ):
            warnings.filterwarnings("ignore", what, UserWarning)
        # Its pattern for names allows one underscore; ours, such as `state_modeling_0`, have two.
        warnings.filterwarnings("ignore", "We recommend agents to be named", UserWarning)
        # Velocities, rewards and positions have no bound.
        warnings.filterwarnings(
            "ignore", r"Agent's (min|max)imum observation space value is -?infinity", UserWarning
        )
        api_test(env(scenario, horizon=10), num_cycles=50)


def test_closing_twice_is_fine(make):
    env = make("PointDir-v0")
    env.reset(seed=0)
    env.close()
    env.close()
