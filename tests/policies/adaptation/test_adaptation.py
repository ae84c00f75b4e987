"""Test-time adaptation: what adapts, when it is refused or taken back, and the positive control."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import ScriptedPolicy
from ma_ssm_env.scenarios import find_scenario
from policies.adaptation import (
    AdaptationConfig,
    AdaptivePolicy,
    Tampered,
    fit_forecaster,
    harm,
    play,
    recovery,
)
from policies.adaptation.forecaster import ForecastConfig, Forecaster
from policies.adaptation.layer import affine, bounded, change, compensated, identity, names_of
from policies.cores import CoreConfig
from policies.game import AGENT, Game
from policies.role_network import HeadConfig, NetworkPolicy, RoleNetwork
from policies.team import NetworkConfig, TeamNetwork

OPTIONS = {"episodes_per_trial": 1, "horizon": 60}
TASKS = np.array([[0.5], [2.0], [-1.0]])
SMALL = ForecastConfig(worlds=16, steps=60, hidden=16, epochs=4, batch=128, learning_rate=1e-2)


def _network(core: str = "mlp", gain: float = 1.0) -> TeamNetwork:
    generator = torch.Generator().manual_seed(0)
    game = Game("PointDir-v0", 1, False, OPTIONS)
    config = NetworkConfig(core=CoreConfig(kind=core, width=12, state_size=8), head=HeadConfig(gain=gain))
    return TeamNetwork(game, config, False, generator)


class _Oracle:
    """A forecast that knows Point's law: velocity keeps 80% of itself, and torque adds 0.4 of itself.

    It reads velocity (normalised by nothing here) off features that are the observation itself.
    """

    def __init__(self, actor: RoleNetwork, nominal: float = 1e-4) -> None:
        self.where = actor.fields["velocities"]
        self.columns = torch.arange(self.where.start, self.where.stop)
        self.scale = torch.ones(2)
        self.nominal = nominal

    def __call__(self, features: Tensor, torques: Tensor) -> Tensor:
        return -0.2 * features[..., self.where] + 0.4 * torques


class _Copy(torch.nn.Module):
    """A core whose features are its inputs."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.in_features = self.out_features = size
        self.memory_size = 0

    def initial_memory(self, batch: int) -> Tensor:
        return torch.zeros(batch, 0)

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return inputs, memory

    step = forward


def _transparent() -> RoleNetwork:
    """A role whose features are its observation, and which pushes along the task that it is paid for."""
    actor = _network().actor(AGENT)
    size = len(actor.normaliser.mean)
    actor.core = _Copy(size)  # type: ignore[assignment]
    actor.head = torch.nn.Linear(size, 2)
    with torch.no_grad():
        actor.head.weight.zero_()
        actor.head.bias.copy_(torch.tensor([0.6, -0.5]))
    return actor


def _walk(
    policy: AdaptivePolicy, gain: np.ndarray, steps: int, at: int = 0, noise: float = 0.0
) -> tuple[Any, np.ndarray]:
    """Two worlds of Point's law by hand; actuators get their `gain` at step `at`. Memory and velocities."""
    rng = np.random.default_rng(0)
    fields = policy.network.fields
    velocity, torque = np.zeros((2, 2)), np.zeros((2, 2))
    memory, path = policy.initial_memory(2), []
    for t in range(steps):
        observation = np.zeros((2, max(s.stop for s in fields.values())), np.float32)
        observation[:, fields["episode_start"]] = float(t == 0)
        observation[:, fields["velocities"]] = velocity + noise * rng.standard_normal((2, 2))
        observation[:, fields["last_torque"]] = torque
        action, memory = policy.act(observation, memory, rng)
        torque = action.astype(float)
        arrived = torque * (gain if t >= at else 1.0)
        velocity = 0.8 * velocity + 0.4 * arrived
        path.append(velocity.copy())
    return memory, np.stack(path)


# -- the layer ------------------------------------------------------------------------------------------


