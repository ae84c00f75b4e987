"""RandParams: mass, inertia, friction and damping of every element have a hidden factor each.

The task is an exponent x ~ U(-3, 3) for each element: masses, inertias and frictions are multiplied by 1.5^x,
dampings by 1.3^x. There is no outside. Which elements there are is read from the body's model; left out are
those whose factor could not matter: values of 0 (the world's mass, the root's damping), frictions that no
contact of the body uses (rolling and torsional friction under `condim="3"`), and inertias about axes about
which the link cannot turn (two of three in a planar body).

| body | numbers | reward |
|---|---|---|
| HalfCheetah | 29 | its own |
| Hopper | 16 | v_x + 1 - 0.001 abs(a)^2 |
| Walker2d | 28 | v_x + 1 - 0.001 abs(a)^2 |

Source: VariBAD's rand_param_envs with H = 200, for Hopper and Walker2d, whose limits of health end an inner
episode; the 1 is paid for every step, the one of the fall included. HalfCheetah: this project.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import mujoco
import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.base import BASE
from ma_ssm_env.variations.multiplied import LIMIT, exponent, powers
from ma_ssm_env.variations.running import running
from ma_ssm_env.variations.variation import Array, Coordinate, Variation, uniform_draw

BASES = {"body_mass": 1.5, "body_inertia": 1.5, "geom_friction": 1.5, "dof_damping": 1.3}


def rand_params(body: Body, stock: Variation = BASE, limit: float = LIMIT) -> Variation:
    """A factor for every element of `body`, paid as `stock` pays, exponents in [-limit, limit]."""
    model = body.load()
    fields = tuple(BASES)
    masks = {name: _matters(model, name) for name in fields}
    coordinates = tuple(
        coordinate for name in fields for coordinate in _coordinates(model, name, masks[name], limit)
    )
    return dataclasses.replace(
        stock,
        name="RandParams",
        coordinates=coordinates,
        draw=uniform_draw,
        fields=fields,
        factors=partial(_factors, masks),
        source="VariBAD: rand_param_envs",
    )


def _factors(masks: Mapping[str, NDArray[np.bool_]], active: Array) -> Mapping[str, Array]:
    values, start = {}, 0
    for name, mask in masks.items():
        count = int(mask.sum())
        values[name] = np.ones(mask.shape)
        values[name][mask] = powers(BASES[name], active[start : start + count])
        start += count
    return values


def _matters(model: mujoco.MjModel, name: str) -> NDArray[np.bool_]:
    """Which elements of a field can change how the body moves, shaped as the field."""
    matters: NDArray[np.bool_] = getattr(model, name) != 0
    if name == "geom_friction":
        matters &= _frictions(model)
    if name == "body_inertia":
        matters &= _inertias(model)
    return matters


def _frictions(model: mujoco.MjModel) -> NDArray[np.bool_]:
    # A contact has the larger condim of its geoms: from 3 on it slides, from 4 on it twists, at 6 it rolls.
    types, affinities, links = model.geom_contype, model.geom_conaffinity, model.geom_bodyid
    meets = (types[:, None] & affinities) | (types & affinities[:, None])
    meets = (meets != 0) & (links[:, None] != links)
    condim = np.maximum(model.geom_condim[:, None], model.geom_condim)
    largest = np.where(meets, condim, 0).max(1)
    acts: NDArray[np.bool_] = largest[:, None] >= np.array([3, 4, 6])
    return acts


def _inertias(model: mujoco.MjModel) -> NDArray[np.bool_]:
    # A link turns about the axes of the joints that carry it; a free or ball joint turns it about all three.
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    turns = np.zeros((model.nbody, 3), dtype=bool)
    for body in range(1, model.nbody):
        axes = data.ximat[body].reshape(3, 3)
        link = body
        while link:
            first = model.body_jntadr[link]
            for joint in range(first, first + model.body_jntnum[link]):
                if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE:
                    turns[body] |= np.abs(data.xaxis[joint] @ axes) > 1e-6
                elif model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_SLIDE:
                    turns[body] = True
            link = model.body_parentid[link]
    return turns


def _coordinates(
    model: mujoco.MjModel, field: str, mask: NDArray[np.bool_], limit: float
) -> list[Coordinate]:
    owner = {"body": model.body, "geom": model.geom, "dof": lambda i: model.joint(model.dof_jntid[i])}
    kind, _, what = field.partition("_")
    names = []
    for row, *column in np.argwhere(mask):
        element = owner[kind](int(row)).name or f"{kind} {row}"
        names.append(" ".join([what, *map(str, column), "of", element]))
    return [exponent(name, BASES[field], limit, outside=False) for name in names]


VARIBAD_RUNNING = running(control=1e-3, survive=1.0)
