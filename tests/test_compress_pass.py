"""The pass over the data: by whatever route and however the data are cut, the factor is that of one dense QR."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsym as dy
from dynsym import DataError, Derivatives, LocalPolynomial, Monomials, Trajectory, WeakForm
from dynsym.compress import Frame, _cholesky_qr, _pass, _plan, compress_prepared, prepare, triangle_of
from dynsym.compress._cholesky_qr import HOUSEHOLDER, ONE_PASS, TWO_PASSES, start_of
from dynsym.dictionary import moment_cover

METHODS = [LocalPolynomial(1, 2), LocalPolynomial(2, 4, ends=True), WeakForm(0.5), Derivatives()]
IDS = ["strong", "with ends", "weak", "given"]


@pytest.fixture
def streamed(monkeypatch):
    """Even small data go through the streaming routes."""
    monkeypatch.setattr(_pass, "_FEW", 0)
    monkeypatch.setattr(_pass, "_FEW_WIDE", 0)
    monkeypatch.setattr(_pass, "_FEWEST", 0)


def conditioned(m, p, condition, seed=0):
    """A random matrix (m, p) of given condition number, its columns not aligned with its singular directions."""
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.standard_normal((m, p)))
    v, _ = np.linalg.qr(rng.standard_normal((p, p)))
    return (u * np.geomspace(1, 1 / condition, p)) @ v.T


def cut(rows, pieces):
    edges = np.linspace(0, len(rows), pieces + 1).astype(int)
    return lambda: (np.ascontiguousarray(rows[a:b].T) for a, b in itertools.pairwise(edges))


def positive(triangle):
    """The triangle with its diagonal made positive, which makes it unique."""
    sign = np.sign(np.diag(triangle))
    return triangle * np.where(sign == 0, 1.0, sign)[:, None]


@pytest.mark.parametrize(
    "dictionary",
    [Monomials(1, 0), Monomials(3, 3), Monomials(2, 6), Monomials(4, 2, constant=False), Monomials(30, 1)],
    ids=repr,
)
def test_a_few_rows_of_a_gram_matrix_hold_every_moment(dictionary):
    cover = moment_cover(dictionary.exponents)
    theta = dictionary.evaluate(np.random.default_rng(0).standard_normal((50, dictionary.n_states)))
    gram = theta.T @ theta
    size = np.sqrt(np.diag(gram))
    found = gram[cover.rows].ravel()[cover.place]
    assert np.abs((found - gram) / np.outer(size, size)).max() < 1e-13
    assert len(cover.rows) <= dictionary.n_terms
    if dictionary.degree > 1:
        assert len(cover.rows) < 0.7 * dictionary.n_terms


@pytest.mark.parametrize("pieces", [1, 7])
def test_moments_counted_once_give_the_gram_matrix(pieces):
    d = Monomials(3, 4)
    rng = np.random.default_rng(0)
    rows = np.hstack([d.evaluate(rng.uniform(-1, 1, (500, 3))), rng.standard_normal((500, 3))])
    rows *= rng.uniform(1, 2, (500, 1))  # a weight of each row
    gram, count = _cholesky_qr._gram(cut(rows, pieces)(), d.n_terms + 3, moment_cover(d.exponents))
    assert count == 500
    np.testing.assert_allclose(gram, rows.T @ rows, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize(
    ("condition", "route"),
    [(10.0, ONE_PASS), (100.0, ONE_PASS), (1e5, TWO_PASSES), (1e7, TWO_PASSES), (1e12, HOUSEHOLDER)],
)
@pytest.mark.parametrize("pieces", [1, 7])
def test_every_route_gives_the_triangle_of_a_dense_qr(condition, route, pieces):
    theta = conditioned(2000, 12, condition)
    scale = 10.0 ** np.random.default_rng(1).integers(-6, 7, 12)
    rng = np.random.default_rng(2)
    target = theta @ rng.standard_normal((12, 2)) + 0.1 * rng.standard_normal((2000, 2))
    rows = np.hstack([theta * scale, target])
    found = triangle_of(cut(rows, pieces), 12, 2)
    assert (found.route, found.n_rows) == (route, 2000)
    dense = positive(np.linalg.qr(rows, mode="r"))
    size = np.linalg.norm(rows, axis=0)
    # The smallest diagonal entry of a QR is itself known to rounding times the condition number.
    tolerance = 1e-12 if route == ONE_PASS else max(1e-12, 1e-15 * condition)
    assert np.abs((positive(found.matrix) - dense) / size).max() < tolerance
    assert np.abs((found.matrix.T @ found.matrix - rows.T @ rows) / np.outer(size, size)).max() < 1e-12


def test_the_condition_number_is_that_of_the_equal_length_columns():
    for condition in (30.0, 3e4, 1e6):
        theta = conditioned(500, 40, condition)
        true = np.linalg.cond(theta / np.linalg.norm(theta, axis=0))
        found = triangle_of(cut(np.hstack([theta, theta[:, :1] + 1.0]), 1), 40, 1)
        assert 0.5 * true < found.condition < 40 * true


@pytest.mark.parametrize("condition", [1e2, 1e6])
def test_two_passes_are_as_accurate_as_householder(condition):
    theta = conditioned(3000, 20, condition)
    c = np.random.default_rng(3).standard_normal((20, 2))
    rows = np.hstack([theta, theta @ c])
    r = triangle_of(cut(rows, 5), 20, 2).matrix
    error = np.abs(np.linalg.solve(r[:20, :20], r[:20, 20:]) - c).max()
    assert error < 1e-13 * condition
    if condition == 1e6:  # negative control: the normal equations lose twice as many digits
        gram = np.linalg.solve(theta.T @ theta, theta.T @ (theta @ c))
        assert np.abs(gram - c).max() > 100 * error


@pytest.mark.parametrize("condition", [50.0, 1e4, 1e7])
def test_a_start_from_a_sample_saves_the_second_pass(condition):
    theta = conditioned(4000, 15, condition)
    c = np.random.default_rng(5).standard_normal((15, 2))
    rows = np.hstack([theta, theta @ c + 1e-9 * np.random.default_rng(6).standard_normal((4000, 2))])
    start = start_of(rows[::10], 15)
    assert start.unit == (condition < 300)
    found = triangle_of(cut(rows, 5), 15, 2, start)
    assert found.route == ONE_PASS
    size = np.linalg.norm(rows, axis=0)
    assert np.abs((found.matrix.T @ found.matrix - rows.T @ rows) / np.outer(size, size)).max() < 1e-14
    left = np.linalg.norm(rows[:, 15:] - theta @ np.linalg.lstsq(theta, rows[:, 15:], rcond=None)[0], axis=0)
    np.testing.assert_allclose(np.linalg.norm(found.matrix[15:, 15:], axis=0), left, rtol=1e-5)
    error = np.abs(np.linalg.solve(found.matrix[:15, :15], found.matrix[:15, 15:]) - c).max()
    assert error < 1e-9 * condition  # the noise over the smallest singular value
    assert start_of(rows[:17], 15) is None  # too few rows
    assert start_of(np.hstack([rows[:, :1], rows]), 16) is None  # a column twice


def test_columns_that_depend_exactly_or_vanish_are_no_trouble():
    theta = conditioned(800, 6, 10.0)
    theta = np.hstack([theta, theta[:, :1] - theta[:, 1:2], np.zeros((800, 1))])
    rows = np.hstack([theta, theta @ np.ones((8, 1))])
    found = triangle_of(cut(rows, 3), 8, 1)
    assert found.route == HOUSEHOLDER
    np.testing.assert_allclose(found.matrix.T @ found.matrix, rows.T @ rows, atol=1e-12)
    values = np.linalg.svd(found.matrix[:, :7], compute_uv=False)
    assert values[-1] < 1e-15 * 10 * values[0]  # a zero of rounding, not of its square root


def test_small_residuals_survive_beside_large_targets():
    rng = np.random.default_rng(4)
    theta = conditioned(4000, 10, 50.0)
    c = rng.standard_normal((10, 1))
    for share in (1e-3, 1e-6, 1e-10):
        e = share * rng.standard_normal((4000, 1)) * np.linalg.norm(theta @ c) / np.sqrt(4000)
        rows = np.hstack([theta, theta @ c + e])
        found = triangle_of(cut(rows, 4), 10, 1).matrix
        left = np.linalg.norm(rows[:, 10] - theta @ np.linalg.lstsq(theta, rows[:, 10], rcond=None)[0])
        assert abs(found[10, 10]) == pytest.approx(left, rel=1e-4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(n=st.integers(1, 4), degree=st.integers(2, 4), seed=st.integers(0, 10**6))
def test_the_frame_is_a_change_of_basis(n, degree, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, n)) @ rng.standard_normal((n, n)) * 10.0 ** rng.integers(-3, 4, n)
    x += 5 * rng.standard_normal(n)
    d = Monomials(n, degree)
    frame = Frame.of(d, [Trajectory(np.arange(60.0), x)])
    out = np.empty((d.n_terms, 60))
    frame.evaluate(d)(np.ascontiguousarray(x.T), out)
    theta = d.evaluate(x)
    assert np.abs((out.T @ frame.terms - theta) / np.linalg.norm(theta, axis=0)).max() < 1e-9
    assert not np.tril(frame.terms, -1).any()


def test_the_frame_lowers_the_condition_number():
    x = dy.systems.get("lorenz").runs(n_runs=1, n_samples=3000)[0]
    d = Monomials(3, 5, names=x.names)
    out = np.empty((d.n_terms, len(x)))
    Frame.of(d, [x]).evaluate(d)(np.ascontiguousarray(x.x.T), out)
    conditions = [np.linalg.cond(a / np.linalg.norm(a, axis=0)) for a in (out.T, d.evaluate(x.x))]
    assert conditions[0] < 0.1 * conditions[1]


def test_a_frame_needs_all_monomials_and_survives_odd_states():
    t = np.arange(50.0)
    assert Frame.of(Monomials(2, 2, constant=False), [Trajectory(t, np.c_[t, t**2])]) is None
    assert Frame.of(dy.Terms(["sin(x1)"], ("x1",)), [Trajectory(t, t)]) is None
    for x in (np.c_[t, np.ones(50)], np.c_[t, 2 * t], np.c_[t, 1e9 + 1e-9 * t], np.zeros((50, 2))):
        frame = Frame.of(Monomials(2, 3), [Trajectory(t, x)])
        assert np.isfinite(frame.terms).all()
        assert np.isfinite(np.linalg.inv(frame.matrix)).all()


def wavy(m=900, seed=0, even=True, label=""):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 18, m) if even else np.sort(rng.random(m)) * 18
    phase = rng.random(2) * 6
    x = np.c_[np.sin(t + phase[0]) + 0.3 * np.cos(2.7 * t), np.cos(1.3 * t + phase[1])]
    x += 1e-3 * rng.standard_normal(x.shape)
    return Trajectory(t, x, ("x", "v"), dxdt=rng.standard_normal(x.shape), label=label)


def dense_factor(ready, dictionary):
    """The slow twin: all rows of all complete stretches, one QR."""
    rows = [ready.method.rows(run, dictionary, ready.noise) for run in ready.runs]
    every = np.vstack([np.hstack([r.theta, r.target]) for r in rows])
    return every, positive(np.linalg.qr(every, mode="r"))


@pytest.mark.parametrize("even", [True, False], ids=["even", "uneven"])
@pytest.mark.parametrize("method", METHODS, ids=IDS)
@pytest.mark.parametrize(
    "dictionary",
    [Monomials(2, 3, names=("x", "v")), Monomials(2, 1, names=("x", "v")) + dy.Fourier(("x", "v"), 1)],
    ids=["monomials", "with harmonics"],
)
def test_the_streamed_factor_is_that_of_all_rows(streamed, monkeypatch, even, method, dictionary):
    monkeypatch.setattr(_plan, "BLOCKS", 4)  # blocks that determine all columns
    runs = [wavy(1500, 0, even), wavy(1300, 1, even)]
    ready = prepare(runs, method)
    rows, dense = dense_factor(ready, dictionary)
    data = compress_prepared(ready, dictionary)
    assert data.n_rows == len(rows)
    assert {ONE_PASS, TWO_PASSES} & set(data.routes())
    close(data.total.triangle, dense)


def close(triangle, dense):
    """R^T R to rounding; R itself to rounding times the square of the condition number, as one pass promises."""
    size = np.linalg.norm(dense, axis=0)
    assert np.abs((triangle.T @ triangle - dense.T @ dense) / np.outer(size, size)).max() < 1e-13
    worst = np.linalg.cond(dense / size)
    assert np.abs((positive(triangle) - positive(dense)) / size).max() < 2e-16 * max(worst, 1e2) ** 2


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 400),
    blocks=st.integers(1, 60),
    slab=st.integers(1, 3000),
    which=st.sampled_from(METHODS),
    order=st.permutations(range(3)),
)
def test_no_way_of_cutting_the_data_matters(batch, blocks, slab, which, order):
    runs = [wavy(700, 0), wavy(400, 1), wavy(90, 2)]
    d = Monomials(2, 3, names=("x", "v"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pass, "_FEW", 0)
        patch.setattr(_pass, "_FEWEST", 0)
        plain = compress_prepared(prepare(runs, which), d)
        patch.setattr(_plan, "batch_size", lambda _columns: batch)
        patch.setattr(_plan, "BLOCKS", blocks)
        patch.setattr(_plan, "_SLAB", slab)
        other = compress_prepared(prepare([runs[k] for k in order], which), d)
    close(other.total.triangle, plain.total.triangle)
    assert plain.n_rows == other.n_rows
    merged = plain.blocks[0].factor
    for block in plain.blocks[1:]:
        merged = block.factor + merged
    close(merged.triangle, plain.total.triangle)


def test_rows_do_not_depend_on_the_cut_in_the_last_bit(monkeypatch):
    run = wavy(3000)
    d = Monomials(2, 2, names=("x", "v"))
    for method in METHODS:
        ready = prepare(run, method)
        seen = []
        for slab in (1, 777, 10**6):
            monkeypatch.setattr(_plan, "_SLAB", slab)
            rows = [
                batch.copy()
                for task in _plan.plan(ready.stretches, method, 8)
                for batch in _pass.Pass(d, method, None, None)._batches(task, d._fill)
            ]
            seen.append(np.hstack(rows))
        assert np.array_equal(seen[0], seen[1])
        assert np.array_equal(seen[0], seen[2])


def test_the_permutation_of_runs_gives_the_same_model():
    runs = dy.systems.get("lorenz").runs(n_runs=5, n_samples=1500)
    runs = [Trajectory(r.t, r.x, r.names) for r in runs]
    d = Monomials(3, 3)
    one = dy.fit(runs, d, penalty=dy.optim.STLSQ(0.1))
    other = dy.fit([runs[k] for k in (4, 2, 0, 1, 3)], d, penalty=dy.optim.STLSQ(0.1))
    np.testing.assert_array_equal(one.support, other.support)
    np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_missing_samples_cost_the_rows_that_need_them(streamed, method):
    run = wavy(800)
    x = run.x.copy()
    x[200:203, 1] = np.nan
    x[500] = np.nan
    x[0, 0] = np.nan
    holed = Trajectory(run.t, x, run.names, dxdt=run.dxdt)
    ready = prepare(holed, method)
    assert [len(r) for r in ready.runs] == [199, 297, 299]
    data = compress_prepared(ready, Monomials(2, 2, names=("x", "v")))
    if method.longest is None:
        # Beside a gap no slope is one-sided: only the ends of a run have such rows.
        lost = 5 if method.halo == 0 else 5 + 4 * method.halo + 1 * method.halo
        assert data.n_rows <= 800 - lost
    assert np.isfinite(data.total.triangle).all()


def test_finite_differences_are_pysindys():
    import pysindy as ps

    for order in (2, 4):
        for even in (True, False):
            run = wavy(300, 3, even)
            rows = LocalPolynomial.finite_differences(order).rows(run, Monomials(2, 1), np.zeros(2))
            theirs = ps.FiniteDifference(order=order)(np.array(run.x), np.array(run.t))
            size = np.abs(theirs).max()
            np.testing.assert_allclose(rows.target, theirs, atol=1e-9 * size)
    with pytest.raises(DataError, match="got 3"):
        LocalPolynomial.finite_differences(3)


def test_terms_that_overflow_are_named(streamed):
    t = np.arange(2000.0)
    run = Trajectory(t, 1e200 * np.c_[np.sin(t), np.cos(t)], ("x", "v"))
    with pytest.raises(DataError, match="overflows on these data"):
        dy.compress(run, Monomials(2, 2, names=("x", "v"), constant=False), LocalPolynomial(1, 2))
    with pytest.raises(DataError, match="overflows on these data"):
        dy.compress(run, Monomials(2, 2, names=("x", "v")), LocalPolynomial(1, 2))


def test_compressed_data_say_what_they_are_and_are_fitted_without_the_rows():
    runs = dy.systems.get("van_der_pol").runs(n_runs=6, n_samples=300)
    d = Monomials(2, 3)
    whole = dy.fit(runs, d, penalty=dy.Stepwise())
    first, second = dy.compress(runs[:2], d), dy.compress(runs[2:], d)
    model = dy.fit(first + second, penalty=dy.Stepwise())
    np.testing.assert_allclose(model.coefficients, whole.coefficients, rtol=1e-9)
    np.testing.assert_allclose(model.standard_errors, whole.standard_errors, rtol=1e-6, atol=1e-12)
    assert (first + second).n_runs == 6
    assert "condition number" in str(first)
    assert len(first.plot().axes) == 2
    with pytest.raises(DataError, match="compress them again"):
        dy.fit(first, Monomials(2, 2))
    with pytest.raises(DataError, match="made already"):
        dy.fit(first, rows=Derivatives())
    with pytest.raises(DataError, match="needs a dictionary"):
        dy.fit(runs)
    with pytest.raises(DataError, match="use one dictionary for all"):
        first + dy.compress(runs[2:], Monomials(2, 2))
    with pytest.raises(DataError, match="different errors"):
        first + dy.compress(runs[2:], d, rows=LocalPolynomial(2, 4))


def test_batches_stay_in_cache():
    sizes = [_cholesky_qr.batch_size(c) for c in (3, 23, 59, 123, 300, 2000)]
    assert sizes == sorted(sizes, reverse=True)
    assert all(512 <= size <= 8192 for size in sizes)
