"""The S5 block as one function: x + GLU(gelu(C h + D z)), z = LayerNorm(x), h_t = a h_{t-1} + gain B z_t.

`composed_block` says what it is, in differentiable operations. `s5_block` computes the same, with a backward
of the first order written by hand, for half of a block's cost is not its products but the passes over memory
between them:

- A long sequence runs in tiles of some steps; only the state goes from tile to tile, and in backward its
  gradient, so that what lies between is still in the processor's cache, and no array is as long as the
  sequence. A short sequence is one tile.
- States lie where their inputs lay, and gradients where those lay that they were made from.
- gelu(y) in its tanh form is y s(2 sqrt(2 / pi) (y + 0.044715 y^3)) with the logistic s, which is two times
  as fast as the library's kernel, and its derivative needs no exponential where s is kept.

A backward that is itself differentiated, and `torch.func`, take `composed_block`.

Blocks of several roles may run as one, all arguments but `keep` with a leading axis of roles: a small
minibatch costs calls more than arithmetic.

Axes: `R` roles, `T` time, `B` worlds, `N` = T * B rows, `D` features, `P` states.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from policies.recomputed import recomputed_gradients
from policies.scan import Recurrence, complex_diagonal_scan, diagonal_scan

__all__ = ["BlockWeights", "composed_block", "mix", "s5_block"]

# Numbers of a tile [rows, D], 0.5 MB: with smaller ones calls cost more than the processor's cache saves.
_TILE = 131_072

_norm_backward = torch.ops.aten.native_layer_norm_backward.default

_SLOPE = 2.0 * math.sqrt(2.0 / math.pi)  # gelu(y) = y s(y (_SLOPE + _CUBIC y^2))
_CUBIC = _SLOPE * 0.044715


class BlockWeights(NamedTuple):
    """What a block multiplies with.

    Attributes:
        norm_weight, norm_bias: of the LayerNorm [D].
        input_matrix: B, already times the gain of each state [P, D].
        output_matrix: C [D, P].
        skip: D [D].
        gate_weight, gate_bias: of the GLU [2 D, D], [2 D].
    """

    norm_weight: Tensor
    norm_bias: Tensor
    input_matrix: Tensor
    output_matrix: Tensor
    skip: Tensor
    gate_weight: Tensor
    gate_bias: Tensor


def s5_block(
    stream: Float[Tensor, "*R N D"],
    keep: Float[Tensor, "T B 1"],
    before: Float[Tensor, "*R B P"],
    decay: Float[Tensor, "*R P"],
    weights: BlockWeights,
    *,
    eps: float,
    complex_poles: bool,
) -> tuple[Float[Tensor, "*R N D"], Float[Tensor, "*R B P"]]:
    """The block's output for a sequence, and the state after it.

    Args:
        stream: x, rows in order of time.
        keep: 1 - starts; 0 clears the state before that step reads it. No gradient reaches it.
        before: state before the first step.
        decay: a of each state.
        weights: what the block multiplies with.
        eps: of the LayerNorm.
        complex_poles: states and decays are (re, im, re, im, ...); of one role only.
    """
    found: tuple[Tensor, Tensor] = _Block.apply(  # type: ignore[no-untyped-call]
        stream, keep, before, decay, *weights, eps, complex_poles
    )
    return found


def composed_block(
    stream: Float[Tensor, "N D"],
    keep: Float[Tensor, "T B 1"],
    before: Float[Tensor, "B P"],
    decay: Float[Tensor, " P"],
    weights: BlockWeights,
    normed: Float[Tensor, "N D"],
    *,
    complex_poles: bool,
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "B P"]]:
    """`s5_block` in differentiable operations; `normed` is z."""
    drive = functional.linear(normed, weights.input_matrix)
    scan = complex_diagonal_scan if complex_poles else diagonal_scan
    states = scan(decay, drive.view(*keep.shape[:2], -1), keep, before)  # [T, B, P]
    return mix(stream, normed, states.flatten(0, 1), weights), states[-1]


def mix(
    stream: Float[Tensor, "N D"],
    normed: Float[Tensor, "N D"],
    states: Float[Tensor, "N P"],
    weights: BlockWeights,
) -> Float[Tensor, "N D"]:
    """The block's output x + GLU(gelu(C h + D z)) from its states h."""
    mixed = functional.gelu(
        torch.addmm(normed * weights.skip, states, weights.output_matrix.t()), approximate="tanh"
    )
    return stream + functional.glu(functional.linear(mixed, weights.gate_weight, weights.gate_bias), 1)


