"""Names of scenarios: what Gymnasium's mean, and what is said to a name that means none."""

import pytest

from benchmarks.workflows.names import scenario_of
from ma_ssm_env.scenarios import SCENARIOS


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("PointDir-v0", "PointDir-v0"),
        ("ma_ssm/PointDir-v0", "PointDir-v0"),
        ("HalfCheetah-v5", "HalfCheetah-v0"),
        ("HalfCheetah-v4", "HalfCheetah-v0"),
        ("InvertedPendulum-v5", "InvertedPendulum-v0"),
        (SCENARIOS["AntDir-v0"], "AntDir-v0"),
    ],
)
def test_names_that_are_understood(name, id):
    assert scenario_of(name).id == id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HalfCheetahVel-v5", r"^HalfCheetahVel-v5: unknown scenario; HalfCheetahVel-v0 is meant$"),
        ("HalfCheetah", "HalfCheetah-v0 is meant"),
        ("halfcheetahvel-v0", "HalfCheetahVel-v0 is meant"),
        ("HalfCheetaVel-v0", "did you mean HalfCheetahVel-v0"),
        ("PointDirr-v0", "did you mean PointDir-v0"),
        ("CartPole-v1", "CartPole-v1: unknown scenario"),
        ("", "unknown scenario"),
        (3, "scenario 3: the id of a scenario"),
    ],
)
def test_names_that_are_not_say_what_is_meant(name, message):
    with pytest.raises(ValueError, match=message):
        scenario_of(name)
