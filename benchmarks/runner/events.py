"""What a backend tells the scheduler while it does runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        key: of the run (`record_key`); empty for `idle`.
        kind: `steps`, a run has taken `value` control steps; `finished`, its record is in the store;
            `failed`, it will give none, and `value` says why; `waits`, another process does it, and this one
            waits for that; `idle`, nothing happened for a while.
        value: as `kind` says.
    """

    key: str
    kind: Literal["steps", "finished", "failed", "waits", "idle"]
    value: Any = None
