"""What the numbers do not show, in sentences that are generated from them."""

from __future__ import annotations

from itertools import pairwise

from benchmarks.report.comparison import price_list, ranking
from benchmarks.report.numbers import listed, named, steps
from benchmarks.report.study import MethodSummary, ScenarioSummary, Study
from benchmarks.report.verdict import Verdict
from benchmarks.stats import iqm_difference
from ma_ssm_env import SCENARIOS

STANDING = (
    "The team senses no more than the single agent and pays for its messages with delay and noise, so the "
    "best possible "
    "team is at most as good as the best possible single agent: a team can win in learning only."
)
# Share of simulated percentile bootstrap intervals that held the truth, by runs (docs/statistics.md).
_BOOTSTRAP = {2: "about 50%", 3: "about 75%", 4: "about 86%", 5: "about 90%"}
ENOUGH_SEEDS = 10
MOST_NAMES = 12  # of methods in a sentence; more are counted, and the tables have them
AS_GOOD_AS = 0.05  # of a score: a control this little above the blind ceiling is where it belongs
MOST_VERSIONS = 3  # that are named
FEW_TASKS = 4  # of a test list: a law that is not known is then taken for finite
OVERSPENT = 1.02  # a budget is met in whole iterations, so a little more is taken by everyone


def limits(study: Study, found: Verdict) -> tuple[str, list[str]]:
    """What the numbers do not show: a leading paragraph and further points.

    The first sentence names the trained methods that have not passed the blind ceiling, if there are any.
    """
    lead = [*_ceilings(study), *_few_seeds(study)]
    if found.main and not found.main.decided:
        lead.append(
            "The interval of the main difference includes zero, or rests on one seed: the ranking may be "
            "luck."
        )
    lead.append(STANDING)
    points = _aggregate_limits(study)
    for scenario in study.scenarios:
        points += [f"{scenario.name}: {note}" for note in _scenario_limits(scenario)]
    points += _mixtures(study)
    if found.main:
        points.append(
            "The single agent was chosen as the best of several on the same data, which favours it slightly."
        )
    points.append("A score says nothing about tasks outside the test list.")
    return " ".join(lead), points


def passed_ceiling(scenario: ScenarioSummary, summary: MethodSummary) -> bool | None:
    """Whether the interval of the judged return is all above the blind ceiling; None where none is known."""
    if scenario.reference is None or scenario.reference.blind is None or summary.judged is None:
        return None
    return summary.judged.low > scenario.reference.judged("blind")


def bounds_from_below(scenario: ScenarioSummary) -> bool:
    """Whether the blind ceiling is what trained agents earned, and not what a law's analysis says is best."""
    return scenario.reference is not None and scenario.reference.blind_is_trained


def _keeps_to_ceiling(scenario: ScenarioSummary, summary: MethodSummary) -> bool:
    """Whether the judged return is no higher than the blind ceiling, which is known, or as good as that."""
    assert scenario.reference is not None
    assert summary.judged is not None
    reference = scenario.reference
    return float(reference.score(summary.judged.estimate)) <= reference.blind_score + AS_GOOD_AS


