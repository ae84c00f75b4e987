"""Controls of the comparison: games that give one agent, or the team, just what the other has.

- `handicap=True`: the twin's velocities and last reward come as the team's acting roles get them at best:
  one step late and through a Gaussian channel of the same capacity. The fields keep their names and places.
- `scratchpad=True`: the twin's agent has an extra action `scratch` of the belief's width, which it observes
  at the next step (`last_scratch`), as a team without memory can loop information through the blackboard.
- `fixed_trust=True`: the team's coordinator acts on the rate alone; trust is 1/2 whatever it says.
- `fixed_rate=1.0`: it acts on the trust alone; the rate is this number, in [-1, 1], whatever it says.
- `belief_size=4`: of the belief's 8 numbers only the first 4 are sent and heard, and bits and their cost
  are in proportion.

The channel carries 64 nominal bits a step, as the team's does at full rate, in equal shares over the n
numbers sent: R = 64 / n bits each. A sensed x is sent as asinh(x) / 3 (1 at x = 10), as velocities and
rewards know no bound, and arrives as the blackboard's channel would give it. Noise is the world's own channel
substream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ma_ssm_env.actions import check_mapping, checked_action
from ma_ssm_env.blackboard import R_MAX
from ma_ssm_env.cloned_state import require_kind
from ma_ssm_env.options import plain_number, whole_number
from ma_ssm_env.roles import ACTING_ROLES, AGENTS, BELIEF_SIZE, BOUNDS, action_box, observation_box
from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.single_agent_vector import SingleAgentVectorEnv
from ma_ssm_env.streams import Purpose, substream
from ma_ssm_env.team import TeamStep
from ma_ssm_env.team_vector import TeamVectorEnv

Float = NDArray[np.float32]
DELAYED = ("velocities", "last_reward")
COMPRESSION = 3.0
_MOST_BITS = 50.0  # of one number: float32 resolves no more than 24, and the snr of 64 would overflow it


def twin_vector_env(
    scenario: str | Scenario,
    num_envs: int,
    *,
    handicap: bool = False,
    scratchpad: bool = False,
    **options: Any,
) -> Any:
    """The twin's vector environment, with its handicap, its scratchpad, both or neither."""
    env: Any = SingleAgentVectorEnv(scenario, num_envs, **options)
    if handicap:
        env = HandicappedTwin(env)
    return ScratchpadTwin(env) if scratchpad else env


def team_vector_env(
    scenario: str | Scenario,
    num_envs: int,
    *,
    fixed_trust: bool = False,
    fixed_rate: float | None = None,
    belief_size: int = BELIEF_SIZE,
    **options: Any,
) -> Any:
    """The team's vector environment, with trust and rate fixed or not, and a narrower belief or not."""
    env: Any = TeamVectorEnv(scenario, num_envs, **options)
    if fixed_trust:
        env = FixedTrustTeam(env)
    if fixed_rate is not None:
        env = FixedRateTeam(env, fixed_rate)
    return env if belief_size == BELIEF_SIZE else NarrowBeliefTeam(env, belief_size)


def through_channel(values: Float, noise: Float) -> Float:
    """What arrives of sensed `values` [B, n] that are sent together at full rate, with noise eps [B, n]."""
    bits = min(R_MAX * BELIEF_SIZE / values.shape[1], _MOST_BITS)
    ratio = np.float32(2.0 ** (2.0 * bits) - 1.0)
    sent = np.arcsinh(values) / np.float32(COMPRESSION)
    received = (ratio * sent + np.sqrt(ratio) * noise) / (np.float32(1.0) + ratio)
    bound = np.float32(BOUNDS["received_belief"])
    clipped: Float = np.clip(received, -bound, bound).astype(np.float32)
    return clipped


