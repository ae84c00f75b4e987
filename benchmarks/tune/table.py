"""The table of what tuning gained each method, from `benchmarks/results/tuning/<scenario>.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.runner.software import versions_note
from benchmarks.stats import iqm_difference
from benchmarks.studies.over_seeds import written

RESULTS = Path("benchmarks/results/tuning")
SHORT = {"learning_rate": "lr", "minibatches": "mb"}


def tuning_table(path: Path) -> str:
    """Markdown of a scenario's searches, a line a method."""
    methods: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["methods"]
    lines = [
        "| method | steps of a trial | settings before | return | best of the search | return | fresh seeds "
        "| gained there | CPU s of the search |",
        "|---|---:|---|---:|---|---:|---:|---:|---:|",
    ]
    for name, found in methods.items():
        same = found["best"]["settings"] == found["before"]["settings"]
        confirmed = found.get("confirmed")
        cells = [
            f"`{name}`",
            f"{found['steps']:,}",
            _settings(found["before"]["settings"]),
            _return(found["before"]["value"]),
            f"the same, of {found['trials']}" if same else _settings(found["best"]["settings"]),
            _return(found["best"]["value"]),
            str(len(confirmed["best"])) if confirmed else "-",
            "0" if same else _gain(confirmed),
            f"{found['cpu_s']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    made = [{"versions": of} for found in methods.values() for of in found.get("versions", [{}])]
    return "\n".join(lines) + "\n" + versions_note(made)


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{SHORT.get(name, name)} {value:g}" for name, value in settings.items())


def _return(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.1f}"


def _gain(confirmed: Mapping[str, Any] | None) -> str:
    """Best minus former settings, over fresh seeds, with its interval by Welch."""
    if confirmed is None:
        return "not confirmed"
    best, before = confirmed["best"], confirmed["before"]
    if None in (*best, *before):
        lost = [f"{values.count(None)} of {len(values)}" for values in (best, before)]
        return f"diverged: {lost[0]} of the best, {lost[1]} of the former"
    if len(best) < 2:
        return f"{best[0] - before[0]:.1f} (one seed)"
    return written(iqm_difference([best], [before]))
