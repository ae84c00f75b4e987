"""Differentiable communication: what is recomputed is what was heard, and the gradient is the true one."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from policies import ppo
from policies.cores import CORES, CoreConfig
from policies.game import Game
from policies.ppo import Communication, Ppo, PpoConfig
from policies.role_network import HeadConfig, RoleNetwork
from policies.role_sequences import role_sequences
from policies.rollout import Collector, Rollout
from policies.segments import Segments
from policies.team import BELIEF, SENDER, NetworkConfig, TeamNetwork

RECEIVERS = ("meta_learning", "adaptation", "coordinator")
B, LENGTH, SEGMENT = 3, 40, 20
PLAY = {"horizon": 7, "episodes_per_trial": 2}  # inner episodes end every 7 steps, trials every 14
LOUD = HeadConfig(gain=0.5, log_std=-3.0, squash=True)  # full of variation, and well inside of the box


def _team(
    communication: Communication = "differentiable",
    core: str = "s5",
    options: dict[str, Any] | None = None,
    head: HeadConfig = LOUD,
    **settings: Any,
) -> tuple[Ppo, Rollout]:
    """A learner, and a rollout of its team that does not begin with the first step of a trial."""
    generator = torch.Generator().manual_seed(0)
    game = Game("PointDir-v0", B, True, {**PLAY, **(options or {})})
    config = NetworkConfig(
        core=CoreConfig(kind=core, width=8, state_size=6),
        head=HeadConfig(gain=0.5),
        sender_head=head,
        critic_width=9,
    )
    network = TeamNetwork(game, config, communication == "differentiable", generator)
    collector = Collector(game, network, 0, generator)
    collector.collect(LENGTH, SEGMENT)
    sizes = {"num_worlds": B, "rollout": LENGTH, "segment": SEGMENT, "minibatches": 1}
    learner = Ppo(network, PpoConfig(**{**sizes, **settings}), communication, generator)
    return learner, collector.collect(LENGTH, SEGMENT)


def _read_by_receivers(
    learner: Ppo, batch: Segments, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Tensor]]:
    """What every receiver's network reads in the loss: role -> field -> [L, N, size]."""
    read: dict[int, Tensor] = {}

    def spy(actors: Sequence[RoleNetwork], observations: Sequence[Tensor], *rest: Any) -> Any:
        read.update((id(actor), seen.detach()) for actor, seen in zip(actors, observations, strict=True))
        return role_sequences(actors, observations, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ppo, "role_sequences", spy)
        learner._loss(batch)
    actors = {role: learner.network.actor(role) for role in learner.network.roles}
    return {
        role: {name: read[id(actor)][..., where] for name, where in actor.fields.items()}
        for role, actor in actors.items()
    }


@pytest.mark.parametrize("role", RECEIVERS)
@pytest.mark.parametrize("core", sorted(CORES))
def test_the_recomputed_belief_is_what_was_heard(
    core: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, rollout = _team(core=core)
    batch = learner._segments(rollout)
    actor = learner.network.actor(role)
    heard = batch.observations[role][..., actor.fields[BELIEF]]
    again = _read_by_receivers(learner, batch, monkeypatch)[role]
    # The batch holds what makes this hard: trials and inner episodes that begin inside of segments.
    inner = batch.observations[role][..., actor.fields["episode_start"]][..., 0] - batch.starts
    assert batch.starts[1:].any()
    assert inner[1:].any()
    assert not heard[batch.starts == 1].any()
    assert heard.abs().sum(-1).gt(0).float().mean() > 0.8
    torch.testing.assert_close(again[BELIEF], heard, rtol=0, atol=1e-5)
    for name, where in actor.fields.items():
        if name != BELIEF:
            assert torch.equal(again[name], batch.observations[role][..., where]), name


def test_a_changed_sender_changes_what_receivers_read(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, rollout = _team()
    batch = learner._segments(rollout)
    recorded = {role: seen.clone() for role, seen in batch.observations.items()}
    with torch.no_grad():
        learner.network.actor(SENDER).head.bias += 0.3
    again = _read_by_receivers(learner, batch, monkeypatch)
    for role in RECEIVERS:
        where = learner.network.actor(role).fields[BELIEF]
        moved = (again[role][BELIEF] - batch.observations[role][..., where]).abs().sum(-1) > 1e-5
        assert not moved[0].any()  # what a segment observes first was posted before it
        assert not moved[batch.starts == 1].any()
        assert batch.snr is not None
        audible = (batch.snr[:-1, :, 0] > 0.01) & (batch.starts[1:] == 0)
        assert audible.float().mean() > 0.7
        assert moved[1:][audible].all()
    for role, seen in recorded.items():
        assert torch.equal(batch.observations[role], seen)  # the record itself stays


def _double(learner: Ppo, batch: Segments) -> Segments:
    learner.network.double()

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: convert(item) for name, item in value.items()}
        return value.double() if isinstance(value, Tensor) else value

    return Segments(**{f.name: convert(getattr(batch, f.name)) for f in dataclasses.fields(batch)})


def _gradient(learner: Ppo, batch: Segments, parameter: Tensor) -> Tensor:
    loss, _ = learner._loss(batch)
    (gradient,) = torch.autograd.grad(loss, parameter, allow_unused=True, materialize_grads=True)
    return gradient


def _finite_differences(loss: Callable[[], Tensor], parameter: Tensor, step: float = 1e-5) -> Tensor:
    found = torch.zeros_like(parameter)
    with torch.no_grad():
        for i in range(len(parameter)):
            parameter[i] += step
            above = loss()
            parameter[i] -= 2 * step
            below = loss()
            parameter[i] += step
            found[i] = (above - below) / (2 * step)
    return found


@pytest.mark.parametrize("core", sorted(CORES))
@pytest.mark.parametrize("role", [SENDER, "adaptation"])
def test_gradients_equal_finite_differences(core: str, role: str) -> None:
    # Without the value loss: the critic reads the actors' features, but sends them no gradient.
    learner, rollout = _team(core=core, value=0.0)
    batch = _double(learner, learner._segments(rollout))
    bias = learner.network.actor(role).head.bias
    gradient = _gradient(learner, batch, bias)
    expected = _finite_differences(lambda: learner._loss(batch)[0], bias)
    assert gradient.abs().min() > 1e-6
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-9)


