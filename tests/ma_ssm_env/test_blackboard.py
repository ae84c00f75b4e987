"""The blackboard: channel, torque, one step of delay, silence, and what can be seen of the hidden task."""

import numpy as np
import pytest

from ma_ssm_env import ROLES, parallel_env, single_agent_env, vector_env
from ma_ssm_env.blackboard import (
    NOISE_BOUND,
    Blackboard,
    bits_per_dimension,
    channel_noise,
    combine,
    receive,
    receive_at_snr,
    snr,
)
from ma_ssm_env.roles import BOUNDS


def channel(belief, rate, noise):
    """The formula of the channel, in float64."""
    belief, noise = np.float64(belief), np.float64(noise)
    ratio = 2.0 ** (2.0 * 8.0 * (float(rate) + 1.0) / 2.0) - 1.0
    return (ratio * belief + np.sqrt(ratio) * noise) / (1.0 + ratio)


def actions_of(env, **fields):
    """Neutral actions of everyone but for the named fields."""
    actions = {}
    for agent in env.game.agents:
        shape = env.game.action_spaces[agent].shape
        actions[agent] = np.zeros((env.num_envs, *shape) if hasattr(env, "num_envs") else shape, np.float32)
        for field, where in env.action_fields(agent).items():
            if field in fields:
                actions[agent][..., where] = fields[field]
    return actions


def seen(env, observations, role, field):
    agent = f"{role}_0"
    return observations[agent][..., env.observation_fields(agent)[field]]


# -- the channel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "bits", "ratio"), [(-1.0, 0.0, 0.0), (-0.5, 2.0, 15.0), (0.0, 4.0, 255.0), (1.0, 8.0, 65535.0)]
)
def test_channel_by_hand(rate, bits, ratio):
    rates = np.full((3, 1), rate, np.float32)
    assert (bits_per_dimension(rates) == bits).all()
    assert (snr(rates) == ratio).all()
    rng = np.random.default_rng(0)
    belief = rng.uniform(-1, 1, (3, 8)).astype(np.float32)
    noise = rng.standard_normal((3, 8)).astype(np.float32)
    received = receive(belief, rates, noise)
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, channel(belief, rate, noise), rtol=1e-5, atol=1e-7)
    if rate == -1.0:
        assert (received == 0).all()


def test_the_channel_is_the_same_of_a_rate_of_its_ratio_and_on_the_board():
    rng = np.random.default_rng(4)
    belief, noise = rng.uniform(-1, 1, (2, 20_000, 8)).astype(np.float32)
    rates = rng.uniform(-1, 1, (20_000, 1)).astype(np.float32)
    received = receive(belief, rates, noise)
    np.testing.assert_array_equal(receive_at_snr(belief, snr(rates), noise), received)
    posted = np.zeros((20_000, 8 + 3 * 2 + 1), np.float32)
    board = Blackboard(np.zeros((20_000, Blackboard.size(2)), np.float32), posted, 2, frozenset())
    posted[:, :8], posted[:, -1:] = belief, rates
    board.post(noise)
    np.testing.assert_array_equal(board.fields["received_belief"], received)
    np.testing.assert_array_equal(board.snr, snr(rates))
    part = snr(rates) * np.float32([1, 1, 0, 0, 0, 0, 0, 0])  # 0 where nothing is sent
    assert (receive_at_snr(belief, part, noise)[:, 2:] == 0.0).all()


@pytest.mark.parametrize("rate", [-0.9, -0.5, 0.0, 0.5])
def test_error_of_the_channel_is_that_of_theory(rate):
    rng = np.random.default_rng(1)
    belief, noise = rng.standard_normal((2, 200_000, 1)).astype(np.float32)
    received = receive(belief, np.full((200_000, 1), rate, np.float32), noise)
    nominal = 4.0 * (rate + 1.0)
    error = np.float64(received) - belief
    assert error.var() == pytest.approx(2.0 ** (-2.0 * nominal), rel=0.02)  # 1 / (1 + snr)
    # A least-mean-square estimate: its error is uncorrelated with it.
    assert abs(np.mean(error * received)) < 0.01
    assert 0.5 * np.log2(1.0 / error.var()) == pytest.approx(nominal, abs=0.02)


def test_received_belief_is_bounded():
    noise = np.full((1, 8), NOISE_BOUND, np.float32)
    rates = np.linspace(-1, 1, 1001, dtype=np.float32)
    most = max(receive(np.ones((1, 8), np.float32), np.full((1, 1), r), noise).max() for r in rates)
    assert 3.9 < most < BOUNDS["received_belief"]


