"""Each proximal map is the minimiser that defines it; norms, gauges and metrics keep their dual relations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, sparse

from dynsym._checks import DataError
from dynsym.optim import L1, Composed, Group, Nuclear, Ridge, SumPenalty

SHAPE = (3, 4)
RNG = np.random.default_rng(7)
OPERATOR = RNG.standard_normal((15, 12))

PROXIMABLE = {
    "l1": L1(0.7),
    "group of terms": Group(0.7),
    "named groups": Group(0.7, groups=((0, 5, 7), (1, 2))),
    "nuclear": Nuclear(0.7, OPERATOR, (5, 3)),
    "wide nuclear": Nuclear(0.7, sparse.csr_array(OPERATOR), (3, 5)),
    "composed l1": Composed(L1(0.7), OPERATOR[:6]),
    "composed nuclear": Composed(Nuclear(0.7, np.eye(6), (3, 2)), OPERATOR[:6]),
}
every_penalty = pytest.mark.parametrize("penalty", PROXIMABLE.values(), ids=PROXIMABLE.keys())


@every_penalty
@pytest.mark.parametrize("step", [1e-3, 0.5, 20.0])
def test_no_move_away_from_the_prox_lowers_its_definition(penalty, step):
    v = RNG.standard_normal(penalty.split_shape(SHAPE))
    best = penalty.prox(v, step)

    def cost(z):
        return penalty.norm(z) + np.sum((z - v) ** 2) / (2 * step)

    rng = np.random.default_rng(0)
    moves = [rng.standard_normal(v.shape) * size for size in (1e-6, 1e-3, 1e-1, 1.0) for _ in range(50)]
    moves += [v - best, -best, 0.1 * (v - best), -0.1 * best]
    assert cost(best) <= min(cost(best + move) for move in moves) + 1e-13 * abs(cost(best))


@pytest.mark.parametrize("name", ["l1", "group of terms", "named groups", "nuclear", "wide nuclear"])
def test_the_prox_agrees_with_a_general_minimiser(name):
    penalty = PROXIMABLE[name]
    v = RNG.standard_normal(penalty.split_shape(SHAPE))
    best = penalty.prox(v, 0.3)
    found = optimize.minimize(
        lambda z: penalty.norm(z.reshape(v.shape)) + np.sum((z - v.ravel()) ** 2) / 0.6,
        v.ravel(),
        method="Powell",
        options={"xtol": 1e-8, "ftol": 1e-14, "maxiter": 200},
    )
    assert found.fun >= penalty.norm(best) + np.sum((best - v) ** 2) / 0.6 - 1e-12
    assert np.allclose(found.x.reshape(v.shape), best, atol=5e-3)


@every_penalty
def test_the_prox_residual_is_a_subgradient(penalty):
    v = 3 * RNG.standard_normal(penalty.split_shape(SHAPE))
    z = penalty.prox(v, 1.0)
    u = v - z
    labels = PROXIMABLE["named groups"].labels(SHAPE) if penalty is PROXIMABLE["named groups"] else None
    if labels is None:
        assert penalty.gauge(u) <= 1 + 1e-12
    else:
        assert np.all(u.ravel()[labels < 0] == 0)
    assert np.sum(u * z) == pytest.approx(penalty.norm(z), rel=1e-12)


@every_penalty
def test_the_gauge_bounds_inner_products_by_the_norm(penalty):
    shape = penalty.split_shape(SHAPE)
    for _ in range(20):
        u, z = RNG.standard_normal(shape), RNG.standard_normal(shape)
        # infinite for groups that do not cover every coefficient: there the penalty bounds nothing
        assert np.sum(u * z) <= penalty.gauge(u) * penalty.norm(z) + 1e-12


@every_penalty
def test_the_balanced_metric_keeps_the_prox_exact(penalty):
    shape = penalty.split_shape(SHAPE)
    step = 1.0 / penalty.balance(RNG.uniform(0.5, 20.0, shape))
    v = RNG.standard_normal(shape)
    best = penalty.prox(v, step)
    reached = penalty.norm(best) + np.sum((best - v) ** 2 / (2 * step))
    for size in (1e-5, 1e-2, 0.3):
        for _ in range(40):
            z = best + size * RNG.standard_normal(shape)
            assert reached <= penalty.norm(z) + np.sum((z - v) ** 2 / (2 * step)) + 1e-12


def test_a_metric_that_was_not_balanced_would_be_wrong():
    # Negative control for the test above: groups with uneven steps do not minimise their definition.
    penalty, v = Group(0.7), np.array([[2.0], [2.0]])
    step = np.array([[0.1], [5.0]])
    z = penalty.prox(v, step)

    def cost(z):
        return penalty.norm(z) + np.sum((z - v) ** 2 / (2 * step))

    assert min(cost(z + d * np.array([[1.0], [s]])) for d in (-0.1, 0.1) for s in (-1, 0, 1)) < cost(z)


@pytest.mark.parametrize("threshold", [1e-9, 1e-3, 1.0])
def test_singular_values_are_thresholded_as_by_a_full_svd(threshold):
    v = RNG.standard_normal((30, 4)) * [1.0, 1.0, 1e-4, 1e-7]
    U, s, Vt = np.linalg.svd(v, full_matrices=False)
    expected = (U * np.maximum(s - threshold, 0)) @ Vt
    for matrix, wanted in ((v, expected), (v.T, expected.T)):
        found = Nuclear(threshold, np.zeros((v.size, 1)), matrix.shape).prox(matrix, 1.0)
        assert np.allclose(found, wanted, rtol=0, atol=1e-10)


@every_penalty
def test_values_are_those_of_the_split_form(penalty):
    C = RNG.standard_normal(SHAPE)
    K = penalty.linear_map(SHAPE)
    v = (C.ravel() if K is None else K @ C.ravel()).reshape(penalty.split_shape(SHAPE))
    assert penalty.value(C) == pytest.approx(penalty.norm(v), rel=1e-14)


def test_values_follow_their_formulas():
    C = RNG.standard_normal(SHAPE)
    assert L1(2.0).value(C) == pytest.approx(2 * np.abs(C).sum())
    assert Group(2.0).value(C) == pytest.approx(2 * np.linalg.norm(C, axis=0).sum())
    assert Group(2.0, [[0, 4]]).value(C) == pytest.approx(2 * np.hypot(C[0, 0], C[1, 0]))
    nuclear = np.linalg.svd((OPERATOR @ C.ravel()).reshape(5, 3), compute_uv=False).sum()
    assert Nuclear(2.0, OPERATOR, (5, 3)).value(C) == pytest.approx(2 * nuclear)
    assert Ridge(2.0).value(C) == pytest.approx(np.sum(C**2))


def test_sums_flatten_and_add():
    C = RNG.standard_normal(SHAPE)
    total = L1(1.0) + (Ridge(2.0) + Group(3.0)) + L1(0.5)
    assert isinstance(total, SumPenalty)
    assert [type(part).__name__ for part in total.parts] == ["L1", "Ridge", "Group", "L1"]
    assert total.value(C) == pytest.approx(sum(part.value(C) for part in total.parts))
    with pytest.raises(TypeError):
        L1(1.0) + 3.0


def test_penalties_are_frozen():
    with pytest.raises(AttributeError):
        L1(1.0).weight = 2.0
    with pytest.raises(ValueError, match="read-only"):
        Nuclear(1.0, OPERATOR, (5, 3)).operator[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        Nuclear(1.0, sparse.csr_array(OPERATOR), (5, 3)).operator.data[0] = 1.0


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: L1(-1.0), "-1.0"),
        (lambda: L1(np.nan), "nan"),
        (lambda: Ridge([1.0, 2.0]), "one finite weight"),
        (lambda: Group(1.0, [[0, 1], [1, 2]]), r"disjoint, but index \[1\]"),
        (lambda: Group(1.0, [[]]), "each group needs an index"),
        (lambda: Group(1.0, [[-1]]), "got -1"),
        (lambda: Group(1.0, [[12]]).value(np.zeros(SHAPE)), "12 is out of range for 12"),
        (lambda: Group(1.0).value(np.zeros(5)), "name the groups"),
        (lambda: Nuclear(1.0, OPERATOR, (5, 4)), "has 15 rows but shape"),
        (lambda: Nuclear(1.0, OPERATOR, (5, 3)).value(np.zeros((2, 4))), "12 columns"),
        (lambda: Composed(Ridge(1.0), OPERATOR), "got Ridge"),
        (lambda: SumPenalty(()), "at least one"),
    ],
)
def test_bad_arguments_are_refused_with_what_arrived(make, shown):
    with pytest.raises(DataError, match=shown):
        make()
