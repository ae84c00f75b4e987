"""S5 blocks: stability, initial size, and what complex poles add."""

import math

import pytest
import torch
from torch import nn

from policies.cores import S5, CoreConfig, make_core

POLES = pytest.mark.parametrize("poles", ["real", "complex"])


def _core(**fields: object) -> S5:
    core = make_core(CoreConfig(**fields), 5, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    assert isinstance(core, S5)
    return core


@POLES
def test_initialisations_differ(poles: str) -> None:
    hippo, ring = (_core(poles=poles, initialisation=name).memory_parameters() for name in ("hippo", "ring"))
    assert torch.equal(hippo[0], ring[0])
    for one, other in zip(hippo[1:], ring[1:], strict=True):
        assert not torch.equal(one, other)


@POLES
def test_stays_stable_after_big_parameter_steps(poles: str) -> None:
    core = _core(poles=poles, width=8, state_size=6)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 2, 5, generator=generator)
    memory = torch.randn(2, 6, generator=generator)
    for size in (1e3, -1e3):
        with torch.no_grad():
            for parameter in core.memory_parameters():
                parameter += size
        features, after = core(inputs, torch.zeros(200, 2), memory)
        features.square().sum().backward()
        assert features.isfinite().all()
        assert after.abs().max() < 1e3
        for parameter in core.parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()


@POLES
@pytest.mark.parametrize("initialisation", ["hippo", "ring"])
@pytest.mark.parametrize("gain", ["peak", "variance"])
def test_the_drive_of_a_state_has_the_gain_of_its_decay(poles: str, initialisation: str, gain: str) -> None:
    """White inputs: with "variance" the states have unit variance; "peak" drives slow ones much less."""
    core = _core(poles=poles, initialisation=initialisation, gain=gain)
    # Past the norm, z is white with unit variance where the stream is.
    block = core.blocks[0]
    _, weights = block.discretised()
    white = torch.randn(2000 * 8, 96, generator=torch.Generator().manual_seed(0))
    drive = block.normed(white) @ weights.input_matrix.t()
    stream_variance = drive.detach().var(0)  # gain^2 times the row norms of B
    log_rate, *_, log_step = block.memory_parameters()
    modulus = torch.exp(-torch.exp(log_rate + log_step)).detach()
    modulus = modulus.repeat_interleave(2) if poles == "complex" else modulus
    squared = {"peak": (1 - modulus) ** 2, "variance": 1 - modulus**2}[gain]
    assert (stream_variance / squared).mean().item() == pytest.approx(1.0, abs=0.1)


@POLES
def test_block_starts_near_the_identity(poles: str) -> None:
    core = _core(poles=poles)
    inputs = torch.randn(50, 4, 5, generator=torch.Generator().manual_seed(0))
    features, _ = core(inputs, torch.zeros(50, 4), core.initial_memory(4))
    assert isinstance(core.encoder, nn.Linear)
    encoded = torch.tanh(core.encoder(inputs))
    ratio = (features - encoded).std() / encoded.std()
    assert 0.0 < ratio < 0.3


def test_a_complex_pole_rings_and_a_real_one_only_fades() -> None:
    """The response of a state to one impulse: cos(angle t) exp(-rate t) against exp(-rate t)."""
    responses = {}
    for poles in ("real", "complex"):
        core = _core(poles=poles, state_size=2)
        block = core.blocks[0]
        with torch.no_grad():
            block.log_rate.fill_(math.log(0.1))
            block.log_step.fill_(0.0)
            if poles == "complex":
                block.frequency.fill_(math.pi / 4)
        memory = torch.tensor([[1.0, 0.0]])
        values = []
        with torch.no_grad():
            block.input_matrix.zero_()
            for _ in range(8):
                _, memory = core.step(torch.zeros(1, 5), torch.zeros(1), memory)
                values.append(memory[0, 0].item())
        responses[poles] = values
    fading = [math.exp(-0.1 * t) for t in range(1, 9)]
    assert responses["real"] == pytest.approx(fading, rel=1e-5)
    ringing = [math.cos(math.pi / 4 * t) * math.exp(-0.1 * t) for t in range(1, 9)]
    assert responses["complex"] == pytest.approx(ringing, rel=1e-5, abs=1e-6)
