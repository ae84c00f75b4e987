"""The shipped conformance suite: every scenario passes it, and every check of it can fail."""

import dataclasses
import random
import re

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, SingleAgentEnv, TeamEnv, TeamVectorEnv
from ma_ssm_env.bodies import BODIES
from ma_ssm_env.testing import CHECKS, check_all, check_env
from ma_ssm_env.testing.__main__ import main
from ma_ssm_env.testing.compare import difference, require_same

ID = "HalfCheetahVel-v0"
OPTIONS = [
    {"task_source": "environment"},
    {"observability": "full", "feedback": "episode", "sensor_noise": 0.1},
    {"absent_roles": {"environment", "coordinator"}, "feedback": "none", "reveal_task": True},
    {"hide_velocities": True, "muted_roles": {"state_modeling"}, "split": "test", "bandwidth_cost": 0.5},
    {"task_source": "environment", "shared_ledger": True, "episodes_per_trial": 1},
    {"absent_roles": {"state_modeling"}},
]


def length(scenario):
    """Control steps of a trial."""
    return scenario.episodes_per_trial * scenario.horizon


LEAKS = ["no_leak_without_feedback", "feedback_by_episodes", "feedback_by_steps"]


# All of them, also in the fast tests: at a short horizon, and for each body one at the scenario's own.
PLAYED = [(id, 4) for id in SCENARIOS] + [
    (min((s for s in SCENARIOS.values() if s.body.name == name), key=length).id, None) for name in BODIES
]


@pytest.mark.parametrize(("id", "horizon"), PLAYED)
def test_every_scenario_passes(id, horizon):
    results = check_env(id, horizon=horizon)
    assert list(results) == list(CHECKS)
    skipped = {name for name, result in results.items() if result != "passed"}
    variation = SCENARIOS[id].variation
    assert skipped == (set(LEAKS) if variation.size == 0 or variation.changes_dynamics else set())


@pytest.mark.parametrize("options", OPTIONS, ids=", ".join)  # a set has no order that workers share
@pytest.mark.parametrize("id", ["PointGoal-v0", "HalfCheetahVel-v0"])
def test_it_passes_under_options(id, options):
    results = check_env(id, horizon=4, **options)
    assert sum(result == "passed" for result in results.values()) >= len(CHECKS) - 2
    if options == {"absent_roles": {"state_modeling"}}:
        assert results["feedback_by_steps"] == "skipped: no role that sees the reward is present"
        assert results["feedback_by_episodes"] == results["feedback_by_steps"]


def nominal_at_first(task, changed):
    return task if changed else np.zeros_like(task)


def test_a_law_that_changes_from_nominal_in_mid_trial_passes():
    known = SCENARIOS["HalfCheetahGravity-v0"]
    law = dataclasses.replace(known.variation, active=nominal_at_first, changes=True)
    results = check_env(dataclasses.replace(known, id="HalfCheetahFalls-v0", variation=law, horizon=4))
    assert results["seeds"] == results["splits"] == "passed"


def stands(qpos, qvel):
    return np.abs(qvel[:, 0]) < 0.4


def test_bodies_that_fall_pass():
    base = SCENARIOS["PointDir-v0"]
    body = dataclasses.replace(base.body, healthy=stands)
    check_env(dataclasses.replace(base, body=body), task_source="environment")


# -- sabotage ---------------------------------------------------------------------------------------------


def tampered(change, at=2, base=TeamEnv):
    """A team whose observations `change(env, observations)` alters from step `at` of each trial on."""

    class Tampered(base):
        def reset(self, **kwargs):
            self.count = 0
            observations, infos = super().reset(**kwargs)
            return (change(self, observations) or observations) if at == 0 else observations, infos

        def step(self, actions):
            self.given = actions
            observations, *rest = super().step(actions)
            self.count += 1
            if self.count >= at:
                observations = change(self, observations) or observations
            return observations, *rest

    return Tampered


def set_entry(agent, value, index=0):
    def change(env, observations):
        observations[agent][index] = value

    return change


def add(agent, amount):
    """Add amount(env) to the first position that the agent sees."""

    def change(env, observations):
        observations[agent][3] += np.float32(amount(env))

    return change


