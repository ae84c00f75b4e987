"""Training runs: the same seed gives the same bits, checkpoints come in time, and the command line."""

import dataclasses
import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ma_ssm_env import Policy
from ma_ssm_env.evaluation import evaluate
from policies import checkpoint, tensorboard, training_state
from policies.config import TrainConfig, tuned
from policies.cores import CoreConfig
from policies.game import AGENT, Game
from policies.ppo import Ppo, PpoConfig
from policies.role_network import NetworkPolicy
from policies.team import NetworkConfig, TeamNetwork
from policies.train import Command, configuration, main, players, train
from policies.training import Training

SMALL = PpoConfig(num_worlds=4, rollout=20, segment=10, minibatches=2, epochs=2)  # 80 steps an iteration


def _config(team: bool = True, steps: int = 240, seed: int = 0, **settings: Any) -> TrainConfig:
    network = NetworkConfig(core=CoreConfig(width=8, state_size=6), critic_width=9)
    options = {"horizon": 7}
    return TrainConfig(
        team=team, steps=steps, seed=seed, network=network, ppo=SMALL, options=options, **settings
    )


def _weights(network: TeamNetwork) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("communication", ["differentiable", "reinforced"])
@pytest.mark.parametrize("team", [False, True])
def test_the_same_configuration_gives_the_same_bits(team: bool, communication: Any) -> None:
    torch.manual_seed(0)
    a = train(_config(team, communication=communication))
    torch.manual_seed(1)  # what the global generators hold does not matter
    b = train(_config(team, communication=communication))
    before, after = _weights(a.network), _weights(b.network)
    assert list(before) == list(after)
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
    timed = {"acting_s", "learning_s"}
    for one, two in zip(a.history, b.history, strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {
            k: v for k, v in two.items() if k not in timed
        }
    other = _weights(train(_config(team, seed=1, communication=communication)).network)
    assert not torch.equal(before["critic.head.weight"], other["critic.head.weight"])


@pytest.mark.parametrize("team", [False, True])
def test_a_return_is_told_where_an_inner_episode_ended_and_is_no_zero_elsewhere(team: bool) -> None:
    config = dataclasses.replace(_config(team), options={"horizon": 30})
    history = train(
        config
    ).history  # of 20 steps each: an inner episode ends in the second, another in the third
    told = ["episode_return" in entry for entry in history]
    assert told == [False, True, True]
    assert all(entry["episode_return"] for entry in history[1:])


def test_training_leaves_the_global_generators_alone() -> None:
    torch_before = torch.get_rng_state()
    numpy_before = str(np.random.get_state(legacy=False))  # noqa: NPY002
    train(_config(steps=80))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert str(np.random.get_state(legacy=False)) == numpy_before  # noqa: NPY002


def test_looking_at_checkpoints_does_not_change_the_run() -> None:
    def look(steps: int, network: TeamNetwork) -> None:
        policy = NetworkPolicy(network.actor("coordinator"), deterministic=False)
        size = len(network.actor("coordinator").normaliser.mean)
        policy.act(np.zeros((2, size), np.float32), policy.initial_memory(2), np.random.default_rng(0))

    a = train(_config())
    b = train(_config(), checkpoints=(80, 160), on_checkpoint=look)
    for name, value in _weights(a.network).items():
        assert torch.equal(value, _weights(b.network)[name]), name


def test_checkpoints_come_after_the_iteration_that_reaches_them() -> None:
    seen: list[int] = []
    iterations: list[int] = []
    trained = train(
        _config(steps=250),
        checkpoints=(200, 80, 81, 250),
        on_checkpoint=lambda steps, network: seen.append(steps),
        on_iteration=lambda steps, metrics: iterations.append(steps),
    )
    assert seen == [80, 160, 240, 320]
    assert iterations == [80, 160, 240, 320]
    assert trained.steps == 320
    assert [entry["steps"] for entry in trained.history] == iterations


def test_steps_charged_are_steps_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    step = Game.step

    def counted(self: Game, actions: Any) -> Any:
        nonlocal taken
        taken += self.num_worlds
        return step(self, actions)

    monkeypatch.setattr(Game, "step", counted)
    assert train(_config(steps=100)).steps == taken == 160


def test_the_rate_of_an_iteration_follows_from_what_is_spent() -> None:
    history = train(_config(steps=160)).history
    first, last = SMALL.learning_rate, SMALL.learning_rate * SMALL.final_learning_rate
    assert [entry["learning_rate"] for entry in history] == pytest.approx([first, (first + last) / 2])


@pytest.mark.parametrize("steps", [0, 80])
def test_past_the_budget_the_rate_stays_what_it_is_at_its_end(steps: int) -> None:
    training = Training(_config(steps=steps))
    rates = [training.iterate()["learning_rate"] for _ in range(3)]
    first, last = SMALL.learning_rate, SMALL.learning_rate * SMALL.final_learning_rate
    assert rates == pytest.approx([first if steps else last, last, last])


def test_worlds_follow_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    reset = Game.reset

    def spy(self: Game, seed: int) -> Any:
        seeds.append(seed)
        return reset(self, seed)

    monkeypatch.setattr(Game, "reset", spy)
    for seed in (0, 3):
        train(_config(steps=80, seed=seed))
    assert seeds == [0, 3_000_000]


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="PointDir-v7: unknown scenario; versions of PointDir: v0"):
        train(TrainConfig(scenario="PointDir-v7"))


