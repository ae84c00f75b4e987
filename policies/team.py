"""The learner's network: an actor for each role that learns, and one critic for their shared reward.

The critic is privileged by default: it reads `state()`, the active task included, together with the
features of every actor (state alone is biased for policies with memory: Baisero and Amato 2022). Without
the privilege it reads the roles' own observations instead, through a core of its own. It never enters an
actor.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ma_ssm_env.roles import ACTING_ROLES
from policies.cores import CoreConfig, make_core
from policies.curriculum_learner import ProposalNetwork
from policies.forecast import MAX_HORIZON
from policies.game import AGENT, Game
from policies.normaliser import Normaliser
from policies.parameter_sharing import SharedActor
from policies.ranges import check_count
from policies.role_network import HeadConfig, RoleNetwork, linear
from policies.task_inference import TASK, told, told_size

SENDER = "state_modeling"
PROPOSER = "meta_learning"
MODULATORS = ("adaptation", "coordinator")  # of what the proposer does
BELIEF = "received_belief"


@dataclass(frozen=True)
class NetworkConfig:
    """What a team's, or a single agent's, networks are made of.

    Attributes:
        core: core of every actor.
        head: action head of every actor, but for those below.
        modulator_head: head of adaptation and coordinator beside a meta_learning that learns: they change
            what it proposes, and their noise reaches the body on top of its own, so they start quietly.
        sender_head: head of state_modeling where gradients flow through the channel: its messages are not
            explored, so they start full-sized and almost without noise; and they are squashed, as the
            straight-through clip would let them grow without end (they reached 180 within 300k steps).
        critic_width: hidden width of the critic.
        privileged_critic: the critic reads `state()`; else the roles' own observations.
        role_cores: cores of roles that have another one than `core`.
        shared: all roles share one actor (module `parameter_sharing`).
        forecast_horizon: steps that state_modeling, or the single agent, forecasts its sensors for, beside
            its actions (module `forecast`); 0: none, 10 at most.
        infer_task: state_modeling, or the single agent, is taught in training to tell the hidden task from
            its features (module `task_inference`); needs the privileged critic's state.
        proposer_width: hidden width of the environment role's networks, where it learns.
    """

    core: CoreConfig = field(default_factory=CoreConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    modulator_head: HeadConfig = field(default_factory=lambda: HeadConfig(log_std=-2.0))
    sender_head: HeadConfig = field(default_factory=lambda: HeadConfig(gain=1.0, log_std=-3.0, squash=True))
    critic_width: int = 128
    privileged_critic: bool = True
    role_cores: dict[str, CoreConfig] = field(default_factory=dict)
    shared: bool = False
    forecast_horizon: int = 0
    infer_task: bool = False
    proposer_width: int = 64

    def __post_init__(self) -> None:
        check_count(self, "critic_width", "proposer_width", least=1)
        check_count(self, "forecast_horizon", least=0, most=MAX_HORIZON)
        if self.infer_task and not self.privileged_critic:
            raise ValueError(
                "infer_task=True with privileged_critic=False: the task is read from the state that the "
                "privileged critic reads; set privileged_critic=True"
            )
        for role in self.role_cores:
            if role not in (*ACTING_ROLES, AGENT):
                valid = ", ".join((*ACTING_ROLES, AGENT))
                raise ValueError(f"role_cores: unknown role {role!r}; one of {valid} is expected")
        if self.shared and self.role_cores:
            raise ValueError(
                "shared=True: roles that share one actor have one core; role_cores must be empty"
            )

    def core_of(self, role: str) -> CoreConfig:
        """The core of a role's actor."""
        return self.role_cores.get(role, self.core)


