"""Linear recurrences over time with resets: the scan of every state-space core.

    h_t = a_t * (keep_t * h_{t-1}) + u_t,

with `keep_t = 1 - start_t`, which clears the memory before step t reads it. Multiplying the carried state
is an exact reset that needs no special operator. `a` is constant in time and real (`diagonal_scan`),
constant and complex (`complex_diagonal_scan`), or different at each step (`selective_scan`).

Backward, with g_t the gradient that arrives at h_t, and G_t the whole one:

    G_t = g_t + conj(a_{t+1}) * keep_{t+1} * G_{t+1}
    d u_t = G_t,   d a_t = G_t * conj(keep_t * h_{t-1}),   d h_{-1} = conj(a_0) * keep_0 * G_0.

G is again a linear recurrence, backwards in time, whose own backward is one forwards in time. The two
autograd functions below are each other's backward, so derivatives of any order cost one scan each, and a
first-order backward runs in place. Both work under `torch.func.grad` and `torch.func.vmap`.

Complex numbers lie in real tensors as neighbours (re, im, re, im, ...): autograd sees real tensors only, as
`torch.compile` and optimisers want it, and one complex multiply-add a step does the work of four real ones.

Axes: `T` time, `B` worlds, `P` states.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import itertools
from functools import cache
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Recurrence", "complex_diagonal_scan", "diagonal_scan", "selective_scan"]

# Numbers in a step, B * P, beyond which the additional pass of `_chunked` costs more than the calls it saves.
_LARGEST_CHUNKED_STEP = 2048


def diagonal_scan(
    decay: Float[Tensor, " P"],
    inputs: Float[Tensor, "T B P"],
    keep: Float[Tensor, "T B 1"],
    initial: Float[Tensor, "B P"],
) -> Float[Tensor, "T B P"]:
    """States h_t = decay * keep_t * h_{t-1} + inputs_t, with h_{-1} = initial.

    One fused multiply-add a step, forward and backward. Steps at which no world is reset skip the
    multiplication by `keep`. No gradient reaches `keep`.

    Args:
        decay: decay of each state.
        inputs: inputs of the states, T >= 1.
        keep: 1 - starts; 0 clears the memory before that step reads it.
        initial: state before the first step.

    Returns:
        The state after each step.
    """
    return _scan(decay, inputs, keep, initial, Recurrence(varying=False, paired=False))


def complex_diagonal_scan(
    decay: Float[Tensor, " P"],
    inputs: Float[Tensor, "T B P"],
    keep: Float[Tensor, "T B 1"],
    initial: Float[Tensor, "B P"],
) -> Float[Tensor, "T B P"]:
    """`diagonal_scan` of P / 2 complex states; last axes hold (re, im, re, im, ...), P even."""
    return _scan(decay, inputs, keep, initial, Recurrence(varying=False, paired=True))


def selective_scan(
    decay: Float[Tensor, "T B ..."],
    inputs: Float[Tensor, "T B ..."],
    keep: Float[Tensor, "T B ..."],
    initial: Float[Tensor, "B ..."],
) -> Float[Tensor, "T B ..."]:
    """`diagonal_scan` with a decay of its own at each step and world; states may have several axes.

    `keep` has as many axes as `inputs`, those of the states of size 1.
    """
    return _scan(decay, inputs, keep, initial, Recurrence(varying=True, paired=False))


@final
class Recurrence:
    """What is fixed for one call of a scan.

    Attributes:
        varying: the decay has a time axis.
        paired: neighbours in the last axis are the parts of a complex number.
    """

    def __init__(self, varying: bool, paired: bool) -> None:
        self.varying, self.paired = varying, paired
        self._resets: frozenset[int] | None = None

    def resets(self, keep: Tensor) -> frozenset[int]:
        """Steps at which any world is reset, from keep [T, B, 1].

        They are found once, by a pass that sees values (a vmap hides them).
        """
        if self._resets is None:
            self._resets = frozenset((keep != 1).flatten(1).any(1).nonzero().flatten().tolist())
        return self._resets

    def of(self, steps: slice) -> "Recurrence":
        """The same for some of the steps, whose resets have been found with those of all."""
        if self._resets is None or (steps.start == 0 and not self._resets):
            return self
        part = Recurrence(self.varying, self.paired)
        part._resets = frozenset(t - steps.start for t in self._resets if steps.start <= t < steps.stop)
        return part

    def forwards(
        self, decay: Tensor, inputs: Tensor, keep: Tensor, initial: Tensor, states: Tensor
    ) -> Tensor:
        """States h_t = a_t keep_t h_{t-1} + u_t [T, B, P], into `states`, which may be `inputs`."""
        resets = self.resets(keep)
        state = self._native(keep[0] * initial if 0 in resets else initial)
        out = self._native(states)
        given = out if states is inputs else self._native(inputs)
        chunk = self._chunk(inputs, resets)
        if chunk:
            _chunked(self._native(decay), given, state, out, chunk)
            return states
        rows = zip(self._steps(decay, len(inputs)), given.unbind(0), out.unbind(0), strict=True)
        for t, (a, now, row) in enumerate(rows):
            if t in resets and t:
                state = keep[t] * state
            state = torch.addcmul(now, a, state, out=row)
        return states

    def backwards(self, decay: Tensor, arriving: Tensor, keep: Tensor, totals: Tensor) -> Tensor:
        """Totals G_t = g_t + a_{t+1} keep_{t+1} G_{t+1} [T, B, P], into `totals`, which may be `arriving`."""
        resets = self.resets(keep)
        out = self._native(totals)
        given = out if totals is arriving else self._native(arriving)
        chunk = self._chunk(arriving, resets)
        if chunk:
            _chunked(self._native(decay), given, None, out, chunk, reverse=True)
            return totals
        decays, come, rows = self._steps(decay, len(arriving)), given.unbind(0), out.unbind(0)
        total = rows[-1].copy_(come[-1])
        for t in range(len(rows) - 2, -1, -1):
            if t + 1 in resets:
                total = keep[t + 1] * total
            total = torch.addcmul(come[t], decays[t + 1], total, out=rows[t])
        return totals

    def ends(
        self, decay: Tensor, totals: Tensor, states: Tensor, keep: Tensor, initial: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of the decay and of the initial state [B, P], where nobody differentiates them."""
        resets = self.resets(keep)
        first = keep[0] * totals[0] if 0 in resets else totals[0]
        terms = self.times_conjugate_at_once(totals[1:], states[:-1])
        for t in resets - {0}:
            terms[t - 1] *= keep[t]
        at_first = self.times_conjugate(first, initial)
        if self.varying:
            to_decay = self.summed(torch.cat((at_first[None], terms)), decay)
        else:
            to_decay = self.summed(terms, decay).add_(self.summed(at_first, decay))
        # a * first, as a product with the conjugate of the conjugate.
        return to_decay, self.times_conjugate(first, decay[0] if self.varying else decay)

    def _chunk(self, inputs: Tensor, resets: frozenset[int]) -> int:
        """Length of the chunks that a sequence is cut into, or 0 where it is run step by step."""
        large = inputs[0].numel() > _LARGEST_CHUNKED_STEP
        return 0 if self.varying or large or not resets <= {0} else _chunk_length(len(inputs))

    def conjugate(self, x: Tensor) -> Tensor:
        """Differentiable conj(x) [..., P]."""
        if not self.paired:
            return x
        re, im = torch.unflatten(x, -1, (-1, 2)).unbind(-1)
        return torch.stack((re, -im), -1).flatten(-2)

    def times_conjugate(self, x: Tensor, y: Tensor) -> Tensor:
        """Differentiable product x * conj(y) [..., P]."""
        if not self.paired:
            return x * y
        (a, b), (c, d) = (torch.unflatten(z, -1, (-1, 2)).unbind(-1) for z in (x, y))
        return torch.stack((a * c + b * d, b * c - a * d), -1).flatten(-2)

    def times_conjugate_at_once(self, x: Tensor, y: Tensor) -> Tensor:
        """`times_conjugate` [..., P] for where nobody differentiates it."""
        if not self.paired:
            return x * y
        return torch.view_as_real(self._native(x) * self._native(y).conj()).flatten(-2)

    def summed(self, terms: Tensor, decay: Tensor) -> Tensor:
        """Sum of [T, B, ...] over the axes that `decay` does not have."""
        if not self.varying:
            extra = terms.ndim - decay.ndim
            terms = terms.flatten(0, extra - 1).sum(0) if extra else terms
        return terms if terms.shape == decay.shape else terms.sum_to_size(decay.shape)

    def _native(self, x: Tensor) -> Tensor:
        return torch.view_as_complex(torch.unflatten(x.contiguous(), -1, (-1, 2))) if self.paired else x

    def _steps(self, decay: Tensor, time: int) -> tuple[Tensor, ...]:
        native = self._native(decay)
        return native.unbind(0) if self.varying else (native,) * time


