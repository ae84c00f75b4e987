"""Meta-training: the loop, and what it takes to go on after an interruption.

An iteration draws N tasks, plays M trials of each with the prior, adapts, plays M trials with what came of
it (and so on for more inner steps), and takes the outer step. Every control step of every phase is charged.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors

from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies.config import WORLDS_OF_A_RUN, TrainConfig, from_json, to_json
from policies.game import Game
from policies.maml.inner import Adaptation, InnerConfig
from policies.maml.outer import Outer, OuterConfig
from policies.maml.trials import Sampler, TrialBatch
from policies.ppo import Ppo, PpoConfig
from policies.ranges import check_count
from policies.rollout import Collector
from policies.run_folder import META_STATE
from policies.team import NetworkConfig, TeamNetwork
from policies.training import spent

STATE = META_STATE
_OWN = ("tasks", "trials", "statistics")  # fields beside those of a plain training run


@dataclass(frozen=True)
class MamlConfig:
    """A meta-training run.

    Attributes:
        scenario: id of the scenario.
        team: the five-role team; else the single-agent twin.
        steps: control steps, over all worlds and phases.
        seed: of networks, tasks and sampling; also chooses the run's worlds.
        tasks: N, tasks of an iteration.
        trials: M, trials of each task and phase.
        statistics: iterations whose observations enter the normalisation, where there are inner steps: a
            change of scale changes what a step of the same rate does, and late in a run the prior no longer
            follows it. Without inner steps all enter, as in plain PPO.
        inner: adaptation.
        outer: learning of the prior.
        network: networks; their critic is used with zero inner steps alone.
        ppo: the outer step's settings; `maml_ppo` makes them fit the rest.
        options: options of the environment.
    """

    scenario: str = "PointDir-v0"
    team: bool = False
    steps: int = 1_000_000
    seed: int = 0
    tasks: int = 20
    trials: int = 20
    statistics: int = 3
    inner: InnerConfig = field(default_factory=InnerConfig)
    outer: OuterConfig = field(default_factory=OuterConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    ppo: PpoConfig = field(default_factory=PpoConfig)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_count(self, "tasks", "trials", least=1)
        check_count(self, "steps", "seed", "statistics", least=0)

    @property
    def as_training(self) -> TrainConfig:
        """The same as a plain training run, which is what a checkpoint of the prior holds."""
        return TrainConfig(
            scenario=self.scenario,
            team=self.team,
            steps=self.steps,
            seed=self.seed,
            communication="reinforced",
            network=self.network,
            ppo=self.ppo,
            options=self.options,
        )

    @property
    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        own = {name: getattr(self, name) for name in _OWN}
        parts = {"inner": dataclasses.asdict(self.inner), "outer": dataclasses.asdict(self.outer)}
        return {**to_json(self.as_training), **own, **parts}


def maml_ppo(worlds: int, trial_steps: int, inner_steps: int, **changes: Any) -> PpoConfig:
    """PPO's settings for batches of whole trials.

    With inner steps those of ProMP: no critic (a linear baseline is fitted to each task), full batches, 5
    epochs, clip 0.3. Without, PPO's own.

    Args:
        worlds: trials of an iteration, over all tasks.
        trial_steps: control steps of a trial.
        inner_steps: gradient steps of the adaptation; 0 is multi-task PPO.
        changes: settings that differ.
    """
    sizes = {"num_worlds": worlds, "rollout": trial_steps, "segment": trial_steps}
    if inner_steps == 0:
        minibatches = next(n for n in (16, 10, 8, 5, 4, 2, 1) if worlds % n == 0)
        return PpoConfig(**{**sizes, "minibatches": minibatches, **changes})
    promp = {"minibatches": 1, "epochs": 5, "learning_rate": 1e-3, "clip": 0.3, "value": 0.0}
    return PpoConfig(**{**sizes, **promp, "gamma": 0.99, "lam": 1.0, **changes})


class MetaTraining:
    """A run in progress.

    Attributes:
        config: what is run.
        network: the prior.
        adaptation: the inner step, with its learning rates.
        steps: control steps that were taken.
        iteration: iterations that were done.
    """

    def __init__(self, config: MamlConfig) -> None:
        self.config = config
        self.scenario = find_scenario(config.scenario)
        worlds = config.tasks * config.trials
        game = Game(config.scenario, worlds, config.team, config.options)
        length = game.options.horizon * game.options.episodes_per_trial
        if (config.ppo.num_worlds, config.ppo.rollout) != (worlds, length):
            raise ValueError(
                f"ppo is set for {config.ppo.num_worlds} worlds x {config.ppo.rollout} steps, but "
                f"an iteration plays {config.tasks} tasks x {config.trials} trials, {worlds} worlds x "
                f"{length}: take maml_ppo"
            )
        if config.inner.steps and config.ppo.value:
            raise ValueError(
                f"value={config.ppo.value} with {config.inner.steps} inner steps: adapted policies have a "
                "fitted linear baseline and no critic; take value=0"
            )
        if config.inner.steps and config.network.infer_task:
            raise ValueError(
                f"infer_task=True with {config.inner.steps} inner steps: trials of adapted policies keep no "
                "state to learn the task from; set infer_task=False, or 0 inner steps"
            )
        if config.outer.algorithm == "reptile" and config.inner.steps == 0:
            raise ValueError("reptile with 0 inner steps: there is nothing to move towards; take 1 or more")
        if config.outer.algorithm == "reptile" and config.inner.learned_rates:
            raise ValueError(
                "learned_rates=True with reptile: it has no outer loss to learn them from; set "
                "learned_rates=False"
            )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.rng = np.random.default_rng([config.seed, 6])
        self.network = TeamNetwork(game, config.network, False, self.generator)
        self.game = game
        self.adaptation = Adaptation(self.network, config.inner)
        self.ppo = Ppo(self.network, config.ppo, "reinforced", self.generator)
        self.outer = Outer(self.ppo, self.adaptation, config.outer)
        self.sampler = Sampler(game, self.network, self.adaptation, self.generator)
        self.steps = self.iteration = self._batches = 0

    def iterate(self) -> dict[str, float]:
        """One meta-iteration; its metrics.

        `before` and `after` are mean returns of an inner episode on the first and on the last trials of the
        iteration. After the last inner step `reptile` plays none: its last trials are those from which that
        step learned, with one inner step the same as the first.
        """
        config = self.config
        tasks = np.stack([self.scenario.variation.sample(self.rng, "train") for _ in range(config.tasks)])
        progress = spent(self.steps, config.steps)
        began = time.process_time()
        metrics = (
            self._multi_task(tasks, progress) if config.inner.steps == 0 else self._meta(tasks, progress)
        )
        self.iteration += 1
        return {**metrics, "cpu_s": time.process_time() - began}

    def _multi_task(self, tasks: NDArray[np.float64], progress: float) -> dict[str, float]:
        self.game.pin(np.repeat(tasks, self.config.trials, axis=0))
        collector = Collector(self.game, self.network, self._seed(), self.generator)
        rollout = collector.collect(self.config.ppo.rollout, self.config.ppo.segment)
        self.steps += rollout.rewards.numel()
        self.ppo.return_scale.begin()  # a trial that a body's fall left cut does not go on here
        metrics = self.ppo.learn(rollout, progress)
        return {**metrics, "before": metrics["episode_return"], "after": metrics["episode_return"]}

    def _meta(self, tasks: NDArray[np.float64], progress: float) -> dict[str, float]:
        config, sampler, N = self.config, self.sampler, self.config.tasks
        reptile = config.outer.algorithm == "reptile"
        adapted, batches, inner = None, [], []
        for _ in range(config.inner.steps):
            batch = sampler.play(tasks, self._seed(), adapted)
            inner.append(sampler.inner_data(batch, N))
            adapted = self.adaptation.adapt_all(adapted, inner[-1], N)
            batches.append(batch)
        assert adapted is not None
        if reptile:
            metrics = self.outer.towards(adapted)
        else:
            batches.append(sampler.play(tasks, self._seed(), adapted))
            outer = sampler.segments(batches[-1], N, config.ppo.gamma, config.ppo.lam)
            own = None
            if config.outer.before:
                own = sampler.segments(batches[0], N, config.ppo.gamma, config.ppo.lam)
            metrics = self.outer.learn(inner, outer, N, progress, own)
        self.steps += sum(batch.steps for batch in batches)
        if self.iteration < config.statistics:
            self._update_statistics(batches)
        rates = [float(rate.detach().mean()) for rate in self.adaptation.rates.values()]
        stds = {
            f"std/{r}": float(self.network.actor(r).log_std.detach().exp().mean()) for r in self.network.roles
        }
        returns = {"before": batches[0].mean_return, "after": batches[-1].mean_return}
        return {**metrics, **returns, **stds, "inner_rate": sum(rates) / len(rates)}

    def _update_statistics(self, batches: list[TrialBatch]) -> None:
        for role in self.network.roles:
            for batch in batches:
                self.network.actor(role).normaliser.update(batch.observations[role])

    def _seed(self) -> int:
        # Every batch has worlds of its own; past a run's million seeds it begins again with the first.
        worlds = self.game.num_worlds
        batches = WORLDS_OF_A_RUN // worlds
        seed = self.config.seed * WORLDS_OF_A_RUN + self._batches % batches * worlds
        self._batches += 1
        return seed

    # -- going on after an interruption -----------------------------------------------------------------

    def save(self, directory: Path) -> None:
        """Write all that decides how the run goes on, as one file that replaces the last."""
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"rates/{name}": value.detach() for name, value in self.adaptation.rates.items()}
        for number, state in self.ppo.optimiser.state_dict()["state"].items():
            tensors |= {f"adam/{number}/{name}": torch.as_tensor(value) for name, value in state.items()}
        scale = self.ppo.return_scale
        tensors |= {"generator": self.generator.get_state(), "running": scale.running}
        numbers = {
            "config": self.config.as_json,
            "counts": [self.steps, self.iteration, self._batches],
            "rng": self.rng.bit_generator.state,
            "return_scale": [scale.mean, scale.var, scale.count],
        }
        content = save_tensors(
            {name: value.contiguous().clone() for name, value in tensors.items()},
            {"numbers": json.dumps(numbers)},
        )
        replace_file(directory / STATE, content)

    def restore(self, directory: Path) -> bool:
        """Take up the run that `save` left there; False where there is none.

        Raises:
            ValueError: it is a run of another configuration, or its file is damaged.
        """
        path = directory / STATE
        if not path.exists():
            return False
        numbers, tensors = _read(path)
        mine = json.loads(json.dumps(self.config.as_json))
        if numbers["config"] != mine:
            other = [name for name in mine if numbers["config"].get(name) != mine[name]]
            raise ValueError(
                f"{path}: a run with another {', '.join(other)}; give the same settings, or another folder"
            )
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition("/")
            parts.setdefault(kind, {})[rest] = value
        self.network.load_state_dict(parts["network"])
        with torch.no_grad():
            for name, rate in self.adaptation.rates.items():
                rate.copy_(parts["rates"][name])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in parts.get("adam", {}).items():
            number, _, entry = name.partition("/")
            state.setdefault(int(number), {})[entry] = value
        optimiser = self.ppo.optimiser
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        self.generator.set_state(tensors["generator"])
        scale = self.ppo.return_scale
        scale.running = tensors["running"]
        scale.mean, scale.var, scale.count = numbers["return_scale"]
        self.rng.bit_generator.state = numbers["rng"]
        self.steps, self.iteration, self._batches = numbers["counts"]
        return True


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Numbers and tensors of a state."""
    try:
        with safe_open(path, framework="pt") as file:
            numbers: dict[str, Any] = json.loads((file.metadata() or {})["numbers"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no mapping
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: damaged, or not a state of meta-training ({error}); train again, in another folder or "
            "without this file"
        ) from None
    return numbers, tensors


def load(directory: Path) -> MetaTraining:
    """The run that `save` left in a folder, its configuration included.

    Raises:
        ValueError: there is none, it is damaged, or this code does not know its configuration.
    """
    path = Path(directory) / STATE
    if not path.exists():
        raise ValueError(f"{path}: no meta-trained prior there; give the folder that training wrote")
    found = _read(path)[0]["config"]
    try:
        plain = from_json({name: found[name] for name in TrainConfig.__dataclass_fields__ if name in found})
        shared = {
            name: getattr(plain, name) for name in MamlConfig.__dataclass_fields__ if hasattr(plain, name)
        }
        roles = tuple(found["inner"]["roles"])
        inner = InnerConfig(**{**found["inner"], "roles": roles})
        counts = {name: found[name] for name in _OWN}
        run = MetaTraining(MamlConfig(**shared, **counts, inner=inner, outer=OuterConfig(**found["outer"])))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: its configuration is not one of this code: {error}") from None
    run.restore(Path(directory))
    return run


def meta_train(
    config: MamlConfig, on_iteration: Callable[[MetaTraining, Mapping[str, float]], None] | None = None
) -> MetaTraining:
    """Meta-train by `config`, from the start.

    Args:
        config: the run's settings.
        on_iteration: called with the run and its metrics after each iteration.
    """
    run = MetaTraining(config)
    while run.steps < config.steps:
        metrics = run.iterate()
        if on_iteration is not None:
            on_iteration(run, metrics)
    return run
