"""The report's section on emergence, from the records in `emergence/*.json` of a results folder.

`python -m benchmarks.emergence CHECKPOINT --out FOLDER` writes them. A record that cannot be read is named
in the section and left out.
"""

# ruff: noqa: E501 - markup reads best with an element a line

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report.emergence_drawings import (
    KIND,
    STYLE,
    bits_curve,
    contributions,
    find,
    graph,
    ladder,
    number,
)

SCHEMA = 1
TITLE = "Is it coordination?"
NEEDED = ("name", "title", "schema", "scenario", "returns", "findings", "graph", "bits", "coalitions", "cost")
INTRO = (
    "Measured on single teams, with a null for each line. <b>Coordination</b> is said only where the effect goes away "
    "when the content of the messages is taken from other trials while body, task and channel noise stay; "
    "<b>association</b> where something is there, but body, clock, task or habit may be its cause, or nobody is shown "
    "to gain by it; <b>effect</b> where returns differ, whatever the reason. Each line is judged at level 0.05 for "
    "itself: of twenty measures of a team that does not coordinate, one will speak up by chance."
)


@dataclass(frozen=True)
class EmergenceSection:
    """The section twice: as an HTML fragment (with its own style) and as Markdown."""

    title: str
    html: str
    markdown: str


def emergence_section(folder: str | Path) -> EmergenceSection | None:
    """The section of a results folder; None where it holds no records of emergence."""
    records, unread = read_records(folder)
    if not records and not unread:
        return None
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in unread)
    body = [f"<style>{STYLE}</style>", f'<p class="intro">{INTRO}</p>', notes]
    if len(records) > 1:
        body.append(_comparison(records))
    body += [_team(record, index, open_=index == 0) for index, record in enumerate(records)]
    plain = INTRO.replace("<b>", "**").replace("</b>", "**")
    text = [f"## {TITLE}", plain, *(f"> {note}" for note in unread)]
    if len(records) > 1:
        text.append(_comparison_markdown(records))
    text += [_team_markdown(record) for record in records]
    return EmergenceSection(TITLE, f'<div class="emergence">{"".join(body)}</div>', "\n\n".join(text))