@cache
def _chunk_length(time: int) -> int:
    """The divisor C of T that makes C + T / C smallest; 0 where that saves less than half of the steps."""
    length = min((c for c in range(1, time + 1) if time % c == 0), key=lambda c: c + time // c)
    return length if 2 * (length + time // length) <= time else 0


def _chunked(
    decay: Tensor, inputs: Tensor, initial: Tensor | None, out: Tensor, length: int, *, reverse: bool = False
) -> None:
    """h_t = a h_{t-1} + u_t without resets, into `out`; with `reverse`, backwards in time.

    With few worlds a step costs its call, not its arithmetic. So T / C chunks of C steps run side by side,
    from zero, then one pass carries what each chunk leaves into the next, and what was carried into a chunk
    decays through it: C + T / C calls instead of T, and one more multiply-add a number. `initial` of None
    is zero; `out` may be `inputs`.
    """
    # The decay of every number of a step, its last two axes as one, so that one call runs over long rows.
    every = decay.expand(inputs.shape[1:]).flatten(-2)
    shape = (-1, length, *every.shape)
    h = out.view(shape)  # [K, C, ..., B * P]
    turn = -1 if reverse else 1
    rows = h.unbind(1)[::turn]
    given = rows
    if out is not inputs:
        given = inputs.reshape(shape).unbind(1)[::turn]
        rows[0].copy_(given[0])
    for now, before, after in zip(given[1:], rows, rows[1:], strict=False):
        torch.addcmul(now, every, before, out=after)
    counts = _counts(length, decay.device).view(-1, *[1] * every.ndim)
    powers = every**counts  # a^1 to a^C [C, ..., B * P]
    ends = rows[-1].unbind(0)[::turn]
    if initial is not None:
        h[0].addcmul_(powers, initial.flatten(-2))
    for before, after in itertools.pairwise(ends):
        after.addcmul_(powers[-1], before)
    if reverse:
        h[:-1, 1:].addcmul_(powers[:-1].flip(0), h[1:, :1])
    else:
        h[1:, :-1].addcmul_(powers[:-1], h[:-1, -1:])


@cache
def _counts(length: int, device: torch.device) -> Tensor:
    """1 to `length`."""
    return torch.arange(1, length + 1, device=device)


def _scan(decay: Tensor, inputs: Tensor, keep: Tensor, initial: Tensor, law: Recurrence) -> Tensor:
    states: Tensor = _Forwards.apply(decay, inputs, keep.detach(), initial, law)  # type: ignore[no-untyped-call]
    return states


def _aligned(x: Tensor, mapped: int | None) -> Tensor:
    """`x` with the mapped axis before its last, of size 1 if it has none."""
    return x.unsqueeze(-2) if mapped is None else x.movedim(mapped, -2)


def _widened(x: Tensor, mapped: int | None, size: int) -> Tensor:
    aligned = _aligned(x, mapped)
    return aligned.expand(*aligned.shape[:-2], size, aligned.shape[-1])


@final
class _Forwards(torch.autograd.Function):
    """States h from (a, u, keep, h_{-1})."""

    @staticmethod
    def forward(decay: Tensor, inputs: Tensor, keep: Tensor, initial: Tensor, law: Recurrence) -> Tensor:
        states = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        return law.forwards(decay, inputs, keep, initial, states)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor, Recurrence], output: Tensor
    ) -> None:
        decay, _, keep, initial, ctx.law = inputs
        ctx.save_for_backward(decay, keep, initial, output)

    @staticmethod
    def backward(ctx: Any, arriving: Tensor) -> tuple[Tensor, Tensor, None, Tensor | None, None]:
        law: Recurrence = ctx.law
        decay, keep, initial, states = ctx.saved_tensors
        conjugate = law.conjugate(decay)
        if torch.is_grad_enabled():  # someone will differentiate this backward
            totals = _Backwards.apply(conjugate, arriving, keep, law)  # type: ignore[no-untyped-call]
            first = keep[0] * totals[0]
            before = keep * torch.cat((initial[None], states[:-1]))
            grad_decay = law.summed(law.times_conjugate(totals, before), decay)
        else:
            totals = torch.empty_like(arriving, memory_format=torch.contiguous_format)
            law.backwards(conjugate, arriving, keep, totals)
            grad_decay, grad_initial = law.ends(decay, totals, states, keep, initial)
            return grad_decay, totals, None, grad_initial if ctx.needs_input_grad[3] else None, None
        if not ctx.needs_input_grad[3]:
            return grad_decay, totals, None, None, None
        # a * first, as a product with the conjugate of the conjugate.
        grad_initial = law.times_conjugate(first, decay[0] if law.varying else decay)
        return grad_decay, totals, None, grad_initial, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        decay: Tensor,
        inputs: Tensor,
        keep: Tensor,
        initial: Tensor,
        law: Recurrence,
    ) -> tuple[Tensor, int]:
        states: Tensor = _Forwards.apply(  # type: ignore[no-untyped-call]
            _aligned(decay, in_dims[0]),
            _widened(inputs, in_dims[1], info.batch_size),
            _aligned(keep, in_dims[2]),
            _widened(initial, in_dims[3], info.batch_size),
            law,
        )
        return states, states.ndim - 2


