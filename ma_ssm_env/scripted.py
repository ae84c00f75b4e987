"""Teams without learning: a conversation that solves PointDir, and a gait for the other bodies.

They are for videos, for logs and for reading: what the roles of a team could say to each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.parallel import TeamEnv
from ma_ssm_env.policy import Float, Policy, ScriptedPolicy, neutral_policy
from ma_ssm_env.roles import AGENTS

GAIT_PERIOD = 0.4  # seconds


@dataclass(frozen=True)
class DirectionFinder:
    """Infers the direction that PointDir pays for, and posts it as the first two numbers of the belief.

    The reward of a step is v . d with v the mean velocity over the step, of which the sender knows the ends:
    it solves the least squares problem of its memory for d, with a ridge that stands for not knowing.

    Attributes:
        velocities, last_reward, episode_start: where these lie in the observation.
        belief_size: numbers of the belief.
    """

    velocities: slice
    last_reward: slice
    episode_start: slice
    belief_size: int

    def initial_memory(self, batch: int) -> tuple[NDArray[np.float64], NDArray[np.float64], Float]:
        """Normal equations [B, 2, 2] and [B, 2], and the velocity of the step before [B, 2]."""
        return (
            np.tile(0.05 * np.eye(2), (batch, 1, 1)),
            np.zeros((batch, 2)),
            np.zeros((batch, 2), np.float32),
        )

    def act(
        self,
        observations: Float,
        memory: tuple[NDArray[np.float64], NDArray[np.float64], Float],
        rng: np.random.Generator,
    ) -> tuple[Float, tuple[NDArray[np.float64], NDArray[np.float64], Float]]:
        """The belief [B, d] and the memory for the next step."""
        del rng
        matrix, vector, before = memory
        now, reward = observations[:, self.velocities], observations[:, self.last_reward]
        # Across the boundary of inner episodes the body was placed anew: no step lies between the two.
        known = 1.0 - observations[:, self.episode_start].astype(np.float64)
        mean = 0.5 * (before + now).astype(np.float64) * known
        matrix = matrix + mean[:, :, None] * mean[:, None, :]
        vector = vector + mean * reward * known
        direction = np.linalg.solve(matrix, vector[:, :, None])[:, :, 0]
        size = np.linalg.norm(direction, axis=1, keepdims=True)
        belief = np.zeros((len(now), self.belief_size), dtype=np.float32)
        belief[:, :2] = np.where(size > 0.1, direction / np.maximum(size, 0.1), 0.0)
        return belief, (matrix, vector, now)


def scripted_team(env: TeamEnv) -> dict[str, Policy]:
    """A policy for each role of `env`: a conversation on PointDir, and a gait elsewhere.

    The conversation needs the velocities; where they are hidden, PointDir gets the gait as well.
    """
    team: dict[str, Policy] = {
        AGENTS[a]: neutral_policy(env.action_space(a).shape[0]) for a in env.possible_agents
    }
    told = env.scenario.body.name == "Point" and env.scenario.variation.name == "Dir"
    told = told and not env.options.hide_velocities  # what the reward is compared with
    if told and {"state_modeling", "meta_learning", "coordinator"} <= set(team):
        fields = env.observation_fields("state_modeling_0")
        belief = env.action_fields("state_modeling_0")["belief"].stop
        finder = DirectionFinder(fields["velocities"], fields["last_reward"], fields["episode_start"], belief)
        team["state_modeling"] = finder
        received = env.observation_fields("meta_learning_0")["received_belief"]
        team["meta_learning"] = ScriptedPolicy(lambda seen, rng: _push(seen[:, received], rng))
        trusting = np.zeros(env.action_space("coordinator_0").shape, dtype=np.float32)
        trusting[env.action_fields("coordinator_0")["rate"]] = 1.0
        team["coordinator"] = ScriptedPolicy(lambda seen, rng: np.tile(trusting, (len(seen), 1)))
    elif not told and "meta_learning" in team:
        team["meta_learning"] = _gait(env)
    return team


def _push(heard: Float, rng: np.random.Generator) -> Float:
    # Nobody knows yet: try something, so that the reward can tell.
    direction = heard[:, :2]
    unknown = np.linalg.norm(direction, axis=1, keepdims=True) < 0.5
    tried = rng.uniform(-1.0, 1.0, direction.shape)
    return np.where(unknown, tried, np.clip(1.5 * direction, -1.0, 1.0)).astype(np.float32)


def _gait(env: TeamEnv) -> ScriptedPolicy:
    time_left = env.observation_fields("meta_learning_0")["time_left"]
    seconds = env.options.horizon * env.game.trials.physics.control_dt
    size = env.action_space("meta_learning_0").shape[0]
    phases = np.linspace(0.0, np.pi, size)

    def act(observations: Float, rng: np.random.Generator) -> Float:
        del rng
        time = (1.0 - observations[:, time_left]) * seconds
        torque: Float = (0.6 * np.sin(2.0 * np.pi * time / GAIT_PERIOD + phases)).astype(np.float32)
        return torque

    return ScriptedPolicy(act)
