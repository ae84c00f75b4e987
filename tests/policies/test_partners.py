"""Roles that given policies play while the others learn: who is called, what is remembered, who learns."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks import films
from benchmarks.emergence.teams import load_team, retrained_returns
from ma_ssm_env import ScriptedPolicy, neutral_policy
from ma_ssm_env.curriculum import AlpGmm
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.plain_state import to_plain
from ma_ssm_env.play import from_checkpoint
from policies import checkpoint, training_state
from policies.config import TrainConfig
from policies.cores import CoreConfig
from policies.game import Game
from policies.partners import Partner
from policies.ppo import PpoConfig
from policies.role_network import NetworkPolicy
from policies.rollout import Collector
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players, train
from policies.training import Training

B = 4
PLAY: dict[str, Any] = {"horizon": 7, "episodes_per_trial": 2}  # trials of 14 steps
SMALL = PpoConfig(num_worlds=B, rollout=20, segment=10, minibatches=2, epochs=2)  # 80 steps an iteration
CORE = CoreConfig(width=8, state_size=6)


def _config(steps: int = 160, **settings: Any) -> TrainConfig:
    network = NetworkConfig(core=CORE, critic_width=9)
    return TrainConfig(
        **{"team": True, "steps": steps, "network": network, "ppo": SMALL, "options": PLAY, **settings}
    )


class _Counting:
    """Remembers how many steps each world's trial has taken, and says so in its actions."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.calls: list[tuple[tuple[int, ...], NDArray[Any]]] = []

    def initial_memory(self, batch: int) -> NDArray[np.int64]:
        return np.zeros(batch, dtype=np.int64)

    def act(self, observations: Any, memory: Any, rng: np.random.Generator) -> Any:
        self.calls.append((observations.shape, memory.copy()))
        actions = np.tile(memory[:, None] / 100, self.size) + 0.001 * rng.random((len(memory), self.size))
        observations[:] = np.nan  # what a partner does with its observations is its own affair
        return actions.astype(np.float32), memory + 1


def test_a_scripted_coordinator_plays_and_the_others_learn() -> None:
    coordinator = _Counting(3)  # trust (2) and rate (1)
    trained = train(_config(), partners={"coordinator": coordinator})
    assert trained.network.roles == ("state_modeling", "meta_learning", "adaptation")
    assert trained.config.partners == ("coordinator",)
    assert {shape for shape, _ in coordinator.calls} == {(B, 3 + 8 + 2 + 2 + 1)}
    assert [int(memory[0]) for _, memory in coordinator.calls] == [t % 14 for t in range(40)]
    before = dict(Training(_config(), {"coordinator": _Counting(3)}).network.named_parameters())
    same = [n for n, p in trained.network.named_parameters() if torch.equal(before[n].detach(), p.detach())]
    assert same == []


def test_what_a_partner_does_reaches_the_worlds_and_not_the_loss() -> None:
    game = Game("PointDir-v0", B, True, PLAY, others=["coordinator"], partners={"coordinator": _Counting(3)})
    network = TeamNetwork(game, NetworkConfig(core=CORE), True, torch.Generator().manual_seed(0))
    rollout = Collector(game, network, 0, torch.Generator().manual_seed(0)).collect(20, 10)
    assert set(rollout.actions) == {"state_modeling", "meta_learning", "adaptation"}
    assert all(torch.isfinite(seen).all() for seen in rollout.observations.values())
    # The last trust is in the state: what the coordinator said one step before, its count in this trial.
    trust = rollout.states[:, 0, game.state_fields["last_trust"]][:, 0].numpy()
    counts = [0 if t % 14 == 0 else t % 14 - 1 for t in range(20)]
    np.testing.assert_allclose(trust, np.array(counts) / 100, atol=1.1e-3)


def test_a_partner_of_ours_plays_as_it_does_in_evaluation() -> None:
    whole = train(_config()).network
    policy = NetworkPolicy(whole.actor("coordinator"))
    trained = train(_config(), partners={"coordinator": policy})
    team = players(trained.network)
    assert isinstance(team, dict)
    assert "coordinator" not in team
    found = evaluate("PointDir-v0", team | {"coordinator": policy}, split="validation", trials=1, horizon=7)
    assert found.bits.min() > 0


@pytest.mark.parametrize("absent", ["state_modeling", "coordinator"])
def test_absent_roles_do_not_learn_and_an_absent_sender_sends_no_bits(absent: str) -> None:
    config = _config(steps=80, options={**PLAY, "absent_roles": [absent]})
    seen: list[float] = []
    step = Game.step

    def spy(self: Game, actions: Any) -> Any:
        result = step(self, actions)
        seen.append(float(result[3]["bits"].sum()))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Game, "step", spy)
        network = train(config).network
    assert absent not in network.roles
    assert len(seen) == 20
    assert (sum(seen) == 0.0) == (absent == "state_modeling")
    found = evaluate("PointDir-v0", players(network), split="validation", trials=1, horizon=7)
    assert (found.bits.sum() == 0.0) == (absent == "state_modeling")


