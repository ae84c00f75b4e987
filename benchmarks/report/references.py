"""The committed reference values of each scenario: random, blind ceiling, oracle. Never re-estimated here."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judged_return import judged_return
from benchmarks.stats import clearly_apart, normalised_score


@dataclass(frozen=True)
class Reference:
    """Reference returns of a scenario, one for each inner episode.

    Attributes:
        scenario: Its id.
        random: Returns of random acting.
        oracle: Returns of an agent that is shown the task.
        blind: Best returns that are possible without knowing the task; None where it is not known.
        details: Everything else that the table says: how it was measured.
    """

    scenario: str
    random: tuple[float, ...]
    oracle: tuple[float, ...]
    blind: tuple[float, ...] | None
    details: dict[str, Any] = field(hash=False)

    def judged(self, name: str) -> float:
        """The return that a reference is judged by (`judged_return`); NaN where it is not known."""
        returns = getattr(self, name)
        return float(judged_return(self.scenario, returns)) if returns is not None else math.nan

    def score(self, judged: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Normalised score of returns that trials are judged by (`judged_return`)."""
        return normalised_score(judged, self.judged("random"), self.judged("oracle"))

    @property
    def blind_is_trained(self) -> bool:
        """Whether the blind returns were earned in training by agents told nothing: a lower bound."""
        return "per_seed" in (self.details.get("blind") or {})

    @property
    def blind_score(self) -> float:
        """Score of the blind ceiling; NaN where it is not known."""
        return float(self.score(self.judged("blind")))


@dataclass(frozen=True)
class ReferenceTable:
    """All references by scenario id; `problem` says why the table could not be read."""

    scenarios: Mapping[str, Any]
    problem: str | None = None

    def find(self, scenario: str, inner_episodes: int) -> tuple[Reference | None, str | None]:
        """The reference of a scenario, or the reason why there is none to score with."""
        if self.problem is not None:
            return None, self.problem
        entry = self.scenarios.get(scenario)
        if entry is None:
            return None, f"the reference table has no {scenario}"
        try:
            returns = {name: _returns(entry, name, inner_episodes) for name in ("random", "oracle")}
            blind = _returns(entry, "blind", inner_episodes) if entry.get("blind") else None
        except (KeyError, TypeError, ValueError) as error:
            return None, f"the reference table's entry for {scenario} cannot be used: {error}"
        reference = Reference(scenario, blind=blind, details=dict(entry), **returns)
        random, oracle = reference.judged("random"), reference.judged("oracle")
        if not clearly_apart(random, oracle):
            return (
                None,
                f"oracle ({oracle:.4g}) and random ({random:.4g}) are not clearly apart on {scenario}",
            )
        return reference, None


def default_path() -> Path | None:
    """Where the environments' package keeps the table; None where the package is not installed."""
    found = importlib.util.find_spec(
        "ma_ssm_env"
    )  # its folder is enough: the environments need not be imported
    return Path(found.origin).parent / "references.json" if found is not None and found.origin else None


def read_references(path: Path | None) -> ReferenceTable:
    """Read the table; one that cannot be read gives a table with a `problem`, not an error."""
    if path is None:
        return ReferenceTable(
            {}, "the package ma_ssm_env was not found, and the reference table is part of it"
        )
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ReferenceTable({}, f"there is no reference table ({path.name})")
    except (OSError, ValueError) as error:
        return ReferenceTable({}, f"the reference table {path.name} cannot be read: {error}")
    if not isinstance(table, dict):
        return ReferenceTable({}, f"the reference table {path.name} is not a mapping of scenario ids")
    return ReferenceTable(table)


def _returns(entry: Mapping[str, Any], name: str, inner_episodes: int) -> tuple[float, ...]:
    returns = tuple(float(value) for value in entry[name]["returns"])
    if len(returns) != inner_episodes:
        raise ValueError(f"{name} has {len(returns)} inner episodes, the records have {inner_episodes}")
    if not all(math.isfinite(value) for value in returns):
        raise ValueError(f"{name} is not finite")
    return returns
