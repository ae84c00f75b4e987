"""Telling the hidden task: what is asked, who learns from it, and that acting does not need it."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from policies.cores import CoreConfig
from policies.game import AGENT, Game
from policies.ppo import Ppo, PpoConfig
from policies.rollout import Collector, Rollout
from policies.task_inference import squared_error, told, told_size
from policies.team import SENDER, NetworkConfig, TeamNetwork

B, LENGTH = 4, 28


def test_angles_are_told_by_cosine_and_sine() -> None:
    task = torch.tensor([[0.5, -1.0], [-0.25, 1.0]])
    expected = torch.tensor([[0.5, -1.0, 0.0], [-0.25, -1.0, 0.0]])  # -pi and pi are the same
    torch.testing.assert_close(told(task, (False, True)), expected, atol=1e-6, rtol=0)
    assert told_size((False, True)) == 3
    quarter = told(torch.tensor([0.5]), (True,))
    torch.testing.assert_close(quarter, torch.tensor([math.cos(math.pi / 2), 1.0]), atol=1e-6, rtol=0)


def test_the_error_counts_active_steps_alone() -> None:
    said, right = torch.tensor([[1.0, 1.0], [9.0, 9.0]]), torch.zeros(2, 2)
    assert float(squared_error(said, right, None)) == 41.0
    assert float(squared_error(said, right, torch.tensor([True, False]))) == 1.0
    assert float(squared_error(said, right, torch.tensor([False, False]))) == 0.0


def _learner(
    team: bool,
    scenario: str = "PointGoal-v0",
    communication: Any = "differentiable",
    infer_task: bool = True,
    **settings: Any,
) -> tuple[Ppo, Rollout]:
    generator = torch.Generator().manual_seed(0)
    game = Game(scenario, B, team, {"horizon": 7})
    config = NetworkConfig(core=CoreConfig(width=8, state_size=6), critic_width=9, infer_task=infer_task)
    network = TeamNetwork(game, config, communication == "differentiable", generator)
    collector = Collector(game, network, 0, generator)
    sizes = {"num_worlds": B, "rollout": LENGTH, "segment": 14, "minibatches": 1}
    learner = Ppo(network, PpoConfig(**{**sizes, **settings}), communication, generator)
    return learner, collector.collect(LENGTH, 14)


@pytest.mark.parametrize("communication", ["reinforced", "differentiable"])
@pytest.mark.parametrize("team", [True, False])
def test_the_core_of_the_role_that_infers_learns_from_it_and_no_other(team: bool, communication: Any) -> None:
    def gradients(weight: float) -> dict[str, Tensor]:
        learner, rollout = _learner(team, communication=communication, value=0.0, task=weight)
        batch = learner._segments(rollout)
        batch.advantages = torch.zeros_like(batch.advantages)  # nothing else to learn
        loss, _ = learner._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return {n: p.grad.clone() for n, p in learner.network.named_parameters() if p.grad is not None}

    one, two = gradients(1.0), gradients(2.0)
    role = f"actors.{SENDER if team else AGENT}."
    moved = {name for name, gradient in one.items() if gradient.any()}
    acting = {f"{role}{part}" for part in ("head.weight", "head.bias", "log_std")}
    assert moved == {name for name in one if name.startswith(role)} - acting
    assert f"{role}task_head.weight" in moved
    for name in moved:
        torch.testing.assert_close(two[name], 2.0 * one[name], rtol=1e-5, atol=1e-9)


def test_what_should_be_told_is_the_task_in_play() -> None:
    learner, rollout = _learner(team=False)
    right = learner.network.told(rollout.states)
    assert right.shape == (LENGTH, B, 3)  # radius, cosine and sine of the angle
    torch.testing.assert_close(right[..., 1] ** 2 + right[..., 2] ** 2, torch.ones(LENGTH, B))
    changed = (right[1:] != right[:-1]).any(-1)
    assert torch.equal(changed, rollout.starts[1:] == 1)  # a task stays for a trial
    assert torch.equal(right[:14], learner.network.told(learner._segments(rollout).states)[:, :B])


def test_it_costs_no_bit_of_the_rest_and_is_learned() -> None:
    plain, with_head = (_learner(team=True, infer_task=on)[0].network for on in (False, True))
    assert not any("task_head" in name for name in plain.state_dict())
    first = "actors.state_modeling.core.encoder.weight"
    assert torch.equal(plain.state_dict()[first], with_head.state_dict()[first])
    assert [r for r in with_head.roles if with_head.actor(r).infers_task] == [SENDER]
    learner, rollout = _learner(team=False, learning_rate=1e-2, epochs=30, target_kl=math.inf)
    before = learner.learn(rollout, 0.0)["task_error"]
    for _ in range(3):  # the first changed the observations' statistics too
        learner.learn(rollout, 0.0)
    after = learner._segments(rollout)
    actor = learner.network.actor(AGENT)
    _, feature = actor.normalised_sequence(after.observations[AGENT], after.starts, after.memories[AGENT])
    error = squared_error(actor.inferred_task(feature), learner.network.told(after.states), None)
    assert float(error.detach()) < 0.5 * before


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="privileged_critic=True"):
        NetworkConfig(infer_task=True, privileged_critic=False)
    with pytest.raises(ValueError, match="HalfCheetah-v0 has no hidden task"):
        _learner(team=False, scenario="HalfCheetah-v0")
