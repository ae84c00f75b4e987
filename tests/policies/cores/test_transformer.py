"""How far attention reaches, and that a step's place in a sequence does not matter."""

import pytest
import torch

from policies.cores import CoreConfig, make_core


def _core(layers: int, window: int = 4) -> torch.nn.Module:
    config = CoreConfig(kind="transformer", width=8, layers=layers, window=window, heads=2)
    return make_core(config, 5, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layers", [1, 2])
def test_a_step_sees_its_window_and_no_further(layers: int) -> None:
    core = _core(layers)
    inputs = torch.randn(12, 1, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    features, _ = core(inputs, torch.zeros(12, 1), core.initial_memory(1))  # type: ignore[operator]
    (gradient,) = torch.autograd.grad(features[9].square().sum(), inputs)
    seen = gradient.abs().sum((1, 2)) > 0
    reach = layers * (4 - 1)  # each block adds window - 1 steps
    assert seen.tolist() == [9 - reach <= t <= 9 for t in range(12)]


def test_features_do_not_depend_on_when_a_trial_begins() -> None:
    core = _core(2)
    inputs = torch.randn(9, 1, 5, generator=torch.Generator().manual_seed(1))
    fresh, _ = core(inputs[4:], torch.zeros(5, 1), core.initial_memory(1))  # type: ignore[operator]
    starts = torch.zeros(9, 1)
    starts[4] = 1.0
    later, _ = core(inputs, starts, core.initial_memory(1))  # type: ignore[operator]
    torch.testing.assert_close(later[4:], fresh, rtol=0, atol=1e-6)


def test_order_inside_the_window_matters() -> None:
    core = _core(1)
    inputs = torch.randn(4, 1, 5, generator=torch.Generator().manual_seed(1))
    swapped = inputs[[1, 0, 2, 3]]
    outputs = [core(x, torch.zeros(4, 1), core.initial_memory(1))[0][-1] for x in (inputs, swapped)]  # type: ignore[operator]
    assert not torch.allclose(*outputs, atol=1e-5)


def test_attention_by_hand() -> None:
    """One block against a loop over heads and earlier steps."""
    core = make_core(
        CoreConfig(kind="transformer", width=8, heads=2, window=3), 5, torch.Generator().manual_seed(0)
    )
    block = core.blocks[0]  # type: ignore[index, union-attr]
    inputs = torch.randn(5, 1, 5, generator=torch.Generator().manual_seed(1))
    stream = torch.tanh(core.encoder(inputs))[:, 0]  # type: ignore[operator]
    projected = torch.nn.functional.layer_norm(stream, (8,)) @ block.queries_keys_values.t()
    query, key, value = projected.view(5, 3, 2, 4).unbind(1)  # each [T, heads, 4]
    rows = []
    for t in range(5):
        heads = []
        for head in range(2):
            seen = range(max(0, t - 2), t + 1)
            slope = 2.0 ** (-4.0 * (head + 1))
            logits = torch.stack([query[t, head] @ key[s, head] / 2.0 - slope * (t - s) for s in seen])
            weights = torch.softmax(logits, 0)
            heads.append(sum(w * value[s, head] for w, s in zip(weights, seen, strict=True)))
        rows.append(torch.cat(heads))  # type: ignore[arg-type]
    attended = stream + torch.stack(rows) @ block.output.t()
    wide = torch.nn.functional.layer_norm(attended, (8,)) @ block.widening.t()
    expected = attended + torch.nn.functional.gelu(wide, approximate="tanh") @ block.narrowing.t()
    features, _ = core(inputs, torch.zeros(5, 1), core.initial_memory(1))
    torch.testing.assert_close(features[:, 0], expected)
