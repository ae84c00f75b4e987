"""The environment role's bandit (`policies/curriculum_learner.py`) as a teacher: a policy that is paid.

A teacher of a study chooses the next task of a world when its present trial begins, so two decisions of a
world wait for their payment at any time. The bandit keeps one for each of its rows; a world has two rows, and
they take turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ma_ssm_env.ledger import Ledger
from ma_ssm_env.roles import HEADER, ROLE_TABLE, layout, observed_fields
from policies.config import WORLDS_OF_A_RUN
from policies.curriculum_learner import CurriculumConfig, CurriculumLearner, ProposalNetwork
from policies.team import NetworkConfig


class LearnedTeacher:
    """Proposes tasks, is paid absolute learning progress for each, and learns what pays.

    Attributes:
        learner: the bandit, with two rows for each world.

    Args:
        task_size: k, numbers of a task.
        num_worlds: B.
        seed: of its network and of what it draws.
        config: of the bandit.
    """

    def __init__(
        self, task_size: int, num_worlds: int, seed: int, config: CurriculumConfig | None = None
    ) -> None:
        sizes = {**dict.fromkeys(HEADER, 1), "ledger": Ledger.size(task_size)}
        fields = layout(observed_fields(ROLE_TABLE["environment"], "split"), sizes)
        generator = torch.Generator().manual_seed(seed * WORLDS_OF_A_RUN + 2)
        width = NetworkConfig().proposer_width
        network = ProposalNetwork(fields, {"proposal": slice(0, task_size)}, width, generator)
        seed = seed * WORLDS_OF_A_RUN + 1  # as in a training run
        self.learner = CurriculumLearner(network, config or CurriculumConfig(), 2 * num_worlds, seed)
        self._size, self._num_worlds = task_size, num_worlds
        self._turn = np.zeros(num_worlds, dtype=np.int64)  # the row that is next in each world

    def initial_memory(self, batch: int) -> None:
        """None: what it remembers outlives the trials."""
        if batch != self._num_worlds:
            raise ValueError(f"{batch} worlds: this teacher was made for {self._num_worlds}")

    def act(
        self, observations: NDArray[np.float32], memory: Any, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Any]:
        """Proposals [B, k] where a trial begins, 0 elsewhere; it draws from a generator of its own."""
        del rng
        begins = observations[:, 0] == 1.0
        found = self.learner.propose(np.tile(observations, (2, 1)), self._rows(begins))
        self._turn = np.where(begins, 1 - self._turn, self._turn)
        proposals: NDArray[np.float32] = found.reshape(2, self._num_worlds, self._size).sum(0)
        return proposals, memory

    def pay(self, payments: NDArray[np.float64], ended: NDArray[np.bool_]) -> None:
        """Pay [B] for the trials that ended [B]; call it before the next proposal of these worlds."""
        # Where two decisions wait, the row that is next is that of the older one.
        self.learner.pay(np.tile(payments, 2), self._rows(ended))

    def _rows(self, worlds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        rows: NDArray[np.bool_] = np.concatenate([worlds & (self._turn == turn) for turn in (0, 1)])
        return rows
