"""Pictures, in a process of its own: the choice of the OpenGL library is made when MuJoCo is imported."""

import copy
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ma_ssm_env import parallel_env, single_agent_env, vector_env
from ma_ssm_env.rendering import Renderer
from ma_ssm_env.strip import caption, team_panels

SCRIPT = """
import copy, pickle
import numpy as np
import ma_ssm_env

for make in (ma_ssm_env.parallel_env, ma_ssm_env.single_agent_env):
    for id in ("PointDir-v0", "HalfCheetahVel-v0"):
        env = make(id, render_mode="rgb_array")
        env.reset(seed=0)
        first = env.render()
        assert first.shape == (480, 640, 3) and first.dtype == np.uint8, (first.shape, first.dtype)
        assert first.std() > 5, "the picture is uniform"
        first[:] = 0
        again = env.render()
        assert again.any(), "the picture is a fresh array"
        for _ in range(15):
            if hasattr(env, "agents"):
                env.step({a: np.ones(env.action_space(a).shape) for a in env.agents})
            else:
                env.step(np.ones(env.action_space.shape))
        assert (env.render() != again).any(), "the body has moved"
        before = env.clone_state()
        for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
            np.testing.assert_array_equal(other.state(), env.state())
            np.testing.assert_array_equal(other.render(), env.render())
            other.close()
        env.close()
        env.close()
batch = ma_ssm_env.single_agent_env("PointDir-v0", 2, render_mode="rgb_array")
batch.reset(seed=0)
frames = batch.render()
assert [f.shape for f in frames] == [(480, 640, 3)] * 2
assert (frames[0] != frames[1]).any()
for other in (pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch)):
    for worlds in (batch, other):
        for _ in range(15):
            worlds.step(np.ones((2, 2)))
    assert (np.array(other.render()) != frames).any(), "the copy draws its own worlds"
    other.close()
batch.close()
team = ma_ssm_env.vector_env("PointDir-v0", 2, render_mode="rgb_array")
team.reset(seed=0)
pair = team.render()
assert [f.shape for f in pair] == [(480, 640, 3)] * 2 and (pair[0] != pair[1]).any()
team.close()
team.close()

# The strip: the third panel of the first row is the correction; only it differs when the correction does.
frames = []
for correction in (-0.8, 0.8):
    env = ma_ssm_env.parallel_env("PointDir-v0", render_mode="rgb_array")
    env.reset(seed=0)
    says = {a: np.zeros(env.action_space(a).shape) for a in env.agents}
    says["adaptation_0"][:] = correction
    says["coordinator_0"][:2] = -1  # trust nothing: the body moves alike
    env.step(says)
    frames.append(env.render().astype(int))
    env.close()
rows, columns = np.nonzero((frames[0] != frames[1]).any(2))
assert rows.min() >= 324 and rows.max() < 406 and columns.min() >= 424, (rows, columns)
up = frames[1][352:375, 430:628]
assert (up[:, :, 2] > up[:, :, 0] + 50).any(), "positive numbers are blue and go up"
down = frames[0][376:398, 430:628]
assert (down[:, :, 0] > down[:, :, 2] + 50).any(), "negative numbers are orange and go down"
print("seen")
"""


@pytest.mark.usefixtures("opengl")
@pytest.mark.parametrize("backend", [{"MUJOCO_GL": "egl"}, {}], ids=["egl", "no screen, nothing set"])
def test_frames(backend):
    ran = in_a_process(SCRIPT, **backend)
    assert (ran.returncode, ran.stdout) == (0, "seen\n"), ran.stderr


def test_without_an_opengl_context_the_remedy_is_named():
    script = (
        "import ma_ssm_env\n"
        "env = ma_ssm_env.parallel_env('PointDir-v0', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "try:\n    env.render()\n"
        "except RuntimeError as error:\n    print(error)\n"
        "env.step({a: [0.0] * env.action_space(a).shape[0] for a in env.agents})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "MUJOCO_GL": "disable"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert (
        "no OpenGL context for rendering; on Debian: apt-get install libegl1 libegl-mesa0 libgl1"
        in ran.stdout
    )


WINDOW = """
import pickle
import numpy as np
import ma_ssm_env

env = ma_ssm_env.parallel_env("PointDir-v0", render_mode="human")
env.reset(seed=0)  # opens the window
canvas = env._renderer._canvas
assert canvas.has_window
for _ in range(3):
    env.step({a: np.ones(env.action_space(a).shape) for a in env.agents})
assert env.render() is None
env._renderer._draw(canvas, 0)
assert canvas.pixels().std() > 5, "the window is uniform"
assert pickle.loads(pickle.dumps(env)).render_mode == "human"
env.close()
env.close()
print("seen")
"""


