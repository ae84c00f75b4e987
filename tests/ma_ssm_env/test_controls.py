"""Controls of the comparison: what is late, noisy, remembered or fixed, by numbers worked out by hand."""

import pickle

import numpy as np
import pytest

from ma_ssm_env import SingleAgentVectorEnv, TeamVectorEnv
from ma_ssm_env.controls import (
    FixedRateTeam,
    HandicappedTwin,
    ScratchpadTwin,
    team_vector_env,
    through_channel,
    twin_vector_env,
)
from ma_ssm_env.message_log import MessageLog
from ma_ssm_env.streams import Purpose, substream
from ma_ssm_env.testing.compare import difference
from ma_ssm_env.testing.subject import random_actions

B, STEPS = 3, 13
SHORT = {"horizon": 4, "episodes_per_trial": 2}


def actions(step, size=2):
    return np.sin(np.arange(B * size, dtype=np.float32).reshape(B, size) + step)


def test_the_channel_by_hand():
    # 64 bits over 4 numbers: 16 each, snr = 2^32 - 1; asinh(sinh 3) / 3 = 1.
    values = np.full((1, 4), np.sinh(3.0), np.float32)
    np.testing.assert_allclose(through_channel(values, np.zeros((1, 4), np.float32)), 1.0, rtol=1e-5)
    # Over 64 numbers: 1 bit each, snr = 3: (3 x + sqrt(3) eps) / 4.
    values, noise = np.zeros((1, 64), np.float32), np.full((1, 64), 2.0, np.float32)
    np.testing.assert_allclose(through_channel(values, noise), np.sqrt(3.0) * 2.0 / 4.0, rtol=1e-6)
    # One number alone has all 64 bits, far more than float32 resolves: it arrives as it was sent.
    values, noise = np.array([[0.0], [-2.0], [1e4]], np.float32), np.full((3, 1), 6.0, np.float32)
    np.testing.assert_allclose(
        through_channel(values, noise), np.arcsinh(values) / 3.0, rtol=1e-6, atol=1e-12
    )


def test_a_handicapped_agent_without_velocities_hears_its_reward():
    env = twin_vector_env("PointDir-v0", B, handicap=True, hide_velocities=True, **SHORT)
    where = env.observation_fields()["last_reward"]
    env.reset(seed=0)
    before = np.zeros(B)
    for step in range(3):
        seen, reward, *_ = env.step(actions(step))
        np.testing.assert_allclose(seen[:, where][:, 0], np.arcsinh(before) / 3.0, rtol=1e-5, atol=1e-12)
        before = reward


def test_a_handicapped_agent_senses_a_step_late_through_its_worlds_own_noise():
    plain = SingleAgentVectorEnv("PointDir-v0", B, **SHORT)
    late = twin_vector_env("PointDir-v0", B, handicap=True, **SHORT)
    assert isinstance(late, HandicappedTwin)
    fields = plain.observation_fields()
    columns = np.r_[fields["velocities"], fields["last_reward"]]
    others = np.setdiff1d(np.arange(plain.single_observation_space.shape[0]), columns)
    seen, _ = plain.reset(seed=5)
    got, _ = late.reset(seed=5)
    before = None
    for step in range(STEPS):
        trial, episode, clock = step // 8, step % 8 // 4, step % 4
        np.testing.assert_array_equal(got[:, others], seen[:, others])
        if step % 8 == 0:
            np.testing.assert_array_equal(got[:, columns], 0.0)
        else:
            for world in range(B):
                generator = substream(5 + world, Purpose.CHANNEL, trial, episode)
                noise = generator.standard_normal((4, len(columns)), dtype=np.float32)[clock]
                expected = through_channel(before[world : world + 1], noise[None])[0]
                np.testing.assert_allclose(got[world, columns], expected, rtol=1e-6)
        before = seen[:, columns].copy()
        seen, reward, *_ = plain.step(actions(step))
        got, late_reward, *_ = late.step(actions(step))
        np.testing.assert_array_equal(reward, late_reward)


def test_what_is_scratched_is_read_in_the_next_step_of_the_same_trial():
    env = twin_vector_env("PointDir-v0", B, scratchpad=True, **SHORT)
    plain = SingleAgentVectorEnv("PointDir-v0", B, **SHORT)
    assert isinstance(env, ScratchpadTwin)
    assert env.single_action_space.shape == (10,)
    assert env.single_observation_space.shape == (plain.single_observation_space.shape[0] + 8,)
    where = env.observation_fields()["last_scratch"]
    got, _ = env.reset(seed=1)
    seen, _ = plain.reset(seed=1)
    np.testing.assert_array_equal(got[:, where], 0.0)
    for step in range(STEPS):
        given = actions(step, 10)
        got, reward, ended, *_ = env.step(given)
        seen, plain_reward, *_ = plain.step(given[:, :2])
        np.testing.assert_array_equal(got[:, : where.start], seen)
        np.testing.assert_array_equal(reward, plain_reward)
        np.testing.assert_array_equal(got[:, where], 0.0 if ended[0] else given[:, 2:])
        assert bool(ended[0]) == (step % 8 == 7)
        assert env.single_observation_space.contains(got[0])


