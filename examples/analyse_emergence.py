"""Does a trained team coordinate? Its measures of emergence, read aloud in plain words.

    python examples/analyse_emergence.py runs/example_team      # a checkpoint of a team
    python examples/analyse_emergence.py                        # trains one first

Takes 12 s of CPU time for a team on PointDir-v0, and 35 s more where it trains. `python -m
benchmarks.emergence` makes the same measures, with a record that the report has a section for; this example
asks seven questions and answers each in a sentence or two.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.emergence.analysis import analyse
from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.record import write_record
from benchmarks.emergence.teams import load_team
from ma_ssm_env.roles import ACTING_ROLES
from policies import checkpoint
from policies.config import TrainConfig, tuned
from policies.train import train

SCENARIO = "PointDir-v0"
# Enough for clear answers about a clear team; the defaults of AnalysisConfig play more, for a report.
PLAYED = AnalysisConfig(trials=3, message_tasks=10, message_trials=4, replicates=19, rates=5, num_threads=1)
LEVEL_WORDS = {
    "coordination": "depends on what the messages of this very trial say",
    "association": "is there under other messages as well, so body, clock or task explain it",
    "effect": "matters, whatever the reason",
    "no evidence": "is not shown",
    "not reported": "cannot be judged here",
}
Record = dict[str, Any]


class Findings:
    """The findings of a record, by name."""

    def __init__(self, record: Record) -> None:
        self._all = {f["name"]: f for group in record["findings"].values() for f in group}

    def __call__(self, name: str) -> Record:
        """The finding of that name."""
        finding: Record = self._all[name]
        return finding

    def holds(self, name: str) -> bool:
        """Whether it passed the null that it was held against."""
        return name in self._all and self._all[name]["verdict"] in ("coordination", "effect")


def number(value: float) -> str:
    """A return with one decimal, and no minus before a zero."""
    return f"{round(value, 1) + 0.0:.1f}"


def who_earns_it(record: Record, found: Findings) -> str:
    """Shapley values over all sixteen sub-teams: they add up to what the team earns."""
    shares = record["coalitions"]["neutral"]["shapley"]
    words = []
    for role in sorted(ACTING_ROLES, key=lambda role: -shares[role]):
        shown = found.holds(f"contribution of {role} (neutral)")
        words.append(f"{role} {number(shares[role])}" + ("" if shown else " (not shown to be anything)"))
    total = number(record["returns"]["team"])
    return f"Of the {total} that the team earns in an inner episode: {', '.join(words)}."


def is_the_whole_more(record: Record, found: Findings) -> str:
    """Synergy over the best sub-team, which is chosen on other trials than it is judged on."""
    synergy, together = found("synergy (neutral)"), found("complementarity (neutral)")
    whole = (
        f"Yes: {synergy['value']:.2f} more than its best sub-team."
        if found.holds("synergy (neutral)")
        else "Not shown: some sub-team may do as well."
    )
    if found.holds("complementarity (neutral)"):
        whole += f" {together['value']:.1f} is beyond the sum of what each role adds alone."
    return whole


def who_listens(record: Record, found: Findings) -> str:
    """Channels on which what is said moves the listener, and is worth something to the team."""
    edges = sorted(record["graph"], key=lambda edge: -edge["pays"])
    used = [edge for edge in edges if edge["verdict"] == "coordination"]
    moved = [edge for edge in edges if edge["verdict"] == "association"]
    if not used:
        return "Nobody, as far as can be shown: no channel both moves its listener and pays."
    words = [
        f"{edge['receiver']} listens to {edge['sender']} (another task's words would cost {edge['pays']:.1f})"
        for edge in used
    ]
    rest = f" On {len(moved)} other channels a listener reacts, but nobody gains by it." if moved else ""
    return "; ".join(words) + "." + rest


def what_about(record: Record, found: Findings) -> str:
    """Messages of another task, and of another trial of the same task, in the same worlds."""
    task = found.holds("listening to all messages (of another task)")
    trial = found.holds("listening to all messages (of another trial of the task)")
    if task and trial:
        return "About the task and about the trial: words of either would be worse."
    if task:
        return "About the task; those of another trial of the same task are not shown to be any worse."
    return "About the trial alone." if trial else "About nothing that is shown to earn anything."


def how_much_said(record: Record, found: Findings) -> str:
    """The sweep of the channel's rate."""
    points, own = record["bits"]["points"], record["bits"]["own"]
    sweep = ", ".join(f"{point['bits']:.0f}: {number(point['value'])}" for point in points)
    pays = "more bits earn more" if found.holds("return against bits") else "more bits are not shown to help"
    return f"It sends {own['bits']:.0f} nominal bits a step. Return at other rates: {sweep} ({pays})."


def what_it_tells(record: Record, found: Findings) -> str:
    """Mutual information of the belief with what only its sender can know."""
    parts = []
    for what in ("task", "velocities"):
        name = f"signalling of the hidden {what}"
        try:
            finding = found(name)
        except KeyError:
            return "Not judged: trials end early here."
        shown = finding["verdict"] == "association"
        parts.append(f"the hidden {what}" + (f" ({finding['value']:.2f} nats)" if shown else " not at all"))
    return f"It tells {' and '.join(parts)}. Telling alone proves nothing: somebody has to listen."


def more_than_messages(record: Record, found: Findings) -> str:
    """The information measures, each held against the same team under messages of other trials."""
    words: dict[str, list[str]] = {}
    for finding in record["findings"]["information"]:
        words.setdefault(finding["verdict"], []).append(finding["name"])
    return " ".join(
        f"{' and '.join(names)}: {verdict} ({LEVEL_WORDS[verdict]})." for verdict, names in words.items()
    )


QUESTIONS: dict[str, Callable[[Record, Findings], str]] = {
    "Who earns it?": who_earns_it,
    "Is the whole more than its parts?": is_the_whole_more,
    "Who listens to whom?": who_listens,
    "What are the messages about?": what_about,
    "How much is said?": how_much_said,
    "What could one learn from the belief?": what_it_tells,
    "And what do the information measures say?": more_than_messages,
}


def read_aloud(record: Record) -> str:
    """Every question with its answer."""
    found = Findings(record)
    parts = []
    for question, answer in QUESTIONS.items():
        words = textwrap.fill(answer(record, found), 100, initial_indent="  ", subsequent_indent="  ")
        parts.append(f"{question}\n{words}")
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 where the checkpoint cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", type=Path, help="folder of a trained team; none: train one")
    parser.add_argument("--steps", type=int, default=100_000, help="of that training (100000)")
    parser.add_argument("--out", type=Path, default=Path("runs/analysis"), help="where the record goes")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = given.checkpoint or given.out / "team"
    if given.checkpoint is None:
        print(f"Training a team on {SCENARIO} for {given.steps:,} steps ...", flush=True)
        trained = train(TrainConfig(SCENARIO, team=True, steps=given.steps, ppo=tuned(SCENARIO)))
        checkpoint.save(path, trained.network, trained.config, trained.steps)
    try:
        team, config, steps = load_team(path)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{path}: {config.scenario}, {steps:,} steps of training. Measuring ...\n", flush=True)
    record = analyse(team, PLAYED)
    print(read_aloud(record))
    print("\nThis is one run of one seed. `python -m benchmarks.emergence` compares it with runs that were")
    print("trained without a role, where they are given; docs/emergence.md says when each measure misleads.")
    written = write_record(given.out, {"name": path.resolve().name, "title": path.name, **record})
    print(f"\nAll numbers: {written}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
