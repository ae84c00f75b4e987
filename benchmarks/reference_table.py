"""The table of the reference values: random acting, a blind agent, agents that are shown the task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.judged_return import judged_return


def reference_table(path: Path) -> str:
    """Markdown of `references.json`, a line a scenario; returns are those that a run is judged by."""
    table: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "| scenario | random | blind | oracle | what was tried: return (seeds; steps) "
        "| still gained in the last quarter |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for scenario, entry in table.items():
        oracle = entry["oracle"]
        tried = sorted(oracle["tried"].items(), key=lambda item: -_judged(scenario, item[1]))
        gained = oracle["tried"][oracle["method"]]["last_quarter"]
        blind = f"{_judged(scenario, entry['blind']):.0f}"
        if "per_seed" in entry["blind"]:
            blind += f" (trained; {_seeds(entry['blind'])})"
        cells = [
            f"`{scenario}`",
            f"{_judged(scenario, entry['random']):.0f}",
            blind,
            f"**{_judged(scenario, oracle):.1f}**",
            ", ".join(
                f"`{method}` {_judged(scenario, found):.1f} ({_seeds(found)}; {found['budget']:,})"
                for method, found in tried
            ),
            "-" if gained is None else f"{gained:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _judged(scenario: str, entry: Mapping[str, Any]) -> float:
    return float(judged_return(scenario, entry["returns"]))


def _seeds(found: Mapping[str, Any]) -> str:
    return str(len(found["per_seed"]))
