"""What the tools find in data whose answer is known: `python -m benchmarks.studies.tools`.

Each row is a data set, what is known of it by calculation, and what the tool said. The tests hold the tools
to the same answers within bounds; here the figures themselves are written down, with the packages and the
host that made each tool's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.runner.software import host, versions, versions_note
from benchmarks.studies.known_answers import (
    ANGLE,
    NOISE,
    RADIUS,
    SINES_UNADAPTED,
    oscillation,
    rotation,
    sines,
    told_once,
)
from benchmarks.workflows.session import write_json
from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.recorded_trials import record
from policies import checkpoint
from policies.config import TrainConfig, tuned
from policies.cores import CoreConfig
from policies.game import Game
from policies.team import NetworkConfig, TeamNetwork
from policies.tools import AdaptationTool, MAMLTool, SSMTool
from policies.train import players, train

OUT = Path("benchmarks/results/tools.json")
TRAINED = 100_000
GAIN, OFFSET = (2.0, 0.5), (0.3, -0.2)
Row = dict[str, str]


def forecasts() -> list[Row]:
    """SSMTool: mean squared errors one step ahead."""
    rng = np.random.default_rng(0)
    rows = []
    variance = NOISE**2 / (1 - RADIUS**2)
    still = 2 * variance * (1 - RADIUS * math.cos(ANGLE))
    phi = (2 * RADIUS * math.cos(ANGLE), -(RADIUS**2))
    gamma = (1 - phi[1]) / (1 + phi[1]) * NOISE**2 / ((1 - phi[1]) ** 2 - phi[0] ** 2)
    first: list[tuple[str, Any, float]] = [
        (
            "a damped rotation of two numbers, 60 sequences of 200 steps",
            [rotation(rng, 200) for _ in range(60)],
            still,
        ),
        (
            "an AR(2) oscillation, 60 sequences of 200 steps",
            [oscillation(rng, 200) for _ in range(60)],
            2 * gamma * (1 - phi[0] / (1 - phi[1])),
        ),
    ]
    for name, data, persistence in first:
        told = SSMTool()(data)
        unit = float(np.mean(told["variance"]))
        error = {kind: values[0] * unit for kind, values in told["error"].items()}
        rows.append(
            {
                "tool": "SSMTool",
                "data": name,
                "known": f"best {NOISE**2:.3f}, persistence {persistence:.3f}",
                "found": f"ssm {error['ssm']:.3f}, linear {error['linear']:.3f}, persistence "
                f"{error['persistence']:.3f}; better: {told['better']}",
            }
        )
    told = SSMTool()(told_once(rng, 120, 40))  # type: ignore[arg-type]
    unit = told["variance"]
    floor = (NOISE**2 / unit[0] + 1 / unit[1]) / 3
    blind = ((1 + NOISE**2) / unit[0] + 1 / unit[1]) / 3
    rows.append(
        {
            "tool": "SSMTool",
            "data": "a sign told once, then a product with it, 120 sequences of 40 steps (variance 1)",
            "known": f"best {floor:.3f}, best linear {blind:.3f}",
            "found": f"ssm {told['error']['ssm'][0]:.3f}, linear {told['error']['linear'][0]:.3f}; better: "
            f"{told['better']}",
        }
    )
    return rows


def adaptation_to_tasks() -> list[Row]:
    """MAMLTool: mean squared errors on new tasks."""
    rng = np.random.default_rng(0)

    told = MAMLTool()(sines(rng, 400, 10), sines(rng, 100, 50))
    x = np.array([[-1.0], [1.0]])
    lines: list[Any] = [
        {part: {"inputs": x, "targets": slope * x} for part in ("support", "query")}
        for slope in (-2.0, -1.0, 1.0, 2.0, -1.5, 0.5, 3.0)
    ]
    exact = MAMLTool(hidden=0, inner_steps=1, inner_rate=0.5, learned_rates=False, iterations=3)
    line = exact(lines[:4], lines[4:])
    return [
        {
            "tool": "MAMLTool",
            "data": "lines through the origin, one step at rate 1/2",
            "known": "0 after it, whatever the prior",
            "found": f"{line['error']['before']:.2f} before, {line['error']['adapted']:.1e} after",
        },
        {
            "tool": "MAMLTool",
            "data": "sines of unknown amplitude and phase, 10 examples, 3 steps",
            "known": f"at least {SINES_UNADAPTED:.3f} without adaptation",
            "found": ", ".join(
                f"{name} {told['error'][name]:.2f} ± {told['standard_error'][name]:.2f}"
                for name in ("before", "adapted", "joint", "joint_adapted")
            ),
        },
    ]


def adaptation_to_sensors() -> list[Row]:
    """AdaptationTool: the gains and offsets of velocities, and none."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        for team in (False, True):
            config = TrainConfig(team=team, network=NetworkConfig(core=CoreConfig(width=16, state_size=8)))
            game = Game(config.scenario, 1, team, {})
            network = TeamNetwork(game, config.network, team, torch.Generator().manual_seed(0))
            checkpoint.save(folder / "old", network, config, 0)
            recorded = record(config.scenario, players(network, deterministic=False), 16, 777)
            agent = "state_modeling_0" if team else "agent"
            seen = misread(recorded.observations[agent], recorded.fields(agent)["velocities"])
            changed = dataclasses.replace(recorded, observations={**recorded.observations, agent: seen})
            who = "a team's state_modeling" if team else "one agent"
            for name, trials, known in (
                ("velocities read at other gains and offsets", changed, f"gains {GAIN}, offsets {OFFSET}"),
                ("the same trials as they were, made to look", recorded, "gains 1, offsets 0, harm 1"),
            ):
                trials.save(folder / "trials.npz")
                tool = AdaptationTool(surprise=3.0 if trials is changed else 0.0)  # it would not even look
                told = tool(str(folder / "old"), str(folder / "trials.npz"))
                sensors = told["sensors"].values()
                gains = ", ".join(f"{sensor['gain']:.3f}" for sensor in sensors)
                offsets = ", ".join(f"{sensor['offset']:.3f}" for sensor in sensors)
                error = told["error"]["new"]
                rows.append(
                    {
                        "tool": "AdaptationTool",
                        "data": f"{who}: {name}",
                        "known": known,
                        "found": f"gains ({gains}), offsets ({offsets}); error {error['before']:.1f} -> "
                        f"{error['after']:.1f}; harm on old trials {told['harm']:.2f}; "
                        + ("adapted" if told["adapted"] else "refused"),
                    }
                )
    return rows


