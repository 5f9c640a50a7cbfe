"""Inner products: exact moments against quadrature and samples, and regions that stay near the data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from dynsym import DataError, Fourier, Monomials, Radial, Terms, Trajectory
from dynsym.inner_product import (
    Box,
    Gaussian,
    Quadrature,
    Region,
    data_measure,
    generic_region,
    region_around,
)

BOX = Box([-1.0, 0.5], [2.0, 0.7])
NORMAL = Gaussian([0.3, -1.0], [0.5, 2.0])


@pytest.mark.parametrize("order", [0, 1, 6])
def test_moments_are_integrals(order):
    for k in range(2):
        low, high = BOX.low[k], BOX.high[k]
        normal = stats.norm(NORMAL.mean[k], NORMAL.sd[k])
        for j in range(order + 1):
            box = integrate.quad(lambda x, j=j: x**j, low, high)[0] / (high - low)
            assert BOX.moments(order)[k, j] == pytest.approx(box, rel=1e-10)
            assert NORMAL.moments(order)[k, j] == pytest.approx(normal.moment(j) if j else 1.0, rel=1e-10)


def test_the_gram_matrix_of_monomials_is_the_double_integral():
    d = Monomials(2, 2)
    gram = BOX.gram(d)
    area = np.prod(BOX.high - BOX.low)
    for i in range(d.n_terms):
        for j in range(i, d.n_terms):

            def product(y, x, i=i, j=j):
                values = d.evaluate([x, y])[0]
                return values[i] * values[j] / area

            wanted = integrate.dblquad(product, BOX.low[0], BOX.high[0], BOX.low[1], BOX.high[1])[0]
            assert gram[i, j] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("measure", [BOX, NORMAL], ids=["box", "normal"])
def test_exact_gram_and_sample_agree(measure):
    d = Monomials(2, 2)
    kind = type(measure)
    first, second = (measure.low, measure.high) if kind is Box else (measure.mean, measure.sd)
    many = kind(first, second, n_points=100_000)
    values = d.evaluate(many.points)
    products = values[:, :, None] * values[:, None, :]
    error = products.std(axis=0) / np.sqrt(len(values))
    assert (np.abs(products.mean(axis=0) - measure.gram(d)) <= 5 * error + 1e-12).all()


def test_other_dictionaries_are_summed_over_the_points():
    d = Fourier(("x1", "x2"), 2) + Radial(("x1", "x2"), ("x1", "x2"), (-1,))
    theta = d.evaluate(BOX.points)
    np.testing.assert_allclose(BOX.gram(d), theta.T @ (BOX.weights[:, None] * theta), rtol=1e-12)
    assert abs(BOX.weights.sum() - 1) < 1e-12


def test_points_are_reproducible_and_inside():
    np.testing.assert_array_equal(BOX.points, Box(BOX.low, BOX.high).points)
    assert not np.array_equal(BOX.points, Box(BOX.low, BOX.high, seed=1).points)
    assert (BOX.points >= BOX.low).all()
    assert (BOX.points <= BOX.high).all()


def test_given_points_and_weights():
    x, w = np.polynomial.legendre.leggauss(5)
    gauss = Quadrature(x[:, None], w)
    np.testing.assert_allclose(
        gauss.gram(Monomials(1, 4)), Box([-1.0], [1.0]).gram(Monomials(1, 4)), rtol=1e-12, atol=1e-15
    )
    assert str(gauss) == "given points and weights"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quadrature([[1.0]], [1.0, 2.0]), "1 points, 2 weights"),
        (lambda: Quadrature(np.zeros((0, 1)), []), "0 points, 0 weights"),
        (lambda: Quadrature([[1.0]], [-1.0]), ">= 0"),
        (lambda: Quadrature([[1.0]], [0.0]), "positive sum"),
        (lambda: Quadrature([[np.nan]], [1.0]), "not finite"),
        (lambda: Box([1.0], [1.0]), "low < high"),
        (lambda: Box([1.0], [2.0, 3.0]), "same length"),
        (lambda: Box([0.0], [np.inf]), "not finite"),
        (lambda: Box([0.0], [1.0], n_points=0), "n_points"),
        (lambda: Gaussian([0.0], [0.0]), "sd > 0"),
        (lambda: Gaussian([0.0], [1.0, 1.0]), "same length"),
        (lambda: Gaussian([np.nan], [1.0]), "not finite"),
        (lambda: Gaussian([0.0], [1.0], n_points=0), "n_points"),
    ],
)
def test_what_is_no_measure_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def runs():
    """Two circles of very different size, one sample missing."""
    t = np.linspace(0, 6, 200)
    circle = np.stack([np.cos(t), np.sin(t)], axis=1)
    gap = circle.copy()
    gap[17, 0] = np.nan
    return [Trajectory(t, gap), Trajectory(t, 100 * circle)]


def test_the_data_are_a_measure():
    measure = data_measure(runs())
    assert measure.points.shape == (399, 2)
    np.testing.assert_allclose(measure.weights, 1 / 399)
    assert measure.description == "the 399 samples of 2 run(s)"
    with pytest.raises(DataError, match="no complete sample"):
        data_measure([Trajectory([0.0], [[np.nan]])])


def test_a_region_is_a_tube_around_each_run():
    region = region_around(runs())
    radius = np.linalg.norm(region.points, axis=1)
    inner = radius < 10
    assert len(region.points) == 600
    assert inner.sum() == 300
    # The tube has full dimension, and its width is a tenth of the spread of its own run.
    for part, size in ((radius[inner], 1.0), (radius[~inner], 100.0)):
        assert 0.05 * size < part.std() < 0.1 * size
        assert np.abs(part - size).max() < 0.4 * size
    assert region.weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(region.scale, 100 / 2, rtol=0.1)


def test_a_region_does_not_depend_on_units():
    scaled = [Trajectory(run.t, run.x * [1.0, 1e6]) for run in runs()]
    one, other = region_around(runs()), region_around(scaled)
    np.testing.assert_allclose(one.points / one.scale, other.points / other.scale, rtol=1e-9, atol=1e-12)


def test_a_state_that_does_not_move_has_a_scale():
    t = np.linspace(0, 1, 20)
    region = region_around([Trajectory(t, np.stack([t, 0 * t, 0 * t - 5], axis=1))])
    assert (region.scale > 0).all()
    assert (region.points[:, 2] == -5).all()
    with pytest.raises(DataError, match="no complete sample"):
        region_around([Trajectory([0.0], [[np.nan]])])


def test_reweighting_keeps_the_points():
    region = Region(np.ones((3, 1)), np.full(3, 1 / 3), np.ones(1), "three points")
    other = region.weighted([1.0, 2.0, 1.0])
    np.testing.assert_allclose(other.weights, [0.25, 0.5, 0.25])
    np.testing.assert_allclose(other.roots**2, other.weights)


def test_generic_points_determine_the_functions_and_avoid_singularities():
    for d in (
        Monomials(3, 3),
        Terms(["1/x", "1/(x-y)"], ("x", "y")),
        Radial(("x", "y"), ("x", "y"), (-3, -1, 1)),
    ):
        region = generic_region(d)
        assert np.linalg.matrix_rank(d.evaluate(region.points)) == d.n_terms
    positive = generic_region(Terms(["log(x)", "sqrt(y)"], ("x", "y")))
    assert (positive.points > 0).all()
    assert "positive" in positive.description
