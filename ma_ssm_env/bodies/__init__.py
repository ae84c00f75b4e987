"""The bodies, a file each. Adding one is a file beside these and a line of `BODIES`."""

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.bodies.half_cheetah import HALF_CHEETAH
from ma_ssm_env.bodies.point import POINT

BODIES: dict[str, Body] = {body.name: body for body in (POINT, HALF_CHEETAH)}

__all__ = ["BODIES", "Body"]
