"""An evaluation is what playing the single environments by hand gives, on worlds that all players share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ma_ssm_env.controls
from ma_ssm_env import (
    ROLES,
    SCENARIOS,
    ScriptedPolicy,
    SingleAgentVectorEnv,
    TeamVectorEnv,
    neutral_policy,
    parallel_env,
    random_policy,
    single_agent_env,
)
from ma_ssm_env.evaluation import EVALUATION_SEED, evaluate
from ma_ssm_env.recorded_trials import record

H, K = 6, 3
PLAY = {"horizon": H, "episodes_per_trial": K}


class Counting:
    """A policy with memory: it acts by a linear function of what it sees and of how long it has played."""

    def __init__(self, size: int, gain: float = 0.3) -> None:
        self.size, self.gain = size, gain

    def initial_memory(self, batch: int) -> Any:
        return np.zeros((batch, 1), np.float32)

    def act(self, observations: Any, memory: Any, rng: Any) -> Any:
        weights = np.sin(np.arange(observations.shape[1] * self.size)).reshape(-1, self.size)
        actions = np.tanh(self.gain * (observations @ weights) + 0.1 * memory)
        return actions.astype(np.float32), memory + 1


def _tasks(scenario: str) -> np.ndarray:
    return SCENARIOS[scenario].variation.tasks("test")[:4]


def _sizes(scenario: str) -> dict[str, int]:
    env = parallel_env(scenario)
    return {agent.removesuffix("_0"): env.action_space(agent).shape[0] for agent in env.possible_agents}


def _team(scenario: str) -> dict[str, Counting]:
    return {role: Counting(size) for role, size in _sizes(scenario).items()}


@pytest.mark.parametrize("scenario", ["PointDir-v0", "PointGoal-v0", "HalfCheetahVel-v0"])
def test_the_twins_returns_are_those_of_single_environments(scenario: str) -> None:
    tasks, trials = _tasks(scenario), 2
    env = single_agent_env(scenario, **PLAY)
    policy = Counting(env.action_space.shape[0])
    found = evaluate(scenario, policy, tasks=tasks, trials=trials, **PLAY)
    assert np.array_equal(found.tasks, tasks)
    assert found.returns.shape == (4, trials, K)
    for i, task in enumerate(tasks):
        for j in range(trials):
            seed = EVALUATION_SEED + i * trials + j
            observation, _ = env.reset(seed=seed, options={"task": task})
            memory, ended, total, returns = policy.initial_memory(1), False, 0.0, []
            while not ended:
                actions, memory = policy.act(observation[None], memory, None)
                observation, reward, ended, _, infos = env.step(actions[0])
                total += reward
                if infos["episode_ended"]:
                    returns.append(total)
                    total = 0.0
            np.testing.assert_allclose(found.returns[i, j], returns, rtol=1e-6, atol=1e-9)
    assert found.steps == 4 * trials * K * H
    assert not found.bits.any()
    assert len(np.unique(found.returns)) == found.returns.size


@pytest.mark.parametrize("scenario", ["PointDir-v0", "HalfCheetahVel-v0"])
def test_the_teams_returns_are_plain_and_those_of_single_environments(scenario: str) -> None:
    tasks, trials = _tasks(scenario), 2
    players = _team(scenario)
    options = {**PLAY, "bandwidth_cost": 5.0}
    found = evaluate(scenario, players, tasks=tasks, trials=trials, **options)
    env = parallel_env(scenario, **options)
    for i, task in enumerate(tasks):
        for j in range(trials):
            observations, _ = env.reset(seed=EVALUATION_SEED + i * trials + j, options={"task": task})
            memories = {a: players[a.removesuffix("_0")].initial_memory(1) for a in env.agents}
            total, returns, bits, paid = 0.0, [], [], 0.0
            while env.agents:
                actions = {}
                for agent in env.agents:
                    policy = players[agent.removesuffix("_0")]
                    action, memories[agent] = policy.act(observations[agent][None], memories[agent], None)
                    actions[agent] = action[0]
                observations, rewards, _, _, infos = env.step(actions)
                info = infos["adaptation_0"]
                total += info["task_reward"]
                paid += rewards["adaptation_0"]
                bits.append(info["bits"])
                if info["episode_ended"]:
                    returns.append(total)
                    total = 0.0
            np.testing.assert_allclose(found.returns[i, j], returns, rtol=1e-6, atol=1e-9)
            assert found.bits[i, j] == pytest.approx(np.mean(bits), rel=1e-6)
            assert paid < sum(returns)  # the channel's cost is paid, and not part of these returns
    assert (found.bits > 0).all()
    assert found.steps == 4 * trials * K * H


@pytest.fixture
def first_observations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The observations that environments of `evaluate` give at reset, in the order of evaluations."""
    seen: list[Any] = []

    def watched(base: type) -> type:
        class Watched(base):  # type: ignore[misc, valid-type]
            def reset(self, **arguments: Any) -> Any:
                observations, infos = super().reset(**arguments)
                seen.append(self.state())
                return observations, infos

        return Watched

    monkeypatch.setattr(ma_ssm_env.controls, "SingleAgentVectorEnv", watched(SingleAgentVectorEnv))
    monkeypatch.setattr(ma_ssm_env.controls, "TeamVectorEnv", watched(TeamVectorEnv))
    return seen