class Critic(nn.Module):
    """V of the shared reward, from the state (or all observations) and the actors' features."""

    def __init__(self, game: Game, config: NetworkConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.privileged = config.privileged_critic
        if self.privileged:
            self.normaliser = Normaliser(game.state_fields)
        else:
            self.normaliser = Normaliser(_joined(game))
        inputs = len(self.normaliser.mean) + sum(config.core_of(role).width for role in game.roles)
        kind = "mlp" if self.privileged else config.core.kind
        self.core = make_core(CoreConfig(kind=kind, width=config.critic_width), inputs, generator)
        self.head = linear(config.critic_width, 1, 1.0, generator)

    def forward(
        self, state: Tensor, features: list[Tensor], starts: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """V [T, B] and the memory after the sequence.

        Args:
            state: what the critic reads beside the features [T, B, S].
            features: of each actor [T, B, D].
            starts: 1 where step t is the first of a trial [T, B].
            memory: before the sequence; none where the core has none [B, M].
        """
        return self.normalised(self.normaliser(state), features, starts, memory)

    def normalised(
        self, state: Tensor, features: list[Tensor], starts: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`forward` of a state [T, B, S] that has been through the normaliser."""
        hidden, memory = self.core(torch.cat([state, *features], dim=-1), starts, memory)
        value: Tensor = self.head(hidden)
        return value.squeeze(-1), memory


class TeamNetwork(nn.Module):
    """Actors by role, the critic, and the environment role's networks where it learns (else None)."""

    def __init__(
        self, game: Game, config: NetworkConfig, differentiable: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.actors = nn.ModuleDict()
        self._wrapped = tuple(c.kind == "wrapped" for c in game.scenario.variation.shown)
        self._task = game.state_fields[TASK]
        if config.infer_task and not self._wrapped:
            raise ValueError(
                f"infer_task=True: {game.scenario.id} has no hidden task to infer; set infer_task=False"
            )
        for role in config.role_cores:
            if (role == AGENT) == game.team:
                players = "the five-role team" if game.team else "one agent"
                valid = ", ".join(ACTING_ROLES) if game.team else AGENT
                raise ValueError(
                    f"role_cores: {role!r} does not play in {players}; one of {valid} is expected"
                )
        shared = SharedActor(game, config.core, config.head.gain, generator) if config.shared else None
        for role in game.roles:
            sends = differentiable and role == SENDER
            head = config.head
            if sends:
                head = config.sender_head
            elif role in MODULATORS and PROPOSER in game.roles:
                head = config.modulator_head
            self.actors[role] = RoleNetwork(
                game.observation_fields[role],
                game.action_fields[role],
                config.core_of(role) if shared is None else shared.core_of(role),
                head,
                generator,
                None if shared is None or sends else shared.head_of(role),
                config.forecast_horizon if role in (SENDER, AGENT) else 0,
                told_size(self._wrapped) if config.infer_task and role in (SENDER, AGENT) else 0,
            )
        self.critic = Critic(game, config, generator)
        self.proposer: ProposalNetwork | None = None
        if game.proposal_fields is not None:
            self.proposer = ProposalNetwork(*game.proposal_fields, config.proposer_width, generator)

    def actor(self, role: str) -> RoleNetwork:
        """The actor of a role."""
        actor = self.actors[role]
        assert isinstance(actor, RoleNetwork)
        return actor

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that have an actor."""
        return tuple(self.actors)

    @property
    def parts(self) -> list[nn.Module]:
        """Modules without common parameters: every actor and the critic, or all actors that share."""
        return [self.actors, self.critic] if self.config.shared else [*self.actors.values(), self.critic]

    def told(self, states: Tensor) -> Tensor:
        """What roles that infer the task should say [..., told], from what the critic reads [..., S]."""
        return told(states[..., self._task], self._wrapped)  # a bounded field, which is never normalised

    def parameter_counts(self) -> dict[str, int]:
        """Trainable numbers in all actors, in the critic, and in the proposer where there is one.

        What a run learns is told by `Training.parameter_counts`: its roles may have other critics.
        """
        proposer = (
            {} if self.proposer is None else {"proposer": sum(p.numel() for p in self.proposer.parameters())}
        )
        return {
            **proposer,
            "actor": sum(p.numel() for p in self.actors.parameters()),
            "critic": sum(p.numel() for p in self.critic.parameters()),
        }


def critic_input(game: Game, state: Tensor, observations: dict[str, Tensor], privileged: bool) -> Tensor:
    """What the critic reads beside the features: [..., S], or all observations side by side."""
    if privileged:
        return state
    return torch.cat([observations[role] for role in game.roles], dim=-1)


def _joined(game: Game) -> dict[str, slice]:
    """Fields of all roles' observations side by side, `<field>/<role>`."""
    joined: dict[str, slice] = {}
    start = 0
    for role in game.roles:
        for name, where in game.observation_fields[role].items():
            # The suffix after "/" tells roles apart; the normaliser looks at the name before it.
            joined[f"{name}/{role}"] = slice(start + where.start, start + where.stop)
        start += max(where.stop for where in game.observation_fields[role].values())
    return joined
