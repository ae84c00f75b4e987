"""The team that is judged: five roles, what each senses, and the channels between them."""

from __future__ import annotations

from html import escape

from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.roles_drawing import DESCRIPTION, roles_svg

_DUTIES = (
    (
        "Only one role is told anything",
        "state_modeling alone senses velocities and the reward that gives the task away. Whoever acts on the "
        "body must be told, in 8 numbers, over a channel that costs, blurs and delays.",
    ),
    (
        "Two roles act, one weighs",
        "meta_learning proposes a torque that is good on any task, adaptation corrects it, and the "
        "coordinator, without any sensor of its own, sets how far the correction is trusted and how much the "
        "channel carries.",
    ),
    (
        "One role chooses what to learn",
        "environment manages the tasks through a ledger of outcomes. It works between trials, in training "
        "only: tests draw their tasks from fixed lists.",
    ),
    (
        "The single agent has it all",
        "It senses everything without delay and sets the torque itself: by construction the harder opponent.",
    ),
)


def game(report: Report) -> Fragment:
    """The drawing of the roles with its words."""
    duties = "".join(f"<div><dt>{escape(t)}</dt><dd>{_coded(d)}</dd></div>" for t, d in _DUTIES)
    html = f'<div class="game"><figure>{roles_svg()}</figure><dl class="duties">{duties}</dl></div>'
    return Fragment("The team: five roles, one body", "game", html, DESCRIPTION)


def _coded(text: str) -> str:
    """Role names that open a sentence, as code."""
    first, _, rest = text.partition(" ")
    roles = ("state_modeling", "meta_learning", "environment")
    return f"<code>{first}</code> {escape(rest)}" if first in roles else escape(text)
