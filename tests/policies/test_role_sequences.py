"""Roles run as one against each role by itself: values, all gradients, and which roles are run as one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from policies import ppo, role_sequences
from policies.cores import CoreConfig
from policies.game import Game
from policies.ppo import Communication, Ppo, PpoConfig
from policies.role_network import HeadConfig, RoleNetwork
from policies.role_sequences import role_sequences as together
from policies.role_sequences import role_stepper
from policies.rollout import Collector
from policies.team import NetworkConfig, TeamNetwork

T, B = 16, 3
CORE = CoreConfig(kind="s5", width=6, state_size=4, layers=2)
EQUAL = [CORE] * 3
OTHERS = {
    "width": dataclasses.replace(CORE, width=8),
    "states": dataclasses.replace(CORE, state_size=6),
    "layers": dataclasses.replace(CORE, layers=1),
    "poles": dataclasses.replace(CORE, poles="complex"),
    "kind": dataclasses.replace(CORE, kind="gru"),
}
STARTS = pytest.mark.parametrize("starts", [[], [(0, 1)], [(0, 0), (3, 1), (4, 0), (15, 2)]])


def _actors(cores: Sequence[CoreConfig], dtype: torch.dtype) -> list[RoleNetwork]:
    """Roles that differ in what they observe and do, and in every parameter."""
    generator = torch.Generator().manual_seed(0)
    actors = []
    for number, core in enumerate(cores):
        head = HeadConfig(gain=1.0, squash=number == 1)
        fields, actions = {"velocities": slice(0, 3 + number)}, {"trust": slice(0, 1 + number)}
        actor = RoleNetwork(fields, actions, core, head, generator)
        with torch.no_grad():
            for parameter in actor.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        actors.append(actor.to(dtype))
    return actors


def _given(
    actors: Sequence[RoleNetwork], starts: Sequence[tuple[int, int]], dtype: torch.dtype
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    seen = [torch.randn(T, B, a.core.in_features, generator=generator, dtype=dtype) for a in actors]
    memories = [torch.randn(B, a.core.memory_size, generator=generator, dtype=dtype) for a in actors]
    began = torch.zeros(T, B, dtype=dtype)
    for t, b in starts:
        began[t, b] = 1.0
    return [x.requires_grad_() for x in seen], began, [x.requires_grad_() for x in memories]


def _one_by_one(
    actors: Sequence[RoleNetwork], seen: Sequence[Tensor], starts: Tensor, memories: Sequence[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    given = zip(actors, seen, memories, strict=True)
    return [actor.normalised_sequence(x, starts, memory) for actor, x, memory in given]


def _stacks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many cores each stack has, from now on."""
    sizes: list[int] = []
    stacked = role_sequences.stacked_s5

    def spy(cores: Any, *rest: Any) -> Tensor:
        sizes.append(len(cores))
        return stacked(cores, *rest)

    monkeypatch.setattr(role_sequences, "stacked_s5", spy)
    return sizes


@STARTS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("cores", [EQUAL, [OTHERS["width"], CORE, OTHERS["kind"], CORE, OTHERS["width"]]])
def test_values_and_gradients_equal_those_of_each_role_by_itself(
    cores: list[CoreConfig], dtype: torch.dtype, tolerance: float, starts: list[tuple[int, int]]
) -> None:
    actors = _actors(cores, dtype)
    seen, began, memories = _given(actors, starts, dtype)
    parameters = [p for actor in actors for name, p in actor.named_parameters() if name != "log_std"]
    found = []
    for run in (together, _one_by_one):
        outputs = [x for pair in run(actors, seen, began, memories) for x in pair]
        total = sum(x.sin().mean() * (1 + i) for i, x in enumerate(outputs))
        assert isinstance(total, Tensor)
        found.append([*outputs, *torch.autograd.grad(total, [*parameters, *seen, *memories])])
    for one, other in zip(*found, strict=True):
        assert bool(torch.isfinite(one).all())
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@STARTS
def test_derivatives_of_second_order_equal_those_of_each_role(starts: list[tuple[int, int]]) -> None:
    actors = _actors(EQUAL, torch.float64)
    seen, began, memories = _given(actors, starts, torch.float64)
    parameters = [p for actor in actors for p in actor.core.parameters()]
    found = []
    for run in (together, _one_by_one):
        total = torch.stack([mean.sin().sum() for mean, _ in run(actors, seen, began, memories)]).sum()
        first = torch.autograd.grad(total, seen, create_graph=True)
        found.append(torch.autograd.grad(torch.stack([x.square().sum() for x in first]).sum(), parameters))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@STARTS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("cores", [EQUAL, [OTHERS["width"], CORE, OTHERS["kind"], CORE, OTHERS["poles"]]])