def test_the_identity_changes_nothing() -> None:
    layer = identity(3, 4, 5, 2)
    x = torch.randn(7, 3, 5)
    assert torch.equal(affine(layer, "features", x), x)
    action = torch.randn(3, 2)
    assert torch.equal(compensated(layer, action), action)
    assert change(layer).tolist() == [0.0, 0.0, 0.0]
    assert names_of(("actuators", "features")) == ("features/scale", "features/shift", "actuators/gain")


def test_gains_are_made_good_unless_they_are_none() -> None:
    layer = identity(1, 4, 5, 3)
    layer["actuators/gain"] = torch.tensor([[-1.0, 0.5, 0.1]])
    torch.testing.assert_close(compensated(layer, torch.full((1, 3), 0.4)), torch.tensor([[-0.4, 0.8, 0.4]]))


def test_layers_stay_within_their_trust() -> None:
    layer = identity(1, 2, 2, 2)
    layer["features/scale"] = torch.tensor([[9.0, 0.9]])
    layer["sensors/shift"] = torch.tensor([[-9.0, 0.1]])
    held = bounded(layer, 0.5)
    assert held["features/scale"].tolist() == [[1.5, pytest.approx(0.9)]]
    assert held["sensors/shift"].tolist() == [[-0.5, pytest.approx(0.1)]]
    assert float(change(held)) == 0.5


# -- the policy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("core", ["mlp", "s5", "gru"])
@pytest.mark.parametrize("adapts", ["features", "sensors", "actuators"])
def test_a_policy_that_refuses_to_adapt_acts_as_it_did(core: str, adapts: str) -> None:
    network = _network(core)
    actor = network.actor(AGENT)
    forecaster = fit_forecaster(network, AGENT, "PointDir-v0", OPTIONS, config=SMALL)
    policy = AdaptivePolicy(actor, forecaster, AdaptationConfig(adapts=(adapts,), surprise=1e9))
    plain = play("PointDir-v0", NetworkPolicy(actor), TASKS, **OPTIONS)
    played = play("PointDir-v0", policy, TASKS, **OPTIONS)
    np.testing.assert_allclose(played.rewards, plain.rewards, rtol=1e-5, atol=1e-5)
    assert {event.kind for event in policy.log} == {"refused"}


def test_reversed_actuators_are_found_and_made_good() -> None:
    policy = AdaptivePolicy(
        _transparent(),
        _Oracle(_transparent()),
        AdaptationConfig(adapts=("actuators",), rate=0.5, every=1, window=8),
    )
    memory, path = _walk(policy, np.array([-1.0, -1.0]), 120, at=40)
    torch.testing.assert_close(memory.layer["actuators/gain"], torch.full((2, 2), -1.0), rtol=0.0, atol=0.05)
    np.testing.assert_allclose(path[-1], path[39], rtol=0.05)  # it goes again where it went before
    kinds = [event.kind for event in policy.log]
    assert kinds[0] == "refused"
    begun = [event.step for event in policy.log if event.kind == "adapts"]
    assert 40 < min(begun) <= 44


def test_each_world_has_a_layer_of_its_own() -> None:
    policy = AdaptivePolicy(
        _transparent(),
        _Oracle(_transparent()),
        AdaptationConfig(adapts=("actuators",), rate=0.5, every=1, window=8),
    )
    memory, _ = _walk(policy, np.array([[-1.0, -1.0], [1.0, 1.0]]), 100, at=40)
    assert float(memory.layer["actuators/gain"][0].max()) < -0.9
    assert memory.layer["actuators/gain"][1].tolist() == [1.0, 1.0]
    assert {event.world for event in policy.log if event.kind == "adapts"} == {0}


def test_what_was_learned_ends_with_the_trial() -> None:
    policy = AdaptivePolicy(_transparent(), _Oracle(_transparent()), AdaptationConfig(adapts=("actuators",)))
    before = {name: value.clone() for name, value in policy.network.state_dict().items()}
    _walk(policy, np.array([-1.0, -1.0]), 80, at=0)
    assert policy.initial_memory(2).layer["actuators/gain"].tolist() == [[1.0, 1.0]] * 2
    assert all(torch.equal(before[name], value) for name, value in policy.network.state_dict().items())


