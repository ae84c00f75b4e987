"""Write a video of one trial: `python -m ma_ssm_env.play ID [--checkpoint C] --out trial.mp4`.

Who plays: `random` (the default), `neutral`, `scripted` (module `scripted`), a checkpoint, or anything that
speaks the policy protocol, given as `--policy module:function`: the function is called with the environment
and returns a policy for each role, or one policy with `--twin`.

Checkpoints belong to the package `policies` of the checkout, which needs PyTorch. This package imports
neither; `--checkpoint` looks for `policies` by name when it is asked to, and says so where it is not there.
What a checkpoint holds is read by `policies.checkpoint`, which never executes code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.commands import exit_with
from ma_ssm_env.parallel import TeamEnv
from ma_ssm_env.policy import Players, Policy, neutral_policy, random_policy
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scripted import scripted_team
from ma_ssm_env.single_agent import SingleAgentEnv
from ma_ssm_env.whole_file import replaced

Frames = Iterator[NDArray[np.uint8]]
FASTEST = 50.0  # frames a second of a video; steps beyond are left out
VIDEOS = (".mp4", ".gif", ".webm", ".mkv", ".mov", ".avi")
NO_ENCODER = "writing {path} needs imageio and imageio-ffmpeg: pip install 'ma-ssm-env[render]'"


def play(
    env: TeamEnv | SingleAgentEnv, players: Players, *, seed: int, task: Any = None, every: int = 1
) -> Frames:
    """Frames of one trial, the first and the last step's included, one for `every` steps.

    Args:
        env: with `render_mode="rgb_array"`.
        players: a policy for each role that is present, or one for the twin.
        seed: of the world, and of the players' sampling.
        task: the hidden task in the law's units; None draws one.
        every: steps a frame.

    Raises:
        ValueError: players that do not fit the environment, or a role without one.
    """
    options = None if task is None else {"task": task}
    rng = np.random.default_rng(seed)
    observations: Any = env.reset(seed=seed, options=options)[0]
    acting: dict[str, Policy]
    if isinstance(env, TeamEnv):
        if not isinstance(players, Mapping):
            raise ValueError(f"{env.scenario.id}: a policy for each role is expected, not {players!r}")
        missing = [AGENTS[a] for a in env.possible_agents if AGENTS[a] not in players]
        if missing:
            raise ValueError(f"{env.scenario.id}: no policy for {', '.join(missing)}")
        acting = {agent: players[AGENTS[agent]] for agent in env.possible_agents}
    else:
        if isinstance(players, Mapping):
            raise ValueError(f"{env.scenario.id}: one policy is expected for the twin, not one a role")
        acting = {"": players}
    memories = {agent: policy.initial_memory(1) for agent, policy in acting.items()}
    yield _frame(env)
    step, over = 0, False
    while not over:
        actions = {}
        for agent, policy in acting.items():
            seen: Any = observations[agent] if agent else observations
            action, memories[agent] = policy.act(seen[None], memories[agent], rng)
            actions[agent] = action[0]
        if isinstance(env, TeamEnv):
            observations, _, _, _, _ = env.step(actions)
            over = not env.agents
        else:
            observations, _, over, _, _ = env.step(actions[""])
        step += 1
        if over or step % every == 0:
            yield _frame(env)


def _frame(env: TeamEnv | SingleAgentEnv) -> NDArray[np.uint8]:
    frame = env.render()
    if frame is None:
        raise ValueError(f"{env.scenario.id}: play needs an environment with render_mode='rgb_array'")
    picture: NDArray[np.uint8] = frame
    return picture


def write_video(path: str | os.PathLike[str], frames: Frames, fps: float) -> int:
    """Write `frames` as a video (`.mp4`, `.gif`, ...) and return how many there were.

    The file appears when it is whole.

    Raises:
        RuntimeError: imageio, or its encoder, is not installed.
        ValueError: the name does not end as that of a video.
    """
    file = Path(path)
    try:
        imageio = importlib.import_module("imageio.v2")
        if file.suffix != ".gif":
            importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise RuntimeError(NO_ENCODER.format(path=file)) from error
    if file.suffix.lower() not in VIDEOS:
        raise ValueError(f"{file}: no kind of video; a name that ends in {', '.join(VIDEOS)} is expected")
    settings = {"duration": 1000.0 / fps, "loop": 0} if file.suffix == ".gif" else {"fps": fps}
    count = 0
    with (
        replaced(file, suffix=file.suffix) as beside,
        imageio.get_writer(beside, **settings) as writer,
    ):
        for frame in frames:
            writer.append_data(frame)
            count += 1
    return count


def from_checkpoint(folder: str, scenario: str) -> tuple[Players, dict[str, Any], bool]:
    """Players, the options that they were trained with, and whether they are a team.

    Raises:
        RuntimeError: `policies` or PyTorch cannot be imported.
        ValueError: no checkpoint, one of another scenario, or one that holds but a part of its team.
    """
    try:
        checkpoint = importlib.import_module("policies.checkpoint")
        train = importlib.import_module("policies.train")
    except ImportError as error:
        raise RuntimeError(
            f"--checkpoint needs the package `policies` of a checkout of ma-ssm-env, and PyTorch: run "
            "this from "
            f"the checkout, after `make setup` ({error})"
        ) from error
    network, config, _ = checkpoint.load(folder)
    if config.scenario != scenario:
        raise ValueError(f"{folder}: trained on {config.scenario}, not on {scenario}")
    checkpoint.require_whole(folder, config)
    players, options = train.players(network), dict(config.options)
    if config.team:  # as in evaluation: roles without a policy are absent, tasks come from the distribution
        missing = {role for role in AGENTS.values() if role not in players}
        options["absent_roles"] = missing | set(options.get("absent_roles", ()))
        options["task_source"] = "distribution"
    return players, options, bool(config.team)


def named_players(name: str, env: TeamEnv | SingleAgentEnv) -> Players:
    """`random`, `neutral`, `scripted`, or what `module:function` returns for this environment.

    Raises:
        ValueError: an unknown name, or a module or function that is not there.
    """
    if ":" in name:
        module, _, function = name.partition(":")
        try:
            make: Callable[[Any], Players] = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"--policy {name}: {error}") from error
        return make(env)
    known = {"random": random_policy, "neutral": neutral_policy}
    if name == "scripted" and isinstance(env, TeamEnv):
        return scripted_team(env)
    if name not in known:
        raise ValueError(
            f"--policy {name}: one of random, neutral, scripted (teams) or module:function is expected"
        )
    if isinstance(env, TeamEnv):
        return {AGENTS[a]: known[name](env.action_space(a).shape[0]) for a in env.possible_agents}
    return known[name](env.action_space.shape[0])  # type: ignore[index]


def ask_who_plays(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say who plays: `--checkpoint` or `--policy`, and `--twin`."""
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--checkpoint", help="folder that `python -m policies.train` wrote")
    who.add_argument("--policy", default="random", help="random, neutral, scripted, or module:function")
    parser.add_argument("--twin", action="store_true", help="the single-agent twin instead of the team")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 where something that was asked for cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m ma_ssm_env.play",
        description="Write a video of one trial.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("scenario", help="id, such as HalfCheetahVel-v0")
    parser.add_argument("--out", required=True, help=f"the video: {', '.join(VIDEOS)}")
    ask_who_plays(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the world and of sampling")
    parser.add_argument("--task", type=float, nargs="+", help="the hidden task, in the law's units")
    given = parser.parse_args(arguments)
    try:
        options: dict[str, Any] = {}
        players: Players | None = None
        team = not given.twin
        if given.checkpoint:
            players, options, team = from_checkpoint(given.checkpoint, given.scenario)
        make = TeamEnv if team else SingleAgentEnv
        env = make(given.scenario, **{**options, "render_mode": "rgb_array"})
        if players is None:
            players = named_players(given.policy, env)
        every = max(1, -(-int(env.metadata["render_fps"]) // int(FASTEST)))
        frames = play(env, players, seed=given.seed, task=given.task, every=every)
        count = write_video(given.out, frames, env.metadata["render_fps"] / every)
        env.close()
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{given.out}: {count} frames of {given.scenario}")
    return 0


if __name__ == "__main__":
    exit_with(main)
