"""One actor for all roles: a core and a head that they share, told which role it plays.

A role's observation is spread over the fields that any role observes, so that a field lies at the same place
for everyone; fields that the role does not see are 0, and a one-hot indicator of the role stands at the end.
The shared head has as many outputs as the largest action; a role takes the first ones. What stays a role's
own: the statistics of its observations, the standard deviations of its actions, and the head of the sender
of a differentiable channel, whose messages start full-sized (`NetworkConfig.sender_head`).

Source: parameter sharing with role indication, Gupta et al. 2017, "Cooperative multi-agent control using
deep reinforcement learning"; Terry et al. 2020, "Revisiting parameter sharing".
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from policies.cores import Core, CoreConfig, make_core
from policies.cores.core import Step
from policies.game import Game
from policies.role_network import linear


class SharedActor:
    """Makes the roles' views of one core and one head.

    Attributes:
        core: reads [..., fields of all roles, indicator].
        head: as many outputs as the largest action.
    """

    def __init__(self, game: Game, core: CoreConfig, gain: float, generator: torch.Generator) -> None:
        self._game = game
        self._places: dict[str, int] = {}
        self._fields = 0
        for role in game.roles:
            for name, where in game.observation_fields[role].items():
                if name not in self._places:
                    self._places[name] = self._fields
                    self._fields += where.stop - where.start
        self.core = make_core(core, self._fields + len(game.roles), generator)
        actions = max(_size(game.action_fields[role]) for role in game.roles)
        self.head = linear(self.core.out_features, actions, gain, generator)

    def core_of(self, role: str) -> RoleCore:
        """The shared core for inputs in the layout of a role's observation."""
        columns = torch.empty(_size(self._game.observation_fields[role]), dtype=torch.int64)
        for name, where in self._game.observation_fields[role].items():
            first = self._places[name]
            columns[where] = torch.arange(first, first + where.stop - where.start)
        return RoleCore(self.core, columns, self._fields + self._game.roles.index(role))

    def head_of(self, role: str) -> FirstOutputs:
        """The shared head, cut to the size of a role's action."""
        return FirstOutputs(self.head, _size(self._game.action_fields[role]))


@final
class RoleCore(Core):
    """A shared core behind the layout of one role's observation.

    Args:
        shared: the core of all roles.
        columns: where each number of the observation goes [O].
        indicator: the column that is 1 for this role.
    """

    columns: Tensor
    blank: Tensor

    def __init__(self, shared: Core, columns: Tensor, indicator: int) -> None:
        super().__init__(len(columns), shared.out_features, shared.memory_size)
        self.shared = shared
        blank = torch.zeros(shared.in_features)
        blank[indicator] = 1.0
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("blank", blank, persistent=False)

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        features, memory = self.shared(self._spread(inputs), starts, memory)
        return features, memory

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        return self.stepper()(inputs, starts, memory)

    def stepper(self) -> Step:
        """See `Core.stepper`."""
        shared_step = self.shared.stepper()

        def step(inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
            return shared_step(self._spread(inputs), starts, memory)

        return step

    def _spread(self, inputs: Tensor) -> Tensor:
        wide = self.blank.expand(*inputs.shape[:-1], len(self.blank))
        return wide.index_copy(-1, self.columns, inputs)


@final
class FirstOutputs(nn.Module):
    """The first `size` outputs of a shared linear layer."""

    def __init__(self, shared: nn.Linear, size: int) -> None:
        super().__init__()
        self.shared, self.size = shared, size

    def forward(self, features: Tensor) -> Tensor:
        """Outputs [..., size] of features [..., D]."""
        return nn.functional.linear(features, self.shared.weight[: self.size], self.shared.bias[: self.size])


def _size(fields: dict[str, slice]) -> int:
    return max(int(where.stop) for where in fields.values())
