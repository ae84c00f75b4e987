"""Scripted curricula: expectation maximisation on planted clusters, history, and where ALP-GMM looks."""

import copy
import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from ma_ssm_env import Policy, vector_env
from ma_ssm_env.curriculum import AlpGmm, Mixture, UniformTeacher, best_mixture, fit_mixture

CENTRES = np.array([[-0.6, 0.1], [0.0, 1.0], [0.7, 0.3]])
COVARIANCES = np.array(
    [[[0.02, 0.01], [0.01, 0.01]], [[0.005, 0.0], [0.0, 0.02]], [[0.01, -0.004], [-0.004, 0.01]]]
)
WEIGHTS = np.array([0.5, 0.2, 0.3])


def planted(count, seed=0):
    rng = np.random.default_rng(seed)
    which = rng.choice(3, count, p=WEIGHTS)
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(COVARIANCES)[which], rng.standard_normal((count, 2)))
    return CENTRES[which] + noise


def log_likelihood(data, mixture):
    """The oracle: SciPy's densities."""
    parts = [
        np.log(w) + multivariate_normal(m, c).logpdf(data)
        for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    ]
    return float(logsumexp(parts, axis=0).sum())


def test_planted_clusters_are_found():
    mixture = best_mixture(planted(4000), range(2, 7), np.random.default_rng(0))
    assert len(mixture.weights) == 3
    order = mixture.means[:, 0].argsort()
    np.testing.assert_allclose(mixture.means[order], CENTRES, atol=0.02)
    np.testing.assert_allclose(mixture.weights[order], WEIGHTS, atol=0.03)
    np.testing.assert_allclose(mixture.covariances[order], COVARIANCES, atol=0.003)


@pytest.mark.parametrize("components", [1, 2, 3, 5])
def test_likelihood_is_that_of_scipy(components):
    data = planted(300)
    for iterations in (1, 4, 100):
        mixture = fit_mixture(data, components, np.random.default_rng(1), iterations=iterations)
        assert mixture.log_likelihood == pytest.approx(log_likelihood(data, mixture), rel=1e-9)
    assert mixture.weights.sum() == pytest.approx(1.0)


def test_one_gaussian_is_mean_and_covariance():
    data = planted(200)
    mixture = fit_mixture(data, 1, np.random.default_rng(0))
    np.testing.assert_allclose(mixture.means[0], data.mean(0), rtol=1e-9)
    np.testing.assert_allclose(
        mixture.covariances[0], np.cov(data.T, bias=True) + 1e-6 * np.eye(2), rtol=1e-9
    )


def test_likelihood_never_falls():
    data = planted(200)
    values = [
        fit_mixture(data, 4, np.random.default_rng(3), iterations=n, tolerance=-np.inf).log_likelihood
        for n in range(1, 30)
    ]
    assert (np.diff(values) > -1e-6).all()
    assert values[-1] > values[0] + 1


def test_a_small_cluster_far_away_gets_a_seed():
    data = np.concatenate([planted(300), np.full((3, 2), 50.0)])
    for seed in range(5):
        mixture = fit_mixture(data, 4, np.random.default_rng(seed))
        assert mixture.weights.min() == pytest.approx(3 / 303, rel=1e-3)
        assert mixture.means.max() == pytest.approx(50.0)


def test_aic_by_hand():
    mixture = Mixture(np.full(2, 0.5), np.zeros((2, 3)), np.stack([np.eye(3)] * 2), log_likelihood=-10.0)
    assert mixture.aic == 2 * (1 + 6 + 12) + 20


@pytest.mark.parametrize(
    "data",
    [np.zeros((50, 2)), np.repeat([[1.0, 0.0], [-1.0, 2.0]], 25, axis=0), np.array([[0.0, 0.0], [1.0, 1.0]])],
)
def test_data_on_few_points(data):
    mixture = best_mixture(data, range(2, 11), np.random.default_rng(0))
    for values in (mixture.weights, mixture.means, mixture.covariances, mixture.log_likelihood):
        assert np.isfinite(values).all()


# -- teachers -------------------------------------------------------------------------------------------


class Students:
    """Worlds of a law of one real coordinate, whose outcome a function of the task and of time gives."""

    def __init__(self, outcome, worlds, seed=0):
        self.outcome, self.rng, self.time = outcome, np.random.default_rng(seed), 0
        self.ledgers = np.zeros((worlds, 32, 3), np.float32)

    def observations(self):
        header = np.tile(np.float32([1, 1, 0]), (len(self.ledgers), 1))
        return np.concatenate([header, self.ledgers.reshape(len(header), -1)], axis=1)

    def trial(self, teacher):
        proposals, memory = teacher.act(self.observations(), teacher.initial_memory(1), self.rng)
        assert memory is None
        assert proposals.dtype == np.float32
        assert (np.abs(proposals) <= 1).all()
        outcomes = np.array([self.outcome(task, self.time, self.rng) for task in proposals[:, 0]])
        self.time += 1
        self.ledgers[:, 1:] = self.ledgers[:, :-1].copy()
        self.ledgers[:, 0] = np.stack([proposals[:, 0], outcomes, np.ones(len(outcomes))], axis=1)
        return proposals[:, 0], outcomes