def test_a_sensor_of_the_wrong_sign_is_found_by_what_it_does_to_the_forecasts_of_others() -> None:
    """Features of two copies of the velocity: the second is broken, and only the first is forecast."""

    class Both(_Oracle):
        def __call__(self, features: Tensor, torques: Tensor) -> Tensor:
            # The positions move by what the velocity sensor says.
            return 0.1 * features[..., self.velocity]

    actor = _transparent()
    both = Both(actor)
    both.velocity = actor.fields["velocities"]  # type: ignore[attr-defined]
    both.columns = torch.arange(actor.fields["velocities"].start, actor.fields["velocities"].start + 2)
    policy = AdaptivePolicy(actor, both, AdaptationConfig(adapts=("sensors",), rate=0.2, every=1, window=8))
    state = policy.initial_memory(1)
    size = len(actor.normaliser.mean)
    seen = torch.zeros(9, 1, size)
    seen[:, 0, actor.fields["velocities"]] = torch.linspace(-1.0, -0.2, 9)[:, None] * torch.tensor([1.0, 1.0])
    for t in range(8):
        state.seen.append(seen[t])
        state.torques.append(torch.zeros(1, 2))
        state.memories.append(torch.zeros(1, 0))
        state.begins.append(torch.zeros(1, dtype=torch.bool))
    gradient = policy._gradient(state, seen[8], torch.zeros(1, dtype=torch.bool))
    # Finite differences of the same loss, in the scale of the first velocity, targets held.
    where = actor.fields["velocities"].start

    def loss(scale: float) -> float:
        change = seen[1:, 0, where] - seen[:-1, 0, where]
        off = 0.1 * scale * seen[:-1, 0, where] - change
        # The mean over two columns, in units of `surprise`: the error without the layer is below it.
        return float(off.square().mean()) / both.nominal / 2 / policy.config.surprise

    slope = (loss(1.0 + 1e-3) - loss(1.0 - 1e-3)) / 2e-3
    assert float(gradient["sensors/scale"][0, where]) == pytest.approx(slope, rel=1e-2)


def test_a_layer_that_makes_forecasts_worse_is_taken_back() -> None:
    policy = AdaptivePolicy(
        _transparent(),
        _Oracle(_transparent()),
        AdaptationConfig(adapts=("actuators",), rate=-0.3, every=1, window=4, rollback=1.05, cooldown=30),
    )
    memory, _ = _walk(policy, np.array([-1.0, -1.0]), 60, at=20)  # a rate below 0 climbs
    undone = [event for event in policy.log if event.kind == "rollback" and event.world == 0]
    assert len(undone) >= 1
    again = [e.step for e in policy.log if e.kind == "adapts" and e.world == 0]
    assert all(b - a >= 30 for a, b in zip([e.step for e in undone], again[1:], strict=False))
    assert float((memory.layer["actuators/gain"] - 1.0).abs().max()) < 2.5


@pytest.mark.parametrize("core", ["gru", "s5"])
def test_a_rollback_takes_back_what_the_layer_left_in_memory(core: str) -> None:
    """Sensors read double for six steps; then world 0 is rolled back, and is as if nothing had been."""
    actor = _network(core).actor(AGENT)
    config = AdaptationConfig(adapts=("sensors",), every=1, surprise=1e9)  # no steps of its own
    policy, plain = AdaptivePolicy(actor, _Oracle(actor), config), NetworkPolicy(actor)
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((10, 2, len(actor.normaliser.mean))).astype(np.float32)
    seen[:, :, actor.fields["episode_start"]] = 0.0
    state, memory = policy.initial_memory(2), plain.initial_memory(2)
    state.layer["sensors/scale"] = 2.0 * state.layer["sensors/scale"]
    for t in range(10):
        if t == 6:
            assert not torch.allclose(state.core, memory)
            state.adapting = torch.tensor([True, False])
            state.error = torch.full((2,), 1e9)
        expected, memory = plain.act(seen[t], memory, rng)
        actions, state = policy.act(seen[t], state, rng)
        if t == 6:
            assert float(state.error[0]) == float(state.shadow_error[0])  # judged anew
            assert float(state.error[1]) > 1e8
        if t >= 6:
            np.testing.assert_array_equal(actions[0], expected[0])
            torch.testing.assert_close(state.core[0], memory[0], rtol=0.0, atol=0.0)
            assert not torch.allclose(state.core[1], memory[1])
    assert [(event.step, event.world) for event in policy.log if event.kind == "rollback"] == [(6, 0)]


