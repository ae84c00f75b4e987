"""Sequences and steps of several roles as one, where their cores are of one make; else one after the other.

What one role reads at once is small: learning and acting cost the calls of its operations more than their
arithmetic. Roles differ in what they observe and do, and so in encoders and heads; between these, cores of
one make are run as one, with an axis of roles (`cores.s5.stacked_s5`). Parameters stay a role's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from policies.cores import S5
from policies.cores.s5 import StackedStep, stacked_s5, stacked_s5_stepper
from policies.role_network import RoleNetwork


def role_sequences(
    actors: Sequence[RoleNetwork], observations: Sequence[Tensor], starts: Tensor, memories: Sequence[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """`RoleNetwork.normalised_sequence` of each actor: means [T, B, A] and features [T, B, D].

    Args:
        actors: of the roles.
        observations: of each role [T, B, O], normalised.
        starts: 1 where step t is the first of a trial [T, B].
        memories: of each role before the first step [B, S].
    """
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for members in _stacks(actors):
        if len(members) == 1:
            (index,) = members
            found[index] = actors[index].normalised_sequence(observations[index], starts, memories[index])
            continue
        cores = _cores(actors, members)
        features = stacked_s5(
            cores, [observations[index] for index in members], starts, [memories[index] for index in members]
        )
        for index, feature in zip(members, features.unbind(0), strict=True):
            found[index] = actors[index].mean(feature), feature
    return [found[index] for index in range(len(actors))]


RolesStep = Callable[[Sequence[Tensor], Tensor, Sequence[Tensor]], list[tuple[Tensor, Tensor, Tensor]]]
"""Observations [B, O] of each role, starts [B], memories [B, S] -> of each: mean, features, memory."""


def role_stepper(actors: Sequence[RoleNetwork]) -> RolesStep:
    """`RoleNetwork.stepper` of several roles, for acting: of one make they run as one, without gradient."""
    alone = []
    stacked: list[tuple[list[int], StackedStep]] = []
    for members in _stacks(actors):
        if len(members) == 1:
            alone.append((members[0], actors[members[0]].stepper()))
        else:
            stacked.append((members, stacked_s5_stepper(_cores(actors, members))))

    def step(
        observations: Sequence[Tensor], starts: Tensor, memories: Sequence[Tensor]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        for index, single in alone:
            found[index] = single(observations[index], starts, memories[index])
        for members, several in stacked:
            seen = [actors[index].normaliser(observations[index]) for index in members]
            features, after = several(seen, starts, [memories[index] for index in members])
            for index, feature, memory in zip(members, features.unbind(0), after.unbind(0), strict=True):
                found[index] = actors[index].mean(feature), feature, memory
        return [found[index] for index in range(len(actors))]

    return step


def _stacks(actors: Sequence[RoleNetwork]) -> list[list[int]]:
    """Indices of the actors whose cores are run as one; one that is alone of its make is a stack of one."""
    stacks: dict[tuple[int | str, ...], list[int]] = {}
    for index, actor in enumerate(actors):
        make = actor.core.make() if isinstance(actor.core, S5) else None
        stacks.setdefault(make or (-1 - index,), []).append(index)
    return list(stacks.values())


def _cores(actors: Sequence[RoleNetwork], members: Sequence[int]) -> list[S5]:
    return [core for index in members if isinstance(core := actors[index].core, S5)]