def result_of_step(change):
    """A team whose whole result of `step` is altered."""

    class Tampered(TeamEnv):
        def step(self, actions):
            return change(*super().step(actions))

    return Tampered


class IgnoresItsSeed(TeamEnv):
    def reset(self, seed=None, options=None):
        return super().reset(None if seed is None else 0, options)


class DrawsOneNoise(TeamEnv):
    def reset(self, seed=None, options=None):
        result = super().reset(seed, options)
        self.game._channel_noise[:] = 0.5
        return result


class DrawsOneTask(TeamEnv):
    def __init__(self, scenario, **options):
        super().__init__(scenario, **options)
        self.set_tasks(1.0)


class KeepsItsTrialCounter(TeamEnv):
    def reset(self, seed=None, options=None):
        before = int(self.game.trials.trial[0])
        if seed is not None:
            self.game.trials.seeds[:] = seed
            self.game.trials.seeded = True
            self.game.trials.trial[:] = before
        return super().reset(None, options)


class SharesItsObservations(TeamEnv):
    def _observations(self):
        if not hasattr(self, "buffers"):
            self.buffers = super()._observations()
        for agent, observation in super()._observations().items():
            self.buffers[agent][:] = observation
        return self.buffers


class KeepsTheActions(TeamEnv):
    """What the caller later does to its arrays is seen in the last prior."""

    def step(self, actions):
        result = super().step(actions)
        self.game.blackboard.fields["last_prior"] = np.reshape(actions["meta_learning_0"], (1, -1))
        return result


class ReturnsItsState(TeamEnv):
    def state(self):
        self.kept = getattr(self, "kept", np.zeros_like(super().state()))
        self.kept[:] = super().state()
        return self.kept


class UsesTheGlobalGenerator(TeamEnv):
    def step(self, actions):
        np.random.rand()  # noqa: NPY002
        return super().step(actions)


class UsesPythonsGenerator(TeamEnv):
    def step(self, actions):
        random.random()
        return super().step(actions)


class ReadsTheGlobalState(TeamEnv):
    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        observations["adaptation_0"][3] += np.random.mtrand._rand.get_state()[1][0] % 2
        return observations, infos


class ForgetsInPickles(TeamEnv):
    def __getstate__(self):
        state = super().__getstate__()
        state["state"]["game"]["blackboard"]["fields"]["last_prior"][:] = 0
        return state


class ClonesAView(TeamEnv):
    def clone_state(self):
        state = super().clone_state()
        state["game"]["trials"]["physics"]["rows"] = self.game.trials.physics._batch.state
        return state


class RestoresTooLittle(TeamEnv):
    def restore_state(self, state):
        kept = self.game.blackboard.clone_state()
        super().restore_state(state)
        self.game.blackboard.restore_state(kept)


class SeedsInTwos(TeamVectorEnv):
    def reset(self, seed=None, options=None):
        return super().reset(None if seed is None else [seed + 2 * i for i in range(self.num_envs)], options)


class LosesTheLast(TeamVectorEnv):
    def step(self, actions):
        result = super().step(actions)
        if "final_obs" in result[4]:
            result[4]["final_obs"] = result[0]
        return result


class DependsOnThreads(TeamVectorEnv):
    def step(self, actions):
        result = super().step(actions)
        result[0]["adaptation_0"][2, 3] += np.float32(1e-3 * (self.options.num_threads - 1))
        return result


class ShiftsItsDraws(TeamVectorEnv):
    """An absent coordinator costs a draw of the channel's noise."""

    def __init__(self, scenario, num_envs, **options):
        super().__init__(scenario, num_envs, **options)
        draw = self.game._draw_channel_noise

        def shifted(worlds):
            draw(worlds)
            if "coordinator" in self.options.absent_roles:
                self.game._channel_noise = np.roll(self.game._channel_noise, 1, axis=1)

        self.game._draw_channel_noise = shifted


class StartsByOptions(TeamVectorEnv):
    def reset(self, seed=None, options=None):
        return super().reset(seed + (self.options.feedback == "none"), options)


class AbsentButActive(TeamEnv):
    def __init__(self, scenario, **options):
        super().__init__(scenario, **options)
        if "meta_learning" in self.options.absent_roles:
            self.game._neutral["prior"][:] = 0.1


