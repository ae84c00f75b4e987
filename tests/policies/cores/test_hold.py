"""Decays and scaled input matrices, and their gradients by hand, are those of the parts."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from policies import ssm
from policies.cores.hold import held


@pytest.mark.parametrize("gain", ssm.GAINS)
@pytest.mark.parametrize("used", ["both", "decay", "matrix"])
def test_hold_equals_its_parts(used: str, gain: str) -> None:
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((5,), (5,), (5, 3))]
    given[0][0], given[0][1] = 40.0, -40.0  # where the exponent is clamped, the gradient is zero
    given = [x.requires_grad_() for x in given]
    wanted: Any = given if used != "decay" else given[:2]

    def parts(log_rate: Tensor, log_step: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        decay = ssm.zero_order_hold(log_rate, log_step)
        return decay, matrix * ssm.GAINS[gain].of(decay)[:, None]

    found = []
    for function in (partial(held, gain=gain), parts):
        decay, matrix = function(*given)
        total = (decay.sin().sum() if used != "matrix" else 0) + (
            matrix.square().sum() if used != "decay" else 0
        )
        found.append([decay, matrix, *torch.autograd.grad(total, wanted)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    assert found[0][2][:2].tolist() == [0.0, 0.0]
    smooth = [given[0].detach()[2:].requires_grad_(), given[1].detach()[2:].requires_grad_()]
    assert torch.autograd.gradgradcheck(
        lambda r, s: held(r, s, torch.ones(3, 2, dtype=torch.float64), gain), smooth
    )