def _eight_steps(policy: AdaptivePolicy) -> Any:
    """A state of one world after eight steps, of speeds from -1 to -0.3."""
    state = policy.initial_memory(1)
    for t in range(8):
        seen = torch.zeros(1, len(policy.network.normaliser.mean))
        seen[:, policy.network.fields["velocities"]] = -1.0 + 0.1 * t
        state.seen.append(seen)
        state.torques.append(torch.zeros(1, 2))
        state.memories.append(torch.zeros(1, 0))
        state.begins.append(torch.tensor([t == 3]))
    return state


def test_a_step_to_another_episode_is_no_error_of_the_forecast() -> None:
    """Velocity v is forecast to change by -0.2 g v with a gain g of its sensor; off by 0.2 g v + 0.1 g there.

    The targets are held, so the slope of the mean squared error in g = 1 of one of the two sensors is that of
    (0.2 g v + 0.1)^2 / 2, over the steps that are followed by one of the same episode.
    """
    actor = _transparent()
    config = AdaptationConfig(adapts=("sensors",), penalty=0.0, surprise=1.0)
    policy = AdaptivePolicy(actor, _Oracle(actor, nominal=1.0), config)
    state, first = _eight_steps(policy), actor.fields["velocities"].start
    for ends, last in ((True, 0.0), (True, 1e3), (False, -0.2)):
        after = torch.zeros_like(state.seen[0])
        after[:, actor.fields["velocities"]] = last
        found = policy._gradient(state, after, torch.tensor([ends]))["sensors/scale"][0, first]
        speeds = np.array([-1.0 + 0.1 * t for t in range(8) if t != 2 and not (ends and t == 7)])
        slope = np.mean((0.2 * speeds + 0.1) * 0.2 * speeds)
        assert float(found) == pytest.approx(slope, rel=1e-4), (ends, last)


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    policy = AdaptivePolicy(_transparent(), _Oracle(_transparent()), AdaptationConfig(adapts=("actuators",)))
    state = policy.initial_memory(4)
    gradient = {"actuators/gain": torch.tensor([[0.3, torch.nan], [torch.inf, 0.1], [0.3, 0.4], [0.3, 0.4]])}
    policy._move(state, gradient, 0.5, torch.tensor([True, True, True, False]))
    expected = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.85, 0.8], [1.0, 1.0]])
    torch.testing.assert_close(state.layer["actuators/gain"], expected)


def test_the_penalty_keeps_what_is_sent() -> None:
    """A forecast that is always far off moves the features without end, unless the penalty holds them."""

    class Hopeless(_Oracle):
        def __call__(self, features: Tensor, torques: Tensor) -> Tensor:
            return 10.0 + 0.5 * features[..., self.where]

    changes = []
    for penalty in (0.0, 1e7):
        actor = _transparent()
        with torch.no_grad():
            actor.head.weight[:, actor.fields["velocities"]] = 0.3
        config = AdaptationConfig(penalty=penalty, rollback=1e9, rate=0.05, clip=1.0)
        policy = AdaptivePolicy(actor, Hopeless(actor), config)
        memory, _ = _walk(policy, np.array([1.0, 1.0]), 60)
        seen = memory.seen[-1]
        with torch.no_grad():
            changes.append(
                float((actor.head(affine(memory.layer, "features", seen)) - actor.head(seen)).abs().mean())
            )
    assert changes[0] > 0.05
    assert changes[1] < 0.5 * changes[0]


