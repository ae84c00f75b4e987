"""Surrogates against exact enumeration of a small MDP: two states, two actions, three steps."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian

from policies.maml.estimators import divergence, past_sums, surrogate

START = torch.tensor([0.7, 0.3], dtype=torch.float64)
NEXT = torch.tensor([[0, 1], [1, 0]])  # state after (state, action)
REWARD = torch.tensor([[1.0, -0.5], [0.3, 2.0]], dtype=torch.float64)
THETA = torch.tensor([[0.2, -0.4], [0.5, 0.1]], dtype=torch.float64)
T = 3


def _trajectories() -> tuple[Tensor, Tensor]:
    """All sixteen: states and actions [T, 16]."""
    rows = []
    for first, *acts in itertools.product((0, 1), repeat=1 + T):
        states = [first]
        for action in acts[:-1]:
            states.append(int(NEXT[states[-1], action]))
        rows.append((states, acts))
    return torch.tensor([s for s, _ in rows]).T, torch.tensor([a for _, a in rows]).T


STATES, ACTIONS = _trajectories()
STARTS = torch.zeros(T, 16)
STARTS[0] = 1.0


def _log_probs(theta: Tensor, states: Tensor = STATES, actions: Tensor = ACTIONS) -> Tensor:
    return torch.log_softmax(theta, -1)[states, actions]


def _to_go(states: Tensor = STATES, actions: Tensor = ACTIONS) -> Tensor:
    return REWARD[states, actions].flip(0).cumsum(0).flip(0)


def _probability(theta: Tensor) -> Tensor:
    return START[STATES[0]] * _log_probs(theta).sum(0).exp()


def _value(theta: Tensor) -> Tensor:
    """Expected return, exactly."""
    return (_probability(theta) * REWARD[STATES, ACTIONS].sum(0)).sum()


def _enumerated(theta: Tensor, at: Tensor, estimator: str, advantages: Tensor) -> Tensor:
    """The surrogate's expectation over trajectories of the policy `at`, a function of theta."""
    weights = _probability(at).detach() * 16 * T  # the surrogate is a mean over steps and trajectories
    sampled = _log_probs(at).detach()
    return surrogate(_log_probs(theta), sampled, advantages * weights, STARTS, estimator)  # type: ignore[arg-type]


def _curvature(estimator: str, advantages: Tensor) -> Tensor:
    return hessian(lambda theta: _enumerated(theta, THETA, estimator, advantages), THETA).reshape(4, 4)


_BASELINE = (_to_go() * _probability(THETA)).sum(1, keepdim=True)
EXACT = hessian(_value, THETA).reshape(4, 4)


@pytest.mark.parametrize("estimator", ["lvc", "dice"])
def test_both_have_the_policy_gradient(estimator: str) -> None:
    theta = THETA.clone().requires_grad_()
    (exact,) = torch.autograd.grad(_value(theta), theta)
    (found,) = torch.autograd.grad(_enumerated(theta, THETA, estimator, _to_go()), theta)
    torch.testing.assert_close(found, exact)


@pytest.mark.parametrize("estimator", ["lvc", "dice"])
def test_away_from_the_sampling_policy_the_gradient_is_importance_weighted(estimator: str) -> None:
    """d/dtheta of E_old[sum ratio_t A_t], step by step: that of the clipped surrogate before the clip."""
    theta = (THETA + 0.3).clone().requires_grad_()
    theta.data[0, 0] += 0.5
    ratio = torch.exp(_log_probs(theta) - _log_probs(THETA))
    (exact,) = torch.autograd.grad((_probability(THETA) * (ratio * _to_go()).sum(0)).sum(), theta)
    (found,) = torch.autograd.grad(_enumerated(theta, THETA, estimator, _to_go()), theta)
    torch.testing.assert_close(found, exact)


def test_dice_has_the_exact_second_derivative_and_lvc_has_not() -> None:
    torch.testing.assert_close(_curvature("dice", _to_go()), EXACT)
    assert float((_curvature("lvc", _to_go()) - EXACT).norm()) > 0.2 * float(EXACT.norm())


