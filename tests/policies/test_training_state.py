"""N steps equal k steps, a stop, and N - k more, bit for bit; what does not fit is refused by name."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ma_ssm_env.plain_state import to_plain
from policies import checkpoint, training_state
from policies.config import TrainConfig
from policies.cores import CORES, CoreConfig
from policies.ppo import PpoConfig
from policies.team import NetworkConfig, TeamNetwork
from policies.tensor_store import StoreError
from policies.train import main, train
from policies.training import Training

SMALL = PpoConfig(num_worlds=4, rollout=20, segment=10, minibatches=2, epochs=2)  # 80 steps an iteration
TIMED = {"acting_s", "learning_s"}


def _config(team: bool = True, core: str = "s5", steps: int = 320, **settings: Any) -> TrainConfig:
    network = NetworkConfig(core=CoreConfig(kind=core, width=8, state_size=6), critic_width=9)
    options = {"horizon": 7, "sensor_noise": 0.05, **settings.pop("options", {})}
    return TrainConfig(team=team, steps=steps, network=network, ppo=SMALL, options=options, **settings)


def _same(a: Training, b: Training) -> None:
    """Everything is the same: parameters, optimiser, statistics, streams, worlds, memories, history."""
    one, two = a.clone_state(), b.clone_state()
    for state in (one, two):
        for entry in state["history"]:
            for name in TIMED:
                del entry[name]
    (arrays, outline), (others, other_outline) = to_plain(one), to_plain(two)
    assert outline == other_outline
    for name, value in arrays.items():
        assert value.tobytes() == others[name].tobytes(), name
        assert value.dtype == others[name].dtype, name


@pytest.mark.parametrize(("team", "core"), [(False, "s5"), *((True, core) for core in sorted(CORES))])
def test_a_stopped_run_ends_in_the_same_bits(tmp_path: Path, team: bool, core: str) -> None:
    whole = Training(_config(team, core))
    while not whole.finished:
        whole.iterate()
    first = Training(_config(team, core))
    for _ in range(2):
        first.iterate()
    training_state.save(tmp_path, first)
    for _ in range(2):
        first.iterate()  # what goes on after it was stored does not reach the store
    second = Training(_config(team, core))
    assert training_state.resume(tmp_path, second)
    assert second.steps == 160
    while not second.finished:
        second.iterate()
    _same(whole, second)


@pytest.mark.parametrize(
    "settings",
    [
        {"communication": "reinforced"},
        {"options": {"absent_roles": ["coordinator"]}},
        {"scenario": "HopperRandParams-v0"},
    ],
)
def test_other_settings_go_on_exactly_too(tmp_path: Path, settings: dict[str, Any]) -> None:
    whole, first, second = (Training(_config(**settings)) for _ in range(3))
    for _ in range(3):
        whole.iterate()
    first.iterate()
    training_state.save(tmp_path, first)
    training_state.resume(tmp_path, second)
    for _ in range(2):
        second.iterate()
    _same(whole, second)


def test_a_folder_without_a_state_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    training = Training(_config())
    assert not training_state.resume(tmp_path, training)
    _same(training, Training(_config()))


class _Killed(Exception):
    pass


def test_an_interrupted_call_of_train_goes_on_and_repeats_no_stored_step(tmp_path: Path) -> None:
    iterations: list[int] = []
    reached: list[int] = []

    def killed(steps: int, metrics: Any) -> None:
        iterations.append(steps)
        if steps == 240 and iterations.count(240) == 1:
            raise _Killed

    settings: dict[str, Any] = {
        "checkpoints": (100, 320),
        "on_checkpoint": lambda steps, network: reached.append(steps),
        "on_iteration": killed,
        "state_folder": tmp_path,
        "state_every": 1e9,  # at checkpoints only
    }
    with pytest.raises(_Killed):
        train(_config(), **settings)
    started: list[int] = []
    trained = train(_config(), on_start=lambda training: started.append(training.steps), **settings)
    assert started == [160]
    assert iterations == [80, 160, 240, 240, 320]
    assert reached == [160, 320]
    assert [entry["steps"] for entry in trained.history] == [80, 160, 240, 320]
    plain = train(_config())
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, trained.network.state_dict()[name]), name
    again = train(_config(), **settings)  # a finished run takes no step
    assert iterations[5:] == []
    assert torch.equal(again.network.critic.head.weight, plain.network.critic.head.weight)


def test_states_are_stored_as_time_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[int] = []
    save = training_state.save
    monkeypatch.setattr(
        training_state, "save", lambda folder, run: (stored.append(run.steps), save(folder, run))
    )
    train(_config(), state_folder=tmp_path / "a", state_every=0.0)
    assert stored == [0, 80, 160, 240, 320]
    stored.clear()
    train(_config(), state_folder=tmp_path / "b", state_every=1e9)
    assert stored == [0, 320]


def test_another_configuration_is_refused_by_what_differs(tmp_path: Path) -> None:
    first = Training(_config())
    training_state.save(tmp_path, first)
    other = dataclasses.replace(
        _config(options={"muted_roles": ["adaptation"]}),
        seed=3,
        ppo=dataclasses.replace(SMALL, learning_rate=3e-4),
    )
    run = Training(other)
    with pytest.raises(
        training_state.ConfigurationError,
        match=r"training\.json is of a run with another configuration: seed was 0, now 3; "
        r"ppo\.learning_rate was 0\.001, now 0\.0003; "
        r"options\.muted_roles was not set, now \[\"adaptation\"\]$",
    ):
        training_state.resume(tmp_path, run)
    _same(run, Training(other))


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    training_state.save(tmp_path, Training(_config()))
    path = tmp_path / training_state.FILE
    whole = json.loads(path.read_text())
    for outline in (None, {}, {"dict": {}}):
        path.write_text(json.dumps(whole | {"state": outline}))
        with pytest.raises(StoreError, match=f"{path}: damaged, or not of this code: "):
            training_state.resume(tmp_path, Training(_config()))
    path.write_text(json.dumps(whole))
    (tensors,) = tmp_path.glob("training-*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\x07")
    with pytest.raises(StoreError, match="its digest is not the one in"):
        training_state.resume(tmp_path, Training(_config()))
    tensors.unlink()
    with pytest.raises(StoreError, match=f"{tensors.name}: missing"):
        training_state.resume(tmp_path, Training(_config()))
    (tmp_path / training_state.FILE).write_text("{")
    with pytest.raises(StoreError, match="not a training state"):
        training_state.resume(tmp_path, Training(_config()))


def test_a_kill_while_storing_leaves_the_older_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Training(_config())
    run.iterate()
    training_state.save(tmp_path, run)
    run.iterate()
    replace = os.replace

    def killed(source: Any, target: Any) -> None:
        if Path(target).name == training_state.FILE:
            raise _Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(_Killed):
            training_state.save(tmp_path, run)
    again = Training(_config())
    assert training_state.resume(tmp_path, again)
    assert again.steps == 80
    training_state.save(tmp_path, run)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_changed_library_is_named(tmp_path: Path) -> None:
    training_state.save(tmp_path, Training(_config()))
    assert training_state.changed_versions(tmp_path) == []
    path = tmp_path / training_state.FILE
    description = json.loads(path.read_text())
    description["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(description))
    assert training_state.changed_versions(tmp_path) == [f"torch 1.0, now {torch.__version__}"]


# -- the command line -----------------------------------------------------------------------------------

TINY = [
    *("--steps", "320", "--core", "mlp", "--width", "8"),
    *("--ppo", "num_worlds=4", "rollout=20", "segment=10", "minibatches=2", "epochs=2"),
]


def _metrics(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMED} for line in lines]


def test_the_command_line_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(["--out", str(whole), *TINY]) == 0
    iterate = Training.iterate

    def killed(self: Training) -> dict[str, float]:
        if self.steps == 240:
            raise _Killed
        return iterate(self)

    save = training_state.save
    with monkeypatch.context() as patch:
        patch.setattr(Training, "iterate", killed)
        # As if the kill came before the state of step 240 was stored.
        patch.setattr(training_state, "save", lambda f, run: save(f, run) if run.steps < 240 else None)
        with pytest.raises(_Killed):
            main(["--out", str(stopped), *TINY])
    assert [line["steps"] for line in _metrics(stopped)] == [80, 160, 240]
    with open(stopped / "metrics.jsonl", "a") as file:
        file.write('{"steps": 3')  # a line that the kill cut off
    capsys.readouterr()
    assert main(["--out", str(stopped), *TINY]) == 0
    assert "continuing after 160 of 320 steps" in "".join(capsys.readouterr())
    assert _metrics(stopped) == _metrics(whole)
    for name, value in checkpoint.load(whole)[0].state_dict().items():
        assert torch.equal(value, checkpoint.load(stopped)[0].state_dict()[name]), name


def test_the_command_line_refuses_another_configuration_and_restarts_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), *TINY]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert main(["--out", str(tmp_path), *TINY, "--seed", "4"]) == 2
    said = capsys.readouterr().err
    assert "seed was 0, now 4; --restart sets it aside" in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main(["--out", str(tmp_path), *TINY, "--seed", "4", "--restart"]) == 0
    assert str(tmp_path / "before-1") in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "before-1").iterdir()} == before
    assert checkpoint.load(tmp_path)[1].seed == 4
    assert main(["--out", str(tmp_path), *TINY, "--restart"]) == 0
    assert checkpoint.load(tmp_path / "before-2")[1].seed == 4


def test_a_run_without_a_state_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), *TINY]) == 0
    (tmp_path / training_state.FILE).unlink()
    assert main(["--out", str(tmp_path), *TINY]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path} holds a run without a training state (training-" in said
    assert "give another --out, or --restart, which sets it aside" in said


def test_reading_a_state_draws_nothing_from_global_streams(tmp_path: Path) -> None:
    training_state.save(tmp_path, Training(_config()))
    before = torch.get_rng_state(), str(np.random.get_state(legacy=False))  # noqa: NPY002
    training_state.resume(tmp_path, Training(_config()))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state(legacy=False)) == before[1]  # noqa: NPY002


@pytest.mark.slow
def test_a_killed_process_loses_only_what_was_not_stored(tmp_path: Path) -> None:
    arguments = ["--steps", "6400", "--team", "--core", "mlp", "--width", "8"]
    arguments += ["--ppo", "num_worlds=4", "rollout=20", "segment=10", "minibatches=2", "epochs=2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "policies.train", "--out", str(killed), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (killed / checkpoint.FILE).exists():  # the first tenth is done, and a state stored soon
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main(["--out", str(killed), *arguments]) == 0
    assert main(["--out", str(whole), *arguments]) == 0
    assert _metrics(killed) == _metrics(whole)
    networks: list[TeamNetwork] = [checkpoint.load(folder)[0] for folder in (whole, killed)]
    for name, value in networks[0].state_dict().items():
        assert torch.equal(value, networks[1].state_dict()[name]), name
