"""The table of the study of MAML, made of its records alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner.software import versions_note
from benchmarks.studies.maml_rows import Row, settings
from benchmarks.studies.over_seeds import over_seeds, paired
from benchmarks.studies.settings import read


def maml_table(out: Path, rows: Mapping[str, Row], only: Collection[str] | None = None) -> str:
    """Markdown of the records of rows, a table a scenario; columns: episodes on the task.

    `gain` is the return after as many trials as training gave an inner step, minus that of the same prior
    before any, seed by seed.

    Args:
        out: folder of records.
        rows: of the study, by name.
        only: names of those that are wanted; None: all.

    Raises:
        ValueError: a row that there is not, or a record of other settings than its row's.
    """
    wanted = rows if only is None else only
    for name in wanted:
        if name not in rows:
            raise ValueError(f"row {name!r}: there is none; one of {', '.join(rows)} is expected")
    records: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(out.glob("*-seed*.json")):
        name = path.stem.rpartition("-seed")[0]  # other studies' records lie there too
        if name in wanted:
            records.setdefault(name, []).append(read(path, settings(rows[name])))
    text = []
    for scenario in dict.fromkeys(rows[name].scenario for name in rows if name in records):
        mine = {n: records[n] for n in rows if n in records and rows[n].scenario == scenario}
        lines = [line for name, found in mine.items() for line in _lines(rows[name], found)]
        episodes = sorted({episode for line in lines for episode in line.returns})
        head = ["row", "seeds", "training steps", "CPU-s a seed", "adapts", "acts by"]
        text += [
            f"{scenario}, return of an inner episode after episodes on the test task:\n",
            "| " + " | ".join([*head, *map(str, episodes), "gain"]) + " |",
            "|---|---:|---:|---:|---|---|" + "---:|" * (len(episodes) + 1),
        ]
        for line in lines:
            cells = [over_seeds(line.returns[e]) if e in line.returns else "" for e in episodes]
            text.append("| " + " | ".join([*line.head, *cells, line.gain]) + " |")
        text.append("")
    return "\n".join(text) + versions_note([r for found in records.values() for r in found])


@dataclass(frozen=True)
class _Line:
    """A line of the table.

    Attributes:
        head: its first cells.
        returns: episodes on the test task -> each seed's returns [N].
        gain: the last cell.
    """

    head: list[str]
    returns: dict[int, list[np.ndarray]]
    gain: str


def _lines(row: Row, found: list[dict[str, Any]]) -> list[_Line]:
    first = found[0]
    head = [
        f"`{first['row']}`",
        str(len(found)),
        f"{first['steps']:,}",
        f"{np.mean([record['cpu_s'] for record in found]):.0f}",
    ]
    lines = []
    for key in [key for key in first if key.startswith("curve")]:
        inner = len(first[key][0]["returns"][0])
        # Samples are kept as a mean over the trial: of several inner episodes they have no one place.
        for acts in ("mode", "sample") if inner == 1 else ("mode",):
            returns = {
                point["episodes"] + k: [_returns(record[key][i], acts, k) for record in found]
                for i, point in enumerate(first[key])
                for k in range(inner)
            }
            after = returns.get(row.trials * inner)
            before = [_returns(record["curve"][0], acts, 0) for record in found]
            gain = "" if after is None else paired(after, before)
            lines.append(_Line([*head, key.partition("/")[2] or "all", acts], returns, gain))
    return lines


def _returns(point: dict[str, Any], acts: str, inner_episode: int) -> np.ndarray:
    return np.array(point["sampled"]) if acts == "sample" else np.array(point["returns"])[:, inner_episode]
