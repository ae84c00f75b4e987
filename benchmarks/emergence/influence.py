"""Plays a team beside counterfactual messages: influence of every channel, now and some steps ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.emergence.play import CHANNELS, Condition, Match, Team
from benchmarks.metrics import influence
from ma_ssm_env import Policy
from ma_ssm_env.evaluation import EVALUATION_SEED
from policies.role_network import NetworkPolicy

Array = NDArray[np.float64]
RESOLUTION = 0.1  # deviation of the actions of roles that have no distribution of their own
FOLLOWED = 6  # messages of the pool that are followed ahead


def channel_influence(
    team: Team,
    tasks: Array,
    trials: int,
    rng: np.random.Generator,
    *,
    every: int = 5,
    ahead: int = 10,
    seed: int = EVALUATION_SEED,
    num_threads: int = 1,
) -> tuple[dict[tuple[str, str], tuple[Array, Array]], dict[str, Any]]:
    """Influence of each channel per task, by the pool and by noise alone; and of the belief k steps ahead.

    Args:
        team: who plays.
        tasks: hidden tasks [N, k].
        trials: trials of each, the pool of messages.
        rng: of the samples of the KL.
        every: steps between those at which influence is measured.
        ahead: steps that a counterfactual belief is followed, from three moments of the trial.
        seed: of the first world.
        num_threads: physics threads.

    Returns:
        (field, listener) -> influence by the pool [N] and by fresh channel noise [N] (0 where there is none);
        listener -> nats at 0 to `ahead` steps after a belief was replaced.
    """
    N, J = len(tasks), trials
    match = Match(team, tasks, J, [Condition()], seed=seed, num_threads=num_threads)
    options = match.env.options
    length = options.episodes_per_trial * options.horizon
    anchors = {length // 4, length // 2, 3 * length // 4}
    pools: dict[tuple[str, str], list[Array]] = {channel: [] for channel in CHANNELS}
    noises: dict[tuple[str, str], list[Array]] = {channel: [] for channel in CHANNELS}
    later: list[dict[str, Array]] = []

    def per_task(values: Array) -> Array:
        return np.asarray(values.reshape(N, J).mean(1))

    for t in range(length):
        if t and t % every == 0:
            for field, role in CHANNELS:
                messages = match.observations[role][:, match.fields[role][field]]
                pools[field, role].append(per_task(_moved(match, role, field, _pool(messages, N, J), rng)))
                if field == "received_belief":
                    noise = _pool(match.posted("noise"), N, J)
                    again = [match.through_channel(match.posted("belief"), eps) for eps in noise]
                    silent = match.silent("state_modeling")
                    fresh = [np.where(silent[:, None], np.float32(0.0), message) for message in again]
                    noises[field, role].append(per_task(_moved(match, role, field, fresh, rng)))
        if t in anchors:
            later.append(_followed(match, N, J, ahead, rng))
        match.step(match.act())
    edges = {
        channel: (
            np.mean(pools[channel], axis=0),
            np.mean(noises[channel], axis=0) if noises[channel] else np.zeros(N),
        )
        for channel in CHANNELS
    }
    followed = {
        role: np.mean([each[role] for each in later], axis=0).tolist() for role in later[0]
    }  # role -> nats at k = 0..ahead
    return edges, followed


def _pool(
    messages: NDArray[np.float32], N: int, J: int, most: int | None = None
) -> list[NDArray[np.float32]]:
    """The messages of all trials of the task in turn, the own first: J arrays [N J, d]."""
    by_task = messages.reshape(N, J, -1)
    return [np.roll(by_task, -j, axis=1).reshape(N * J, -1) for j in range(min(J, most or J))]


def _moved(
    match: Match, role: str, field: str, messages: Sequence[NDArray[np.float32]], rng: np.random.Generator
) -> Array:
    """Influence on a role of the first of these messages [N J]."""
    if role not in match.team.players:
        return np.zeros(match.count)
    means, std = [], np.zeros(0)
    for message in messages:
        observation = match.observations[role].copy()
        observation[:, match.fields[role][field]] = message
        mean, std = distribution(match.team.players[role], observation, match.memories[role])
        means.append(mean)
    return influence.influence(np.stack(means), std, rng)


def distribution(policy: Policy, observation: NDArray[np.float32], memory: Any) -> tuple[Array, Array]:
    """Mean [B, A] and deviation [A] of a policy's actions: a network's, else its action and a resolution."""
    if isinstance(policy, NetworkPolicy):
        with torch.no_grad():
            starts = torch.zeros(len(observation))
            mean, _, _ = policy.network.step(torch.from_numpy(observation), starts, memory)
        return mean.numpy().astype(np.float64), deviation(policy, mean.shape[1])
    # The same generator in each call: a scripted role's own noise is no answer to the message.
    action, _ = policy.act(observation, memory, np.random.default_rng(0))
    return np.asarray(action, dtype=np.float64), deviation(policy, action.shape[1])


def deviation(policy: Policy | None, size: int) -> Array:
    """Standard deviation [A] of a policy's actions: a network's own, else a resolution."""
    if isinstance(policy, NetworkPolicy):
        return torch.exp(policy.network.log_std).detach().numpy().astype(np.float64)
    return np.full(size, RESOLUTION)


def _followed(match: Match, N: int, J: int, ahead: int, rng: np.random.Generator) -> dict[str, Array]:
    """Influence of one belief on each listener k steps later, simulator, memories and noise as they were."""
    listeners = [r for f, r in CHANNELS if f == "received_belief" and r in match.team.players]
    start = match.clone()
    received = {r: match.observations[r][:, match.fields[r]["received_belief"]].copy() for r in listeners}
    means: dict[str, list[list[Array]]] = {r: [] for r in listeners}
    deviations: dict[str, Array] = {}
    for j in range(min(J, FOLLOWED)):
        match.restore(start)
        for r in listeners:
            match.observations[r][:, match.fields[r]["received_belief"]] = _pool(received[r], N, J)[j]
            means[r].append([])
        for _ in range(ahead + 1):
            for r in listeners:
                mean, deviations[r] = distribution(
                    match.team.players[r], match.observations[r], match.memories[r]
                )
                means[r][j].append(mean)
            match.step(match.act())
    match.restore(start)
    return {r: influence.influence(np.array(means[r]), deviations[r], rng).mean(-1) for r in listeners}
