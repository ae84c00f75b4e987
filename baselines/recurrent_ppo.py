"""sb3-contrib's RecurrentPPO on the single-agent twin, made fast enough to finish.

What made it slow, and what is done here:

1. *The loop over time.* Where a minibatch contains any start of an episode, sb3-contrib steps its LSTM one
   control step at a time in Python. But its sampler cuts sequences at those starts, so a start can only be
   the first step of a sequence: clearing the memory before the sequence and one fused call give the same
   numbers. `FusedLstmPolicy` does that; sequences with a start elsewhere still take the loop.
2. *Small batches.* By default a gradient step sees 128 transitions; padded sequences make that one or two.
   Here a rollout is worlds x rollout_steps long and a minibatch is many whole sequences.
3. *One world at a time.* The worlds are one batch of the twin (`twin_vec_env`).
4. One torch thread: these matrices are too small for more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from torch import Tensor, nn

from baselines.global_streams import kept_global_streams
from baselines.sb3 import TrainedSb3, normalised_twin
from baselines.sb3_policy import Sb3Policy
from baselines.training import Hooks, train_model
from baselines.tuned import tuned_settings
from ma_ssm_env.policy import Memory
from ma_ssm_env.scenarios import Scenario

Float = NDArray[np.float32]


class FusedLstmPolicy(RecurrentActorCriticPolicy):
    """sb3-contrib's recurrent policy with one LSTM call a sequence (SB3 is extended by subclassing)."""

    @staticmethod  # sb3-contrib annotates the memory it returns as one tensor; it is a pair
    def _process_sequence(  # type: ignore[override]
        features: Tensor, lstm_states: tuple[Tensor, Tensor], episode_starts: Tensor, lstm: nn.LSTM
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        sequences = lstm_states[0].shape[1]
        starts = episode_starts.reshape(sequences, -1)
        if bool((starts[:, 1:] != 0.0).any()):
            return RecurrentActorCriticPolicy._process_sequence(  # type: ignore[return-value]
                features, lstm_states, episode_starts, lstm
            )
        keep = (1.0 - starts[:, 0]).view(1, sequences, 1)
        inputs = features.reshape(sequences, -1, lstm.input_size).transpose(0, 1)
        outputs, after = lstm(inputs, (keep * lstm_states[0], keep * lstm_states[1]))
        return outputs.transpose(0, 1).flatten(0, 1), after

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """What `load` builds the network from; sb3-contrib leaves the LSTM's sizes out."""
        lstm = self.lstm_actor
        return {
            **super()._get_constructor_parameters(),
            "lstm_hidden_size": lstm.hidden_size,
            "n_lstm_layers": lstm.num_layers,
            "shared_lstm": self.shared_lstm,
            "enable_critic_lstm": self.enable_critic_lstm,
        }


@dataclass(frozen=True)
class RecurrentPpoConfig:
    """Settings of RecurrentPPO; how they were found is in `baselines/TUNING.md`.

    Attributes:
        worlds: worlds stepped together.
        rollout_steps: control steps of each world between updates; the longest sequence.
        minibatches: minibatches of an epoch.
        epochs: passes over a rollout.
        learning_rate: Adam's, at the start; it falls linearly.
        final_learning_rate: fraction of it that is left at the end.
        gamma: discount, of returns and of the reward normaliser.
        gae_lambda: generalised advantage estimation.
        log_std_init: log standard deviation of the actions at the start.
        clip_range: of the probability ratio.
        max_grad_norm: gradients are clipped to this norm.
        lstm_width: units of the LSTM, of the actor and of the critic.
        width: units of the hidden tanh layer behind each.
        clip_observation: largest absolute value of a normalised observation.
    """

    worlds: int = 32
    rollout_steps: int = 200
    minibatches: int = 8
    epochs: int = 6
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.1
    gamma: float = 0.97
    gae_lambda: float = 0.92
    log_std_init: float = -1.0
    clip_range: float = 0.2
    max_grad_norm: float = 0.5
    lstm_width: int = 64
    width: int = 64
    clip_observation: float = 10.0

    def __post_init__(self) -> None:
        if self.worlds * self.rollout_steps % self.minibatches:
            raise ValueError(
                f"minibatches={self.minibatches}: a divisor of worlds x rollout_steps = "
                f"{self.worlds * self.rollout_steps} is expected"
            )

    def learning_rate_at(self, progress_remaining: float) -> float:
        """The learning rate, where `progress_remaining` falls from 1 to 0."""
        last = self.final_learning_rate
        return self.learning_rate * (last + (1.0 - last) * max(0.0, progress_remaining))


# What differs from the defaults above, by scenario.
TUNED: dict[str, dict[str, Any]] = {
    "PointDir-v0": {"rollout_steps": 100, "gamma": 0.95, "gae_lambda": 0.95},
    "PointDirDelayed-v0": {"rollout_steps": 150, "gamma": 0.99, "gae_lambda": 0.95},
}


def recurrent_ppo_config(scenario: str | Scenario, **changes: Any) -> RecurrentPpoConfig:
    """The tuned settings of a scenario, with `changes`."""
    tuned = tuned_settings(TUNED, scenario)
    return dataclasses.replace(RecurrentPpoConfig(), **{**tuned, **changes})


class RecurrentSb3Policy:
    """A recurrent SB3 policy under the policy protocol; its memory is the actor's LSTM state.

    Args:
        policy: network, frozen statistics and mode.
    """

    def __init__(self, policy: Sb3Policy) -> None:
        self.policy = policy

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of `actor` and `critic`."""
        return self.policy.parameters

    def with_mode(self, deterministic: bool) -> RecurrentSb3Policy:
        """The same network, playing its mode or drawing its actions."""
        return RecurrentSb3Policy(self.policy.with_mode(deterministic))

    def initial_memory(self, batch: int) -> Memory:
        """Empty hidden and cell states, each [layers, B, D]."""
        lstm: Any = self.policy.network.lstm_actor
        zeros = np.zeros((lstm.num_layers, batch, lstm.hidden_size), np.float32)
        return zeros, zeros.copy()

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] in [-1, 1], and the LSTM's state after them."""
        normaliser = self.policy.normaliser
        seen = observations if normaliser is None else normaliser(observations)
        starts = np.zeros(len(seen), dtype=bool)
        deterministic = self.policy.deterministic
        with kept_global_streams():
            if not deterministic:
                torch.manual_seed(int(rng.integers(2**63)))
            actions, after = self.policy.network.predict(
                seen, state=memory, episode_start=starts, deterministic=deterministic
            )
        return actions, after


def train_recurrent_ppo(
    scenario: str | Scenario,
    seed: int,
    total_steps: int,
    config: RecurrentPpoConfig,
    *,
    world_seed: int,
    hooks: Hooks,
    options: Mapping[str, Any] | None = None,
) -> TrainedSb3:
    """Train RecurrentPPO on the twin of a scenario, on the CPU; arguments as in `train_off_policy`."""
    hooks.require(total_steps, seed)
    env = normalised_twin(
        scenario, config.worlds, config.clip_observation, config.gamma, options=options or {}
    )

    def build() -> RecurrentPPO:
        return RecurrentPPO(
            FusedLstmPolicy,
            env,
            learning_rate=config.learning_rate_at,
            n_steps=config.rollout_steps,
            batch_size=config.worlds * config.rollout_steps // config.minibatches,
            n_epochs=config.epochs,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            clip_range=config.clip_range,
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={
                "net_arch": {"pi": [config.width], "vf": [config.width]},
                "lstm_hidden_size": config.lstm_width,
                "log_std_init": config.log_std_init,
            },
            seed=seed,
            device="cpu",
        )

    def policy_of(model: RecurrentPPO) -> RecurrentSb3Policy:
        return RecurrentSb3Policy(Sb3Policy.from_model(model))

    model = train_model(
        build, policy_of, total_steps, seed_worlds=lambda model: env.seed(world_seed), hooks=hooks
    )
    return TrainedSb3(policy_of(model), model, env, config, int(model.num_timesteps))
