"""Speed of scans and cores, against torch's own recurrent layers: `python -m benchmarks.core_speed`.

1. Scans alone, forward and backward, against `nn.GRU` of as many units (inputs as wide as the states).
2. The whole S5 block (norm, maps, scan, gate; no encoder) against `nn.GRU` and `nn.LSTM` of the same width.
3. Every core at its default sizes, encoder included: forward and backward of a sequence, and one step.

CPU milliseconds on one torch thread, float32. All rivals of a table are measured in turn, `--alternations`
times, in an order that alternates; a figure is the median, a ratio the median of the ratios within an
alternation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.runner.software import host, versions
from ma_ssm_env.commands import exit_with
from policies.cores import CORES, CoreConfig, make_core
from policies.scan import complex_diagonal_scan, diagonal_scan, selective_scan

OUT = Path(__file__).parent / "results" / "core_speed.json"
SHAPES = ((128, 64, 64), (256, 128, 64), (512, 64, 128))  # T, B, N
VARIANTS: dict[str, dict[str, Any]] = {
    **{kind: {"kind": kind} for kind in CORES},
    "s5, complex poles": {"kind": "s5", "poles": "complex"},
}
INPUTS = 20  # of a core: about what a role observes
LONGEST = 0.05  # seconds of a measurement: short calls are repeated to fill it

Work = Callable[[], None]


@dataclass(frozen=True)
class Row:
    """One rival at one size.

    Attributes:
        table: "scan", "block", "sequence" or "step".
        size: such as "T128 B64 N64".
        name: of the rival.
        ms: median CPU milliseconds of one call.
        ratios: peer -> [median, lowest, highest] of the peer's time over this one's: above 1, this is faster.
    """

    table: str
    size: str
    name: str
    ms: float
    ratios: dict[str, list[float]]


def measure(rivals: dict[str, Work], alternations: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds a call of every rival, in each alternation."""
    repeats = {}
    for name, work in rivals.items():
        work()  # warm
        began = clock()
        work()
        repeats[name] = max(1, min(200, round(LONGEST / max(clock() - began, 1e-6))))
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(alternations):
        for name in list(rivals)[:: 1 if turn % 2 == 0 else -1]:
            began = clock()
            for _ in range(repeats[name]):
                rivals[name]()
            seconds[name].append((clock() - began) / repeats[name])
    return seconds


def rows_of(table: str, size: str, seconds: dict[str, list[float]], peers: Sequence[str]) -> list[Row]:
    """A row for each rival, with its ratios to the peers."""
    rows = []
    for name, own in seconds.items():
        ratios = {}
        for peer in peers:
            if name not in peers:
                each = [theirs / ours for theirs, ours in zip(seconds[peer], own, strict=True)]
                ratios[peer] = [round(x, 2) for x in (median(each), min(each), max(each))]
        rows.append(Row(table, size, name, round(1e3 * median(own), 4), ratios))
    return rows


def _trained(forward: Callable[[], Tensor], leaves: Sequence[Tensor]) -> Work:
    """Forward and backward, gradients dropped before each."""

    def work() -> None:
        for leaf in leaves:
            leaf.grad = None
        output = forward()
        torch.autograd.backward(output, torch.ones_like(output))

    return work


def scan_rivals(time: int, batch: int, states: int) -> dict[str, Work]:
    """The three scans with P = `states` real numbers of state, and `nn.GRU`."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(time, batch, states, generator=generator, requires_grad=True)
    decay = torch.rand(states, generator=generator, requires_grad=True)
    varying = torch.rand(time, batch, states, generator=generator, requires_grad=True)
    turning = (0.7 * torch.rand(states, generator=generator)).requires_grad_()
    keep, initial = torch.ones(time, batch, 1), torch.zeros(batch, states)
    gru = nn.GRU(states, states)
    return {
        "diagonal": _trained(lambda: diagonal_scan(decay, inputs, keep, initial), [decay, inputs]),
        "complex diagonal": _trained(
            lambda: complex_diagonal_scan(turning, inputs, keep, initial), [turning, inputs]
        ),
        "selective": _trained(lambda: selective_scan(varying, inputs, keep, initial), [varying, inputs]),
        "nn.GRU": _trained(lambda: gru(inputs)[0], [inputs, *gru.parameters()]),
    }


def block_rivals(time: int, batch: int, width: int) -> dict[str, Work]:
    """S5 blocks with as many states as features, and torch's layers, from features to features."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(time, batch, width, generator=generator, requires_grad=True)
    starts = torch.zeros(time, batch)
    rivals: dict[str, Work] = {}
    for name, poles in (("S5 block", "real"), ("S5 block, complex poles", "complex")):
        config = CoreConfig(kind="s5", width=width, state_size=width, poles=poles)  # type: ignore[arg-type]
        core = make_core(config, width, generator)
        core.encoder = _Bare()
        memory = core.initial_memory(batch)
        rivals[name] = _trained(
            lambda core=core, memory=memory: core(inputs, starts, memory)[0],  # type: ignore[misc]
            [inputs, *core.parameters()],
        )
    for peer in (nn.GRU(width, width), nn.LSTM(width, width)):
        rivals[f"nn.{type(peer).__name__}"] = _trained(
            lambda peer=peer: peer(inputs)[0],  # type: ignore[misc]
            [inputs, *peer.parameters()],
        )
    return rivals