def test_policy_gradient_steps_come_between_inner_episodes_and_use_observed_rewards() -> None:
    network = _network("mlp")
    actor = network.actor(AGENT)
    forecaster = fit_forecaster(network, AGENT, "PointDir-v0", OPTIONS, config=SMALL)
    config = AdaptationConfig(surprise=1e9, policy_rate=0.1)
    played = {"episodes_per_trial": 3, "horizon": 10}
    policy = AdaptivePolicy(actor, forecaster, config, deterministic=False)
    play("PointDir-v0", policy, TASKS, **played)
    steps = [(e.step, e.world) for e in policy.log if e.kind == "policy step"]
    assert steps == [(10, 0), (10, 1), (10, 2), (20, 0), (20, 1), (20, 2)]
    # Seen by episodes: one number, so the first has nothing to be compared with.
    policy = AdaptivePolicy(actor, forecaster, config, deterministic=False)
    play("PointDir-v0", policy, TASKS, feedback="episode", **played)
    assert [e.step for e in policy.log if e.kind == "policy step"] == [20, 20, 20]
    assert [e.step for e in policy.log if e.kind == "refused" and e.step == 10] == [10, 10, 10]
    # Never seen: nothing to learn from.
    policy = AdaptivePolicy(actor, forecaster, config, deterministic=False)
    play("PointDir-v0", policy, TASKS, feedback="none", **played)
    assert not [e for e in policy.log if e.kind == "policy step"]


def test_the_policy_step_goes_up_the_return() -> None:
    """A reward for the first action's size: after some episodes its mean is larger."""
    actor = _transparent()
    with torch.no_grad():
        actor.head.bias.zero_()
    policy = AdaptivePolicy(
        actor, _Oracle(actor), AdaptationConfig(surprise=1e9, policy_rate=0.3, gamma=0.0), deterministic=False
    )
    rng = np.random.default_rng(0)
    memory = policy.initial_memory(40)
    size, fields = len(actor.normaliser.mean), actor.fields
    # Features are the observation; only what is not 0 carries a scale, shifts act through the head's weights.
    with torch.no_grad():
        actor_head = policy.network.head
        actor_head.weight[0, 0] = 1.0
    reward = np.zeros(40)
    for t in range(61):
        observation = np.zeros((40, size), np.float32)
        observation[:, fields["episode_start"]] = float(t % 20 == 0)
        observation[:, fields["last_reward"].start] = reward
        action, memory = policy.act(observation, memory, rng)
        reward = action[:, 0]
    assert float(memory.layer["features/shift"][:, 0].mean()) > 0.1


def test_wrong_settings_are_refused() -> None:
    actor = _network().actor(AGENT)
    for wrong in (("features", "nerves"), "features"):  # a text would be taken letter by letter
        with pytest.raises(ValueError, match=re.escape(f"adapts={wrong!r}: a tuple of features, sensors")):
            AdaptationConfig(adapts=wrong)
    with pytest.raises(ValueError, match="no policy gradient without exploration"):
        AdaptivePolicy(actor, _Oracle(actor), AdaptationConfig(policy_rate=0.1))
    with pytest.raises(ValueError, match=r"policy_rate=0.1 with adapts=\(\): nothing would learn"):
        AdaptationConfig(adapts=(), policy_rate=0.1)
    team = TeamNetwork(Game("PointDir-v0", 1, True, {}), NetworkConfig(), False, torch.Generator())
    sender = team.actor("state_modeling")
    with pytest.raises(ValueError, match="only the twin's agent"):
        AdaptivePolicy(sender, _Oracle(sender), AdaptationConfig(adapts=("actuators",)))
    with pytest.raises(ValueError, match="nothing to forecast"):
        Forecaster(team.actor("coordinator"), 4, torch.Generator())


