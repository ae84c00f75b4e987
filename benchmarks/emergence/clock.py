"""What the parts of an analysis cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Clock:
    """Wall and CPU seconds of each part.

    Attributes:
        parts: name -> `wall_s` and `cpu_s`, in the order in which they ended.

    Args:
        progress: called with the name of each part before it starts.
    """

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self._progress = progress

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is done within, under this name."""
        self._progress(name)
        wall, cpu = time.monotonic(), time.process_time()
        yield
        self.parts[name] = {
            "wall_s": round(time.monotonic() - wall, 2),
            "cpu_s": round(time.process_time() - cpu, 2),
        }