class SilentButCounted(TeamEnv):
    def step(self, actions):
        result = super().step(actions)
        silent = self.options.absent_roles | self.options.muted_roles
        if "state_modeling" in silent and result[4]:
            for info in result[4].values():
                info["bits"] = 32.0
        return result


class AbsentAndHeard(TeamEnv):
    def state(self):
        state = super().state()
        state[self.state_fields["last_rate"]] = 0.5
        return state


class MovesInTheSetupStep(TeamEnv):
    def step(self, actions):
        setup = bool(self.game.setup[0])
        result = super().step(actions)
        if setup:
            self.game.trials.physics.qpos[:] += 0.01
            return self._observations(), *result[1:]
        return result


class ShowsTheProposal(TeamEnv):
    def step(self, actions):
        setup = bool(self.game.setup[0])
        result = super().step(actions)
        if setup:
            result[0]["meta_learning_0"][-1] += actions["environment_0"][0]
        return result


class PaysInTheSetupStep(TeamEnv):
    def step(self, actions):
        setup = bool(self.game.setup[0])
        result = super().step(actions)
        if setup:
            result[1]["adaptation_0"] = -0.005
        return result


class PaysTheOutcome(TeamEnv):
    def step(self, actions):
        result = super().step(actions)
        if not self.agents:
            result[1]["environment_0"] *= 2.0
        return result


class IsAlwaysActive(TeamEnv):
    def _active(self, agent):
        return 1


class TwinThatIsPaidMore(SingleAgentEnv):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward * (1 + 1e-15), *rest


class TwinThatIsTold(SingleAgentEnv):
    def step(self, action):
        observation, *rest = super().step(action)
        observation[3] += np.float32(1e-3) * np.float32(self.game.trials.task[0, 0])
        return observation, *rest


class TwinOutOfItsSpace(SingleAgentEnv):
    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed, options=options)
        return observation.astype(np.float64), info


def task(env):
    return 1e-3 * env.game.trials.task[0, 0]


def told_reward(agent):
    return add(agent, lambda env: env.game.trials.last_reward[0])


def untold(env, observations):
    observations["state_modeling_0"][-1] = 0.0


def overlapping(variation):
    class Overlapping(type(variation)):
        def tasks(self, split):
            return super().tasks("test" if split == "validation" else split)

    values = {f.name: getattr(variation, f.name) for f in dataclasses.fields(variation)}
    return dataclasses.replace(SCENARIOS[ID], variation=Overlapping(**values))


def inside(variation):
    speed = dataclasses.replace(variation.coordinates[0], outside=(2.0, 4.0))
    return dataclasses.replace(SCENARIOS[ID], variation=dataclasses.replace(variation, coordinates=(speed,)))


def no_truncations(observations, rewards, terminations, truncations, infos):
    return observations, rewards, dict.fromkeys(terminations, False), terminations, infos


def without_reward(observations, rewards, *rest):
    del rewards["adaptation_0"]
    return observations, rewards, *rest


def bad_info(observations, rewards, terminations, truncations, infos):
    infos["adaptation_0"]["bits"] = np.nan
    return observations, rewards, terminations, truncations, infos


def late_info(observations, rewards, terminations, truncations, infos):
    infos["adaptation_0"]["more"] = 1
    return observations, rewards, terminations, truncations, infos


def numpy_rewards(observations, rewards, *rest):
    return observations, {a: np.float64(r) for a, r in rewards.items()}, *rest


def double(env, observations):
    return observations | {"adaptation_0": observations["adaptation_0"].astype(np.float64)}


def shared_between_agents(env, observations):
    both = np.concatenate([observations["meta_learning_0"], observations["adaptation_0"]])
    split = observations["meta_learning_0"].size
    return observations | {"meta_learning_0": both[:split], "adaptation_0": both[split - 1 : -1]}


def unseeded(env, observations):
    observations["adaptation_0"][3] += np.float32(np.random.default_rng().random())


def by_order(env, observations):
    observations["adaptation_0"][3] += next(iter(env.given.values()))[0]


