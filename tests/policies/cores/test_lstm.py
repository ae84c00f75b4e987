"""The LSTM against `torch.nn.LSTM`, and its forget gate."""

import pytest
import torch

from policies.cores import GRU, LSTM, CoreConfig, make_core


@pytest.mark.parametrize(("kind", "peer"), [("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)])
def test_it_is_the_layer_of_torch_behind_a_tanh(kind: str, peer: type[torch.nn.RNNBase]) -> None:
    core = make_core(CoreConfig(kind=kind, width=8, layers=2), 5, torch.Generator().manual_seed(0))
    assert isinstance(core, GRU | LSTM)
    whole = peer(8, 8, 2)
    with torch.no_grad():
        for theirs, ours in zip(whole.parameters(), core.weights, strict=True):
            theirs.copy_(ours)
    inputs = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(1))
    expected, last = whole(torch.tanh(core.encoder(inputs)))
    features, memory = core(inputs, torch.zeros(7, 3), core.initial_memory(3))
    torch.testing.assert_close(features, expected)
    states = last if isinstance(last, tuple) else (last,)
    torch.testing.assert_close(memory, torch.cat(states).transpose(0, 1).flatten(1))


def test_the_forget_gate_starts_open() -> None:
    core = make_core(CoreConfig(kind="lstm", width=8), 5, torch.Generator().manual_seed(0))
    assert isinstance(core, LSTM)
    biases = core.weights[2] + core.weights[3]
    assert biases.view(4, 8).mean(1).tolist() == [0.0, 1.0, 0.0, 0.0]  # gates i, f, g, o
