"""Whatever is thrown at an environment ends in a documented error or clip, and hurts nobody else.

What single environments refuse, and with what words, is in `test_actions.py`, `test_trial.py` and
`test_physics.py`; here every fault meets every kind of environment, at its setup step and in mid-trial.
The tables below are also the page `docs/faults.md`, which
`python tests/ma_ssm_env/test_fault_injection.py` writes.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from ma_ssm_env import parallel_env, single_agent_env, vector_env

ID = "HalfCheetahVel-v0"
OPTIONS = {"horizon": 4, "episodes_per_trial": 2}
CHOOSER = "environment_0"
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def team_at_setup(**o):
    return parallel_env(ID, task_source="environment", **OPTIONS, **o)


def batch_at_setup(**o):
    return vector_env(ID, 3, task_source="environment", **OPTIONS, **o)


# name -> (maker, steps that are played before the fault)
PLACES = {
    "team": (lambda: parallel_env(ID, **OPTIONS), 0),
    "team in mid-trial": (lambda: parallel_env(ID, **OPTIONS), 4),
    "team at its setup step": (team_at_setup, 0),
    "team after its setup step": (team_at_setup, 1),
    "batch": (lambda: vector_env(ID, 3, **OPTIONS), 0),
    "batch after an end": (lambda: vector_env(ID, 3, **OPTIONS), 8),
    "batch at its setup step": (batch_at_setup, 0),
    "batch at its second setup step": (batch_at_setup, 9),
    "twin": (lambda: single_agent_env(ID, **OPTIONS), 2),
    "twin batch": (lambda: single_agent_env(ID, 3, **OPTIONS), 2),
}


@pytest.fixture(params=list(PLACES))
def place(request, random_actions):
    """An environment of some kind, played up to some point, and the same once more, to compare with."""
    maker, steps = PLACES[request.param]
    pair = maker(), maker()
    for env in pair:
        env.reset(seed=3)
        rng = np.random.default_rng(0)
        for _ in range(steps):
            env.step(random_actions(env, rng))
    return pair


def on_each(actions, change):
    """The actions with `change` made to each agent's in turn, and its name."""
    if not isinstance(actions, dict):
        yield "the agent", change(actions)
        return
    for agent in actions:
        yield agent, actions | {agent: change(actions[agent])}


def put(value, where=-1):
    def change(action):
        changed = np.array(action, dtype=np.float64)
        changed.flat[where] = value
        return changed

    return change


