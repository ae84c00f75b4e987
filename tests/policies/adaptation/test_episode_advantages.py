"""Advantages of one inner episode, against sums by hand."""

from __future__ import annotations

import torch

from policies.adaptation.episode_advantages import episode_advantages

ENDED = torch.tensor([True])


def test_rewards_to_go_over_their_mean() -> None:
    rewards, mask = torch.tensor([[1.0], [0.0], [2.0]]), torch.ones(3, 1)
    advantages, scores = episode_advantages(rewards, mask, ENDED, [[]], gamma=0.5)
    to_go = torch.tensor([1.5, 1.0, 2.0])  # 1 + 0.5 * (0 + 0.5 * 2), 0 + 0.5 * 2, 2
    wanted = (to_go - 1.5) / to_go.var(correction=0).sqrt()
    assert torch.allclose(advantages[:, 0], wanted, atol=1e-6)
    assert scores.tolist() == [3.0]


def test_steps_outside_the_episode_count_for_nothing() -> None:
    rewards = torch.tensor([[100.0], [1.0], [2.0]])
    mask = torch.tensor([[0.0], [1.0], [1.0]])
    advantages, scores = episode_advantages(rewards, mask, ENDED, [[]], gamma=1.0)
    assert advantages[0, 0] == 0.0
    assert torch.allclose(advantages[1:, 0], torch.tensor([1.0, -1.0]), atol=1e-6)  # to go 3 and 2
    assert scores.tolist() == [3.0]


def test_one_number_at_the_end_is_held_against_earlier_episodes() -> None:
    rewards, mask = torch.tensor([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]]), torch.ones(3, 2)
    ended = torch.tensor([True, True])
    advantages, _ = episode_advantages(rewards, mask, ended, [[], [1.0, 3.0]], gamma=0.9)
    assert advantages[:, 0].tolist() == [0.0, 0.0, 0.0]  # the first episode has nothing to compare with
    assert advantages[:, 1].tolist() == [3.0, 3.0, 3.0]  # 5 - (1 + 3) / 2