def only_the_middle_is_learnt(task, time, rng):
    """Easy below -0.3, hopeless above 0.3, learnt (and forgotten) between."""
    if task < -0.3:
        return 1.0
    return 0.0 if task > 0.3 else 0.5 + 0.5 * np.sin(time)


def test_alp_gmm_looks_where_returns_change():
    teacher, students = AlpGmm("HalfCheetahVel-v0"), Students(only_the_middle_is_learnt, 5)
    tasks = np.concatenate([students.trial(teacher)[0] for _ in range(400)])  # [2000], in turns of 5
    middle = np.abs(tasks) < 0.3
    assert middle[:250].mean() == pytest.approx(0.3, abs=0.1), "uniform before the first fit"
    assert middle[500:].mean() > 0.55
    assert (np.abs(tasks[500:]) > 0.5).mean() > 0.07, "a fifth stays uniform"
    control = np.concatenate([students.trial(UniformTeacher("HalfCheetahVel-v0"))[0] for _ in range(200)])
    assert (np.abs(control) < 0.3).mean() == pytest.approx(0.3, abs=0.05)


def test_history_and_learning_progress():
    teacher, students = AlpGmm("HalfCheetahVel-v0"), Students(lambda task, time, rng: rng.normal(), 3)
    said = [students.trial(teacher) for _ in range(40)]
    teacher.act(students.observations(), None, students.rng)
    teacher.act(students.observations(), None, students.rng)
    tasks = np.concatenate([t for t, _ in said])
    outcomes = np.concatenate([o for _, o in said]).astype(np.float32)
    np.testing.assert_array_equal(teacher.tasks[:, 0], tasks)
    np.testing.assert_array_equal(teacher.outcomes, outcomes)
    assert teacher.progress[0] == 0
    for i in range(1, 120):
        nearest = np.abs(tasks[:i].astype(np.float64) - tasks[i]).argmin()
        assert teacher.progress[i] == abs(np.float64(outcomes[i]) - outcomes[nearest])


def test_it_refits_every_so_many_trials():
    teacher, students = AlpGmm("HalfCheetahVel-v0", refit_every=30), Students(only_the_middle_is_learnt, 1)
    fits = []
    for _ in range(95):
        students.trial(teacher)
        fits.append(teacher.mixture)
    changes = [i for i, (a, b) in enumerate(itertools.pairwise(fits), start=1) if a is not b]
    assert changes == [30, 60, 90]
    assert teacher.mixture.means.shape[1] == 2
    assert 2 <= len(teacher.mixture.weights) <= 10


def test_all_uniform_and_none():
    students = Students(only_the_middle_is_learnt, 5)
    never = AlpGmm("HalfCheetahVel-v0", uniform_share=1.0)
    tasks = np.concatenate([students.trial(never)[0] for _ in range(200)])
    assert (np.abs(tasks[250:]) < 0.3).mean() == pytest.approx(0.3, abs=0.06)
    always = AlpGmm("HalfCheetahVel-v0", uniform_share=0.0)
    tasks = np.concatenate([students.trial(always)[0] for _ in range(200)])
    assert (np.abs(tasks[500:]) < 0.3).mean() > 0.65


def test_where_nothing_changes_tasks_stay_uniform():
    teacher, students = AlpGmm("HalfCheetahVel-v0", refit_every=50), Students(lambda *_: 0.5, 5)
    tasks = np.concatenate([students.trial(teacher)[0] for _ in range(100)])
    assert np.histogram(tasks, 4, (-1, 1))[0].min() > 80


def test_proposals_go_round_the_circle():
    teacher = AlpGmm("PointDir-v0", uniform_share=0.0)
    students = Students(lambda task, time, rng: np.sin(time) if abs(task) > 0.9 else 0.0, 5)
    tasks = np.concatenate([students.trial(teacher)[0] for _ in range(300)])[500:]
    assert (np.abs(tasks) > 0.8).mean() > 0.5
    assert (np.abs(tasks) == 1).mean() < 0.01, "nothing piles up at the seam"


