"""The variations, a file each: laws of hidden tasks.

Adding one is a file beside these and a line in `scenarios.py`.
"""

from ma_ssm_env.variations.base import BASE
from ma_ssm_env.variations.dir import DIR
from ma_ssm_env.variations.goal import ANT_GOAL, GOAL
from ma_ssm_env.variations.planar_dir import PLANAR_DIR
from ma_ssm_env.variations.variation import SPLITS, Coordinate, Split, Transition, Variation, Weights
from ma_ssm_env.variations.vel import VEL

__all__ = [
    "ANT_GOAL",
    "BASE",
    "DIR",
    "GOAL",
    "PLANAR_DIR",
    "SPLITS",
    "VEL",
    "Coordinate",
    "Split",
    "Transition",
    "Variation",
    "Weights",
]