# -- the forecaster -------------------------------------------------------------------------------------


def test_the_forecaster_learns_points_law() -> None:
    network = _network("mlp")
    forecaster = fit_forecaster(
        network, AGENT, "PointDir-v0", OPTIONS, config=ForecastConfig(32, 120, 32, 30, 128, 1e-2)
    )
    assert forecaster.nominal < 0.05  # of the variance of the change
    worse = fit_forecaster(
        network, AGENT, "PointDir-v0", OPTIONS, config=ForecastConfig(32, 120, 32, 1, 4096)
    )
    assert worse.nominal > 4.0 * forecaster.nominal


def test_sound_trials_may_be_those_of_another_scenario() -> None:
    """The fault's own state is wider than that of the sound body: the critic has no part in it."""
    game = Game("HalfCheetahFault-v0", 1, False, {})
    config = NetworkConfig(core=CoreConfig(kind="mlp", width=8))
    network = TeamNetwork(game, config, False, torch.Generator().manual_seed(0))
    small = ForecastConfig(worlds=4, steps=12, hidden=4, epochs=1)
    forecaster = fit_forecaster(network, AGENT, "HalfCheetah-v0", {"horizon": 10}, config=small)
    assert 0.0 < forecaster.nominal < 10.0
    with pytest.raises(ValueError, match="role 'state_modeling' forecasts: one of agent is expected"):
        fit_forecaster(network, "state_modeling", "HalfCheetah-v0", {"horizon": 10}, config=small)


def test_the_sender_of_a_team_is_forecast_too() -> None:
    generator = torch.Generator().manual_seed(0)
    config = NetworkConfig(core=CoreConfig(kind="mlp", width=12))
    team = TeamNetwork(Game("PointDir-v0", 1, True, OPTIONS), config, False, generator)
    forecaster = fit_forecaster(team, "state_modeling", "PointDir-v0", OPTIONS, config=SMALL)
    assert 0.0 < forecaster.nominal < 1.0
    AdaptivePolicy(team.actor("state_modeling"), forecaster).initial_memory(2)


def test_a_sender_that_refuses_to_adapt_leaves_its_team_as_it_was() -> None:
    generator = torch.Generator().manual_seed(0)
    config = NetworkConfig(core=CoreConfig(width=12, state_size=8), head=HeadConfig(gain=1.0))
    team = TeamNetwork(Game("PointDir-v0", 1, True, OPTIONS), config, False, generator)
    forecaster = fit_forecaster(team, "state_modeling", "PointDir-v0", OPTIONS, config=SMALL)
    plain = {role: NetworkPolicy(team.actor(role)) for role in team.roles}
    adapting = AdaptivePolicy(team.actor("state_modeling"), forecaster, AdaptationConfig(surprise=1e9))
    returns = [
        evaluate("PointDir-v0", players, tasks=TASKS, trials=1, **OPTIONS).returns
        for players in (plain, {**plain, "state_modeling": adapting})
    ]
    np.testing.assert_allclose(returns[0], returns[1], rtol=1e-4, atol=1e-4)


# -- constructed faults ---------------------------------------------------------------------------------


def test_a_negated_policy_recovers_all_of_a_sign_flip() -> None:
    """Retraining provably recovers: actions negated, and the torque that it sees of them, bit for bit."""
    actor = _network("s5").actor(AGENT)
    plain = NetworkPolicy(actor)
    fields = actor.fields

    class Negated:
        def initial_memory(self, batch: int) -> Any:
            return 0, plain.initial_memory(batch)

        def act(self, observations: np.ndarray, memory: Any, rng: np.random.Generator) -> Any:
            step, inner = memory
            observations = observations.copy()
            if step > 20:
                observations[:, fields["last_torque"]] *= -1.0
            actions, inner = plain.act(observations, inner, rng)
            return (-actions if step >= 20 else actions), (step + 1, inner)

    sound = play("PointDir-v0", plain, TASKS, **OPTIONS)
    flipped = play("PointDir-v0", Tampered(plain, 20, fields, actuators=-1.0), TASKS, **OPTIONS)
    retrained = play("PointDir-v0", Tampered(Negated(), 20, fields, actuators=-1.0), TASKS, **OPTIONS)
    assert np.array_equal(sound.rewards, retrained.rewards)
    assert np.array_equal(sound.rewards[:20], flipped.rewards[:20])
    assert not np.allclose(sound.rewards[21:], flipped.rewards[21:])