@pytest.mark.parametrize(
    "options", [{"handicap": True}, {"scratchpad": True}, {"handicap": True, "scratchpad": True}]
)
def test_a_clone_goes_on_bit_for_bit(options):
    env = twin_vector_env("PointDir-v0", B, **options, **SHORT)
    size = env.single_action_space.shape[0]
    env.reset(seed=2)
    for step in range(3):
        env.step(actions(step, size))
    state = env.clone_state()
    first = [env.step(actions(step, size))[0] for step in range(3, 10)]
    other = twin_vector_env("PointDir-v0", B, **options, **SHORT)
    other.restore_state(state)
    for step, expected in zip(range(3, 10), first, strict=True):
        np.testing.assert_array_equal(other.step(actions(step, size))[0], expected)


def test_a_clone_brings_the_noise_of_its_inner_episode():
    env = twin_vector_env("PointDir-v0", B, handicap=True)
    env.reset(seed=2)
    env.step(actions(0))
    state = env.clone_state()
    first = [env.step(actions(step))[0] for step in range(1, 10)]
    other = twin_vector_env("PointDir-v0", B, handicap=True)
    other.reset(seed=99)
    other.restore_state(state)
    for step, expected in enumerate(first, start=1):  # the inner episode has 50 steps
        np.testing.assert_array_equal(other.step(actions(step))[0], expected)


def test_fixed_trust_is_the_neutral_action_and_the_rate_is_the_coordinators():
    fixed, free = team_vector_env("PointDir-v0", B, fixed_trust=True), TeamVectorEnv("PointDir-v0", B)
    given = {a: np.full((B, *free.single_action_space(a).shape), 0.5, np.float32) for a in free.agents}
    trust = free.action_fields("coordinator_0")["trust"]
    neutral = {**given, "coordinator_0": given["coordinator_0"].copy()}
    neutral["coordinator_0"][:, trust] = 0.0
    for env in (fixed, free):
        env.reset(seed=0)
    for _ in range(3):
        (got, *_, infos), (expected, *_, free_infos) = fixed.step(given), free.step(neutral)
        for agent in free.agents:
            np.testing.assert_array_equal(got[agent], expected[agent])
        np.testing.assert_array_equal(infos["bits"], free_infos["bits"])
    assert (given["coordinator_0"] == 0.5).all()
    with pytest.raises(ValueError, match="the coordinator is absent"):
        team_vector_env("PointDir-v0", B, fixed_trust=True, absent_roles={"coordinator"})


def test_a_fixed_rate_is_what_the_coordinator_would_have_to_say():
    fixed, free = team_vector_env("PointDir-v0", B, fixed_rate=1.0), TeamVectorEnv("PointDir-v0", B)
    given = {a: np.full((B, *free.single_action_space(a).shape), 0.5, np.float32) for a in free.agents}
    said = {**given, "coordinator_0": given["coordinator_0"].copy()}
    said["coordinator_0"][:, free.action_fields("coordinator_0")["rate"]] = 1.0
    for env in (fixed, free):
        env.reset(seed=0)
    for _ in range(3):
        (got, *_, infos), (expected, *_) = fixed.step(given), free.step(said)
        for agent in free.agents:
            np.testing.assert_array_equal(got[agent], expected[agent])
        np.testing.assert_array_equal(infos["bits"], 64.0)
    assert (given["coordinator_0"] == 0.5).all()
    with pytest.raises(ValueError, match=r"fixed_rate=1\.5: a number in"):
        team_vector_env("PointDir-v0", B, fixed_rate=1.5)
    with pytest.raises(ValueError, match=r"fixed_rate=0\.0: the coordinator is absent"):
        team_vector_env("PointDir-v0", B, fixed_rate=0.0, absent_roles={"coordinator"})


