"""Sequences of several roles at once, where their cores are of one make; one after the other where not.

A minibatch of one role is small: learning from it costs the calls of its operations more than their
arithmetic. Roles differ in what they observe and do, and so in encoders and heads; between these, cores of
one make are run as one, with an axis of roles (`cores.s5.stacked_s5`). Parameters stay a role's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from policies.cores import S5
from policies.cores.s5 import stacked_s5
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
    stacks: dict[tuple[int, ...], list[int]] = {}
    for index, actor in enumerate(actors):
        # What is alone of its make is a stack of one.
        make = actor.core.make() if isinstance(actor.core, S5) else None
        stacks.setdefault(make or (-1 - index,), []).append(index)
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for members in stacks.values():
        if len(members) == 1:
            (index,) = members
            found[index] = actors[index].normalised_sequence(observations[index], starts, memories[index])
            continue
        cores = [core for index in members if isinstance(core := actors[index].core, S5)]
        features = stacked_s5(
            cores, [observations[index] for index in members], starts, [memories[index] for index in members]
        )
        for index, feature in zip(members, features.unbind(0), strict=True):
            found[index] = actors[index].mean(feature), feature
    return [found[index] for index in range(len(actors))]
