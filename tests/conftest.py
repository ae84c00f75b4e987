"""What tests in several folders need."""

from collections.abc import Iterator

import gymnasium as gym
import pytest
from pettingzoo.env_registry import registration

from ma_ssm_env import SCENARIOS, Scenario


@pytest.fixture
def table() -> Iterator[dict[str, Scenario]]:
    """The table of scenarios; it and the registries are as they were once the test is over."""
    kept = [SCENARIOS, gym.registry, registration.parallel_registry, registration.aec_registry]
    before = [dict(each) for each in kept]
    yield SCENARIOS
    for each, old in zip(kept, before, strict=True):
        each.clear()
        each.update(old)
