"""What every core promises: both modes agree, starts forget, seeds decide the parameters."""

from typing import Any, get_args, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call, grad, vmap

from policies.cores import CORES, Core, CoreConfig, make_core
from policies.train import Command

INPUTS, WIDTH, STATES, WINDOW, CHANNEL_STATES = 5, 8, 6, 5, 3
# Every kind, and every choice inside one.
CONFIGS: dict[str, dict[str, Any]] = {
    **{kind: {"kind": kind} for kind in CORES},
    "s5-ring": {"kind": "s5", "initialisation": "ring"},
    "s5-complex": {"kind": "s5", "poles": "complex"},
    "s5-complex-ring": {"kind": "s5", "poles": "complex", "initialisation": "ring"},
    "s5conv-complex": {"kind": "s5conv", "poles": "complex"},
    "transformer-3-heads": {"kind": "transformer", "heads": 3},  # 3 does not divide the width
    "transformer-window-2": {"kind": "transformer", "window": 2},
    "mamba-wide": {"kind": "mamba", "expansion": 2, "channel_states": 1},
}
WITH_MEMORY = [name for name in CONFIGS if name != "mlp"]
every_core = pytest.mark.parametrize("name", CONFIGS)
every_memory = pytest.mark.parametrize("name", WITH_MEMORY)


def _config(name: str, layers: int = 1) -> CoreConfig:
    sizes = {"width": WIDTH, "state_size": STATES, "window": WINDOW, "channel_states": CHANNEL_STATES}
    return CoreConfig(**{**sizes, "layers": layers, **CONFIGS[name]})


def _core(name: str, layers: int = 1, seed: int = 0) -> Core:
    core = make_core(_config(name, layers), INPUTS, torch.Generator().manual_seed(seed))
    # Biases start at zero, which would hide a bias that one of the two modes forgets.
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return core


