"""What `reset(options=...)` and `set_tasks` ask for, checked: tasks of B worlds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.variations import Variation

RESET_OPTIONS = ("task",)


def task_of_options(options: Mapping[str, Any] | None) -> Any | None:
    """What `reset(options={"task": ...})` gives as the task, unchecked; None where it gives none.

    Raises:
        ValueError: no dict, a misspelt option, or Gymnasium's `reset_mask`.
    """
    if not isinstance(options, Mapping | None):
        raise ValueError(f"reset options {options!r}: a dict such as {{'task': ...}} is expected")
    for name in options or ():
        # Foreign keys pass (conformance tests of others send them), but a misspelt one must not.
        near = difflib.get_close_matches(str(name), RESET_OPTIONS, n=1, cutoff=0.75)
        if near and name not in RESET_OPTIONS:
            raise ValueError(f"reset option {name!r}: unknown; did you mean {near[0]!r}?")
        if name == "reset_mask":  # who gives it counts on worlds that go on
            raise ValueError(
                "reset option 'reset_mask': a batch begins anew as a whole; a world whose trial ends begins "
                "its next one by itself, in the same step"
            )
    return options.get("task") if options else None


def tasks_of_worlds(variation: Variation, tasks: Any, num_worlds: int) -> NDArray[np.float64]:
    """One task for all worlds, or one a world, in the law's units, as [B, k].

    Raises:
        ValueError: another number of tasks, or one that the law does not allow.
    """
    try:
        array = np.asarray(tasks, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"task {tasks!r}: {variation.describe()} expected") from None
    if array.ndim == 2 or (variation.size == 1 and array.ndim == 1 and array.shape != (1,)):
        if len(array) != num_worlds:
            raise ValueError(
                f"{len(array)} tasks for {num_worlds} worlds: one task, or one a world, is expected"
            )
        return np.stack([variation.checked(row) for row in array.tolist()])
    return np.tile(variation.checked(array.tolist()), (num_worlds, 1))
