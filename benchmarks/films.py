"""A film strip of a trained team with what its roles say: `python -m benchmarks.films CHECKPOINT --out DIR`.

One trial on a test task is played; the strip shows pictures of the body through the trial, and under them,
on one time axis, what the roles post and the reward. It goes to OUT/films/, where `python -m
benchmarks.report OUT` finds it. Needs MuJoCo's off-screen rendering (MUJOCO_GL=egl or osmesa) and Pillow
(which comes with matplotlib).
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ma_ssm_env import Policy, parallel_env
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import EVALUATION_SEED
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies import checkpoint
from policies.train import players

PICTURES = 8
_WIDTH, _GAP, _PANEL, _LEFT = 960.0, 6.0, 46.0, 92.0
_COLOURS = ("#0067a8", "#c75300", "#008a64", "#b0578d", "#a37700", "#3f93c4", "#6a4fb3", "#8a5a2b")
_DARK = ("#5bb0f0", "#ff9a57", "#3ccfa0", "#e79cc7", "#eac54f", "#a3d3f5", "#b7a3ff", "#d9a979")


@dataclass
class Trial:
    """What was seen of one trial.

    Attributes:
        scenario: Its id.
        task: The task, in the law's units.
        frames: Pictures, with the step that each shows.
        said: What was posted at each step, by field: lists of [n].
        rewards: The plain task reward of each step.
        ends: Steps at which an inner episode ended.
        returns: Return of each inner episode.
    """

    scenario: str
    task: NDArray[np.float64]
    frames: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    said: dict[str, list[NDArray[np.floating]]] = field(default_factory=dict)
    rewards: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)


def play(scenario: str, team: Mapping[str, Policy], task: int, **options: object) -> Trial:
    """Play one trial of a team on a test task, with pictures.

    Args:
        scenario: Its id.
        team: A policy for each role that is there, by the role's name.
        task: Which of the test tasks.
        options: Options of the environment.

    Raises:
        RuntimeError: There is no OpenGL context.
        IndexError: There is no such task.
    """
    found = find_scenario(scenario)
    tasks = found.variation.tasks("test")
    if not 0 <= task < len(tasks):
        raise IndexError(f"task {task}: {scenario} has test tasks 0 to {len(tasks) - 1}")
    absent = frozenset(role for role in AGENTS.values() if role not in team)
    env = parallel_env(scenario, render_mode="rgb_array", absent_roles=absent, **options)
    trial = Trial(scenario, np.asarray(tasks[task]))
    steps = found.horizon * env.game.options.episodes_per_trial
    shown = {round(i * (steps - 1) / (PICTURES - 1)) for i in range(PICTURES)}
    rng = np.random.default_rng(0)
    try:
        observations, _ = env.reset(seed=EVALUATION_SEED + task, options={"task": tasks[task]})
        memories = {agent: team[AGENTS[agent]].initial_memory(1) for agent in env.agents}
        while env.agents:
            if len(trial.rewards) in shown:
                trial.frames.append((len(trial.rewards), np.asarray(env.render())))
            actions = {}
            for agent in env.agents:
                act = team[AGENTS[agent]].act
                action, memories[agent] = act(observations[agent][None], memories[agent], rng)
                actions[agent] = action[0]
                for name, where in env.action_fields(agent).items():
                    if name != "proposal":  # of the next trial's task: nothing is said in this one
                        trial.said.setdefault(name, []).append(np.clip(action[0][where], -1, 1))
            observations, _, _, _, infos = env.step(actions)
            info = next(iter(infos.values()))
            trial.rewards.append(info["task_reward"])
            if info["episode_ended"]:
                trial.ends.append(len(trial.rewards))
                trial.returns.append(info["episode_return"])
    finally:
        env.close()
    return trial


def strip(trial: Trial) -> str:
    """The film strip as SVG, light and dark by the reader's scheme."""
    steps = len(trial.rewards)
    plot = _WIDTH - _LEFT
    size = (plot - _GAP * (len(trial.frames) - 1)) / len(trial.frames)
    parts, top = [], size * 0.75 + 22
    for index, (step, frame) in enumerate(trial.frames):
        x = _LEFT + index * (size + _GAP)
        parts.append(
            f'<image x="{x:.1f}" y="0" width="{size:.1f}" height="{size * 0.75:.1f}" href="{_jpeg(frame)}"/>'
            f'<text x="{x + size / 2:.1f}" y="{size * 0.75 + 14:.1f}" text-anchor="middle">step {step}</text>'
        )
    rewards = np.asarray(trial.rewards)[:, None]
    scale = float(np.abs(rewards).max()) or 1.0
    panels: dict[str, NDArray[np.floating]] = {
        name: np.asarray(values) for name, values in trial.said.items()
    }
    panels["reward"] = rewards / scale
    places = _LEFT + plot * (np.arange(steps) + 0.5) / steps
    for row, (name, values) in enumerate(panels.items()):
        middle = top + row * (_PANEL + 8) + _PANEL / 2
        parts.append(
            f'<text x="0" y="{middle + 4:.1f}">{escape(name)}</text>'
            f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        )
        for line, column in enumerate(values.T):
            y = middle - column * _PANEL / 2
            path = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(places, y, strict=True))
            parts.append(f'<path class="c{line % len(_COLOURS)}" d="M{path}"/>')
    bottom = top + len(panels) * (_PANEL + 8)
    for end in trial.ends[:-1]:
        x_end = _LEFT + plot * end / steps
        parts.append(
            f'<line class="end" x1="{x_end:.1f}" x2="{x_end:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
        )
    light = "".join(f".c{i}{{stroke:{c}}}" for i, c in enumerate(_COLOURS))
    dark = "".join(f".c{i}{{stroke:{c}}}" for i, c in enumerate(_DARK))
    style = (
        "text{font:12px system-ui,sans-serif;fill:#5b636c}path{fill:none;stroke-width:1.4}"
        f".axis{{stroke:#d0cec7}}.end{{stroke:#5b636c;stroke-dasharray:4 3}}{light}"
        f"@media(prefers-color-scheme:dark){{text{{fill:#a3abb5}}.axis{{stroke:#40464f}}{dark}}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {bottom:.0f}" width="{_WIDTH:g}">'
        f"<style>{style}</style>{''.join(parts)}</svg>\n"
    )