VARIATION = SCENARIOS[ID].variation
SABOTAGE = {
    "nan": (
        "spaces",
        {"make": tampered(set_entry("adaptation_0", np.nan, 5))},
        "step 1 .*positions.*adaptation_0 is nan at index 5",
    ),
    "out of bounds": (
        "spaces",
        {"make": tampered(set_entry("coordinator_0", 9.0, 4))},
        "step 1 .*received_belief.*coordinator_0 is 9",
    ),
    "double": ("spaces", {"make": tampered(double)}, "step 1 .*adaptation_0 is float64"),
    "silent": (
        "spaces",
        {"make": tampered(lambda env, o: {a: o[a] for a in list(o)[1:]})},
        "step 1 .*state_modeling_0 is told nothing",
    ),
    "truncation": ("spaces", {"make": result_of_step(no_truncations)}, "termination, not by truncation"),
    "nan in infos": (
        "spaces",
        {"make": result_of_step(bad_info)},
        "step 0 .*info bits of adaptation_0 is nan",
    ),
    "keys of infos": (
        "spaces",
        {"make": result_of_step(late_info)},
        "step 0 .*infos of adaptation_0 have keys",
    ),
    "numpy rewards": (
        "spaces",
        {"make": result_of_step(numpy_rewards)},
        r"step 0 .*reward of state_modeling_0 is np.float64",
    ),
    "unseeded noise": (
        "determinism",
        {"make": tampered(unseeded)},
        "step 1 of trial 0: observation of adaptation_0 differs: positions",
    ),
    "trial counter": (
        "determinism",
        {"make": KeepsItsTrialCounter},
        "reset of trial 0: observation of state_modeling_0 differs",
    ),
    "ignored seed": ("seeds", {"make": IgnoresItsSeed}, "start state is the same under two seeds"),
    "one noise": (
        "seeds",
        {"make": DrawsOneNoise},
        "channel noise that meta_learning_0 receives is the same",
    ),
    "one task": ("seeds", {"make": DrawsOneTask}, "the task is the same under two seeds"),
    "overlapping splits": (
        "splits",
        {"scenario": overlapping(VARIATION)},
        "both the validation and the test split",
    ),
    "ood inside": ("splits", {"scenario": inside(VARIATION)}, "ood task .* is inside the training range"),
    "ignored split": (
        "splits",
        {"make": lambda s, **o: TeamEnv(s, **o | {"split": "train"})},
        "split validation gave",
    ),
    "order": ("agent_order", {"make": tampered(by_order)}, "step 1 .*adaptation_0 differs: positions"),
    "shared over time": (
        "memory",
        {"make": SharesItsObservations},
        r"observation of (\w+) at reset and observation of \1 at step 0 share memory",
    ),
    "shared by agents": (
        "memory",
        {"make": tampered(shared_between_agents)},
        "meta_learning_0 .*adaptation_0 .*share memory",
    ),
    "kept actions": ("memory", {"make": KeepsTheActions}, "step 0 of trial 0, after writing into .*: state"),
    "returned state": ("memory", {"make": ReturnsItsState}, "state at .*share memory"),
    "global generator": (
        "global_generator",
        {"make": UsesTheGlobalGenerator},
        "after reset of trial 0: the global NumPy generator was used",
    ),
    "Python's generator": (
        "global_generator",
        {"make": UsesPythonsGenerator},
        "state of a global generator was changed",
    ),
    "global state": (
        "global_generator",
        {"make": ReadsTheGlobalState},
        "reset of trial 0, under another global seed: observation of adaptation_0",
    ),
    "pickle": ("pickling", {"make": ForgetsInPickles}, "pickled after 1 steps: state"),
    "clone is a view": (
        "cloning",
        {"make": ClonesAView},
        "cloned after 0 steps, again, step 0 .*state_modeling_0",
    ),
    "restores too little": ("cloning", {"make": RestoresTooLittle}, "cloned after 1 steps: state"),
    "seeds of the batch": (
        "batch_equals_singles",
        {"make_batch": SeedsInTwos},
        "reset, world 1: observation of state_modeling_0",
    ),
    "final observation": (
        "batch_equals_singles",
        {"make_batch": LosesTheLast},
        "step 15, world 0: observation of state_modeling_0 differs: episode_start",
    ),
    "threads": (
        "threads",
        {"make_batch": DependsOnThreads},
        "before step 1, 1 thread and 2: result.*adaptation_0",
    ),
    "shifted noise": (
        "streams",
        {"make_batch": ShiftsItsDraws},
        "absent coordinator, inner episode 0 of the world: noise",
    ),
    "start by options": (
        "streams",
        {"make_batch": StartsByOptions},
        "feedback, inner episode 0 of the world: task",
    ),
    "absent but active": ("absent_roles", {"make": AbsentButActive}, "step 0 .*meta_learning absent"),
    "silent but counted": (
        "absent_roles",
        {"make": SilentButCounted},
        "step 0 .*state_modeling is absent and sends 32.0 bits",
    ),
    "absent and heard": ("absent_roles", {"make": AbsentAndHeard}, "coordinator is absent, and last_rate is"),
    "moves in setup": (
        "setup_step",
        {"make": MovesInTheSetupStep},
        "setup step of trial 0, .*observation of state_modeling_0",
    ),
    "shows the proposal": (
        "setup_step",
        {"make": ShowsTheProposal},
        "setup step of trial 0.*observation of meta_learning_0 differs: last_torque",
    ),
    "pays in setup": (
        "setup_step",
        {"make": PaysInTheSetupStep},
        "setup step of trial 0: adaptation_0 is paid -0.005",
    ),
    "pays otherwise": ("setup_step", {"make": PaysTheOutcome}, "end of trial 1: environment_0 is paid"),
    "always active": (
        "setup_step",
        {"make": IsAlwaysActive},
        "reset of trial 0: state_modeling_0 is told active=1",
    ),
    "leak": (
        "no_leak_without_feedback",
        {"make": tampered(add("meta_learning_0", task), at=4)},
        "step 3 .*meta_learning_0 differs: positions",
    ),
    "leak at reset": (
        "no_leak_without_feedback",
        {"make": tampered(add("state_modeling_0", task), at=0)},
        "reset .*state_modeling_0 differs",
    ),
    "leak to the twin": (
        "no_leak_without_feedback",
        {"make_twin": TwinThatIsTold},
        "step 0 of trial 0: observation of the twin",
    ),
    "early feedback": (
        "feedback_by_episodes",
        {"make": tampered(told_reward("state_modeling_0"))},
        "step 1 .*state_modeling_0 differs",
    ),
    "late feedback": (
        "feedback_by_episodes",
        {"make": tampered(untold)},
        "step 7 .*state_modeling_0 should be told the return here",
    ),
    "feedback to others": (
        "feedback_by_episodes",
        {"make": tampered(told_reward("coordinator_0"), at=9)},
        "step 8 .*coordinator_0 differs",
    ),
    "reward to others": (
        "feedback_by_steps",
        {"make": tampered(told_reward("adaptation_0"))},
        "step 1 .*adaptation_0 differs: positions",
    ),
    "no reward": (
        "feedback_by_steps",
        {"make": tampered(untold, at=1)},
        "state_modeling_0 should be told the reward",
    ),
    "another reward": (
        "same_game_as_twin",
        {"make_twin": TwinThatIsPaidMore},
        "step 0 of trial 0: the team's task reward is",
    ),
    "no reward for one": ("pettingzoo_conformance", {"make": result_of_step(without_reward)}, "."),
    "twin's space": ("gymnasium_conformance", {"make_twin": TwinOutOfItsSpace}, "."),
}