@final
@dataclass
class _Tile:
    """What backward needs of some steps.

    Attributes:
        rows, steps: where they lie in the stream [R, N, D] and in time.
        before: state before them [R, B, P].
        mean, rstd: of the LayerNorm [R, n, 1].
        centred: its result before weight and bias, where there are several roles [R, n, D].
        normed: z [R, n, D].
        states: h [R, t * B, P].
        summed: y = C h + D z [R, n, D].
        logistic: s in gelu(y) = y s [R, n, D].
        mixed: gelu(y) [R, n, D].
        value, gate: of the GLU, value * gate, gate past its sigmoid [R, n, D].
    """

    rows: slice
    steps: slice
    before: Tensor
    mean: Tensor
    rstd: Tensor
    centred: Tensor | None
    normed: Tensor
    states: Tensor
    summed: Tensor
    logistic: Tensor
    mixed: Tensor
    value: Tensor
    gate: Tensor


@final
class _Block(torch.autograd.Function):
    """`s5_block`. Not split into `forward` and `setup_context`: that binds a signature at every call."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor]:
        """Arguments: stream, keep, before, decay, the weights, eps, complex_poles."""
        stream, keep, before, decay, *rest = given
        *matrices, eps, complex_poles = rest
        single, state = stream.ndim == 2, before
        decay, weights = _arranged(decay, matrices)
        if single:
            stream, state = stream[None], before[None]
        law = Recurrence(varying=False, paired=complex_poles)
        law.resets(keep)
        slope = stream.new_tensor(_SLOPE)
        stream = stream.contiguous()
        out = torch.empty_like(stream)
        time, batch = keep.shape[:2]
        length = max(1, min(time, _TILE // (batch * stream.shape[2])))  # steps of a tile
        tiles = []
        for begin in range(0, time, length):
            steps = slice(begin, min(time, begin + length))
            tile = _forwards(stream, keep, state, decay, weights, eps, law, slope, steps, out)
            tiles.append(tile)
            state = tile.states[:, -batch:]
        ctx.save_for_backward(*given[:-2])
        ctx.set_materialize_grads(False)
        # What was computed on the way is nobody else's, so that it needs no guard.
        ctx.tiles, ctx.law, ctx.eps, ctx.slope = tiles, law, eps, slope
        ctx.complex_poles = complex_poles
        return (out[0], state[0].clone()) if single else (out, state.clone())

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # someone will differentiate this backward
            composed = partial(_composed, eps=ctx.eps, complex_poles=ctx.complex_poles)
            needed = ctx.needs_input_grad
            return (*recomputed_gradients(composed, ctx.saved_tensors, needed, arriving), None, None)
        stream, keep, before, decay, *matrices = ctx.saved_tensors
        come, to_last = arriving
        if come is None:  # nobody uses anything but the last state
            come = torch.zeros_like(stream)
        decay, weights = _arranged(decay, matrices)
        if stream.ndim == 3:
            return (*_backwards(ctx, stream, keep, before, decay, weights, come, to_last), None, None)
        last = None if to_last is None else to_last[None]
        found = _backwards(ctx, stream[None], keep, before[None], decay, weights, come[None], last)
        # Of one role, what is no matrix has no axis of roles anyway.
        return (*(x if x is None or x.ndim == 1 else x[0] for x in found), None, None)


def _arranged(decay: Tensor, matrices: Sequence[Tensor]) -> tuple[Tensor, BlockWeights]:
    """Decay and weights as they are multiplied with: matrices [R, ., .], the others [R, 1, .].

    Of one role, which has no axis of roles, the others stay as they are: that spares it 20 views.
    """
    weights = BlockWeights(*matrices)
    if decay.ndim == 1:
        return decay, weights._replace(
            input_matrix=weights.input_matrix[None],
            output_matrix=weights.output_matrix[None],
            gate_weight=weights.gate_weight[None],
        )
    return decay[:, None], weights._replace(
        norm_weight=weights.norm_weight[:, None],
        norm_bias=weights.norm_bias[:, None],
        skip=weights.skip[:, None],
        gate_bias=weights.gate_bias[:, None],
    )


def _in_time(states: Tensor, batch: int, alone: bool) -> Tensor:
    """States [R, t * B, P] with time first: [t, B, P] of one role, else [t, R, B, P]."""
    roles, rows, size = states.shape
    if alone:
        return states.view(-1, batch, size)
    return states.view(roles, rows // batch, batch, size).transpose(0, 1)


def _forwards(
    stream: Tensor,
    keep: Tensor,
    state: Tensor,
    decay: Tensor,
    weights: BlockWeights,
    eps: float,
    law: Recurrence,
    slope: Tensor,
    steps: slice,
    out: Tensor,
) -> _Tile:
    """The block at some steps, from the state before them; its output goes into `out`."""
    batch, width, alone = state.shape[1], stream.shape[2], decay.ndim == 1
    rows = slice(steps.start * batch, steps.stop * batch)
    x = stream[:, rows]
    if alone:  # the kernel's own weight and bias are one role's
        normed, mean, rstd = torch.native_layer_norm(x, (width,), weights.norm_weight, weights.norm_bias, eps)
        centred = None
    else:
        centred, mean, rstd = torch.native_layer_norm(x, (width,), None, None, eps)
        normed = torch.addcmul(weights.norm_bias, centred, weights.norm_weight)
    states = torch.bmm(normed, weights.input_matrix.mT)
    in_time = _in_time(states, batch, alone)
    if alone:
        law.of(steps).forwards(decay, in_time, keep[steps], state[0], in_time)
    else:
        law.of(steps).forwards(decay, in_time, keep[steps, None], state, in_time)
    summed = (normed * weights.skip).baddbmm_(states, weights.output_matrix.mT)
    logistic = torch.addcmul(slope, summed, summed, value=_CUBIC).mul_(summed).sigmoid_()
    mixed = summed * logistic
    both = torch.baddbmm(weights.gate_bias, mixed, weights.gate_weight.mT)
    value, gate = both[..., :width], both[..., width:].sigmoid_()
    torch.addcmul(x, value, gate, out=out[:, rows])
    return _Tile(
        rows, steps, state, mean, rstd, centred, normed, states, summed, logistic, mixed, value, gate
    )


def _backwards(
    ctx: Any,
    stream: Tensor,
    keep: Tensor,
    before: Tensor,
    decay: Tensor,
    weights: BlockWeights,
    arriving: Tensor,
    arriving_last: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """Gradients of stream, keep (None), before, decay and the weights.

    With an axis of roles; of one role, without it where a weight is no matrix.
    """
    law: Recurrence = ctx.law
    stream, arriving = stream.contiguous(), arriving.contiguous()
    roles, batch, width = len(stream), before.shape[1], stream.shape[2]
    alone = decay.ndim == 1
    rows: Any = (0, 1) if alone else 1  # what a weight that is no matrix is summed over
    conjugate = law.conjugate(decay)
    to_stream = torch.empty_like(stream)
    to_state = torch.zeros_like(before) if arriving_last is None else arriving_last
    sums: list[Tensor] = []
    for tile in reversed(ctx.tiles):
        x, come, part = stream[:, tile.rows], arriving[:, tile.rows], law.of(tile.steps)
        # The gate: value * gate.
        to_both = x.new_empty(roles, x.shape[1], 2 * width)
        to_value = torch.mul(come, tile.gate, out=to_both[..., :width])
        scratch = to_value * tile.value
        torch.addcmul(scratch, scratch, tile.gate, value=-1, out=to_both[..., width:])
        to_summed = torch.bmm(to_both, weights.gate_weight)
        # gelu'(y) = s + (m - m s) (_SLOPE + 3 _CUBIC y^2), with m = y s.
        derivative = torch.addcmul(ctx.slope, tile.summed, tile.summed, value=3.0 * _CUBIC)
        torch.addcmul(tile.mixed, tile.mixed, tile.logistic, value=-1, out=scratch)
        to_summed.mul_(torch.addcmul(tile.logistic, scratch, derivative, out=derivative))
        # The states.
        to_states = torch.bmm(to_summed, weights.output_matrix)
        to_states[:, -batch:].add_(to_state)
        totals, states = _in_time(to_states, batch, alone), _in_time(tile.states, batch, alone)
        kept = keep[tile.steps] if alone else keep[tile.steps, None]
        part.backwards(conjugate, totals, kept, totals)
        first = tile.before[0] if alone else tile.before
        to_decays, to_first = part.ends(decay, totals, states, kept, first)
        to_decay, to_state = to_decays.squeeze(-2) if not alone else to_decays, to_first.view(before.shape)
        to_skip = torch.mul(to_summed, tile.normed, out=scratch).sum(rows)
        found = [(to_states.mT, tile.normed), (to_summed.mT, tile.states), (to_both.mT, tile.mixed)]
        if sums:
            for total, (one, other) in zip(sums, found, strict=False):
                total.baddbmm_(one, other)
        else:
            sums = [torch.bmm(one, other) for one, other in found]
        # The norm.
        to_normed = to_summed.mul_(weights.skip).baddbmm_(to_states, weights.input_matrix)
        norm_weight = norm_bias = None
        if alone:
            norm_weight, norm_bias = weights.norm_weight, weights.norm_bias
        else:
            to_bias = to_normed.sum(1)
            to_weight = torch.mul(to_normed, tile.centred, out=scratch).sum(1)
            to_normed.mul_(weights.norm_weight)
        to_x, *to_affine = _norm_backward(
            to_normed, x, (width,), tile.mean, tile.rstd, norm_weight, norm_bias, (True, alone, alone)
        )
        if alone:
            to_weight, to_bias = to_affine
        torch.add(to_x, come, out=to_stream[:, tile.rows])
        vectors = [to_decay, to_weight, to_bias, to_skip, to_both.sum(rows)]
        if len(sums) == 3:
            sums += vectors
        else:
            for total, vector in zip(sums[3:], vectors, strict=True):
                total += vector
    to_input, to_output, to_gate, to_decay, to_weight, to_bias, to_skip, to_gate_bias = sums
    return (
        to_stream,
        None,
        to_state,
        to_decay,
        *BlockWeights(to_weight, to_bias, to_input, to_output, to_skip, to_gate, to_gate_bias),
    )


def _composed(
    stream: Tensor,
    keep: Tensor,
    before: Tensor,
    decay: Tensor,
    *matrices: Tensor,
    eps: float,
    complex_poles: bool,
) -> tuple[Tensor, Tensor]:
    if stream.ndim == 3:
        one = partial(_composed, eps=eps, complex_poles=complex_poles)
        of_roles = zip(stream, before, decay, *matrices, strict=True)
        found = [one(x, keep, h, a, *rest) for x, h, a, *rest in of_roles]
        return torch.stack([y for y, _ in found]), torch.stack([h for _, h in found])
    weights = BlockWeights(*matrices)
    normed = functional.layer_norm(stream, stream.shape[1:], weights.norm_weight, weights.norm_bias, eps)
    return composed_block(stream, keep, before, decay, weights, normed, complex_poles=complex_poles)
