"""Conformance tests, shipped: whoever adds a scenario or wraps an environment can run them.

    from ma_ssm_env.testing import check_env

    check_env("HalfCheetahVel-v0")                        # raises AssertionError where a promise is broken
    check_env("HalfCheetahVel-v0", feedback="episode")    # under options
    check_env("HalfCheetahVel-v0", make=MyTeamEnv)        # a subclass, or a function that wraps the team

On the command line, `python -m ma_ssm_env.testing HalfCheetahVel-v0` prints a line for each check.
"""

from ma_ssm_env.testing.conformance import CHECKS, check_all, check_env

__all__ = ["CHECKS", "check_all", "check_env"]
