"""How any Stable-Baselines3 model is trained here: exact step counts, checkpoints, and going on after a cut.

1. A model seeds its environment with its own seed; the worlds get `world_seed` after that.
2. A checkpoint is met at the first rollout boundary at or past its count, and holds the policy *after* the
   update on the steps that it is charged for.
3. SB3 draws from the global generators; they are seeded for the run and put back after it, and what a
   callback draws does not shift the run.
4. At a boundary the whole state can be kept (`sb3_state`); a run that goes on from it gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from baselines.global_streams import kept_global_streams
from baselines.sb3_state import load_state, save_state
from ma_ssm_env.policy import Players

Write = Callable[[Path], None]


@dataclass(frozen=True)
class Hooks:
    """What a training is asked to do on its way.

    Attributes:
        checkpoints: step counts; those met at one boundary are met together. 0 is before any update.
        on_checkpoint: called with the exact count of steps charged and a frozen copy of the policy.
        progress: called with the steps charged at every boundary.
        kept: folder of a state to go on from.
        keep: called at every boundary but the last, with the steps and a function that writes the state.
    """

    checkpoints: Sequence[int] = ()
    on_checkpoint: Callable[[int, Any], None] = lambda steps, policy: None
    progress: Callable[[int], None] | None = None
    kept: Path | None = None
    keep: Callable[[int, Write], bool] | None = None

    def require(self, total_steps: int, seed: int) -> None:
        """Refuse counts and seeds that are out of range."""
        if total_steps < 1:
            raise ValueError(f"total_steps={total_steps!r}: a whole number of at least 1 is expected")
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed!r}: a whole number in [0, 2**32) is expected")
        for count in self.checkpoints:
            if not 0 <= count <= total_steps:
                raise ValueError(f"checkpoint {count}: a count in [0, total_steps={total_steps}] is expected")


class _Boundaries(BaseCallback):
    """Calls back between rollouts, after the update, with the control steps charged until then."""

    def __init__(self, hooks: Hooks, policy_of: Callable[[Any], Players], agents: int) -> None:
        super().__init__()
        self._hooks, self._policy_of, self._agents = hooks, policy_of, agents
        self._due = sorted(hooks.checkpoints)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        steps = self._boundary()
        if self._hooks.keep is not None and steps > 0:
            self._hooks.keep(steps, lambda folder: save_state(self.model, folder))

    def _on_training_end(self) -> None:
        self._boundary()

    def _boundary(self) -> int:
        steps = int(self.model.num_timesteps) // self._agents
        if self._due and self._due[0] <= steps:
            with kept_global_streams():
                self._due = [due for due in self._due if due > steps]
                self._hooks.on_checkpoint(steps, self._policy_of(self.model))
        if self._hooks.progress is not None and steps > 0:
            self._hooks.progress(steps)
        return steps


def train_model(
    build: Callable[[], BaseAlgorithm],
    policy_of: Callable[[Any], Players],
    total_steps: int,
    *,
    seed_worlds: Callable[[Any], Any],
    hooks: Hooks,
    agents: int = 1,
) -> Any:
    """Build a model and train it for `total_steps` control steps, to the first boundary at or past them.

    Args:
        build: makes the model; it may draw from the global generators.
        policy_of: a frozen copy of the model's policy, under the policy protocol.
        total_steps: control steps over all worlds.
        seed_worlds: gives the model's worlds their seeds.
        hooks: what to do on the way.
        agents: transitions that SB3 counts for one control step.

    Raises:
        FloatingPointError: the model's parameters are no longer finite.
    """
    with kept_global_streams():
        model = build()
        if hooks.kept is not None:
            load_state(model, hooks.kept)
        else:
            seed_worlds(model)
        try:
            model.learn(
                total_steps * agents - model.num_timesteps,
                callback=_Boundaries(hooks, policy_of, agents),
                reset_num_timesteps=hooks.kept is None,
            )
        except ValueError as error:  # what torch's distributions and our environments say to a NaN
            _check_finite(model, error)
            raise
        _check_finite(model, None)
    return model


def _check_finite(model: BaseAlgorithm, error: ValueError | None) -> None:
    strange = [name for name, value in model.policy.state_dict().items() if not value.isfinite().all()]
    if strange:
        raise FloatingPointError(
            f"{type(model).__name__} diverged by {model.num_timesteps} steps: {len(strange)} of its tensors "
            f"are not finite, {strange[0]} the first; a smaller learning rate may help"
        ) from error
