"""Independent learners: a critic of each role's own, and no gradient from one role to another."""

import dataclasses

import pytest
import torch

from policies import checkpoint, training_state
from policies.config import TrainConfig, from_json, to_json
from policies.cores import CoreConfig
from policies.independent import IndependentPpo
from policies.ppo import PpoConfig
from policies.rollout import Rollout
from policies.team import NetworkConfig
from policies.training import Training

SMALL = NetworkConfig(
    core=CoreConfig(kind="gru", width=4), critic_width=4, privileged_critic=False, forecast_horizon=2
)
CONFIG = TrainConfig(
    team=True,
    steps=240,
    communication="reinforced",
    network=SMALL,
    ppo=PpoConfig(num_worlds=4, rollout=20, segment=10, minibatches=2, epochs=2),
    options={"horizon": 7, "episodes_per_trial": 2},
    critics="own",
)


def started() -> tuple[Training, IndependentPpo, Rollout]:
    training = Training(CONFIG)
    learner = training._learner
    assert isinstance(learner, IndependentPpo)
    return training, learner, training._collector.collect(20, 10)


def test_a_role_learns_in_its_own_parameters_and_its_own_critics_alone() -> None:
    training, learner, rollout = started()
    role = "state_modeling"
    before = {name: p.clone() for name, p in training.network.state_dict().items()}
    learner.learners[role].learn(learner.part(role, rollout), 0.0)
    after = training.network.state_dict()
    changed = {name for name, p in before.items() if not torch.equal(p, after[name])}
    assert changed
    assert {name.split(".")[1] for name in changed if name.startswith("actors.")} == {role}
    assert not any(name.startswith("critic.") for name in changed)  # nobody shares it, so nobody learns it


def test_no_gradient_of_one_role_reaches_another() -> None:
    training, learner, rollout = started()
    one = learner.learners["meta_learning"]
    part = learner.part("meta_learning", rollout)
    one.return_scale.update(part.rewards, part.dones, part.active)
    loss, _ = one.loss(one._segments(part))
    others = [
        p for r, actor in training.network.actors.items() if r != "meta_learning" for p in actor.parameters()
    ]
    found = torch.autograd.grad(loss, others, allow_unused=True)
    assert found == (None,) * len(others)


def test_a_critic_reads_what_its_role_observes_and_nothing_else() -> None:
    _, learner, rollout = started()
    memory = learner._memories["adaptation"].clone()
    own = learner.part("adaptation", rollout).values
    strange = {
        role: seen if role == "adaptation" else torch.randn_like(seen)
        for role, seen in rollout.observations.items()
    }
    learner._memories["adaptation"] = memory
    rollout = dataclasses.replace(rollout, observations=strange, states=torch.randn_like(rollout.states))
    torch.testing.assert_close(learner.part("adaptation", rollout).values, own, rtol=0, atol=0)
    assert learner.learners["adaptation"].network.critic.privileged is False


def test_what_follows_a_rollout_is_valued_as_the_next_rollout_values_it() -> None:
    training, learner, rollout = started()
    first = learner.part("coordinator", rollout)
    second = learner.part("coordinator", training._collector.collect(20, 10))
    torch.testing.assert_close(first.last_value, second.values[0], rtol=0, atol=1e-6)


def test_the_critics_that_learn_are_counted_and_the_teams_is_not() -> None:
    training, learner, _ = started()
    training.iterate()
    counted = dict(training.network.parameter_counts())
    assert training.parameter_counts()["actor"] == counted["actor"]
    own = [learner.learners[role].network.critic for role in training.network.roles]
    learned = sum(p.numel() for critic in own for p in critic.parameters())
    assert training.parameter_counts()["critic"] == learned != counted["critic"]
    joint = Training(dataclasses.replace(CONFIG, critics="joint"))
    assert joint.parameter_counts() == joint.network.parameter_counts()


def test_a_run_goes_on_to_the_bit(tmp_path) -> None:
    whole, broken = Training(CONFIG), Training(CONFIG)
    for _ in range(3):
        whole.iterate()
    broken.iterate()
    training_state.save(tmp_path, broken)
    resumed = Training(CONFIG)
    assert training_state.resume(tmp_path, resumed)
    while not resumed.finished:
        metrics = resumed.iterate()
    assert {"kl", "forecast_error", "std/coordinator", "explained_variance"} <= set(metrics)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    mine, theirs = (
        training.clone_state()["learner"]["adaptation"]["critic"] for training in (whole, resumed)
    )
    assert mine.keys() == theirs.keys()
    assert all((mine[name] == theirs[name]).all() for name in mine)
    checkpoint.save(tmp_path / "checkpoint", resumed.network, resumed.config, resumed.steps)
    assert checkpoint.load(tmp_path / "checkpoint")[1] == CONFIG


def test_runs_with_one_critic_are_called_what_they_were() -> None:
    assert "critics" not in to_json(TrainConfig())
    assert to_json(CONFIG)["critics"] == "own"
    assert from_json(to_json(CONFIG)) == CONFIG


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"communication": "differentiable"}, "communication='differentiable' with critics='own'"),
        ({"network": NetworkConfig()}, "network.privileged_critic=True with critics='own'"),
        ({"network": dataclasses.replace(SMALL, shared=True)}, "network.shared=True with critics='own'"),
        ({"team": False}, "team=False"),
        ({"critics": "many"}, "critics='many': 'joint' or 'own'"),
    ],
)
def test_what_would_tie_the_roles_together_is_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **changes)
