"""The ledger: order, bounds, padding, distances of tasks, learning progress, pooling."""

import numpy as np
import pytest

from ma_ssm_env.ledger import ENTRIES, Ledger, outcome, task_distance


def test_entries_by_hand():
    ledger = Ledger(2, ("real",))
    assert Ledger.size(1) == ledger.vector().shape[1] == 3 * ENTRIES
    ledger.record(np.array([1]), np.float32([[0.25]]), np.float32([0.5]))
    ledger.record(np.array([0, 1]), np.float32([[5.0], [-5.0]]), np.float32([1.0, -1.0]))
    first, second = ledger.vector().reshape(2, ENTRIES, 3)
    assert first[:2].tolist() == [[2, 1, 1], [0, 0, 0]]
    assert second[:3].tolist() == [[-2, -1, 1], [0.25, 0.5, 1], [0, 0, 0]]


def test_vector_is_fresh():
    ledger = Ledger(1, ("real",))
    ledger.vector()[:] = 9
    assert not ledger.vector().any()


def test_outcomes_are_scaled_and_clipped():
    returns = np.array([-300.0, 6000.0, 2850.0, -1e9, 1e9])
    assert outcome(returns, (-300.0, 6000.0)).tolist() == [0, 1, 0.5, -2, 2]


# -- learning progress ----------------------------------------------------------------------------------

TASK_DISTANCES = [
    (("real",), [0.5], [-0.25], 0.75),
    (("real", "real"), [0.3, 0.0], [0.0, -0.4], 0.5),
    (("wrapped",), [0.9], [-0.9], 0.2),
    (("wrapped",), [1.0], [-1.0], 0.0),
    (("wrapped",), [0.5], [-0.5], 1.0),
    (("wrapped",), [0.25], [-0.25], 0.5),
    (("category",), [1.0], [1.0], 0.0),
    (("category",), [1.0], [-1.0], 2.0),
    (("category",), [0.0], [0.5], 2.0),
    (("real", "wrapped"), [0.3, 0.9], [0.0, -0.7], 0.5),
    ((), [], [], 0.0),
]


@pytest.mark.parametrize(("kinds", "a", "b", "expected"), TASK_DISTANCES)
def test_distances_by_hand(kinds, a, b, expected):
    assert task_distance(np.array(a), np.array(b), kinds) == pytest.approx(expected)
    assert task_distance(np.array(b), np.array(a), kinds) == pytest.approx(expected)


def one(ledger, task, result):
    """Learning progress of one trial of world 0, which is then recorded."""
    trial = np.array([0]), np.float32([task]), np.float32([result])
    progress = ledger.learning_progress(*trial)
    ledger.record(*trial)
    assert progress.shape == (1,)
    return float(progress[0])


def test_learning_progress_by_hand():
    ledger = Ledger(1, ("wrapped",))
    assert one(ledger, [0.9], 0.5) == 0, "nothing came before"
    assert one(ledger, [0.0], -0.25) == 0.75, "the only earlier task is the most similar one"
    assert one(ledger, [-0.9], 0.25) == 0.25, "0.2 away round the circle"
    assert one(ledger, [0.05], -0.5) == 0.25, "worse counts like better"
    assert one(ledger, [0.0], 1.0) == 1.25, "the same task is nearer than 0.05 away"
    assert one(ledger, [0.0], 0.5) == 0.5, "the newest of the equally near"


def test_empty_entries_are_no_neighbours():
    ledger = Ledger(1, ("real",))
    one(ledger, [1.0], 1.0)
    assert one(ledger, [0.0], 0.25) == 0.75, "0 is how padding looks"


def test_what_left_the_ledger_is_forgotten():
    ledger = Ledger(1, ("real",))
    one(ledger, [0.0], 1.0)
    for _ in range(ENTRIES):
        one(ledger, [1.0], -1.0)
    assert one(ledger, [0.0], 0.5) == 1.5


def test_a_law_of_one_task():
    ledger = Ledger(1, ())
    assert [one(ledger, [], x) for x in (0.5, 1.0, -1.0)] == [0, 0.5, 2.0]


def test_worlds_have_ledgers_of_their_own():
    ledger = Ledger(3, ("real",))
    ledger.record(np.array([1]), np.float32([[0.0]]), np.float32([1.0]))
    worlds = np.array([0, 1, 2])
    progress = ledger.learning_progress(worlds, np.zeros((3, 1), np.float32), np.zeros(3, np.float32))
    assert progress.tolist() == [0, 1, 0]


def test_a_shared_ledger_pools_worlds():
    ledger = Ledger(3, ("real",), shared=True)
    tasks, outcomes = np.float32([[0.1], [0.2]]), np.float32([1.0, -1.0])
    assert ledger.learning_progress(np.array([0, 2]), tasks, outcomes).tolist() == [0, 0]
    ledger.record(np.array([0, 2]), tasks, outcomes)
    rows = ledger.vector().reshape(3, ENTRIES, 3)
    assert (rows == rows[0]).all()
    np.testing.assert_array_equal(rows[0, :3], np.float32([[0.2, -1, 1], [0.1, 1, 1], [0, 0, 0]]))
    assert ledger.learning_progress(np.array([1]), np.float32([[0.3]]), np.float32([0.5])).tolist() == [1.5]
    ledger.record(np.arange(3), np.float32([[7.0]] * 3), np.float32([0.0] * 3))
    assert ledger.vector().reshape(3, ENTRIES, 3)[1, :6, 0].tolist() == pytest.approx([2, 2, 2, 0.2, 0.1, 0])
    ledger.clear()
    assert not ledger.vector().any()


def test_a_shared_ledger_holds_the_last_of_more_worlds_than_entries():
    ledger = Ledger(40, ("real",), shared=True)
    ledger.record(np.arange(40), np.linspace(-1, 1, 40, dtype=np.float32)[:, None], np.zeros(40, np.float32))
    assert ledger.vector().reshape(40, ENTRIES, 3)[39, 0, 0] == 1
    assert ledger.vector().shape == (40, 3 * ENTRIES)
