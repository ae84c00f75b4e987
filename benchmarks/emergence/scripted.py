"""Scripted roles of which it is known whether they communicate: for controls and for calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ma_ssm_env import TeamVectorEnv
from ma_ssm_env.policy import Memory
from ma_ssm_env.roles import ACTING_ROLES, BELIEF_SIZE, ROLE_TABLE

Array = NDArray[np.float64]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class LinearRole:
    """Acts by weights on its observation, a constant, and noise of its own: a = clip(o W + b + e).

    Attributes:
        weights: W [O, A].
        bias: b [A].
        noise: deviation of e [A].
        persistence: e_t = persistence e_{t-1} + fresh noise, in [0, 1).
    """

    weights: Array
    bias: Array
    noise: Array
    persistence: float = 0.0

    def initial_memory(self, batch: int) -> Memory:
        """The noise before the first step [B, A]: none, so that e grows to its deviation."""
        return np.zeros((batch, len(self.bias)))

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] and the noise, which goes on."""
        fresh = rng.standard_normal(memory.shape) * self.noise
        memory = self.persistence * memory + np.sqrt(1.0 - self.persistence**2) * fresh
        action = observations.astype(np.float64) @ self.weights + self.bias + memory
        return np.clip(action, -1.0, 1.0).astype(np.float32), memory


@dataclass(frozen=True)
class DirectionModel:
    """A state-modeling role for planar Dir tasks: infers the direction from velocity and reward, and says it.

    Least squares of the rewards on the velocities so far, d = (sum v v' + I ridge)^-1 sum r v, is the
    belief's first two numbers; the next two are half the velocity.

    Attributes:
        fields: observation fields of the role.
        noise: deviation of noise on the belief.
        ridge: of the least squares, in velocity squared.
    """

    fields: Mapping[str, slice]
    noise: float = 0.0
    ridge: float = 0.01

    def initial_memory(self, batch: int) -> Memory:
        """Moments of velocity and reward [B, 2, 2] and [B, 2]."""
        return np.zeros((batch, 2, 2)), np.zeros((batch, 2))

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """The belief [B, 8] and the moments."""
        velocity = observations[:, self.fields["velocities"]].astype(np.float64)
        reward = observations[:, self.fields["last_reward"]].astype(np.float64)
        heard = 1.0 - observations[:, self.fields["episode_start"]].astype(np.float64)  # no reward there
        squares, products = memory
        squares = squares + heard[:, :, None] * velocity[:, :, None] * velocity[:, None, :]
        products = products + heard * reward * velocity
        direction = np.linalg.solve(squares + self.ridge * np.eye(2), products[..., None])[..., 0]
        belief = np.zeros((len(observations), BELIEF_SIZE))
        belief[:, :2] = direction
        belief[:, 2:4] = 0.5 * velocity
        belief += self.noise * rng.standard_normal(belief.shape)
        return np.clip(belief, -1.0, 1.0).astype(np.float32), (squares, products)


@dataclass(frozen=True)
class Layout:
    """Where fields lie in the roles' observations and actions, for writing weights by name."""

    observation: Mapping[str, Mapping[str, slice]]
    action: Mapping[str, Mapping[str, slice]]

    @classmethod
    def of(cls, scenario: str) -> Layout:
        """The layout of a scenario's acting roles."""
        env = TeamVectorEnv(scenario, 1)
        agents = {role: ROLE_TABLE[role].agent for role in ACTING_ROLES}
        return cls(
            {role: env.observation_fields(agent) for role, agent in agents.items()},
            {role: env.action_fields(agent) for role, agent in agents.items()},
        )

    def role(
        self,
        role: str,
        weights: Mapping[tuple[str, str], ArrayLike] | None = None,
        bias: Mapping[str, ArrayLike] | None = None,
        noise: Mapping[str, ArrayLike] | None = None,
        persistence: float = 0.0,
    ) -> LinearRole:
        """A linear role from blocks: (observation field, action field) -> weights; action field -> numbers.

        A block of weights that is narrower than its fields fills their first numbers.
        """
        seen, acts = self.observation[role], self.action[role]
        rows, columns = max(s.stop for s in seen.values()), max(s.stop for s in acts.values())
        matrix = np.zeros((rows, columns))
        for (source, target), block in (weights or {}).items():
            given = np.atleast_2d(np.asarray(block, dtype=np.float64))
            top, left = seen[source].start, acts[target].start
            matrix[top : top + given.shape[0], left : left + given.shape[1]] = given

        def row(values: Mapping[str, ArrayLike] | None) -> Array:
            filled = np.zeros(columns)
            for name, value in (values or {}).items():
                filled[acts[name]] = value
            return filled

        return LinearRole(matrix, row(bias), row(noise), persistence)

    def told_team(self, *, belief_noise: float = 0.0, gain: float = 1.0) -> dict[str, Any]:
        """A hand-written team for planar Dir: meta_learning can only succeed by reading the belief.

        state_modeling infers the direction and says it; meta_learning pushes along what it hears, on top of a
        push of its own that explores; adaptation and coordinator do nothing.
        """
        read = {("received_belief", "prior"): gain * np.eye(2)}
        return {
            "state_modeling": DirectionModel(self.observation["state_modeling"], noise=belief_noise),
            "meta_learning": self.role("meta_learning", read),
            "adaptation": self.role("adaptation"),
            "coordinator": self.role("coordinator", bias={"rate": 0.0}),
        }