def test_a_baseline_of_the_state_leaves_dice_unbiased() -> None:
    baseline = torch.tensor([1.3, -0.7], dtype=torch.float64)[STATES]
    torch.testing.assert_close(_curvature("dice", _to_go() - baseline), EXACT)


def test_from_samples_dice_is_right_within_its_error_and_lvc_varies_less() -> None:
    generator = torch.Generator().manual_seed(0)
    direction = torch.tensor([0.5, -1.0, 0.3, 0.8], dtype=torch.float64)
    batch, batches = 20, 400
    found: dict[str, list[Tensor]] = {"dice": [], "lvc": []}
    for _ in range(batches):
        rows = torch.multinomial(_probability(THETA), batch, replacement=True, generator=generator)
        states, actions = STATES[:, rows], ACTIONS[:, rows]
        for estimator, products in found.items():

            def objective(
                theta: Tensor, s: Tensor = states, a: Tensor = actions, e: str = estimator
            ) -> Tensor:
                adv, starts = _to_go(s, a) - _BASELINE, STARTS[:, :1].expand_as(s)
                return T * surrogate(_log_probs(theta, s, a), _log_probs(THETA, s, a), adv, starts, e)  # type: ignore[arg-type]

            products.append(hessian(objective, THETA).reshape(4, 4) @ direction)
    dice, lvc = (torch.stack(found[name]) for name in ("dice", "lvc"))
    error = dice.std(0) / batches**0.5
    assert bool(((dice.mean(0) - EXACT @ direction).abs() < 4.0 * error).all())
    assert bool(((lvc.mean(0) - EXACT @ direction).abs() > 10.0 * lvc.std(0) / batches**0.5).any())
    assert float(lvc.var(0).sum()) < 0.6 * float(dice.var(0).sum())


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_the_meta_gradient_is_the_exact_one(rate: float) -> None:
    """d/dtheta V(theta + rate grad V(theta)), from the surrogates of both steps over all trajectories."""
    theta = THETA.clone().requires_grad_()

    def adapted(estimator: str, create_graph: bool = True) -> Tensor:
        objective = _enumerated(theta, THETA, estimator, _to_go())
        (gradient,) = torch.autograd.grad(objective, theta, create_graph=create_graph)
        return theta + rate * gradient

    def meta(estimator: str, first_order: bool = False) -> Tensor:
        after = adapted(estimator, not first_order)
        objective = _enumerated(after, after.detach(), "lvc", _to_go())
        (gradient,) = torch.autograd.grad(objective, theta)
        return gradient.flatten()

    gradient = torch.autograd.functional.jacobian(_value, THETA, create_graph=True)
    after = (THETA + rate * gradient).detach().requires_grad_()
    (outer,) = torch.autograd.grad(_value(after), after)
    exact = outer.flatten() + rate * EXACT @ outer.flatten()
    torch.testing.assert_close(meta("dice"), exact)
    # The first order leaves the curvature out, and nothing else.
    torch.testing.assert_close(meta("dice", first_order=True), outer.flatten())
    curvature = exact - outer.flatten()
    lvc = meta("lvc")
    assert float((lvc - exact).norm()) > 0.05 * float(curvature.norm())  # biased


def test_sums_of_the_past_begin_anew_with_every_trial() -> None:
    values = torch.tensor([[1.0], [2.0], [4.0], [8.0], [16.0]])
    starts = torch.tensor([[1.0], [0.0], [0.0], [1.0], [0.0]])
    assert past_sums(values, starts).flatten().tolist() == [0.0, 1.0, 3.0, 0.0, 8.0]


def test_the_divergence_is_that_of_two_gaussians() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    shift = 0.3
    present = -0.5 * (x - shift).square()
    assert float(divergence(present, -0.5 * x.square())) == pytest.approx(0.5 * shift**2, rel=0.02)


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="'magic': one of lvc, dice"):
        surrogate(STARTS, STARTS, STARTS, STARTS, "magic")  # type: ignore[arg-type]
