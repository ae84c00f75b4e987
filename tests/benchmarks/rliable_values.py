"""Values of rliable 1.2.0 for tests/benchmarks/test_stats.py; writes rliable_values.json beside this file.

rliable needs pandas below 3, so it has an environment of its own:

    python3 -m venv /tmp/rliable && /tmp/rliable/bin/pip install "rliable==1.2.0" "pandas<3"
    /tmp/rliable/bin/python tests/benchmarks/rliable_values.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rliable import library, metrics

REPS = 20_000


def main():
    rng = np.random.default_rng(5)
    first = np.round(rng.normal(0.7, 0.2, size=(10, 4)), 3)  # [runs, tasks]
    second = np.round(rng.normal(0.5, 0.3, size=(8, 4)), 3)
    taus = np.round(np.linspace(0, 1.2, 13), 3)

    def interval(function, **arrays):
        _, found = library.get_interval_estimates(arrays, function, method="percentile", reps=REPS)
        return np.ravel(found["x"]).tolist()

    profile, bounds = library.create_performance_profile({"x": first}, taus, reps=5000)
    values = {
        "made_by": f"rliable {version('rliable')}, numpy {np.__version__}, {REPS} replicates",
        "first": first.tolist(),
        "second": second.tolist(),
        "taus": taus.tolist(),
        "iqm": float(metrics.aggregate_iqm(first)),
        "optimality_gap": float(metrics.aggregate_optimality_gap(second, gamma=1.0)),
        "probability_of_improvement": float(metrics.probability_of_improvement(first, second)),
        "profile": profile["x"].tolist(),
        "profile_low": bounds["x"][0].tolist(),
        "profile_high": bounds["x"][1].tolist(),
        "iqm_interval_of_one_task": interval(
            lambda scores: np.array([metrics.aggregate_iqm(scores)]), x=first[:, :1]
        ),
        "mean_interval_of_three_runs": interval(
            lambda scores: np.array([metrics.aggregate_mean(scores)]), x=first[:3]
        ),
    }
    _, poi = library.get_interval_estimates(
        {"x": (first, second)}, metrics.probability_of_improvement, method="percentile", reps=2000
    )
    values["probability_interval"] = np.ravel(poi["x"]).tolist()
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
