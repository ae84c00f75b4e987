"""What every core promises: both modes agree, starts forget, seeds decide the parameters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from policies.cores import CORES, Core, CoreConfig, make_core

INPUTS, WIDTH, STATES = 5, 8, 6
KINDS = sorted(CORES)
WITH_MEMORY = [kind for kind in KINDS if kind != "mlp"]
LAYERS = [1, 2]


def _core(
    kind: str, layers: int = 1, seed: int = 0, twice: bool = False, initialisation: str = "hippo"
) -> Core:
    config = CoreConfig(
        kind=kind,
        width=WIDTH,
        layers=layers,
        state_size=STATES,
        differentiable_twice=twice,
        initialisation=initialisation,  # type: ignore[arg-type]
    )
    core = make_core(config, INPUTS, torch.Generator().manual_seed(seed))
    # Biases start at zero, which would hide a bias that one of the two modes forgets.
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return core


def _data(time: int, batch: int, core: Core, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs, and a memory that is not empty."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(time, batch, INPUTS, generator=generator)
    return inputs, torch.randn(batch, core.memory_size, generator=generator)


def _steps(core: Core, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    features = []
    for now, start in zip(inputs, starts, strict=True):
        feature, memory = core.step(now, start, memory)
        features.append(feature)
    return torch.stack(features), memory


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_empty_memory(kind: str, layers: int) -> None:
    core = _core(kind, layers)
    memory = core.initial_memory(3)
    sizes = {"mlp": 0, "gru": layers * WIDTH, "s5": layers * STATES}
    assert core.memory_size == sizes[kind]
    assert (core.in_features, core.out_features) == (INPUTS, WIDTH)
    assert memory.shape == (3, core.memory_size)
    assert memory.dtype == torch.float32
    assert not memory.any()
    features, after = core(torch.randn(4, 3, INPUTS, generator=torch.Generator()), torch.zeros(4, 3), memory)
    assert features.shape == (4, 3, WIDTH)
    assert after.shape == memory.shape
    assert after.is_contiguous()


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_sequence_equals_steps(kind: str, layers: int, twice: bool, data: st.DataObject) -> None:
    time, batch = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    flags = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0]), min_size=time * batch, max_size=time * batch)
    starts = torch.tensor(data.draw(flags)).view(time, batch)
    core = _core(kind, layers, twice=twice)
    inputs, memory = _data(time, batch, core, data.draw(st.integers(0, 99)))
    with torch.no_grad():
        features, after = core(inputs, starts, memory)
        step_features, step_after = _steps(core, inputs, starts, memory)
    torch.testing.assert_close(features, step_features, rtol=0, atol=1e-5)
    torch.testing.assert_close(after, step_after, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_sequence_equal_those_of_steps(kind: str, layers: int) -> None:
    core = _core(kind, layers)
    inputs, memory = _data(7, 3, core)
    memory.requires_grad_()
    starts = torch.zeros(7, 3)
    starts[2, 1] = starts[4] = 1.0
    wanted = [*core.parameters(), memory]
    gradients = []
    for run in (core, lambda *arguments: _steps(core, *arguments)):
        features, after = run(inputs, starts, memory)
        total = features.square().sum() + after.square().sum()
        gradients.append(torch.autograd.grad(total, wanted, materialize_grads=True))
    for sequence, steps in zip(*gradients, strict=True):
        torch.testing.assert_close(sequence, steps, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", WITH_MEMORY)
def test_start_forgets_the_past_of_its_world_alone(kind: str, layers: int) -> None:
    core = _core(kind, layers)
    inputs, memory = _data(8, 2, core)
    other_past = inputs.clone()
    other_past[:4] += 1.0
    starts = torch.zeros(8, 2)
    starts[4, 0] = 1.0
    features, after = core(inputs, starts, memory)
    other_features, other_after = core(other_past, starts, memory + 1.0)
    assert torch.equal(features[4:, 0], other_features[4:, 0])
    assert torch.equal(after[0], other_after[0])
    assert not torch.allclose(features[4, 1], other_features[4, 1], atol=1e-4)
    assert not torch.allclose(after[1], other_after[1], atol=1e-4)
    fresh, _ = core(inputs[4:], torch.zeros(4, 2), core.initial_memory(2))
    torch.testing.assert_close(features[4:, 0], fresh[:, 0])


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_two_chunks_equal_one_sequence(kind: str, layers: int) -> None:
    core = _core(kind, layers)
    inputs, memory = _data(10, 3, core)
    starts = torch.zeros(10, 3)
    starts[0] = starts[6, 2] = 1.0
    features, after = core(inputs, starts, memory)
    first, middle = core(inputs[:5], starts[:5], memory)
    second, last = core(inputs[5:], starts[5:], middle)
    torch.testing.assert_close(torch.cat([first, second]), features, rtol=0, atol=1e-6)
    torch.testing.assert_close(last, after, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_alone_decides_the_parameters(kind: str, layers: int) -> None:
    config = CoreConfig(kind=kind, width=WIDTH, layers=layers, state_size=STATES)
    before = torch.get_rng_state()
    one, same, other = (
        torch.nn.utils.parameters_to_vector(
            make_core(config, INPUTS, torch.Generator().manual_seed(seed)).parameters()
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_strided_arguments_are_accepted(kind: str) -> None:
    core = _core(kind, layers=2)
    inputs, memory = _data(4, 3, core)
    strided = [
        inputs.transpose(0, 1).contiguous().transpose(0, 1),
        torch.zeros(3, 4).t(),
        memory.t().contiguous().t(),
    ]
    torch.testing.assert_close(core(*strided), core(inputs, torch.zeros(4, 3), memory))


def test_initialisations_differ() -> None:
    hippo, ring = (_core("s5", initialisation=name).memory_parameters()[1] for name in ("hippo", "ring"))
    assert not torch.equal(hippo, ring)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_parameters(kind: str) -> None:
    core = _core(kind, layers=2)
    named = {id(parameter): name for name, parameter in core.named_parameters()}
    names = sorted(named[id(parameter)].rsplit(".", 1)[1] for parameter in core.memory_parameters())
    assert names == (["log_rate", "log_rate", "log_step", "log_step"] if kind == "s5" else [])


def test_s5_stays_stable_after_big_parameter_steps() -> None:
    core = _core("s5")
    inputs, memory = _data(200, 2, core)
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


def test_s5_block_starts_near_the_identity() -> None:
    core = make_core(CoreConfig(), INPUTS, torch.Generator().manual_seed(0))
    inputs = torch.randn(50, 4, INPUTS, generator=torch.Generator().manual_seed(0))
    features, _ = core(inputs, torch.zeros(50, 4), core.initial_memory(4))
    encoded = torch.tanh(core.encoder(inputs))  # type: ignore[operator]
    ratio = (features - encoded).std() / encoded.std()
    assert 0.0 < ratio < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivative(kind: str) -> None:
    core = _core(kind, layers=2, twice=True).double()
    inputs, memory = _data(3, 2, core)
    inputs, memory = inputs.double().requires_grad_(), memory.double()
    starts = torch.zeros(3, 2, dtype=torch.float64)
    starts[1, 0] = 1.0
    assert torch.autograd.gradgradcheck(lambda x: core(x, starts, memory)[0].sum(-1), (inputs,))


@pytest.mark.parametrize("kind", KINDS)
def test_functional_call_uses_the_parameters_it_is_given(kind: str) -> None:
    core, other = _core(kind), _core(kind, seed=1)
    inputs, memory = _data(4, 2, core)
    arguments = (inputs, torch.zeros(4, 2), memory)
    features, _ = torch.func.functional_call(core, dict(other.named_parameters()), arguments)
    torch.testing.assert_close(features, other(*arguments)[0])
    assert not torch.allclose(features, core(*arguments)[0])


def test_unknown_kind_is_named_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="'lstm': unknown core; valid kinds: gru, mlp, s5"):
        CoreConfig(kind="lstm")


@pytest.mark.parametrize(
    "fields", [{"initialisation": "random"}, {"width": 0}, {"min_step": 0.0}, {"min_step": 3.0}]
)
def test_bad_fields_are_errors(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"unknown initialisation|at least 1|0 < min <= max"):
        CoreConfig(**fields)  # type: ignore[arg-type]