def test_players_are_a_policy_or_one_for_each_role() -> None:
    alone = players(train(_config(False, steps=80)).network)
    assert isinstance(alone, Policy)
    team = players(train(_config(True, steps=80)).network, deterministic=False)
    assert isinstance(team, dict)
    assert list(team) == ["state_modeling", "meta_learning", "adaptation", "coordinator"]
    assert all(isinstance(p, NetworkPolicy) and not p.deterministic for p in team.values())


# -- the command line -----------------------------------------------------------------------------------

TINY = [
    *("--steps", "160", "--core", "mlp", "--width", "8"),
    *("--ppo", "num_worlds=4", "rollout=20", "segment=10", "minibatches=2", "epochs=2"),
]


@pytest.mark.parametrize("team", [False, True])
def test_training_leaves_a_checkpoint_and_its_metrics(
    tmp_path: Path, team: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["--out", str(out), *TINY, *(["--team"] if team else []), "--seed", "5"]) == 0
    assert str(out) in capsys.readouterr().out
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [80, 160]
    assert {"loss", "kl", "learning_rate"} <= set(lines[0])
    assert "episode_return" not in lines[0] | lines[1]  # inner episodes of 50 steps, of which 40 were taken
    network, config, steps = checkpoint.load(out)
    assert steps == 160
    assert (config.team, config.seed, config.ppo.num_worlds) == (team, 5, 4)
    assert config.network.core.kind == "mlp"
    for name, value in train(config).network.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name


def test_roles_get_cores_of_their_own_from_the_command_line(tmp_path: Path) -> None:
    given = ("coordinator=mlp:32", "adaptation=gru")
    network = configuration(Command(tmp_path, team=True, width=48, role_cores=given)).network
    assert network.core == CoreConfig(width=48)
    assert network.role_cores == {
        "coordinator": CoreConfig(kind="mlp", width=32),
        "adaptation": CoreConfig(kind="gru", width=48),
    }
    assert configuration(Command(tmp_path, team=True, shared=True)).network.shared


