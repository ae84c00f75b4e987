"""Drawings of a record of emergence, as inline SVG in the page's colours, and the style that they need."""

# ruff: noqa: E501 - an SVG reads best with an element a line

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

ROLES = ("state_modeling", "meta_learning", "adaptation", "coordinator")
# Class of a verdict in drawings and tables.
KIND = {"coordination": "coord", "effect": "coord", "association": "assoc"}


def find(record: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The finding of that name, None where the record has none."""
    for found in record["findings"].values():
        for finding in found:
            if finding["name"] == name:
                return dict(finding)
    return None


def number(value: float | None) -> str:
    """A number in few digits, with a proper minus sign."""
    if value is None or not math.isfinite(value):
        return "-"
    size = abs(value)
    text = f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"
    text = text if float(text) else text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _axis(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: left + (right - left) * (value - low) / span


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count)
    first = math.ceil(low / step - 1e-9) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def _tick(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}") if abs(value) > 1e-12 else "0"


def _bars(rows: Sequence[tuple[str, list[tuple[float, float, float, bool, str]]]], label: str) -> str:
    """Rows of values with intervals: (name, [(value, low, high, filled, class)])."""
    ends = [0.0] + [end for _, marks in rows for value, low, high, *_ in marks for end in (value, low, high)]
    low, high = min(ends), max(ends)
    pad = 0.04 * ((high - low) or 1.0)
    at = _axis(low - pad, high + pad, 205, 510)
    step = 26 if max((len(marks) for _, marks in rows), default=1) < 2 else 48
    height = step * len(rows) + 30
    parts = [f'<svg viewBox="0 0 520 {height}" role="img" aria-label="{html.escape(label)}">']
    for tick in _ticks(low - pad, high + pad):
        kind = "zero" if abs(tick) < 1e-12 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="4" y2="{height - 24}"/>'
        )
        parts.append(
            f'<text class="soft" x="{at(tick):.1f}" y="{height - 8}" text-anchor="middle">{_tick(tick)}</text>'
        )
    for i, (name, marks) in enumerate(rows):
        y = step / 2 + 4 + step * i
        parts.append(f'<text x="196" y="{y + 4}" text-anchor="end">{html.escape(name)}</text>')
        for k, (value, below, above, filled, kind) in enumerate(marks):
            line = y + (k - (len(marks) - 1) / 2) * 13
            parts.append(
                f'<g class="{kind}"><line class="span" x1="{at(below):.1f}" x2="{at(above):.1f}" y1="{line:.1f}" '
                f'y2="{line:.1f}"/><circle class="{"filled" if filled else "hollow"}" cx="{at(value):.1f}" '
                f'cy="{line:.1f}" r="4"/></g>'
            )
    return "".join(parts) + "</svg>"


def _mark(finding: dict[str, Any], kind: str) -> tuple[float, float, float, bool, str]:
    low = finding["value"] if finding["low"] is None else finding["low"]
    high = finding["value"] if finding["high"] is None else finding["high"]
    return finding["value"], low, high, finding["p"] is not None and finding["p"] <= 0.05, kind


def contributions(record: dict[str, Any]) -> str:
    """Shapley values of the roles with intervals, for both kinds of absence."""
    rows, said = [], []
    for role in ROLES:
        marks = []
        for kind in ("neutral", "frozen"):
            finding = find(record, f"contribution of {role} ({kind})")
            if finding is not None:
                marks.append(_mark(finding, kind))
                if kind == "neutral":
                    said.append(f"{role} {number(finding['value'])}")
        rows.append((role, marks))
    return _bars(rows, "Shapley values: " + ", ".join(said))


def ladder(record: dict[str, Any]) -> str:
    """Losses of the ablations, the largest first."""
    found = sorted(record["findings"].get("ablations", []), key=lambda f: -f["value"])
    said = ", ".join(f"{f['name']} {number(f['value'])}" for f in found)
    return _bars([(_rung(f["name"]), [_mark(f, "neutral")]) for f in found], f"Return lost: {said}")


def _rung(name: str) -> str:
    """A rung's name, as long as there is room for it."""
    return name.replace("retrained without ", "retrained, no ").replace(" within the task", "")


def bits_curve(record: dict[str, Any]) -> str:
    """Return against nominal bits a step, and where the team itself is."""
    points, own = record["bits"]["points"], record["bits"]["own"]
    values = [end for p in points for end in (p["low"], p["high"])] + [own["value"], 0.0]
    x = _axis(0.0, max(p["bits"] for p in points) or 1.0, 50, 505)
    low, high = min(values), max(values)
    pad = 0.05 * ((high - low) or 1.0)
    y = _axis(low - pad, high + pad, 255, 10)
    label = ", ".join(f"{p['bits']:.0f} bits {number(p['value'])}" for p in points)
    parts = [f'<svg viewBox="0 0 520 300" role="img" aria-label="Return at {html.escape(label)}">']
    for tick in _ticks(low - pad, high + pad):
        kind = "zero" if abs(tick) < 1e-12 else "grid"
        parts.append(f'<line class="{kind}" x1="50" x2="505" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(
            f'<text class="soft" x="44" y="{y(tick) + 4:.1f}" text-anchor="end">{_tick(tick)}</text>'
        )
    for tick in _ticks(0.0, max(p["bits"] for p in points) or 1.0, 8):
        parts.append(
            f'<text class="soft" x="{x(tick):.1f}" y="272" text-anchor="middle">{_tick(tick)}</text>'
        )
    band = [f"{x(p['bits']):.1f},{y(p['high']):.1f}" for p in points]
    band += [f"{x(p['bits']):.1f},{y(p['low']):.1f}" for p in reversed(points)]
    line = " ".join(f"{x(p['bits']):.1f},{y(p['value']):.1f}" for p in points)
    parts.append(
        f'<polygon class="band" points="{" ".join(band)}"/><polyline class="curve" points="{line}"/>'
    )
    parts.append(f'<circle class="own" cx="{x(own["bits"]):.1f}" cy="{y(own["value"]):.1f}" r="5"/>')
    parts.append('<text class="soft" x="278" y="294" text-anchor="middle">nominal bits a step</text></svg>')
    return "".join(parts)


_NODES = {
    "state_modeling": (78, 160),
    "meta_learning": (268, 42),
    "adaptation": (268, 278),
    "coordinator": (446, 160),
}


def graph(record: dict[str, Any], prefix: str) -> str:
    """Who listens to whom; `prefix` makes the ids of its arrow heads the page's own."""
    said = ", ".join(
        f"{e['sender']} to {e['receiver']} {number(e['nats'])} nats ({e['verdict']})" for e in record["graph"]
    )
    parts = [f'<svg viewBox="0 0 520 320" role="img" aria-label="{html.escape(said)}"><defs>']
    for kind in ("coord", "assoc"):
        parts.append(
            f'<marker id="{prefix}-{kind}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="11" markerHeight="11" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path class="head {kind}" d="M0 1L9 5L0 9z"/></marker>'
        )
    parts.append("</defs>")
    labels = []
    for edge in record["graph"]:
        (x0, y0), (x1, y1) = _NODES[edge["sender"]], _NODES[edge["receiver"]]
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        start, stop = _edge_of_box(ux, uy), _edge_of_box(-ux, -uy)
        ax, ay = x0 + ux * start, y0 + uy * start
        bx, by = x1 - ux * (stop + 3), y1 - uy * (stop + 3)
        kind = KIND.get(edge["verdict"], "none")
        width = 1.2 + 7.0 * min(1.0, math.sqrt(max(0.0, edge["nats"]) / 1.5)) if kind != "none" else 1.2
        arrow = f' marker-end="url(#{prefix}-{kind})"' if kind != "none" else ""
        parts.append(
            f'<line class="edge {kind}" x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" '
            f'stroke-width="{width:.1f}"{arrow}/>'
        )
        share = 0.34 if edge["sender"] == "state_modeling" and edge["receiver"] == "coordinator" else 0.5
        share = 0.72 if edge["receiver"] == "adaptation" and edge["sender"] == "meta_learning" else share
        mx, my = ax + (bx - ax) * share, ay + (by - ay) * share
        text = f"{number(edge['nats'])}" if edge["nats"] else "deaf"
        labels.append(
            f'<text class="label {kind}" x="{mx:.1f}" y="{my + 4:.1f}" text-anchor="middle">{text}</text>'
        )
    for role, (x, y) in _NODES.items():
        parts.append(f'<rect class="node" x="{x - 66}" y="{y - 19}" width="132" height="38" rx="8"/>')
        parts.append(f'<text class="name" x="{x}" y="{y + 5}" text-anchor="middle">{role}</text>')
    return "".join(parts + labels) + "</svg>"


def _edge_of_box(ux: float, uy: float) -> float:
    """Distance from the middle of a node to its border in a direction."""
    return min(66 / abs(ux) if ux else math.inf, 19 / abs(uy) if uy else math.inf)


STYLE = """
.emergence .lead{font-weight:600;max-width:80ch}
.emergence svg text{font-size:12.5px;fill:var(--ink)}
.emergence svg text.soft{fill:var(--soft)}
.emergence svg .name{font:600 13px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace!important}
.emergence svg .grid{stroke:var(--grid);stroke-width:.7}
.emergence svg .zero{stroke:var(--soft);stroke-width:1.2}
.emergence svg .span{stroke:var(--accent);stroke-width:2}
.emergence svg .filled{fill:var(--accent);stroke:var(--accent)}
.emergence svg .hollow{fill:var(--paper);stroke:var(--accent);stroke-width:1.6}
.emergence svg .frozen{opacity:.45}
.emergence svg .band{fill:var(--accent);opacity:.16}
.emergence svg .curve{fill:none;stroke:var(--accent);stroke-width:2}
.emergence svg .own{fill:var(--ink)}
.emergence svg .node{fill:var(--card);stroke:var(--soft)}
.emergence svg .edge.coord{stroke:var(--accent)}
.emergence svg .edge.assoc{stroke:var(--soft)}
.emergence svg .edge.none{stroke:var(--soft);stroke-dasharray:2 5}
.emergence svg .head.coord{fill:var(--accent)}
.emergence svg .head.assoc{fill:var(--soft)}
.emergence svg .label{paint-order:stroke;stroke:var(--card);stroke-width:5px;font-weight:600}
.emergence svg .label.coord{fill:var(--accent)}
.emergence svg .label.none{fill:var(--soft);font-weight:400}
.emergence .coord{color:var(--accent)}
.emergence small.none,.emergence td.none{color:var(--soft)}
.emergence table.words td:first-child{white-space:normal;text-align:left;min-width:22rem;max-width:60ch}
.emergence tr.group th{padding-top:16px;text-align:left;color:var(--soft);font-weight:600}
.emergence details.inner{margin-top:1rem}
.emergence thead th:first-child{text-align:left!important}
.emergence .cost{color:var(--soft);font-size:.84rem}
"""
