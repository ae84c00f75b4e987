"""The configuration of a training run, its tuned exceptions by scenario, and its JSON form."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from policies.cores import CoreConfig
from policies.curriculum_learner import CurriculumConfig
from policies.ppo import Communication, PpoConfig
from policies.ranges import check_count
from policies.role_network import HeadConfig
from policies.team import NetworkConfig

Critics = Literal["joint", "own"]
WORLDS_OF_A_RUN = 10**6  # run r plays worlds of seeds r * 10**6 on, so that runs share no world


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        scenario: id of the scenario.
        team: the five-role team; else the single-agent twin.
        steps: control steps, over all worlds.
        seed: of networks and sampling; also chooses the run's worlds.
        communication: how the belief is learned (teams).
        network: networks.
        ppo: learner.
        options: options of the environment.
        curriculum: learner of the environment role, under the option `task_source="environment"`.
        partners: roles that do not learn; policies that are given to `train` play them.
        critics: one `joint` critic for all roles, or one of each role's `own` (module `independent`).
    """

    scenario: str = "PointDir-v0"
    team: bool = False
    steps: int = 300_000
    seed: int = 0
    communication: Communication = "differentiable"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    ppo: PpoConfig = field(default_factory=PpoConfig)
    options: dict[str, Any] = field(default_factory=dict)
    partners: tuple[str, ...] = ()
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    critics: Critics = "joint"

    def __post_init__(self) -> None:
        check_count(self, "steps", "seed", least=0)  # with 0 steps the networks stay as they were made
        if self.critics not in ("joint", "own"):
            raise ValueError(f"critics={self.critics!r}: 'joint' or 'own' is expected")
        if self.critics == "own":
            wanted = {
                "team": (self.team, True),
                "communication": (self.communication, "reinforced"),
                "network.privileged_critic": (self.network.privileged_critic, False),
                "network.shared": (self.network.shared, False),
            }
            for name, (value, needed) in wanted.items():
                if value != needed:
                    raise ValueError(
                        f"{name}={value!r} with critics='own': {needed!r} is expected, as no role learns "
                        "from what another one sees or computes"
                    )


# Settings that differ from the defaults, by scenario: short inner episodes want whole trials as segments
# and a shorter discount. PointGoal has those of PointDir; it was not tuned for itself.
_SHORT_EPISODES: dict[str, Any] = {
    "num_worlds": 32,
    "rollout": 100,
    "segment": 100,
    "minibatches": 8,
    "gamma": 0.95,
    "lam": 0.95,
}
TUNED: dict[str, dict[str, Any]] = {"PointDir-v0": _SHORT_EPISODES, "PointGoal-v0": _SHORT_EPISODES}


def tuned(scenario: str, **changes: Any) -> PpoConfig:
    """The learner's settings for a scenario: defaults, its tuned exceptions, then `changes`."""
    return PpoConfig(**{**TUNED.get(scenario, {}), **changes})


def ppo_changes(pairs: Sequence[str]) -> dict[str, Any]:
    """Changes to the learner's settings from a command line, `--ppo learning_rate=3e-4 epochs=3`.

    Raises:
        ValueError: the message names the pair and what is expected.
    """
    types = {name: type(value) for name, value in dataclasses.asdict(PpoConfig()).items()}
    changes = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in types:
            raise ValueError(f"--ppo {pair}: unknown setting {name!r}; one of {', '.join(types)} is expected")
        try:
            changes[name] = types[name](value)
        except ValueError:
            raise ValueError(f"--ppo {pair}: {value!r} is not a value for {name}") from None
    return changes


def to_json(config: TrainConfig) -> dict[str, Any]:
    """A training configuration as plain JSON values; sets become sorted lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, set | frozenset):
            return sorted(value)
        return value

    result: dict[str, Any] = plain(dataclasses.asdict(config))
    network = result["network"]
    for core in (network["core"], *network["role_cores"].values()):
        _as_before(core)
    if not config.team or config.network.modulator_head == config.network.head:
        del network["modulator_head"]  # of no effect, or as it was before there was one
    if result["critics"] == "joint":  # as it was before roles could have their own: names of runs rest on it
        del result["critics"]
    return result


def _as_before(core: dict[str, Any]) -> None:
    """Write a core as before its gain could be chosen, where that says the same: names of runs rest on it."""
    if core["kind"] != "s5":
        core.update(min_step=_BEFORE["min_step"])  # of no effect
    if core["kind"] != "s5" or core["gain"] == _BEFORE["gain"]:
        del core["gain"]


_BEFORE: dict[str, Any] = {"min_step": 0.01, "gain": "variance"}


def _core(data: dict[str, Any]) -> CoreConfig:
    """The core that was written, now or before its gain could be chosen."""
    if data["kind"] != "s5":
        return CoreConfig(**{name: value for name, value in data.items() if name not in _BEFORE})
    return CoreConfig(**{"gain": _BEFORE["gain"], **data})


def from_json(data: dict[str, Any]) -> TrainConfig:
    """The configuration that `to_json` wrote."""
    network = data["network"]
    head = HeadConfig(**network["head"])
    modulator_head = HeadConfig(**network["modulator_head"]) if "modulator_head" in network else head
    if not data["team"]:
        modulator_head = NetworkConfig().modulator_head  # of no effect
    return TrainConfig(
        **{
            **data,
            "partners": tuple(data.get("partners", ())),
            "curriculum": CurriculumConfig(**data.get("curriculum", {})),
            "ppo": PpoConfig(**data["ppo"]),
            "network": NetworkConfig(
                **{
                    **network,
                    "core": _core(network["core"]),
                    "head": head,
                    "modulator_head": modulator_head,
                    "sender_head": HeadConfig(**network["sender_head"]),
                    # Checkpoints from before roles could differ have no such entry.
                    "role_cores": {r: _core(c) for r, c in network.get("role_cores", {}).items()},
                }
            ),
        }
    )