# -- memory ---------------------------------------------------------------------------------------------


class _Remembering:
    """Memory of the form that `make(batch)` gives; a step adds one to every number of it."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def initial_memory(self, batch: int) -> Any:
        return self.make(batch)

    def act(self, observations: Any, memory: Any, rng: Any) -> Any:
        return np.zeros((len(observations), 1), np.float32), _plus_one(memory)


def _plus_one(memory: Any) -> Any:
    if isinstance(memory, dict):
        return {k: _plus_one(v) for k, v in memory.items()}
    if isinstance(memory, (tuple, list)):
        return type(memory)(_plus_one(v) for v in memory)
    return memory + 1


@pytest.mark.parametrize(
    ("make", "world"),
    [
        (lambda b: np.zeros((b, 2)), lambda m, i: m[i]),
        (lambda b: torch.zeros(b, 2), lambda m, i: m[i]),
        (lambda b: (np.zeros((3, b, 2)), np.zeros(b)), lambda m, i: m[0][:, i]),  # as many layers as worlds
        (lambda b: {"h": [torch.zeros(1, 3, b)]}, lambda m, i: m["h"][0][..., i]),
    ],
)
def test_memory_begins_anew_in_the_worlds_whose_trials_do(make: Any, world: Any) -> None:
    partner = Partner("coordinator", _Remembering(make), 3, 0)
    seen = np.zeros((3, 4), np.float32)
    partner.act(seen, np.ones(3, dtype=bool))
    partner.act(seen, np.zeros(3, dtype=bool))
    partner.act(seen, np.array([False, True, False]))
    assert [float(np.mean(np.asarray(world(partner._memory, i)))) for i in range(3)] == [3.0, 1.0, 3.0]
    partner.act(seen, np.ones(3, dtype=bool))
    assert [float(np.mean(np.asarray(world(partner._memory, i)))) for i in range(3)] == [1.0] * 3


@pytest.mark.parametrize("make", [lambda b: 0, lambda b: np.zeros(3), lambda b: [np.zeros((b, b))]])
def test_memory_that_cannot_be_taken_apart_is_refused(make: Any) -> None:
    partner = Partner("coordinator", _Remembering(make), 3, 0)
    seen = np.zeros((3, 4), np.float32)
    partner.act(seen, np.ones(3, dtype=bool))
    with pytest.raises(TypeError, match=r"partner of coordinator: .* cannot begin anew in some of them"):
        partner.act(seen, np.array([False, True, False]))


def test_what_partners_draw_depends_on_seed_and_role_alone() -> None:
    class Drawing(_Counting):
        def act(self, observations: Any, memory: Any, rng: np.random.Generator) -> Any:
            return rng.uniform(-1, 1, (len(observations), self.size)).astype(np.float32), memory

    seen, start = np.zeros((B, 4), np.float32), np.ones(B, dtype=bool)
    drawn = [
        Partner(role, Drawing(2), B, seed).act(seen, start)
        for role, seed in (("adaptation", 0), ("adaptation", 0), ("adaptation", 1), ("coordinator", 0))
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.isclose(drawn[0], drawn[2]).any()
    assert not np.isclose(drawn[0], drawn[3]).any()


# -- resuming and storing -------------------------------------------------------------------------------


def _ours() -> NetworkPolicy:
    game = Game("PointDir-v0", 1, True, PLAY)
    network = TeamNetwork(game, NetworkConfig(core=CORE), False, torch.Generator().manual_seed(9))
    return NetworkPolicy(network.actor("adaptation"), deterministic=False)


def test_a_run_with_partners_goes_on_exactly(tmp_path: Path) -> None:
    options = {**PLAY, "task_source": "environment", "horizon": 3}

    def make() -> Training:
        teacher = AlpGmm("PointDir-v0", refit_every=12, components=range(2, 3))
        partners: dict[str, Any] = {
            "environment": teacher,
            "coordinator": _Counting(3),
            "adaptation": _ours(),
        }
        return Training(_config(steps=320, options=options), partners)

    whole, first, second = make(), make(), make()
    for _ in range(4):
        whole.iterate()
    for _ in range(2):
        first.iterate()
    training_state.save(tmp_path, first)
    training_state.resume(tmp_path, second)
    for _ in range(2):
        second.iterate()
    states = []
    for run in (whole, second):
        state = run.clone_state()
        for entry in state.pop("history"):
            assert entry["steps"] > 0
        states.append(to_plain(state))
    assert states[0][1] == states[1][1]
    for name, value in states[0][0].items():
        assert value.tobytes() == states[1][0][name].tobytes(), name
    assert "collector/game/partners/environment_0/policy/mixture/means" in states[0][0]  # it has learned
    assert "collector/game/partners/adaptation_0/memory/a torch tensor" in states[0][0]


def test_a_cloned_state_is_not_changed_by_a_partner_that_writes_into_its_memory() -> None:
    class InPlace(_Counting):
        def act(self, observations: Any, memory: Any, rng: np.random.Generator) -> Any:
            actions, counts = super().act(observations, memory["steps"], rng)
            memory["steps"][:] = counts
            return actions, memory

        def initial_memory(self, batch: int) -> Any:
            return {"steps": super().initial_memory(batch)}

    run = Training(_config(), {"coordinator": InPlace(3)})
    run.iterate()
    state = run.clone_state()
    ends = []
    for _ in range(2):
        run.iterate()
        ends.append([value.clone() for value in run.network.state_dict().values()])
        run.restore_state(state)
    assert all(torch.equal(first, second) for first, second in zip(*ends, strict=True))


def test_a_checkpoint_of_a_mixed_team_holds_those_who_learned(tmp_path: Path) -> None:
    trained = train(_config(steps=80), partners={"coordinator": neutral_policy(3)})
    checkpoint.save(tmp_path, trained.network, trained.config, trained.steps)
    network, config, _ = checkpoint.load(tmp_path)
    assert config.partners == ("coordinator",)
    assert network.roles == trained.network.roles
    for name, value in trained.network.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


# -- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partners", "settings", "message"),
    [
        (["referee"], {}, "partner of 'referee': not one of the roles that play, state_modeling,"),
        (
            ["coordinator"],
            {"options": {"absent_roles": ["coordinator"]}},
            "partner of 'coordinator': not one",
        ),
        (["environment"], {}, "take the option task_source='environment'"),
        (
            ["state_modeling", "meta_learning", "adaptation", "coordinator"],
            {},
            "no role is left to learn",
        ),
        (["coordinator"], {"team": False, "options": {}}, "the single-agent twin has no other roles"),
        (
            [],
            {"partners": ("coordinator",)},
            r"partners=\('coordinator',\) in the configuration, but policies",
        ),
        (["adaptation"], {"partners": ("coordinator",)}, "give a policy for each of them"),
        (
            ["meta_learning", "adaptation"],
            {"options": {"absent_roles": ["coordinator"]}},
            r"are partners or absent \(learning: state_modeling\); take communication='reinforced'",
        ),
    ],
)
def test_partners_that_make_no_sense_are_refused(partners: list[str], settings: Any, message: str) -> None:
    given = {role: ScriptedPolicy(lambda seen, rng: np.zeros((len(seen), 2))) for role in partners}
    given_config = TrainConfig(**{"team": True, "ppo": SMALL, **settings})
    if "referee" in given:
        given_config = TrainConfig(team=True, ppo=SMALL, partners=("referee",))
    with pytest.raises(ValueError, match=message):
        Training(given_config, given)


def test_a_sender_whom_partners_hear_learns_by_reward() -> None:
    ppo = dataclasses.replace(SMALL, entropy=0.01, value=0.0)
    config = _config(steps=80, communication="reinforced", ppo=ppo)
    deaf_to_gradients = {role: neutral_policy(2) for role in ("meta_learning", "adaptation")}
    training = Training(config, {**deaf_to_gradients, "coordinator": neutral_policy(3)})
    actor = training.network.actor("state_modeling")
    before = {name: p.detach().clone() for name, p in actor.named_parameters()}
    training.iterate()
    assert [name for name, p in actor.named_parameters() if torch.equal(before[name], p)] == []


@pytest.mark.parametrize(
    "options",
    [
        {"absent_roles": ["meta_learning", "adaptation"]},
        {"absent_roles": ["state_modeling", "meta_learning", "adaptation"]},
        {"muted_roles": ["state_modeling", "meta_learning", "adaptation", "coordinator"]},
        {"absent_roles": ["coordinator", "adaptation"], "muted_roles": ["state_modeling"]},
    ],
)
def test_one_listener_that_learns_is_enough_and_without_a_sender_none_is_needed(
    options: dict[str, Any],
) -> None:
    Training(_config(steps=80, options={**PLAY, **options}))


def test_partners_are_not_dropped_in_silence_where_a_run_is_made_already() -> None:
    made = Training(_config(), {"coordinator": _Counting(3)})
    with pytest.raises(ValueError, match=r"give them to Training\(config, partners\)"):
        train(made, partners={"coordinator": _Counting(3)})
    assert train(made).network.roles == made.network.roles


def _film(path: Path) -> None:
    if films.main([str(path), "--out", str(path / "out")]) == 2:
        raise ValueError("it said why")


@pytest.mark.parametrize(
    "play",
    [
        load_team,
        lambda path: retrained_returns("PointDir-v0", [str(path)], [f"state_modeling={path}"]),
        lambda path: from_checkpoint(str(path), "PointDir-v0"),
        _film,
    ],
    ids=["emergence", "retrained", "play", "films"],
)
def test_no_tool_plays_a_team_without_the_partners_it_was_trained_beside(
    play: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(partners=("coordinator",))
    network = Training(config, {"coordinator": _Counting(3)}).network
    checkpoint.save(tmp_path, network, config, 77)
    with pytest.raises(ValueError, match=r"(?s).+") as refused:
        play(tmp_path)
    said = f"{refused.value}{capsys.readouterr().err}"
    assert "trained beside partners (coordinator), whose policies no checkpoint holds" in said
    assert not (tmp_path / "out").exists()