def test_the_noise_of_the_channel_is_bounded():
    class Extreme:
        def standard_normal(self, shape, dtype):
            return np.linspace(-30, 30, 8, dtype=dtype).reshape(shape)

    drawn = channel_noise(Extreme(), (1, 8))
    assert drawn.dtype == np.float32
    assert drawn.min() == -np.float32(NOISE_BOUND)
    assert drawn.max() == np.float32(NOISE_BOUND)
    inside = np.abs(np.linspace(-30, 30, 8)) < NOISE_BOUND
    np.testing.assert_array_equal(drawn[0, inside], np.linspace(-30, 30, 8, dtype=np.float32)[inside])


@pytest.mark.parametrize("rate", [-1.0, 0.0, 0.7, 1.0])
def test_received_belief_in_the_environment(rate):
    env = vector_env("HalfCheetahVel-v0", 2)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        belief = rng.uniform(-1, 1, (2, 8)).astype(np.float32)
        observations, *_, infos = env.step(actions_of(env, belief=belief, rate=rate))
        expected = channel(belief, np.float32(rate), infos["channel_noise"])
        for role in ("meta_learning", "adaptation", "coordinator"):
            got = seen(env, observations, role, "received_belief")
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(infos["bits"], 8 * 8 * (rate + 1) / 2, rtol=1e-6)
        np.testing.assert_allclose(infos["snr"], 2.0 ** (8 * (rate + 1)) - 1, rtol=1e-5)
        np.testing.assert_allclose(infos["rate_cost"], 0.01 * (rate + 1) / 2, rtol=1e-6)


def test_channel_noise_is_standard_normal_and_fresh():
    env = vector_env("PointDir-v0", 20)
    env.reset(seed=0)
    noise = np.array([env.step(actions_of(env))[4]["channel_noise"] for _ in range(200)])  # [T, B, d]
    assert len(np.unique(noise.reshape(-1, 8), axis=0)) == 4000, "every step, world and trial draws its own"
    assert abs(noise.mean()) < 0.03
    assert noise.std() == pytest.approx(1.0, abs=0.03)


# -- the torque -----------------------------------------------------------------------------------------


def test_torque_by_hand():
    prior = np.array([[0.5, -0.5, 0.9, -0.9, 0.25]], np.float32)
    correction = np.array([[1.0, 1.0, 1.0, -1.0, -1.0]], np.float32)
    trust = np.array([[-1.0, 0.0, 1.0, 0.5, -0.5]], np.float32)
    np.testing.assert_array_equal(combine(prior, correction, trust), np.float32([[0.5, 0.0, 1.0, -1.0, 0.0]]))