@dataclasses.dataclass(frozen=True)
class Misread:
    """A player whose velocities are read at other gains and offsets."""

    player: Policy
    velocities: slice

    def initial_memory(self, batch: int) -> Any:
        """Memory of the player."""
        return self.player.initial_memory(batch)

    def act(self, observations: Any, memory: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        """Actions of the player, from misread observations."""
        return self.player.act(misread(observations, self.velocities), memory, rng)


def misread(observations: Any, velocities: slice) -> Any:
    """Observations [..., O] as sensors of other gains and offsets would give them."""
    seen = observations.copy()
    seen[..., velocities] = seen[..., velocities] * np.array(GAIN) + np.array(OFFSET)
    return seen


def returns_given_back() -> list[Row]:
    """AdaptationTool: what a trained agent earns with changed sensors, before and after."""
    config = TrainConfig(steps=TRAINED, ppo=tuned("PointDir-v0"))
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        network = train(config).network
        checkpoint.save(folder / "old", network, config, TRAINED)
        where = network.actor("agent").fields["velocities"]

        def earned(network: TeamNetwork, changed: bool) -> float:
            player = players(network)
            assert not isinstance(player, dict)
            found = evaluate(config.scenario, Misread(player, where) if changed else player, trials=5)
            return float(found.returns.mean())

        # As it would be: the agent plays in the changed world, by samples, and what it saw is kept.
        player = players(network, deterministic=False)
        assert not isinstance(player, dict)
        recorded = record(config.scenario, Misread(player, where), 16, 777)
        seen = misread(recorded.observations["agent"], where)
        dataclasses.replace(recorded, observations={"agent": seen}).save(folder / "trials.npz")
        old, trials, new = (str(folder / name) for name in ("old", "trials.npz", "new"))
        told = AdaptationTool()(old, trials, out=new)
        adapted = checkpoint.load(folder / "new")[0] if told["adapted"] else network
        return [
            {
                "tool": "AdaptationTool",
                "data": f"an agent trained for {TRAINED:,} steps plays on with such velocities",
                "known": f"return of an inner episode where they are sound: {earned(network, False):.1f}",
                "found": f"{earned(network, True):.1f} unadapted, {earned(adapted, True):.1f} adapted",
            }
        ]


STUDIES: dict[str, Callable[[], list[Row]]] = {
    "SSMTool": forecasts,
    "MAMLTool": adaptation_to_tasks,
    "AdaptationTool": lambda: adaptation_to_sensors() + returns_given_back(),
}


def table(rows: Sequence[Row]) -> str:
    """Rows as Markdown."""
    lines = ["| tool | data | known | found |", "|---|---|---|---|"]
    lines += [f"| `{row['tool']}` | {row['data']} | {row['known']} | {row['found']} |" for row in rows]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.tools",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("what", nargs="*", help=f"of {', '.join(STUDIES)} (none: all), or: table")
    parser.add_argument("--out", type=Path, default=OUT, help="write the rows as JSON here")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.what if name not in (*STUDIES, "table")]
    if unknown:
        print(f"error: {unknown[0]!r}: one of {', '.join((*STUDIES, 'table'))} is expected", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    known = read(given.out)
    if given.what != ["table"]:
        for name in given.what or STUDIES:
            if name in STUDIES:
                found = STUDIES[name]()
                known = read(given.out)  # now: another process may have written others' rows
                kept = [row for row in known["rows"] if row["tool"] != name]
                rows = sorted(kept + found, key=lambda row: list(STUDIES).index(row["tool"]))
                made = {**known["made"], name: {"host": host(), "versions": versions()}}
                known = {"made": made, "rows": rows}
                write_json(given.out, known)
    print(table(known["rows"]) + versions_note(list(known["made"].values())), end="")
    return 0


def read(path: Path) -> dict[str, Any]:
    """What is there: "rows", and "made", the host and the versions that made those of each tool.

    The first files said both once, for whoever wrote last; that is all that is known of their rows.
    """
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": []}
    if "made" in known:
        return known
    said = {name: known[name] for name in ("host", "versions") if name in known}
    return {"made": {row["tool"]: said for row in known["rows"]}, "rows": known["rows"]}


if __name__ == "__main__":
    exit_with(main)