def caption(trial: Trial) -> str:
    """What the strip shows, in a sentence or two."""
    task = ", ".join(f"{value:.2f}" for value in trial.task)
    returns = ", ".join(f"{value:.1f}" for value in trial.returns)
    largest = max(abs(reward) for reward in trial.rewards)
    return (
        f"A trained team on {trial.scenario}, test task ({task}); return of its inner episodes: {returns}. "
        "Under the pictures what the roles post at each step, from -1 at the bottom to 1 at the top of a row "
        f"(the reward in units of {largest:.3g}); a dashed line ends an inner episode."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.films", description="Make a film strip of a trained team for the report."
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder that training wrote")
    parser.add_argument("--out", type=Path, required=True, help="results folder: the strip goes to OUT/films")
    parser.add_argument("--task", type=int, default=3, help="which test task (default: %(default)s)")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        network, config, trained = checkpoint.load(given.checkpoint)
        checkpoint.require_whole(given.checkpoint, config)
        team = players(network)
        if not isinstance(team, Mapping):
            raise ValueError(f"{given.checkpoint}: one agent, not a team: it has no roles that say anything")
        trial = play(config.scenario, team, given.task, **config.options)
    except (ValueError, IndexError, RuntimeError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    folder = given.out / "films"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{config.scenario}-seed{config.seed}-task{given.task}.svg"
    replace_file(path.with_suffix(".txt"), f"{caption(trial)} Trained for {trained:,} control steps.\n")
    replace_file(path, strip(trial))
    print(path)
    return 0


def _jpeg(frame: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(frame).resize((320, 240)).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    exit_with(main)