def test_tampered_sensors_are_named() -> None:
    seen: list[np.ndarray] = []

    def spy(observations: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(observations.copy())
        return np.full((len(observations), 2), 0.5, np.float32)

    fields = _network().actor(AGENT).fields
    player = Tampered(ScriptedPolicy(spy), 2, fields, sensors={"velocities": -1.0})
    memory, rng = player.initial_memory(1), np.random.default_rng(0)
    for _ in range(4):
        _, memory = player.act(np.ones((1, max(s.stop for s in fields.values())), np.float32), memory, rng)
    velocities = [float(x[0, fields["velocities"].start]) for x in seen]
    assert velocities == [1.0, 1.0, -1.0, -1.0]
    assert all(x[0, fields["positions"].stop - 1] == 1.0 for x in seen)
    with pytest.raises(ValueError, match="sensor 'smell'"):
        Tampered(ScriptedPolicy(spy), 2, fields, sensors={"smell": 0.0})


# -- measures -------------------------------------------------------------------------------------------


def test_deficit_and_recovery_of_a_made_up_curve() -> None:
    rewards = np.full((200, 3), 2.0)
    rewards[100:130, 0] = 0.0  # lost for 30 steps
    rewards[100:, 1] = 1.0  # lost for good
    found = recovery(rewards, np.array([100, 100, 0]))  # the third never changed
    assert found.level.tolist() == [2.0, 2.0]
    assert found.deficit.tolist() == [60.0, 100.0]
    assert found.after.tolist() == [2.0, 1.0]
    # The mean of 20 steps is at 1.8 once 18 of them are good: steps 128 to 147.
    assert found.steps.tolist() == [48.0, np.inf]


def test_a_fall_after_the_change_costs_all_that_was_left() -> None:
    rewards, alive = np.full((200, 3), 2.0), np.ones((200, 3), dtype=bool)
    for world, falls in enumerate((105, 170, 90)):  # soon after the change, later, and before it
        rewards[falls:, world] = 0.0
        alive[falls:, world] = False
    found = recovery(rewards, np.full(3, 100), alive)
    assert found.deficit.tolist() == [190.0, 60.0]
    assert found.after.tolist() == [0.0, 0.8]
    assert found.steps.tolist() == [np.inf, 20.0]


def test_trials_that_end_early_are_paid_nothing_to_their_full_length() -> None:
    spec = ScriptedPolicy(lambda seen, rng: np.ones((len(seen), 3), np.float32))
    played = play("HopperFault-v0", spec, find_scenario("HopperFault-v0").variation.tasks("test"))
    lived = played.alive.sum(0)
    assert played.rewards.shape == (400, 3)
    assert lived.max() < 200  # it falls at once
    assert all(not played.rewards[n:, world].any() for world, n in enumerate(lived))
    assert played.rewards[lived - 1, np.arange(3)].all()


def test_a_level_below_zero_is_recovered_from_below() -> None:
    rewards = np.full((100, 1), -1.0)
    rewards[50:60] = -3.0
    found = recovery(rewards, np.array([50]))
    assert found.deficit.tolist() == [20.0]
    # -1.1 is reached where one bad step is left in the mean of 20.
    assert found.steps.tolist() == [29.0]


def test_harm_is_a_share_of_the_return() -> None:
    assert harm(np.array([100.0, 100.0]), np.array([97.0, 101.0])) == pytest.approx(0.01)
    assert harm(np.array([-100.0]), np.array([-102.0])) == pytest.approx(0.02)