def test_steps_equal_the_sequence(
    cores: list[CoreConfig], dtype: torch.dtype, tolerance: float, starts: list[tuple[int, int]]
) -> None:
    actors = _actors(cores, dtype)
    for number, actor in enumerate(actors):  # a step reads observations as they are
        actor.normaliser.update(torch.randn(64, 3 + number, generator=torch.Generator().manual_seed(2)) + 1)
    seen, began, memories = _given(actors, starts, dtype)
    with torch.no_grad():
        expected = [
            actor.sequence(x, began, memory) for actor, x, memory in zip(actors, seen, memories, strict=True)
        ]
        step, carried = role_stepper(actors), [memory.clone() for memory in memories]
        for t in range(T):
            answers = step([x[t] for x in seen], began[t], carried)
            carried = [memory for _, _, memory in answers]
            for (mean, feature, _), (means, features) in zip(answers, expected, strict=True):
                torch.testing.assert_close(mean, means[t], rtol=tolerance, atol=tolerance)
                torch.testing.assert_close(feature, features[t], rtol=tolerance, atol=tolerance)
        lasts = [
            actor.core(actor.normaliser(x), began, memory)[1]
            for actor, x, memory in zip(actors, seen, memories, strict=True)
        ]
    for memory, last in zip(carried, lasts, strict=True):
        torch.testing.assert_close(memory, last, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("differs", sorted(OTHERS))
def test_only_cores_of_one_make_are_run_as_one(differs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = _stacks(monkeypatch)
    for cores, expected in (
        ([CORE, OTHERS[differs], CORE, CORE], [3]),
        ([CORE, OTHERS[differs]], []),
        ([CORE], []),
        ([OTHERS["kind"]] * 2, []),
        ([OTHERS["poles"]] * 2, []),
    ):
        stacks.clear()
        actors = _actors(cores, torch.float32)
        seen, began, memories = _given(actors, [], torch.float32)
        results = together(actors, seen, began, memories)
        assert stacks == expected
        assert [mean.shape[-1] for mean, _ in results] == [actor.action_size for actor in actors]


def test_transforms_of_torch_func_take_each_role_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    actors = _actors(EQUAL, torch.float64)
    seen, began, memories = _given(actors, [(3, 1)], torch.float64)
    stacks = _stacks(monkeypatch)

    def total(*given: Tensor) -> Tensor:
        return torch.stack([m.square().sum() for m, _ in together(actors, given, began, memories)]).sum()

    found = torch.func.grad(total, argnums=(0, 1, 2))(*seen)
    assert stacks == []
    expected = torch.autograd.grad(total(*seen), seen)
    assert stacks == [3]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("communication", "options", "changes", "expected"),
    [
        ("differentiable", {}, {}, [3]),
        ("reinforced", {}, {}, [4]),
        ("reinforced", {}, {"forecast_horizon": 2}, [4]),
        ("differentiable", {"absent_roles": ["adaptation"]}, {}, [2]),
        ("reinforced", {"absent_roles": ["state_modeling"]}, {}, [3]),
        ("differentiable", {"muted_roles": ["state_modeling"]}, {}, [3]),
        ("differentiable", {}, {"role_cores": {"adaptation": OTHERS["kind"]}}, [2]),
        ("reinforced", {}, {"shared": True}, []),
    ],
)
def test_a_teams_loss_and_gradient_are_the_same(
    communication: Communication,
    options: dict[str, Any],
    changes: dict[str, Any],
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    game = Game("PointDir-v0", B, True, {"horizon": 7, "episodes_per_trial": 2, **options})
    config = NetworkConfig(core=CORE, head=HeadConfig(gain=0.5), critic_width=9, **changes)
    network = TeamNetwork(game, config, communication == "differentiable", generator)
    settings = PpoConfig(num_worlds=B, rollout=40, segment=20, minibatches=1)
    learner = Ppo(network, settings, communication, generator)
    collector = Collector(game, network, 0, generator)
    collector.collect(40, 20)
    batch = learner._segments(collector.collect(40, 20))
    assert batch.starts[1:].any()  # trials begin inside of segments
    stacks = _stacks(monkeypatch)
    found = []
    for run in (together, _one_by_one):
        monkeypatch.setattr(ppo, "role_sequences", run)
        loss, metrics = learner.loss(batch)
        learner.parameters.differentiate(loss)
        gradients = [vector.grad for vector in learner.parameters.vectors if vector.grad is not None]
        found.append([loss.detach(), *gradients])
        assert metrics["loss"] == float(loss.detach())
    assert stacks == expected
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert all(bool(gradient.any()) for gradient in found[0][1:])