def test_all_players_meet_the_same_worlds(first_observations: list[Any]) -> None:
    for policy in (neutral_policy(2), random_policy(2)):
        evaluate("PointDir-v0", policy, trials=2, **PLAY)
    evaluate("PointDir-v0", _team("PointDir-v0"), trials=2, **PLAY)
    evaluate("PointDir-v0", neutral_policy(2), trials=2, seed=5, **PLAY)
    zero, random, team, elsewhere = first_observations
    assert np.array_equal(zero, random)
    assert not np.array_equal(zero, elsewhere)
    # The states of both games begin with header, positions, velocities and root, and end with the task.
    assert np.array_equal(zero[:, :7], team[:, :7])
    assert np.array_equal(zero[:, -1], team[:, -1])


def test_what_the_module_says_of_shared_draws_holds(first_observations: list[Any]) -> None:
    for arguments in ({"split": "validation", "trials": 2}, {"trials": 2}, {"trials": 3}):
        evaluate("PointDir-v0", neutral_policy(2), **arguments, **PLAY)  # type: ignore[arg-type]
    validation, test, more = first_observations
    starts = slice(0, 7)  # all but the task
    assert np.array_equal(validation[:, starts], test[: len(validation), starts])
    assert np.array_equal(test[:, starts], more[: len(test), starts])
    assert np.array_equal(test[:2], more[:2])  # of the first task
    assert test[2, -1] != more[2, -1]  # the third world has another task


def test_what_a_player_draws_follows_from_the_policy_seed() -> None:
    a, b, other = (
        evaluate("PointDir-v0", random_policy(2), trials=1, policy_seed=s, **PLAY).returns for s in (0, 0, 1)
    )
    assert np.array_equal(a, b)
    assert not np.isclose(a, other).any()


def test_the_tasks_are_those_of_the_split() -> None:
    variation = SCENARIOS["PointDir-v0"].variation
    for split, count in (("validation", 10), ("test", 20)):
        found = evaluate("PointDir-v0", neutral_policy(2), split=split, trials=1, **PLAY)  # type: ignore[arg-type]
        assert np.array_equal(found.tasks, variation.tasks(split))  # type: ignore[arg-type]
        assert found.returns.shape == (count, 1, K)


def test_every_trial_plays_its_own_task(first_observations: list[Any]) -> None:
    tasks = np.array([[0.5], [-2.0]])
    evaluate("PointDir-v0", neutral_policy(2), tasks=tasks, trials=3, **PLAY)
    np.testing.assert_allclose(
        first_observations[0][:, -1], np.repeat(tasks[:, 0] / np.pi, 3), rtol=0, atol=1e-6
    )


def test_a_motion_earns_what_it_should() -> None:
    # Without a look at the task: what is earned in one direction is lost in the opposite one.
    right = ScriptedPolicy(lambda o, rng: np.tile(np.array([1.0, 0.0], np.float32), (len(o), 1)))
    found = evaluate("PointDir-v0", right, tasks=np.array([[0.0], [-np.pi], [np.pi / 2]]), trials=1)
    forth, back, across = found.returns.mean((1, 2))
    assert forth > 50.0
    assert back == pytest.approx(-forth, rel=0.01)
    assert abs(across) < 1.0


# -- roles ----------------------------------------------------------------------------------------------


