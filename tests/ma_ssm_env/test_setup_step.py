"""The setup step: the environment role chooses the task; nothing else happens, and nothing leaks."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, neutral_policy, parallel_env, vector_env
from ma_ssm_env.evaluation import evaluate

CHOOSER = "environment_0"
ACTORS = ("state_modeling_0", "meta_learning_0", "adaptation_0", "coordinator_0")


def team(scenario="HalfCheetahVel-v0", **options):
    return parallel_env(scenario, **{"task_source": "environment", "horizon": 3, **options})


def batch(scenario="HalfCheetahVel-v0", worlds=3, **options):
    return vector_env(scenario, worlds, **{"task_source": "environment", "horizon": 3, **options})


def propose(actions, value):
    """The same actions with another proposal."""
    return actions | {CHOOSER: np.full_like(actions[CHOOSER], value)}


def test_one_role_is_active_at_a_time(scenario, random_actions):
    env = team(scenario)
    rng, steps = np.random.default_rng(0), 3 * env.options.episodes_per_trial
    for seed in (0, None, None):
        _, infos = env.reset(seed=seed)
        active = [{a: infos[a]["active"] for a in env.possible_agents}]
        while env.agents:
            *_, infos = env.step(random_actions(env, rng))
            active.append({a: infos[a]["active"] for a in env.possible_agents})
        chooses, plays = {CHOOSER: 1} | dict.fromkeys(ACTORS, 0), {CHOOSER: 0} | dict.fromkeys(ACTORS, 1)
        assert active[0] == chooses
        assert active[1:] == [plays] * (steps + 1)


def without_models(physics):
    """The state of the bodies: where the task is a law of dynamics, it is the model that changes."""
    return {name: value for name, value in physics.items() if name != "fields"}


def test_nothing_happens_but_the_task(scenario, random_actions, assert_identical):
    env = team(scenario, sensor_noise=0.1, bandwidth_cost=0.5)
    before, reset_infos = env.reset(seed=3)
    state, physics = env.state(), env.game.trials.physics.clone_state()
    task = env.state_fields["task"]
    assert not state[task].any(), "no task is chosen"
    actions = random_actions(env, np.random.default_rng(0))
    after, rewards, terminations, _, infos = env.step(actions)
    assert_identical(before, after)
    assert set(rewards.values()) == {0.0}
    assert not any(terminations.values())
    for agent, info in infos.items():
        assert_identical({**reset_infos[agent], "active": 0}, {**info, "active": 0})
    assert_identical(without_models(physics), without_models(env.game.trials.physics.clone_state()))
    assert_identical(np.delete(state, np.r_[task]), np.delete(env.state(), np.r_[task]))


@pytest.mark.parametrize(
    ("scenario", "proposal", "task", "normalised"),
    [
        ("HalfCheetahVel-v0", [0.0], [1.5], [0.0]),
        ("HalfCheetahVel-v0", [-0.5], [0.75], [-0.5]),
        ("HalfCheetahVel-v0", [1e30], [3.0], [1.0]),
        ("HalfCheetahDir-v0", [-0.1], [-1.0], [-1.0]),
        ("HalfCheetahDir-v0", [0.3], [1.0], [1.0]),
        ("PointDir-v0", [0.5], [np.pi / 2], [0.5]),
        ("PointGoal-v0", [-1.0, -1.0], [0.0, -np.pi], [-1.0, -1.0]),
        ("HalfCheetah-v0", [], [], []),
    ],
)
def test_the_proposal_becomes_the_task(scenario, proposal, task, normalised, random_actions):
    env = team(scenario)
    env.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    env.step(actions | {CHOOSER: np.array(proposal)})
    np.testing.assert_allclose(env.game.trials.task[0], task)
    np.testing.assert_allclose(env.state()[env.state_fields["task"]], normalised)
    env.step(propose(actions, 0.9))
    np.testing.assert_allclose(env.game.trials.task[0], task, err_msg="a later proposal has no effect")


def test_after_it_the_trial_is_that_of_the_same_task(scenario, random_actions, assert_identical):
    chosen, given = team(scenario), team(scenario, task_source="distribution")
    rng = np.random.default_rng(2)
    for seed in (5, None):
        chosen.reset(seed=seed)
        actions = random_actions(chosen, rng)
        said = chosen.step(actions)
        expected, _ = given.reset(seed=seed, options={"task": chosen.game.trials.task[0].tolist()})
        assert_identical(expected, said[0])
        assert_identical(given.state(), chosen.state())
        physics = [env.game.trials.physics.clone_state() for env in (given, chosen)]
        for name in ("fields", "point"):
            assert_identical(physics[0][name], physics[1][name], name)
        while chosen.agents:
            actions = random_actions(chosen, rng)
            said, expected = chosen.step(actions), given.step(actions)
            assert_identical(expected[0], said[0])
            assert_identical(expected[2:], said[2:])
            assert_identical([expected[1][a] for a in ACTORS], [said[1][a] for a in ACTORS])
            assert_identical(given.state(), chosen.state())
    assert (said[0][CHOOSER][3:] != 0).any() or scenario == "HalfCheetah-v0"


def test_what_is_done_at_the_setup_step_by_others_has_no_effect(scenario, random_actions, assert_identical):
    one, two = team(scenario), team(scenario)
    one.reset(seed=0)
    two.reset(seed=0)
    rng = np.random.default_rng(0)
    first = random_actions(one, rng)
    assert_identical(one.step(first), two.step(random_actions(one, rng) | {CHOOSER: first[CHOOSER]}))
    while one.agents:
        actions = random_actions(one, rng)
        assert_identical(one.step(actions), two.step(actions))


def test_health_is_not_looked_at_before_the_body_moves(random_actions):
    base = SCENARIOS["PointDir-v0"]
    body = dataclasses.replace(base.body, healthy=lambda qpos, qvel: np.zeros(len(qpos), dtype=bool))
    env = team(dataclasses.replace(base, body=body), episodes_per_trial=1)
    env.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    _, _, terminations, _, infos = env.step(actions)
    assert not any(terminations.values())
    assert infos[CHOOSER]["episode_ended"] == 0
    assert all(env.step(actions)[2].values())


def test_no_role_sees_the_proposal(hidden_scenario, random_actions, assert_identical):
    """Without feedback two proposals give the same observations until the ledger shows the trial."""
    scenario = hidden_scenario
    one, two = team(scenario, feedback="none"), team(scenario, feedback="none")
    assert_identical(one.reset(seed=0), two.reset(seed=0))
    rng = np.random.default_rng(0)
    first = random_actions(one, rng)
    said = one.step(propose(first, -0.9)), two.step(propose(first, 0.9))
    assert_identical(said[0], said[1])
    assert (one.game.trials.task != two.game.trials.task).all()
    if SCENARIOS[scenario].variation.changes_dynamics:
        return  # from here on the body itself shows the task
    paid_differs = False
    while one.agents:
        actions = random_actions(one, rng)
        said = one.step(actions), two.step(actions)
        ended = not one.agents
        for agent in one.possible_agents:
            if not (ended and agent == CHOOSER):
                assert_identical(said[0][0][agent], said[1][0][agent], agent)
        paid_differs |= said[0][1]["adaptation_0"] != said[1][1]["adaptation_0"]
    assert paid_differs


# -- pay and ledger ---------------------------------------------------------------------------------------


def trial(env, actions, proposal=0.0):
    """Pay of the environment role in each step of one trial, and the mean return of its inner episodes."""
    env.reset()
    pay, returns = [], []
    while env.agents:
        _, rewards, _, _, infos = env.step(propose(actions, proposal))
        pay.append(rewards[CHOOSER])
        if infos[CHOOSER]["episode_ended"]:
            returns.append(infos[CHOOSER]["episode_return"])
    return pay, np.mean(returns)


def test_the_environment_role_is_paid_learning_progress(random_actions):
    env = team()
    env.reset(seed=0)
    rng, outcomes = np.random.default_rng(0), []
    low, high = env.scenario.outcome_scale
    for number, (proposal, nearest) in enumerate([(0.0, None), (0.5, 0), (-0.2, 0), (0.4, 1), (0.0, 0)]):
        pay, mean = trial(env, random_actions(env, rng), proposal)
        outcomes.append((mean - low) / (high - low))
        expected = 0.0 if nearest is None else abs(outcomes[-1] - outcomes[nearest])
        assert pay[:-1] == [0.0] * 6, "it is paid at the end alone"
        assert pay[-1] == pytest.approx(expected, abs=1e-6)
        assert (pay[-1] > 0) == (number > 0)


def test_learning_progress_is_paid_round_the_circle(random_actions):
    env = team("PointDir-v0")
    env.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    means = [trial(env, actions, proposal)[1] for proposal in (0.99, 0.5)]
    pay, mean = trial(env, actions, -0.99)
    assert pay[-1] == pytest.approx(abs(mean - means[0]) / 110, abs=1e-6)


def test_drawn_and_given_tasks_pay_it_nothing(random_actions):
    rng = np.random.default_rng(0)
    for how in ("distribution", "options", "pinned"):
        env = team(task_source="distribution" if how == "distribution" else "environment")
        if how == "pinned":
            env.set_tasks(1.25)
        for number in range(3):
            observations, infos = env.reset(options={"task": 1.25} if how == "options" else None)
            assert infos[CHOOSER]["active"] == 0, "there is no setup step"
            assert infos["coordinator_0"]["active"] == 1
            ledger = observations[CHOOSER][env.observation_fields(CHOOSER)["ledger"]].reshape(32, 3)
            assert ledger[:, 2].sum() == number, "the ledger records them all the same"
            steps = 0
            while env.agents:
                _, rewards, _, _, _ = env.step(random_actions(env, rng))
                steps += 1
                assert rewards[CHOOSER] == 0.0
                assert rewards["coordinator_0"] != 0.0
                assert how == "distribution" or env.game.trials.task.tolist() == [[1.25]]
            assert steps == 6


def test_a_task_that_is_pinned_in_a_setup_step_waits(random_actions):
    env = team()
    env.reset(seed=0)
    env.set_tasks(1.25)
    env.step(propose(random_actions(env, np.random.default_rng(0)), -1.0))
    assert env.game.trials.task.tolist() == [[0.0]]
    _, infos = env.reset()
    assert infos[CHOOSER]["active"] == 0
    assert env.game.trials.task.tolist() == [[1.25]]
    env.set_tasks(None)
    _, infos = env.reset()
    assert infos[CHOOSER]["active"] == 1


def test_a_seed_empties_the_ledger(random_actions):
    env = team()
    env.reset(seed=0)
    trial(env, random_actions(env, np.random.default_rng(0)))
    kept, _ = env.reset()
    assert kept[CHOOSER][3:].any()
    emptied, _ = env.reset(seed=0)
    assert not emptied[CHOOSER][3:].any()


# -- batches and copies -----------------------------------------------------------------------------------


def test_worlds_choose_while_others_play(random_actions, assert_identical):
    """A given task, without a setup step, brings world 1 out of step with its neighbours."""
    env, calm = batch(), batch()
    env.reset(seed=0)
    calm.reset(seed=0)
    rng = np.random.default_rng(0)
    env.game.begin_trials(np.array([1]), np.full((3, 1), 2.0))
    assert env.game.setup.tolist() == [True, False, True]
    mixed = 0
    for _ in range(40):
        actions = random_actions(env, rng)
        before = env.game.setup.copy()
        said, expected = env.step(actions), calm.step(actions)
        mixed += before.any() and not before.all()
        assert (said[4]["bits"][before] == 0).all()
        assert (said[4]["snr"][before] == 0).all()
        assert (said[4]["channel_noise"][before] == 0).all()
        assert (said[4]["bits"][~before] > 0).all()
        assert (said[1]["coordinator_0"][before] == 0).all()
        assert (said[1]["coordinator_0"][~before] != 0).all()
        for world in (0, 2):
            assert_identical([o[world] for o in said[0].values()], [o[world] for o in expected[0].values()])
            assert_identical([r[world] for r in said[1].values()], [r[world] for r in expected[1].values()])
        for agent in env.agents:
            assert_identical(env.active(agent), said[4]["setup"] == (agent == CHOOSER))
    assert mixed > 5


def test_a_shared_ledger_shows_all_worlds_the_same(random_actions):
    env, rng = batch("PointDir-v0", 4, shared_ledger=True), np.random.default_rng(0)
    env.reset(seed=0)
    proposals = []
    for number in range(3):
        for step in range(7):
            actions = random_actions(env, rng)
            if step == 0:
                proposals.append(actions[CHOOSER][:, 0])
            observations, rewards, *_ = env.step(actions)
        ledger = observations[CHOOSER][:, 3:].reshape(4, 32, 3)
        assert (ledger == ledger[0]).all()
        assert ledger[0, :, 2].sum() == 4 * (number + 1)
        np.testing.assert_allclose(ledger[0, :4, 0], proposals[-1][::-1], atol=1e-6)
        assert (rewards[CHOOSER] > 0).all() == (number > 0), "of the same step, none is earlier"
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        np.testing.assert_array_equal(other.game.observe()[CHOOSER], observations[CHOOSER])


@pytest.mark.parametrize("played", [0, 1, 4, 7])
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "clone"])
@pytest.mark.parametrize("make", [team, batch])
def test_copies_go_on_bit_for_bit(make, how, played, random_actions, assert_identical):
    env = make()
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(played):
        env.step(random_actions(env, rng))
    if how == "pickle":
        other = pickle.loads(pickle.dumps(env))
    elif how == "deepcopy":
        other = copy.deepcopy(env)
    else:
        other = make()
        other.restore_state(env.clone_state())
    for _ in range(15):
        if not env.agents:
            assert other.agents == []
            assert_identical(env.reset(), other.reset())
        actions = random_actions(env, rng)
        assert_identical(env.step(actions), other.step(actions))
        assert_identical(env.state(), other.state())


def test_evaluation_draws_from_the_split_whatever_the_team_was_trained_with():
    players = {
        role: neutral_policy(size)
        for role, size in (
            ("state_modeling", 8),
            ("meta_learning", 2),
            ("adaptation", 2),
            ("coordinator", 3),
        )
    }
    expected = evaluate("PointDir-v0", players, trials=1, horizon=5)
    got = evaluate("PointDir-v0", players, trials=1, horizon=5, task_source="environment")
    np.testing.assert_array_equal(expected.returns, got.returns)
