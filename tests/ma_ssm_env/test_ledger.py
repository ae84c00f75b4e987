"""The ledger: order, bounds, padding."""

import numpy as np

from ma_ssm_env.ledger import ENTRIES, Ledger, outcome


def test_entries_by_hand():
    ledger = Ledger(2, 1)
    assert Ledger.size(1) == ledger.vector().shape[1] == 3 * ENTRIES
    ledger.record(np.array([1]), np.float32([[0.25]]), np.float32([0.5]))
    ledger.record(np.array([0, 1]), np.float32([[5.0], [-5.0]]), np.float32([1.0, -1.0]))
    first, second = ledger.vector().reshape(2, ENTRIES, 3)
    assert first[:2].tolist() == [[2, 1, 1], [0, 0, 0]]
    assert second[:3].tolist() == [[-2, -1, 1], [0.25, 0.5, 1], [0, 0, 0]]


def test_vector_is_fresh():
    ledger = Ledger(1, 1)
    ledger.vector()[:] = 9
    assert not ledger.vector().any()


def test_outcomes_are_scaled_and_clipped():
    returns = np.array([-300.0, 6000.0, 2850.0, -1e9, 1e9])
    assert outcome(returns, (-300.0, 6000.0)).tolist() == [0, 1, 0.5, -2, 2]
