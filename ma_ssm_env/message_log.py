"""What the roles posted and received: subscribe to a game, record its trials, replay and draw them.

    log = MessageLog(env)                # a TeamEnv; or MessageLog(many, world=3) for one world of a batch
    ...                                  # play
    log.trials[0].draw("trial.svg")      # one picture of a trial
    log.trials[0].save("trial.npz")
    for observations, actions in TrialLog.load("trial.npz").replay(): ...

A log only listens: it changes neither the game nor its random streams.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.archive import read_archive, write_archive
from ma_ssm_env.options import TWIN_ONLY, Options
from ma_ssm_env.parallel import TeamEnv
from ma_ssm_env.roles import ROLE_TABLE
from ma_ssm_env.scenarios import SCENARIOS
from ma_ssm_env.team import TeamStep
from ma_ssm_env.team_vector import TeamVectorEnv
from ma_ssm_env.whole_file import replace_file

FORMAT = 1
POSTED = ("belief", "prior", "correction", "trust", "rate")
_ABOUT = ("scenario", "options", "seed", "trial", "task", "complete")  # of a log, beside its fields
_FIELDS = (*POSTED, "received_belief", "torque", "bits", "snr", "channel_noise", "reward", "episode", "step")
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class TrialLog:
    """One trial of one world, step by step.

    Attributes:
        scenario: its id.
        options: the options that it was played with, those of defaults included.
        seed: of the world's random streams.
        trial: number of the trial since the world was seeded, from 0.
        task: the hidden task, in the law's units.
        fields: name -> float32 [T, n]: what was posted (`belief`, `prior`, `correction`, `trust`, `rate`),
            what came of it (`received_belief`, `torque`, `bits`, `snr`, `channel_noise`), `reward` (the plain
            task reward), `episode` and `step` (of the inner episode, from 0).
        complete: the log begins at the trial's first step, so that it can be replayed.
    """

    scenario: str
    options: dict[str, Any]
    seed: int
    trial: int
    task: tuple[float, ...]
    fields: dict[str, Rows]
    complete: bool

    def __len__(self) -> int:
        """Steps in the log."""
        return len(self.fields["step"])

    def actions(self, step: int) -> dict[str, Rows]:
        """What each agent did at a step, agent -> [A]; the environment role's action has no effect there."""
        acted = {}
        for role in ROLE_TABLE.values():
            if role.name in self.options["absent_roles"]:
                continue
            parts = [self.fields[name][step] for name in role.acts if name in POSTED]
            acted[role.agent] = np.concatenate(parts) if parts else np.zeros(len(self.task), np.float32)
        return acted

    def replay(self) -> Iterator[tuple[dict[str, Rows], dict[str, Rows]]]:
        """Play the trial again: what every agent observed and then did, step by step.

        But for the environment role's ledger of earlier trials, which a log of one trial does not have: it is
        empty here.

        Raises:
            ValueError: the log is not complete.
            RuntimeError: the game gives another belief or reward than the log has (another version of MuJoCo,
                another kind of CPU, or other code; or a team under `belief_size`, which a log does not hold).
        """
        if not self.complete:
            raise ValueError(
                f"{self.scenario}: this log begins in mid-trial; only one from the start can be replayed"
            )
        env = TeamEnv(self.scenario, **{**self.options, "task_source": "distribution", "render_mode": None})
        env.reset(seed=self.seed)
        env.game.trials.trial[:] = self.trial - 1  # the streams are addressed by it
        observations, _ = env.reset(options={"task": list(self.task)})
        for step in range(len(self)):
            actions = self.actions(step)
            yield observations, actions
            observations, _, _, _, infos = env.step(actions)
            same = np.array_equal(
                env.game.blackboard.fields["received_belief"][0], self.fields["received_belief"][step]
            )
            reward = np.float32(next(iter(infos.values()))["task_reward"])
            if not same or reward != self.fields["reward"][step, 0]:
                raise RuntimeError(
                    f"{self.scenario}: step {step} goes another way than in the log; replay with the "
                    "versions of "
                    "MuJoCo and ma-ssm-env that made it, on the same kind of CPU"
                )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the log as a NumPy archive, which holds numbers and text and never code."""
        about = {name: getattr(self, name) for name in _ABOUT}
        about["options"] = {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in self.options.items()
        }
        write_archive(path, {"format": FORMAT, **about}, self.fields)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> TrialLog:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no such log, damaged, or of another format.
        """
        try:
            about, fields = read_archive(path)
        except ValueError as error:
            raise ValueError(f"{path}: not a message log: {error}") from None
        format = about.pop("format", None)
        if format != FORMAT:
            raise ValueError(f"{path}: a message log of another format; this code reads format {FORMAT}")
        if {*about} != {*_ABOUT} or not {*_FIELDS} <= {*fields}:
            raise ValueError(f"{path}: not a message log: an archive of something else")
        for name in ("absent_roles", "muted_roles"):
            about["options"][name] = frozenset(about["options"][name])
        return TrialLog(**{**about, "task": tuple(about["task"])}, fields=fields)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write one picture of the trial as SVG: every field over time, inner episodes marked."""
        from ma_ssm_env.message_plot import trial_svg

        replace_file(path, trial_svg(self))


class MessageLog:
    """Listens to one world of a team and records its trials.

    Args:
        env: a `TeamEnv` or a `TeamVectorEnv`.
        world: which world of a batch.
        on_step: called with each step's fields, name -> [n], as it is recorded.

    Attributes:
        trials: the trials that have ended, in order.

    Raises:
        ValueError: a world that is not there, or a scenario that no id stands for, so that a log of it could
            not be read again.
    """

    def __init__(
        self,
        env: TeamEnv | TeamVectorEnv,
        world: int = 0,
        on_step: Callable[[dict[str, Rows]], None] | None = None,
    ) -> None:
        if not 0 <= world < env.game.num_worlds:
            raise ValueError(f"world {world}: this environment has worlds 0 to {env.game.num_worlds - 1}")
        if env.game.scenario.id not in SCENARIOS:
            raise ValueError(
                f"{env.game.scenario.id}: a log needs a scenario of the table, to be read again; "
                "ma_ssm_env.register_scenario adds one of your own"
            )
        self.trials: list[TrialLog] = []
        self._game, self._world, self._on_step = env.game, world, on_step
        self._rows: list[dict[str, Rows]] = []
        self._next: tuple[int, ...] | None = None  # address of the step that goes on with the rows
        self._complete = True
        self._game.listeners.append(self._hear)

    def running(self) -> TrialLog | None:
        """The trial under way, as far as it has come; None before its first step."""
        return self._trial() if self._rows else None

    def close(self) -> None:
        """Listen no longer; closing twice is fine."""
        if self._hear in self._game.listeners:
            self._game.listeners.remove(self._hear)

    def __enter__(self) -> MessageLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _hear(self, step: TeamStep, setup: NDArray[np.bool_] | None) -> None:
        game, world = self._game, self._world
        if setup is not None and setup[world]:
            return  # a task was chosen; nothing was posted
        outcome, board = step.outcome, game.blackboard
        ended, over = bool(outcome.episode_ended[world]), bool(outcome.trial_ended[world])
        seed, trial = int(game.trials.seeds[world]), int(game.trials.trial[world])
        episode, taken = int(game.trials.episode[world]) - int(ended and not over), int(outcome.steps[world])
        if (seed, trial, episode, taken) != self._next:  # reset or restored: another trial, or another place
            self._begin(complete=(episode, taken) == (0, 1))
        values = {
            **{name: post[world] for name, post in board.posted.items()},
            "received_belief": board.fields["received_belief"][world],
            "torque": board.fields["last_torque"][world],
            "bits": board.bits[world],
            "snr": board.snr[world],
            "channel_noise": board.noise[world],
            "reward": outcome.reward[world],
            "episode": episode,
            "step": taken - 1,
        }
        row = {name: np.array(value, dtype=np.float32).reshape(-1) for name, value in values.items()}
        self._rows.append(row)
        self._next = (seed, trial, episode + 1, 1) if ended else (seed, trial, episode, taken + 1)
        if self._on_step is not None:
            self._on_step(row)
        if over:
            self.trials.append(self._trial())
            self._begin(complete=True)

    def _begin(self, *, complete: bool) -> None:
        self._rows, self._next, self._complete = [], None, complete

    def _trial(self) -> TrialLog:
        game, world = self._game, self._world
        return TrialLog(
            scenario=game.scenario.id,
            options=_options(game.options),
            seed=int(game.trials.seeds[world]),
            trial=int(game.trials.trial[world]),
            task=tuple(float(x) for x in game.trials.task[world]),
            fields={name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]},
            complete=self._complete,
        )


def _options(options: Options) -> dict[str, Any]:
    return {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.name not in TWIN_ONLY
    }
