"""The methods: what each is called, which part it plays in the comparison, and how it is drawn everywhere.

A look hangs on the name alone, never on which other methods are on the page, so a method has one colour on
every page. The ladder's looks are listed; a name that is not gets one by a digest of itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["reference", "single", "oracle", "team", "muted", "variant"]
Dash = Literal["solid", "dashed", "dashdot", "dotted"]


@dataclass(frozen=True)
class Method:
    """A method in the report.

    Attributes:
        name: Its name in the records.
        label: What a reader sees.
        kind: `single` and `team` are compared; `oracle` is shown the task; `muted` is the team's control;
            `variant` is a team or an agent under other rules, in the price list but never the contestant;
            `reference` does not learn.
        light: Colour on a light page.
        dark: Colour on a dark page.
        marker: Shape of its points: o, s, ^, v, <, >, D, P, X, *, p or h.
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
        """Name of the CSS variable, which is the method's class too."""
        return "m-" + "".join(c if c.isalnum() else "-" for c in self.name)


TEAM = "team-s5"

# After Okabe and Ito's palette, which colour-blind readers can tell apart; darker on light pages.
_KNOWN = (
    Method("team-s5", "five-role team, S5, learned messages", "team", "#0067a8", "#5bb0f0", "o"),
    Method("team-s5-muted", "the same team, belief muted", "muted", "#3f93c4", "#a3d3f5", "o", "dashed"),
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
    ("#92400e", "#f0a868"),
    ("#9d3fa5", "#e394ea"),
)
_MARKERS = ("X", "*", "p", "h", "<", ">", "D", "s", "o", "^")
_DASHES: tuple[Dash, ...] = ("solid", "dashed", "dashdot", "dotted")
# The ladder's other rungs in a fixed order: neighbours here get different colours.
_LADDER = (
    "team-gru", "team-mlp", "mono-gru", "mono-lstm", "mono-mamba", "mono-transformer", "team-lstm",
    "team-mamba", "team-transformer", "sb3-sac", "sb3-recurrent-ppo", "sb3-shared-ppo", "team-s5-full",
    "mono-s5-handicapped", "mono-s5-matched", "mono-mlp-scratchpad", "mono-mlp-oracle", "sb3-td3", "sb3-a2c",
    "sb3-tqc", "sb3-sac-oracle", "sb3-ppo-stack", "team-s5-free", "team-s5-fixed-trust", "team-s5-alp-gmm",
    "team-s5-curriculum", "team-s5-reinforced", "mono-mlp-plain-critic",
    "mono-s5-plain-critic", "team-s5-plain-critic", "mono-mlp-blind",
    "mono-s5-infer-task", "team-s5-infer-task", "mono-s5-blind", "mono-gru-blind",
    "mono-s5conv", "team-s5conv",
)  # fmt: skip

_CORES = {
    "mlp": "no memory",
    "gru": "GRU memory",
    "lstm": "LSTM memory",
    "s5": "S5 memory",
    "s5conv": "S5 memory behind a convolution",
    "mamba": "Mamba memory",
    "transformer": "transformer memory",
}
_ALGORITHMS = {
    "ppo": "PPO",
    "sac": "SAC",
    "td3": "TD3",
    "a2c": "A2C",
    "tqc": "TQC",
    "recurrent": "recurrent",
    "shared": "parameter-shared",
}
_CHANGES = {
    "oracle": "shown the task",
    "muted": "belief muted",
    "full": "every role sees everything",
    "handicapped": "behind the team's channel",
    "scratchpad": "with a scratchpad",
    "matched": "as many parameters as the team",
    "free": "messages cost nothing",
    "fixed-trust": "trust fixed at 1/2",
    "plain-critic": "no privileged critic",
    "blind": "told nothing of the task",
    "without-state-modeling": "trained without state_modeling",
    "without-meta-learning": "trained without meta_learning",
    "without-adaptation": "trained without adaptation",
    "without-coordinator": "trained without the coordinator",
    "curriculum": "learned curriculum",
    "alp-gmm": "tasks chosen by ALP-GMM",
    "reinforced": "messages learned by reward alone",
    "stack": "a stack of past observations",
    "infer-task": "taught in training to tell the task",
}
_OTHER_RULES = {"full", "handicapped", "scratchpad", "free", "trust", "without", "blind", "infer"}


def methods_by_name(names: Iterable[str]) -> dict[str, Method]:
    """The methods of a page, by name."""
    known = {method.name: method for method in _KNOWN}
    return {name: known.get(name) or _unlisted(name) for name in sorted(set(names))}


def _unlisted(name: str) -> Method:
    number = _LADDER.index(name) if name in _LADDER else zlib.crc32(name.encode())
    light, dark = _SPARE[number % len(_SPARE)]
    rest = number // len(_SPARE)
    dash = _DASHES[(number + rest // len(_MARKERS)) % len(_DASHES)]
    return Method(
        name, _label(name), _kind(name), light, dark, _MARKERS[(number + rest) % len(_MARKERS)], dash
    )


def _label(name: str) -> str:
    """A label made of the name's parts; the name itself where a part is not known."""
    family, *parts = name.split("-")
    if family == "sb3":
        algorithm = [_ALGORITHMS[part] for part in parts if part in _ALGORITHMS]
        parts = [part for part in parts if part not in _ALGORITHMS]
        said = [f"SB3 {' '.join(algorithm)}"]
    elif family in ("mono", "team") and parts and parts[0] in _CORES:
        who = "one agent" if family == "mono" else "five-role team"
        said, parts = [f"{who}, {_CORES[parts[0]]}"], parts[1:]
    else:
        return name
    changes = "-".join(parts)
    if changes in _CHANGES:
        return f"{said[0]}, {_CHANGES[changes]}"
    return ", ".join([*said, *(_CHANGES[p] for p in parts)]) if all(p in _CHANGES for p in parts) else name


def _kind(name: str) -> Kind:
    parts = set(name.split("-"))
    if "oracle" in parts:
        return "oracle"
    if "muted" in parts:
        return "muted"
    if parts & _OTHER_RULES:
        return "variant"
    return "team" if name.startswith("team") or "shared" in parts else "single"