@final
class _Backwards(torch.autograd.Function):
    """Totals G from (a, g, keep)."""

    @staticmethod
    def forward(decay: Tensor, arriving: Tensor, keep: Tensor, law: Recurrence) -> Tensor:
        totals = torch.empty_like(arriving, memory_format=torch.contiguous_format)
        return law.backwards(decay, arriving, keep, totals)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Recurrence], output: Tensor) -> None:
        decay, _, keep, ctx.law = inputs
        ctx.save_for_backward(decay, keep, output)

    @staticmethod
    def backward(ctx: Any, arriving: Tensor) -> tuple[Tensor, Tensor, None, None]:
        law: Recurrence = ctx.law
        decay, keep, totals = ctx.saved_tensors
        sums = _Forwards.apply(  # type: ignore[no-untyped-call]
            law.conjugate(decay), arriving, keep, torch.zeros_like(arriving[0]), law
        )
        terms = law.times_conjugate(sums[:-1], keep[1:] * totals[1:])  # what a_1 .. a_{T-1} are multiplied by
        if law.varying:
            terms = torch.cat((torch.zeros_like(totals[:1]), terms))  # a_0 has no part in G
        return law.summed(terms, decay), sums, None, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        decay: Tensor,
        arriving: Tensor,
        keep: Tensor,
        law: Recurrence,
    ) -> tuple[Tensor, int]:
        totals: Tensor = _Backwards.apply(  # type: ignore[no-untyped-call]
            _aligned(decay, in_dims[0]),
            _widened(arriving, in_dims[1], info.batch_size),
            _aligned(keep, in_dims[2]),
            law,
        )
        return totals, totals.ndim - 2
