"""Each mode of collaboration is what it is defined to be: in the run, and in what its team can do."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.workflows import MODES, CollaborativeLearning
from benchmarks.workflows.learners import MamlLearner, PpoLearner
from benchmarks.workflows.modes import in_mode
from ma_ssm_env.roles import ACTING_ROLES, SENSED
from policies import AdaptationAgent, CoordinatorAgent, MetaLearningAgent, StateModelingAgent
from policies.config import TrainConfig, to_json
from policies.game import Game
from policies.independent import IndependentPpo
from policies.maml import InnerConfig, MamlConfig, maml_ppo
from policies.ppo import Ppo, PpoConfig
from policies.training import Training

SMALL = {"core": "mlp", "width": 4}
TEAM = CollaborativeLearning(
    [MetaLearningAgent(**SMALL), AdaptationAgent(**SMALL), StateModelingAgent(**SMALL)],
    CoordinatorAgent(**SMALL),
)
EMERGENT = dataclasses.replace(
    TEAM.training_config("PointDir-v0", "emergent", 40),
    ppo=PpoConfig(num_worlds=4, rollout=10, segment=5, minibatches=1, epochs=1),
)


def run(mode) -> TrainConfig:
    return in_mode(mode, EMERGENT)


def said(game: Game, level: float = 0.9) -> tuple[dict[str, torch.Tensor], dict[str, np.ndarray]]:
    """Observations and infos after a step in which every role says `level` in every field."""
    game.reset(0)
    sizes = {
        role: max(where.stop for where in fields.values()) for role, fields in game.action_fields.items()
    }
    seen, _, _, infos = game.step({role: torch.full((4, n), level) for role, n in sizes.items()})
    return seen, infos


def difference(mode) -> dict[str, object]:
    flat = [dict(_leaves(to_json(config))) for config in (EMERGENT, run(mode))]
    return {name: value for name, value in flat[1].items() if flat[0].get(name, "none") != value}


def _leaves(value, name=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}".strip("."))
    else:
        yield name, value


def test_a_mode_changes_what_defines_it_and_nothing_else() -> None:
    assert {mode: difference(mode) for mode in MODES} == {
        "emergent": {},
        "silent": {"options.muted_roles": list(ACTING_ROLES)},
        "fixed": {"options.fixed_trust": True, "options.fixed_rate": 1.0},
        "centralised": {"options.observability": "full"},
        "independent": {
            "critics": "own",
            "communication": "reinforced",
            "network.privileged_critic": False,
        },
    }
    with pytest.raises(ValueError, match="collaboration_mode='loud': one of 'emergent'"):
        in_mode("loud", EMERGENT)


def test_emergent_rate_and_trust_are_the_coordinators_and_messages_arrive() -> None:
    seen, infos = said(Game("PointDir-v0", 4, True, run("emergent").options))
    np.testing.assert_allclose(infos["bits"], 64.0 * 0.95)
    fields = Game("PointDir-v0", 4, True, run("emergent").options).observation_fields["adaptation"]
    assert (seen["adaptation"][:, fields["received_belief"]].abs() > 0.5).all()
    torch.testing.assert_close(seen["adaptation"][:, fields["last_prior"]], torch.full((4, 2), 0.9))


def test_silent_nobody_hears_anybody_and_nothing_is_sent() -> None:
    game = Game("PointDir-v0", 4, True, run("silent").options)
    seen, infos = said(game)
    np.testing.assert_array_equal(infos["bits"], 0.0)
    np.testing.assert_array_equal(infos["rate_cost"], 0.0)
    for role, fields in game.observation_fields.items():
        for name in ("received_belief", "last_prior", "last_correction", "last_rate"):
            if name in fields:
                assert (seen[role][:, fields[name]] == 0.0).all(), (role, name)
    torques = game.observation_fields["meta_learning"]["last_torque"]
    assert (seen["meta_learning"][:, torques] == 1.0).all()  # they still act: clip(0.9 + 0.95 x 0.9)


def test_fixed_the_coordinator_changes_nothing() -> None:
    for level in (-1.0, 1.0):
        game = Game("PointDir-v0", 4, True, run("fixed").options)
        game.reset(0)
        given = {
            role: torch.full((4, max(w.stop for w in fields.values())), 0.5)
            for role, fields in game.action_fields.items()
        }
        given["coordinator"] = torch.full_like(given["coordinator"], level)
        seen, _, _, infos = game.step(given)
        np.testing.assert_array_equal(infos["bits"], 64.0)
        torque = seen["meta_learning"][:, game.observation_fields["meta_learning"]["last_torque"]]
        torch.testing.assert_close(torque, torch.full((4, 2), 0.5 + 0.5 * 0.5))
    alone = CollaborativeLearning([MetaLearningAgent(**SMALL)])
    with pytest.raises(ValueError, match="collaboration_mode='fixed' without a coordinator"):
        alone.training_config("PointDir-v0", "fixed", 40)


def test_centralised_every_acting_role_senses_what_any_senses() -> None:
    for mode, everything in (("centralised", True), ("emergent", False)):
        fields = Game("PointDir-v0", 4, True, run(mode).options).observation_fields
        told = [set(SENSED) <= set(fields[role]) for role in ("meta_learning", "adaptation", "coordinator")]
        assert told == [everything] * 3


def test_what_a_record_counts_is_what_learns() -> None:
    learner = PpoLearner(run("independent"))
    critics = learner.training._learner.critic_parameters()
    assert learner.parameter_counts()["critic"] == sum(p.numel() for p in critics)
    assert learner.parameter_counts() != learner.network.parameter_counts()
    learner = PpoLearner(run("emergent"))
    assert learner.parameter_counts() == learner.network.parameter_counts()
    for steps in (0, 1):  # a linear baseline stands for the critic where there are inner steps
        ppo, inner = maml_ppo(4, 100, steps), InnerConfig(steps=steps)
        meta = MamlLearner(MamlConfig(scenario="PointDir-v0", tasks=2, trials=2, inner=inner, ppo=ppo))
        expected = {**meta.network.parameter_counts(), **({"critic": 0} if steps else {})}
        assert meta.parameter_counts() == expected
    assert expected["actor"] > 0


def test_independent_each_role_has_a_critic_and_no_other_mode_has() -> None:
    for mode in MODES:
        learner = Training(run(mode))._learner
        if mode == "independent":
            assert isinstance(learner, IndependentPpo)
            assert tuple(learner.learners) == ACTING_ROLES
            assert not any(one.differentiable for one in learner.learners.values())
            critics = [one.network.critic for one in learner.learners.values()]
            assert len({id(p) for critic in critics for p in critic.parameters()}) == sum(
                len(list(critic.parameters())) for critic in critics
            )
        else:
            assert isinstance(learner, Ppo)
            assert learner.differentiable
            assert learner.network.critic.privileged
