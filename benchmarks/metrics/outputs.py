"""All measures of information of a team's outputs at once, and their verdicts by counterfactual messages.

The first replicate is the team as it is. In the others every listener receives the messages of other trials
of the same task, drawn for each listener apart, and the channel noise of another trial, the same for all. A
team whose messages say the same whatever the trial, or whose listeners are deaf, has the same law in all
replicates, whatever its policies, its body and the noise that it shares: so the rank of the first among them
is an exact test. It is the only null here that the common body cannot fool.

Surrogates that turn each role's series within its trial (`surrogates`) give the plain null: beyond it alone
a value is an association.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.emergence_psi import emergence
from benchmarks.metrics.finding import LEVEL, Finding, Verdict, message_verdict
from benchmarks.metrics.gaussian_copula import gaussian_entropy
from benchmarks.metrics.information import o_information, s_information
from benchmarks.metrics.nulls import jackknife_interval, rank_p
from benchmarks.metrics.surrogates import circular_shifts
from benchmarks.metrics.transfer_entropy import pooled, transfer_entropy

Array = NDArray[np.float64]
Macro = Callable[[Sequence[Array]], Array]

# Who posts what to whom: (sender, listener), by index of the roles' outputs as they are passed.
CHANNELS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
BATCH = 8  # replicates whose shifts are measured at once
SHIFTED = ("Psi", "Delta")  # reported minus their mean under circular shifts


@dataclass(frozen=True)
class Series:
    """The roles' outputs: state_modeling, meta_learning, adaptation, coordinator.

    Attributes:
        parts: one a role [G, T, N J, d_i].
        macro: V of parts of any leading shape, such as the torque on the body.
        tasks: task of each world [N J].
    """

    parts: Sequence[Array]
    macro: Macro
    tasks: NDArray[np.int64]


def measures(parts: Sequence[Array], macro: Macro) -> dict[str, Array]:
    """O, S, transfer entropy (summed over the channels, and each), Psi, Delta, Gamma of parts [..., T, W, d].

    Pairs of steps never cross a trial's end. Psi and Delta are corrected for redundancy.
    """
    n = len(parts)
    whole = [*parts, macro(parts)]
    samples = [pooled(p[..., :-1, :, :]) for p in whole] + [pooled(p[..., 1:, :, :]) for p in whole]
    entropy = gaussian_entropy(samples)
    caused = emergence(entropy, n)
    moved = {(a, b): transfer_entropy(entropy, (a,), (b,), (n + 1 + b,)) for a, b in CHANNELS if b < n}
    return {
        "O-information": o_information(entropy, n),
        "S-information": s_information(entropy, n),
        "transfer entropy": np.sum(list(moved.values()), axis=0),
        "Psi": caused.psi_corrected,
        "Delta": caused.delta_corrected,
        "Gamma": caused.gamma,
        **{f"transfer entropy {a}>{b}": value for (a, b), value in moved.items()},
    }


def shifted_measures(series: Series, replicates: Sequence[int], shifts: int, seed: int) -> dict[str, Array]:
    """The measures of replicates under circular shifts of each part, V recomputed: [replicates, shifts].

    The shifts are the same in every replicate, so that replicates that are equal stay so.
    """
    drawn = []
    for number, part in enumerate(series.parts):
        shifted = []
        for g in replicates:
            rng = np.random.default_rng([seed, number])
            shifted.append([circular_shifts(part[g], rng) for _ in range(shifts)])
        drawn.append(np.array(shifted))
    return measures(drawn, series.macro)


def findings(
    series: Series, rng: np.random.Generator, *, shifts: int = 39, shifts_each: int = 3
) -> tuple[list[Finding], Mapping[str, Array]]:
    """The six measures with verdicts, and the values of all measures in all replicates [G], after correction.

    Args:
        series: at least 20 replicates, so that a p value can reach 0.05; 40 for O-information, which is
            judged on both sides and is not reported with fewer.
        rng: source of the shifts.
        shifts: surrogates of the plain null; with fewer than 19, or 39 for O-information, nothing is found to
            be an association.
        shifts_each: of each replicate, for the correction of Psi and Delta where replicates are ranked.

    Raises:
        ValueError: fewer than 20 replicates.
    """
    G = len(series.parts[0])
    if G < 20:
        raise ValueError(f"{G} replicates: with fewer than 20 no p value can reach 0.05")
    found = {name: values.copy() for name, values in measures(series.parts, series.macro).items()}
    seed = int(rng.integers(2**62))
    plain = {name: values[0] for name, values in shifted_measures(series, [0], shifts, seed).items()}
    offset = {name: float(plain[name].mean()) for name in SHIFTED}
    reported = {name: float(values[0]) - offset.get(name, 0.0) for name, values in found.items()}
    beside = {name: values - offset.get(name, 0.0) for name, values in plain.items()}
    for start in range(0, G, BATCH):
        some = list(range(start, min(G, start + BATCH)))
        each = shifted_measures(series, some, shifts_each, seed)
        for name in SHIFTED:
            found[name][some] -= each[name].mean(1)
    left_out = []
    for task in np.unique(series.tasks):
        kept = series.tasks != task
        left_out.append(measures([part[0][:, kept] for part in series.parts], series.macro))
    result = []
    for name in ("O-information", "S-information", "transfer entropy", "Psi", "Delta", "Gamma"):
        value, null = reported[name], found[name][1:]
        two_sided = name == "O-information"
        p: float | None = None
        verdict: Verdict = "not reported"
        if (2.0 if two_sided else 1.0) / G <= LEVEL:  # the least that p can be
            p = rank_p(float(found[name][0]), null, two_sided=two_sided)
            verdict = message_verdict(p, rank_p(value, beside[name], two_sided=two_sided))
        without = np.array([float(values[name]) for values in left_out]) - offset.get(name, 0.0)
        low, high = jackknife_interval(value, without)
        result.append(
            Finding(
                name,
                value,
                "nats",
                low,
                high,
                p,
                "messages of other trials of the task, noise shared",
                verdict,
                _words(name, value, float(null.mean()), verdict),
            )
        )
    return result, found


_MEANING = {
    "O-information": "redundancy (above 0) or synergy (below 0) between the roles' outputs",
    "S-information": "all that the roles' outputs share",
    "transfer entropy": "what roles pass on along the channels in a step",
    "Psi": "how far the torque foretells itself beyond the single roles",
    "Delta": "how far the torque foretells a role beyond the single roles",
    "Gamma": "what the torque foretells of a single role",
}


def _words(name: str, value: float, null: float, verdict: str) -> str:
    reading = {
        "coordination": "it depends on the messages being the trial's own: coordination.",
        "association": "it is there under other messages too: an association through body, clock or task.",
        "no evidence": "no evidence of coordination.",
        "not reported": "too few replicates for a verdict on both sides; 39 counterfactual ones are needed.",
    }[verdict]
    return f"{name} ({_MEANING[name]}) is {value:.3f} nats, {null:.3f} under other messages: {reading}"