def test_torque_in_the_environment(random_actions):
    env = vector_env("HalfCheetahVel-v0", 3)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    clipped = False
    for _ in range(10):
        actions = random_actions(env, rng)
        observations, *_ = env.step(actions)
        field = {f: actions[a][:, w] for a in env.agents for f, w in env.action_fields(a).items()}
        whole = np.float64(field["prior"]) + (np.float64(field["trust"]) + 1) / 2 * field["correction"]
        clipped |= bool((np.abs(whole) > 1).any())
        for role in ("state_modeling", "meta_learning", "adaptation"):
            got = seen(env, observations, role, "last_torque")
            np.testing.assert_allclose(got, np.clip(whole, -1, 1), rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(seen(env, observations, "adaptation", "last_prior"), field["prior"])
        np.testing.assert_array_equal(seen(env, observations, "coordinator", "last_prior"), field["prior"])
        np.testing.assert_array_equal(
            seen(env, observations, "coordinator", "last_correction"), field["correction"]
        )
        np.testing.assert_array_equal(seen(env, observations, "coordinator", "last_rate"), field["rate"])
        np.testing.assert_array_equal(env.state()[:, env.state_fields["last_trust"]], field["trust"])
    assert clipped


def test_neutral_actions_are_no_torque(scenario):
    team, twin = parallel_env(scenario), single_agent_env(scenario)
    team.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(5):
        observations, _, _, _, infos = team.step(actions_of(team))
        _, reward, _, _, _ = twin.step(np.zeros(twin.action_space.shape))
        assert (seen(team, observations, "state_modeling", "last_torque") == 0).all()
        assert infos["state_modeling_0"]["task_reward"] == reward
        np.testing.assert_array_equal(team.game.trials.physics.qpos, twin.game.trials.physics.qpos)


def test_the_twin_plays_the_same_game(scenario):
    team, twin = parallel_env(scenario, horizon=6), single_agent_env(scenario, horizon=6)
    team.reset(seed=4)
    twin.reset(seed=4)
    rng = np.random.default_rng(0)
    ended = False
    while not ended:
        torque = rng.uniform(-1, 1, twin.action_space.shape).astype(np.float32)
        _, _, _, _, infos = team.step(actions_of(team, prior=torque))
        observation, reward, ended, _, info = twin.step(torque)
        assert infos["state_modeling_0"]["task_reward"] == reward
        assert infos["state_modeling_0"]["episode_return"] == info["episode_return"]
        for field in (
            "positions",
            "last_torque",
            "return_so_far",
            "task",
            "root_position",
            "true_last_reward",
        ):
            np.testing.assert_array_equal(
                team.state()[team.state_fields[field]], twin.state()[twin.state_fields[field]]
            )
        np.testing.assert_array_equal(observation[twin.observation_fields()["last_torque"]], torque)
    assert team.agents == []


# -- one step of delay ----------------------------------------------------------------------------------


def test_what_is_posted_is_observed_one_step_later():
    """Two inner episodes of three steps: 1, 2, .. 6 tenths are posted, read a step later, then cleared."""
    env = parallel_env("PointDir-v0", episodes_per_trial=2, horizon=3)
    fields = {
        "last_prior": ("adaptation", "coordinator"),
        "last_correction": ("coordinator",),
        "last_rate": ("coordinator",),
        "last_torque": ("state_modeling", "meta_learning", "adaptation"),
    }

    def board(observations):
        read = {}
        for field, roles in fields.items():
            values = [seen(env, observations, role, field) for role in roles]
            assert all((v == values[0][0]).all() for v in values)
            read[field] = float(values[0][0])
        return read

    for _ in range(2):
        observations, _ = env.reset()
        assert board(observations) == dict.fromkeys(fields, 0.0)
        assert (seen(env, observations, "coordinator", "received_belief") == 0).all()
        starts = []
        for t in range(1, 7):
            x = np.float32(t / 10)
            observations, *_ = env.step(
                actions_of(env, prior=x, correction=-x, rate=x, trust=-1.0, belief=x / 2)
            )
            assert board(observations) == {
                "last_prior": float(x),
                "last_correction": -float(x),
                "last_rate": float(x),
                "last_torque": float(x),
            }
            received = seen(env, observations, "coordinator", "received_belief")
            # The rate that is posted at t applies to the belief that is posted at t.
            expected = channel(x / 2, x, env.game.blackboard.noise[0])
            np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-7)
            starts.append(float(seen(env, observations, "coordinator", "episode_start")[0]))
        assert starts == [0, 0, 1, 0, 0, 0], (
            "the third post is read in the second inner episode's first observation"
        )


# -- silence --------------------------------------------------------------------------------------------

LOUD = {"belief": 1.0, "rate": 1.0, "prior": 0.5, "correction": 0.25, "trust": 1.0}
POSTS = {
    "state_modeling": "received_belief",
    "meta_learning": "last_prior",
    "adaptation": "last_correction",
    "coordinator": "last_rate",
}
READERS = {
    "received_belief": ("meta_learning", "adaptation", "coordinator"),
    "last_prior": ("adaptation", "coordinator"),
    "last_correction": ("coordinator",),
    "last_rate": ("coordinator",),
}


@pytest.mark.parametrize("how", ["absent_roles", "muted_roles"])
@pytest.mark.parametrize("silent", list(POSTS))
def test_a_silent_sender_is_received_as_zero(how, silent):
    env = parallel_env("PointDir-v0", **{how: {silent}})
    observations, _ = env.reset(seed=0)
    assert (f"{silent}_0" in env.agents) == (how == "muted_roles")
    for _ in range(3):
        observations, rewards, _, _, infos = env.step(actions_of(env, **LOUD))
        for sender, field in POSTS.items():
            for reader in READERS[field]:
                if f"{reader}_0" in env.agents:
                    value = seen(env, observations, reader, field)
                    assert (value == 0).all() == (sender == silent), (sender, reader)
            board = env.state()[env.state_fields[field]]
            assert (board == 0).all() == (sender == silent)
    info = infos[env.agents[0]]
    rate = 0.0 if (how, silent) == ("absent_roles", "coordinator") else 1.0  # neutral where nobody chooses it
    sent = silent != "state_modeling"
    assert info["bits"] == (64 * (rate + 1) / 2 if sent else 0.0)
    assert info["rate_cost"] == pytest.approx(0.01 * (rate + 1) / 2 if sent else 0.0)
    assert rewards[env.agents[0]] == info["task_reward"] - info["rate_cost"]
    # Muting takes the word, not the hand; absence takes both.
    gone = silent if how == "absent_roles" else None
    gate = 0.5 if gone == "coordinator" else 1.0
    prior, correction = 0.5 * (gone != "meta_learning"), 0.25 * (gone != "adaptation")
    assert (env.state()[env.state_fields["last_torque"]] == prior + gate * correction).all()


