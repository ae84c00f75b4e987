"""A meta-training that goes on after an interruption, with its history and the CPU time that it took."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.runner.software import versions
from benchmarks.studies.settings import SettingsError, refuse_other_versions
from ma_ssm_env.whole_file import replace_file
from policies.maml.train import MamlConfig, MetaTraining

LOG = "history.json"
KEEP_EVERY = 5  # iterations


def meta_train(config: MamlConfig, folder: Path) -> tuple[MetaTraining, list[list[float]], float]:
    """The trained run, its history, and the CPU seconds that were spent before on what was kept of it.

    The log is written before the state: a kill between the two leaves a log that is longer than the state,
    and it is cut to the iterations that the state has.

    Args:
        config: of the training.
        folder: where its state and its log are kept.

    Raises:
        SettingsError: what is kept there is of another training or other versions, or its log is too short.
    """
    began = time.process_time()
    run = MetaTraining(config)
    log = folder / LOG
    lines = _kept_lines(log, run.iteration) if _restored(run, folder) else []
    earlier_s = lines[-1][-1] if lines else 0.0
    while run.steps < run.config.steps:
        metrics = run.iterate()
        spent_s = earlier_s + time.process_time() - began
        lines.append([run.steps, round(metrics["before"], 2), round(metrics["after"], 2), round(spent_s, 2)])
        if run.iteration % KEEP_EVERY == 0 or run.steps >= run.config.steps:
            replace_file(log, json.dumps({"versions": versions(), "iterations": lines}) + "\n")
            run.save(folder)
    return run, [line[:-1] for line in lines], earlier_s


def _restored(run: MetaTraining, folder: Path) -> bool:
    try:
        return run.restore(folder)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _kept_lines(log: Path, iterations: int) -> list[list[float]]:
    """Lines of the log: steps, return before and after, CPU seconds from the beginning.

    Raises:
        SettingsError: it has fewer lines than the state beside it has iterations, or is of other versions.
    """
    kept = json.loads(log.read_text(encoding="utf-8")) if log.exists() else {"versions": {}, "iterations": []}
    refuse_other_versions(log.parent, kept["versions"])
    lines: list[list[float]] = kept["iterations"]
    if len(lines) < iterations:
        raise SettingsError(
            f"{log}: holds {len(lines)} of the {iterations} iterations of the state beside it, so that "
            "returns and time are not known: move the folder away, or choose another --scratch"
        )
    return lines[:iterations]
