"""The bodies, a file each. Adding one is a file beside these and a line of `BODIES`."""

from ma_ssm_env.bodies.ant import ANT
from ma_ssm_env.bodies.body import Body
from ma_ssm_env.bodies.half_cheetah import HALF_CHEETAH
from ma_ssm_env.bodies.hopper import HOPPER
from ma_ssm_env.bodies.humanoid import HUMANOID
from ma_ssm_env.bodies.inverted_pendulum import INVERTED_PENDULUM
from ma_ssm_env.bodies.point import POINT
from ma_ssm_env.bodies.swimmer import SWIMMER
from ma_ssm_env.bodies.walker2d import WALKER2D

BODIES: dict[str, Body] = {
    body.name: body
    for body in (
        POINT,
        HALF_CHEETAH,
        ANT,
        HOPPER,
        WALKER2D,
        HUMANOID,
        SWIMMER,
        INVERTED_PENDULUM,
    )
}

__all__ = ["BODIES", "Body"]