class _Bare(nn.Module):
    """In place of an encoder; its tanh stays, a hundredth of a block."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


def core_rivals(time: int, batch: int) -> dict[str, Work]:
    """Every core at its defaults: a sequence forward and backward."""
    generator = torch.Generator().manual_seed(0)
    inputs, starts = torch.randn(time, batch, INPUTS, generator=generator), torch.zeros(time, batch)
    rivals: dict[str, Work] = {}
    for name, fields in VARIANTS.items():
        core = make_core(CoreConfig(**fields), INPUTS, generator)
        memory = core.initial_memory(batch)
        rivals[name] = _trained(
            lambda core=core, memory=memory: core(inputs, starts, memory)[0],  # type: ignore[misc]
            list(core.parameters()),
        )
    return rivals


def step_rivals(batch: int) -> dict[str, Work]:
    """Every core at its defaults: one acting step without gradients."""
    generator = torch.Generator().manual_seed(0)
    inputs, starts = torch.randn(batch, INPUTS, generator=generator), torch.zeros(batch)
    rivals: dict[str, Work] = {}
    for name, fields in VARIANTS.items():
        core = make_core(CoreConfig(**fields), INPUTS, generator)
        memory = core.initial_memory(batch)

        def work(core: Any = core, memory: Tensor = memory) -> None:
            with torch.no_grad():
                core.step(inputs, starts, memory)

        rivals[name] = work
    return rivals


def measure_all(
    shapes: Sequence[tuple[int, int, int]], alternations: int, clock: Callable[[], float] = time.process_time
) -> list[Row]:
    """All tables."""
    rows: list[Row] = []
    for time_, batch, size in shapes:
        label = f"T{time_} B{batch} N{size}"
        rows += rows_of(
            "scan", label, measure(scan_rivals(time_, batch, size), alternations, clock), ["nn.GRU"]
        )
        rows += rows_of(
            "block",
            label,
            measure(block_rivals(time_, batch, size), alternations, clock),
            ["nn.GRU", "nn.LSTM"],
        )
    time_, batch, _ = shapes[0]
    # What PPO gives a core by default: 4 sequences of 100 steps; then the first of the shapes.
    for length, worlds in ((100, 4), (time_, batch)):
        label = f"T{length} B{worlds}"
        rows += rows_of("sequence", label, measure(core_rivals(length, worlds), alternations, clock), ["gru"])
    rows += rows_of("step", f"B{batch}", measure(step_rivals(batch), alternations, clock), ["gru"])
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The tables."""
    titles = {
        "scan": "Scan alone, forward and backward",
        "block": "Block, forward and backward",
        "sequence": "Core at its defaults, forward and backward",
        "step": "Core at its defaults, one step without gradient",
    }
    lines: list[str] = []
    for table in dict.fromkeys(row.table for row in rows):
        chosen = [row for row in rows if row.table == table]
        peers = list(dict.fromkeys(peer for row in chosen for peer in row.ratios))
        if lines:
            lines.append("")
        lines += [
            f"| {titles[table]} | size | ms | " + " | ".join(f"against {peer}" for peer in peers) + " |",
            "|---|---|---:|" + "---:|" * len(peers),
        ]
        for row in chosen:
            cells = [
                "{:.2f}x ({:.2f} to {:.2f})".format(*row.ratios[peer]) if peer in row.ratios else ""
                for peer in peers
            ]
            lines.append(f"| {row.name} | {row.size} | {row.ms:.3g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.core_speed",
        description="Speed of scans and cores against torch's recurrent layers.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--alternations", type=int, default=5, help="times that all are measured in turn")
    parser.add_argument("--out", type=Path, default=OUT, help="write the rows as JSON here")
    given = parser.parse_args(arguments)
    if given.alternations < 1:
        print(f"error: --alternations {given.alternations}: at least 1 is expected", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    rows = measure_all(SHAPES, given.alternations)
    content = {"host": host(), "versions": versions(), "rows": [asdict(row) for row in rows]}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    beside = given.out.with_name(f".{given.out.name}.tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(given.out)
    print(markdown(rows))
    return 0


if __name__ == "__main__":
    exit_with(main)
