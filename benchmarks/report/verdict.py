"""The answer, in sentences that are generated from the numbers; `limits.py` has what they do not show."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report.comparison import muted_of, team_of
from benchmarks.report.numbers import decimal, listed, p_value, span, steps
from benchmarks.report.study import Difference, Study
from benchmarks.report.summary import best_single, score_difference

QUESTION = (
    "One body, one hidden task: is it controlled better by one agent, or by a team of five communicating "
    "specialists "
    "\N{EN DASH} and where results differ, is it coordination?"
)
NAMED_SCENARIOS = 3  # in the answer; more are counted


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Attributes:
        answer: One sentence, with its interval.
        messages: What muting the belief says, and does not say.
        main: The team minus the best single agent; None where they have no score in common.
        control: The team minus itself muted; None likewise.
    """

    answer: str
    messages: str
    main: Difference | None
    control: Difference | None

    @property
    def contrasts(self) -> tuple[Difference, ...]:
        """The differences behind the two sentences, for drawing."""
        return tuple(difference for difference in (self.main, self.control) if difference)


def verdict(study: Study) -> Verdict:
    """The team against the best single agent, and against itself muted."""
    team = team_of(study)
    opponent = best_single(study, team)
    main = score_difference(study, team, opponent) if opponent else None
    control = score_difference(study, team, muted_of(study, team))
    answer = _answer(main) if main else _no_answer(study)
    return Verdict(answer, _messages(control), main, control)


def _answer(main: Difference) -> str:
    gap = main.interval
    opponent = f"the best single agent ({main.second.label})"
    numbers = f"difference in normalised score {decimal(gap.estimate, signed=True, places=2)}"
    if main.fewest_runs < 2:
        contest = f"{_where(main)} one seed does not decide between the team and {opponent}"
        return f"{contest}: {numbers}, and with one seed there is no interval."
    numbers += f", 95% interval {span(gap, signed=True, places=2)}, {p_value(main.p_value)}"
    numbers += f", from {main.fewest_runs} seeds"
    if not main.decided:
        return f"{_where(main)} the data do not decide between the team and {opponent}: {numbers}."
    side = "better" if gap.estimate > 0 else "worse"
    return f"{_where(main)} the five-role team did {side} than {opponent}: {numbers}."


def _messages(control: Difference | None) -> str:
    if control is None:
        return (
            "There is no team with its belief muted to compare with, so nothing is said about communication."
        )
    gap = control.interval
    if not control.decided:
        one = control.fewest_runs < 2
        ends = "one seed, no interval" if one else f"95% interval {span(gap, signed=True, places=2)}"
        why = "one seed does not decide it" if one else "the interval includes zero"
        return (
            "Whether the team uses its messages is open: against the same team with its belief muted its "
            "score differs "
            f"by {decimal(gap.estimate, signed=True, places=2)}, {ends}; {why}."
        )
    amount, size = decimal(abs(gap.estimate), places=2), sorted((abs(gap.low), abs(gap.high)))
    ends = f"95% interval {decimal(size[0], places=2)} to {decimal(size[1], places=2)}"
    if gap.estimate < 0:
        return f"The messages did harm: muted, the same team scores {amount} more ({ends})."
    return (
        f"The messages are used: with its belief muted the same team scores {amount} less ({ends}). "
        "That shows that information flows, not that the roles coordinate: being told the task is enough "
        "for it."
    )


def _no_answer(study: Study) -> str:
    names = {m.method.name for s in study.scenarios for m in s.methods if m.runs}
    team = team_of(study)
    if team not in names:
        return "No answer: there is no finished run of a team to compare."
    if not any(m.method.kind == "single" and m.runs for s in study.scenarios for m in s.methods):
        return "No answer: there is no finished run of a single agent to compare the team with."
    if not any(s.reference for s in study.scenarios):
        return f"No answer: no scores: no reference values ({study.scenarios[0].problem})."
    return "No answer: the team and a single agent have no scored scenario in common."


def _where(difference: Difference) -> str:
    budget = listed([steps(s) for s in difference.steps])
    names = difference.scenarios
    where = listed(names) if len(names) <= NAMED_SCENARIOS else f"{len(names)} scenarios"
    return f"After {budget} control steps on {where},"
