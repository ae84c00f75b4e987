"""Checks of what is returned: in its space, finite, fresh, laid out and composed as documented."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from typing import Any

import numpy as np

from ma_ssm_env.ledger import ENTRIES, task_distance
from ma_ssm_env.options import TEAM_ONLY
from ma_ssm_env.roles import ACTING_ROLES, ROLE_TABLE
from ma_ssm_env.testing.compare import arrays, difference, require_same, spoil
from ma_ssm_env.testing.subject import Actions, Subject, random_actions, together
from ma_ssm_env.variations import SPLITS

POSTED = {  # field of the state that a role's post becomes
    "state_modeling": "received_belief",
    "meta_learning": "last_prior",
    "adaptation": "last_correction",
    "coordinator": "last_rate",
}


def spaces(subject: Subject) -> None:
    """At every step and for every role: everything is finite, typed, in its space, and told of in full."""
    env = subject.team()
    _require_layout(env)
    rng, keys = subject.rng(), None
    for trial in range(2):
        observations, infos = env.reset(seed=subject.seed if trial == 0 else None)
        rewards: dict[str, float] = {}
        flags: list[dict[str, bool]] = []
        when, step = f"reset of trial {trial}", 0
        while True:
            for agent in env.possible_agents:
                if agent not in observations or agent not in infos:
                    raise AssertionError(f"{when}: {agent} is told nothing")
                _require_in_space(env, agent, observations[agent], when)
                keys = keys or list(infos[agent])
                if list(infos[agent]) != keys:
                    raise AssertionError(
                        f"{when}: infos of {agent} have keys {list(infos[agent])}, not {keys}"
                    )
                for name, value in infos[agent].items():
                    if type(value) not in (int, float) or not np.isfinite(value):
                        raise AssertionError(f"{when}: info {name} of {agent} is {value!r}, no finite number")
            for agent, reward in rewards.items():
                if type(reward) is not float or not np.isfinite(reward):
                    raise AssertionError(f"{when}: reward of {agent} is {reward!r}, no finite float")
            for flag in flags:
                if any(type(value) is not bool for value in flag.values()) or len(set(flag.values())) != 1:
                    raise AssertionError(f"{when}: agents must end together, with bools; got {flag}")
            if flags and any(flags[1].values()):
                raise AssertionError(f"{when}: a trial ends by termination, not by truncation")
            if flags and all(flags[0].values()) == bool(env.agents):
                raise AssertionError(f"{when}: terminations {flags[0]}, but the agents left are {env.agents}")
            state = env.state()
            if not env.state_space.contains(state) or not np.isfinite(state).all():
                raise AssertionError(f"{when}: the state is not finite or not in its space")
            if not env.agents:
                break
            actions = random_actions(env, rng)
            if step % 2:  # the corners of the box
                actions = {a: np.where(v < 0, -1.0, 1.0).astype(np.float32) for a, v in actions.items()}
            observations, rewards, *flags, infos = env.step(actions)
            when, step = f"step {step} of trial {trial}", step + 1


def _require_layout(env: Any) -> None:
    layouts = [(a, env.observation_fields(a), env.observation_space(a)) for a in env.possible_agents]
    layouts += [(a, env.action_fields(a), env.action_space(a)) for a in env.possible_agents]
    for name, fields, space in [*layouts, ("the state", env.state_fields, env.state_space)]:
        end = 0
        for field, where in fields.items():
            if where.start != end:
                raise AssertionError(
                    f"construction: field {field} of {name} starts at {where.start}, not {end}"
                )
            end = where.stop
        if space.shape != (end,) or space.dtype != np.float32:
            raise AssertionError(f"construction: {name} has {end} numbers in a space {space}")
    for agent in env.possible_agents:
        if env.observation_space(agent) is not env.observation_space(agent):
            raise AssertionError(
                f"construction: the observation space of {agent} is another object each time"
            )
        low, high = env.action_space(agent).low, env.action_space(agent).high
        if (low != -1).any() or (high != 1).any():
            raise AssertionError(f"construction: actions of {agent} are not in [-1, 1]")


def _require_in_space(env: Any, agent: str, observation: Any, when: str) -> None:
    if env.observation_space(agent).contains(observation) and np.isfinite(observation).all():
        return
    space = env.observation_space(agent)
    if not isinstance(observation, np.ndarray) or observation.shape != space.shape:
        raise AssertionError(f"{when}: observation of {agent} is no array of shape {space.shape}")
    if observation.dtype != space.dtype:
        raise AssertionError(f"{when}: observation of {agent} is {observation.dtype}, not {space.dtype}")
    wrong = ~np.isfinite(observation) | (observation < space.low) | (observation > space.high)
    at = int(wrong.argmax())
    name = next(f for f, where in env.observation_fields(agent).items() if where.start <= at < where.stop)
    raise AssertionError(f"{when}: {name} in the observation of {agent} is {observation[at]} at index {at}")


def splits(subject: Subject) -> None:
    """Splits are disjoint where the law is infinite, and environments draw from the split they are given."""
    variation = subject.scenario.variation
    lists = {split: variation.tasks(split) for split in ("validation", "test")}
    if not variation.finite and variation.size:
        for task in lists["validation"]:
            if (np.abs(lists["test"] - task) < 1e-9).all(1).any():
                raise AssertionError(f"task {task.tolist()} is in both the validation and the test split")
    bounds = np.array([(c.low, c.high) for c in variation.coordinates]).reshape(-1, 2)
    available = []
    for split in SPLITS:
        try:
            variation.ranges(split)
        except ValueError:
            continue
        available.append(split)
        drawn = np.array([variation.sample(np.random.default_rng(i), split) for i in range(64)])
        inside = ((drawn >= bounds[:, 0]) & (drawn <= bounds[:, 1])).all(1)
        if split == "ood" and inside.any():
            raise AssertionError(f"ood task {drawn[inside.argmax()].tolist()} is inside the training range")
        if split != "ood" and not inside.all():
            raise AssertionError(
                f"{split} task {drawn[inside.argmin()].tolist()} is outside the training range"
            )
    for split in available:
        env = subject.team(split=split, task_source="distribution")
        listed = lists.get(split, variation.tasks(split) if variation.finite else None)
        allowed = None if listed is None else variation.normalise(listed)
        for offset in range(8):
            env.reset(seed=subject.seed + offset)
            # What is shown may be the same for all tasks until they change in mid-trial.
            task = variation.normalise(env.game.trials.task[0])
            outside = bool((np.abs(task) > 1.0 + 1e-6).any())
            fits = outside == (split == "ood")
            if allowed is not None:
                fits = bool((np.abs(allowed - task) < 1e-5).all(1).any())
            if not fits:
                raise AssertionError(
                    f"reset, seed {subject.seed + offset}: split {split} gave the (normalised) task {task}"
                )


def memory(subject: Subject) -> None:
    """No array is shared between agents, steps or caller and environment, so all may be written into."""
    for env in (subject.team(), subject.batch(2)):
        _require_unshared(env, subject)
    clean, dirty = subject.team(), subject.team()
    rng = subject.rng()
    for trial in range(2):
        seed = subject.seed if trial == 0 else None
        expected, got = clean.reset(seed=seed), dirty.reset(seed=seed)
        when, step = f"reset of trial {trial}", 0
        while True:
            require_same(expected, got, f"{when}, after writing into what was returned before", clean)
            spoil(got)
            spoil(dirty.state())
            spoil(dirty.clone_state())
            found = difference(clean.state(), dirty.state(), "state")
            if found:
                raise AssertionError(f"{when}, after writing into what was returned: {found}")
            if not clean.agents:
                break
            actions = random_actions(clean, rng)
            given = copy.deepcopy(actions)
            expected, got = clean.step(actions), dirty.step(given)
            spoil(given)
            when, step = f"step {step} of trial {trial}", step + 1


def _require_unshared(env: Any, subject: Subject) -> None:
    rng, kept = subject.rng(), []
    result: Any = env.reset(seed=subject.seed)
    when = "reset"
    for step in range(env.options.episodes_per_trial * env.options.horizon + 2):
        kept += [(f"{name[1:]} at {when}", array) for name, array in arrays(result)]
        kept.append((f"state at {when}", env.state()))
        if not env.agents:
            break
        actions = random_actions(env, rng)
        kept += [(f"actions{name} given at step {step}", array) for name, array in arrays(actions)]
        result, when = env.step(actions), f"step {step}"
    spans = [(*np.lib.array_utils.byte_bounds(array), name) for name, array in kept if array.size]
    end, owner = 0, ""
    for low, high, name in sorted(spans):
        if low < end:
            raise AssertionError(f"{_named(owner)} and {_named(name)} share memory")
        end, owner = high, name


def _named(path: str) -> str:
    # "0/meta_learning_0 at step 3" is "observation of meta_learning_0 at step 3".
    parts = ("observation", "reward", "termination", "truncation", "info")
    head, _, rest = path.partition("/")
    return f"{parts[int(head)]} of {rest}" if head.isdigit() else path


def absent_roles(subject: Subject) -> str | None:
    """An absent role is a neutral, muted one: received as 0, sends 0 bits, and nobody else notices."""
    if len(subject.present) < 2:
        return "one role alone is present"
    for role in subject.present:
        agent = ROLE_TABLE[role].agent
        if role == "environment" and not subject.drawn:
            try:
                subject.team(absent_roles=subject.absent | {role})
            except ValueError:
                continue
            raise AssertionError(
                "construction: task_source='environment' without the environment role is taken"
            )
        gone = subject.team(absent_roles=subject.absent | {role}, muted_roles=subject.muted)
        silent = subject.team(muted_roles=subject.muted | {role})
        if agent in gone.possible_agents:
            raise AssertionError(f"construction: {agent} is absent and among the agents")

        def without(actions: Actions, agent: str = agent) -> Actions:
            return {a: value for a, value in actions.items() if a != agent}

        def neutral(actions: Actions, agent: str = agent) -> Actions:
            return {a: np.zeros_like(value) if a == agent else value for a, value in actions.items()}

        envs, acts = [silent, gone], [neutral, without]
        for when, (a, b) in together(envs, subject.rng(), seed=subject.seed, acts=acts):
            named = f"{when}, {role} absent against neutral and muted"
            require_same(a, b, named, gone, agents=gone.possible_agents)
            if role not in POSTED:
                continue
            posted = gone.state()[gone.state_fields[POSTED[role]]]
            if posted.any():
                raise AssertionError(f"{when}: {role} is absent, and {POSTED[role]} is {posted}, not 0")
            for other in gone.possible_agents:
                if role == "state_modeling" and len(b) == 5 and b[4][other]["bits"] != 0:
                    raise AssertionError(f"{when}: {role} is absent and sends {b[4][other]['bits']} bits")
    return None


def setup_step(subject: Subject) -> str | None:
    """task_source="environment": a proposal becomes the task in a step in which nothing else happens."""
    if "environment" in subject.absent:
        return "the environment role is absent"
    options = {"task_source": "environment", "split": "train"}
    env, other, given = subject.team(**options), subject.team(**options), subject.team(split="train")
    chooser, rng, variation = "environment_0", subject.rng(), subject.scenario.variation
    entries, worlds = np.zeros((ENTRIES, variation.size + 2)), [env, other]
    for trial in range(3):
        seed = subject.seed if trial == 0 else None
        when = f"setup step of trial {trial}"
        before, infos = env.reset(seed=seed)
        require_same((before, infos), other.reset(seed=seed), f"reset of trial {trial}", env)
        _require_active(env, infos, f"reset of trial {trial}", setup=True)
        state, actions = env.state(), random_actions(env, rng)
        result = env.step(actions)
        require_same((before, {}), (result[0], {}), f"{when}, against the reset", env)
        _require_active(env, result[4], when, setup=False)
        for agent, reward in result[1].items():
            if reward != 0.0:
                raise AssertionError(f"{when}: {agent} is paid {reward}")
        apart = np.r_[tuple(where for name, where in env.state_fields.items() if name != "task")]
        found = difference(state[apart], env.state()[apart], "state")
        if found:
            raise AssertionError(f"{when}: more than the task changed: {found}")
        # What the others do now has no effect, and who proposes something else is shown the same.
        require_same(
            ({a: result[0][a] for a in before}, {}), (other.step(_negated(actions))[0], {}), when, env
        )
        # From here on, the trial is that of the same task when it is given.
        task = variation.denormalise(actions[chooser].astype(np.float64)).tolist()
        given.reset(seed=seed, options={"task": task})
        for moment, (a, b) in together([env, given], rng, running=True):
            acting = [agent for agent in a[0] if agent != chooser]
            require_same(a, b, f"{moment}, task chosen against task given", env, agents=acting)
            pay = a[1][chooser]
            if env.agents and pay != 0.0:
                raise AssertionError(f"{moment}: {chooser} is paid {pay} before the end of the trial")
        for world in worlds[1:]:
            while world.agents:
                world.step(random_actions(world, subject.rng()))
        ledger = a[0][chooser][env.observation_fields(chooser)["ledger"]].reshape(ENTRIES, -1)
        kinds = [coordinate.kind for coordinate in variation.coordinates]
        distance = task_distance(ledger[0, :-2], entries[:trial, :-2], kinds)
        expected = abs(float(ledger[0, -2]) - entries[distance.argmin(), -2]) if trial else 0.0
        if abs(pay - expected) > 1e-6:
            raise AssertionError(
                f"end of trial {trial}: {chooser} is paid {pay}; learning progress is {expected}"
            )
        entries = ledger.astype(np.float64)
        other.restore_state(env.clone_state())  # its trial went another way
    return None


def _negated(actions: Actions) -> Actions:
    return {agent: -value for agent, value in actions.items()}


def _require_active(env: Any, infos: Any, when: str, *, setup: bool) -> None:
    for agent in env.possible_agents:
        acting = agent.removesuffix("_0") in ACTING_ROLES
        if infos[agent]["active"] != int(acting != setup):
            raise AssertionError(f"{when}: {agent} is told active={infos[agent]['active']}")


def same_game_as_twin(subject: Subject) -> str | None:
    """The twin is paid what the team is before the channel's cost, on the same draws and torques."""
    if "meta_learning" in subject.absent:
        return "no role whose action is the torque is present"
    team, twin = subject.team(task_source="distribution"), subject.twin()
    rng = subject.rng()
    for trial in range(2):
        seed = subject.seed if trial == 0 else None
        team.reset(seed=seed)
        twin.reset(seed=seed)
        step, ended = 0, False
        while not ended:
            when = f"step {step} of trial {trial}"
            torque = rng.uniform(-1.0, 1.0, twin.action_space.shape).astype(np.float32)
            actions = {a: np.zeros(team.action_space(a).shape, np.float32) for a in team.agents}
            _, _, terminations, _, infos = team.step(actions | {"meta_learning_0": torque})
            _, reward, ended, _, _ = twin.step(torque)
            paid = infos["meta_learning_0"]["task_reward"]
            if np.float64(paid).tobytes() != np.float64(reward).tobytes():
                raise AssertionError(f"{when}: the team's task reward is {paid!r}, the twin's {reward!r}")
            if terminations["meta_learning_0"] is not ended:
                raise AssertionError(f"{when}: the trial of one ended, and that of the other did not")
            step += 1
    return None


def pettingzoo_conformance(subject: Subject) -> None:
    """PettingZoo's own `parallel_api_test` (which checks neither containment nor NaN)."""
    from pettingzoo.test.parallel_test import parallel_api_test

    with contextlib.redirect_stdout(io.StringIO()):
        parallel_api_test(subject.team(), num_cycles=25)


def gymnasium_conformance(subject: Subject) -> None:
    """Gymnasium's own `check_env`, on the twin."""
    from gymnasium.utils.env_checker import check_env

    options = {name: value for name, value in subject.options.items() if name not in TEAM_ONLY}
    with warnings.catch_warnings():
        # Velocities, rewards and positions have no bound; that is all that it remarks upon.
        warnings.filterwarnings("ignore", r".*A Box observation space m", UserWarning)
        warnings.filterwarnings("ignore", ".*not able to test alternative render modes", UserWarning)
        check_env(subject.make_twin(subject.scenario, **options), skip_render_check=True)