def read_records(folder: str | Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Records in order of what their teams earn, and what was left out and why."""
    records, unread = [], []
    for path in sorted((Path(folder) / "emergence").glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict):
                raise ValueError("a JSON object is expected")
            if record.get("schema") != SCHEMA:
                raise ValueError(f"schema {record.get('schema')!r}; this code reads {SCHEMA}")
            missing = [name for name in NEEDED if name not in record]
            if missing:
                raise ValueError(f"without {', '.join(missing)}")
        except (OSError, ValueError) as error:
            unread.append(f"{path.name}: left out: {error}; measure that team again")
        else:
            records.append(record)
    return sorted(records, key=lambda r: -r["returns"]["team"]), unread


# -- findings -------------------------------------------------------------------------------------------


LISTENING = "listening to all messages (of another task)"


def lead(record: dict[str, Any]) -> str:
    """The answer in a sentence or two, from the findings."""
    listening, bits = find(record, LISTENING), find(record, "return against bits")
    earned = record["returns"]["team"]
    parts = []
    if listening and listening["verdict"] == "coordination":
        parts.append(
            "Messages are used: with those of another task in their place the return falls by "
            f"{number(listening['value'])} from {number(earned)}."
        )
    else:
        parts.append(f"There is no evidence that messages are of use, at a return of {number(earned)}.")
    heard = [edge["receiver"] for edge in record["graph"] if edge["verdict"] == "coordination"]
    if heard:
        parts.append(f"Listening pays for {_listed(list(dict.fromkeys(heard)))}.")
    if bits and bits["verdict"] == "coordination":
        parts.append("More bits earn more.")
    synergy = find(record, "synergy (neutral)")
    if synergy and synergy["p"] is not None and synergy["p"] <= 0.05:
        parts.append(f"The whole beats its best sub-team by {number(synergy['value'])}.")
    elif synergy:
        parts.append("The whole is not shown to beat its best sub-team.")
    return " ".join(parts)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def later(record: dict[str, Any]) -> str:
    """What a belief that was replaced once does some steps later; empty where nobody is moved."""
    said = []
    for role, nats in record.get("ahead", {}).items():
        step = min(5, len(nats) - 1)
        if nats[0] > 0 and step > 0:
            said.append(f"{role} by {number(nats[0])} nats at once ({number(nats[step])} after {step} steps)")
    return (
        f"A belief that is replaced once moves {_listed(said)}, simulator, memories and noise as they were."
        if said
        else ""
    )


# -- many teams -----------------------------------------------------------------------------------------

_COLUMNS: tuple[tuple[str, str], ...] = (
    ("Messages used", LISTENING),
    ("Return against bits", "return against bits"),
    ("Belief moves meta_learning, nats", "influence of belief on meta_learning"),
    ("Belief tells the task, nats", "signalling of the hidden task"),
    ("Transfer entropy, nats", "transfer entropy"),
    ("Whole beats best part", "synergy (neutral)"),
)


def _comparison(records: Sequence[dict[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("Team", "Return", *(c for c, _ in _COLUMNS)))
    rows = []
    for record in records:
        cells = [f"<td>{number(record['returns']['team'])}</td>"]
        for _, name in _COLUMNS:
            finding = find(record, name)
            if finding is None:
                cells.append('<td class="empty">-</td>')
                continue
            kind = KIND.get(finding["verdict"], "none")
            cells.append(
                f"<td>{number(finding['value'])}<small class='{kind}'>{html.escape(finding['verdict'])}</small></td>"
            )
        rows.append(f"<tr><th>{html.escape(record['title'])}</th>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "<caption>Teams by what they earn; under each value its verdict.</caption></table></div>"
    )


def _comparison_markdown(records: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| team | return | " + " | ".join(name for name, _ in _COLUMNS) + " |",
        "|---|---:|" + "---:|" * len(_COLUMNS),
    ]
    for record in records:
        cells = []
        for _, name in _COLUMNS:
            finding = find(record, name)
            cells.append("-" if finding is None else f"{number(finding['value'])} ({finding['verdict']})")
        lines.append(
            f"| {record['title']} | {number(record['returns']['team'])} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


# -- one team -------------------------------------------------------------------------------------------


def _team(record: dict[str, Any], index: int, *, open_: bool) -> str:
    prefix = f"emergence-{index}"
    figures = [
        _figure(
            "Role contributions",
            contributions(record),
            "Exact Shapley values over the 16 coalitions, "
            "with 95% intervals over tasks. Dark: an absent role acts neutrally; light: its untrained network acts.",
        ),
        _figure(
            "Who listens to whom",
            graph(record, prefix),
            "Width: causal influence of the message on the listener "
            "(nats; of the belief beyond that of channel noise). Coloured: listening pays. Dotted: deaf.",
        ),
        _figure(
            "Return against bits",
            bits_curve(record),
            "The coordinator's rate held at values from 0 to 64 nominal "
            "bits a step; the dot is the rate that the team chooses. Band: 95% intervals over tasks.",
        ),
        _figure(
            "The ladder of ablations",
            ladder(record),
            "Return lost, with 95% intervals over tasks, on the same "
            "worlds and noise. Filled: beyond chance.",
        ),
    ]
    seconds = sum(part["wall_s"] for part in record["cost"].values())
    title = html.escape(record["title"])
    return (
        f"<details{' open' if open_ else ''}><summary>{title}, {html.escape(record['scenario'])}</summary>"
        f'<p class="lead">{html.escape(lead(record))}</p><div class="figures">{"".join(figures)}</div>'
        f"<p>{html.escape(later(record))}</p>{_findings_table(record)}<p class='cost'>Measured in {seconds:.0f} s.</p></details>"
    )


def _figure(title: str, svg: str, caption: str) -> str:
    return f"<figure><figcaption><b>{title}</b>{caption}</figcaption>{svg}</figure>"


def _findings_table(record: dict[str, Any]) -> str:
    rows = []
    for group, found in record["findings"].items():
        rows.append(f'<tr class="group"><th colspan="5">{html.escape(group)}</th></tr>')
        for finding in found:
            kind = KIND.get(finding["verdict"], "none")
            span = "-"
            if finding["low"] is not None and finding["high"] is not None:
                span = f"{number(finding['low'])} to {number(finding['high'])}"
            p = "-" if finding["p"] is None else f"{finding['p']:.3f}"
            rows.append(
                f"<tr><td>{html.escape(finding['words'])}<small>{html.escape(finding['name'])}; null: {html.escape(finding['null'])}; "
                f"{html.escape(finding['unit'])}</small></td><td>{number(finding['value'])}</td><td>{span}</td>"
                f"<td>{p}</td><td class='{kind}'>{html.escape(finding['verdict'])}</td></tr>"
            )
    checks = "; ".join(f"{html.escape(k)}: {number(v)}" for k, v in record.get("checks", {}).items())
    tail = f"<caption>Cross-checks, nats: {checks}.</caption>" if checks else ""
    return (
        '<details class="inner"><summary>Every measure in words</summary><div class="scroll"><table class="words">'
        "<thead><tr><th>What it shows</th><th>Value</th><th>95% interval</th><th>p</th><th>Verdict</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody>{tail}</table></div></details>"
    )


def _team_markdown(record: dict[str, Any]) -> str:
    lines = [f"### {record['title']} ({record['scenario']})", "", lead(record), "", later(record), ""]
    for group, found in record["findings"].items():
        lines.append(f"- **{group}**")
        for finding in found:
            p = "" if finding["p"] is None else f", p = {finding['p']:.3f}"
            lines.append(f"  - {finding['words']} [{finding['verdict']}{p}]")
    return "\n".join(lines)
