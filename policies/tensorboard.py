"""Metrics for TensorBoard, where it is installed; `metrics.jsonl` holds the same numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

MISSING = "TensorBoard is not installed; pip install tensorboard, or read the same numbers in metrics.jsonl"


def available() -> bool:
    """TensorBoard can be imported."""
    return importlib.util.find_spec("tensorboard") is not None


class Log:
    """An event file in `folder`; events past `steps`, of a run that was killed there, are taken back."""

    def __init__(self, folder: Path, steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # optional, and slow to import

        self._writer = SummaryWriter(str(folder), purge_step=steps + 1)

    def add(self, steps: int, metrics: Mapping[str, float]) -> None:
        """The metrics of an iteration."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, steps)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