def test_a_narrow_belief_is_a_part_of_the_belief_for_a_part_of_the_price():
    narrow = team_vector_env("PointDir-v0", B, belief_size=3, bandwidth_cost=0.4, **SHORT)
    wide = TeamVectorEnv("PointDir-v0", B, bandwidth_cost=0.4, **SHORT)
    given = {a: np.full((B, *wide.single_action_space(a).shape), 0.5, np.float32) for a in wide.agents}
    for env in (narrow, wide):
        env.reset(seed=0)
    for _ in range(SHORT["horizon"] * SHORT["episodes_per_trial"]):
        got, paid, _, _, infos = narrow.step(given)
        expected, full, _, _, wide_infos = wide.step(given)
        for agent in wide.agents:
            where = wide.observation_fields(agent).get("received_belief", slice(0, 0))
            heard = expected[agent].copy()
            heard[:, where.start + 3 : where.stop] = 0.0
            np.testing.assert_array_equal(got[agent], heard)
        assert infos["snr"].shape == (B, 8)
        np.testing.assert_array_equal(infos["snr"][:, :3], np.repeat(wide_infos["snr"], 3, 1))
        np.testing.assert_array_equal(infos["snr"][:, 3:], 0.0)
        sent = narrow.game.blackboard.said[:, :8]  # cleared where a trial ended
        np.testing.assert_array_equal(sent, wide.game.blackboard.said[:, :8] * (np.arange(8) < 3))
        np.testing.assert_allclose(infos["bits"], 48.0 * 3 / 8)  # a rate of 1/2 is 3/4 of the 64 bits
        np.testing.assert_allclose(infos["rate_cost"], 0.4 * 0.75 * 3 / 8)
        acting = "coordinator_0"
        np.testing.assert_allclose(paid[acting] - full[acting], 0.4 * 0.75 * 5 / 8)
        np.testing.assert_array_equal(paid["environment_0"], full["environment_0"])
        board = narrow.state_fields["received_belief"]
        np.testing.assert_array_equal(narrow.state()[:, board.start + 3 : board.stop], 0.0)
    assert (given["state_modeling_0"] == 0.5).all()
    with pytest.raises(ValueError, match="state_modeling_0 has shape"):
        narrow.step({**given, "state_modeling_0": np.zeros((B, 1), np.float32)})
    for size in (0, 9, 2.0):
        with pytest.raises(ValueError, match="belief_size"):
            team_vector_env("PointDir-v0", B, belief_size=size)
    assert isinstance(team_vector_env("PointDir-v0", B, belief_size=8), TeamVectorEnv)


def test_logs_and_copies_of_a_narrow_belief_have_what_was_sent_and_heard():
    env = team_vector_env("PointDir-v0", B, fixed_rate=1.0, belief_size=3, **SHORT)
    rng = np.random.default_rng(0)
    with MessageLog(env, world=1) as log:
        env.reset(seed=0)
        for _ in range(3):
            env.step(random_actions(env, rng))
        fields = log.running().fields
    np.testing.assert_array_equal(fields["bits"], 24.0)
    for name in ("belief", "received_belief"):
        assert fields[name][:, :3].all()
        np.testing.assert_array_equal(fields[name][:, 3:], 0.0)
    copy = pickle.loads(pickle.dumps(env))
    restored = team_vector_env("PointDir-v0", B, fixed_rate=1.0, belief_size=3, **SHORT)
    restored.restore_state(env.clone_state())
    for _ in range(2 * STEPS):
        given = random_actions(env, rng)
        expected = env.step(given)
        for other in (copy, restored):
            assert difference(other.step(given), expected) is None
            assert difference(other.state(), env.state()) is None


@pytest.mark.parametrize("option", [{"fixed_trust": True}, {"fixed_rate": 0.5}, {"belief_size": 2}])
def test_teams_with_something_held_refuse_and_clip_actions_as_the_game_does(option):
    env, plain = (team_vector_env("PointDir-v0", B, **o, **SHORT) for o in (option, {}))
    given = random_actions(plain, np.random.default_rng(0))
    agent = "state_modeling_0" if "belief_size" in option else "coordinator_0"
    wrong = [None, {a: x for a, x in given.items() if a != agent}]
    wrong += [{**given, agent: x} for x in (["a"], None, 0.0, given[agent][:, :1], given[agent] * np.nan)]
    for actions in wrong:
        said = []
        for each in (env, plain):
            each.reset(seed=0)
            with pytest.raises(ValueError, match="PointDir-v0: ") as error:
                each.step(actions)
            said.append(str(error.value))
        assert said[0] == said[1]
    large = {**given, agent: 1e300 * np.sign(given[agent]).astype(np.float64)}
    results = []
    for actions in (large, {**given, agent: np.sign(given[agent])}):
        env.reset(seed=0)
        results.append(env.step(actions))
    assert difference(*results) is None


@pytest.mark.parametrize("rate", ["full", None, True, np.nan])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match=r"fixed_rate=.*a number in \[-1, 1\] is expected"):
        FixedRateTeam(TeamVectorEnv("PointDir-v0", 1), rate)