def _ceilings(study: Study) -> list[str]:
    passed: list[str] = []
    below: list[str] = []
    unknown: list[str] = []
    muted_below: list[str] = []
    muted_above: list[str] = []
    muted_open: list[str] = []  # the mean lies above the ceiling, and the interval holds it
    muted_beyond: list[str] = []  # above a bound of the ceiling, which is no leak
    alone: list[str] = []  # one seed: nothing is known about the next
    shares: list[str] = []  # in place of the names, where those would fill the page
    several = len(study.scenarios) > 1
    for scenario in study.scenarios:
        suffix = f" on {scenario.name}" if several else ""
        before = len(passed), len(below)
        for summary in scenario.methods:
            if not summary.trained or not summary.runs:
                continue
            above = passed_ceiling(scenario, summary)
            name = f"{summary.method.name}{suffix}"
            if above is not None and summary.runs < 2 and summary.method.kind != "muted":
                alone.append(name)
            elif above is None:
                unknown.append(scenario.name)
            elif summary.method.kind == "muted":
                kept = _keeps_to_ceiling(scenario, summary)
                over = muted_beyond if bounds_from_below(scenario) else muted_above
                (over if above else muted_below if kept else muted_open).append(name)
            else:
                (passed if above else below).append(name)
        higher, lower = len(passed) - before[0], len(below) - before[1]
        if lower:
            but = f" (all but {listed(passed[before[0] :])})" if 0 < higher <= MOST_NAMES else ""
            shares.append(f"{lower} of {higher + lower} trained methods{suffix}{but}")
    sentences = []
    bounds = [scenario.name for scenario in study.scenarios if bounds_from_below(scenario)]
    known = "known" if bounds else "possible"
    control = "it is told nothing about the task, so the ceiling is where it belongs"
    if below:
        have = "has" if len(below) == 1 else "have"
        sentences.append(
            f"{listed(below if len(below) <= MOST_NAMES else shares)} {have} not "
            f"passed the blind ceiling, the best return that is {known} without knowing the "
            "task: nothing is shown there about finding the hidden task."
        )
    if muted_below:
        is_ = "is" if len(muted_below) == 1 else "are"
        sentences.append(
            f"{named(muted_below, MOST_NAMES)} {is_} at or below the blind ceiling as expected (or less than "
            f"{AS_GOOD_AS} of a score above it): {control}; that is the control."
        )
    if muted_above:
        sentences.append(
            f"{named(muted_above, MOST_NAMES)} passed the blind ceiling, which the control should not be "
            "able to do: the task leaks "
            "by another way than the belief, or the ceiling is wrong, and nothing is shown about messages "
            "until that is found."
        )
    if muted_beyond:
        sentences.append(
            f"{named(muted_beyond, MOST_NAMES)} passed what an agent that is told nothing earned in "
            "training: whether the control keeps to the ceiling is open, as that is only a lower bound of it."
        )
    if muted_open:
        sentences.append(
            f"Whether {named(muted_open, MOST_NAMES)} keeps to the blind ceiling, as the control should, is "
            "open: the mean over seeds lies above it, and the seeds do not decide."
        )
    if alone:
        they = "it is one seed" if len(alone) == 1 else "they are one seed each"
        sentences.append(f"Whether {named(alone, MOST_NAMES)} passed the blind ceiling is open: {they}.")
    if unknown:
        sentences.append(f"No blind ceiling can be drawn for {listed(tuple(dict.fromkeys(unknown)))}.")
    if passed and not below and not unknown and not alone:
        but = " but the control" if muted_below or muted_open else ""
        sentences.insert(
            0,
            f"Every trained method{but} passed the blind ceiling, the best return that is {known} without "
            "knowing the task.",
        )
    if bounds:
        where = f" on {named(bounds, MOST_NAMES)}" if several else ""
        sentences.append(
            f"The ceiling{where} is what an agent that is told nothing earned in training, a lower bound of "
            "what is possible: passing it does not show that the task was found."
        )
    return sentences


def _few_seeds(study: Study) -> list[str]:
    runs = [m.runs for s in study.scenarios for m in s.methods if m.trained and m.runs]
    if not runs or min(runs) >= ENOUGH_SEEDS:
        return []
    fewest, most = min(runs), max(runs)
    seeds = f"{fewest} seed{'s' if fewest > 1 else ''}" if fewest == most else f"{fewest} to {most} seeds"
    few = f"There {'is' if fewest == most == 1 else 'are'} {seeds} a method; a headline wants {ENOUGH_SEEDS}."
    if fewest == 1:
        return [f"{few} Where there is one, nothing is known about the next seed: no interval is given."]
    known = _BOOTSTRAP.get(fewest, "less than 95%")
    return [
        f"{few} The intervals are Student's t over seeds, which holds the truth as often as it says, and so "
        f"is wide; the percentile bootstrap that papers print would be narrower, and over {fewest} seeds "
        f"holds the truth in {known} of cases instead of 95%."
    ]


def _aggregate_limits(study: Study) -> list[str]:
    points = []
    complete, partial = ranking(study)
    if partial:
        points.append(
            f"Not ranked, because they were not run on every scored scenario: "
            f"{named([entry.method.name for entry in partial], MOST_NAMES)}."
        )
    tested = len(price_list(study)[0])
    if tested > 1:
        points.append(
            f"The price list holds {tested} differences with a 95% interval each: that at least one of them "
            f"misses the truth has a probability of up to {1 - 0.95**tested:.0%}."
        )
    if len(complete) > 1 and min(entry.runs for entry in complete) < ENOUGH_SEEDS:
        points.append(
            "Bands of the performance profiles and intervals of the probability of improvement are "
            "percentile bootstrap over seeds, and too narrow with so few."
        )
    return points


