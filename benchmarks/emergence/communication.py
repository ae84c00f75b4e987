"""What is heard on each channel and whether it pays: influence, and listening to messages of elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.influence import channel_influence
from benchmarks.emergence.play import CHANNELS, SENDERS, Played, Team
from benchmarks.metrics import communication, influence
from benchmarks.metrics.finding import Finding
from benchmarks.metrics.nulls import holm

Array = NDArray[np.float64]


def of_messages(
    team: Team, tasks: Array, played: Mapping[str, Played], config: AnalysisConfig, rng: np.random.Generator
) -> tuple[dict[str, Any], list[Finding]]:
    """Influence of each channel, judged with what it pays, and listening to all of them.

    Args:
        team: who plays.
        tasks: hidden tasks that influence is measured on [N, k].
        played: the conditions of the ladder, as `benchmarks.emergence.returns.ladder` gives them.
        config: how much is played.
        rng: of the nulls and intervals.

    Returns:
        For the record: `graph`, an edge a channel, and `ahead`, influence some steps later; the findings.
    """
    edges, ahead = channel_influence(
        team,
        tasks,
        config.message_trials,
        rng,
        every=config.every,
        ahead=config.ahead,
        num_threads=config.num_threads,
    )
    own = played["team"].returns[0]
    listening = {
        channel: communication.listening(
            f"{channel[0]} by {channel[1]}",
            own,
            played[f"{channel[0]} > {channel[1]}"].returns[0],
            rng,
            whose="another task",
        )
        for channel in CHANNELS
    }
    adjusted = dict(zip(CHANNELS, holm([listening[c].p or 0.0 for c in CHANNELS]), strict=True))
    heard = []
    for channel in CHANNELS:
        field, receiver = channel
        if field == "received_belief":
            heard.append(influence.belief_finding(receiver, *edges[channel], adjusted[channel], rng))
        else:
            word = field.removeprefix("last_")
            heard.append(influence.post_finding(word, receiver, edges[channel][0], adjusted[channel], rng))
    to_all = [
        communication.listening("all messages", own, played[name].returns[0], rng, whose=whose)
        for name, whose in (("other task", "another task"), ("other trial", "another trial of the task"))
    ]
    graph = [
        {
            "field": field,
            "sender": SENDERS[field],
            "receiver": receiver,
            "nats": finding.value,
            "pays": listening[field, receiver].value,
            "pays_p": adjusted[field, receiver],
            "verdict": finding.verdict,
        }
        for (field, receiver), finding in zip(CHANNELS, heard, strict=True)
    ]
    return {"graph": graph, "ahead": ahead}, [*heard, *to_all]
