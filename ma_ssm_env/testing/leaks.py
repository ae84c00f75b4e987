"""Checks that the hidden task reaches nobody but through the feedback that the options allow.

They compare two tasks under the same draws and actions. Where a task changes the dynamics (another model,
dead actuators), the body itself shows it, so such laws are exempt. A change of the reward alone is not, in
mid-trial either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ma_ssm_env.ledger import task_distance
from ma_ssm_env.testing.compare import require_same
from ma_ssm_env.testing.subject import Subject, together


def no_leak_without_feedback(subject: Subject) -> str | None:
    """feedback="none": two tasks give everyone bit-identical observations for a whole trial."""
    tasks, why = _two_tasks(subject)
    if why:
        return why
    envs = [subject.team(feedback="none") for _ in tasks]
    paid = _play(envs, subject, tasks, told=[])
    twins = [subject.twin(feedback="none", reveal_task=False) for _ in tasks]
    rng, results = subject.rng(), []
    firsts = [
        t.reset(seed=subject.seed, options={"task": task})[0] for t, task in zip(twins, tasks, strict=True)
    ]
    _require_same_observations([{"the twin": first} for first in firsts], "reset of trial 0")
    step, ended = 0, False
    while not ended:
        action = rng.uniform(-1.0, 1.0, twins[0].action_space.shape).astype(np.float32)
        results = [twin.step(action) for twin in twins]
        _require_same_observations([{"the twin": r[0]} for r in results], f"step {step} of trial 0")
        step, ended = step + 1, bool(results[0][2])
    return None if paid else "the two tasks pay the same"


def feedback_by_episodes(subject: Subject) -> str | None:
    """feedback="episode": whoever sees the reward is told first at the second inner episode, others never."""
    tasks, why = _two_tasks(subject)
    if why:
        return why
    envs = [subject.team(feedback="episode", episodes_per_trial=2) for _ in tasks]
    told = _told(envs[0])
    paid = _play(envs, subject, tasks, told=told, from_second=True)
    if not told:
        return "no role that sees the reward is present"
    return None if paid else "the two tasks pay the same"


def feedback_by_steps(subject: Subject) -> str | None:
    """feedback="step" in split form: the state-modeling role is told, and nobody else."""
    tasks, why = _two_tasks(subject)
    if why:
        return why
    envs = [subject.team(feedback="step", observability="split") for _ in tasks]
    told = _told(envs[0])
    if any(agent != "state_modeling_0" for agent in told):
        raise AssertionError(
            f"reset: {', '.join(told)} have a field last_reward; state_modeling_0 alone should"
        )
    paid = _play(envs, subject, tasks, told=told)
    if not told:
        return "no role that sees the reward is present"
    return None if paid else "the two tasks pay the same"


def _play(
    envs: list[Any], subject: Subject, tasks: list[Any], *, told: list[str], from_second: bool = False
) -> bool:
    """One trial on two tasks; whether they paid differently. Beliefs are scripted: the same in both."""
    differed, second, paid, episode_paid = False, False, False, False
    others = [agent for agent in envs[0].possible_agents if agent not in told]
    for when, (a, b) in together(envs, subject.rng(), seed=subject.seed, tasks=tasks):
        if len(a) == 5:
            infos = [result[4][envs[0].possible_agents[0]] for result in (a, b)]
            paid |= infos[0]["task_reward"] != infos[1]["task_reward"]
            if infos[0]["episode_ended"] and not second:
                second, episode_paid = True, infos[0]["episode_return"] != infos[1]["episode_return"]
        # The last observation shows the environment role how the trial went, which is over then.
        quiet = [agent for agent in others if envs[0].agents or agent != "environment_0"]
        if from_second and not second:
            quiet += told
        observations = [{agent: result[0][agent] for agent in quiet} for result in (a, b)]
        _require_same_observations(observations, f"{when}, tasks {tasks[0]} and {tasks[1]}", envs[0])
        now = any(a[0][agent].tobytes() != b[0][agent].tobytes() for agent in told)
        due = from_second and second and not differed and episode_paid and envs[0].agents
        if told and due and not now:
            raise AssertionError(f"{when}: {', '.join(told)} should be told the return here, and is not")
        differed |= now
    if told and paid and not from_second and not differed:
        raise AssertionError(f"whole trial: {', '.join(told)} should be told the reward, and is not")
    return paid


def _require_same_observations(pair: list[Any], when: str, env: Any = None) -> None:
    require_same((pair[0], {}), (pair[1], {}), when, env)


def _told(env: Any) -> list[str]:
    return [agent for agent in env.possible_agents if "last_reward" in env.observation_fields(agent)]


def _two_tasks(subject: Subject) -> tuple[list[Any], str]:
    # The two test tasks that are furthest apart, or why there are none.
    variation = subject.scenario.variation
    if variation.changes_dynamics:
        return [], "the task changes the dynamics"
    tasks = variation.tasks("test")
    if len(tasks) < 2:
        return [], "the law has one task"
    normalised = variation.normalise(tasks)
    kinds = [coordinate.kind for coordinate in variation.coordinates]
    distance = task_distance(normalised[:, None], normalised[None], kinds)
    i, j = np.unravel_index(distance.argmax(), distance.shape)
    return [tasks[i].tolist(), tasks[j].tolist()], ""