def test_the_sender_learns_how_loud_to_be_too() -> None:
    learner, rollout = _team(value=0.0)
    batch = _double(learner, learner._segments(rollout))
    log_std = learner.network.actor(SENDER).log_std
    gradient = _gradient(learner, batch, log_std)
    expected = _finite_differences(lambda: learner._loss(batch)[0], log_std)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-9)


def test_the_value_loss_moves_no_actor() -> None:
    learner, rollout = _team(value=0.0)
    batch = learner._segments(rollout)
    other = Ppo(
        learner.network,
        dataclasses.replace(learner.config, value=1.0),
        "differentiable",
        torch.Generator(),
    )
    for parameter in learner.network.actors.parameters():
        assert torch.equal(_gradient(learner, batch, parameter), _gradient(other, batch, parameter))


@pytest.mark.parametrize("core", sorted(CORES))
def test_a_muted_sender_gets_no_gradient(core: str) -> None:
    learner, rollout = _team(core=core, options={"muted_roles": [SENDER]})
    batch = learner._segments(rollout)
    for parameter in learner.network.actor(SENDER).parameters():
        assert not _gradient(learner, batch, parameter).any()
    learner, rollout = _team(core=core)
    batch = learner._segments(rollout)
    for parameter in learner.network.actor(SENDER).parameters():
        assert _gradient(learner, batch, parameter).any()


def test_a_muted_senders_receivers_hear_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, rollout = _team(options={"muted_roles": [SENDER]})
    again = _read_by_receivers(learner, learner._segments(rollout), monkeypatch)
    assert not any(again[role][BELIEF].any() for role in RECEIVERS)


def test_a_reinforced_sender_has_a_surrogate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # Muted, so that nothing could arrive through the channel.
    learner, rollout = _team("reinforced", options={"muted_roles": [SENDER]}, value=0.0)
    batch = learner._segments(rollout)
    actor = learner.network.actor(SENDER)
    gradient = _gradient(learner, batch, actor.head.bias)
    assert gradient.abs().min() > 0
    # At unchanged parameters the gradient is that of -mean(A log_prob).
    advantages = (batch.advantages - batch.advantages.mean()) / batch.advantages.std()
    means, _ = actor.normalised_sequence(batch.observations[SENDER], batch.starts, batch.memories[SENDER])
    plain = -(advantages * actor.log_prob(means, batch.actions[SENDER])).mean()
    (expected,) = torch.autograd.grad(plain, actor.head.bias)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-6)


def test_a_reinforced_sender_gets_nothing_through_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, rollout = _team("reinforced")
    batch = learner._segments(rollout)
    with torch.no_grad():
        learner.network.actor(SENDER).head.bias += 0.3
    again = _read_by_receivers(learner, batch, monkeypatch)
    for role in RECEIVERS:
        where = learner.network.actor(role).fields[BELIEF]
        assert torch.equal(again[role][BELIEF], batch.observations[role][..., where])


def test_how_the_belief_is_learned_does_not_change_acting() -> None:
    rollouts = []
    for differentiable in (False, True):
        game = Game("PointDir-v0", B, True, PLAY)
        config = NetworkConfig(core=CoreConfig(width=8, state_size=6), head=LOUD, sender_head=LOUD)
        network = TeamNetwork(game, config, differentiable, torch.Generator().manual_seed(0))
        rollouts.append(Collector(game, network, 0, torch.Generator().manual_seed(1)).collect(20, 10))
    for role in rollouts[0].actions:
        assert torch.equal(rollouts[0].actions[role], rollouts[1].actions[role])
        assert torch.equal(rollouts[0].observations[role], rollouts[1].observations[role])
    assert torch.equal(rollouts[0].rewards, rollouts[1].rewards)


def test_modulators_are_quiet_beside_a_proposer_that_learns() -> None:
    config = NetworkConfig(modulator_head=HeadConfig(log_std=-2.5))
    for absent, quiet in ([], -2.5), (["meta_learning"], HeadConfig().log_std):
        game = Game("PointDir-v0", 1, True, {"absent_roles": absent})
        network = TeamNetwork(game, config, True, torch.Generator())
        found = {role: float(network.actor(role).log_std[0].detach()) for role in network.roles}
        assert found["adaptation"] == found["coordinator"] == quiet
        assert found.get("meta_learning", HeadConfig().log_std) == HeadConfig().log_std


def test_only_the_senders_of_a_differentiable_channel_get_their_own_head() -> None:
    game = Game("PointDir-v0", 1, True, {"absent_roles": ["adaptation", "coordinator"]})
    config = NetworkConfig(sender_head=HeadConfig(log_std=-3.5, squash=True))
    for differentiable in (True, False):
        network = TeamNetwork(game, config, differentiable, torch.Generator())
        for role in network.roles:
            special = differentiable and role == SENDER
            assert network.actor(role).squash == special
            assert float(network.actor(role).log_std[0].detach()) == (
                -3.5 if special else HeadConfig().log_std
            )