def in_a_process(script, **environment):
    screen = ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY")
    given = {name: value for name, value in os.environ.items() if name not in screen}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**given, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_a_window_on_a_screen():
    if shutil.which("xvfb-run") is None:
        pytest.skip("no screen to draw on; on Debian: apt-get install xvfb xauth")
    ran = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", WINDOW],
        env={name: value for name, value in os.environ.items() if name != "MUJOCO_GL"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (ran.returncode, ran.stdout) == (0, "seen\n"), ran.stderr


@pytest.mark.parametrize(
    ("backend", "why"), [("", "GLFW finds no screen"), ("egl", "draws off the screen only")]
)
def test_without_a_screen_the_remedy_is_named(backend, why, request):
    if backend == "egl":
        request.getfixturevalue("opengl")
    ran = in_a_process(WINDOW, MUJOCO_GL=backend)
    assert ran.returncode == 1
    assert "render_mode='human': no window could be opened: " in ran.stderr
    assert why in ran.stderr
    assert "take render_mode='rgb_array'" in ran.stderr


def test_a_batch_has_no_window():
    for make in (vector_env, single_agent_env):
        with pytest.raises(ValueError, match="a window shows one world; take 'rgb_array' for a batch"):
            make("PointDir-v0", 2, render_mode="human")


@pytest.mark.parametrize(
    ("scenario", "task", "words"),
    [
        ("HalfCheetahVel-v0", [1.25], "HalfCheetahVel-v0: speed 1.25 m/s"),
        ("PointGoal-v0", [1.0, -0.5], "PointGoal-v0: radius 1.00 m, angle -0.50 rad"),
        ("HopperMass-v0", [-1.0], "HopperMass-v0: mass x 0.67"),
        ("AntCripple-v0", [0], "AntCripple-v0: actuator 2 is dead, actuator 3 is dead"),
        ("HalfCheetahFault-v0", [4], "HalfCheetahFault-v0: all actuators work"),
        ("HopperRandParams-v0", None, "and 13 more"),
        ("Swimmer-v0", None, "Swimmer-v0: no hidden task"),
    ],
)
def test_the_caption_tells_the_task(scenario, task, words):
    env = parallel_env(scenario)
    env.reset(seed=0, options=None if task is None else {"task": task})
    first, second = caption(env.game.trials, 0)
    assert words in first
    trials = env.game.trials
    assert second.startswith(f"inner episode 1/{trials.options.episodes_per_trial}, step 0/")
    assert ("before" in second) == trials.variation.changes
    assert second.endswith("return 0.0")


def test_the_panels_say_who_is_muted_and_what_was_sent():
    env = parallel_env("PointDir-v0", muted_roles={"state_modeling"}, absent_roles={"adaptation"})
    env.reset(seed=0)
    env.step({a: np.full(env.action_space(a).shape, 0.5, np.float32) for a in env.agents})
    belief, prior, correction, trust, torque, rate = team_panels(env.game, 0)
    assert belief.title == "belief (line: as sent) (muted)"
    assert not belief.bars.any()
    np.testing.assert_array_equal(belief.ticks, np.full(8, 0.5))
    np.testing.assert_array_equal(prior.bars, np.full(2, 0.5))
    assert correction.title == "correction (muted)"
    assert not correction.bars.any()
    np.testing.assert_array_equal(trust.bars, np.full(2, 0.5))
    np.testing.assert_array_equal(torque.bars, np.full(2, 0.5))
    assert rate.title == "rate +0.50, 0 bits"
    other = pickle.loads(pickle.dumps(env))
    np.testing.assert_array_equal(team_panels(other.game, 0)[0].ticks, belief.ticks)


def test_nothing_is_drawn_unasked():
    for env in (
        parallel_env("PointDir-v0"),
        single_agent_env("PointDir-v0"),
        single_agent_env("PointDir-v0", 2),
    ):
        env.reset(seed=0)
        assert env.render_mode is None
        assert env.render() is None


@pytest.mark.parametrize("make", [vector_env, single_agent_env])
def test_a_copy_of_a_batch_draws_its_own_worlds(make, monkeypatch, random_actions):
    monkeypatch.setattr(Renderer, "frame", lambda self, world: (self._trials, self._panels(world)))
    env = make("PointDir-v0", 2, render_mode="rgb_array")
    env.reset(seed=0)
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        for _ in range(5):
            other.step(random_actions(other, np.random.default_rng(0)))
        (trials, panels), _ = other.render()
        (own, before), _ = env.render()
        assert trials is other.game.trials
        assert own is env.game.trials
        assert [panel.bars.tolist() for panel in panels] != [panel.bars.tolist() for panel in before]
