"""Roles with cores of their own, and roles that share one actor."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policies import checkpoint
from policies.config import TrainConfig
from policies.cores import CORES, CoreConfig
from policies.game import Game
from policies.parameter_sharing import RoleCore
from policies.ppo import Ppo, PpoConfig
from policies.role_network import NetworkPolicy
from policies.rollout import Collector
from policies.team import BELIEF, SENDER, NetworkConfig, TeamNetwork
from policies.train import players, train

B = 3
PLAY = {"horizon": 7, "episodes_per_trial": 2}
SMALL = PpoConfig(num_worlds=B, rollout=20, segment=10, minibatches=2, epochs=2)
MIXED = NetworkConfig(
    core=CoreConfig(width=8, state_size=6),
    critic_width=9,
    role_cores={
        "coordinator": CoreConfig(kind="mlp", width=5),
        "adaptation": CoreConfig(kind="gru", width=7),
    },
)


def _shared(core: str = "s5", **settings: Any) -> NetworkConfig:
    return NetworkConfig(
        core=CoreConfig(kind=core, width=8, state_size=6), critic_width=9, shared=True, **settings
    )


def _network(
    config: NetworkConfig, differentiable: bool = True, scenario: str = "PointDir-v0"
) -> TeamNetwork:
    game = Game(scenario, B, True, PLAY)
    return TeamNetwork(game, config, differentiable, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("privileged", [True, False])
def test_roles_differ_in_core_and_width_and_all_learn(privileged: bool, tmp_path: Path) -> None:
    network = NetworkConfig(**{**vars(MIXED), "privileged_critic": privileged})
    config = TrainConfig(team=True, steps=120, network=network, ppo=SMALL, options=PLAY)
    before = {n: p.detach().clone() for n, p in _network(network).named_parameters()}
    trained = train(config).network
    kinds = {r: (type(trained.actor(r).core), trained.actor(r).core.out_features) for r in trained.roles}
    assert kinds == {
        "state_modeling": (CORES["s5"], 8),
        "meta_learning": (CORES["s5"], 8),
        "adaptation": (CORES["gru"], 7),
        "coordinator": (CORES["mlp"], 5),
    }
    assert [n for n, p in trained.named_parameters() if torch.equal(before[n], p)] == []
    checkpoint.save(tmp_path, trained, config, 120)
    again, its_config, _ = checkpoint.load(tmp_path)
    assert its_config == config
    for name, value in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_core_for_an_unknown_role_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"role_cores: unknown role 'referee'; one of state_modeling, .*agent"
    ):
        NetworkConfig(role_cores={"referee": CoreConfig()})
    with pytest.raises(ValueError, match="role_cores must be empty"):
        NetworkConfig(role_cores={"adaptation": CoreConfig()}, shared=True)
    for team, role in ((True, "agent"), (False, "adaptation")):
        config = NetworkConfig(role_cores={role: CoreConfig()})
        with pytest.raises(ValueError, match=f"role_cores: '{role}' does not play in"):
            TeamNetwork(Game("PointDir-v0", 1, team, {}), config, False, torch.Generator())


# -- sharing --------------------------------------------------------------------------------------------


def test_a_shared_core_reads_fields_at_one_place_and_the_role() -> None:
    network = _network(_shared())
    cores = [network.actor(role).core for role in network.roles]
    assert len({id(core.shared) for core in cores if isinstance(core, RoleCore)}) == 1
    heard_at = []
    for number, (role, core) in enumerate(zip(network.roles, cores, strict=True)):
        assert isinstance(core, RoleCore)
        numbers = torch.arange(1.0, core.in_features + 1.0)  # tells the numbers of an observation apart
        fields, indicator = core._spread(numbers[None])[0].split([core.shared.in_features - 4, 4])
        assert indicator.tolist() == [float(i == number) for i in range(4)]
        assert fields[fields != 0].sort().values.tolist() == numbers.tolist()
        if BELIEF in network.actor(role).fields:
            heard = numbers[network.actor(role).fields[BELIEF]]
            heard_at.append([int((fields == value).nonzero()) for value in heard])
    assert len(heard_at) == 3
    assert heard_at[0] == heard_at[1] == heard_at[2]


@pytest.mark.parametrize("core", sorted(CORES))
def test_the_shared_actor_knows_which_role_it_plays(core: str) -> None:
    network = _network(_shared(core), differentiable=False, scenario="HalfCheetahVel-v0")
    torch.nn.init.normal_(network.actor("adaptation").head.shared.weight)  # type: ignore[arg-type, union-attr]
    generator = torch.Generator().manual_seed(1)
    header = torch.rand(B, 3, generator=generator)
    means = {}
    for role in ("meta_learning", "adaptation"):  # both have m actions; the same header, all else 0
        actor = network.actor(role)
        seen = torch.zeros(B, len(actor.normaliser.mean))
        seen[:, :3] = header
        mean, _, _ = actor.step(seen, torch.zeros(B), actor.initial_memory(B))
        assert mean.shape == (B, actor.action_size)
        means[role] = mean
    assert means["meta_learning"].shape == means["adaptation"].shape
    assert not torch.isclose(means["meta_learning"], means["adaptation"]).any()


def test_sharing_saves_parameters_and_counts_them_once() -> None:
    own, shared = _network(NetworkConfig(core=CoreConfig(width=8, state_size=6))), _network(_shared())
    counts = shared.parameter_counts()["actor"]
    assert counts < 0.5 * own.parameter_counts()["actor"]
    actor = shared.actor("adaptation")
    expected = sum(p.numel() for p in actor.core.parameters())
    expected += sum(p.numel() for p in actor.head.parameters())
    expected += sum(p.numel() for p in shared.actor(SENDER).head.parameters())
    expected += sum(len(shared.actor(role).log_std) for role in shared.roles)
    assert counts == expected


def test_the_sender_of_a_differentiable_channel_keeps_its_head() -> None:
    network = _network(_shared(), True)
    assert isinstance(network.actor(SENDER).head, torch.nn.Linear)
    assert not isinstance(network.actor("adaptation").head, torch.nn.Linear)
    assert not isinstance(_network(_shared(), False).actor(SENDER).head, torch.nn.Linear)


@pytest.mark.parametrize(
    ("core", "communication"), [("s5", "reinforced"), *((core, "differentiable") for core in sorted(CORES))]
)
def test_a_shared_actor_learns_acts_and_is_stored(core: str, communication: Any, tmp_path: Path) -> None:
    config = TrainConfig(
        team=True, steps=120, network=_shared(core), ppo=SMALL, options=PLAY, communication=communication
    )
    before = {
        n: p.detach().clone()
        for n, p in _network(_shared(core), communication == "differentiable").named_parameters()
    }
    trained = train(config).network
    assert [n for n, p in trained.named_parameters() if torch.equal(before[n], p)] == []
    checkpoint.save(tmp_path, trained, config, 120)
    again, _, _ = checkpoint.load(tmp_path)
    for role, policy in players(trained).items():  # type: ignore[union-attr]
        other = NetworkPolicy(again.actor(role))
        seen = np.random.default_rng(0).standard_normal((B, len(again.actor(role).normaliser.mean)))
        rng = np.random.default_rng(1)
        a, _ = policy.act(seen.astype(np.float32), policy.initial_memory(B), rng)
        b, _ = other.act(seen.astype(np.float32), other.initial_memory(B), rng)
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("communication", ["reinforced", "differentiable"])
def test_sequences_of_a_shared_actor_give_what_acting_gave(communication: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    game = Game("PointDir-v0", B, True, PLAY)
    network = TeamNetwork(game, _shared(), communication == "differentiable", generator)
    config = PpoConfig(**{**vars(SMALL), "epochs": 1, "minibatches": 1})
    learner = Ppo(network, config, communication, generator)
    collector = Collector(game, network, 0, generator)
    collector.collect(20, 10)
    metrics = learner.learn(collector.collect(20, 10), 0.0)
    assert abs(metrics["kl"]) < 1e-6
    counted = {id(p): p.numel() for p in network.parameters()}
    assert sum(len(vector) for vector in learner.parameters.vectors) == sum(counted.values())
    norms = learner.parameters.clip(math.inf)
    assert len(norms) == 2  # the critic's, and one for all that is shared
    assert max(norms) <= 0.5 + 1e-5
