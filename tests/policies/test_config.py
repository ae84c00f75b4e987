"""The tuned table fires, and a configuration survives its JSON form."""

import dataclasses
import json

import pytest

from ma_ssm_env import SCENARIOS
from ma_ssm_env.evaluation import EVALUATION_SEED
from ma_ssm_env.streams import MAX_SEED
from policies.config import TUNED, WORLDS_OF_A_RUN, TrainConfig, from_json, to_json, tuned
from policies.cores import CoreConfig
from policies.game import Game
from policies.ppo import PpoConfig
from policies.role_network import HeadConfig
from policies.team import NetworkConfig


@pytest.mark.parametrize("scenario", list(TUNED))
def test_every_tuned_line_names_a_scenario_and_settings(scenario: str) -> None:
    assert scenario in SCENARIOS
    names = {field.name for field in dataclasses.fields(PpoConfig)}
    assert set(TUNED[scenario]) <= names
    found = dataclasses.asdict(tuned(scenario))
    assert found == dataclasses.asdict(PpoConfig()) | TUNED[scenario]


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_the_settings_of_every_scenario_fit_together(scenario: str) -> None:
    assert isinstance(tuned(scenario), PpoConfig)


def test_no_run_trains_on_the_worlds_that_it_is_judged_on() -> None:
    """Run r has the worlds of seeds r * 10**6 on; runs of any number that one writes by hand lie below."""
    last_run = 10**6
    judged = max(len(s.variation.tasks("test")) for s in SCENARIOS.values()) * 1000
    assert (last_run + 1) * WORLDS_OF_A_RUN <= EVALUATION_SEED
    assert EVALUATION_SEED + judged <= MAX_SEED
    assert EVALUATION_SEED % WORLDS_OF_A_RUN == 0  # so that what is judged lies within one run's worlds
    assert judged < WORLDS_OF_A_RUN


def test_changes_come_after_what_is_tuned() -> None:
    scenario = next(iter(TUNED))
    name = next(iter(TUNED[scenario]))
    assert tuned(scenario, clip=0.123).clip == 0.123
    assert getattr(tuned(scenario, **{name: getattr(PpoConfig(), name)}), name) == getattr(PpoConfig(), name)
    assert tuned("HalfCheetahBase-v0") == PpoConfig(**TUNED.get("HalfCheetahBase-v0", {}))


def _unusual() -> TrainConfig:
    return TrainConfig(
        scenario="PointGoal-v0",
        team=True,
        steps=7,
        seed=3,
        communication="reinforced",
        network=NetworkConfig(
            core=CoreConfig(kind="gru", width=5, layers=2),
            head=HeadConfig(0.5, -2.0, True),
            modulator_head=HeadConfig(0.1, -1.75, True),
            sender_head=HeadConfig(0.25, -1.5, False),
            critic_width=11,
            privileged_critic=False,
            role_cores={"coordinator": CoreConfig(kind="mlp", width=3)},
        ),
        ppo=PpoConfig(num_worlds=2, rollout=6, segment=3, minibatches=2, learning_rate=1.25e-4),
        options={"horizon": 5, "muted_roles": ["adaptation"]},
    )


@pytest.mark.parametrize("config", [TrainConfig(), _unusual()])
def test_round_trip(config: TrainConfig) -> None:
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_one_agents_runs_keep_their_names_and_old_teams_their_noise() -> None:
    assert "modulator_head" not in to_json(TrainConfig())["network"]
    data = to_json(TrainConfig(team=True))
    del data["network"]["modulator_head"]
    before = from_json(data)
    assert before.network.modulator_head == before.network.head == HeadConfig()
    assert to_json(before) == data


def test_a_form_from_before_roles_could_differ_is_read() -> None:
    old = to_json(TrainConfig())
    del old["network"]["role_cores"], old["network"]["shared"]
    assert from_json(old) == TrainConfig()


@pytest.mark.parametrize("kind", [set, frozenset, list, tuple])
def test_sets_of_roles_survive_as_the_same_options(kind: type) -> None:
    roles = kind(["environment", "coordinator"])
    config = TrainConfig(team=True, options={"absent_roles": roles, "horizon": 3})
    again = from_json(json.loads(json.dumps(to_json(config))))
    assert sorted(again.options["absent_roles"]) == ["coordinator", "environment"]
    assert (
        Game("PointDir-v0", 1, True, again.options).options
        == Game("PointDir-v0", 1, True, config.options).options
    )


def test_runs_of_other_cores_keep_their_names() -> None:
    """Their records and checkpoints were written before the gain of S5 could be chosen."""
    written = to_json(TrainConfig(network=NetworkConfig(core=CoreConfig(kind="gru"))))["network"]["core"]
    assert "gain" not in written
    assert written["min_step"] == 0.01


def test_an_s5_from_before_its_gain_could_be_chosen_is_read_as_it_was() -> None:
    data = to_json(TrainConfig())
    assert data["network"]["core"]["gain"] == "peak"
    del data["network"]["core"]["gain"]
    before = from_json(data)
    assert before.network.core.gain == "variance"
    assert to_json(before) == data
