"""The convolution over the last steps, against torch's, and cut off by starts."""

import torch
from torch.nn import functional

from policies.cores.convolution import TAPS, convolution, convolution_step

CHANNELS, BATCH = 5, 3


def _case(time: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(time)
    inputs = torch.randn(time, BATCH, CHANNELS, generator=generator)
    window = torch.randn(BATCH, (TAPS - 1) * CHANNELS, generator=generator)
    taps = torch.randn(TAPS, CHANNELS, generator=generator)
    return inputs, window, taps, torch.randn(CHANNELS, generator=generator)


def test_it_is_torchs_convolution_of_the_window_and_the_sequence() -> None:
    for time in (1, 2, 3, 4, 9):
        inputs, window, taps, bias = _case(time)
        found, after = convolution(inputs, torch.ones(time, BATCH, 1), window, taps, bias)
        whole = torch.cat((window.unflatten(1, (TAPS - 1, CHANNELS)).movedim(1, 0), inputs))
        expected = functional.conv1d(whole.permute(1, 2, 0), taps.t()[:, None], bias, groups=CHANNELS)
        torch.testing.assert_close(found, expected.permute(2, 0, 1))
        torch.testing.assert_close(after, whole[-(TAPS - 1) :].movedim(0, 1).flatten(1))


def test_a_start_cuts_off_what_lies_before_it() -> None:
    inputs, window, taps, bias = _case(9)
    keep = torch.ones(9, BATCH, 1)
    keep[4, 1] = keep[8, 2] = 0.0
    found, after = convolution(inputs, keep, window, taps, bias)
    other = torch.where(torch.arange(9)[:, None, None] < 4, 7.0, inputs)
    changed, _ = convolution(other, keep, window, taps, bias)
    torch.testing.assert_close(found[4:, 1], changed[4:, 1], rtol=0, atol=0)
    assert not torch.isclose(found[4:7, 0], changed[4:7, 0]).all()  # no start, so it looks back
    torch.testing.assert_close(found[8, 2], bias + taps[-1] * inputs[8, 2])
    assert not after[2, :-CHANNELS].any()


def test_steps_give_the_sequence() -> None:
    inputs, window, taps, bias = _case(9)
    found, after = convolution(inputs, torch.ones(9, BATCH, 1), window, taps, bias)
    for now, expected in zip(inputs, found, strict=True):
        mixed, window = convolution_step(now, window, taps, bias)
        torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(window, after)