def test_roles_without_a_player_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[frozenset[str]] = []

    class Watched(TeamVectorEnv):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self.options.absent_roles)

    monkeypatch.setattr(ma_ssm_env.controls, "TeamVectorEnv", Watched)
    players = _team("PointDir-v0")
    whole = evaluate("PointDir-v0", players, trials=1, **PLAY)
    del players["state_modeling"]
    silent = evaluate("PointDir-v0", players, trials=1, **PLAY)
    again = evaluate("PointDir-v0", players, trials=1, absent_roles={"coordinator"}, **PLAY)
    assert made == [frozenset(), {"state_modeling"}, {"state_modeling", "coordinator"}]
    assert (whole.bits > 0).all()
    assert not silent.bits.any()
    assert not np.array_equal(silent.returns, again.returns)


def test_an_absent_role_is_a_neutral_one_that_sends_nothing() -> None:
    sizes = _sizes("PointDir-v0")
    players = {role: Counting(sizes[role]) for role in ("meta_learning", "adaptation")}
    without = evaluate("PointDir-v0", players, trials=1, **PLAY)
    neutral = {role: neutral_policy(size) for role, size in sizes.items()}
    muted = {"muted_roles": {"state_modeling"}}
    there = evaluate("PointDir-v0", {**neutral, **players}, trials=1, **muted, **PLAY)
    assert np.array_equal(without.returns, there.returns)


@pytest.mark.parametrize("name", ["referee", "adaptation_0"])
def test_an_unknown_role_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown role '{name}'; the roles are {', '.join(ROLES)}"):
        evaluate("PointDir-v0", {name: neutral_policy(2)}, **PLAY)


def test_a_team_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one role must be present"):
        evaluate("PointDir-v0", {}, **PLAY)


def test_options_that_are_unknown_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'horizon'"):
        evaluate("PointDir-v0", neutral_policy(2), horizn=3)


class Model:
    """What a library's model looks like: it predicts, and knows nothing of our protocol."""

    def predict(self, observations: Any) -> Any:
        return observations


@pytest.mark.parametrize("player", [lambda observations, rng: observations, Model(), Counting])
def test_a_player_that_is_no_policy_is_refused_by_name(player: Any) -> None:
    what = r"a policy with initial_memory\(batch\) and act.*ScriptedPolicy\(function\)"
    for play in (evaluate, record):
        with pytest.raises(ValueError, match=f"^the player is .*{what}"):
            play("PointDir-v0", player, **PLAY)
        with pytest.raises(ValueError, match=f"^the player of adaptation is .*{what}"):
            play("PointDir-v0", {**_team("PointDir-v0"), "adaptation": player}, **PLAY)


@pytest.mark.parametrize("trials", [0, -1, 1.5])
def test_a_number_of_trials_that_is_none_is_refused(trials: Any) -> None:
    for play in (evaluate, record):
        with pytest.raises(ValueError, match=f"trials={trials}: a whole number of at least 1"):
            play("PointDir-v0", neutral_policy(2), trials=trials, **PLAY)


@pytest.mark.parametrize(
    "tasks", [[1.0, 0.5], [], np.zeros((0, 2)), np.zeros((2, 1)), 0.5, "here", [["a", "b"]]]
)
def test_tasks_that_are_no_list_of_them_are_refused(tasks: Any) -> None:
    with pytest.raises(ValueError, match=r"tasks .*\[N, 2\]"):
        evaluate("PointGoal-v0", neutral_policy(2), tasks=tasks, trials=1)


def test_a_list_of_numbers_is_one_of_tasks_where_a_task_is_one_number() -> None:
    found = evaluate("PointDir-v0", neutral_policy(2), tasks=np.array([0.5, 1.0]), trials=2)
    assert found.tasks.tolist() == [[0.5], [1.0]]
    assert found.returns.shape == (2, 2, 2)


def test_one_absent_role_is_asked_for_in_a_set() -> None:
    for play in (evaluate, record):
        with pytest.raises(ValueError, match="absent_roles='coordinator': a set of roles is expected"):
            play("PointDir-v0", _team("PointDir-v0"), absent_roles="coordinator", **PLAY)


# -- broken physics -------------------------------------------------------------------------------------

BREAKS_AT = 4 + H  # in the second inner episode of world 1


def _breaking(base: type) -> type:
    class Breaking(base):  # type: ignore[misc, valid-type]
        calls = 0

        def step(self, actions: Any) -> Any:
            if self.calls == BREAKS_AT:
                self.game.trials.physics.qvel[1] = np.nan
            self.calls += 1
            return super().step(actions)

    return Breaking


