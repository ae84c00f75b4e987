"""Surrogates of the policy gradient that may be differentiated twice.

The inner step of MAML follows the gradient of a surrogate J, and the outer step differentiates through that
gradient: it uses J's *second* derivative. That of the ordinary score-function surrogate, sum log pi A, lacks
the terms in which an action changes what is sampled later. With l_t = log pi(a_t | h_t), the stop-gradient
operator |.|, box(x) = exp(x - |x|) (1 in value) and rho_t = exp(l_t - l_t^sampled) against the policy that
sampled the data:

    dice: J = mean_t |rho_t| (box(w_t) - box(w_t - l_t)) A_t,   w_t = sum of l over the trial up to t
    lvc:  J = mean_t  rho_t A_t

`dice` is unbiased to any order for every advantage of the form (what follows) - (baseline of the past), by
the parameters that l depends on; it is DiCE with a baseline. Where some roles alone adapt, l is theirs, and
derivatives by the others' parameters lack what these change in what is sampled. `lvc` keeps the term t alone
of w_t: biased in the second derivative, with far less variance. Both have the policy gradient as first
derivative, at the sampling policy and away from it.

Sources: DiCE, Foerster et al. 2018; the form with a baseline, Farquhar et al. 2019 (Loaded DiCE, lambda = 1
and 0); LVC, Rothfuss et al. 2019 (ProMP).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Estimator = Literal["lvc", "dice"]
ESTIMATORS: tuple[str, ...] = get_args(Estimator)


def surrogate(
    log_probs: Tensor, sampled: Tensor, advantages: Tensor, starts: Tensor, estimator: Estimator
) -> Tensor:
    """J, to be maximised; a scalar.

    Args:
        log_probs: l of each step under the parameters that are differentiated [T, B].
        sampled: l under the policy that acted, without gradient [T, B].
        advantages: A of each step, without gradient [T, B].
        starts: 1 where step t is the first of a trial [T, B].
        estimator: `lvc` or `dice`.

    Raises:
        ValueError: an unknown estimator.
    """
    if estimator == "lvc":
        return (torch.exp(log_probs - sampled) * advantages).mean()
    if estimator != "dice":
        raise ValueError(f"estimator={estimator!r}: one of {', '.join(ESTIMATORS)} is expected")
    ratio = torch.exp(log_probs - sampled).detach()
    past = past_sums(log_probs, starts)
    return (ratio * (_box(past + log_probs) - _box(past)) * advantages).mean()


def past_sums(values: Tensor, starts: Tensor) -> Tensor:
    """Sums of `values` [T, B] over the earlier steps of the same trial: 0 at its first step."""
    before = values.cumsum(0) - values
    steps = torch.arange(len(values)).view(-1, *[1] * (values.dim() - 1))
    first = torch.cummax(steps * (starts > 0), 0).values  # index of the trial's first step
    return before - before.gather(0, first)


def divergence(log_probs: Tensor, sampled: Tensor) -> Tensor:
    """KL(sampling policy || present policy), a scalar, from samples of the first.

    E[rho - 1 - log rho]: unbiased, and never negative (Schulman 2020, "Approximating KL divergence").
    """
    log_ratio = log_probs - sampled
    return (torch.exp(log_ratio) - 1.0 - log_ratio).mean()


def _box(x: Tensor) -> Tensor:
    return torch.exp(x - x.detach())
