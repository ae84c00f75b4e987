"""Train a team on PointDir, judge it on held-out tasks, film it, and find what its words mean.

    python examples/train_and_render_team.py

Takes 36 s of CPU time (32 of them train). Where nothing can be drawn (docs/pictures.md says what it takes)
the example says so and does the rest. Writes into `runs/example_team`: a checkpoint, `trial.svg` (what the
roles said), `film.svg` (pictures of the body above what was said) and `trial.mp4`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import films
from ma_ssm_env import Policy, TeamVectorEnv, parallel_env
from ma_ssm_env.evaluation import EVALUATION_SEED, evaluate
from ma_ssm_env.message_log import MessageLog, TrialLog
from ma_ssm_env.play import play, write_video
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scenarios import find_scenario
from policies import checkpoint
from policies.config import TrainConfig, tuned
from policies.train import players, train

SCENARIO = "PointDir-v0"
TASK = 3  # the test task that is filmed
Team = Mapping[str, Policy]


def train_team(steps: int, out: Path) -> dict[str, Policy]:
    """Train a five-role team for `steps` control steps, keep it in `out`, and return its policies by role."""
    config = TrainConfig(SCENARIO, team=True, steps=steps, ppo=tuned(SCENARIO))

    def report(taken: int, metrics: Mapping[str, float]) -> None:
        if taken % 25_600 == 0 or taken >= steps:
            found = metrics.get("episode_return")  # none where no inner episode ended
            value = "   ...  (none ended)" if found is None else f"{found:6.1f}"
            print(f"  {taken:7,d} steps: return of an inner episode {value}", flush=True)

    trained = train(config, on_iteration=report)
    checkpoint.save(out, trained.network, trained.config, trained.steps)
    team = players(trained.network)
    assert isinstance(team, dict)  # a team, not the twin
    return team


def logs_of(team: Team, tasks: np.ndarray) -> list[TrialLog]:
    """One logged trial of each task, all tasks side by side in one batch."""
    env = TeamVectorEnv(SCENARIO, len(tasks), absent_roles={"environment"})
    logs = [MessageLog(env, world) for world in range(len(tasks))]
    rng = np.random.default_rng(0)
    observations, _ = env.reset(seed=EVALUATION_SEED, options={"task": tasks})
    memories = {agent: team[AGENTS[agent]].initial_memory(len(tasks)) for agent in env.agents}
    while not all(log.trials for log in logs):
        actions = {}
        for agent in env.agents:
            actions[agent], memories[agent] = team[AGENTS[agent]].act(
                observations[agent], memories[agent], rng
            )
        observations = env.step(actions)[0]
    return [log.trials[0] for log in logs]


def meaning(logs: Sequence[TrialLog]) -> list[tuple[int, str, float]]:
    """What each number of the belief follows: (number, `cos` or `sin` of the hidden angle, correlation).

    A number is averaged over the second inner episode, when the task should be known.
    """
    said = np.array([log.fields["belief"][log.fields["episode"][:, 0] == 1].mean(0) for log in logs])
    angles = np.array([log.task[0] for log in logs])
    found = []
    for number, values in enumerate(said.T):
        pairs = []
        for name, hidden in (("cos", np.cos(angles)), ("sin", np.sin(angles))):
            still = values.std() < 1e-6
            pairs.append((name, 0.0 if still else float(np.corrcoef(values, hidden)[0, 1])))
        name, correlation = max(pairs, key=lambda pair: abs(pair[1]))
        found.append((number, name, correlation))
    return found


def film(team: Team, out: Path) -> None:
    """Draw the body: a strip of pictures over what was said, and a video."""
    trial = films.play(SCENARIO, team, TASK)
    (out / "film.svg").write_text(films.strip(trial), encoding="utf-8")
    print(f"  {out / 'film.svg'}")
    env = parallel_env(SCENARIO, render_mode="rgb_array", absent_roles={"environment"})
    task = find_scenario(SCENARIO).variation.tasks("test")[TASK]
    frames = play(env, team, seed=0, task=task)
    count = write_video(out / "trial.mp4", frames, env.metadata["render_fps"])
    env.close()
    print(f"  {out / 'trial.mp4'}, {count} frames")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000, help="control steps of training (100000)")
    parser.add_argument("--out", type=Path, default=Path("runs/example_team"), help="folder for everything")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the networks are small; more threads only get in each other's way
    given.out.mkdir(parents=True, exist_ok=True)

    print(f"Training a team on {SCENARIO} (in {given.out}):")
    team = train_team(given.steps, given.out)

    print("\nReturn of the first and the second inner episode on 20 held-out tasks x 5 trials")
    print("(116 is what one agent that is shown the task earns, 0 what can be earned blind):")
    for name, muted in (("the team", set()), ("its sender muted", {"state_modeling"})):
        found = evaluate(SCENARIO, team, muted_roles=muted)
        first, second = found.returns.mean((0, 1))
        print(f"  {name:<18} {first:6.1f} {second:6.1f}   {found.bits.mean():4.1f} bits a step")

    logs = logs_of(team, find_scenario(SCENARIO).variation.tasks("test"))
    print("\nWhat the numbers of the belief follow in the second inner episode, over the 20 tasks:")
    for number, name, correlation in meaning(logs):
        print(f"  number {number}: {name} of the hidden direction, correlation {correlation:+.2f}")

    print("\nPictures:")
    logs[TASK].draw(given.out / "trial.svg")
    print(f"  {given.out / 'trial.svg'}")
    try:
        film(team, given.out)
    except RuntimeError as error:  # no OpenGL, or no video encoder
        print(f"  no film: {error}")
    print(f"\nNext: python examples/analyse_emergence.py {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
