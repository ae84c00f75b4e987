"""The methods: what each is called, which part it plays in the comparison, and how it is drawn everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["reference", "single", "oracle", "team", "muted"]
Dash = Literal["solid", "dashed", "dashdot", "dotted"]


@dataclass(frozen=True)
class Method:
    """A method in the report.

    Attributes:
        name: Its name in the records.
        label: What a reader sees.
        kind: `single` and `team` are compared; `oracle` is shown the task; `muted` is the team's control;
            `reference` does not learn.
        light: Colour on a light page.
        dark: Colour on a dark page.
        marker: Matplotlib marker.
        dash: Line style, which tells methods apart in print as well.
    """

    name: str
    label: str
    kind: Kind
    light: str
    dark: str
    marker: str
    dash: Dash = "solid"

    @property
    def css(self) -> str:
        """The CSS colour: a variable, so that it follows the reader's colour scheme."""
        return f"var(--{self.variable})"

    @property
    def variable(self) -> str:
        """Name of the CSS variable."""
        return "m-" + "".join(c if c.isalnum() else "-" for c in self.name)


TEAM = "team-s5"
MUTED = "team-s5-muted"

# After Okabe and Ito's palette, which colour-blind readers can tell apart; darker on light pages.
_KNOWN = (
    Method(TEAM, "five-role team, S5, learned messages", "team", "#0067a8", "#5bb0f0", "o"),
    Method(MUTED, "the same team, belief muted", "muted", "#3f93c4", "#a3d3f5", "o", "dashed"),
    Method("mono-s5", "one agent, S5 memory", "single", "#c75300", "#ff9a57", "s"),
    Method("mono-mlp", "one agent, no memory", "single", "#b0578d", "#e79cc7", "s", "dashed"),
    Method("sb3-ppo", "SB3 PPO, one agent", "single", "#008a64", "#3ccfa0", "^"),
    Method(
        "sb3-ppo-oracle", "SB3 PPO that is shown the task", "oracle", "#a37700", "#eac54f", "D", "dashdot"
    ),
    Method("random", "random actions", "reference", "#7d7d7d", "#a2a2a2", "v", "dotted"),
    Method("zero", "zero torque", "reference", "#5f6f86", "#b3c0d4", "P", "dotted"),
)
_SPARE = (
    ("#6a4fb3", "#b7a3ff"),
    ("#8a5a2b", "#d9a979"),
    ("#0d8a93", "#5cd3dc"),
    ("#b3364a", "#ff8d9d"),
    ("#5b7a12", "#b4d455"),
    ("#4b5bb5", "#a0adff"),
)
_SPARE_MARKERS = ("X", "*", "p", "h", "<", ">")


def methods_by_name(names: Iterable[str]) -> dict[str, Method]:
    """The methods of a page. An unknown name is its own label and has a spare colour, the same everywhere."""
    wanted = set(names)
    known = {method.name: method for method in _KNOWN}
    unknown = sorted(wanted - set(known))
    for number, name in enumerate(unknown):
        light, dark = _SPARE[number % len(_SPARE)]
        turn = number // len(_SPARE) + number
        known[name] = Method(
            name, name, _kind(name), light, dark, _SPARE_MARKERS[turn % len(_SPARE_MARKERS)],
            ("solid", "dashed", "dashdot", "dotted")[(number // len(_SPARE)) % 4],
        )  # fmt: skip
    return {name: known[name] for name in sorted(wanted)}


def _kind(name: str) -> Kind:
    if name.startswith("oracle") or "-oracle" in name:
        return "oracle"
    if "muted" in name:
        return "muted"
    return "team" if name.startswith("team") else "single"
