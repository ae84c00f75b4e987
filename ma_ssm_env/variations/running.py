"""Running with the weights of a law's source: reward = v_x - control |a|^2 + survive."""

from __future__ import annotations

import dataclasses
from functools import partial

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.base import BASE, control_cost
from ma_ssm_env.variations.variation import Array, Transition, Variation, constant


def running(control: float, survive: float = 0.0) -> Variation:
    """A law with one task that pays v_x - `control` |a|^2 + `survive`; terms of weight 0 are left out."""
    terms = ("forward", *(["survive"] if survive else []), *(["control"] if control else []))
    return dataclasses.replace(BASE, reward=partial(_reward, control, survive), terms=terms)


def _reward(
    control: float, survive: float, body: Body, transition: Transition, target: Array
) -> dict[str, Array]:
    del body, target
    terms = {"forward": transition.velocity[:, 0]}
    if survive:
        terms["survive"] = constant(survive, len(transition.velocity))
    if control:
        terms["control"] = -control_cost(control, transition)
    return terms