@pytest.mark.parametrize("kind", [UniformTeacher, AlpGmm])
@pytest.mark.parametrize("scenario", ["HalfCheetahFault-v0", "AntCripple-v0", "HalfCheetahDir-v0"])
def test_uniform_tasks_are_uniform_over_categories(scenario, kind):
    env = vector_env(scenario, 1, task_source="environment")
    teacher, rng = kind(scenario), np.random.default_rng(0)
    starts = np.zeros((6000, *env.single_observation_space("environment_0").shape), np.float32)
    starts[:, 0] = 1.0
    tasks = env.game._tasks_of(teacher.act(starts, None, rng)[0])
    found, counts = np.unique(tasks, return_counts=True)
    (coordinate,) = env.scenario.variation.coordinates
    assert found.tolist() == coordinate.categories((coordinate.low, coordinate.high))
    np.testing.assert_allclose(counts, 6000 / len(found), rtol=0.1)


def test_uniform_tasks_of_real_coordinates_are_the_generators_own():
    teacher = UniformTeacher("PointGoal-v0")
    proposals, _ = teacher.act(np.ones((5, 1), np.float32), None, np.random.default_rng(3))
    expected = np.random.default_rng(3).uniform(-1.0, 1.0, (5, 2)).astype(np.float32)
    np.testing.assert_array_equal(proposals, expected)


@pytest.mark.parametrize("make", [UniformTeacher, AlpGmm])
@pytest.mark.parametrize("scenario", ["PointGoal-v0", "HalfCheetah-v0", "HalfCheetahDir-v0"])
def test_teachers_play_the_environment_role(make, scenario):
    env, teacher, rng = vector_env(scenario, 3, horizon=1, task_source="environment"), make(scenario), None
    assert isinstance(teacher, Policy)
    rng = np.random.default_rng(0)
    observations, infos = env.reset(seed=0)
    neutral = {a: np.zeros((3, s.shape[0]), np.float32) for a, s in env.game.action_spaces.items()}
    played = []
    for _ in range(300):
        proposals, _ = teacher.act(observations["environment_0"], None, rng)
        setup = infos["setup"]
        observations, _, _, _, infos = env.step(neutral | {"environment_0": proposals})
        if setup.any():
            assert env.scenario.variation.finite or (proposals != 0).all()
            played.append(env.game.trials.normalised_task())
    if make is AlpGmm:
        teacher.act(observations["environment_0"], None, rng)
        recorded = np.concatenate(played)[: len(teacher.tasks)]
        assert len(teacher.tasks) >= 3 * (len(played) - 1)
        np.testing.assert_array_equal(np.sort(teacher.tasks, 0), np.sort(recorded, 0))


@pytest.mark.parametrize("shared", [False, True])
def test_shared_ledgers_are_read_once(shared):
    options = {"horizon": 1, "task_source": "environment", "shared_ledger": shared}
    env, teacher = vector_env("PointGoal-v0", 4, **options), AlpGmm("PointGoal-v0", shared_ledger=shared)
    rng = np.random.default_rng(0)
    observations, _ = env.reset(seed=0)
    neutral = {a: np.zeros((4, s.shape[0]), np.float32) for a, s in env.game.action_spaces.items()}
    for _ in range(3 * 20):  # a setup step and two control steps a trial
        proposals, _ = teacher.act(observations["environment_0"], None, rng)
        observations, *_ = env.step(neutral | {"environment_0": proposals})
    teacher.act(observations["environment_0"], None, rng)
    assert teacher.tasks.shape == (80, 2)
    assert len(np.unique(teacher.tasks[:, 0])) == 80
    newest = observations["environment_0"][0, 3:].reshape(32, 4)[0]
    np.testing.assert_array_equal(teacher.tasks[-1 if shared else -4], newest[:2], "oldest first")


def test_a_seeded_world_starts_a_new_ledger_and_the_history_stays():
    teacher, students = AlpGmm("HalfCheetahVel-v0"), Students(only_the_middle_is_learnt, 2)
    for _ in range(5):
        students.trial(teacher)
    teacher.act(students.observations(), None, students.rng)
    students.ledgers[:] = 0
    for _ in range(3):
        students.trial(teacher)
    teacher.act(students.observations(), None, students.rng)
    assert len(teacher.tasks) == 16


def test_copies_of_a_teacher_go_on_alike():
    teacher, students = AlpGmm("HalfCheetahVel-v0", refit_every=20), Students(only_the_middle_is_learnt, 2)
    for _ in range(30):
        students.trial(teacher)
    others = copy.deepcopy((teacher, students))
    for _ in range(30):
        np.testing.assert_array_equal(students.trial(teacher)[0], others[1].trial(others[0])[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"refit_every": 1}, "refit_every=1: at least 2 trials"), ({"uniform_share": 1.5}, "a probability")],
)
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        AlpGmm("PointDir-v0", **options)


def test_a_teacher_stays_with_its_worlds():
    teacher = AlpGmm("HalfCheetahVel-v0")
    Students(only_the_middle_is_learnt, 2).trial(teacher)
    with pytest.raises(ValueError, match="3 worlds, but 2 before"):
        Students(only_the_middle_is_learnt, 3).trial(teacher)
