"""The figures of a scenario, as inline SVG that takes its colours and its font from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchmarks.report import numbers
from benchmarks.report.methods import Method
from benchmarks.report.references import Reference
from benchmarks.report.summary import MethodSummary, ScenarioSummary

# Drawn with these colours, which become CSS in the page, so that one drawing serves light and dark.
_INK, _SOFT, _GRID = "#010203", "#010204", "#010205"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "text.color": _INK,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.use": False,
}
_SIZE = (5.2, 3.5)
_DASHES = {"oracle": (5, 2.5), "blind": (1.5, 2), "random": (6, 2, 1.5, 2)}
_LABELS = {"oracle": "oracle", "blind": "blind ceiling", "random": "random"}


@dataclass(frozen=True)
class Drawing:
    """A figure: its title, what a caption says, a description for those who do not see it, and the SVG."""

    title: str
    caption: str
    description: str
    svg: str


def learning_curves(scenario: ScenarioSummary, prefix: str) -> Drawing | None:
    """Validation return against charged control steps; None where no method has a curve."""
    curves = [(s, *curve) for s in scenario.methods if s.trained and (curve := _common_curve(s)) is not None]
    if not curves:
        return None
    with matplotlib.rc_context(_STYLE):
        figure, axes = _blank()
        for summary, steps, returns in curves:
            method = summary.method
            axes.fill_between(
                steps, returns.min(axis=0), returns.max(axis=0), color=method.light, alpha=0.14, lw=0
            )
            _line(axes, steps, returns.mean(axis=0), method)
        axes.set_xlim(0, max(steps[-1] for _, steps, _ in curves) * 1.015)
        _reference_lines(axes, scenario.reference)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.steps(value) if value else "0"))
        axes.set_xlabel("control steps charged")
        axes.set_ylabel("mean return of an inner episode")
        svg = _svg(figure, prefix + "-learning", [s.method for s, *_ in curves])
    last = "; ".join(f"{s.method.label} {numbers.decimal(float(r.mean(axis=0)[-1]))}" for s, _, r in curves)
    return Drawing(
        "Learning",
        "Return on the validation tasks against all control steps charged. Line: mean over seeds; band: "
        "from the lowest "
        "seed to the highest. Dashed and dotted: reference values.",
        f"Learning curves on {scenario.name}. Last validation return by method: {last}.",
        svg,
    )


def adaptation(scenario: ScenarioSummary, prefix: str) -> Drawing | None:
    """Test return of each inner episode; None where there is only one."""
    summaries = [s for s in scenario.methods if s.runs]
    episodes = scenario.inner_episodes
    if episodes < 2 or not summaries:
        return None
    with matplotlib.rc_context(_STYLE):
        figure, axes = _blank()
        x = np.arange(1, episodes + 1)
        for index, summary in enumerate(summaries):
            method = summary.method
            places = x + 0.36 * (index / max(len(summaries) - 1, 1) - 0.5)
            estimates = np.array([e.estimate for e in summary.episodes])
            lows, highs = (
                np.array([e.low for e in summary.episodes]),
                np.array([e.high for e in summary.episodes]),
            )
            axes.vlines(places, lows, highs, color=method.light, lw=1.6)
            _line(axes, places, estimates, method, width=1.1)
        axes.set_xlim(0.6, episodes + 0.4)
        axes.set_xticks(x)
        _reference_steps(axes, scenario.reference)
        axes.set_xlabel("inner episode of the trial")
        axes.set_ylabel("return")
        svg = _svg(figure, prefix + "-adaptation", [s.method for s in summaries])
    told = "; ".join(
        f"{s.method.label} {' then '.join(numbers.decimal(e.estimate) for e in s.episodes)}"
        for s in summaries
    )
    return Drawing(
        "Adaptation",
        "Return on the test tasks in each inner episode of a trial: the task stays, so whoever found it "
        "out does better in "
        "the next. Bars: 95% bootstrap interval over seeds and tasks; the points are moved sideways to be "
        "told apart.",
        f"Return of each inner episode on {scenario.name}, by method: {told}.",
        svg,
    )


def _blank() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE)
    axes = figure.add_axes((0.125, 0.145, 0.70, 0.82))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}".replace("-", numbers.MINUS)))
    return figure, axes


def _line(
    axes: Axes, x: Sequence[float] | np.ndarray, y: np.ndarray, method: Method, *, width: float = 1.9
) -> None:
    styles = {"solid": "-", "dashed": (0, (4, 2)), "dashdot": (0, (6, 2, 1.5, 2)), "dotted": (0, (1.5, 2))}
    axes.plot(
        x, y, color=method.light, linestyle=styles[method.dash], lw=width, marker=method.marker, ms=4.6,
        mew=0, zorder=3
    )  # fmt: skip


def _common_curve(summary: MethodSummary) -> tuple[list[int], np.ndarray] | None:
    """Mean return over inner episodes at the steps that all seeds share: (steps, [R, steps])."""
    curves = [{p.steps: float(np.mean(p.returns)) for p in r.result.curve} for r in summary.records]
    steps = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    if not steps:
        return None
    returns = np.array([[curve[s] for s in steps] for curve in curves])
    return (steps, returns) if np.isfinite(returns).any() else None


def _reference_lines(axes: Axes, reference: Reference | None) -> None:
    if reference is None:
        return
    levels = {name: reference.mean(name) for name in _LABELS if getattr(reference, name) is not None}
    for name, value in levels.items():
        axes.axhline(value, color=_SOFT, lw=1.1, dashes=_DASHES[name], zorder=2)
    _name_levels(axes, levels)


def _reference_steps(axes: Axes, reference: Reference | None) -> None:
    if reference is None:
        return
    levels = {}
    for name in _LABELS:
        returns = getattr(reference, name)
        if returns is None:
            continue
        for episode, value in enumerate(returns, start=1):
            axes.plot(
                [episode - 0.4, episode + 0.4],
                [value, value],
                color=_SOFT,
                lw=1.1,
                dashes=_DASHES[name],
                zorder=2,
            )
        levels[name] = returns[-1]
    _name_levels(axes, levels)


def _name_levels(axes: Axes, levels: dict[str, float]) -> None:
    """Names right of the axes; levels too close for two lines of text share one."""
    bottom, top = axes.get_ylim()
    groups: list[tuple[float, list[str]]] = []
    for name, value in sorted(levels.items(), key=lambda item: -item[1]):
        if groups and groups[-1][0] - value < 0.055 * len(groups[-1][1]) * (top - bottom):
            groups[-1][1].append(_LABELS[name])
        else:
            groups.append((value, [_LABELS[name]]))
    for value, names in groups:
        axes.annotate(
            "\n".join(names),
            (1.015, value),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=_SOFT,
            linespacing=1.25,
            annotation_clip=False,
        )


def _svg(figure: Figure, prefix: str, methods: Sequence[Method]) -> str:
    """The SVG without its preamble; ids made unique, colours turned into the page's."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": prefix}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = text.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    text = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        r'<svg viewBox="\1" aria-hidden="true" focusable="false">',
        text,
        count=1,
    )
    for colour, css in ((_INK, "currentColor"), (_SOFT, "var(--soft)"), (_GRID, "var(--grid)")):
        text = text.replace(colour, css)
    for method in methods:
        text = text.replace(method.light, method.css)
    return text
