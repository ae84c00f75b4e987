"""The sections of the page, in order: to add one, write a file with a function (Report) -> Fragment | None.

A function that has nothing to show returns None, and the page goes on without it.
"""

from benchmarks.report.fragment import Section
from benchmarks.report.sections.adapting import adapting
from benchmarks.report.sections.answer import answer
from benchmarks.report.sections.cost import cost
from benchmarks.report.sections.curves import curves
from benchmarks.report.sections.emergence import emergence
from benchmarks.report.sections.films import films
from benchmarks.report.sections.game import game
from benchmarks.report.sections.limits import limits
from benchmarks.report.sections.prices import prices
from benchmarks.report.sections.profiles import profiles
from benchmarks.report.sections.scenarios import scenarios
from benchmarks.report.sections.settings import settings
from benchmarks.report.sections.steadiness import steadiness

SECTIONS: tuple[Section, ...] = (
    answer,
    limits,
    curves,
    profiles,
    adapting,
    steadiness,
    prices,
    cost,
    scenarios,
    films,
    emergence,
    game,
    settings,
)

# What is shown of records computed earlier.
EARLIER: tuple[Section, ...] = (answer, limits, scenarios, settings)
