"""A record of emergence: one JSON file a team, and the same as lines of text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ma_ssm_env.whole_file import replace_file


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Write a record into `folder/emergence/<name>.json`, whole or not at all; returns its path."""
    path = folder / "emergence" / f"{record['name']}.json"
    text = json.dumps(_rounded(record), separators=(",", ":"), allow_nan=False) + "\n"
    replace_file(path, text)
    return path


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def printed(record: dict[str, Any]) -> str:
    """What the measures say, a line each."""
    lines = [f"{record['title']} on {record['scenario']}: {record['returns']['team']:.2f} per inner episode"]
    for group, found in record["findings"].items():
        lines.append(f"\n{group}")
        for finding in found:
            p = "" if finding["p"] is None else f", p = {finding['p']:.3f}"
            lines.append(f"  [{finding['verdict']}{p}] {finding['words']}")
    seconds = sum(part["wall_s"] for part in record["cost"].values())
    lines.append(f"\nmeasured in {seconds:.0f} s")
    return "\n".join(lines)