def test_a_silent_state_modeling_role_has_no_snr():
    env = vector_env("PointDir-v0", 2, muted_roles={"state_modeling"})
    env.reset(seed=0)
    infos = env.step(actions_of(env, **LOUD))[4]
    assert (infos["snr"] == 0).all()
    assert (infos["bits"] == 0).all()
    assert (infos["rate_cost"] == 0).all()


def test_each_role_can_be_alone(random_actions):
    for role in ROLES:
        env = parallel_env("PointDir-v0", absent_roles=set(ROLES) - {role}, horizon=2)
        env.reset(seed=0)
        assert env.agents == env.possible_agents == [f"{role}_0"]
        for _ in range(4):
            observations, *_ = env.step(random_actions(env, np.random.default_rng(0)))
            assert list(observations) == [f"{role}_0"]


# -- no leak --------------------------------------------------------------------------------------------


def trial_on(scenario, task, random_actions, **options):
    env = parallel_env(scenario, **options)
    env.set_tasks(task)
    seen = [env.reset(seed=21)[0]]
    rng = np.random.default_rng(9)
    rewards = []
    while env.agents:
        observations, reward, _, _, _ = env.step(random_actions(env, rng))
        seen.append(observations)
        rewards.append(reward)
    assert not any(observations["environment_0"][3:].any() for observations in seen[:-1])
    # After its end a trial is in the ledger, its task included: nobody acts on that in this trial.
    seen[-1].pop("environment_0")
    return seen, rewards


TWO_TASKS = [("PointDir-v0", (0.0, 2.0)), ("HalfCheetahVel-v0", (0.5, 2.5))]


@pytest.mark.parametrize(("scenario", "tasks"), TWO_TASKS)
@pytest.mark.parametrize("observability", ["split", "full"])
def test_without_feedback_nothing_tells_the_task(
    scenario, tasks, observability, random_actions, assert_identical
):
    options = {"feedback": "none", "observability": observability}
    (one, paid_one), (two, paid_two) = (trial_on(scenario, t, random_actions, **options) for t in tasks)
    assert_identical(one, two)
    assert all(a != b for a, b in zip(paid_one, paid_two, strict=True)), "the reward that is paid tells it"


@pytest.mark.parametrize(("scenario", "tasks"), TWO_TASKS)
def test_feedback_by_episodes_tells_at_the_second_start(scenario, tasks, random_actions, assert_identical):
    options = {"feedback": "episode", "horizon": 30}
    (one, rewards), (two, _) = (trial_on(scenario, t, random_actions, **options) for t in tasks)
    where = parallel_env(scenario).observation_fields("state_modeling_0")["last_reward"]
    for t, (a, b) in enumerate(zip(one, two, strict=True)):
        differ = [agent for agent in a if a[agent].tobytes() != b[agent].tobytes()]
        assert differ == (["state_modeling_0"] if t == 30 else [])
    cost = 0.01 * 0.5
    mean = np.mean([r["state_modeling_0"] for r in rewards[:30]])
    assert one[30]["state_modeling_0"][where][0] == pytest.approx(mean, abs=2 * cost)
    one[30]["state_modeling_0"][where] = two[30]["state_modeling_0"][where] = 0
    assert_identical(one, two)


@pytest.mark.parametrize(("scenario", "tasks"), TWO_TASKS)
def test_feedback_by_steps_tells_state_modeling_alone(scenario, tasks, random_actions, assert_identical):
    (one, _), (two, _) = (trial_on(scenario, t, random_actions, horizon=30) for t in tasks)
    where = parallel_env(scenario).observation_fields("state_modeling_0")["last_reward"]
    assert_identical(one[0], two[0])
    for a, b in zip(one[1:], two[1:], strict=True):
        differ = [agent for agent in a if a[agent].tobytes() != b[agent].tobytes()]
        assert differ == ["state_modeling_0"]
        a["state_modeling_0"][where] = b["state_modeling_0"][where] = 0
    assert_identical(one, two)


@pytest.mark.parametrize(("scenario", "tasks"), TWO_TASKS)
def test_the_twin_is_told_no_more(scenario, tasks, random_actions, assert_identical):
    told = {}
    for feedback in ("none", "episode", "step"):
        pairs = []
        for task in tasks:
            env = single_agent_env(scenario, feedback=feedback, horizon=10)
            observations = [env.reset(seed=0, options={"task": task})[0]]
            rng = np.random.default_rng(0)
            observations += [env.step(random_actions(env, rng))[0] for _ in range(20)]
            pairs.append(observations)
        told[feedback] = [
            t for t, (a, b) in enumerate(zip(*pairs, strict=True)) if a.tobytes() != b.tobytes()
        ]
    assert told == {"none": [], "episode": [10], "step": list(range(1, 21))}
