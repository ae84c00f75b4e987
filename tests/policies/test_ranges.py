"""Settings outside of their ranges are refused where they are set, by name, value and range."""

import dataclasses
import math
import re
from typing import Any

import pytest

from policies.adaptation.forecaster import ForecastConfig
from policies.adaptation.online import AdaptationConfig
from policies.config import TrainConfig, tuned
from policies.cores import CoreConfig
from policies.curriculum_learner import CurriculumConfig
from policies.maml import InnerConfig, MamlConfig, OuterConfig
from policies.maml.supervised import SupervisedConfig
from policies.ppo import PpoConfig
from policies.ranges import check_count, check_number
from policies.role_network import HeadConfig
from policies.team import NetworkConfig

WRONG: list[tuple[type, dict[str, tuple[Any, ...]]]] = [
    (
        PpoConfig,
        {
            **dict.fromkeys(
                ("num_worlds", "rollout", "segment", "minibatches", "epochs"), (0, -1, 1.5, True, math.nan)
            ),
            **dict.fromkeys(("learning_rate",), (0.0, -1e-3, math.inf)),
            **dict.fromkeys(("gamma", "lam"), (-0.1, 1.01)),
            **dict.fromkeys(("clip", "gradient_norm"), (0.0, -0.2)),
            **dict.fromkeys(
                ("target_kl", "entropy", "value", "forecast", "task", "memory_learning_rate"), (-0.1, "0")
            ),
            "final_learning_rate": (-0.1, math.inf),
        },
    ),
    (
        CurriculumConfig,
        {
            "decisions": (1, 2.5),
            "epochs": (0,),
            "learning_rate": (0.0,),
            "clip": (0.0,),
            "gradient_norm": (0.0,),
            "target_kl": (-0.1,),
            "entropy": (-0.1,),
            "value": (-0.1,),
        },
    ),
    (
        AdaptationConfig,
        {
            "window": (1,),
            "every": (0,),
            "cooldown": (-1,),
            "rate": (math.inf,),
            "clip": (-1.0,),
            "penalty": (-0.1,),
            "trust": (-0.1,),
            "surprise": (-0.1,),
            "rollback": (-0.1,),
            "smoothing": (0.0, 1.1),
            "policy_rate": (-0.1,),
            "gamma": (-0.1, 1.1),
        },
    ),
    (TrainConfig, {"steps": (-1, 1e6), "seed": (-1, 0.5)}),
    (MamlConfig, {"tasks": (0,), "trials": (0,), "steps": (-1,), "seed": (-1,), "statistics": (-1,)}),
    (InnerConfig, {"steps": (-1,), "rate": (-0.1,), "gamma": (1.1,), "lam": (-0.1,)}),
    (OuterConfig, {"kl": (-0.1,), "before": (-0.1,), "reptile_rate": (0.0, 1.1)}),
    (
        SupervisedConfig,
        {
            **dict.fromkeys(("inner_steps", "tasks"), (0, 1.5)),
            "iterations": (-1,),
            "inner_rate": (-0.1, math.inf),
            "learning_rate": (0.0,),
        },
    ),
    (
        ForecastConfig,
        {
            **dict.fromkeys(("worlds", "steps"), (1, 8.0)),
            **dict.fromkeys(("hidden", "batch"), (0,)),
            "epochs": (-1,),
            "learning_rate": (0.0,),
        },
    ),
    (
        CoreConfig,
        {
            **dict.fromkeys(
                ("width", "layers", "state_size", "expansion", "channel_states", "heads"), (0, 8.5)
            ),
            "window": (1,),
            **dict.fromkeys(("min_step", "max_step"), (0.0, math.inf)),
        },
    ),
    (HeadConfig, {"gain": (-0.1,), "log_std": (math.inf, "-1")}),
    (NetworkConfig, {"critic_width": (0, 8.5), "proposer_width": (0,), "forecast_horizon": (-1, 11, 1.5)}),
]
CASES = [(kind, name, value) for kind, wrong in WRONG for name, values in wrong.items() for value in values]
CASES += [(kind, name, math.nan) for kind, wrong in WRONG for name in wrong]


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_a_setting_outside_of_its_range_is_refused(kind: type, name: str, value: Any) -> None:
    said = rf"^{kind.__name__}: {name}={re.escape(repr(value))}: a .*(number|number, ).* is expected$"
    with pytest.raises(ValueError, match=said):
        kind(**{name: value})


@pytest.mark.parametrize("kind", [kind for kind, _ in WRONG])
def test_every_number_of_a_configuration_has_a_range(kind: type) -> None:
    numbers = {
        field.name
        for field in dataclasses.fields(kind)
        if isinstance(field.default, int | float) and not isinstance(field.default, bool)
    }
    assert numbers == set(dict(WRONG)[kind])


def test_what_is_at_the_end_of_a_range_is_taken() -> None:
    PpoConfig(gamma=1.0, lam=0.0, target_kl=0.0, final_learning_rate=0.0, value=0.0, forecast=0.0)
    PpoConfig(clip=math.inf, gradient_norm=math.inf, target_kl=math.inf)  # no limit
    PpoConfig(num_worlds=1, rollout=2, segment=1, minibatches=1, epochs=1)
    ForecastConfig(worlds=2, steps=2, hidden=1, batch=1, epochs=0)
    SupervisedConfig(inner_rate=0.0, iterations=0)
    AdaptationConfig(surprise=0.0, gamma=0.0, cooldown=0, rate=-0.3)
    TrainConfig(steps=0)
    assert tuned("PointDir-v0", minibatches=4).minibatches == 4


def test_a_minibatch_of_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^minibatches=6 of the 6 steps of a rollout: .* take fewer$"):
        PpoConfig(num_worlds=2, rollout=3, segment=1, minibatches=6)


def test_messages_name_the_range() -> None:
    class Settings:
        share, count, limit = 2.0, 7, math.nan

    with pytest.raises(
        ValueError, match=r"^Settings: share=2.0: a number of at least 0.0 and at most 1.0 is"
    ):
        check_number(Settings(), "share", least=0.0, most=1.0)
    with pytest.raises(ValueError, match=r"^Settings: share=2.0: a number above 2.0 is expected$"):
        check_number(Settings(), "share", least=2.0, above=True)
    with pytest.raises(ValueError, match=r"^Settings: limit=nan: a finite number is expected$"):
        check_number(Settings(), "share", "limit")
    with pytest.raises(ValueError, match=r"^Settings: count=7: a whole number, 1 to 6 is expected$"):
        check_count(Settings(), "count", least=1, most=6)
