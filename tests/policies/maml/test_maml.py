"""The inner and the outer step on real trials: gradients, variants, feedback, and that it learns."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from policies.cores import CoreConfig
from policies.game import AGENT, Game
from policies.maml import InnerConfig, MamlConfig, MetaTraining, OuterConfig, maml_ppo, meta_train
from policies.maml.baseline import discounted_returns, features, fitted_values
from policies.maml.inner import by_task, one_task, task_of
from policies.maml.trials import TrialBatch, normalised
from policies.ppo import Ppo
from policies.role_network import HeadConfig
from policies.rollout import Collector
from policies.segments import Segments
from policies.team import NetworkConfig, TeamNetwork

PLAY = {"horizon": 6, "episodes_per_trial": 2}
N, M = 3, 4
_TOLD = InnerConfig(feedback="step")
FULL = {**PLAY, "observability": "full"}


def _network(core: str = "mlp") -> NetworkConfig:
    head = HeadConfig(gain=0.5)
    sizes = CoreConfig(kind=core, width=8, state_size=6)
    return NetworkConfig(core=sizes, head=head, modulator_head=head, critic_width=9)


def _config(core: str = "mlp", **changes: Any) -> MamlConfig:
    inner = changes.pop("inner", InnerConfig())
    options = changes.pop("options", FULL if changes.get("team") else PLAY)
    steps = changes.pop("steps", 10**6)
    scenario = changes.pop("scenario", "PointDir-v0")
    ppo = maml_ppo(N * M, 12, inner.steps, **changes.pop("ppo", {}))
    return MamlConfig(
        scenario,
        inner=inner,
        network=_network(core),
        tasks=N,
        trials=M,
        ppo=ppo,
        options=options,
        steps=steps,
        **changes,
    )


def _played(config: MamlConfig) -> tuple[MetaTraining, np.ndarray, TrialBatch]:
    run = MetaTraining(config)
    tasks = np.stack([run.scenario.variation.sample(run.rng, "train") for _ in range(N)])
    return run, tasks, run.sampler.play(tasks, 5)


def _weights(run: MetaTraining) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.network.state_dict().items()}


# -- trials ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("core", ["mlp", "s5", "gru"])
@pytest.mark.parametrize("team", [False, True])
def test_recorded_densities_are_those_of_the_network(core: str, team: bool) -> None:
    run, _, batch = _played(_config(core, team=team))
    data = run.sampler.inner_data(batch, N)
    found = run.adaptation.log_probs({}, data)
    torch.testing.assert_close(found, data["sampled"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("core", ["mlp", "s5", "gru"])
def test_every_task_is_played_with_its_own_parameters(core: str) -> None:
    run, tasks, batch = _played(_config(core, inner=InnerConfig(rate=0.5)))
    data = run.sampler.inner_data(batch, N)
    adapted = run.adaptation.adapt_all(None, data, N)
    after = run.sampler.play(tasks, 6, adapted)
    after_data = by_task(run.sampler.inner_data(after, N), N)
    for i in range(N):
        mine = one_task(after_data, i)
        own = run.adaptation.log_probs(task_of(adapted, i), mine)
        torch.testing.assert_close(own, mine["sampled"], rtol=1e-4, atol=1e-4)
        other = run.adaptation.log_probs(task_of(adapted, (i + 1) % N), mine)
        assert float((other - mine["sampled"]).abs().mean()) > 1e-3


def test_adapting_all_tasks_at_once_is_adapting_each(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, batch = _played(_config("s5"))
    data = run.sampler.inner_data(batch, N)
    together = run.adaptation.adapt_all(None, data, N)
    monkeypatch.setattr(run.adaptation, "batched", False)
    for name, value in run.adaptation.adapt_all(None, data, N).items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("estimator", ["lvc", "dice"])
def test_the_inner_step_makes_what_was_better_than_expected_more_likely(estimator: Any) -> None:
    run, _, batch = _played(_config(inner=InnerConfig(rate=0.1, estimator=estimator)))
    data = run.sampler.inner_data(batch, N)
    grouped = by_task(data, N)
    adapted = run.adaptation.adapt_all(None, data, N)
    for i in range(N):
        mine = one_task(grouped, i)
        gained = run.adaptation.log_probs(task_of(adapted, i), mine) - mine["sampled"]
        assert float((gained * mine["advantages"]).mean()) > 1e-3


def test_worlds_of_a_task_share_it_and_differ_in_their_start() -> None:
    _, _, batch = _played(_config(options={**PLAY, "reveal_task": True}))
    shown = batch.observations[AGENT][0].view(N, M, -1)
    assert torch.equal(shown[..., -1], shown[:, :1, -1].expand(N, M))
    assert len(set(shown[:, 0, -1].tolist())) == N
    assert len(set(shown[0, :, 3].tolist())) == M


def test_adaptation_is_told_what_is_observed() -> None:
    _, _, stepwise = _played(_config())
    assert torch.equal(stepwise.feedback, stepwise.rewards)
    _, _, delayed = _played(_config(options={**PLAY, "feedback": "episode"}))
    told = delayed.feedback.view(2, 6, N * M)
    assert not told[:, :-1].any()
    torch.testing.assert_close(told[:, -1], delayed.rewards.view(2, 6, N * M).mean(1))
    # The second observation of the clock's start carries the same number.
    reward = delayed.observations[AGENT][6, :, -1]
    torch.testing.assert_close(reward, told[0, -1])


def test_a_policy_that_sees_no_reward_adapts_only_if_the_reward_is_told_by_hand() -> None:
    blind = {**PLAY, "feedback": "none"}
    with pytest.raises(ValueError, match="no reward is observed to adapt from"):
        _played(_config(options=blind))
    _, _, batch = _played(_config(options=blind, inner=InnerConfig(feedback="step")))
    assert torch.equal(batch.feedback, batch.rewards)
    assert not batch.observations[AGENT][..., -1].any()
    with pytest.raises(
        ValueError, match="'meta_learning' would adapt from a reward that it does not observe"
    ):
        _played(_config(team=True, options=PLAY))
    _played(_config(team=True, options=PLAY, inner=InnerConfig(roles=("state_modeling",))))


def test_advantages_are_normalised_within_each_task() -> None:
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 1, 50, 50, 9, 9])
    grouped = normalised(x, 3).view(5, 3, 2)
    torch.testing.assert_close(grouped.mean((0, 2)), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(grouped.square().mean((0, 2)), torch.ones(3))


# -- the baseline ---------------------------------------------------------------------------------------


def test_the_baseline_learns_what_is_linear_in_it_for_each_task_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    observations = torch.randn(30, 8, 2, generator=generator)
    starts = torch.zeros(30, 8)
    starts[::10] = 1.0
    inputs = features(observations, starts, 10)
    assert torch.equal(inputs[10], features(observations[10:], starts[10:], 10)[0])
    truth = torch.tensor([[1.0, -2, 0.5, 0, 3, 0, 0, 4.0], [0.0, 1, 0, 0, -3, 2, 0, -1.0]])
    targets = torch.einsum("tnmf,nf->tnm", inputs.view(30, 2, 4, -1), truth).reshape(30, 8)
    values, coefficients = fitted_values(inputs, targets, 2, ridge=1e-8)
    torch.testing.assert_close(values, targets, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(coefficients, truth, rtol=1e-2, atol=2e-2)


def test_a_strong_ridge_leaves_the_mean() -> None:
    inputs = torch.cat(
        [torch.randn(40, 2, 3, generator=torch.Generator().manual_seed(0)), torch.ones(40, 2, 1)], -1
    )
    targets = torch.arange(80.0).view(40, 2)
    values, _ = fitted_values(inputs, targets, 2, ridge=1e6)
    torch.testing.assert_close(values, targets.mean(0).expand(40, 2), rtol=1e-2, atol=1e-2)


def test_discounted_returns_end_with_the_trial() -> None:
    rewards, dones = torch.ones(4, 1), torch.tensor([[0.0], [1.0], [0.0], [0.0]])
    assert discounted_returns(rewards, dones, 0.5).flatten().tolist() == [1.5, 1.0, 1.5, 1.0]


# -- the meta-gradient ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("core", "team", "adapts"),
    [
        ("mlp", False, "all"),
        ("s5", False, "all"),
        ("gru", False, "all"),
        ("mlp", True, "all"),
        ("mlp", False, "head"),
    ],
)
def test_the_meta_gradient_is_that_of_finite_differences(core: str, team: bool, adapts: Any) -> None:
    """Two inner steps, LVC (whose surrogate is a function of the parameters, data given), float64."""
    inner = InnerConfig(steps=2, rate=0.3, adapts=adapts, learned_rates=True)
    run, tasks, batch = _played(_config(core, team=team, inner=inner))
    first = run.sampler.inner_data(batch, N)
    adapted = run.adaptation.adapt_all(None, first, N)
    second = run.sampler.inner_data(run.sampler.play(tasks, 6, adapted), N)
    outer = _first_task(run.sampler.segments(run.sampler.play(tasks, 7, adapted), N, 0.99, 1.0))
    data = [one_task(by_task(part, N), 0) for part in (first, second)]
    _to_double(run, data, outer)
    loss, _ = run.outer.objective(data, outer)
    loss.backward()
    generator = torch.Generator().manual_seed(3)
    for tensors in (
        [p for n, p in run.network.named_parameters() if n.startswith("actors")],
        list(run.adaptation.rates.values()),
    ):
        directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in tensors]
        slope = sum(
            float((p.grad * d).sum()) for p, d in zip(tensors, directions, strict=True) if p.grad is not None
        )
        values = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                for p, d in zip(tensors, directions, strict=True):
                    p.add_(d, alpha=sign * 1e-5)
            values.append(float(run.outer.objective(data, outer)[0].detach()))
            with torch.no_grad():
                for p, d in zip(tensors, directions, strict=True):
                    p.add_(d, alpha=-sign * 1e-5)
        assert slope == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4, abs=1e-8)
        assert abs(slope) > 1e-4


def _to_double(run: MetaTraining, data: list[Any], outer: Any) -> None:
    run.network.double()
    for part in data:
        for name, value in part.items():
            part[name] = (
                {r: v.double() for r, v in value.items()} if isinstance(value, dict) else value.double()
            )
    for name in ("observations", "actions", "log_probs", "memories"):
        setattr(outer, name, {r: v.double() for r, v in getattr(outer, name).items()})
    outer.starts, outer.advantages = outer.starts.double(), outer.advantages.double()
    run.adaptation.rates = {n: r.detach().double().requires_grad_() for n, r in run.adaptation.rates.items()}


def _first_task(segments: Segments) -> Segments:
    return next(segments.shuffled(torch.arange(M), 1))


def _meta_gradient(run: MetaTraining, tasks: np.ndarray) -> dict[str, Tensor]:
    first = run.sampler.inner_data(run.sampler.play(tasks, 5), N)
    adapted = run.adaptation.adapt_all(None, first, N)
    outer = _first_task(run.sampler.segments(run.sampler.play(tasks, 6, adapted), N, 0.99, 1.0))
    run.network.zero_grad()
    loss, _ = run.outer.objective([one_task(by_task(first, N), 0)], outer)
    loss.backward()
    return {n: p.grad.clone() for n, p in run.network.named_parameters() if p.grad is not None}


def test_the_return_before_adaptation_counts_as_it_is_weighed() -> None:
    """The gradient is that of MAML and `before` times that of PPO on the prior's own trials."""
    run, tasks, batch = _played(_config(outer=OuterConfig(before=0.5, kl=0.0)))
    first = run.sampler.inner_data(batch, N)
    adapted = run.adaptation.adapt_all(None, first, N)
    after = _first_task(run.sampler.segments(run.sampler.play(tasks, 6, adapted), N, 0.99, 1.0))
    own = _first_task(run.sampler.segments(batch, N, 0.99, 1.0))
    trials = [one_task(by_task(first, N), 0)]
    parameters = [p for n, p in run.network.named_parameters() if n.startswith("actors")]
    whole, plain, prior = (
        torch.autograd.grad(loss, parameters)
        for loss in (
            run.outer.objective(trials, after, own)[0],
            run.outer.objective(trials, after)[0],
            run.ppo.loss(own)[0],
        )
    )
    for found, one, other in zip(whole, plain, prior, strict=True):
        torch.testing.assert_close(found, one + 0.5 * other)
    assert max(float(gradient.abs().max()) for gradient in prior) > 1e-3
    # A whole iteration takes the trials of the prior along.
    ends = []
    for before in (0.0, 0.5):
        other_run = MetaTraining(_config(outer=OuterConfig(before=before)))
        other_run.iterate()
        ends.append(torch.cat([p.detach().flatten() for p in other_run.network.actors.parameters()]))
    assert not torch.equal(*ends)


