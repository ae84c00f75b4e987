"""The teams that a calibration has judged so far: JSON lines, the first of which says the packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.runner.software import differing, versions
from ma_ssm_env.whole_file import replace_file


class OtherVersionsError(ValueError):
    """The teams there were judged with other packages; the message names the file, them and the remedy."""


def judged_teams(path: Path) -> list[dict[str, Any]]:
    """What a file holds of each team, in order; where there is none, it is begun with the versions of now.

    A calibration does not change its software half way: its p values would be of no software that there is.

    Raises:
        OtherVersionsError: the file is of other packages, or does not say of which.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if not lines:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps({"versions": versions()}) + "\n")
        return []
    head, *teams = (json.loads(line) for line in lines)
    remedy = "move the file away to begin anew, or choose another --out"
    if "versions" not in head:
        raise OtherVersionsError(f"{path}: its versions are not recorded: {remedy}")
    other = differing(head["versions"])
    if other:
        raise OtherVersionsError(f"{path}: kept of a calibration with {other}: {remedy}")
    return teams
