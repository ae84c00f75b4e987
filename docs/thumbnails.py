"""Draw the pictures of the documentation: `MUJOCO_GL=egl python docs/thumbnails.py [CHECKPOINT]`.

One picture a scenario in docs/pictures/thumbs/, and three frames, a film strip and a message log in
docs/pictures/; with the checkpoint of a team on PointDir-v0 also a film of that. They are committed, since
the machines that build the site may have no OpenGL.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ma_ssm_env import SCENARIOS, parallel_env
from ma_ssm_env.message_log import MessageLog
from ma_ssm_env.play import from_checkpoint, play
from ma_ssm_env.scripted import scripted_team

PICTURES = Path(__file__).resolve().parent / "pictures"
TOP, BOTTOM, LEFT = 110, 319, 81  # the part of a frame that a thumbnail shows
THUMB = (400, 175)
AT = 12  # control step of a thumbnail


def frames(id: str, steps: int, every: int = 1, **options):
    env = parallel_env(id, render_mode="rgb_array", **options)
    shown = []
    for i, frame in enumerate(play(env, scripted_team(env), seed=1, every=every)):
        shown.append(frame)
        if i * every >= steps:
            break
    env.close()
    return shown


def thumbnails() -> None:
    for id in SCENARIOS:
        frame = frames(id, AT, AT)[-1]
        picture = Image.fromarray(frame[TOP:BOTTOM, LEFT : 640 - LEFT]).resize(
            THUMB, Image.Resampling.LANCZOS
        )
        picture.save(PICTURES / "thumbs" / f"{id}.webp", quality=55, method=6)


def pictures() -> None:
    for id, step in (("PointGoal-v0", 20), ("HalfCheetahFault-v0", 250), ("HumanoidDir-v0", 18)):
        Image.fromarray(frames(id, step, step)[-1]).save(PICTURES / f"frame-{id}.webp", quality=80, method=6)
    film = frames("HalfCheetahVel-v0", 25, 5)
    halves = [np.concatenate(film[i : i + 3], axis=1) for i in (0, 3)]
    strip = Image.fromarray(np.concatenate(halves))
    strip.resize((1440, 720), Image.Resampling.LANCZOS).save(PICTURES / "film.webp", quality=75, method=6)
    env = parallel_env("PointDir-v0")
    log = MessageLog(env)
    team, rng = scripted_team(env), np.random.default_rng(0)
    observations, _ = env.reset(seed=5)
    memory = {role: policy.initial_memory(1) for role, policy in team.items()}
    while env.agents:
        actions = {}
        for agent in env.agents:
            role = agent.removesuffix("_0")
            action, memory[role] = team[role].act(observations[agent][None], memory[role], rng)
            actions[agent] = action[0]
        observations, *_ = env.step(actions)
    log.trials[0].draw(PICTURES / "message-log.svg")


def trained_film(checkpoint: str) -> None:
    """Three frames of a trained team: the first steps, when it knows, and the second inner episode."""
    players, options, _ = from_checkpoint(checkpoint, "PointDir-v0")
    env = parallel_env("PointDir-v0", **{**options, "render_mode": "rgb_array"})
    film = list(play(env, players, seed=1))
    env.close()
    strip = Image.fromarray(np.concatenate([film[i] for i in (2, 12, 60)], axis=1))
    size = (1440, 360)
    strip.resize(size, Image.Resampling.LANCZOS).save(PICTURES / "film-trained.webp", quality=75, method=6)


if __name__ == "__main__":
    (PICTURES / "thumbs").mkdir(parents=True, exist_ok=True)
    thumbnails()
    pictures()
    if len(sys.argv) > 1:
        trained_film(sys.argv[1])