def test_a_command_line_becomes_a_configuration(tmp_path: Path) -> None:
    command = Command(
        tmp_path,
        team=True,
        observability="full",
        muted_roles=("state_modeling",),
        absent_roles=("environment",),
        ppo=("learning_rate=3e-4", "epochs=3"),
    )
    config = configuration(command)
    assert config.ppo == tuned("PointDir-v0", learning_rate=3e-4, epochs=3)
    assert config.options == {
        "observability": "full",
        "muted_roles": ["state_modeling"],
        "absent_roles": ["environment"],
    }
    assert configuration(Command(tmp_path)).options == {}
    assert configuration(Command(tmp_path, team=True)).options == {"observability": "split"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenario", "PointDri-v0"], "PointDri-v0: unknown scenario; did you mean PointDir-v0?"),
        (
            ["--ppo", "learning_rat=1"],
            "--ppo learning_rat=1: unknown setting 'learning_rat'; one of num_worlds,",
        ),
        (["--ppo", "epochs=many"], "--ppo epochs=many: 'many' is not a value for epochs"),
        (["--ppo", "epochs"], "--ppo epochs: '' is not a value for epochs"),
        (["--ppo", "segment=30"], "segment=30 does not divide rollout="),
        (["--ppo", "minibatches=0"], "PpoConfig: minibatches=0: a whole number, 1 or more, is expected"),
        (["--ppo", "gamma=nan"], "PpoConfig: gamma=nan: a number of at least 0.0 and at most 1.0 is"),
        (["--steps", "0"], "--steps 0: at least 1 is expected"),
        (["--seed", "-1"], "--seed -1: at least 0 is expected"),
        (["--team", "--role-cores", "referee=mlp"], "role_cores: unknown role 'referee'"),
        (["--team", "--role-cores", "adaptation=rnn"], "--role-cores adaptation=rnn: 'rnn': unknown core"),
        (["--team", "--role-cores", "adaptation=mlp:big"], "'big' is no width; write adaptation=mlp:32"),
        (["--role-cores", "adaptation=mlp"], "roles belong to the five-role team; add --team"),
        (["--team", "--role-cores", "agent=mlp"], "role_cores: 'agent' does not play in the five-role team"),
        (
            ["--team", "--absent-roles", "adaptation", "--role-cores", "adaptation=mlp"],
            "--absent-roles leaves adaptation out",
        ),
        (
            ["--scenario", "HalfCheetah-v0", "--infer-task"],
            "infer_task=True: HalfCheetah-v0 has no hidden task to infer",
        ),
        (
            ["--team", "--absent-roles", "meta_learning", "adaptation", "coordinator"],
            "all of them are partners or absent (learning: state_modeling); take communication='reinforced'",
        ),
        (["--team", "--shared", "--role-cores", "adaptation=mlp"], "role_cores must be empty"),
        (["--width", "0"], "CoreConfig: width=0: a whole number, 1 or more, is expected"),
        (["--team", "--muted-roles", "referee"], "option muted_roles: unknown role 'referee'"),
        (["--muted-roles", "adaptation"], "option 'muted_roles' belongs to the five-role team"),
        (["--absent-roles", "adaptation"], "option 'absent_roles' belongs to the five-role team"),
        (["--observability", "full"], "option 'observability' belongs to the five-role team"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "run"), "--steps", "1", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_diverges_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def diverge(self: Ppo, *arguments: Any) -> Any:
        raise FloatingPointError("loss is nan after 0 updates of this iteration")

    monkeypatch.setattr(Ppo, "learn", diverge)
    assert main(["--out", str(tmp_path), *TINY]) == 1
    assert "diverged: loss is nan after 0 updates" in capsys.readouterr().err


def test_a_run_that_diverges_later_keeps_its_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loss, spoiled = Ppo._loss, []

    def diverge(self: Ppo, batch: Any) -> Any:
        found, metrics = loss(self, batch)
        if len(spoiled) < 4:  # an iteration is two epochs of two minibatches
            spoiled.append(False)
            return found, metrics
        return found * math.nan, {**metrics, "loss": math.nan}

    with monkeypatch.context() as patch:
        patch.setattr(Ppo, "_loss", diverge)
        assert main(["--out", str(tmp_path), *TINY]) == 1
    said = capsys.readouterr().err
    assert (
        f"diverged: loss is nan after 0 updates of this iteration; the last good checkpoint is in {tmp_path}"
        in said
    )
    network, config, steps = checkpoint.load(tmp_path)
    assert steps == 80
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert main(["--out", str(tmp_path), *TINY]) == 0  # nothing was stored of what went wrong
    for name, value in train(config).network.state_dict().items():
        assert torch.equal(value, checkpoint.load(tmp_path)[0].state_dict()[name]), name


# -- TensorBoard and devices ----------------------------------------------------------------------------


def test_metrics_go_to_tensorboard_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            said.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            said.append((name, value, step))

        def close(self) -> None:
            said.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(tensorboard, "available", lambda: True)
    assert main(["--out", str(tmp_path), *TINY, "--tensorboard"]) == 0
    assert said[0] == (str(tmp_path / "tensorboard"), 1)
    assert said[-1] == "closed"
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    expected = [(k, v, line["steps"]) for line in lines for k, v in line.items() if k != "steps"]
    assert said[1:-1] == expected


def test_the_bar_shows_the_return_of_the_last_inner_episodes_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    iterate = Training.iterate

    def ended_in_the_first(self: Training) -> dict[str, float]:
        metrics = iterate(self)
        return metrics | ({"episode_return": 12.5} if self.steps == 80 else {})

    monkeypatch.setattr(Training, "iterate", ended_in_the_first)
    assert main(["--out", str(tmp_path), *TINY]) == 0
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert "return=12.5" in last


def test_tensorboard_that_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tensorboard, "available", lambda: False)
    assert main(["--out", str(tmp_path / "run"), *TINY, "--tensorboard"]) == 2
    assert "--tensorboard: TensorBoard is not installed; pip install tensorboard" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_gpu_that_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--out", str(tmp_path / "run"), *TINY, "--device", "cuda"]) == 2
    assert "--device cuda: torch sees no GPU here" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("team", [False, True])
def test_the_same_code_trains_on_a_gpu(team: bool, tmp_path: Path) -> None:
    config = dataclasses.replace(_config(team, steps=160), network=NetworkConfig(forecast_horizon=2))
    on_cpu = train(dataclasses.replace(config, steps=80)).history[0]
    training = Training(config, device="cuda")
    history = [training.iterate()]
    training_state.save(tmp_path, training)
    history.append(training.iterate())
    assert {parameter.device.type for parameter in training.network.parameters()} == {"cuda"}
    # The same worlds and draws: the first rollout is that of the CPU, to rounding.
    assert history[0]["episode_return"] == pytest.approx(on_cpu["episode_return"], rel=1e-2, abs=1e-3)
    assert history[0]["value_loss"] == pytest.approx(on_cpu["value_loss"], rel=5e-2)
    again = Training(config, device="cuda")
    assert training_state.resume(tmp_path, again)
    assert again.iterate()["loss"] == pytest.approx(history[1]["loss"], rel=1e-2)
    checkpoint.save(tmp_path, training.network, config, training.steps)
    network, _, _ = checkpoint.load(tmp_path)  # onto the CPU
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    team_players = players(training.network)
    found = evaluate(config.scenario, team_players, split="validation", trials=1, horizon=7)
    assert np.isfinite(found.returns).all()


def test_one_agent_is_a_team_of_one() -> None:
    assert train(_config(False, steps=80)).network.roles == (AGENT,)