class _Around:
    """What the wrappers of a vector environment share: everything that they do not change is the env's."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.env, name)


class HandicappedTwin(_Around):
    """The twin with late, noisy velocities and reward."""

    def __init__(self, env: SingleAgentVectorEnv) -> None:
        super().__init__(env)
        fields = env.observation_fields()
        columns = [np.arange(fields[name].start, fields[name].stop) for name in DELAYED if name in fields]
        self._columns = np.concatenate(columns)
        self._start = fields["episode_start"].start
        self._noise = np.zeros((env.num_envs, env.options.horizon, len(self._columns)), np.float32)
        self._before = np.zeros((env.num_envs, len(self._columns)), np.float32)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin the next trial of every world: observations [B, O] and infos."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return self._handicapped(observations, np.ones(len(observations), dtype=bool)), infos

    def step(
        self, actions: Any
    ) -> tuple[Float, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One control step under torques [B, m]: observations [B, O], rewards and ends [B], infos.

        Where a trial ended, `final_obs` is as the twin without handicap sees it.
        """
        observations, rewards, ended, truncated, infos = self.env.step(actions)
        return self._handicapped(observations, ended), rewards, ended, truncated, infos

    def _handicapped(self, observations: Float, began: NDArray[np.bool_]) -> Float:
        trials = self.env.game.trials
        for world in np.flatnonzero(observations[:, self._start]):
            address = (int(trials.seeds[world]), Purpose.CHANNEL, int(trials.trial[world]))
            generator = substream(*address, int(trials.episode[world]))
            self._noise[world] = generator.standard_normal(self._noise.shape[1:], dtype=np.float32)
        noise = self._noise[np.arange(len(observations)), trials.clock]
        sensed = observations[:, self._columns]
        observations[:, self._columns] = np.where(
            began[:, None], np.float32(0.0), through_channel(self._before, noise)
        )
        self._before = sensed
        return observations

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on."""
        return {"env": self.env.clone_state(), "noise": self._noise.copy(), "before": self._before.copy()}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        require_kind(state, dict.fromkeys(("env", "noise", "before")), "the handicapped twin")
        self.env.restore_state(state["env"])
        self._noise, self._before = state["noise"].copy(), state["before"].copy()


class ScratchpadTwin(_Around):
    """The twin with a few numbers that it may write in one step and reads in the next."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        seen, done = env.observation_fields(), env.single_action_space.shape[0]
        size = max(where.stop for where in seen.values())
        self._observes = {**seen, "last_scratch": slice(size, size + BELIEF_SIZE)}
        self.action_fields = {"torque": slice(0, done), "scratch": slice(done, done + BELIEF_SIZE)}
        self.single_observation_space = observation_box(self._observes)
        self.single_action_space = action_box(self.action_fields)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self.action_space = batch_space(self.single_action_space, env.num_envs)
        self._scratch = np.zeros((env.num_envs, BELIEF_SIZE), np.float32)

    def observation_fields(self) -> dict[str, slice]:
        """Where each field lies in an observation."""
        return dict(self._observes)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin the next trial of every world, with an empty scratchpad: observations [B, O] and infos."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._scratch = np.zeros_like(self._scratch)
        return np.concatenate([observations, self._scratch], axis=1), infos

    def step(
        self, actions: Any
    ) -> tuple[Float, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One control step under actions [B, m + d]; `final_obs` is without the scratchpad."""
        shape = (self.env.num_envs, self.action_fields["scratch"].stop)
        given = checked_action(self.env.scenario.id, "the agent", actions, shape)
        observations, rewards, ended, truncated, infos = self.env.step(given[:, self.action_fields["torque"]])
        self._scratch = np.where(ended[:, None], np.float32(0.0), given[:, self.action_fields["scratch"]])
        return np.concatenate([observations, self._scratch], axis=1), rewards, ended, truncated, infos

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on."""
        return {"env": self.env.clone_state(), "scratch": self._scratch.copy()}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        require_kind(state, dict.fromkeys(("env", "scratch")), "the twin with a scratchpad")
        self.env.restore_state(state["env"])
        self._scratch = state["scratch"].copy()


def _held(env: Any, actions: Any, agent: str, where: slice, value: float) -> Mapping[str, Any]:
    # The actions with a part of one agent's held at a value; what is wrong with them is said as in the game.
    given = check_mapping(env.scenario.id, actions)
    if agent not in given:
        return given
    shape = (env.num_envs, *env.single_action_space(agent).shape)
    own = checked_action(env.scenario.id, agent, given[agent], shape)
    own[:, where] = value
    return {**given, agent: own}


class FixedTrustTeam(_Around):
    """The team whose coordinator's trust has no effect: it is 1/2 throughout."""

    def __init__(self, env: TeamVectorEnv) -> None:
        super().__init__(env)
        self._agent = "coordinator_0"
        if self._agent not in env.agents:
            raise ValueError(
                "option fixed_trust=True: the coordinator is absent, and trust is 1/2 without it; leave the "
                "option out"
            )
        self._trust = env.action_fields(self._agent)["trust"]

    def step(self, actions: Mapping[str, Any]) -> Any:
        """One control step; what the coordinator says of trust is not heard."""
        return self.env.step(_held(self.env, actions, self._agent, self._trust, 0.0))


class FixedRateTeam(_Around):
    """The team whose coordinator's rate has no effect: it is `rate`, in [-1, 1], throughout."""

    def __init__(self, env: Any, rate: float) -> None:
        super().__init__(env)
        given: Any = plain_number(rate)
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not -1.0 <= given <= 1.0:
            raise ValueError(f"option fixed_rate={rate!r}: a number in [-1, 1] is expected; 1 is full rate")
        self._agent = "coordinator_0"
        if self._agent not in env.agents:
            raise ValueError(
                f"option fixed_rate={rate!r}: the coordinator is absent, and the rate is 1/2 without it; "
                "leave the option out"
            )
        self._rate, self._where = float(rate), env.action_fields(self._agent)["rate"]

    def step(self, actions: Mapping[str, Any]) -> Any:
        """One control step; what the coordinator says of the rate is not heard."""
        return self.env.step(_held(self.env, actions, self._agent, self._where, self._rate))


class NarrowBeliefTeam(_Around):
    """The team whose belief has only `size` numbers: the others are neither sent nor heard, nor paid for.

    The signal-to-noise ratio in the infos is one for each number of the belief [B, 8], 0 for those that are
    not sent, so that learners who follow the channel find what was received.
    """

    def __init__(self, env: Any, size: int) -> None:
        super().__init__(env)
        if whole_number("belief_size", size) > BELIEF_SIZE:
            raise ValueError(
                f"option belief_size={size!r}: a whole number from 1 to {BELIEF_SIZE} is expected; where "
                "nothing is to be sent, take muted_roles"
            )
        self._size, self._share = size, size / BELIEF_SIZE
        self._sent = (np.arange(BELIEF_SIZE) < size).astype(np.float32)
        self._agent = "state_modeling_0"
        self._listen()

    def _listen(self) -> None:
        # Before anyone else, so that logs find on the blackboard what was sent and heard.
        self.env.game.listeners.insert(0, self._narrow)

    def _narrow(self, step: TeamStep, setup: NDArray[np.bool_] | None) -> None:
        del step, setup
        board = self.env.game.blackboard
        board.share = np.float32(self._share) * board.share
        self._silence()

    def _silence(self) -> None:
        self.env.game.blackboard.fields["received_belief"][:, self._size :] = 0.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._listen()  # a game's listeners are not copied with it

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        self.env.restore_state(state)
        self._silence()  # it may be a state of the team with all numbers

    def step(self, actions: Mapping[str, Any]) -> Any:
        """One control step; rewards are those of the bits that were sent."""
        # Nothing else is posted, so that nothing else is seen of it.
        posted = _held(self.env, actions, self._agent, slice(self._size, BELIEF_SIZE), 0.0)
        observations, rewards, ended, truncated, infos = self.env.step(posted)
        saved = (1.0 - self._share) * infos["rate_cost"]
        rewards = {a: r + saved if AGENTS[a] in ACTING_ROLES else r for a, r in rewards.items()}
        infos["rate_cost"] = self._share * infos["rate_cost"]
        infos["snr"] = infos["snr"] * self._sent
        return observations, rewards, ended, truncated, infos
