"""O- and S-information, transfer entropy, causal emergence: tables and Gaussians whose answers are known."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.metrics.emergence_psi import emergence, series_emergence
from benchmarks.metrics.entropy import mutual_information, table_entropy
from benchmarks.metrics.gaussian_copula import (
    GaussianEntropy,
    gaussian_entropy,
    gaussian_mutual_information,
    normal_scores,
)
from benchmarks.metrics.information import (
    dual_total_correlation,
    o_information,
    s_information,
    total_correlation,
)
from benchmarks.metrics.nearest_neighbours import ksg_mutual_information
from benchmarks.metrics.principal import principal_components
from benchmarks.metrics.transfer_entropy import series_transfer_entropy, transfer_entropy

LN2 = math.log(2.0)
PEERS = json.loads((Path(__file__).parent / "peers.json").read_text())  # written by peers.py, beside it


def bits(n: int) -> NDArray[np.int64]:
    return np.array(list(itertools.product((0, 1), repeat=n)))


def parity(n: int) -> NDArray[np.int64]:
    free = bits(n - 1)
    return np.column_stack([free, free.sum(1) % 2])


def gaussian(covariance: NDArray[np.float64]) -> GaussianEntropy:
    return GaussianEntropy(covariance, tuple((i,) for i in range(len(covariance))))


@pytest.mark.parametrize("n", [3, 4, 5])
def test_parity_is_synergy_and_the_giant_bit_redundancy(n: int) -> None:
    assert o_information(table_entropy(parity(n)), n) == pytest.approx(-(n - 2) * LN2)
    giant = np.repeat([[0], [1]], n, axis=1)
    assert o_information(table_entropy(giant), n) == pytest.approx((n - 2) * LN2)
    assert total_correlation(table_entropy(giant), n) == pytest.approx((n - 1) * LN2)
    assert dual_total_correlation(table_entropy(giant), n) == pytest.approx(LN2)
    assert s_information(table_entropy(giant), n) == pytest.approx(n * LN2)
    assert s_information(table_entropy(parity(n)), n) == pytest.approx(n * LN2)


def test_independent_bits_share_nothing() -> None:
    assert o_information(table_entropy(bits(4)), 4) == pytest.approx(0.0, abs=1e-12)
    assert s_information(table_entropy(bits(4)), 4) == pytest.approx(0.0, abs=1e-12)


def test_xor_informs_only_together() -> None:
    entropy = table_entropy(parity(3))
    assert mutual_information(entropy, (0,), (2,)) == pytest.approx(0.0, abs=1e-12)
    assert mutual_information(entropy, (0,), (2,), (1,)) == pytest.approx(LN2)


@pytest.mark.parametrize(("r", "expected"), [(0.5, 0.3969), (-0.2, -0.3969)])
def test_equicorrelated_gaussian(r: float, expected: float) -> None:
    n = 5
    found = o_information(gaussian(np.full((n, n), r) + (1 - r) * np.eye(n)), n)

    def log_determinant(k: int) -> float:
        return (k - 1) * math.log(1 - r) + math.log(1 + (k - 1) * r)

    assert found == pytest.approx(0.5 * ((n - 2) * log_determinant(n) - n * log_determinant(n - 1)))
    assert found == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("s", [0.3, 1.0, 2.0])
def test_noisy_sum_is_synergy(s: float) -> None:
    covariance = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.0 + s * s]])
    known = -0.5 * math.log((1 + s * s) ** 2 / (s * s * (2 + s * s)))
    assert o_information(gaussian(covariance), 3) == pytest.approx(known)


def test_copula_sees_through_monotone_marginals_and_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    r, found = 0.6, []
    for _ in range(300):
        x = rng.standard_normal((60, 1))
        y = r * x + math.sqrt(1 - r * r) * rng.standard_normal((60, 1))
        found.append(float(gaussian_mutual_information(np.exp(3 * x), y**3, ridge=0.0)))
    assert np.mean(found) == pytest.approx(-0.5 * math.log(1 - r * r), abs=0.02)
    independent = [
        float(gaussian_mutual_information(rng.standard_normal((60, 3)), rng.standard_normal((60, 3))))
        for _ in range(300)
    ]
    assert abs(np.mean(independent)) < 0.01  # 0.08 without the correction
    assert np.mean(independent) / (np.std(independent) / math.sqrt(300)) < 4


def test_constant_and_tied_columns_inform_of_nothing() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200, 2))
    constant = np.full((200, 1), 0.3)
    assert gaussian_mutual_information(x, constant) == pytest.approx(0.0, abs=0.02)
    assert (normal_scores(constant) == 0.0).all()
    ties = np.sign(x[:, :1])
    assert normal_scores(ties)[ties == 1].std() == pytest.approx(0.0)
    with pytest.raises(ValueError, match="more samples than columns"):
        gaussian_entropy([x[:3]])


def test_replicates_are_the_single_results() -> None:
    x = np.random.default_rng(2).standard_normal((4, 50, 3))
    together = o_information(gaussian_entropy([x[..., [i]] for i in range(3)]), 3)
    alone = [o_information(gaussian_entropy([x[g][:, [i]] for i in range(3)]), 3) for g in range(4)]
    np.testing.assert_allclose(together, alone)


def test_nearest_neighbours_agree_with_a_gaussian_and_see_what_the_copula_misses() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2000, 1))
    y = 0.8 * x + 0.6 * rng.standard_normal((2000, 1))
    known = -0.5 * math.log(1 - 0.64)
    assert ksg_mutual_information(x, y) == pytest.approx(known, abs=0.05)
    assert gaussian_mutual_information(x, y) == pytest.approx(known, abs=0.05)
    bent = x**2 + 0.3 * rng.standard_normal((2000, 1))
    assert gaussian_mutual_information(x, bent) < 0.02
    assert ksg_mutual_information(x, bent) > 0.5
    z = rng.standard_normal((2000, 1))
    a, b = z + 0.5 * rng.standard_normal((2, 2000, 1))
    assert ksg_mutual_information(a, b) > 0.3
    assert ksg_mutual_information(a, b, z) == pytest.approx(0.0, abs=0.05)


def test_transfer_entropy_of_a_linear_listener() -> None:
    rng = np.random.default_rng(4)
    k, s = 0.7, 0.5
    x = rng.standard_normal((200, 60, 1))
    y = np.zeros_like(x)
    y[1:] = k * x[:-1] + s * rng.standard_normal((199, 60, 1))
    known = 0.5 * math.log(1 + k * k / s**2)
    assert series_transfer_entropy(x, y) == pytest.approx(known, abs=0.02)
    assert series_transfer_entropy(y, x) == pytest.approx(0.0, abs=0.01)
    driver = rng.standard_normal((200, 60, 1))
    late = np.roll(driver, 1, axis=0)
    first, second = driver + 0.3 * x, late + 0.3 * rng.standard_normal((200, 60, 1))
    assert series_transfer_entropy(first, second) > 0.3  # a common cause with different delays
    assert series_transfer_entropy(first, second, given=driver) < 0.01


def test_transfer_entropy_of_copied_bits() -> None:
    # X free, Y' = X: outcomes (X, Y, Y').
    outcomes = [(x, y, x) for x, y in itertools.product((0, 1), repeat=2)]
    assert transfer_entropy(table_entropy(outcomes), (0,), (1,), (2,)) == pytest.approx(LN2)


def autoregressive(a: float, n: int, coupling: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """n AR(1) units of unit variance, coupled through their mean by `coupling` (0: independent)."""
    steps, worlds = 1500, 40
    weights = a * ((1 - coupling) * np.eye(n) + coupling * np.full((n, n), 1.0 / n))
    x = np.zeros((steps, worlds, n))
    for t in range(1, steps):
        x[t] = x[t - 1] @ weights.T + math.sqrt(1 - a * a) * rng.standard_normal((worlds, n))
    return x[100:]


def test_psi_of_independent_units_is_the_known_trap() -> None:
    a, n = 0.8, 5
    x = autoregressive(a, n, 0.0, np.random.default_rng(5))
    parts = [x[..., [i]] for i in range(n)]
    found = series_emergence(parts, x.sum(-1, keepdims=True), ridge=0.0)
    known = -0.5 * math.log(1 - a * a) + n / 2 * math.log(1 - a * a / n)
    assert known == pytest.approx(0.168, abs=1e-3)
    assert found.psi == pytest.approx(known, abs=0.01)
    # Each part tells as much of V', 1/2 ln 1 / (1 - a^2/n), which the correction gives back n - 1 times.
    assert found.psi_corrected == pytest.approx(known - (n - 1) * 0.5 * math.log(1 - a * a / n), abs=0.04)


def test_uncorrected_psi_ranks_mean_field_below_independent_and_the_correction_mends_it() -> None:
    rng = np.random.default_rng(6)
    found = {}
    for name, coupling in (("independent", 0.0), ("coupled", 1.0)):
        x = autoregressive(0.9, 5, coupling, rng)
        found[name] = series_emergence([x[..., [i]] for i in range(5)], x.sum(-1, keepdims=True), ridge=0.0)
    assert found["coupled"].psi < found["independent"].psi
    assert found["coupled"].psi_corrected > 0


def test_kept_parity_is_emergence_and_causal_decoupling() -> None:
    # Parts: 3 bits, redrawn at random among those of equal parity; V: the parity.
    outcomes = []
    for now, then in itertools.product(bits(3), bits(3)):
        if now.sum() % 2 == then.sum() % 2:
            outcomes.append((*now, now.sum() % 2, *then, then.sum() % 2))
    found = emergence(table_entropy(outcomes), 3)
    assert found.psi == pytest.approx(LN2)
    assert found.psi_corrected == pytest.approx(LN2)
    assert found.gamma == pytest.approx(0.0, abs=1e-12)
    assert found.delta == pytest.approx(0.0, abs=1e-12)


def test_parity_that_sets_a_part_is_downward_causation() -> None:
    # The first bit becomes the parity, the others are free; V: the parity.
    outcomes = []
    for now, free in itertools.product(bits(3), bits(2)):
        then = (now.sum() % 2, *free)
        outcomes.append((*now, now.sum() % 2, *then, sum(then) % 2))
    found = emergence(table_entropy(outcomes), 3)
    assert found.delta == pytest.approx(LN2)
    assert found.gamma == pytest.approx(LN2)


def test_copied_parts_are_no_emergence() -> None:
    # Everyone copies the first bit, and it stays: V = the bit; the parts say it n times over.
    outcomes = [(b, b, b, b, b, b, b, b) for b in (0, 1)]
    found = emergence(table_entropy(outcomes), 3)
    assert found.psi == pytest.approx(-2 * LN2)
    assert found.psi_corrected == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", sorted(PEERS["tables"]))
def test_agrees_with_dit(name: str) -> None:
    """Tables of outcomes with probabilities, and what dit makes of them (nats), by `peers.py`."""
    case = PEERS["tables"][name]
    n = len(case["outcomes"][0])
    entropy = table_entropy(case["outcomes"], case["probabilities"])
    found = {
        "entropy": entropy(range(n)),
        "o_information": o_information(entropy, n),
        "total_correlation": total_correlation(entropy, n),
        "dual_total_correlation": dual_total_correlation(entropy, n),
        "conditional_information": mutual_information(entropy, (0,), (1,), (2,)),
    }
    for measure, value in case["dit"].items():
        assert found[measure] == pytest.approx(value, abs=1e-3), measure


@pytest.mark.parametrize("name", sorted(PEERS["samples"]))
def test_agrees_with_hoi(name: str) -> None:
    """Drawn samples, and what hoi's Gaussian copula makes of them (nats), by `peers.py`."""
    case = PEERS["samples"][name]
    x = peers_samples(name)
    entropy = gaussian_entropy([x[:, [i]] for i in range(x.shape[1])], ridge=0.0)
    found = {
        "o_information": o_information(entropy, x.shape[1]),
        "s_information": s_information(entropy, x.shape[1]),
        "total_correlation": total_correlation(entropy, x.shape[1]),
    }
    for measure, value in case["hoi"].items():
        assert found[measure] == pytest.approx(value, abs=1e-3), measure


def peers_samples(name: str) -> NDArray[np.float64]:
    return np.array(PEERS["samples"][name]["samples"])


def test_components_are_of_what_varies_together_whatever_its_unit() -> None:
    rng = np.random.default_rng(0)
    alone, together = rng.normal(size=(2, 4000))
    samples = np.stack([1000.0 * alone, together, 0.001 * together, np.full(4000, 3.0)], axis=1)
    (first,) = principal_components(samples, 1).T
    assert abs(np.corrcoef(first, together)[0, 1]) > 0.999
    assert principal_components(samples.reshape(40, 100, 4), 2).shape == (40, 100, 2)
    assert np.isfinite(principal_components(samples, 4)).all()
