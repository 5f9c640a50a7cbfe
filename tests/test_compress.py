"""Triangular factors: whatever the chunks, their order and merging, R^T R is that of one dense QR."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsym import DataError
from dynsym.compress import Block, Compressed, _factor, factor_of, merge


def rows_of(seed, m, p, n, scales=True):
    rng = np.random.default_rng(seed)
    theta, target = rng.standard_normal((m, p)), rng.standard_normal((m, n))
    return (theta * 10.0 ** rng.integers(-3, 4, p) if scales else theta), target


def same(factor, theta, target, rtol=1e-12):
    """R^T R = [T | Y]^T [T | Y], each entry relative to the norms of its two columns, and m is kept."""
    rows = np.hstack([theta, target])
    size = np.linalg.norm(rows, axis=0)
    outer = np.where(np.outer(size, size) > 0, np.outer(size, size), 1.0)
    assert np.abs((factor.triangle.T @ factor.triangle - rows.T @ rows) / outer).max() < rtol
    assert factor.n_rows == len(rows)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 120),
    p=st.integers(1, 8),
    n=st.integers(1, 3),
    cuts=st.lists(st.floats(0, 1), max_size=6),
)
def test_any_chunks_in_any_order_merged_in_any_way(seed, m, p, n, cuts):
    theta, target = rows_of(seed, m, p, n)
    edges = sorted({0, m, *(int(c * m) for c in cuts)})
    parts = [factor_of(theta[a:b], target[a:b]) for a, b in pairwise(edges)]
    order = np.random.default_rng(seed).permutation(len(parts))
    shuffled = [parts[k] for k in order]
    left = shuffled[0]
    for part in shuffled[1:]:
        left = left + part
    right = shuffled[-1]
    for part in shuffled[-2::-1]:
        right = part + right
    for factor in (merge(parts), merge(shuffled), left, right):
        same(factor, theta, target)
        assert factor.triangle.shape[0] <= p + n


@pytest.mark.parametrize("chunk", [1, 7, 64, 10_000])
def test_the_size_of_a_chunk_does_not_matter(monkeypatch, chunk):
    theta, target = rows_of(0, 1000, 6, 2)
    monkeypatch.setattr(_factor, "_CHUNK", chunk)
    factor = factor_of(theta, target)
    same(factor, theta, target)
    dense = np.linalg.qr(np.hstack([theta, target]), mode="r")
    np.testing.assert_allclose(
        np.abs(factor.triangle), np.abs(dense), rtol=1e-9, atol=1e-9 * np.abs(dense).max()
    )


def test_least_squares_on_the_factor_is_least_squares_on_the_rows():
    # Condition number 1e9: the normal equations would leave no digit.
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((5000, 5))
    theta[:, 4] = theta[:, 3] + 1e-9 * rng.standard_normal(5000)
    c = rng.standard_normal((5, 2))
    factor = factor_of(theta, theta @ c)
    found = np.linalg.lstsq(factor.theta, factor.target, rcond=None)[0]
    assert np.abs(found - c).max() < 1e-5
    gram = np.linalg.lstsq(theta.T @ theta, theta.T @ (theta @ c), rcond=None)[0]
    assert np.abs(gram - c).max() > 1e-3  # negative control


def test_no_rows_is_a_neutral_element():
    theta, target = rows_of(0, 20, 3, 1)
    nothing = factor_of(theta[:0], target[:0])
    assert nothing.n_rows == 0
    same(nothing + factor_of(theta, target), theta, target)
    with pytest.raises(DataError, match="no factor was given"):
        merge([])
    with pytest.raises(DataError, match="theta has 20 rows but the target 19"):
        factor_of(theta, target[1:])


def test_factors_of_different_dictionaries_do_not_merge():
    a, b = factor_of(*rows_of(0, 9, 3, 1)), factor_of(*rows_of(0, 9, 2, 2))
    with pytest.raises(DataError, match="2 terms and 2 targets and of 3 terms and 1 targets"):
        merge([b, a])


def compressed(runs, blocks_per_run, m=12):
    theta, target = rows_of(1, runs * blocks_per_run * m, 4, 2)
    blocks = []
    for k in range(runs * blocks_per_run):
        part = slice(k * m, (k + 1) * m)
        blocks.append(Block(factor_of(theta[part], target[part]), k // blocks_per_run))
    return Compressed(tuple(blocks)), theta, target


@pytest.mark.parametrize(("runs", "per_run"), [(1, 48), (3, 16), (4, 12), (20, 3), (1, 1), (2, 1)])
@pytest.mark.parametrize("most", [2, 5, 8])
def test_folds_partition_the_rows(runs, per_run, most):
    data, theta, target = compressed(runs, per_run)
    folds = data.folds(most)
    same(merge(folds), theta, target)
    assert sum(f.n_rows for f in folds) == data.n_rows == len(theta)
    assert 1 <= len(folds) <= most


def test_folds_are_whole_runs_where_there_are_enough():
    data, theta, target = compressed(4, 12)
    for k, fold in enumerate(data.folds(8)):
        part = slice(k * 144, (k + 1) * 144)
        same(fold, theta[part], target[part])


def test_data_that_arrive_later_add():
    data, theta, target = compressed(2, 3)
    both = data + data
    same(both.total, np.vstack([theta, theta]), np.vstack([target, target]))
    assert sorted({block.run for block in both.blocks}) == [0, 1, 2, 3]
    with pytest.raises(DataError, match="no rows at all"):
        Compressed(())


def test_factors_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        factor_of(*rows_of(0, 9, 3, 1)).triangle[0, 0] = 1.0