# name -> (what becomes of an agent's action [..., A], what the message says)
REFUSED = {
    "nan": (put(np.nan), "is nan at index"),
    "nan in the first world": (put(np.nan, 0), "is nan at index"),
    "inf": (put(np.inf), "is inf at index"),
    "-inf": (put(-np.inf), "is -inf at index"),
    "inf that a cast would make": (lambda a: np.full_like(a, np.inf, dtype=np.float16), "is inf"),
    "nan in a list": (lambda a: put(np.nan)(a).tolist(), "is nan at index"),
    "nan as an object": (lambda a: put(np.nan)(a).astype(object), "is nan at index"),
    "all nan": (lambda a: np.full_like(a, np.nan), "is nan at index"),
    "one too many": (lambda a: np.concatenate([a, a[..., :1]], axis=-1), "has shape"),
    "one too few": (lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1] - 1], "shape"),
    "an axis too many": (lambda a: np.stack([a, a]), "has shape"),
    "empty": (lambda a: np.zeros((0, *a.shape)), "has shape"),
    "strings": (lambda a: a.astype(str), "numbers of shape"),
    "bytes": (lambda a: a.astype(bytes), "numbers of shape"),
    "a string": (lambda a: "0.5", "numbers of shape"),
    "objects": (lambda a: np.full(a.shape, object()), "numbers of shape"),
    "none": (lambda a: None, "has shape|is nan"),
    "nones": (lambda a: np.full(a.shape, None), "is nan"),
    "complex": (lambda a: a.astype(complex), "numbers of shape"),
    "a structure": (lambda a: np.zeros(a.shape, dtype=[("x", float)]), "numbers of shape"),
    "times": (lambda a: np.zeros(a.shape, "timedelta64[s]"), "numbers of shape"),
    "a dict": (lambda a: {"action": a}, "numbers of shape"),
    "a generator": (lambda a: (x for x in a), "numbers of shape"),
    "ragged": (lambda a: [[0.0], [0.0, 1.0], 2.0], "numbers of shape"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refused_whole_and_nothing_has_changed(name, place, random_actions, assert_identical):
    env, calm = place
    change, message = REFUSED[name]
    good = random_actions(env, np.random.default_rng(1))
    before = env.clone_state()
    for agent, bad in on_each(good, change):
        with pytest.raises(ValueError, match=f"{ID}: action of {agent} (?s:.*)({message})"):
            env.step(bad)
    assert_identical(before, env.clone_state())
    for _ in range(3):
        assert_identical(calm.step(good), env.step(good))


# name -> (what becomes of an agent's action, what it is taken as, the same in words)
TAKEN = {
    "float64": (lambda a: a.astype(np.float64), lambda a: a, "the nearest float32"),
    "float16": (
        lambda a: a.astype(np.float16),
        lambda a: a.astype(np.float16).astype(np.float32),
        "the same numbers",
    ),
    "big endian": (lambda a: a.astype(">f8"), lambda a: a, "the nearest float32"),
    "longdouble": (lambda a: a.astype(np.longdouble), lambda a: a, "the nearest float32"),
    "lists": (lambda a: a.tolist(), lambda a: a, "an array"),
    "tuples": (lambda a: tuple(a), lambda a: a, "an array"),
    "not contiguous": (lambda a: np.repeat(a, 2, axis=-1)[..., ::2], lambda a: a, "the same numbers"),
    "read only": (
        lambda a: np.frombuffer(a.tobytes(), np.float32).reshape(a.shape),
        lambda a: a,
        "the same numbers",
    ),
    "integers": (lambda a: np.sign(a).astype(np.int64), np.sign, "the same numbers"),
    "bools": (lambda a: a > 0, lambda a: (a > 0).astype(np.float32), "0 and 1"),
    "1e30": (lambda a: a.astype(np.float64) * 1e30, np.sign, "clipped to +-1"),
    "1e300": (lambda a: a.astype(np.float64) * 1e300, np.sign, "clipped to +-1"),
    "1e30 in single": (lambda a: a * np.float32(1e30), np.sign, "clipped to +-1"),
    "a little more": (lambda a: np.sign(a) * (1 + 1e-12), np.sign, "clipped to +-1"),
    "subnormal": (lambda a: np.full(a.shape, 1e-310), np.zeros_like, "0"),
}


@pytest.mark.parametrize("name", list(TAKEN))
def test_taken_or_clipped(name, place, random_actions, assert_identical):
    env, calm = place
    given, meant, _ = TAKEN[name]
    actions = random_actions(env, np.random.default_rng(1))
    if isinstance(actions, dict):
        expected = calm.step({agent: meant(action) for agent, action in actions.items()})
        got = env.step({agent: given(action) for agent, action in actions.items()})
    else:
        expected, got = calm.step(meant(actions)), env.step(given(actions))
    assert_identical(expected, got)
    assert_identical(calm.clone_state(), env.clone_state())


@pytest.mark.parametrize("proposal", [1e30, -1e30, 1.0, -1.0, 1 + 1e-7, 3e38])
@pytest.mark.parametrize("id", ["HalfCheetahVel-v0", "PointDir-v0", "PointGoal-v0", "HalfCheetahDir-v0"])
def test_a_proposal_never_leaves_the_training_range(id, proposal, random_actions):
    env = parallel_env(id, task_source="environment", horizon=2)
    env.reset(seed=0)
    actions = random_actions(env, np.random.default_rng(0))
    env.step(actions | {CHOOSER: np.full(actions[CHOOSER].shape, proposal)})
    task = env.game.trials.task[0]
    for value, coordinate in zip(task, env.scenario.variation.coordinates, strict=True):
        assert value == (coordinate.high if proposal > 0 else coordinate.low)
    env.scenario.variation.checked(task)


def test_zero_dimensional_actions_where_one_number_is_meant(random_actions, assert_identical):
    """The proposal of a law of one number, as `np.float32(x)`, `x` or a 0-d array, as some libraries send."""
    for zero_d in (np.float32, float, lambda x: np.array(x, np.float32)):
        env, calm = team_at_setup(), team_at_setup()
        env.reset(seed=0)
        calm.reset(seed=0)
        actions = random_actions(env, np.random.default_rng(0))
        got = env.step(actions | {CHOOSER: zero_d(actions[CHOOSER][0])})
        assert_identical(calm.step(actions), got)
        with pytest.raises(ValueError, match=r"action of adaptation_0 has shape \(\)"):
            env.step(actions | {"adaptation_0": np.float32(0.5)})


AGENTS = {
    "nobody": (lambda a: {}, "no action for state_modeling_0, meta_learning_0, adaptation_0, environment_0"),
    "one missing": (lambda a: {k: v for k, v in a.items() if k != CHOOSER}, "no action for environment_0"),
    "one too many": (lambda a: a | {"coordinator_1": a["coordinator_0"]}, "unknown agent 'coordinator_1'"),
    "roles for agents": (lambda a: {k[:-2]: v for k, v in a.items()}, "no action for state_modeling_0"),
    "no dict": (lambda a: list(a.values()), "a dict from agent to action is expected"),
}


@pytest.mark.parametrize("name", list(AGENTS))
@pytest.mark.parametrize("steps", [0, 1, 9])
def test_inactive_agents_must_act_too(name, steps, random_actions, assert_identical):
    change, message = AGENTS[name]
    for make in (team_at_setup, batch_at_setup):
        env = make()
        env.reset(seed=0)
        actions = random_actions(env, np.random.default_rng(0))
        for _ in range(steps):
            if env.agents:
                env.step(actions)
        if not env.agents:
            env.reset()
        before = env.clone_state()
        with pytest.raises(ValueError, match=message):
            env.step(change(actions))
        assert_identical(before, env.clone_state())


# -- out of turn ------------------------------------------------------------------------------------------


# name -> (error, what its message says)
OUT_OF_TURN = {
    "step before reset": (RuntimeError, "step before reset; call reset() first"),
    "step after the end": (RuntimeError, "the trial has ended; call reset() to begin the next"),
}


def test_out_of_turn(random_actions, assert_identical):
    for make in (team_at_setup, batch_at_setup):
        env = make()
        before = env.clone_state()
        actions = random_actions(env, np.random.default_rng(0))
        error, message = OUT_OF_TURN["step before reset"]
        with pytest.raises(error, match=re.escape(f"{ID}: {message}")):
            env.step(actions)
        assert_identical(before, env.clone_state())
    env = team_at_setup()
    env.reset(seed=0)
    steps = 0
    while env.agents:
        env.step(actions := random_actions(env, np.random.default_rng(0)))
        steps += 1
    assert steps == 9, "a setup step and two inner episodes of four"
    before = env.clone_state()
    error, message = OUT_OF_TURN["step after the end"]
    for bad in (actions, {}, None, {CHOOSER: np.nan}):
        with pytest.raises(error, match=re.escape(f"{ID}: {message}")):
            env.step(bad)
    assert_identical(before, env.clone_state())


def test_closing_harms_nothing(place, random_actions, assert_identical):
    env, calm = place
    for _ in range(3):
        env.close()
    actions = random_actions(env, np.random.default_rng(0))
    if hasattr(env, "agents"):  # Gymnasium marks its vector environments as closed
        assert_identical(calm.step(actions), env.step(actions))
        env.close()
        assert_identical(calm.reset(seed=1), env.reset(seed=1))


TASKS = {
    "above the range": 4.5,
    "below the range": -1.0,
    "nan": np.nan,
    "inf": np.inf,
    "a string": "fast",
    "a class": None.__class__,
    "too many numbers": [1.0] * 7,
    "nan in one world": [[1.0], [np.nan], [1.0]],
    "a complex number": 1j,
    "a dict": {},
}


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_outside_its_space(name, place, random_actions, assert_identical):
    env, calm = place
    task = TASKS[name]
    before = env.clone_state()
    for ask in (lambda: env.reset(seed=9, options={"task": task}), lambda: env.set_tasks(task)):
        with pytest.raises(ValueError, match=r"task .*speed, m/s in \[0, 3\]|tasks for . worlds"):
            ask()
        assert_identical(before, env.clone_state())
    actions = random_actions(env, np.random.default_rng(0))
    assert_identical(calm.step(actions), env.step(actions))


# -- broken physics ---------------------------------------------------------------------------------------

BROKEN = {
    "qvel 1e12": ("qvel", 0, 1e12),
    "qvel -1e300": ("qvel", 2, -1e300),
    "qvel nan": ("qvel", 1, np.nan),
    "qpos 1e12": ("qpos", 3, 1e12),
    "qpos inf": ("qpos", 0, np.inf),
}


def break_world(env, world, how):
    name, column, value = BROKEN[how]
    getattr(env.game.trials.physics, name)[world, column] = value


def all_finite(nest):
    if isinstance(nest, dict):
        return all(all_finite(item) for item in nest.values())
    return bool(np.isfinite(nest).all())


def rows(result, worlds):
    """What some worlds are told, without the ledgers' infos that only exist where trials end."""
    observations, rewards, terminations, _, infos = result
    told = {name: value for name, value in infos.items() if not name.startswith(("final", "_final"))}
    return [{k: v[worlds] for k, v in part.items()} for part in (observations, rewards, terminations, told)]


@pytest.mark.parametrize("how", list(BROKEN))
@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_one_world_breaks_while_others_choose_and_play(how, steps, random_actions, assert_identical):
    """World 1 is out of step with 0 and 2, so that it breaks in play while they choose, or the reverse."""
    env, calm = batch_at_setup(), batch_at_setup()
    rng = np.random.default_rng(0)
    for each in (env, calm):
        each.reset(seed=0)
        each.game.begin_trials(np.array([1]), np.full((3, 1), 2.0))
    for _ in range(steps):
        actions = random_actions(env, rng)
        env.step(actions)
        calm.step(actions)
    break_world(env, 1, how)
    others = np.array([0, 2])
    for t in range(20):
        actions = random_actions(env, rng)
        result, expected = env.step(actions), calm.step(actions)
        assert_identical(rows(expected, others), rows(result, others))
        assert all_finite(result[0])
        assert all_finite(result[1])
        assert all_finite(result[4])
        assert np.isfinite(env.state()).all()
        if t == 0:
            assert result[4]["physics_unstable"].tolist() == [False, True, False]
            assert result[2]["adaptation_0"].tolist() == [False, True, False], (
                "the trial ends, not the episode"
            )
            assert result[4]["setup"][1], "and its next trial begins, with a choice"
            worst = env.scenario.variation.worst_reward * (8 - steps)
            assert result[4]["task_reward"][1] == worst
        else:
            assert not result[4]["physics_unstable"].any()
    ledger = env.game.ledger.vector().reshape(3, 32, 3)
    outcomes = ledger[1, ledger[1, :, 2] > 0, 1]
    assert outcomes.argmin() == len(outcomes) - 1, "the ledger remembers the broken trial as the worst"


@pytest.mark.parametrize("how", list(BROKEN))
def test_a_world_that_is_broken_before_its_trial_begins_is_mended(how, random_actions, assert_identical):
    """The setup step puts the body at its start state, whatever was written into it."""
    env, calm = batch_at_setup(), batch_at_setup()
    env.reset(seed=0)
    calm.reset(seed=0)
    break_world(env, 1, how)
    rng = np.random.default_rng(0)
    for _ in range(20):
        actions = random_actions(env, rng)
        assert_identical(calm.step(actions), env.step(actions))


def test_breaking_never_pays_the_environment_role_in_a_drawn_trial(random_actions):
    env = parallel_env(ID, **OPTIONS)
    env.reset(seed=0)
    for _ in range(3):
        break_world(env, 0, "qvel 1e12")
        _, rewards, _, _, infos = env.step(random_actions(env, np.random.default_rng(0)))
        assert rewards[CHOOSER] == 0.0
        assert infos[CHOOSER]["physics_unstable"] == 1
        assert env.agents == []
        env.reset()


@pytest.mark.parametrize("key", ["setup", "chosen", "ledger", "trials", "channel_noise"])
def test_a_clone_that_lacks_a_part_is_an_error(key, assert_identical):
    env, other = team_at_setup(), team_at_setup()
    env.reset(seed=0)
    other.reset(seed=1)
    state = other.clone_state()
    del state["game"][key]
    before = env.clone_state()
    with pytest.raises(ValueError, match=f"state without '{key}'"):
        env.restore_state(state)
    assert_identical(before, env.clone_state())


def test_a_clone_of_another_task_source_is_refused(assert_identical):
    env, other = team_at_setup(), parallel_env(ID, **OPTIONS)
    env.reset(seed=0)
    other.reset(seed=0)
    before = env.clone_state()
    with pytest.raises(ValueError, match="does not fit"):
        env.restore_state(other.clone_state())
    assert_identical(before, env.clone_state())


# -- the page ---------------------------------------------------------------------------------------------


def shown(pattern):
    """What a message says, from the pattern that tests hold it to."""
    return " or ".join(f"`… {part}`" for part in pattern.split("|"))


def page():
    """The page of all faults, from the tables above."""
    everywhere = ", ".join(PLACES)
    refused = [(name, f"`ValueError`: {shown(message)}") for name, (_, message) in REFUSED.items()]
    taken = [(name, f"taken as: {words}") for name, (_, _, words) in TAKEN.items()]
    agents = [(name, f"`ValueError`: {shown(message)}") for name, (_, message) in AGENTS.items()]
    turns = [(name, f"`{error.__name__}`: `… {said}`") for name, (error, said) in OUT_OF_TURN.items()]
    tasks = [(name, "`ValueError`: `task …: speed, m/s in [0, 3] … expected`") for name in TASKS]
    broken = [(name, "the trial terminates, `physics_unstable` is 1") for name in BROKEN]
    parts = [
        (
            "Actions that are refused",
            f"Each agent's action in turn, in: {everywhere}. Nothing has changed after the "
            "error. Messages begin "
            "with the scenario's id and name the agent, the value or the shape, and what is expected.",
            refused,
        ),
        (
            "Actions that are taken or clipped",
            "In the same environments; what follows is bit for bit what the action that is meant gives.",
            taken,
        ),
        (
            "Agents",
            "Team and batch, at a setup step, after it and in a later trial. Nothing has changed after "
            "the error.",
            agents,
        ),
        (
            "Out of turn",
            "Nothing has changed after the error. A batch begins its finished worlds anew by itself, so "
            "its steps "
            "never come after the end. Closing twice or thrice does nothing.",
            turns,
        ),
        (
            "Tasks outside their space",
            'By `reset(options={"task": ...})` and by `set_tasks`, in the same environments as the '
            "actions (a list that does not fit the number of worlds says so). Nothing has changed after the "
            "error.",
            tasks,
        ),
        (
            "Physics that breaks",
            "One world of a batch, in play and at a setup step. Observations are the last that made "
            "sense, each "
            "missing step is paid the law's worst reward, everything stays finite, the world's next "
            "trial is a "
            "sound one, and the other worlds go on bit for bit as if nothing had happened.",
            broken,
        ),
    ]
    lines = [
        "# What each fault ends in",
        "",
        f"Played on `{ID}`. Written by `python tests/ma_ssm_env/test_fault_injection.py` from "
        "the tables that the "
        "tests in that file run.",
    ]
    for title, words, rows in parts:
        lines += ["", f"## {title}", "", words, "", "| fault | ends in |", "|---|---|"]
        lines += [f"| {name} | {end} |" for name, end in rows]
    return "\n".join(lines) + "\n"


def test_the_page_is_that_of_these_tables():
    assert PAGE.read_text() == page(), f"run `python {Path(__file__).name}` in its folder"


if __name__ == "__main__":
    PAGE.write_text(page())
