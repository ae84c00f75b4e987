"""Checks of reproducibility: the same bits again, and no bit from anywhere else."""

from __future__ import annotations

import contextlib
import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ma_ssm_env.testing.compare import difference, require_same
from ma_ssm_env.testing.subject import Subject, next_seed, random_actions, together


def determinism(subject: Subject) -> None:
    """The same seed gives the same trials, whatever was played before; so does an unseeded reset after it."""
    one, two = subject.team(), subject.team()
    two.reset(seed=next_seed(subject.seed, 1))
    for _ in range(2):
        two.step(random_actions(two, subject.rng()))
        if not two.agents:
            two.reset()
    for when, (a, b) in together([one, two], subject.rng(), seed=subject.seed, trials=2):
        require_same(a, b, when, one)
        _require_same_state(one, two, when)


def seeds(subject: Subject) -> None:
    """Different seeds give different start states, channel noise and, where they are drawn, tasks."""
    env = subject.team()
    fields, variation = env.state_fields, subject.scenario.variation
    sees_channel = [a for a in env.possible_agents if "received_belief" in env.observation_fields(a)]
    hears = bool(sees_channel) and "state_modeling" not in subject.absent | subject.muted
    starts, tasks, received = [], [], []
    for offset in range(16):
        env.reset(seed=next_seed(subject.seed, offset))
        state = env.state()
        starts.append(np.concatenate([state[fields[name]] for name in ("positions", "root_position")]))
        if hears:
            actions = {a: np.zeros(env.action_space(a).shape, np.float32) for a in env.possible_agents}
            observations: Any = None
            for _ in range(1 if subject.drawn else 2):
                if env.agents:
                    observations, *_ = env.step(actions)
            received.append(
                observations[sees_channel[0]][env.observation_fields(sees_channel[0])["received_belief"]]
            )
        tasks.append(env.game.trials.task[0].copy())  # what is shown may be the same until the task changes
    _require_distinct(starts, "the start state")
    if hears:
        _require_distinct(received, f"the channel noise that {sees_channel[0]} receives")
    if subject.drawn and variation.size:
        split = subject.options.get("split", "train")
        if variation.finite or split in ("validation", "test"):
            known = np.unique(variation.tasks(split), axis=0)
            if len({task.tobytes() for task in tasks}) == 1 and len(known) > 1:
                raise AssertionError("step 0: 16 seeds draw one and the same task")
        else:
            _require_distinct(tasks, "the task")


def agent_order(subject: Subject) -> None:
    """The order of the agents in the dict of actions is irrelevant."""
    envs = [subject.team(), subject.team()]
    acts = [dict, lambda actions: dict(reversed(actions.items()))]
    for when, (a, b) in together(envs, subject.rng(), seed=subject.seed, acts=acts):
        require_same(a, b, when, envs[0])


class _Used(Exception):
    pass


