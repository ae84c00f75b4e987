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

Axes: `T` time, `B` worlds, `N` = T * B rows, `D` features, `P` states.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from policies import ssm
from policies.recomputed import recomputed_gradients
from policies.scan import Recurrence, complex_diagonal_scan, diagonal_scan

__all__ = ["BlockWeights", "composed_block", "held", "mix", "s5_block"]

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
    stream: Float[Tensor, "N D"],
    keep: Float[Tensor, "T B 1"],
    before: Float[Tensor, "B P"],
    decay: Float[Tensor, " P"],
    weights: BlockWeights,
    *,
    eps: float,
    complex_poles: bool,
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "B P"]]:
    """The block's output for a sequence, and the state after it.

    Args:
        stream: x, rows in order of time.
        keep: 1 - starts; 0 clears the state before that step reads it. No gradient reaches it.
        before: state before the first step.
        decay: a of each state.
        weights: what the block multiplies with.
        eps: of the LayerNorm.
        complex_poles: states and decays are (re, im, re, im, ...).
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
        rows, steps: where they lie in the stream [N, D] and in time.
        before: state before them [B, P].
        mean, rstd: of the LayerNorm [n, 1].
        normed: z [n, D].
        states: h [t, B, P].
        summed: y = C h + D z [n, D].
        logistic: s in gelu(y) = y s [n, D].
        mixed: gelu(y) [n, D].
        value, gate: of the GLU, value * gate, gate past its sigmoid [n, D].
    """

    rows: slice
    steps: slice
    before: Tensor
    mean: Tensor
    rstd: Tensor
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
        weights = BlockWeights(*matrices)
        law = Recurrence(varying=False, paired=complex_poles)
        law.resets(keep)
        slope = stream.new_tensor(_SLOPE)
        stream = stream.contiguous()
        out = torch.empty_like(stream)
        time, batch = keep.shape[:2]
        length = max(1, min(time, _TILE // (batch * stream.shape[1])))  # steps of a tile
        tiles, state = [], before
        for begin in range(0, time, length):
            steps = slice(begin, min(time, begin + length))
            tile = _forwards(stream, keep, state, decay, weights, eps, law, slope, steps, out)
            tiles.append(tile)
            state = tile.states[-1]
        ctx.save_for_backward(*given[:-2])
        ctx.set_materialize_grads(False)
        # What was computed on the way is nobody else's, so that it needs no guard.
        ctx.tiles, ctx.law, ctx.eps, ctx.slope = tiles, law, eps, slope
        ctx.complex_poles = complex_poles
        return out, state.clone()

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
        weights = BlockWeights(*matrices)
        return (*_backwards(ctx, stream, keep, before, decay, weights, come, to_last), None, None)


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
    batch, width = state.shape[0], stream.shape[1]
    rows = slice(steps.start * batch, steps.stop * batch)
    x = stream[rows]
    normed, mean, rstd = torch.native_layer_norm(x, (width,), weights.norm_weight, weights.norm_bias, eps)
    states = torch.mm(normed, weights.input_matrix.t()).view(-1, *state.shape)
    law.of(steps).forwards(decay, states, keep[steps], state, states)
    summed = (normed * weights.skip).addmm_(states.flatten(0, 1), weights.output_matrix.t())
    logistic = torch.addcmul(slope, summed, summed, value=_CUBIC).mul_(summed).sigmoid_()
    mixed = summed * logistic
    both = torch.addmm(weights.gate_bias, mixed, weights.gate_weight.t())
    value, gate = both[:, :width], both[:, width:].sigmoid_()
    torch.addcmul(x, value, gate, out=out[rows])
    return _Tile(rows, steps, state, mean, rstd, normed, states, summed, logistic, mixed, value, gate)


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
    """Gradients of stream, keep (None), before, decay and the weights."""
    law: Recurrence = ctx.law
    stream, arriving = stream.contiguous(), arriving.contiguous()
    conjugate = law.conjugate(decay)
    to_stream = torch.empty_like(stream)
    to_state = torch.zeros_like(before) if arriving_last is None else arriving_last
    sums: list[Tensor] = []
    for tile in reversed(ctx.tiles):
        x, come, part = stream[tile.rows], arriving[tile.rows], law.of(tile.steps)
        # The gate: value * gate.
        width = x.shape[1]
        to_both = x.new_empty(len(x), 2 * width)
        to_value = torch.mul(come, tile.gate, out=to_both[:, :width])
        scratch = to_value * tile.value
        torch.addcmul(scratch, scratch, tile.gate, value=-1, out=to_both[:, width:])
        to_summed = torch.mm(to_both, weights.gate_weight)
        # gelu'(y) = s + (m - m s) (_SLOPE + 3 _CUBIC y^2), with m = y s.
        derivative = torch.addcmul(ctx.slope, tile.summed, tile.summed, value=3.0 * _CUBIC)
        torch.addcmul(tile.mixed, tile.mixed, tile.logistic, value=-1, out=scratch)
        to_summed.mul_(torch.addcmul(tile.logistic, scratch, derivative, out=derivative))
        # The states.
        to_states = torch.mm(to_summed, weights.output_matrix).view(tile.states.shape)
        to_states[-1].add_(to_state)
        part.backwards(conjugate, to_states, keep[tile.steps], to_states)
        to_decay, to_state = part.ends(decay, to_states, tile.states, keep[tile.steps], tile.before)
        to_drive = to_states.flatten(0, 1)
        to_skip = torch.mul(to_summed, tile.normed, out=scratch).sum(0)
        found = [
            (to_drive.t(), tile.normed),
            (to_summed.t(), tile.states.flatten(0, 1)),
            (to_both.t(), tile.mixed),
        ]
        if sums:
            for total, (one, other) in zip(sums, found, strict=False):
                total.addmm_(one, other)
        else:
            sums = [torch.mm(one, other) for one, other in found]
        # The norm.
        to_normed = to_summed.mul_(weights.skip).addmm_(to_drive, weights.input_matrix)
        to_x, to_weight, to_bias = _norm_backward(
            to_normed,
            x,
            (width,),
            tile.mean,
            tile.rstd,
            weights.norm_weight,
            weights.norm_bias,
            (True, True, True),
        )
        torch.add(to_x, come, out=to_stream[tile.rows])
        vectors = [to_decay, to_weight, to_bias, to_skip, to_both.sum(0)]
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
    weights = BlockWeights(*matrices)
    normed = functional.layer_norm(stream, stream.shape[1:], weights.norm_weight, weights.norm_bias, eps)
    return composed_block(stream, keep, before, decay, weights, normed, complex_poles=complex_poles)


def held(
    log_rate: Float[Tensor, " P"], log_step: Float[Tensor, " P"], matrix: Float[Tensor, "P D"]
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P D"]]:
    """`ssm.zero_order_hold` of real poles, and `matrix` times their `ssm.unit_variance_gain`."""
    if torch._C._are_functorch_transforms_active():
        return _held(log_rate, log_step, matrix)
    found: tuple[Tensor, Tensor] = _Hold.apply(log_rate, log_step, matrix)  # type: ignore[no-untyped-call]
    return found


def _held(log_rate: Tensor, log_step: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    decay = ssm.zero_order_hold(log_rate, log_step)
    return decay, matrix * ssm.unit_variance_gain(decay)[:, None]


@final
class _Hold(torch.autograd.Function):
    """`held`: 30 operations on a few numbers, forward and backward, in a third of the time of the parts."""

    @staticmethod
    def forward(ctx: Any, log_rate: Tensor, log_step: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        decay = ssm.zero_order_hold(log_rate, log_step)
        gain = ssm.unit_variance_gain(decay)
        ctx.save_for_backward(log_rate, log_step, matrix)
        ctx.decay, ctx.gain = decay, gain
        ctx.set_materialize_grads(False)
        return decay.clone(), matrix * gain[:, None]

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> tuple[Tensor | None, ...]:
        log_rate, log_step, matrix = ctx.saved_tensors
        if torch.is_grad_enabled():
            return tuple(recomputed_gradients(_held, ctx.saved_tensors, ctx.needs_input_grad, arriving))
        to_decay, to_product = arriving
        decay, gain = ctx.decay, ctx.gain
        to_matrix = None
        total = torch.zeros_like(decay) if to_decay is None else to_decay
        if to_product is not None:
            to_matrix = to_product * gain[:, None]
            to_gain = (to_product * matrix).sum(1)
            total = torch.addcmul(total, to_gain, decay / gain, value=-1)  # gain' = -a / gain
        to_sum = total * ssm.zero_order_hold_slope(log_rate, log_step, decay)
        return to_sum, to_sum.clone(), to_matrix
