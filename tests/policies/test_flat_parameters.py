"""Parameters as vectors: the same values, gradients, norms and steps as tensor by tensor."""

import copy

import pytest
import torch
from torch import Tensor, nn

from policies.flat_parameters import FlatParameters


def _networks() -> tuple[nn.ModuleList, list[nn.Parameter]]:
    generator = torch.Generator().manual_seed(0)
    networks = nn.ModuleList([nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), nn.Linear(3, 1)])
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return networks, [networks[0][0].bias, networks[1].bias]


def _loss(networks: nn.ModuleList) -> Tensor:
    x = torch.linspace(-1, 1, 15).view(5, 3)
    return (networks[0](x).sum(1) * networks[1](x)[:, 0]).square().mean()


def test_steps_equal_those_of_tensor_by_tensor() -> None:
    networks, slow = _networks()
    peers = copy.deepcopy(networks)
    peer_slow = [peers[0][0].bias, peers[1].bias]
    flat = FlatParameters(list(networks), slow)
    ours = torch.optim.Adam(
        [{"params": [v], "lr": r} for v, r in zip(flat.vectors, (0.1, 0.01), strict=True)]
    )
    fast = [p for p in peers.parameters() if all(p is not s for s in peer_slow)]
    theirs = torch.optim.Adam([{"params": fast, "lr": 0.1}, {"params": peer_slow, "lr": 0.01}])
    for _ in range(5):
        flat.differentiate(_loss(networks))
        norms = flat.clip(0.5)
        ours.step()
        theirs.zero_grad()
        _loss(peers).backward()
        expected = [float(nn.utils.clip_grad_norm_(part.parameters(), 0.5)) for part in peers]
        theirs.step()
        assert norms == pytest.approx(expected, rel=1e-5)
        for a, b in zip(networks.parameters(), peers.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_networks_keep_their_values_and_follow_the_vectors() -> None:
    networks, slow = _networks()
    before = [p.detach().clone() for p in networks.parameters()]
    flat = FlatParameters(list(networks), slow)
    assert all(torch.equal(p, b) for p, b in zip(networks.parameters(), before, strict=True))
    assert [len(v) for v in flat.vectors] == [sum(p.numel() for p in networks.parameters()) - 5, 5]
    with torch.no_grad():
        for vector in flat.vectors:
            vector += 1.0
    assert all(torch.equal(p, b + 1.0) for p, b in zip(networks.parameters(), before, strict=True))
    networks.load_state_dict(networks.state_dict())  # copies in place, so that the views stay


def test_a_parameter_that_the_loss_does_not_use_gets_zero() -> None:
    networks, _ = _networks()
    flat = FlatParameters(list(networks), [])
    flat.differentiate(networks[1](torch.ones(1, 3)).sum())
    (gradient,) = [vector.grad for vector in flat.vectors]
    assert gradient is not None
    assert gradient.tolist() == [0.0] * (len(gradient) - 4) + [1.0] * 4


def test_misuse_is_refused() -> None:
    networks, _ = _networks()
    with pytest.raises(ValueError, match="share a parameter"):
        FlatParameters([networks[0], networks[0]], [])
    with pytest.raises(ValueError, match="none of the networks"):
        FlatParameters([networks[0]], [networks[1].bias])
    flat = FlatParameters(list(networks), [])
    networks.double()
    with pytest.raises(RuntimeError, match="no longer views"):
        flat.differentiate(networks[1](torch.ones(1, 3, dtype=torch.float64)).sum())
