"""Strength: one hidden factor on what every actuator can do; the stock reward.

The task is the exponent x of the factor, 1.5^x with x ~ U(-3, 3), as in the laws of `multiplied`: it
multiplies the gear of every actuator, so that the same torque in [-1, 1] moves the body from 0.3 to 3.4 times
as hard. Outside of the training range: x in [3, 4] and in [-4, -3]. The control cost is that of the torque
that was commanded, whatever it comes to.

Source: motor strength is among what RMA (Kumar et al. 2021) varies from trial to trial; the range here is
that of the other laws.
"""

from __future__ import annotations

from ma_ssm_env.variations.multiplied import multiplied

STRENGTH = multiplied("Strength", ("actuator_gear",), 1.5, "after RMA (Kumar et al. 2021): motor strength")