@pytest.mark.parametrize("name", list(SABOTAGE))
def test_sabotage_is_noticed(name):
    check, arguments, message = SABOTAGE[name]
    arguments = dict(arguments)
    scenario = arguments.pop("scenario", ID)
    with pytest.raises(AssertionError) as caught:
        check_env(scenario, checks=[check], **arguments)
    assert str(caught.value).startswith(f"{ID}: {check}: ")
    assert re.search(message, str(caught.value).removeprefix(f"{ID}: {check}: ")), caught.value


def test_every_check_can_fail():
    assert {check for check, _, _ in SABOTAGE.values()} == set(CHECKS)


@pytest.mark.parametrize("id", ["HopperGravity-v0", "HalfCheetahCripple-v0", "HalfCheetahFault-v0"])
def test_laws_that_change_the_dynamics_are_exempt(id):
    results = check_env(id, checks=LEAKS)
    assert set(results.values()) == {"skipped: the task changes the dynamics"}


@pytest.mark.parametrize("id", ["PointSwitch-v0", "HalfCheetahSwitch-v0"])
def test_laws_that_change_the_reward_in_mid_trial_are_not(id):
    assert set(check_env(id, checks=LEAKS).values()) == {"passed"}

    def at_the_change(env, observations):
        trials = env.game.trials
        observations["adaptation_0"][3] += np.float32(1e-3 * trials.active[0, 0] * trials._changed[0])

    with pytest.raises(AssertionError, match=r"step [2-5] .*adaptation_0 differs"):
        check_env(id, checks=LEAKS[:1], make=tampered(at_the_change, at=1))