def _data(time: int, batch: int, core: Core, seed: int = 0, past: int = 3) -> tuple[Tensor, Tensor]:
    """Inputs, and a memory of `past` earlier steps."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(time, batch, INPUTS, generator=generator)
    memory = core.initial_memory(batch)
    with torch.no_grad():
        for _ in range(past):
            earlier = torch.randn(batch, INPUTS, generator=generator)
            _, memory = core.step(earlier, torch.zeros(batch), memory)
    return inputs, memory


def _steps(core: Core, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    features = []
    for now, start in zip(inputs, starts, strict=True):
        feature, memory = core.step(now, start, memory)
        features.append(feature)
    return torch.stack(features), memory


@pytest.mark.parametrize("layers", [1, 2])
@every_core
def test_shapes_and_empty_memory(name: str, layers: int) -> None:
    core = _core(name, layers)
    memory = core.initial_memory(3)
    sizes = {
        "mlp": 0,
        "gru": layers * WIDTH,
        "lstm": 2 * layers * WIDTH,
        "mamba": layers * WIDTH * (3 + CHANNEL_STATES),  # 3 inputs of the convolution
        "s5conv": layers * (3 * WIDTH + STATES),
        "s5conv-complex": layers * (3 * WIDTH + STATES),
        "mamba-wide": layers * 2 * WIDTH * (3 + 1),
        "transformer": layers * 2 * (WINDOW - 1) * WIDTH + 1,  # keys, values, count
        "transformer-3-heads": layers * 2 * (WINDOW - 1) * 9 + 1,
        "transformer-window-2": layers * 2 * WIDTH + 1,
    }
    assert core.memory_size == sizes.get(name, layers * STATES)
    assert (core.in_features, core.out_features) == (INPUTS, WIDTH)
    assert memory.shape == (3, core.memory_size)
    assert memory.dtype == torch.float32
    assert not memory.any()
    features, after = core(torch.randn(4, 3, INPUTS, generator=torch.Generator()), torch.zeros(4, 3), memory)
    assert features.shape == (4, 3, WIDTH)
    assert after.shape == memory.shape
    assert after.is_contiguous()


@every_core
@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_sequence_equals_steps(name: str, data: st.DataObject) -> None:
    time, batch, past = (
        data.draw(st.integers(1, 13)),
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(0, 6)),
    )
    flags = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0]), min_size=time * batch, max_size=time * batch)
    starts = torch.tensor(data.draw(flags)).view(time, batch)
    core = _core(name, layers=2)
    inputs, memory = _data(time, batch, core, data.draw(st.integers(0, 99)), past)
    with torch.no_grad():
        features, after = core(inputs, starts, memory)
        step_features, step_after = _steps(core, inputs, starts, memory)
    torch.testing.assert_close(features, step_features, rtol=0, atol=1e-5)
    torch.testing.assert_close(after, step_after, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [*CORES, "s5-complex"])
def test_sequence_equals_steps_at_default_sizes(kind: str) -> None:
    config = CoreConfig(**CONFIGS[kind])
    core = make_core(config, INPUTS, torch.Generator().manual_seed(0))
    inputs, memory = _data(80, 2, core, past=70)
    starts = torch.zeros(80, 2)
    starts[10, 0] = starts[70, 1] = 1.0
    with torch.no_grad():
        features, after = core(inputs, starts, memory)
        step_features, step_after = _steps(core, inputs, starts, memory)
    torch.testing.assert_close(features, step_features, rtol=0, atol=1e-5)
    torch.testing.assert_close(after, step_after, rtol=0, atol=1e-5)


@every_core
def test_gradients_of_sequence_equal_those_of_steps(name: str) -> None:
    core = _core(name, layers=2)
    inputs, memory = _data(9, 3, core)
    memory.requires_grad_()
    starts = torch.zeros(9, 3)
    starts[2, 1] = starts[4] = starts[6, 0] = starts[7, 0] = 1.0
    wanted = [*core.parameters(), memory]
    gradients = []
    for run in (core, lambda *arguments: _steps(core, *arguments)):
        features, after = run(inputs, starts, memory)
        total = features.square().sum() + after.square().sum()
        gradients.append(torch.autograd.grad(total, wanted, materialize_grads=True))
    for sequence, steps in zip(*gradients, strict=True):
        torch.testing.assert_close(sequence, steps, rtol=1e-3, atol=1e-4)


@every_memory
def test_start_forgets_the_past_of_its_world_alone(name: str) -> None:
    core = _core(name, layers=2)
    inputs, memory = _data(8, 2, core)
    other_past = inputs.clone()
    other_past[:4] += 1.0
    starts = torch.zeros(8, 2)
    starts[4, 0] = 1.0
    features, after = core(inputs, starts, memory)
    _, other_memory = _data(8, 2, core, seed=5)
    other_features, other_after = core(other_past, starts, other_memory)
    assert torch.equal(features[4:, 0], other_features[4:, 0])
    assert torch.equal(after[0], other_after[0])
    assert not torch.allclose(features[4, 1], other_features[4, 1], atol=1e-4)
    if not name.startswith("transformer"):  # whose memory has seen nothing but the last steps
        assert not torch.allclose(after[1], other_after[1], atol=1e-4)
    fresh, _ = core(inputs[4:], torch.zeros(4, 2), core.initial_memory(2))
    torch.testing.assert_close(features[4:, 0], fresh[:, 0])


@every_memory
def test_no_gradient_crosses_a_start(name: str) -> None:
    core = _core(name, layers=2)
    inputs, memory = _data(6, 2, core)
    inputs.requires_grad_()
    memory.requires_grad_()
    starts = torch.zeros(6, 2)
    starts[3, 0] = 1.0
    features, after = core(inputs, starts, memory)
    total = features[3:].square().sum() + after.square().sum()
    to_inputs, to_memory = torch.autograd.grad(total, (inputs, memory))
    assert not to_inputs[:3, 0].any()
    assert not to_memory[0].any()
    assert to_inputs[2, 1].any()
    assert to_memory[1].any() or name == "transformer-window-2"  # which ends before the last steps


@every_core
def test_two_chunks_equal_one_sequence(name: str) -> None:
    core = _core(name, layers=2)
    inputs, memory = _data(10, 3, core)
    starts = torch.zeros(10, 3)
    starts[0] = starts[6, 2] = 1.0
    features, after = core(inputs, starts, memory)
    first, middle = core(inputs[:5], starts[:5], memory)
    second, last = core(inputs[5:], starts[5:], middle)
    torch.testing.assert_close(torch.cat([first, second]), features, rtol=0, atol=1e-6)
    torch.testing.assert_close(last, after, rtol=0, atol=1e-6)


@every_core
def test_the_generator_alone_decides_the_parameters(name: str) -> None:
    before = torch.get_rng_state()
    one, same, other = (
        torch.nn.utils.parameters_to_vector(
            make_core(_config(name, layers=2), INPUTS, torch.Generator().manual_seed(seed)).parameters()
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.isfinite().all()


@every_core
def test_strided_arguments_are_accepted(name: str) -> None:
    core = _core(name, layers=2)
    inputs, memory = _data(4, 3, core)
    strided = [
        inputs.transpose(0, 1).contiguous().transpose(0, 1),
        torch.zeros(3, 4).t(),
        memory.t().contiguous().t(),
    ]
    torch.testing.assert_close(core(*strided), core(inputs, torch.zeros(4, 3), memory))


@every_core
def test_memory_parameters(name: str) -> None:
    core = _core(name, layers=2)
    named = {id(parameter): name for name, parameter in core.named_parameters()}
    names = [named[id(parameter)].rsplit(".", 1)[1] for parameter in core.memory_parameters()]
    of_poles = ["log_rate", "log_step"]
    expected = {"s5": of_poles, "s5conv": of_poles, "mamba": ["log_rate", "step_bias"]}.get(
        name.split("-")[0], []
    )
    if "complex" in name:
        expected = ["log_rate", "frequency", "log_step"]
    assert names == 2 * expected


@every_core
def test_second_derivative(name: str) -> None:
    core = _core(name, layers=2)
    inputs, memory = _data(3, 2, core)
    core.double()
    inputs, memory = inputs.double().requires_grad_(), memory.double()
    starts = torch.zeros(3, 2, dtype=torch.float64)
    starts[1, 0] = 1.0
    assert torch.autograd.gradgradcheck(
        lambda x: core(x, starts, memory)[0].sum(-1), (inputs,), fast_mode=True
    )


@every_core
def test_second_derivative_in_float32_equals_that_in_float64(name: str) -> None:
    """Other kernels run in float32 (oneDNN's LSTM)."""
    found = []
    for dtype in (torch.float32, torch.float64):
        core = _core(name)
        inputs, memory = _data(4, 2, core)
        core, inputs, memory = core.to(dtype), inputs.to(dtype), memory.to(dtype)
        parameters = list(core.parameters())
        features, _ = core(inputs, torch.zeros(4, 2, dtype=dtype), memory)
        first = torch.autograd.grad(features.square().sum(), parameters, create_graph=True)
        total = torch.stack([gradient.square().sum() for gradient in first]).sum()
        found.append(torch.autograd.grad(total, parameters))
    for low, high in zip(*found, strict=True):
        torch.testing.assert_close(low.double(), high, rtol=1e-3, atol=1e-3 * float(high.abs().max()) + 1e-4)


@every_core
def test_functional_call_uses_the_parameters_it_is_given(name: str) -> None:
    core, other = _core(name), _core(name, seed=1)
    inputs, memory = _data(4, 2, core)
    arguments = (inputs, torch.zeros(4, 2), memory)
    features, _ = functional_call(core, dict(other.named_parameters()), arguments)
    torch.testing.assert_close(features, other(*arguments)[0])
    assert not torch.allclose(features, core(*arguments)[0])


@every_core
def test_maml_by_vmap_equals_maml_by_a_loop_over_tasks(name: str) -> None:
    """Two inner steps on each of two tasks, with resets of their own; gradient of the adapted losses."""
    core = _core(name)
    parameters = {key: value.detach() for key, value in core.named_parameters()}
    inputs, memory = _data(8, 2, core)
    tasks = inputs.view(2, 4, 2, INPUTS)
    memories = torch.stack([memory, torch.zeros_like(memory)])
    starts = torch.zeros(2, 4, 2)
    starts[0, 2, 0] = starts[1, 3] = 1.0

    def loss(weights: dict[str, Tensor], x: Tensor, starts: Tensor, memory: Tensor) -> Tensor:
        features, after = functional_call(core, weights, (x, starts, memory))
        return features.square().mean() + after[:, :-1].square().sum() / max(1, after.numel())

    def adapted(weights: dict[str, Tensor], x: Tensor, starts: Tensor, memory: Tensor) -> Tensor:
        for _ in range(2):
            gradient = grad(loss)(weights, x, starts, memory)
            weights = {key: value - 0.05 * gradient[key] for key, value in weights.items()}
        return loss(weights, x, starts, memory)

    def mapped_total(weights: dict[str, Tensor]) -> Tensor:
        return vmap(adapted, in_dims=(None, 0, 0, 0))(weights, tasks, starts, memories).sum()

    def looped_total(weights: dict[str, Tensor]) -> Tensor:
        parts = [adapted(weights, tasks[i], starts[i], memories[i]) for i in range(2)]
        return torch.stack(parts).sum()

    mapped, looped = grad(mapped_total)(parameters), grad(looped_total)(parameters)
    for key, value in looped.items():
        torch.testing.assert_close(mapped[key], value, rtol=1e-3, atol=1e-5)
    assert any(value.any() for value in looped.values())


def test_parameters_at_default_sizes() -> None:
    """As listed in docs/cores.md: 20 inputs."""
    counts = {
        name: sum(p.numel() for p in make_core(CoreConfig(**fields), 20, torch.Generator()).parameters())
        for name, fields in CONFIGS.items()
        if name in (*CORES, "s5-complex")
    }
    assert counts == {
        "mlp": 11_328,
        "gru": 57_888,
        "lstm": 76_512,
        "s5": 39_552,
        "s5conv": 40_032,
        "s5-complex": 39_504,
        "mamba": 36_288,
        "transformer": 76_576,
    }


def test_the_command_line_of_training_knows_every_core() -> None:
    assert get_args(get_type_hints(Command)["core"]) == tuple(CORES)


def test_unknown_kind_is_named_with_the_valid_ones() -> None:
    with pytest.raises(
        ValueError, match="'rnn': unknown core; valid kinds: gru, lstm, mamba, mlp, s5, s5conv, transf"
    ):
        CoreConfig(kind="rnn")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"initialisation": "random"}, "'random': unknown initialisation; valid: hippo, ring"),
        ({"poles": "imaginary"}, "'imaginary': unknown poles"),
        ({"width": 0}, "CoreConfig: width=0: a whole number, 1 or more,"),
        ({"window": 1}, "window=1: a whole number, 2 or more,"),
        ({"poles": "complex", "state_size": 7}, "state_size=7: complex poles come in pairs"),
        ({"min_step": 0.0}, "min_step=0.0: a number above 0.0"),
        ({"min_step": 3.0}, "steps must satisfy min <= max, not 3.0, 2.0"),
        ({"gain": "loud"}, "gain='loud': one of peak, variance is expected"),
    ],
)
def test_bad_fields_are_errors(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CoreConfig(**fields)