@contextlib.contextmanager
def _forbidden_generators() -> Iterator[None]:
    """NumPy's global generator raises wherever one of its functions is called."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise _Used

    legacy = np.random.mtrand._rand
    names = [n for n in dir(np.random) if getattr(getattr(np.random, n), "__self__", None) is legacy]
    kept = {name: getattr(np.random, name) for name in names}
    try:
        for name in names:
            setattr(np.random, name, refuse)
        yield
    finally:
        for name, function in kept.items():
            setattr(np.random, name, function)


def global_generator(subject: Subject) -> None:
    """The global generators of NumPy and Python are neither read nor written."""
    kept = np.random.get_state(), random.getstate()  # noqa: NPY002 it is the thing under test
    said: list[list[tuple[str, Any]]] = []
    try:
        for poison in (1, 2):
            np.random.seed(poison)  # noqa: NPY002
            random.seed(poison)
            before = np.random.get_state(), random.getstate()  # noqa: NPY002
            moment, record = "construction", []
            try:
                with _forbidden_generators():
                    env = subject.team()
                    moment = "reset of trial 0"
                    for moment, (result,) in together([env], subject.rng(), seed=subject.seed, trials=2):
                        record.append((moment, result))
            except _Used:
                raise AssertionError(f"after {moment}: the global NumPy generator was used") from None
            after = np.random.get_state(), random.getstate()  # noqa: NPY002
            if difference(before, after) is not None:
                raise AssertionError("in two trials: the state of a global generator was changed")
            said.append(record)
        for (when, a), (_, b) in zip(*said, strict=True):
            require_same(a, b, f"{when}, under another global seed")
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        random.setstate(kept[1])


def pickling(subject: Subject) -> None:
    """A pickled environment goes on bit for bit, in mid-trial too."""
    for env, played in _in_mid_trial(subject):
        other = pickle.loads(pickle.dumps(env))
        _go_on(subject, env, other, f"pickled after {played} steps")


def cloning(subject: Subject) -> None:
    """A restored clone goes on bit for bit, here and in another environment, time and again."""
    for env, played in _in_mid_trial(subject):
        state, other = env.clone_state(), subject.team()
        other.restore_state(state)
        name = f"cloned after {played} steps"
        first = _go_on(subject, env, other, name)
        env.restore_state(state)  # the clone itself must not have gone on
        for (when, a), (_, (b,)) in zip(
            first, together([env], subject.rng(), trials=2, running=True), strict=True
        ):
            require_same(a, b, f"{name}, again, {when}", env)


def batch_equals_singles(subject: Subject) -> str | None:
    """World i of a batch is the single environment with seed s + i, across ends of trials."""
    if subject.options.get("shared_ledger"):
        return "a shared ledger is exempt"
    worlds = 3
    batch, singles = subject.batch(worlds), [subject.team() for _ in range(worlds)]
    observations, infos = batch.reset(seed=subject.seed)
    for i, single in enumerate(singles):
        mine, _ = single.reset(seed=next_seed(subject.seed, i))
        require_same((_world(observations, i), {}), (mine, {}), f"reset, world {i}", single)
    rng, agents = subject.rng(), batch.possible_agents
    for step in range(2 * (batch.options.episodes_per_trial * batch.options.horizon + 1) + 1):
        actions = random_actions(batch, rng)
        observations, rewards, terminations, truncations, infos = batch.step(actions)
        for i, single in enumerate(singles):
            when = f"step {step}, world {i}"
            mine, *rest, my_infos = single.step(_world(actions, i))
            ended = not single.agents
            flags = [{a: bool(f[a][i]) for a in agents} for f in (terminations, truncations)]
            theirs = _world(infos["final_obs"] if ended and "final_obs" in infos else observations, i)
            its = (theirs, {a: float(rewards[a][i]) for a in agents}, *flags, {})
            require_same(its, (mine, *rest, {}), when, single)
            for name, value in my_infos[agents[0]].items():
                if name != "active" and value != infos[name][i]:
                    raise AssertionError(
                        f"{when}: info {name} is {infos[name][i]} in the batch, {value} alone"
                    )
            if ended:
                if "_final_obs" not in infos or not infos["_final_obs"][i]:
                    raise AssertionError(f"{when}: the trial ended and infos hold no final_obs for it")
                mine, _ = single.reset()
                require_same((_world(observations, i), {}), (mine, {}), f"{when}, next trial", single)
            found = difference(batch.state()[i], single.state(), "state")
            if found:
                raise AssertionError(f"{when}: {found}")
    return None


def threads(subject: Subject) -> None:
    """The number of physics threads changes no bit."""
    one, two = subject.batch(3, num_threads=1), subject.batch(3, num_threads=2)
    found = difference(one.reset(seed=subject.seed), two.reset(seed=subject.seed), "reset")
    rng = subject.rng()
    for step in range(one.options.episodes_per_trial * one.options.horizon + 2):
        if found:
            raise AssertionError(f"before step {step}, 1 thread and 2: {found}")
        actions = random_actions(one, rng)
        found = difference(one.step(actions), two.step(actions), "result")


def streams(subject: Subject) -> None:
    """Options, absences and actions shift no draw of task, start state or channel noise."""
    usual = _draws(subject, 0, {})
    variants: list[tuple[str, dict[str, Any]]] = [
        ("other actions", {}),
        ("bandwidth_cost", {"bandwidth_cost": 3.0}),
        ("observability", {"observability": "full"}),
        ("feedback", {"feedback": "none"}),
        ("sensor_noise", {"sensor_noise": 0.5}),
        ("hide_velocities", {"hide_velocities": not subject.options.get("hide_velocities", False)}),
        ("muted_roles", {"muted_roles": set(subject.present)}),
    ]
    for role in subject.present if len(subject.present) > 1 else ():
        if role != "environment" or subject.drawn:
            variants.append((f"absent {role}", {"absent_roles": subject.absent | {role}}))
    for name, more in variants:
        other = _draws(subject, 1 if name == "other actions" else 0, more)
        for address in usual.keys() & other.keys():
            for what, mine, its in zip(
                ("task", "start", "noise"), usual[address], other[address], strict=True
            ):
                n = min(len(mine), len(its))  # an inner episode may end early
                found = difference(mine[:n], its[:n], what)
                if found:
                    raise AssertionError(f"{name}, inner episode {address} of the world: {found}")


def _draws(subject: Subject, action_seed: int, more: dict[str, Any]) -> dict[int, tuple[Any, Any, Any]]:
    # Task, root position and channel noise of each inner episode of two trials, by its number.
    env = subject.batch(1, **more)
    _, infos = env.reset(seed=subject.seed)
    fields, rng = env.state_fields, np.random.default_rng(action_seed)
    draws: dict[int, tuple[Any, Any, Any]] = {}
    episodes = env.options.episodes_per_trial
    proposals = subject.rng()
    for number in range(2 * episodes):
        start: Any = None
        noise: list[Any] = []
        ended = False
        while not ended:
            actions = random_actions(env, rng)
            if infos["setup"][0]:
                k = subject.scenario.variation.size
                actions["environment_0"] = proposals.uniform(-1.0, 1.0, (1, k)).astype(np.float32)
                *_, infos = env.step(actions)
                continue
            if start is None:
                state = env.state()[0]
                start = [state[fields[name]] for name in ("task", "root_position")]
            *_, infos = env.step(actions)
            noise.append(infos["channel_noise"][0])
            ended = bool(infos["episode_ended"][0])
            if infos["physics_unstable"][0]:
                return draws
        draws[number] = (start[0], start[1], noise)
    return draws


def _in_mid_trial(subject: Subject) -> Iterator[tuple[Any, int]]:
    env = subject.team()
    steps = env.options.episodes_per_trial * env.options.horizon
    for played in sorted({0, 1, steps // 2}):
        env, rng = subject.team(), subject.rng()
        env.reset(seed=subject.seed)
        for _ in range(played):
            if env.agents:
                env.step(random_actions(env, rng))
        yield env, played


def _go_on(subject: Subject, one: Any, two: Any, name: str) -> list[tuple[str, Any]]:
    if one.agents != two.agents:
        raise AssertionError(f"{name}: agents {one.agents} and {two.agents}")
    _require_same_state(one, two, name)
    said = []
    for when, (a, b) in together([one, two], subject.rng(), trials=2, running=True):
        said.append((when, a))
        require_same(a, b, f"{name}, {when}", one)
        _require_same_state(one, two, f"{name}, {when}")
    return said


def _require_same_state(one: Any, two: Any, when: str) -> None:
    found = difference(one.state(), two.state(), "state")
    if found:
        raise AssertionError(f"{when}: {found}")


def _require_distinct(values: list[Any], what: str) -> None:
    for i, value in enumerate(values):
        for j in range(i):
            if value.size and value.tobytes() == values[j].tobytes():
                raise AssertionError(
                    f"step 0: {what} is the same under two seeds ({j} and {i} after the first)"
                )


def _world(nest: dict[str, Any], i: int) -> dict[str, Any]:
    return {name: value[i] for name, value in nest.items()}
