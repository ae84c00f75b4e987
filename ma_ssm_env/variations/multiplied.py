"""Gravity, Mass, Friction, Damping: one hidden factor on one property of the whole body; the stock reward.

The task is the exponent x of the factor, base^x with x ~ U(-3, 3): 0 is the body as it is, bit for bit.
Outside of the training range: x in [3, 4] and in [-4, -3]. Humanoid's gravity has x ~ U(-2, 2), and [2, 3]
and [-3, -2] outside. The reward is the body's own, so that only the dynamics tell the tasks apart; limits of
health are as they are, whatever the factor.

| law | multiplies | base |
|---|---|---|
| Gravity | the acceleration of gravity | 1.5 |
| Mass | mass and inertia of every link alike, as a denser body has | 1.5 |
| Friction | friction of every geom, the floor's included | 1.5 |
| Damping | damping of every joint that has any | 1.3 |

Sources: RESeL and ESCP for gravity, mass and damping with x in [-3, 3] (Humanoid [-2, 2]) and H = 1000; the
scenarios here play two inner episodes of 200 steps. RESeL draws the three axes of gravity apart, of which two
are 0, and its damping has base 1.5; the base 1.3 is that of RandParams (VariBAD's rand_param_envs).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import numpy as np

from ma_ssm_env.variations.base import BASE
from ma_ssm_env.variations.variation import Array, Coordinate, Variation, uniform_draw

LIMIT = 3.0


def exponent(name: str, base: float, limit: float, *, outside: bool) -> Coordinate:
    """The coordinate x of a factor base^x with x in [-limit, limit]; its outside is 1 wide at both ends."""
    beyond = (limit, limit + 1.0) if outside else None
    return Coordinate(f"{name}, exponent of {base:g}", -limit, limit, outside=beyond, both_sides=outside)


def multiplied(
    name: str,
    fields: tuple[str, ...],
    base: float,
    source: str,
    *,
    stock: Variation = BASE,
    limit: float = LIMIT,
) -> Variation:
    """A law that multiplies `fields` of the model by base^x, x in [-limit, limit], paid as `stock` pays."""
    return dataclasses.replace(
        stock,
        name=name,
        coordinates=(exponent(name.lower(), base, limit, outside=True),),
        draw=uniform_draw,
        fields=fields,
        factors=partial(_factors, fields, base),
        source=source,
    )


def _factors(fields: tuple[str, ...], base: float, active: Array) -> Mapping[str, Array]:
    return dict.fromkeys(fields, powers(base, active)[0])


def powers(base: float, exponents: Array) -> Array:
    """base^x one by one, [n] -> [n]: vector units of some CPUs round powers of arrays in another way."""
    return np.array([base**x for x in exponents.tolist()])


def gravity(stock: Variation = BASE, limit: float = LIMIT) -> Variation:
    """Gravity times 1.5^x, paid as `stock` pays, x in [-limit, limit] (2 for Humanoid)."""
    return multiplied("Gravity", ("opt.gravity",), 1.5, "RESeL", stock=stock, limit=limit)


def mass(stock: Variation = BASE, limit: float = LIMIT) -> Variation:
    """Mass and inertia of every link times 1.5^x, x in [-limit, limit], paid as `stock` pays."""
    return multiplied("Mass", ("body_mass", "body_inertia"), 1.5, "RESeL", stock=stock, limit=limit)


def friction(stock: Variation = BASE, limit: float = LIMIT) -> Variation:
    """Friction of every geom times 1.5^x, x in [-limit, limit], paid as `stock` pays."""
    source = "after VariBAD's rand_param_envs"
    return multiplied("Friction", ("geom_friction",), 1.5, source, stock=stock, limit=limit)


def damping(stock: Variation = BASE, limit: float = LIMIT) -> Variation:
    """Damping of every joint times 1.3^x, x in [-limit, limit], paid as `stock` pays."""
    source = "RESeL, with the base of rand_param_envs"
    return multiplied("Damping", ("dof_damping",), 1.3, source, stock=stock, limit=limit)


GRAVITY, MASS, FRICTION, DAMPING = gravity(), mass(), friction(), damping()
HUMANOID_GRAVITY = gravity(limit=2.0)
