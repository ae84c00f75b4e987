"""The environment role's bandit finds what pays; setup steps teach the acting roles nothing."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.plain_state import to_plain
from policies import checkpoint, training_state
from policies.config import TrainConfig, from_json, to_json
from policies.cores import CORES, CoreConfig
from policies.curriculum_learner import CurriculumConfig, CurriculumLearner, ProposalNetwork
from policies.game import Game
from policies.normaliser import ReturnScale
from policies.ppo import Ppo, PpoConfig
from policies.rollout import Collector, Rollout
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players, train
from policies.training import Training

FIELDS = {"episode_start": slice(0, 1), "ledger": slice(1, 4)}
ACTIONS = {"proposal": slice(0, 1)}
B = 3
PLAY: dict[str, Any] = {"horizon": 4, "episodes_per_trial": 2, "task_source": "environment"}
SMALL = PpoConfig(num_worlds=B, rollout=40, segment=10, minibatches=2, epochs=2)  # 120 steps an iteration


def _bandit(worlds: int = 64, seed: int = 0, **settings: Any) -> CurriculumLearner:
    network = ProposalNetwork(FIELDS, ACTIONS, 16, torch.Generator().manual_seed(seed))
    config = CurriculumConfig(**{"decisions": worlds, "learning_rate": 1e-2, **settings})
    return CurriculumLearner(network, config, worlds, seed)


def _play(bandit: CurriculumLearner, seen: Any, pay: Any, rounds: int) -> dict[str, float]:
    """Trials of three steps: the setup step, a step in which nothing ends, and the last."""
    worlds = len(seen)
    metrics: dict[str, float] = {}
    yes, no = np.ones(worlds, dtype=bool), np.zeros(worlds, dtype=bool)
    for _ in range(rounds):
        chosen = bandit.propose(seen, yes).clip(-1, 1)[:, 0]
        bandit.pay(np.zeros(worlds), no)
        assert not bandit.propose(seen, no).any()  # it is asked, but decides nothing
        bandit.pay(pay(chosen).astype(np.float64), yes)
        metrics = bandit.learn()
    return metrics


def test_the_bandit_finds_the_task_that_pays() -> None:
    bandit = _bandit()
    seen = np.zeros((64, 4), np.float32)
    metrics = _play(bandit, seen, lambda a: np.exp(-(((a - 0.6) / 0.3) ** 2)), 50)
    with torch.no_grad():
        mean, expected = bandit.network.evaluate(torch.zeros(1, 4))
    assert abs(float(mean) - 0.6) < 0.1
    assert metrics["curriculum_payment"] > 0.7
    assert metrics["curriculum_std"] < 0.4
    assert float(expected) == pytest.approx(metrics["curriculum_payment"], abs=0.15)  # the baseline


def test_what_pays_may_depend_on_the_ledger() -> None:
    bandit = _bandit(128)
    seen = np.zeros((128, 4), np.float32)
    seen[:, 2] = np.where(np.arange(128) % 2, 1.0, -1.0)
    _play(bandit, seen, lambda a: np.exp(-(((a - 0.5 * seen[:, 2]) / 0.3) ** 2)), 50)
    with torch.no_grad():
        means, _ = bandit.network.evaluate(torch.from_numpy(seen[:2]))
    assert float(means[0]) == pytest.approx(-0.5, abs=0.2)
    assert float(means[1]) == pytest.approx(0.5, abs=0.2)


def test_a_payment_belongs_to_the_decision_of_its_own_trial() -> None:
    bandit = _bandit(2, decisions=100)
    seen = np.arange(8, dtype=np.float32).reshape(2, 4)
    first = bandit.propose(seen, np.array([True, True]))
    bandit.pay(np.array([5.0, 7.0]), np.array([False, True]))  # world 0's trial goes on
    second = bandit.propose(seen + 10, np.array([False, True]))
    assert not second[0].any()
    bandit.pay(np.array([1.0, 2.0]), np.array([True, True]))
    bandit.pay(np.array([9.0, 9.0]), np.array([True, True]))  # of trials whose tasks it did not choose
    done = bandit._finished
    assert done.payments.tolist() == [7.0, 1.0, 2.0]
    assert np.array_equal(done.actions.numpy(), np.stack([first[1], first[0], second[1]]))
    assert np.array_equal(done.observations.numpy(), np.stack([seen[1], seen[0], seen[1] + 10]))
    with torch.no_grad():
        means, _ = bandit.network.evaluate(done.observations)
        torch.testing.assert_close(done.log_probs, bandit.network.actor.log_prob(means, done.actions))


def test_learning_waits_for_enough_decisions_and_uses_each_once() -> None:
    bandit = _bandit(4, decisions=6)
    seen = np.zeros((4, 4), np.float32)
    assert _play(bandit, seen, np.abs, 1) == {}
    assert _play(bandit, seen, np.abs, 1)["curriculum_decisions"] == 8.0
    assert len(bandit._finished) == 0
    with pytest.raises(ValueError, match="decisions=1: a whole number, 2 or more"):
        CurriculumConfig(decisions=1)


def test_the_first_ratio_is_one_and_the_entropy_is_paid() -> None:
    bandit = _bandit(entropy=0.0)
    seen = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    chosen = bandit.propose(seen, np.ones(64, dtype=bool))
    bandit.pay(np.abs(chosen[:, 0]).astype(np.float64), np.ones(64, dtype=bool))
    loss, metrics = bandit.loss(bandit._finished)
    assert abs(metrics["curriculum_kl"]) < 1e-6
    bandit.config = dataclasses.replace(bandit.config, entropy=0.5)
    with_bonus, _ = bandit.loss(bandit._finished)
    entropy = float(bandit.network.actor.entropy().detach())
    assert float((loss - with_bonus).detach()) == pytest.approx(0.5 * entropy, rel=1e-4)


def _decided(**settings: Any) -> CurriculumLearner:
    """A bandit after 64 decisions that were paid."""
    bandit = _bandit(**settings)
    seen = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    chosen = bandit.propose(seen, np.ones(64, dtype=bool))
    bandit.pay(5.0 * np.abs(chosen[:, 0]).astype(np.float64), np.ones(64, dtype=bool))
    return bandit


def test_a_ratio_of_two_is_clipped_where_the_advantage_is_positive() -> None:
    bandit = _decided(value=0.0, entropy=0.0, clip=0.2)
    batch = bandit._finished
    batch.log_probs = batch.log_probs - np.log(2.0)
    loss, metrics = bandit.loss(batch)
    with torch.no_grad():
        advantages = batch.payments - bandit.network.evaluate(batch.observations)[1]
    advantages = (advantages - advantages.mean()) / advantages.std()
    expected = -torch.where(advantages > 0, 1.2 * advantages, 2.0 * advantages).mean()
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-4)
    assert metrics["curriculum_kl"] == pytest.approx(1.0 - np.log(2.0), rel=1e-4)


@pytest.mark.parametrize(("kls", "updates"), [([0.0, 0.04, 0.06, 0.0], 2), ([0.0, 0.04, 0.04, 0.04], 4)])
def test_an_update_stops_where_the_proposals_have_moved_too_far(
    kls: list[float], updates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bandit = _decided(epochs=4, target_kl=0.05)
    original, coming, taken = bandit.loss, iter(kls), []
    step = bandit.optimiser.step

    def moved(batch: Any) -> tuple[Tensor, dict[str, float]]:
        loss, metrics = original(batch)
        return loss, {**metrics, "curriculum_kl": next(coming)}

    monkeypatch.setattr(bandit, "loss", moved)
    monkeypatch.setattr(bandit.optimiser, "step", lambda: taken.append(step()))
    assert bandit.learn()["curriculum_kl"] == kls[updates if updates < 4 else 3]
    assert len(taken) == updates


def test_policy_and_baseline_have_a_gradient_norm_each_and_the_value_head_none() -> None:
    bandit = _decided(epochs=1, gradient_norm=1e-3)
    bandit.learn()
    network = bandit.network
    norms = [
        float(torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None]).norm())
        for part in (network.actor, network.baseline, network.value_head)
    ]
    assert norms[:2] == pytest.approx([1e-3, 1e-3], rel=1e-2)
    assert norms[2] > 0.1


# -- the acting roles -----------------------------------------------------------------------------------


def _learner(core: str = "s5", communication: Any = "differentiable", **options: Any) -> tuple[Ppo, Rollout]:
    generator = torch.Generator().manual_seed(0)
    game = Game("PointDir-v0", B, True, {**PLAY, **options})
    config = NetworkConfig(
        core=CoreConfig(kind=core, width=8, state_size=6), critic_width=9, forecast_horizon=2
    )
    network = TeamNetwork(game, config, communication == "differentiable", generator)
    if network.proposer is not None:
        game.proposer = CurriculumLearner(network.proposer, CurriculumConfig(), B, 0)
    collector = Collector(game, network, 0, generator)
    settings = dataclasses.replace(SMALL, minibatches=1)
    learner = Ppo(network, settings, communication, generator)
    return learner, collector.collect(40, 10)


def test_a_rollout_says_where_the_acting_roles_were_active() -> None:
    _, rollout = _learner()
    assert rollout.active is not None
    # A trial is a setup step and two inner episodes of four steps.
    assert rollout.active[:, 0].tolist() == [t % 9 != 0 for t in range(40)]
    assert rollout.starts[:, 0].tolist() == [float(t % 9 in (0, 1)) for t in range(40)]
    assert not rollout.rewards[~rollout.active].any()
    assert _learner(task_source="distribution")[1].active is None


@pytest.mark.parametrize(
    ("core", "communication"), [("s5", "reinforced"), *((core, "differentiable") for core in sorted(CORES))]
)
def test_what_a_setup_step_holds_changes_no_gradient(core: str, communication: Any) -> None:
    def gradients(spoiled: bool) -> tuple[dict[str, Tensor], dict[str, float]]:
        learner, rollout = _learner(core, communication)
        batch = learner._segments(rollout)
        assert batch.active is not None
        assert not batch.active.all()
        if spoiled:
            off = ~batch.active
            noise = torch.Generator().manual_seed(7)
            for values in (batch.observations, batch.actions, batch.noise, batch.log_probs):
                for value in values.values():
                    value[off] = torch.randn(value[off].shape, generator=noise)
                    assert value[off].numel() > 0
            for seen in batch.observations.values():
                seen[..., 0][off] = 1.0  # that it is a start is no content of it
            for value in (batch.advantages, batch.returns, batch.values, batch.states):
                value[off] = torch.randn(value[off].shape, generator=noise)
        loss, metrics = learner._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        named = learner.network.named_parameters()
        return {n: p.grad.clone() for n, p in named if p.grad is not None}, metrics

    (plain, one), (spoiled, two) = gradients(False), gradients(True)
    assert list(plain) == list(spoiled)
    assert any(gradient.any() for gradient in plain.values())
    for name, gradient in plain.items():
        assert torch.equal(gradient, spoiled[name]), name
    one.pop("belief_size"), two.pop("belief_size")
    assert one == two


def test_setup_steps_are_left_out_of_the_statistics() -> None:
    learner, rollout = _learner()
    assert rollout.active is not None
    kept = {role: seen[rollout.active] for role, seen in rollout.observations.items()}
    learner.learn(rollout, 0.0)
    for role, seen in kept.items():
        normaliser = learner.network.actor(role).normaliser
        assert float(normaliser.count) == pytest.approx(len(seen), abs=1e-3)
        free = normaliser.mask > 0
        torch.testing.assert_close(normaliser.mean[free], seen.mean(0)[free], rtol=1e-3, atol=1e-4)
    assert learner.return_scale.count == pytest.approx(int(rollout.active.sum()), abs=1e-3)


def test_the_reward_scale_is_that_of_the_same_trials_without_setup_steps() -> None:
    rewards = torch.randn(8, 1, generator=torch.Generator().manual_seed(0))
    dones = torch.zeros(8, 1)
    dones[3] = dones[7] = 1.0
    plain = ReturnScale(1, 0.9)
    plain.update(rewards, dones)
    blank = torch.zeros(1, 1)
    with_setup = ReturnScale(1, 0.9)
    active = torch.ones(10, 1, dtype=torch.bool)
    active[0] = active[5] = False
    with_setup.update(
        torch.cat([blank, rewards[:4], blank, rewards[4:]]),
        torch.cat([blank, dones[:4], blank, dones[4:]]),
        active,
    )
    assert with_setup.scale == plain.scale


# -- a whole run ----------------------------------------------------------------------------------------


def _config(steps: int = 480, **options: Any) -> TrainConfig:
    network = NetworkConfig(core=CoreConfig(kind="mlp", width=8), critic_width=9, proposer_width=12)
    return TrainConfig(
        team=True,
        steps=steps,
        network=network,
        ppo=SMALL,
        options={**PLAY, **options},
        curriculum=CurriculumConfig(decisions=8),
    )


def test_a_run_learns_to_choose_and_is_stored_and_judged_on_the_distribution(tmp_path: Path) -> None:
    before = {n: p.detach().clone() for n, p in Training(_config()).network.named_parameters()}
    trained = train(_config())
    assert [n for n, p in trained.network.named_parameters() if torch.equal(before[n], p)] == []
    learned = [entry for entry in trained.history if "curriculum_payment" in entry]
    # 480 steps are 13 whole trials in each of three worlds, four of them in every iteration but the first.
    assert sum(entry["curriculum_decisions"] for entry in learned) > 20
    assert trained.network.parameter_counts()["proposer"] > 0
    checkpoint.save(tmp_path, trained.network, trained.config, trained.steps)
    network, config, _ = checkpoint.load(tmp_path)
    assert config == trained.config
    for name, value in trained.network.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    found = evaluate("PointDir-v0", players(network), split="validation", trials=1, **config.options)
    assert np.isfinite(found.returns).all()


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_with_a_learned_curriculum_goes_on_exactly(tmp_path: Path, shared: bool) -> None:
    whole, first, second = (Training(_config(shared_ledger=shared)) for _ in range(3))
    for _ in range(4):
        whole.iterate()
    for _ in range(2):
        first.iterate()
    training_state.save(tmp_path, first)
    training_state.resume(tmp_path, second)
    for _ in range(2):
        second.iterate()
    states = []
    for run in (whole, second):
        state = run.clone_state()
        del state["history"]
        states.append(to_plain(state))
    assert states[0][1] == states[1][1]
    for name, value in states[0][0].items():
        assert value.tobytes() == states[1][0][name].tobytes(), name


def test_without_a_choice_of_tasks_there_is_no_proposer() -> None:
    assert Training(_config(task_source="distribution")).network.proposer is None


def test_its_settings_survive_their_json_form() -> None:
    config = dataclasses.replace(_config(), curriculum=CurriculumConfig(decisions=9, entropy=0.1))
    assert from_json(to_json(config)) == config