def _scenario_limits(scenario: ScenarioSummary) -> list[str]:
    notes = []
    if scenario.problem:
        notes.append(f"no scores: no reference values: {scenario.problem}.")
    neighbours = [
        (a, b) for a, b in pairwise(scenario.methods) if a.trained and b.trained and a.runs and b.runs
    ]
    undecided = [
        f"{a.method.name} and {b.method.name}"
        for a, b in neighbours
        # The headline's test: the intervals of two may overlap where that of their difference leaves out 0.
        if iqm_difference([a.run_returns], [b.run_returns]).contains(0.0)
    ]
    if undecided:
        which = listed(undecided)
        if len(undecided) > MOST_NAMES:
            which = f"{len(undecided)} of {len(neighbours)} pairs"
        notes.append(f"neighbours in the table whose order is not decided: {which}.")
    censored = [
        f"{m.method.name} ({steps(m.levels[-1].observed)})"
        for m in scenario.methods
        if any(level.censored for level in m.levels)
    ]
    if censored:
        notes.append(
            f"steps to a level are censored for {named(censored, MOST_NAMES)}: the median run never "
            "arrived; how much longer it would need is not known."
        )
    tasks = {m.tasks for m in scenario.methods if m.runs}
    if tasks and is_finite(scenario.name, distinct := min(len(set(t)) for t in tasks)):
        notes.append(
            f"the test list has {distinct} distinct task{'s' if distinct > 1 else ''}: the law is finite, "
            "so training and "
            "test tasks are the same, and nothing is shown about new tasks."
        )
    if len(tasks) > 1:
        notes.append(
            "not all methods were judged on the same task list, so differences are not paired by task."
        )
    budgets = {r.run.budget for m in scenario.methods if m.trained for r in m.records}
    if len(budgets) > 1:
        notes.append(f"budgets differ: {listed([steps(b) for b in sorted(budgets)])} control steps.")
    over = [
        m.method.name
        for m in scenario.methods
        if m.trained and any(r.result.charged_steps > OVERSPENT * r.run.budget for r in m.records)
    ]
    if over:
        notes.append(f"charged more than {OVERSPENT - 1:.0%} over the budget: {named(over, MOST_NAMES)}.")
    sampled = [m.method.name for m in scenario.methods if m.trained and m.runs and m.actions != "mode"]
    if sampled:
        notes.append(f"judged with sampled actions, not the mode: {named(sampled, MOST_NAMES)}.")
    return [*notes, *scenario.notes]


def is_finite(scenario: str, distinct: int) -> bool:
    """Whether a scenario's law has finitely many tasks, which are then trained and tested alike.

    Args:
        scenario: Its id; of one that is not registered here, few distinct tasks are taken for all there are.
        distinct: How many tasks of the test list differ.
    """
    known = SCENARIOS.get(scenario)
    return known.variation.finite if known else distinct <= FEW_TASKS


def _mixtures(study: Study) -> list[str]:
    points = []
    versions: dict[str, set[str]] = {}
    for record in study.records:
        for name, version in (record.versions | {"code of this project": record.run.code}).items():
            versions.setdefault(name, set()).add(version)
    mixed = [
        f"{name} {' / '.join(sorted(found)) if len(found) <= MOST_VERSIONS else f'{len(found)} different'}"
        for name, found in sorted(versions.items())
        if len(found) > 1
    ]
    if mixed:
        points.append(f"Mixed versions: {'; '.join(mixed)}. Differences between methods may come from that.")
    for scenario in study.scenarios:
        measured = scenario.reference.details.get("mujoco") if scenario.reference else None
        others = sorted(
            {r.versions["mujoco"] for m in scenario.methods for r in m.records if "mujoco" in r.versions}
        )
        if measured and others and others != [measured]:
            points.append(
                f"{scenario.name}: the reference values were measured with MuJoCo {measured}, the runs with "
                f"{' / '.join(others)}: scores compare the two."
            )
    hosts = {str(sorted(record.timings.host.items())) for record in study.records}
    if len(hosts) > 1:
        points.append(
            f"The records come from {len(hosts)} different hosts: times and speeds are not comparable."
        )
    return points
