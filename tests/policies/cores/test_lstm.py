"""The LSTM against `torch.nn.LSTM`, and its forget gate."""

from typing import Any

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


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_what_will_be_differentiated_is_said_to_be_trained(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cuDNN refuses the backward of a call that was not; on a CPU the numbers are the same bits."""
    told = []
    whole = getattr(torch, kind)

    def spy(*given: Any) -> Any:
        told.append(given[6])
        return whole(*given)

    monkeypatch.setattr(torch, kind, spy)
    core = make_core(CoreConfig(kind=kind, width=8), 5, torch.Generator().manual_seed(0))
    inputs, memory = torch.ones(7, 3, 5), core.initial_memory(3)
    features, _ = core(inputs, torch.zeros(7, 3), memory)
    with torch.no_grad():
        plain, _ = core(inputs, torch.zeros(7, 3), memory)
    assert told == [True, False]
    torch.testing.assert_close(features, plain)


def test_the_forget_gate_starts_open() -> None:
    core = make_core(CoreConfig(kind="lstm", width=8), 5, torch.Generator().manual_seed(0))
    assert isinstance(core, LSTM)
    biases = core.weights[2] + core.weights[3]
    assert biases.view(4, 8).mean(1).tolist() == [0.0, 1.0, 0.0, 0.0]  # gates i, f, g, o
