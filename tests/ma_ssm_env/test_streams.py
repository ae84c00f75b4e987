"""Random substreams: no option, absence or silence shifts what another purpose draws."""

import numpy as np
import pytest

from ma_ssm_env import parallel_env, single_agent_env, vector_env
from ma_ssm_env.streams import MAX_SEED, Purpose, checked_seed, entropy_seed, substream

FIRST = [149215387, 3034174488, 463140260]
VARIANTS = {
    "no state modeling": {"absent_roles": {"state_modeling"}},
    "the coordinator alone": {
        "absent_roles": {"state_modeling", "meta_learning", "adaptation", "environment"}
    },
    "muted": {"muted_roles": {"state_modeling", "coordinator"}},
    "cost": {"bandwidth_cost": 3.0},
    "full": {"observability": "full"},
    "no feedback": {"feedback": "none"},
    "feedback by episodes": {"feedback": "episode"},
    "sensor noise": {"sensor_noise": 0.5},
    "hidden velocities": {"hide_velocities": True, "sensor_noise": 0.5},
    "threads": {"num_threads": 2},
    "other actions": {},
}


def draws(scenario, random_actions, seed, **options):
    """Tasks, start states and channel noise of two worlds over two trials."""
    env = vector_env(scenario, 2, horizon=3, **options)
    env.reset(seed=30)
    physics, trials = env.game.trials.physics, env.game.trials
    tasks, starts, noise = [trials.task.copy()], [(physics.qpos.copy(), physics.qvel.copy())], []
    rng = np.random.default_rng(seed)
    for _ in range(12):
        infos = env.step(random_actions(env, rng))[4]
        noise.append(infos["channel_noise"])
        if infos["episode_ended"].all():
            tasks.append(trials.task.copy())
            starts.append((physics.qpos.copy(), physics.qvel.copy()))
    return tasks, starts, noise


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.parametrize("scenario", ["PointGoal-v0", "HalfCheetahVel-v0"])
def test_nothing_shifts_another_draw(scenario, variant, random_actions, assert_identical):
    expected = draws(scenario, random_actions, 0)
    assert_identical(expected, draws(scenario, random_actions, 1, **VARIANTS[variant]))


def test_the_twin_draws_the_same(random_actions, assert_identical):
    team, twin = (
        parallel_env("HalfCheetahVel-v0", horizon=2),
        single_agent_env("HalfCheetahVel-v0", horizon=2),
    )
    rng = np.random.default_rng(0)
    for trial in range(3):
        team.reset(seed=None if trial else 6)
        twin.reset(seed=None if trial else 6)
        for _ in range(4):
            np.testing.assert_array_equal(team.game.trials.task, twin.game.trials.task)
            if team.state()[team.state_fields["episode_start"]] == 1:
                for name in ("qpos", "qvel"):
                    a, b = (getattr(env.game.trials.physics, name) for env in (team, twin))
                    np.testing.assert_array_equal(a, b)
            team.step(random_actions(team, rng))
            twin.step(random_actions(twin, rng))


def test_a_given_task_does_not_shift_the_next():
    free, given = parallel_env("HalfCheetahVel-v0"), parallel_env("HalfCheetahVel-v0")
    free.reset(seed=2)
    given.reset(seed=2, options={"task": 0.25})
    assert given.game.trials.task[0, 0] == 0.25
    np.testing.assert_array_equal(free.game.trials.physics.qpos, given.game.trials.physics.qpos)
    free.reset()
    given.reset()
    np.testing.assert_array_equal(free.game.trials.task, given.game.trials.task)


def test_every_address_is_a_stream_of_its_own():
    first = set()
    addresses = [(s, p, t, e) for s in (0, 1, 2**62) for p in Purpose for t in range(3) for e in range(3)]
    for address in addresses:
        first.update(substream(*address).random(4).tolist())
    assert len(first) == 4 * len(addresses)
    np.testing.assert_array_equal(
        substream(1, Purpose.TASK, 2, 3).random(9), substream(1, Purpose.TASK, 2, 3).random(9)
    )


def test_addresses_are_those_of_every_result_so_far():
    first = [
        substream(*address).integers(2**32) for address in ((0, 0, 0, 0), (7, 1, 3, 2), (2**62, 2, 5, 1))
    ]
    assert first == FIRST


def test_purposes_keep_their_numbers():
    assert [(p.name, int(p)) for p in Purpose] == [
        ("TASK", 0),
        ("START", 1),
        ("CHANNEL", 2),
        ("SENSORS", 3),
        ("FAULT", 4),
        ("SPLIT", 5),
    ]


def test_sensor_noise_has_its_size_and_leaves_the_physics_alone():
    clean, noisy = (vector_env("HalfCheetahVel-v0", 50, sensor_noise=s) for s in (0.0, 0.3))
    agent = "state_modeling_0"
    errors = []
    observations = [env.reset(seed=0)[0][agent] for env in (clean, noisy)]
    still = {a: np.zeros((50, s.shape[0])) for a, s in clean.game.action_spaces.items()}
    for _ in range(20):
        errors.append(observations[1] - observations[0])
        observations = [env.step(still)[0][agent] for env in (clean, noisy)]
    errors = np.array(errors)  # [T, B, O]
    fields = clean.observation_fields(agent)
    sensed = np.r_[fields["positions"], fields["velocities"]]
    others = np.setdiff1d(np.arange(errors.shape[2]), sensed)
    assert errors[..., sensed].std() == pytest.approx(0.3, rel=0.02)
    assert abs(errors[..., sensed].mean()) < 0.01
    assert (np.abs(np.diff(errors[..., sensed], axis=0)).max(0) > 0.1).all(), "every step has its own"
    assert (errors[..., others] == 0).all()
    np.testing.assert_array_equal(clean.game.trials.physics.qpos, noisy.game.trials.physics.qpos)


def test_every_role_senses_the_same_noise():
    env = parallel_env("HalfCheetahVel-v0", sensor_noise=0.3)
    observations, _ = env.reset(seed=0)
    positions = [observations[a][env.observation_fields(a)["positions"]] for a in env.agents[:3]]
    np.testing.assert_array_equal(positions[0], positions[1])
    np.testing.assert_array_equal(positions[0], positions[2])
    np.testing.assert_array_equal(positions[0], env.state()[env.state_fields["positions"]])


def test_seeds_at_the_ends_of_their_range():
    for seed in (0, MAX_SEED, np.int64(3), np.uint8(3)):
        assert type(checked_seed(seed)) is int
    for _ in range(20):
        assert 0 <= entropy_seed() <= MAX_SEED


def test_hidden_velocities_leave_the_noise_of_positions_as_it_is():
    envs = [
        vector_env("HalfCheetahVel-v0", 3, horizon=4, sensor_noise=0.3, hide_velocities=hide)
        for hide in (False, True)
    ]
    observations = [env.reset(seed=8)[0]["state_modeling_0"] for env in envs]
    still = {a: np.zeros((3, s.shape[0])) for a, s in envs[0].game.action_spaces.items()}
    for _ in range(10):
        seen = [
            o[:, env.observation_fields("state_modeling_0")["positions"]]
            for o, env in zip(observations, envs, strict=True)
        ]
        np.testing.assert_array_equal(*seen)
        observations = [env.step(still)[0]["state_modeling_0"] for env in envs]
