"""Adaptation curves, the command lines, and what runs leave on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ma_ssm_env.evaluation import EVALUATION_SEED, evaluate
from policies import checkpoint
from policies.cores import CORES, CoreConfig
from policies.game import Game
from policies.maml import InnerConfig, MamlConfig, MetaTraining, curves, maml_ppo
from policies.maml.__main__ import Command, configuration, main
from policies.maml.curves import adaptation_curve, best_rate
from policies.maml.curves import main as judge
from policies.maml.inner import Adaptation
from policies.maml.train import load
from policies.maml.trials import Sampler, TrialBatch
from policies.role_network import HeadConfig
from policies.team import NetworkConfig
from policies.train import main as train_plainly
from policies.train import players

PLAY = {"horizon": 6, "episodes_per_trial": 2}
TASKS = np.array([[0.3], [-2.0]])
TINY = (
    "--tasks",
    "2",
    "--trials",
    "3",
    "--horizon",
    "6",
    "--width",
    "8",
    "--steps",
    "150",
    "--save-every",
    "1",
)


def _run(**changes: Any) -> MetaTraining:
    inner = changes.pop("inner", InnerConfig(rate=0.5))
    team = changes.pop("team", False)
    options = changes.pop("options", {**PLAY, "observability": "full"} if team else PLAY)
    network = NetworkConfig(core=CoreConfig(kind="mlp", width=8), head=HeadConfig(gain=0.5), critic_width=4)
    ppo = maml_ppo(6, 12, inner.steps)
    return MetaTraining(
        MamlConfig(
            team=team, tasks=2, trials=3, inner=inner, network=network, options=options, ppo=ppo, **changes
        )
    )


@pytest.mark.parametrize("team", [False, True])
def test_a_curve_counts_its_episodes_and_steps(team: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(team=team)
    played = 0
    step = Game.step

    def counted(self: Game, actions: Any) -> Any:
        nonlocal played
        played += self.num_worlds
        return step(self, actions)

    monkeypatch.setattr(Game, "step", counted)
    options = run.config.options
    curve = adaptation_curve(
        run.network, run.adaptation, "PointDir-v0", options, trials=(0, 1, 3), tasks=TASKS, judged=2
    )
    assert [point.episodes for point in curve] == [0, 2, 6]
    assert [point.steps for point in curve] == [0, 24, 72]
    assert played == 96
    assert all(point.returns.shape == (2, 2) and point.sampled.shape == (2,) for point in curve)
    plain = evaluate("PointDir-v0", players(run.network), tasks=TASKS, trials=2, **options)
    np.testing.assert_allclose(curve[0].returns, plain.returns.mean(1), rtol=1e-5, atol=1e-6)
    assert not np.allclose(curve[2].returns, curve[0].returns)


def test_no_world_of_the_data_is_one_that_is_judged_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """World i of `reset(s)` has seed s + i, and an evaluation those from `EVALUATION_SEED` on."""
    data: list[int] = []
    judged: list[int] = []
    reset = Game.reset

    def noted(self: Game, seed: int) -> Any:
        data.extend(range(seed, seed + self.num_worlds))
        return reset(self, seed)

    def evaluated(*given: Any, tasks: np.ndarray, trials: int, **options: Any) -> Any:
        first = options.get("seed", EVALUATION_SEED)
        judged.extend(range(first, first + len(tasks) * trials))
        return evaluate(*given, tasks=tasks, trials=trials, **options)

    monkeypatch.setattr(Game, "reset", noted)
    monkeypatch.setattr(curves, "evaluate", evaluated)
    run = _run(inner=InnerConfig(steps=2))
    adaptation_curve(run.network, run.adaptation, "PointDir-v0", PLAY, trials=(3,), tasks=TASKS, judged=4)
    assert len(data) == len(set(data)) == 2 * 2 * 3
    assert sorted(set(judged)) == [EVALUATION_SEED + i for i in range(2 * 4)]
    assert not set(data) & set(judged)
    assert min(data) > EVALUATION_SEED  # nor one of a run, whose seeds lie below


def test_two_inner_steps_use_twice_the_data() -> None:
    run = _run(inner=InnerConfig(steps=2))
    curve = adaptation_curve(
        run.network, run.adaptation, "PointDir-v0", PLAY, trials=(1,), tasks=TASKS, judged=1
    )
    assert (curve[0].episodes, curve[0].steps) == (4, 48)


def _told(run: MetaTraining, monkeypatch: pytest.MonkeyPatch) -> list[TrialBatch]:
    """The data that a curve of one trial adapts from."""
    batches = []
    play = Sampler.play

    def spy(self: Sampler, *given: Any) -> TrialBatch:
        batches.append(play(self, *given))
        return batches[-1]

    monkeypatch.setattr(Sampler, "play", spy)
    adaptation_curve(
        run.network,
        run.adaptation,
        "PointDir-v0",
        run.config.options,
        trials=(1,),
        tasks=TASKS,
        judged=1,
    )
    return batches


def test_a_prior_of_no_inner_steps_adapts_from_what_maml_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    episodic = {**PLAY, "feedback": "episode"}
    (batch,) = _told(_run(inner=InnerConfig(steps=0), options=episodic), monkeypatch)
    assert batch.feedback[[5, 11]].all()
    assert not batch.feedback[:5].any()
    assert not batch.feedback[6:11].any()
    blind = _run(inner=InnerConfig(steps=0), options={**PLAY, "feedback": "none"})
    with pytest.raises(ValueError, match="no reward is observed to adapt from"):
        _told(blind, monkeypatch)
    assert blind.adaptation.config.steps == 0  # training goes on as before


def test_the_best_rate_is_judged_on_validation_tasks() -> None:
    """At rate 0 nothing changes and at 1e6 everything breaks: what is left between is chosen."""
    run = _run()
    inner = InnerConfig()
    rate = best_rate(run.network, inner, "PointDir-v0", PLAY, rates=(1e6, 0.5), trials=3)
    values = {}
    for candidate in (1e6, 0.5):
        adaptation = Adaptation(run.network, InnerConfig(rate=candidate))
        (point,) = adaptation_curve(
            run.network, adaptation, "PointDir-v0", PLAY, trials=(3,), split="validation", judged=2
        )
        values[candidate] = float(point.returns.mean())
    assert rate == max(values, key=values.__getitem__)


# -- command lines --------------------------------------------------------------------------------------


def test_the_command_trains_goes_on_and_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path), *TINY, "--core", "gru", "--inner.learned-rates"]
    assert main(arguments) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [144, 288]
    run = load(tmp_path)
    assert (run.steps, run.iteration, run.config.network.core.kind) == (288, 2, "gru")
    prior, config, steps = checkpoint.load(tmp_path)  # what `policies.evaluate` reads
    assert (config.scenario, steps) == ("PointDir-v0", 288)
    for name, value in prior.state_dict().items():
        assert torch.equal(value, run.network.state_dict()[name])
    # The same command does nothing more, and leaves the metrics alone.
    assert main(arguments) == 0
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    assert main([*arguments, "--seed", "1"]) == 2
    assert "another seed" in capsys.readouterr().err
    assert judge([str(tmp_path), "--trials", "0", "1", "--judged", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["episodes"] for row in found["curve"]] == [0, 2]
    assert judge([str(tmp_path / "nothing")]) == 2
    assert "no meta-trained prior there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scenario", "PointDri-v0"), "did you mean PointDir-v0"),
        (("--tasks", "0"), "--tasks 0"),
        (("--ppo", "epocs=3"), "unknown setting 'epocs'"),
        (("--ppo", "epochs=x"), "'x' is not a value for epochs"),
        (("--ppo", "epochs=0"), "PpoConfig: epochs=0: a whole number, 1 or more, is expected"),
        (("--feedback", "none"), "no reward is observed to adapt from"),
        (("--ppo", "value=0.5"), "fitted linear baseline"),
    ],
)
def test_bad_usage_is_named(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), *TINY, *arguments]) == 2
    assert message in capsys.readouterr().err


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_neither_command_writes_over_a_run_of_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, meta = tmp_path / "plain", tmp_path / "meta"
    ppo = ("--steps", "80", "--core", "mlp", "--width", "8", "--ppo", "num_worlds=4", "rollout=20")
    ppo = (*ppo, "segment=10", "minibatches=2", "epochs=1")
    assert train_plainly(["--out", str(plain), *ppo]) == 0
    assert main(["--out", str(meta), *TINY]) == 0
    before = _files(plain), _files(meta)
    capsys.readouterr()
    assert main(["--out", str(plain), *TINY]) == 2
    said = capsys.readouterr().err
    assert said == f"{plain} holds a run of python -m policies.train (training.json): give another --out\n"
    assert train_plainly(["--out", str(meta), *ppo]) == 2
    said = capsys.readouterr().err
    assert f"{meta} holds a run of python -m policies.maml (state.safetensors): give another --out" in said
    assert (_files(plain), _files(meta)) == before
    (plain / "training.json").unlink()
    assert main(["--out", str(plain), *TINY]) == 2
    assert "a run without a training state" in capsys.readouterr().err
    # What is set aside is whole: the folder is then no longer one of meta-training.
    assert train_plainly(["--out", str(meta), *ppo, "--restart"]) == 0
    assert _files(meta / "before-1") == before[1]
    assert main(["--out", str(meta), *TINY]) == 2
    assert load(meta / "before-1").steps == 288


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterate = MetaTraining.iterate

    def stopped(self: MetaTraining) -> dict[str, float]:
        if self.iteration:
            raise KeyboardInterrupt
        return iterate(self)

    arguments = ["--out", str(tmp_path), *TINY, "--save-every", "10"]
    with monkeypatch.context() as patch:
        patch.setattr(MetaTraining, "iterate", stopped)
        with pytest.raises(KeyboardInterrupt):
            main(arguments)
    assert main(arguments) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [144, 288]


def test_a_run_that_was_cut_while_it_stored_its_end_has_a_checkpoint_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_after(store: Any) -> Any:
        def stored(first: Any, *others: Any) -> None:
            store(first, *others)
            if 288 in (getattr(first, "steps", None), *others[2:]):
                raise KeyboardInterrupt

        return stored

    arguments = ["--out", str(tmp_path), *TINY]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", cut_after(checkpoint.save))  # folder, network, config, steps
        patch.setattr(MetaTraining, "save", cut_after(MetaTraining.save))
        with pytest.raises(KeyboardInterrupt):
            main(arguments)
    assert main(arguments) == 0
    assert checkpoint.load(tmp_path)[2] == load(tmp_path).steps == 288
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("damage", ["cut", "text", "strange"])
def test_a_damaged_state_is_named(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), *TINY]) == 0
    path = tmp_path / "state.safetensors"
    if damage == "strange":
        save_file({"weight": torch.zeros(2)}, path)
    else:
        path.write_bytes(path.read_bytes()[:100] if damage == "cut" else b"not a tensor")
    capsys.readouterr()
    for command in (lambda: main(["--out", str(tmp_path), *TINY]), lambda: judge([str(tmp_path)])):
        assert command() == 2
        said = capsys.readouterr().err
        assert f"{path}: damaged, or not a state of meta-training (" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("core", CORES)
def test_every_core_can_be_meta_trained(core: str, tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), *TINY, "--core", core]) == 0
    assert load(tmp_path).config.network.core.kind == core


def test_zero_inner_steps_get_ppos_own_settings() -> None:
    plain = configuration(Command(Path("x"), inner=InnerConfig(steps=0)))
    assert plain.ppo.value > 0.0
    assert plain.ppo.minibatches > 1
    assert configuration(Command(Path("x"))).ppo.value == 0.0
