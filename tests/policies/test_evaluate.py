"""`python -m policies.evaluate` says what `evaluate` finds."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import ma_ssm_env
from ma_ssm_env.evaluation import evaluate
from policies import checkpoint
from policies.config import TrainConfig
from policies.cores import CoreConfig
from policies.evaluate import main
from policies.game import Game
from policies.role_network import HeadConfig
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players


def _checkpoint(folder: Path, team: bool, **options: Any) -> TeamNetwork:
    head = HeadConfig(gain=1.0)
    network_config = NetworkConfig(core=CoreConfig(width=8, state_size=6), head=head, critic_width=9)
    config = TrainConfig(team=team, network=network_config, options={"horizon": 5, **options})
    game = Game(config.scenario, 1, team, config.options)
    network = TeamNetwork(game, config.network, True, torch.Generator().manual_seed(0))
    checkpoint.save(folder, network, config, 77)
    return network


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("team", [False, True])
def test_json_holds_what_evaluate_finds(
    tmp_path: Path, team: bool, sampled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    network = _checkpoint(tmp_path, team)
    arguments = [str(tmp_path), "--json", "--split", "validation", "--trials", "2"]
    assert main([*arguments, *(["--sampled"] if sampled else [])]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = evaluate("PointDir-v0", players(network, not sampled), split="validation", trials=2, horizon=5)
    assert found == {
        "scenario": "PointDir-v0",
        "steps": 77,
        "split": "validation",
        "tasks": 10,
        "trials": 2,
        "returns": [round(float(x), 4) for x in expected.returns.mean((0, 1))],
        "bits": round(float(expected.bits.mean()), 3),
    }
    assert any(found["returns"])
    assert (found["bits"] > 0) == team


def test_the_options_of_the_run_are_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _checkpoint(tmp_path, True, muted_roles=["state_modeling"], episodes_per_trial=3)
    assert main([str(tmp_path), "--json", "--trials", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bits"] == 0.0
    assert len(found["returns"]) == 3


def test_a_run_on_another_split_is_judged_on_the_one_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for options in ({}, {"split": "validation"}):
        _checkpoint(tmp_path, False, **options)
        assert main([str(tmp_path), "--json", "--trials", "1"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert found[0]["split"] == "test"


@pytest.mark.parametrize("team", [False, True])
def test_people_get_sentences(tmp_path: Path, team: bool, capsys: pytest.CaptureFixture[str]) -> None:
    _checkpoint(tmp_path, team)
    assert main([str(tmp_path), "--trials", "1"]) == 0
    text = capsys.readouterr().out
    assert ("team after 77 steps" if team else "one agent after 77 steps") in text
    assert "20 test tasks x 1 trials" in text
    assert ("nominal bits" in text) == team


def test_a_missing_checkpoint_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no checkpoint there" in said
    assert said.count("\n") == 1


def test_a_split_that_the_scenario_lacks_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _checkpoint(tmp_path, False)
    assert main([str(tmp_path), "--split", "ood"]) == 2
    assert "split 'ood'" in capsys.readouterr().err


def test_returns_are_shown_beside_the_reference_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _checkpoint(tmp_path, False)
    assert main([str(tmp_path), "--trials", "1"]) == 0
    assert "for scale" not in capsys.readouterr().out, "of another horizon"
    network, config, _ = checkpoint.load(tmp_path)
    checkpoint.save(tmp_path, network, dataclasses.replace(config, options={}), 77)
    assert main([str(tmp_path), "--trials", "1"]) == 0
    *_, head, random, blind, oracle = capsys.readouterr().out.splitlines()
    assert head == "for scale, of one agent:"
    known = json.loads((Path(ma_ssm_env.__file__).parent / "references.json").read_text())["PointDir-v0"]
    lines = {"random": random, "blind": blind, "oracle": oracle}
    for name, line in lines.items():
        assert line.split()[:2] == [f"{value:.2f}" for value in known[name]["returns"]]
    assert oracle.endswith("  shown the task")
    assert main([str(tmp_path), "--trials", "1", "--split", "validation"]) == 0
    assert "for scale" not in capsys.readouterr().out, "the references are of the test tasks"


@pytest.mark.parametrize(
    ("partners", "options", "code"),
    [(("coordinator",), {}, 2), (("environment",), {"task_source": "environment"}, 0)],
)
def test_a_team_is_not_judged_without_the_partners_it_was_trained_beside(
    partners: tuple[str, ...],
    options: dict[str, Any],
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = NetworkConfig(core=CoreConfig(kind="mlp", width=4), critic_width=4)
    config = TrainConfig(team=True, network=small, options={"horizon": 5, **options}, partners=partners)
    game = Game(config.scenario, 1, True, config.options, others=partners)
    network = TeamNetwork(game, config.network, True, torch.Generator().manual_seed(0))
    checkpoint.save(tmp_path, network, config, 77)
    assert main([str(tmp_path), "--trials", "1"]) == code
    said = capsys.readouterr().err
    if code:
        assert (
            f"{tmp_path}: trained beside partners (coordinator), whose policies no checkpoint holds" in said
        )
        assert 'evaluate("PointDir-v0", players(network) | {"coordinator": ...}, **config.options)' in said
        assert said.count("\n") == 1
