"""Advantages against numbers worked out by hand, and where they must not flow."""

import pytest
import torch
from torch import Tensor

from policies.returns import generalised_advantages


def _column(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None]


def test_a_sequence_with_the_end_of_a_trial_in_the_middle() -> None:
    # gamma = lam = 1/2. Backwards: delta_2 = 3 + 8/2 - 4 = 3; delta_1 = 2 - 1 = 1, where the trial ended;
    # delta_0 = 1 + 1/2 - 1 = 1/2, A_0 = 1/2 + 1/4 * 1 = 3/4.
    found = generalised_advantages(
        _column(1, 2, 3), _column(1, 1, 4), _column(0, 1, 0), torch.tensor([8.0]), 0.5, 0.5
    )
    assert found.tolist() == [[0.75], [1.0], [3.0]]


def _worlds(dones: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = dones.shape
    rewards, values = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    return rewards, values, dones, torch.randn(shape[1], generator=generator)


def test_lambda_one_gives_the_discounted_return() -> None:
    dones = torch.zeros(6, 2)
    dones[2, 0] = dones[5, 0] = 1.0
    rewards, values, dones, last = _worlds(dones)
    found = generalised_advantages(rewards, values, dones, last, 0.9, 1.0)
    for world in range(2):
        for t in range(6):
            total, weight = 0.0, 1.0
            for s in range(t, 6):
                total += weight * float(rewards[s, world])
                weight *= 0.9 * (1.0 - float(dones[s, world]))
            total += weight * float(last[world])
            assert float(found[t, world] + values[t, world]) == pytest.approx(total, abs=1e-5)


def test_lambda_zero_gives_the_one_step_error() -> None:
    rewards, values, dones, last = _worlds(torch.zeros(4, 3))
    found = generalised_advantages(rewards, values, dones, last, 0.9, 0.0)
    torch.testing.assert_close(found, rewards + 0.9 * torch.cat([values[1:], last[None]]) - values)


def test_nothing_flows_across_the_end_of_a_trial() -> None:
    dones = torch.zeros(6, 2)
    dones[2, 0] = 1.0
    rewards, values, dones, last = _worlds(dones)
    before = generalised_advantages(rewards, values, dones, last, 0.9, 0.8)
    rewards[3:] += 1.0
    values[3:] -= 1.0
    after = generalised_advantages(rewards, values, dones, last, 0.9, 0.8)
    assert torch.equal(before[:3, 0], after[:3, 0])
    assert (before[:3, 1] != after[:3, 1]).all()


def test_the_last_value_counts_unless_the_trial_has_ended() -> None:
    dones = torch.zeros(3, 2)
    dones[2, 0] = 1.0
    rewards, values, dones, last = _worlds(dones)
    before = generalised_advantages(rewards, values, dones, last, 0.9, 0.8)
    after = generalised_advantages(rewards, values, dones, last + 1.0, 0.9, 0.8)
    assert torch.equal(before[:, 0], after[:, 0])
    assert (before[:, 1] != after[:, 1]).all()


@pytest.mark.parametrize("wrong", ["values", "dones", "last_value"])
def test_shapes_that_do_not_fit_are_refused(wrong: str) -> None:
    given = {name: torch.zeros(5, 2) for name in ("rewards", "values", "dones")}
    given["last_value"] = torch.zeros(2)
    given[wrong] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"\[T, B\] three times and \[B\] are expected"):
        generalised_advantages(**given, gamma=0.9, lam=0.9)