# -- the interface ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenario": "HalfCheetahVel-v7"}, "HalfCheetahVel-v7: unknown scenario"),
        ({"scenario": ID, "checks": ["spelling"]}, "check 'spelling': unknown; one of spaces, determinism"),
        ({"scenario": ID, "feedbak": "none"}, "unknown option 'feedbak'"),
    ],
)
def test_mistakes_of_the_caller_are_value_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_env(**arguments)


def test_other_errors_of_an_environment_are_failures():
    def broken(env, observations):
        raise KeyError("gone")

    with pytest.raises(AssertionError, match=f"{ID}: determinism: KeyError: 'gone'"):
        check_env(ID, checks=["determinism"], make=tampered(broken))


def test_generators_are_put_back():
    state, functions = np.random.get_state(), (np.random.rand, np.random.seed)  # noqa: NPY002
    for make in (TeamEnv, UsesTheGlobalGenerator, UsesPythonsGenerator):
        try:
            check_env(ID, checks=["global_generator"], make=make)
        except AssertionError:
            assert make is not TeamEnv
        assert difference(state, np.random.get_state()) is None  # noqa: NPY002
        assert functions == (np.random.rand, np.random.seed)


def test_check_all_goes_on_past_failures():
    check_all(horizon=2, checks=["determinism"])
    with pytest.raises(AssertionError) as caught:
        check_all(horizon=3, checks=["seeds"], make=IgnoresItsSeed)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == list(SCENARIOS)


def test_command_line(capsys, monkeypatch):
    assert main(["PointDir-v0", "HalfCheetah-v0", "--horizon", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * (1 + len(CHECKS))
    assert lines[0] == "PointDir-v0"
    assert re.fullmatch(r"  spaces +passed \(\d+\.\d\d s\)", lines[1])
    assert any("skipped: the law has one task" in line for line in lines)

    def fails(subject):
        raise AssertionError("step 3: so it is")

    monkeypatch.setitem(CHECKS, "memory", fails)
    assert main(["PointDir-v0", "PointGoal-v0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "  PointDir-v0: memory: step 3: so it is" in lines
    assert any(re.fullmatch(r"  memory +FAILED .*", line) for line in lines)
    with pytest.raises(SystemExit):
        main(["Pong-v0"])
    assert "unknown scenario" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"x": [1.0, np.zeros(2)]}, {"x": [1.0, np.zeros(2)]}, None),
        (0.0, -0.0, ": 0.0 and -0.0"),
        (float("nan"), float("nan"), None),
        (np.array([np.nan]), np.array([np.nan]), None),
        (np.zeros((2, 2)), np.array([[0, 0], [0, -0.0]]), "[1, 1]: 0.0 and -0.0"),
        (np.zeros(2), np.zeros(2, np.float32), ": float64[2] and float32[2]"),
        (np.zeros(2), np.zeros(3), ": float64[2] and float64[3]"),
        ({"x": 1}, {"y": 1}, ": keys ['x'] and ['y']"),
        ([1], [1, 2], ": 1 and 2 items"),
        (1, 1.0, ": types int and float"),
        ({"x": {"y": (1, 2)}}, {"x": {"y": (1, 3)}}, "/x/y[1]: 2 and 3"),
        (np.array([None, 1], object), np.array([None, 2], object), "[1]: 1 and 2"),
        ("a", "b", ": 'a' and 'b'"),
    ],
)
def test_differences_by_hand(a, b, expected):
    assert difference(a, b) == expected


def test_missing_agents_are_differences():
    with pytest.raises(AssertionError, match="now: observation of x is missing on one side"):
        require_same(({"x": 1}, {}), ({}, {}), "now")
