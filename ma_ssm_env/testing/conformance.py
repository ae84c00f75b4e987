"""All checks of an environment, in one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ma_ssm_env.parallel import parallel_env
from ma_ssm_env.scenarios import SCENARIOS, Scenario, find_scenario
from ma_ssm_env.single_agent import single_agent_env
from ma_ssm_env.team_vector import vector_env
from ma_ssm_env.testing import contract, leaks, reproducible
from ma_ssm_env.testing.subject import Maker, Subject

Check = Callable[[Subject], str | None]
Report = Callable[[str, str, float], None]

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        contract.spaces,
        reproducible.determinism,
        reproducible.seeds,
        contract.splits,
        reproducible.agent_order,
        contract.memory,
        reproducible.global_generator,
        reproducible.pickling,
        reproducible.cloning,
        reproducible.batch_equals_singles,
        reproducible.threads,
        reproducible.streams,
        contract.absent_roles,
        contract.setup_step,
        leaks.no_leak_without_feedback,
        leaks.feedback_by_episodes,
        leaks.feedback_by_steps,
        contract.same_game_as_twin,
        contract.pettingzoo_conformance,
        contract.gymnasium_conformance,
    )
}


def check_env(
    scenario: str | Scenario,
    *,
    horizon: int | None = 8,
    checks: Iterable[str] | None = None,
    seed: int = 0,
    report: Report | None = None,
    make: Maker = parallel_env,
    make_batch: Maker = vector_env,
    make_twin: Maker = single_agent_env,
    **options: Any,
) -> dict[str, str]:
    """Check that the environments of a scenario keep what this package promises.

    Args:
        scenario: the scenario or its id.
        horizon: control steps of an inner episode in the checks; None for the scenario's own, which is slow.
        checks: names out of `CHECKS`; all of them by default.
        seed: seed of the worlds and of the actions.
        report: is called after each check with its name, its result and the seconds that it took.
        make: makes the team from (scenario, **options), as `parallel_env` does; give your own to check a
            wrapper or a subclass.
        make_batch: makes a batch from (scenario, worlds, **options), as `vector_env` does.
        make_twin: makes the twin from (scenario, **options), as `single_agent_env` does.
        options: options of the environments.

    Returns:
        The result of each check: `passed`, or `skipped: ` and why.

    Raises:
        AssertionError: the first check that fails; the message names scenario, check, step and agent.
        ValueError: an unknown scenario, check or option.
    """
    found = find_scenario(scenario)
    names = list(CHECKS) if checks is None else list(checks)
    for name in names:
        if name not in CHECKS:
            raise ValueError(f"check {name!r}: unknown; one of {', '.join(CHECKS)} is expected")
    if horizon is not None:
        options["horizon"] = horizon
    subject = Subject(found, make, make_batch, make_twin, options, seed)
    subject.team().close()  # a bad option is the caller's error, not a failure of a check
    results = {}
    for name in names:
        start = time.perf_counter()
        try:
            why = CHECKS[name](subject)
        except Exception as error:
            if report is not None:
                report(name, "FAILED", time.perf_counter() - start)
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise AssertionError(f"{found.id}: {name}: {said}") from error
        results[name] = "passed" if why is None else f"skipped: {why}"
        if report is not None:
            report(name, results[name], time.perf_counter() - start)
    return results


def check_all(*, horizon: int | None = 8, **options: Any) -> None:
    """`check_env` for every scenario of `SCENARIOS`; goes on past failures, and raises them together.

    Args:
        horizon: control steps of an inner episode; None for each scenario's own, which is slow.
        options: options of the environments.

    Raises:
        AssertionError: a line for each scenario that fails.
    """
    failures = []
    for id in SCENARIOS:
        try:
            check_env(id, horizon=horizon, **options)
        except AssertionError as failure:
            failures.append(str(failure))
    if failures:
        raise AssertionError("\n".join(failures))
