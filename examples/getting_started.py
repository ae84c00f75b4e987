"""The game in both its forms, who sees and says what, a scripted team, and the log of one trial.

    python examples/getting_started.py

Takes 1 s of CPU time. Needs neither PyTorch nor a screen. Writes `runs/getting_started/trial.svg`, a picture
of what the roles said, and `trial.npz`, the same as numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ma_ssm_env
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.message_log import MessageLog, TrialLog
from ma_ssm_env.policy import Policy
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scripted import scripted_team

SCENARIO = "PointDir-v0"  # a mass in the plane; one direction is paid, and nobody is told which


def show_spaces(scenario: str) -> None:
    """Print what each role sees and does, and the same for the agent that plays alone."""
    team = ma_ssm_env.parallel_env(scenario)
    twin = ma_ssm_env.single_agent_env(scenario)
    print(f"{scenario}: five roles move one body\n")
    for agent in team.possible_agents:
        print(f"  {agent}")
        print(f"    sees {named(team.observation_fields(agent))}")
        print(f"    does {named(team.action_fields(agent))}")
    print("  or one agent, the twin")
    print(f"    sees {named(twin.observation_fields())}")
    print(f"    does torque ({twin.action_space.shape[0]})\n")


def named(fields: dict[str, slice]) -> str:
    """Fields of a vector with their sizes, such as `prior (2)`; empty ones are left out."""
    sizes = {name: where.stop - where.start for name, where in fields.items()}
    return ", ".join(f"{name} ({size})" for name, size in sizes.items() if size)


def play_trial(env: ma_ssm_env.TeamEnv, team: dict[str, Policy], seed: int) -> list[float]:
    """Play one trial; the plain return of each inner episode."""
    rng = np.random.default_rng(seed)
    observations, _ = env.reset(seed=seed)
    # Memory is asked for once a trial and kept across its inner episodes: what was found out stays known.
    memories: dict[str, Any] = {agent: team[AGENTS[agent]].initial_memory(1) for agent in env.agents}
    returns = []
    while env.agents:  # empty when the trial is over
        actions = {}
        for agent in env.agents:
            seen = observations[agent][None]  # policies act for a batch of worlds, here of one
            action, memories[agent] = team[AGENTS[agent]].act(seen, memories[agent], rng)
            actions[agent] = action[0]
        observations, _, _, _, infos = env.step(actions)
        info = infos["coordinator_0"]
        if info["episode_ended"]:
            returns.append(info["episode_return"])
    return returns


def show_conversation(log: TrialLog) -> None:
    """Print what was said in the first steps: what one posts, the others hear a step later, with noise."""
    x, y = np.cos(log.task[0]), np.sin(log.task[0])
    print(f"\nThe direction that paid in this trial was ({x:+.2f}, {y:+.2f}). What was said about it:\n")
    print("  step   belief as sent   heard after it   prior torque     reward   bits")
    for step in range(min(6, len(log))):
        sent, heard, prior = (log.fields[name][step][:2] for name in ("belief", "received_belief", "prior"))
        reward, bits = log.fields["reward"][step, 0], log.fields["bits"][step, 0]
        words = "   ".join(f"({a:+.2f}, {b:+.2f})" for a, b in (sent, heard, prior))
        print(f"  {step:4d}   {words}   {reward:+6.2f}   {bits:4.0f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50, help="control steps of an inner episode (50)")
    parser.add_argument("--out", type=Path, default=Path("runs/getting_started"), help="where pictures go")
    given = parser.parse_args(arguments)

    show_spaces(SCENARIO)

    env = ma_ssm_env.parallel_env(SCENARIO, horizon=given.steps)
    talking = scripted_team(env)  # a policy for each role; see ma_ssm_env/scripted.py
    log = MessageLog(env)
    returns = play_trial(env, talking, seed=0)
    print("A scripted team earned " + ", then ".join(f"{value:.1f}" for value in returns) + " in a trial.")
    show_conversation(log.trials[0])
    given.out.mkdir(parents=True, exist_ok=True)
    log.trials[0].draw(given.out / "trial.svg")
    log.trials[0].save(given.out / "trial.npz")
    print(f"\nAll of it: {given.out / 'trial.svg'}, a band of color for each number.\n")

    # The same game, batched: 20 held-out tasks x 5 trials are 100 worlds in one physics.
    rows = {
        "the scripted team": evaluate(SCENARIO, talking, horizon=given.steps),
        "the same, its sender muted": evaluate(
            SCENARIO, talking, horizon=given.steps, muted_roles={"state_modeling"}
        ),
    }
    print("Return of the first and the second inner episode, mean over 20 tasks x 5 trials:\n")
    for name, found in rows.items():
        first, second = found.returns.mean((0, 1))
        print(f"  {name:<28} {first:7.1f} {second:7.1f}")
    print("\nWhoever moves the body cannot sense what is paid: without the message it pushes at random.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
