"""The S5 block by hand against the composed one: values, gradients, and derivatives of second order."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from policies import ssm
from policies.cores import s5_block as module
from policies.cores.s5_block import BlockWeights, composed_block, s5_block

POLES = pytest.mark.parametrize("complex_poles", [False, True], ids=["real", "complex"])
EPS = 1e-5


def _given(
    time: int, batch: int, width: int = 3, states: int = 4, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Stream, state before, decay and weights, all with a gradient."""
    generator = torch.Generator().manual_seed(time + 7 * batch)
    shapes = [(time * batch, width), (batch, states), (states,), (width,), (width,), (states, width)]
    shapes += [(width, states), (width,), (2 * width, width), (2 * width,)]
    drawn = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    drawn[2] = 0.7 * torch.rand(states, generator=generator, dtype=dtype)
    return [x.requires_grad_() for x in drawn]


def _keep(time: int, batch: int, starts: list[tuple[int, int]], dtype: torch.dtype = torch.float64) -> Tensor:
    keep = torch.ones(time, batch, 1, dtype=dtype)
    for t, b in starts:
        keep[t, b] = 0.0
    return keep


def _both(keep: Tensor, complex_poles: bool) -> list[Callable[..., tuple[Tensor, Tensor]]]:
    def by_hand(stream: Tensor, before: Tensor, decay: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        weights = BlockWeights(*rest)
        return s5_block(stream, keep, before, decay, weights, eps=EPS, complex_poles=complex_poles)

    def composed(stream: Tensor, before: Tensor, decay: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        weights = BlockWeights(*rest)
        normed = functional.layer_norm(stream, stream.shape[1:], weights[0], weights[1], EPS)
        return composed_block(stream, keep, before, decay, weights, normed, complex_poles=complex_poles)

    return [by_hand, composed]


@POLES
@pytest.mark.parametrize("tile", [1, 24, 10**6])
@pytest.mark.parametrize("starts", [[], [(0, 1)], [(0, 0), (3, 1), (4, 0), (15, 1)]])
@pytest.mark.parametrize("used", ["both", "output", "last"])
def test_values_and_gradients_equal_the_composed_block(
    monkeypatch: pytest.MonkeyPatch,
    complex_poles: bool,
    tile: int,
    starts: list[tuple[int, int]],
    used: str,
) -> None:
    monkeypatch.setattr(module, "_TILE", tile)  # tiles of 1 step, of 4 steps, and of all 16
    given, keep = _given(16, 2), _keep(16, 2, starts)
    found = []
    for block in _both(keep, complex_poles):
        output, last = block(*given)
        total = (output.square().sum() if used != "last" else 0) + (
            last.sin().sum() if used != "output" else 0
        )
        gradients = torch.autograd.grad(total, given, materialize_grads=True)
        found.append([output, last, *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@POLES
def test_in_float32_at_default_sizes(complex_poles: bool) -> None:
    given = [
        x.detach().mul(0.1).requires_grad_() if x.ndim == 2 else x
        for x in _given(100, 4, 96, 96, torch.float32)
    ]
    found = []
    for block in _both(_keep(100, 4, [], torch.float32), complex_poles):
        output, last = block(*given)
        found.append([output, last, *torch.autograd.grad(output.square().mean() + last.mean(), given)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(
            one, other, rtol=1e-3, atol=2e-5 * max(1.0, float(other.detach().abs().max()))
        )


@POLES
def test_derivatives_equal_finite_differences(complex_poles: bool) -> None:
    by_hand, _ = _both(_keep(4, 2, [(2, 1)]), complex_poles)
    assert torch.autograd.gradcheck(by_hand, _given(4, 2))
    assert torch.autograd.gradgradcheck(by_hand, _given(4, 2), fast_mode=True)


def test_a_gain_that_depends_on_its_decay_is_counted_once() -> None:
    """In derivatives of second order each argument is differentiated as if it stood alone."""
    given, keep = _given(6, 2), _keep(6, 2, [])
    found = []
    for block in _both(keep, False):
        decay = given[2]
        scaled = [*given[:5], given[5] * ssm.unit_variance_gain(decay)[:, None], *given[6:]]
        output, _ = block(*scaled)
        (first,) = torch.autograd.grad(output.square().sum(), decay, create_graph=True)
        found.append([first, *torch.autograd.grad(first.sum(), [given[0], decay, given[5]])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_backward_may_be_called_twice() -> None:
    given, keep = _given(8, 2), _keep(8, 2, [])
    output, _ = _both(keep, False)[0](*given)
    first = torch.autograd.grad(output.sum(), given[:3], retain_graph=True)
    again = torch.autograd.grad(output.sum(), given[:3])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("tile", [1, 24, 10**6])
@pytest.mark.parametrize("starts", [[], [(0, 1)], [(0, 0), (3, 1), (4, 0), (15, 1)]])
@pytest.mark.parametrize("used", ["both", "output", "last"])
def test_blocks_of_several_roles_equal_each_by_itself(
    monkeypatch: pytest.MonkeyPatch, tile: int, starts: list[tuple[int, int]], used: str
) -> None:
    monkeypatch.setattr(module, "_TILE", tile)
    drawn, keep = _given(16, 2), _keep(16, 2, starts)
    roles = [torch.stack([x.detach() * (1.0 - 0.2 * r) + 0.01 * r for r in range(3)]) for x in drawn]
    given = [x.requires_grad_() for x in roles]
    by_hand, _ = _both(keep, False)

    def one_by_one(*stacked: Tensor) -> tuple[Tensor, Tensor]:
        found = [by_hand(*parts) for parts in zip(*stacked, strict=True)]
        return torch.stack([output for output, _ in found]), torch.stack([last for _, last in found])

    found = []
    for block in (by_hand, one_by_one):
        output, last = block(*given)
        total = (output.square().sum() if used != "last" else 0) + (
            last.sin().sum() if used != "output" else 0
        )
        gradients = torch.autograd.grad(total, given, materialize_grads=True)
        found.append([output, last, *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
