"""The selective block against `mambapy`, another implementation of the paper; and its initial steps."""

import pytest
import torch
from mambapy.mamba import MambaBlock as TheirBlock
from mambapy.mamba import MambaConfig
from torch.nn import functional

from policies.cores import CoreConfig, Mamba, make_core
from policies.cores.mamba import MambaBlock


def _core(width: int = 20, channel_states: int = 5, expansion: int = 2) -> tuple[Mamba, MambaBlock]:
    config = CoreConfig(kind="mamba", width=width, channel_states=channel_states, expansion=expansion)
    core = make_core(config, 5, torch.Generator().manual_seed(0))
    assert isinstance(core, Mamba)
    block = core.blocks[0]
    assert isinstance(block, MambaBlock)
    with torch.no_grad():  # no parameter at a value that would hide it
        for parameter in block.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return core, block


def _theirs(block: MambaBlock) -> TheirBlock:
    width = block.norm.normalized_shape[0]
    config = MambaConfig(
        d_model=width, n_layers=1, d_state=block.states, d_conv=4, expand_factor=block.channels // width
    )
    theirs = TheirBlock(config)
    weights = {
        "in_proj.weight": block.input_matrix,
        "conv1d.weight": block.taps.t()[:, None],
        "conv1d.bias": block.taps_bias,
        "x_proj.weight": block.selection,
        "dt_proj.weight": block.step_matrix,
        "dt_proj.bias": block.step_bias,
        "A_log": block.log_rate.t(),
        "D": block.skip,
        "out_proj.weight": block.output_matrix,
    }
    theirs.load_state_dict({name: weight.detach().clone() for name, weight in weights.items()})
    return theirs


@pytest.mark.parametrize("expansion", [1, 2])
@pytest.mark.parametrize("time", [1, 2, 13])
def test_block_and_its_gradients_equal_those_of_mambapy(expansion: int, time: int) -> None:
    _, block = _core(expansion=expansion)
    theirs = _theirs(block)
    stream = torch.randn(time, 3, 20, generator=torch.Generator().manual_seed(2))
    keep = torch.ones(time, 3, 1)
    window, state = torch.zeros(3, 3 * block.channels), torch.zeros(3, block.states * block.channels)
    found, *_ = block(stream, window, state, keep)
    normed = functional.layer_norm(stream, (20,), block.norm.weight, block.norm.bias)
    expected = stream + theirs(normed.transpose(0, 1)).transpose(0, 1)  # theirs is batch-first
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found.square().sum().backward()
    ours = {name: p.grad for name, p in block.named_parameters() if not name.startswith("norm")}
    found_grads = {
        "A_log": ours["log_rate"].t(),  # type: ignore[union-attr]
        "D": ours["skip"],
        "dt_proj.bias": ours["step_bias"],
        "x_proj.weight": ours["selection"],
    }
    expected.detach()
    again = theirs(normed.detach().transpose(0, 1)).transpose(0, 1) + stream
    again.square().sum().backward()
    for name, gradient in found_grads.items():
        torch.testing.assert_close(gradient, theirs.get_parameter(name).grad, rtol=1e-4, atol=1e-4)


def test_steps_equal_those_of_mambapy() -> None:
    core, block = _core()
    theirs = _theirs(block)
    stream = torch.randn(6, 3, 20, generator=torch.Generator().manual_seed(2))
    window, state = (part for part in core.initial_memory(3).split(core.part_sizes, 1))
    cache = (None, torch.zeros(3, block.channels, 3))
    for now in stream:
        found, window, state = block.step(now, window, state)
        normed = functional.layer_norm(now, (20,), block.norm.weight, block.norm.bias)
        output, cache = theirs.step(normed, cache)
        torch.testing.assert_close(found, now + output, rtol=1e-5, atol=1e-5)


def test_initial_steps_lie_in_the_range_of_the_paper() -> None:
    core = make_core(CoreConfig(kind="mamba"), 5, torch.Generator().manual_seed(0))
    block = core.blocks[0]  # type: ignore[index, union-attr]
    steps = functional.softplus(block.step_bias)
    assert steps.min() >= 1e-3 * (1 - 1e-4)
    assert steps.max() <= 1e-1 * (1 + 1e-4)
    assert steps.log().mean().item() == pytest.approx(-4.6, abs=0.3)  # log-uniform: half-way is 0.01
    rates = block.log_rate.exp()[:, 0]
    torch.testing.assert_close(rates, torch.arange(1.0, 17.0))


def test_block_starts_near_the_identity() -> None:
    core = make_core(CoreConfig(kind="mamba"), 5, torch.Generator().manual_seed(0))
    inputs = torch.randn(50, 4, 5, generator=torch.Generator().manual_seed(0))
    features, _ = core(inputs, torch.zeros(50, 4), core.initial_memory(4))
    encoded = torch.tanh(core.encoder(inputs))  # type: ignore[operator]
    assert 0.0 < (features - encoded).std() / encoded.std() < 0.3