@pytest.mark.parametrize("team", [False, True])
def test_a_world_that_breaks_pays_the_worst_and_stops(
    team: bool, monkeypatch: pytest.MonkeyPatch, assert_identical: Callable[..., None]
) -> None:
    players: Any = _team("HalfCheetahVel-v0") if team else Counting(6)
    tasks = _tasks("HalfCheetahVel-v0")
    calm = evaluate("HalfCheetahVel-v0", players, tasks=tasks, trials=1, **PLAY)
    name = "TeamVectorEnv" if team else "SingleAgentVectorEnv"
    monkeypatch.setattr(ma_ssm_env.controls, name, _breaking(getattr(ma_ssm_env.controls, name)))
    found = evaluate("HalfCheetahVel-v0", players, tasks=tasks, trials=1, **PLAY)
    for world in (0, 2, 3):
        assert_identical(found.returns[world], calm.returns[world])
        assert_identical(found.bits[world], calm.bits[world])
    first, second, third = found.returns[1, 0]
    assert first == calm.returns[1, 0, 0]
    worst = SCENARIOS["HalfCheetahVel-v0"].variation.worst_reward
    assert worst * H < second < worst * (H - 4)  # what was earned, and 2 steps at the worst
    assert third == worst * H
    assert found.steps == calm.steps - (K * H - BREAKS_AT - 1)
    # The mean over its own steps: counting the trial that follows would give 18 / 11 of it.
    assert found.bits[1, 0] == pytest.approx(calm.bits[1, 0], rel=0.3)


@pytest.mark.parametrize("team", [False, True])
def test_where_the_last_inner_episode_is_judged_breaking_the_world_is_never_worth_it(
    team: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = "HalfCheetahVelDelayed-v0"
    players: Any = _team(scenario) if team else Counting(6)
    tasks, play = _tasks(scenario), {"horizon": 20, "episodes_per_trial": 3}
    calm = evaluate(scenario, players, tasks=tasks, trials=1, **play)
    name = "TeamVectorEnv" if team else "SingleAgentVectorEnv"
    monkeypatch.setattr(ma_ssm_env.controls, name, _breaking(getattr(ma_ssm_env.controls, name)))
    found = evaluate(scenario, players, tasks=tasks, trials=1, **play)
    worst = SCENARIOS[scenario].variation.worst_reward
    first, second, third = found.returns[1, 0]  # broken in step 10 of the first
    assert second == third == 20 * worst
    assert 20 * worst < first < 10 * worst
    assert (found.returns[1, 0] < calm.returns[1, 0]).all()


@pytest.mark.parametrize("team", [False, True])
def test_rewards_by_phase_are_those_of_a_single_environment(team: bool) -> None:
    scenario, task = "PointSwitch-v0", 1
    tasks = SCENARIOS[scenario].variation.tasks("test")[: task + 1]
    found = evaluate(scenario, _team(scenario) if team else Counting(2), tasks=tasks, trials=1)
    assert found.phases is not None
    assert found.phases.shape == (2, 1, 3)
    env: Any = parallel_env(scenario) if team else single_agent_env(scenario)
    observations, _ = env.reset(seed=EVALUATION_SEED + task, options={"task": tasks[task]})
    players = {f"{role}_0": player for role, player in _team(scenario).items()}
    memory: dict[str, Any] = {agent: np.zeros((1, 1), np.float32) for agent in players}
    alone, alone_memory = Counting(2), np.zeros((1, 1), np.float32)
    heard: list[list[float]] = [[], [], []]
    ended = False
    while not ended:
        if team:
            actions = {}
            for agent in env.agents:
                action, memory[agent] = players[agent].act(observations[agent][None], memory[agent], None)
                actions[agent] = action[0]
            observations, _, _, _, infos = env.step(actions)
            info = infos["coordinator_0"]
            reward, ended = info["task_reward"], not env.agents
        else:
            action, alone_memory = alone.act(observations[None], alone_memory, None)
            observations, reward, ended, _, info = env.step(action[0])
        heard[info["phase"]].append(float(reward))
    assert all(len(phase) > 40 for phase in heard)
    np.testing.assert_allclose(found.phases[task, 0], [np.mean(phase) for phase in heard], rtol=1e-6)
    assert evaluate("PointDir-v0", Counting(2), trials=1).phases is None