def test_first_order_gradients_are_those_at_the_adapted_parameters() -> None:
    config = _config(inner=InnerConfig(rate=0.5), outer=OuterConfig(algorithm="fomaml", kl=0.0))
    tasks = _played(config)[1]
    second = MetaTraining(_config(inner=InnerConfig(rate=0.5), outer=OuterConfig(kl=0.0)))
    first, full = _meta_gradient(MetaTraining(config), tasks), _meta_gradient(second, tasks)
    assert any(not torch.allclose(first[n], full[n], rtol=1e-2) for n in first)
    # By hand: put the adapted parameters into the network, and take PPO's gradient there.
    hand = MetaTraining(config)
    data = hand.sampler.inner_data(hand.sampler.play(tasks, 5), N)
    adapted = hand.adaptation.adapt_all(None, data, N)
    outer = _first_task(hand.sampler.segments(hand.sampler.play(tasks, 6, adapted), N, 0.99, 1.0))
    with torch.no_grad():
        for name, value in task_of(adapted, 0).items():
            dict(hand.network.named_parameters())[name].copy_(value)
    hand.ppo.loss(outer)[0].backward()
    for name, parameter in hand.network.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(first[name], parameter.grad, rtol=1e-3, atol=1e-6)


def test_at_rate_zero_the_meta_gradient_is_that_of_ppo_to_the_bit() -> None:
    run, tasks, _ = _played(_config("s5", inner=InnerConfig(rate=0.0), outer=OuterConfig(kl=0.0)))
    outer = _first_task(run.sampler.segments(run.sampler.play(tasks, 6), N, 0.99, 1.0))
    inner = by_task(run.sampler.inner_data(run.sampler.play(tasks, 5), N), N)
    gradients = []
    for loss in (run.outer.objective([one_task(inner, 0)], outer)[0], run.ppo.loss(outer)[0]):
        run.network.zero_grad()
        loss.backward()
        gradients.append({n: p.grad.clone() for n, p in run.network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, value in gradients[0].items():
        assert torch.equal(value, gradients[1][name]), name


# -- variants -------------------------------------------------------------------------------------------


def test_rewards_of_a_cut_trial_do_not_reach_the_scale_of_the_next() -> None:
    options = {"horizon": 100, "episodes_per_trial": 1}
    ppo = maml_ppo(N * M, 100, 0)
    config = dataclasses.replace(
        _config(scenario="Hopper-v0", inner=InnerConfig(steps=0), options=options), ppo=ppo
    )
    run = MetaTraining(config)
    run.iterate()
    scale = run.ppo.return_scale
    assert scale.running.any(), "no body fell: nothing was cut"
    twin = MetaTraining(config)
    twin.iterate()
    twin.ppo.return_scale.running.zero_()
    assert run.iterate() | {"cpu_s": 0.0} == twin.iterate() | {"cpu_s": 0.0}


def test_zero_inner_steps_are_plain_multi_task_ppo_to_the_bit() -> None:
    config = _config("s5", inner=InnerConfig(steps=0), seed=2)
    run = MetaTraining(config)
    for _ in range(3):
        run.iterate()
    # The same by hand, of nothing but the parts of plain PPO.
    generator, rng = torch.Generator().manual_seed(2), np.random.default_rng([2, 6])
    game = Game("PointDir-v0", N * M, False, PLAY)
    network = TeamNetwork(game, config.network, False, generator)
    ppo = Ppo(network, config.ppo, "reinforced", generator)
    law = game.scenario.variation
    for iteration in range(3):
        tasks = np.stack([law.sample(rng, "train") for _ in range(N)])
        game.pin(np.repeat(tasks, M, axis=0))
        rollout = Collector(game, network, 2 * 10**6 + iteration * N * M, generator).collect(12, 12)
        ppo.learn(rollout, iteration * N * M * 12 / config.steps)
    assert run.steps == 3 * N * M * 12
    for name, value in network.state_dict().items():
        assert torch.equal(value, run.network.state_dict()[name]), name


def test_anil_adapts_the_head_alone() -> None:
    run = MetaTraining(_config(inner=InnerConfig(adapts="head")))
    assert set(run.adaptation.names) == {f"actors.agent.{n}" for n in ("log_std", "head.weight", "head.bias")}
    before = _weights(run)
    run.iterate()  # the outer step moves all of it
    assert not torch.equal(
        before["actors.agent.core.linears.0.weight"], _weights(run)["actors.agent.core.linears.0.weight"]
    )


def test_roles_that_do_not_adapt_are_the_same_on_every_task() -> None:
    run = MetaTraining(_config(team=True, inner=InnerConfig(roles=("adaptation",))))
    assert all(name.startswith("actors.adaptation.") for name in run.adaptation.names)
    assert {"before", "after", "std/coordinator"} <= run.iterate().keys()
    with pytest.raises(ValueError, match="role 'adaptor' adapts: one of state_modeling"):
        MetaTraining(_config(team=True, inner=InnerConfig(roles=("adaptor",))))


def test_reptile_moves_towards_the_mean_of_the_adapted() -> None:
    run, _, batch = _played(_config(outer=OuterConfig(algorithm="reptile", reptile_rate=0.25)))
    adapted = run.adaptation.adapt_all(None, run.sampler.inner_data(batch, N), N)
    name = "actors.agent.head.weight"
    before = run.adaptation.prior()[name].detach().clone()
    run.outer.towards(adapted)
    expected = before + 0.25 * (adapted[name].mean(0) - before)
    torch.testing.assert_close(run.adaptation.prior()[name].detach(), expected)
    steps = run.steps
    run.iterate()
    assert run.steps - steps == N * M * 12  # no outer data


@pytest.mark.parametrize(("kl", "epochs"), [(0.12, 4), (0.18, 1)])
def test_the_outer_step_stops_where_the_adapted_have_moved_too_far(
    kl: float, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three tasks one has moved: by 0.04 in the mean, or by 0.06, where 0.05 is allowed."""
    run = MetaTraining(_config(ppo={"target_kl": 0.05, "epochs": 4}))
    objective, kls = run.outer.objective, itertools.cycle([0.0, kl, 0.0])

    def moved(*task: Any) -> tuple[Tensor, dict[str, float]]:
        loss, metrics = objective(*task)
        return loss, {**metrics, "kl": next(kls)}

    monkeypatch.setattr(run.outer, "objective", moved)
    assert run.iterate()["epochs"] == epochs


def test_the_meta_gradient_is_clipped() -> None:
    run = MetaTraining(_config(team=True, ppo={"gradient_norm": 1e-4, "epochs": 1}, inner=_TOLD))
    run.iterate()
    *actors, critic = run.ppo.parameters.clip(np.inf)
    assert actors == pytest.approx([1e-4] * len(run.network.roles), rel=1e-2)
    assert critic == 0.0


def test_a_meta_gradient_that_is_not_finite_stops_before_it_does_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = MetaTraining(_config())
    before = _weights(run)
    collect = run.ppo.parameters.collect

    def spoiled() -> None:
        collect()
        gradient = run.ppo.parameters.vectors[0].grad
        assert gradient is not None
        gradient[0] = np.nan

    monkeypatch.setattr(run.ppo.parameters, "collect", spoiled)
    with pytest.raises(FloatingPointError, match="a gradient is nan after 0 outer steps"):
        run.iterate()
    assert all(torch.equal(before[name], value) for name, value in _weights(run).items())


def test_the_outer_rate_follows_from_what_is_spent() -> None:
    run = MetaTraining(_config(steps=4 * N * M * 12))  # an iteration takes half of them
    ppo = run.config.ppo
    first, last = ppo.learning_rate, ppo.learning_rate * ppo.final_learning_rate
    rates = [run.iterate()["learning_rate"] for _ in range(3)]
    assert rates == pytest.approx([first, (first + last) / 2, last])
    assert MetaTraining(_config(steps=0)).iterate()["learning_rate"] == pytest.approx(last)


def test_learned_rates_are_learned() -> None:
    run = MetaTraining(_config(inner=InnerConfig(learned_rates=True)))
    run.iterate()
    assert all(not torch.equal(rate, torch.full_like(rate, 0.1)) for rate in run.adaptation.rates.values())


def test_two_inner_steps_charge_three_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    step = Game.step

    def counted(self: Game, actions: Any) -> Any:
        nonlocal taken
        taken += self.num_worlds
        return step(self, actions)

    monkeypatch.setattr(Game, "step", counted)
    run = MetaTraining(_config(inner=InnerConfig(steps=2)))
    run.iterate()
    assert run.steps == taken == 3 * N * M * 12


# -- runs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [InnerConfig(learned_rates=True), InnerConfig(steps=0)])
def test_an_interrupted_run_goes_on_to_the_bit(inner: InnerConfig, tmp_path: Path) -> None:
    whole = MetaTraining(_config("gru", inner=inner))
    histories = [whole.iterate() for _ in range(3)]
    part = MetaTraining(_config("gru", inner=inner))
    part.iterate()
    part.save(tmp_path)
    part.iterate()  # what comes after the file was written is lost
    again = MetaTraining(_config("gru", inner=inner))
    assert again.restore(tmp_path)
    for history in histories[1:]:
        found = again.iterate()
        assert {k: v for k, v in found.items() if k != "cpu_s"} == {
            k: v for k, v in history.items() if k != "cpu_s"
        }
    for name, value in _weights(whole).items():
        assert torch.equal(value, _weights(again)[name]), name
    with pytest.raises(ValueError, match="another seed"):
        MetaTraining(_config("gru", inner=inner, seed=1)).restore(tmp_path)


def test_the_normalisation_is_frozen_after_some_iterations_of_adaptation() -> None:
    run = MetaTraining(_config(statistics=2))
    seen = []
    for _ in range(3):
        run.iterate()
        seen.append(run.network.actor(AGENT).normaliser.mean.clone())
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], seen[2])


def test_a_batch_has_worlds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    reset = Game.reset

    def spy(self: Game, seed: int) -> Any:
        seeds.append(seed)
        return reset(self, seed)

    monkeypatch.setattr(Game, "reset", spy)
    run = MetaTraining(_config(seed=3))
    run.iterate()
    run.iterate()
    assert seeds == [3_000_000 + i * N * M for i in range(4)]


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        ValueError, match="12 worlds x 12 steps, but an iteration plays 3 tasks x 5 trials, 15 worlds"
    ):
        MetaTraining(MamlConfig(tasks=N, trials=5, options=PLAY, ppo=maml_ppo(12, 12, 1)))
    with pytest.raises(ValueError, match="fitted linear baseline and no critic"):
        MetaTraining(MamlConfig(tasks=N, trials=M, options=PLAY, ppo=maml_ppo(12, 12, 1, value=0.5)))
    with pytest.raises(ValueError, match="learned_rates=True with reptile: it has no outer loss"):
        MetaTraining(_config(inner=InnerConfig(learned_rates=True), outer=OuterConfig(algorithm="reptile")))
    with pytest.raises(ValueError, match="nothing to move towards"):
        MetaTraining(_config(inner=InnerConfig(steps=0), outer=OuterConfig(algorithm="reptile")))
    for algorithm in ("maml", "reptile"):
        config = _config(team=True, inner=InnerConfig(rate=0.5), outer=OuterConfig(algorithm=algorithm))  # type: ignore[arg-type]
        with pytest.raises(
            ValueError, match=r"shared=True with 1 inner steps on actors\.state_modeling\.core"
        ):
            MetaTraining(_of(config, shared=True))
        with pytest.raises(ValueError, match=r"infer_task=True with 1 inner steps: .* keep no state"):
            MetaTraining(_of(config, infer_task=True))
    with pytest.raises(ValueError, match=r"before=1.0 with reptile: it has no outer loss"):
        OuterConfig(algorithm="reptile", before=1.0)
    for wrong in ({"steps": -1}, {"rate": -0.1}, {"estimator": "x"}, {"adapts": "x"}, {"feedback": "x"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
            InnerConfig(**wrong)  # type: ignore[arg-type]


def _of(config: MamlConfig, **network: Any) -> MamlConfig:
    return dataclasses.replace(config, network=dataclasses.replace(config.network, **network))


@pytest.mark.parametrize("wanted", ["shared", "infer_task"])
def test_what_only_multi_task_learning_can_have_it_keeps(wanted: str) -> None:
    run = MetaTraining(_of(_config(team=True, inner=InnerConfig(steps=0)), **{wanted: True}))
    assert run.iterate()["kl"] < 1.0
    if wanted == "shared":
        with pytest.raises(ValueError, match="cannot adapt each for itself"):
            run.adaptation.with_steps(1)
        # What a role does not share may adapt.
        alone = _config(team=True, inner=InnerConfig(roles=("adaptation",)))
        assert MetaTraining(_of(alone, shared=True)).adaptation.names == ("actors.adaptation.log_std",)


@pytest.mark.slow
def test_a_blind_agent_learns_to_adapt() -> None:
    """PointDir without observed rewards: 0 before adaptation, whatever it does; well above after one step."""
    options = {"episodes_per_trial": 1, "horizon": 20, "feedback": "none"}
    ppo = maml_ppo(80, 20, 1, learning_rate=3e-3)
    network = NetworkConfig(core=CoreConfig(kind="mlp", width=16), critic_width=4)
    config = MamlConfig(
        tasks=8,
        trials=10,
        steps=130_000,
        inner=InnerConfig(feedback="step", rate=0.3),
        network=network,
        ppo=ppo,
        options=options,
    )
    last: list[dict[str, float]] = []
    meta_train(config, lambda run, metrics: last.append(dict(metrics)))
    before, after = (float(np.mean([m[name] for m in last[-8:]])) for name in ("before", "after"))
    assert abs(before) < 2.0
    assert after > 4.0
