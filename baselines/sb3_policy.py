"""A Stable-Baselines3 model under the policy protocol, with its observation statistics frozen."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy

from baselines.global_streams import kept_global_streams
from ma_ssm_env.policy import Memory

Float = NDArray[np.float32]

POLICY_CLASSES: dict[str, type[BasePolicy]] = {
    policy_class.__name__: policy_class
    for policy_class in (ActorCriticPolicy, SACPolicy, TD3Policy, TQCPolicy)
}
NETWORK_FILE, NORMALISER_FILE, MODE_FILE = "policy.pt", "normaliser.npz", "policy.json"
CRITIC_PREFIXES = ("value_net.", "mlp_extractor.value_net.", "critic.", "lstm_critic.")
TARGET_PREFIXES = ("critic_target.", "actor_target.")


@dataclass(frozen=True)
class ObservationNormaliser:
    """`VecNormalize`'s observation statistics, frozen: clip((o - mean) / sqrt(var + epsilon), -clip, clip).

    Attributes:
        mean: [O].
        var: [O].
        epsilon: keeps the division finite.
        clip: largest absolute value of a normalised observation.
    """

    mean: NDArray[np.float64]
    var: NDArray[np.float64]
    epsilon: float
    clip: float

    @classmethod
    def of(cls, env: VecNormalize | None) -> ObservationNormaliser | None:
        """A copy of the present statistics of `env`; None where observations are not normalised.

        Raises:
            ValueError: `env` normalises a dict of observations.
        """
        if env is None or not env.norm_obs:
            return None
        statistics: Any = env.obs_rms
        if isinstance(statistics, dict):
            raise ValueError("VecNormalize over a dict of observations: a flat vector is expected")
        return cls(statistics.mean.copy(), statistics.var.copy(), float(env.epsilon), float(env.clip_obs))

    def __call__(self, observations: Float) -> Float:
        """Normalised observations [B, O]."""
        scaled = (observations - self.mean) / np.sqrt(self.var + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)


class Sb3Policy:
    """Plays the twin, or a role, with the network of a Stable-Baselines3 model.

    Args:
        network: the model's policy; it is used as it is, so give a copy (`from_model` does).
        normaliser: frozen observation statistics, or None.
        deterministic: play the mode of the action distribution rather than a draw from it.
    """

    def __init__(
        self, network: BasePolicy, normaliser: ObservationNormaliser | None = None, deterministic: bool = True
    ) -> None:
        self.network, self.normaliser, self.deterministic = network, normaliser, deterministic

    @classmethod
    def from_model(cls, model: BaseAlgorithm, deterministic: bool = True) -> Sb3Policy:
        """A frozen copy of the model's policy and of the statistics of its `VecNormalize`."""
        buffer = io.BytesIO()
        with kept_global_streams():  # building a network draws its initial weights
            model.policy.save(buffer)  # type: ignore[arg-type]
            buffer.seek(0)
            network = type(model.policy).load(buffer, device="cpu")  # type: ignore[arg-type]
        return cls(network, ObservationNormaliser.of(model.get_vec_normalize_env()), deterministic)

    def with_mode(self, deterministic: bool) -> Sb3Policy:
        """The same network, playing its mode or drawing its actions."""
        return Sb3Policy(self.network, self.normaliser, deterministic)

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of `actor` and `critic` (target networks are not counted)."""
        counts = {"actor": 0, "critic": 0}
        for name, value in self.network.named_parameters():
            if not name.startswith(TARGET_PREFIXES):
                counts["critic" if name.startswith(CRITIC_PREFIXES) else "actor"] += value.numel()
        return counts

    def initial_memory(self, batch: int) -> Memory:
        """None: nothing is remembered."""
        del batch
        return None

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] in [-1, 1]; what is drawn comes from `rng`, not from torch's global generator."""
        if self.normaliser is not None:
            observations = self.normaliser(observations)
        if self.deterministic:
            actions, _ = self.network.predict(observations, deterministic=True)
        else:
            with kept_global_streams():
                torch.manual_seed(int(rng.integers(2**63)))
                actions, _ = self.network.predict(observations, deterministic=False)
        return actions, memory

    @classmethod
    def from_zip(
        cls,
        path: str | Path,
        algorithm: type[BaseAlgorithm],
        *,
        trusted: Collection[str] = (),
        normaliser: str | Path | None = None,
        deterministic: bool = True,
    ) -> Sb3Policy:
        """The policy in a zip that `model.save` of Stable-Baselines3 or sb3-contrib wrote.

        SB3's loader *executes code* that such files contain: they hold pickles. So a file is opened only
        where the caller names it as trusted.

        Args:
            path: the zip.
            algorithm: class that wrote it, such as `PPO`, `SAC` or `TQC`.
            trusted: names of the files that may run code here, such as `{"model.zip", "vecnormalize.pkl"}`.
            normaliser: what `VecNormalize.save` wrote beside it, if observations were normalised; it is a
                pickle too.
            deterministic: play the mode rather than a draw.

        Raises:
            PermissionError: a file that is not named as trusted; nothing was read then.
            FileNotFoundError: there is no such file.
        """
        files = [Path(path)] if normaliser is None else [Path(path), Path(normaliser)]
        if isinstance(trusted, str):
            raise ValueError(f"trusted={trusted!r}: a set of file names is expected")
        for file in files:
            if file.name not in trusted:
                raise PermissionError(
                    f"{file}: loading it runs the code in it (Stable-Baselines3 stores pickles); say "
                    f"trusted={{{file.name!r}}} if you trust who wrote it"
                )
            if not file.is_file():
                raise FileNotFoundError(f"{file}: there is no such file")
        with kept_global_streams():
            network = algorithm.load(files[0], device="cpu").policy
        statistics = None
        if normaliser is not None:
            with open(files[1], "rb") as stored:
                statistics = ObservationNormaliser.of(pickle.load(stored))
        return cls(network, statistics, deterministic)

    def save(self, directory: str | Path) -> None:
        """Write network, statistics and mode into `directory`, which is made.

        Raises:
            ValueError: a network of a class that `load` does not know.
        """
        name = type(self.network).__name__
        if POLICY_CLASSES.get(name) is not type(self.network):
            raise ValueError(f"network of class {name}: one of {', '.join(POLICY_CLASSES)} can be saved")
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save(str(folder / NETWORK_FILE))
        (folder / NORMALISER_FILE).unlink(missing_ok=True)
        if self.normaliser is not None:
            np.savez(folder / NORMALISER_FILE, **vars(self.normaliser))
        mode = {"class": name, "deterministic": self.deterministic}
        (folder / MODE_FILE).write_text(json.dumps(mode) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: str | Path, *, trust: bool = False) -> Sb3Policy:
        """What `save` wrote.

        Args:
            directory: the folder.
            trust: True if whoever wrote the folder may run code here: Stable-Baselines3 stores its networks
                as pickles, and unpickling executes what they say.

        Raises:
            PermissionError: without `trust=True`; nothing was read then.
            FileNotFoundError: nothing was saved there.
            ValueError: a class of network that is not known.
        """
        folder = Path(directory)
        if trust is not True:
            raise PermissionError(
                f"{folder}: Stable-Baselines3 checkpoints are pickles, and loading one runs the code in it; "
                "pass trust=True if you trust who wrote it"
            )
        if not (folder / MODE_FILE).is_file():
            raise FileNotFoundError(f"{folder}: no {MODE_FILE} there; Sb3Policy.save writes it")
        mode: dict[str, Any] = json.loads((folder / MODE_FILE).read_text(encoding="utf-8"))
        if mode["class"] not in POLICY_CLASSES:
            raise ValueError(
                f"{folder}: class {mode['class']!r}; one of {', '.join(POLICY_CLASSES)} is expected"
            )
        with kept_global_streams():
            network = POLICY_CLASSES[mode["class"]].load(str(folder / NETWORK_FILE), device="cpu")
        normaliser = None
        if (folder / NORMALISER_FILE).is_file():
            with np.load(folder / NORMALISER_FILE, allow_pickle=False) as arrays:
                normaliser = ObservationNormaliser(
                    arrays["mean"], arrays["var"], float(arrays["epsilon"]), float(arrays["clip"])
                )
        return cls(network, normaliser, bool(mode["deterministic"]))
