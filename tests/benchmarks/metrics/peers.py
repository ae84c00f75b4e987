"""Writes peers.json: what dit and hoi make of tables and samples, for test_information.py.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install dit==2.3 hoi==0.0.7
    /tmp/peers/bin/python tests/benchmarks/metrics/peers.py

It runs by hand, in an environment of its own: the two are no dependency of this project.
"""

from __future__ import annotations

import itertools
import json
from importlib.metadata import version
from pathlib import Path

import dit
import dit.multivariate as many
import hoi
import numpy as np

LN2 = np.log(2.0)


def tables() -> dict[str, tuple[list[tuple[int, ...]], list[float]]]:
    free = list(itertools.product((0, 1), repeat=3))
    rng = np.random.default_rng(0)
    xor = [(a, b, a ^ b) for a, b in itertools.product((0, 1), repeat=2)]
    parity = [(*bits, sum(bits) % 2) for bits in free]
    giant = [(0, 0, 0, 0), (1, 1, 1, 1)]
    noisy = [(a, b, c) for a, b, c in free]
    weights = [0.225 if c == a ^ b else 0.025 for a, b, c in noisy]
    drawn = list(itertools.product((0, 1, 2), (0, 1), (0, 1), (0, 1)))
    return {
        "xor": (xor, [0.25] * 4),
        "parity": (parity, [0.125] * 8),
        "giant bit": (giant, [0.5, 0.5]),
        "noisy xor": (noisy, weights),
        "random": (drawn, rng.dirichlet(np.ones(len(drawn))).tolist()),
    }


def samples() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    common = rng.standard_normal((120, 1))
    x = rng.standard_normal((120, 3))
    return {
        "redundant": common + 0.7 * rng.standard_normal((120, 4)),
        "synergic": np.column_stack([x[:, :2], x[:, 0] + x[:, 1] + 0.5 * x[:, 2]]),
        "heavy tails": np.exp(1.5 * (0.6 * common + rng.standard_normal((120, 5)))),
    }


def main() -> None:
    result: dict[str, object] = {
        "versions": {name: version(name) for name in ("dit", "hoi", "numpy")},
        "tables": {},
        "samples": {},
    }
    for name, (outcomes, probabilities) in tables().items():
        law = dit.Distribution(["".join(map(str, o)) for o in outcomes], probabilities)
        variables = [[i] for i in range(len(outcomes[0]))]
        result["tables"][name] = {
            "outcomes": outcomes,
            "probabilities": probabilities,
            "dit": {
                "entropy": float(many.entropy(law)) * LN2,
                "o_information": float(many.o_information(law)) * LN2,
                "total_correlation": float(many.total_correlation(law)) * LN2,
                "dual_total_correlation": float(many.dual_total_correlation(law)) * LN2,
                "conditional_information": float(
                    many.coinformation(law, [variables[0], variables[1]], variables[2])
                )
                * LN2,
            },
        }
    for name, x in samples().items():
        n = x.shape[1]
        measures = {
            "o_information": hoi.metrics.Oinfo,
            "s_information": hoi.metrics.Sinfo,
            "total_correlation": hoi.metrics.TC,
        }
        result["samples"][name] = {
            "samples": np.round(x, 6).tolist(),
            "hoi": {
                measure: float(np.ravel(model(np.round(x, 6)).fit(minsize=n, maxsize=n, method="gc"))[0])
                * LN2
                for measure, model in measures.items()
            },
        }
    path = Path(__file__).with_name("peers.json")
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
