"""Pictures, in a process of its own: the choice of the OpenGL library is made when MuJoCo is imported."""

import ctypes.util
import os
import subprocess
import sys

import pytest

from ma_ssm_env import parallel_env, single_agent_env

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
pickle.loads(pickle.dumps(batch))
batch.close()
print("seen")
"""


def test_frames():
    if ctypes.util.find_library("EGL") is None:
        pytest.skip("no OpenGL library here; on Debian: apt-get install libegl1 libegl-mesa0 libgl1")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "MUJOCO_GL": "egl"},
        capture_output=True,
        text=True,
        timeout=100,
    )
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


def test_nothing_is_drawn_unasked():
    for env in (
        parallel_env("PointDir-v0"),
        single_agent_env("PointDir-v0"),
        single_agent_env("PointDir-v0", 2),
    ):
        env.reset(seed=0)
        assert env.render_mode is None
        assert env.render() is None
