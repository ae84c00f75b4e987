"""The glossary of docs/ppo.md names what is logged, and nothing else."""

import re
from pathlib import Path
from typing import Any

from policies.config import TrainConfig
from policies.cores import CoreConfig
from policies.curriculum_learner import CurriculumConfig
from policies.ppo import PpoConfig
from policies.team import NetworkConfig
from policies.train import train

PAGE = Path(__file__).parents[2] / "docs" / "ppo.md"


def _glossary() -> set[str]:
    table = PAGE.read_text(encoding="utf-8").partition("## Glossary")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def _logged(**settings: Any) -> set[str]:
    network = NetworkConfig(
        core=CoreConfig(kind="mlp", width=4), critic_width=4, **settings.pop("network", {})
    )
    ppo = PpoConfig(num_worlds=4, rollout=20, segment=10, minibatches=1, epochs=1)
    curriculum = CurriculumConfig(decisions=2, epochs=1)
    config = TrainConfig(steps=80, network=network, ppo=ppo, curriculum=curriculum, **settings)
    names = {name for entry in train(config).history for name in entry}
    return {re.sub(r"^std/.*", "std/<role>", name) for name in names}


def test_the_glossary_is_what_runs_log() -> None:
    plain, everything = (
        _logged(),
        _logged(
            team=True,
            network={"forecast_horizon": 1, "infer_task": True},
            options={"task_source": "environment", "horizon": 3, "episodes_per_trial": 1},
        ),
    )
    assert plain < everything
    assert everything == _glossary()
