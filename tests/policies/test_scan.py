"""The scans against a plain float64 loop, the direct convolution, finite differences and torch.func."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from policies.scan import _chunk_length, complex_diagonal_scan, diagonal_scan, selective_scan

Scan = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
TIME, BATCH, STATES = 6, 3, 4


def _loop(decay: Tensor, inputs: Tensor, keep: Tensor, state: Tensor, complex_: bool = False) -> Tensor:
    """h_t = a_t keep_t h_{t-1} + u_t in plain operations; a complex product is a 2 x 2 matrix."""
    states = []
    for t, now in enumerate(inputs):
        a, kept = decay if decay.ndim < inputs.ndim else decay[t], keep[t] * state
        if complex_:
            (re, im), (x, y) = (z.unflatten(-1, (-1, 2)).unbind(-1) for z in (a, kept))
            state = now + torch.stack((re * x - im * y, im * x + re * y), -1).flatten(-2)
        else:
            state = now + a * kept
        states.append(state)
    return torch.stack(states)


SCANS: dict[str, tuple[Scan, Scan]] = {
    "diagonal": (diagonal_scan, _loop),
    "complex": (complex_diagonal_scan, lambda *given: _loop(*given, complex_=True)),
    "selective": (selective_scan, _loop),
}
scans = pytest.mark.parametrize("name", SCANS)

PATTERNS: dict[str, list[tuple[int, int]]] = {
    "no start": [],
    "first step": [(0, 0), (0, 1), (0, 2)],
    "one world first": [(0, 1)],
    "all worlds at 3": [(3, 0), (3, 1), (3, 2)],
    "scattered": [(0, 1), (2, 0), (3, 0), (5, 2)],
}
patterns = pytest.mark.parametrize("starts", PATTERNS.values(), ids=PATTERNS.keys())


def _problem(
    name: str, starts: list[tuple[int, int]], time: int = TIME
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Decay, inputs, keep and initial state in float64."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    decay = 0.7 * torch.tanh(draw(time, BATCH, STATES) if name == "selective" else draw(STATES))
    keep = torch.ones(time, BATCH, 1, dtype=torch.float64)
    for step, world in starts:
        keep[step, world] = 0.0
    inputs, initial = draw(time, BATCH, STATES), draw(BATCH, STATES)
    return decay.requires_grad_(), inputs.requires_grad_(), keep, initial.requires_grad_()


def test_scan_by_hand() -> None:
    inputs = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1)
    keep = torch.tensor([1.0, 1.0, 0.0, 1.0]).view(4, 1, 1)
    states = diagonal_scan(torch.tensor([0.5]), inputs, keep, torch.tensor([[8.0]]))
    assert states.flatten().tolist() == [5.0, 4.5, 3.0, 5.5]


def test_complex_scan_by_hand() -> None:
    # h = i h + u: (1 + 2i) -> i - 2 + 1 = -1 + i -> -i - 1 + 3i = -1 + 2i.
    inputs = torch.tensor([[1.0, 0.0], [0.0, 3.0]]).view(2, 1, 2)
    states = complex_diagonal_scan(
        torch.tensor([0.0, 1.0]), inputs, torch.ones(2, 1, 1), torch.tensor([[1.0, 2.0]])
    )
    assert states.flatten().tolist() == [-1.0, 1.0, -1.0, 2.0]


@scans
@patterns
def test_scan_and_gradients_equal_the_loop(name: str, starts: list[tuple[int, int]]) -> None:
    scan, loop = SCANS[name]
    decay, inputs, keep, initial = _problem(name, starts)
    weight = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    states, expected = scan(decay, inputs, keep, initial), loop(decay, inputs, keep, initial)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-13)
    gradients = torch.autograd.grad((states * weight).sum(), (decay, inputs, initial))
    expected_gradients = torch.autograd.grad((expected * weight).sum(), (decay, inputs, initial))
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)


@scans
@patterns
def test_first_and_second_derivatives_equal_finite_differences(
    name: str, starts: list[tuple[int, int]]
) -> None:
    decay, inputs, keep, initial = _problem(name, starts, time=4 if max(starts, default=(0, 0))[0] < 4 else 6)

    def scan(a: Tensor, u: Tensor, h: Tensor) -> Tensor:
        return SCANS[name][0](a, u, keep, h)

    assert torch.autograd.gradcheck(scan, (decay, inputs, initial))
    assert torch.autograd.gradgradcheck(scan, (decay, inputs, initial), fast_mode=True)


@scans
def test_both_backwards_are_one(name: str) -> None:
    """In place where nobody differentiates it, out of place where someone does."""
    decay, inputs, keep, initial = _problem(name, PATTERNS["scattered"])
    total = SCANS[name][0](decay, inputs, keep, initial).square().sum()
    plain = torch.autograd.grad(total, (decay, inputs, initial), retain_graph=True)
    differentiable = torch.autograd.grad(total, (decay, inputs, initial), create_graph=True)
    for one, other in zip(plain, differentiable, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@scans
def test_third_derivative_equals_that_of_the_loop(name: str) -> None:
    found = []
    for run in SCANS[name]:
        decay, inputs, keep, initial = _problem(name, PATTERNS["scattered"])
        value = run(decay, inputs, keep, initial).pow(3).sum()
        for _ in range(3):
            gradients = torch.autograd.grad(value, (decay, inputs, initial), create_graph=True)
            value = sum((gradient.square().sum() for gradient in gradients), torch.zeros(()))
        found.append(gradients)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@scans
def test_gradient_of_one_step_reaches_everything(name: str) -> None:
    decay, inputs, keep, initial = _problem(name, [], time=1)
    run = SCANS[name][0]
    assert torch.autograd.gradcheck(lambda a, u, h: run(a, u, keep, h), (decay, inputs, initial))
    assert torch.autograd.gradgradcheck(lambda a, u, h: run(a, u, keep, h), (decay, inputs, initial))


@scans
def test_nothing_crosses_a_start(name: str) -> None:
    decay, inputs, keep, initial = _problem(name, [(3, 0)])
    states = SCANS[name][0](decay, inputs, keep, initial)
    to_inputs, to_initial = torch.autograd.grad(
        states[3:].square().sum(), (inputs, initial), create_graph=True
    )
    assert not to_inputs[:3, 0].any()
    assert not to_initial[0].any()
    assert (to_inputs[:3, 1:] != 0).all()
    assert (to_initial[1:] != 0).all()
    # Nor does a second derivative: how the gradient of the last steps changes with the first ones.
    (second,) = torch.autograd.grad(to_inputs[3:].square().sum(), inputs)
    assert not second[:3, 0].any()
    assert (second[:3, 1:] != 0).all()


@scans
def test_scan_accepts_strided_arguments_and_gradients(name: str) -> None:
    scan, loop = SCANS[name]
    decay, inputs, keep, initial = _problem(name, PATTERNS["scattered"])
    strided = inputs.detach().permute(2, 1, 0).contiguous().permute(2, 1, 0).requires_grad_()
    (gradient,) = torch.autograd.grad(scan(decay, strided, keep, initial).sum(), strided)
    (expected,) = torch.autograd.grad(loop(decay, inputs, keep, initial).sum(), inputs)
    torch.testing.assert_close(gradient, expected)


@scans
def test_no_gradient_reaches_keep(name: str) -> None:
    decay, inputs, keep, initial = _problem(name, [])
    keep.requires_grad_()
    total = SCANS[name][0](decay, inputs, keep, initial).square().sum()
    (first,) = torch.autograd.grad(total, decay, create_graph=True)
    first.square().sum().backward()
    assert keep.grad is None
    assert inputs.grad is not None


@pytest.mark.parametrize("name", ["diagonal", "complex"])
def test_scan_equals_convolution_with_powers_of_the_decay(name: str) -> None:
    decay, inputs, keep, initial = (x.detach() for x in _problem(name, []))

    def native(x: Tensor) -> Tensor:
        return torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) if name == "complex" else x

    a = native(decay)
    lags = torch.arange(TIME)[:, None] - torch.arange(TIME)[None, :]  # [T, T]
    kernel = torch.where(lags[..., None] >= 0, a ** lags.clamp(min=0)[..., None], 0.0)  # [T, T, P]
    expected = torch.einsum("tsp,sbp->tbp", kernel, native(inputs))
    expected = expected + a ** torch.arange(1, TIME + 1)[:, None, None] * native(initial)
    torch.testing.assert_close(native(SCANS[name][0](decay, inputs, keep, initial)), expected)


@scans
@pytest.mark.parametrize("mapped", ["decay", "inputs", "keep", "initial", "all"])
def test_vmap_of_the_scan_and_of_its_gradient_equals_a_loop_over_tasks(name: str, mapped: str) -> None:
    scan = SCANS[name][0]
    problem = dict(zip(("decay", "inputs", "keep", "initial"), _problem(name, [(2, 1)]), strict=True))
    factors = torch.tensor([1.0, 0.5, -0.3], dtype=torch.float64)
    other_keep = torch.stack([problem["keep"], problem["keep"].flip(0), torch.ones_like(problem["keep"])])
    arguments, dims = [], []
    for key, value in problem.items():
        if mapped in (key, "all"):
            many = other_keep if key == "keep" else factors.view(3, *[1] * value.ndim) * value.detach()
            arguments.append(many.movedim(0, 1 if value.ndim > 1 else 0))
            dims.append(1 if value.ndim > 1 else 0)
        else:
            arguments.append(value.detach())
            dims.append(None)

    def loss(decay: Tensor, inputs: Tensor, keep: Tensor, initial: Tensor) -> Tensor:
        return scan(decay, inputs, keep, initial).pow(3).sum()

    def second(decay: Tensor, inputs: Tensor, keep: Tensor, initial: Tensor) -> Tensor:
        gradients = grad(loss, argnums=(0, 1, 3))(decay, inputs, keep, initial)
        return sum((g.square().sum() for g in gradients), torch.zeros(()))

    for function in (scan, grad(loss, argnums=(0, 1, 3)), grad(second, argnums=(0, 1, 3))):
        found = vmap(function, in_dims=tuple(dims))(*arguments)
        for task in range(3):
            one = function(
                *(x if d is None else x.select(d, task) for x, d in zip(arguments, dims, strict=True))
            )
            for many, single in zip(
                found if isinstance(found, tuple) else (found,),
                one if isinstance(one, tuple) else (one,),
                strict=True,
            ):
                torch.testing.assert_close(many[task], single, rtol=1e-9, atol=1e-9)


@scans
def test_gradient_of_a_vmapped_inner_step_equals_that_of_a_loop(name: str) -> None:
    """MAML: adapt the decay on each task, then differentiate the adapted losses."""
    scan = SCANS[name][0]
    decay, inputs, keep, initial = (x.detach() for x in _problem(name, [(2, 1)]))
    tasks = torch.stack([inputs, -0.5 * inputs, inputs.flip(0)])

    def adapted_loss(decay: Tensor, inputs: Tensor) -> Tensor:
        def loss(a: Tensor) -> Tensor:
            return scan(a, inputs, keep, initial).square().mean()

        return loss(decay - 0.1 * grad(loss)(decay))

    mapped = grad(lambda a: vmap(adapted_loss, in_dims=(None, 0))(a, tasks).sum())(decay)
    looped = grad(lambda a: sum((adapted_loss(a, task) for task in tasks), torch.zeros(())))(decay)
    torch.testing.assert_close(mapped, looped, rtol=1e-10, atol=1e-12)
    with_autograd = decay.clone().requires_grad_()
    vmap(adapted_loss, in_dims=(None, 0))(with_autograd, tasks).sum().backward()
    assert with_autograd.grad is not None
    torch.testing.assert_close(with_autograd.grad, looped, rtol=1e-10, atol=1e-12)


def test_nested_vmap() -> None:
    decay, inputs, keep, initial = (x.detach() for x in _problem("diagonal", [(2, 1)]))
    decays = torch.stack([decay, 0.5 * decay])
    many = torch.stack([inputs, 2 * inputs, -inputs])
    found = vmap(lambda a: vmap(lambda u: diagonal_scan(a, u, keep, initial))(many))(decays)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(found[i, j], diagonal_scan(decays[i], many[j], keep, initial))


def test_selective_scan_of_states_with_several_axes_equals_the_flat_one() -> None:
    decay, inputs, keep, initial = _problem("selective", PATTERNS["scattered"])
    flat = selective_scan(decay, inputs, keep, initial)
    (expected,) = torch.autograd.grad(flat.square().sum(), decay)
    square = selective_scan(
        decay.unflatten(-1, (2, 2)),
        inputs.unflatten(-1, (2, 2)),
        keep[..., None],
        initial.unflatten(-1, (2, 2)),
    )
    torch.testing.assert_close(square.flatten(-2), flat, rtol=0, atol=0)
    (found,) = torch.autograd.grad(square.square().sum(), decay)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("time", [16, 36, 97, 100])
@pytest.mark.parametrize("starts", [[], [(0, 1)], [(40 % 16, 0)]], ids=["none", "first", "later"])
@scans
def test_sequences_that_are_cut_into_chunks_equal_a_loop(
    name: str, starts: list[tuple[int, int]], time: int
) -> None:
    scan, loop = SCANS[name]
    decay, inputs, keep, initial = _problem(name, starts, time)
    weights = torch.randn(time, BATCH, STATES, generator=torch.Generator().manual_seed(1)).double()
    found: list[list[Tensor]] = []
    for run in (scan, loop):
        given = [x.clone().requires_grad_() for x in (decay, inputs, initial)]
        states = run(given[0], given[1], keep, given[2])
        first = torch.autograd.grad((weights * states.square()).sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), given)
        found.append([states, *first, *second])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_chunks_save_calls_or_are_not_cut() -> None:
    assert [_chunk_length(time) for time in (1, 6, 15, 16, 97, 100, 128, 512)] == [0, 0, 0, 4, 0, 10, 8, 16]
