"""What training leaves in a folder, so that no command writes over what another one left there.

Plain training and meta-training share the names of checkpoint and metrics; the file of the state that a run
goes on from tells which of them a folder belongs to.
"""

from __future__ import annotations

import os
from pathlib import Path

METRICS = "metrics.jsonl"
TRAINING_STATE = "training.json"  # of `policies.train`
META_STATE = "state.safetensors"  # of `policies.maml`
_COMMANDS = {TRAINING_STATE: "policies.train", META_STATE: "policies.maml"}
# States first: a run that was moved by half is not taken up.
_OF_A_RUN = (*_COMMANDS, "training-*.safetensors", "checkpoint.json", "weights-*.safetensors", METRICS)


def another_run(directory: str | os.PathLike[str], state: str) -> str | None:
    """What a folder holds of a run that cannot go on from the file `state`, in words; None: nothing.

    Args:
        directory: the folder; it need not be there.
        state: name of the state's file, `TRAINING_STATE` or `META_STATE`.
    """
    folder = Path(directory)
    for other, command in _COMMANDS.items():
        if other != state and (folder / other).exists():
            return f"a run of python -m {command} ({other})"
    found = [path.name for pattern in _OF_A_RUN for path in sorted(folder.glob(pattern))]
    return f"a run without a training state ({found[0]})" if found and state not in found else None


def set_aside(directory: str | os.PathLike[str]) -> Path | None:
    """Move what a run left in a folder into a new folder `before-<n>` in it; None where there is nothing."""
    folder = Path(directory)
    found = [path for pattern in _OF_A_RUN for path in sorted(folder.glob(pattern))]
    if not found:
        return None
    number = 1
    while (aside := folder / f"before-{number}").exists():
        number += 1
    aside.mkdir()
    for path in found:
        path.rename(aside / path.name)
    return aside
