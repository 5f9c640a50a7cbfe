"""The subalgebra of a given isomorphism type near a subspace."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, as_floats, frozen, require
from dynsym._threads import one_blas_thread
from dynsym.algebra.clean import nearest_isomorphism
from dynsym.algebra.subalgebra import CLOSED, SnappedSubalgebra, nearest_subalgebra

_STEPS = 60


def nearest_of_type(
    subspace: npt.ArrayLike,
    bracket_tensor: npt.ArrayLike,
    model: npt.ArrayLike,
    gram: npt.ArrayLike | None = None,
) -> SnappedSubalgebra:
    """A subalgebra isomorphic to the model near a subspace; for solvable algebras, which have others beside them.

    The subspace is moved to the nearest closed one (`nearest_subalgebra`), a basis of that is chosen in which its
    constants are nearest to those of the model, and this basis W is moved, by Levenberg-Marquardt steps of least norm, until
    [W_a, W_b] = sum_k model_abk W_k.

    Parameters
    ----------
    subspace, bracket_tensor, gram
        As for `nearest_subalgebra`: shapes (q, r), (q, q, q) and (q, q).
    model
        Structure constants (r, r, r) of the type, such as ``dynsym.algebra.model("se(2)")``.

    Returns
    -------
    SnappedSubalgebra
        `closed` says whether such a subalgebra was reached; `angle` is measured from the given subspace.

    Raises
    ------
    DataError
        As `nearest_subalgebra`; or if the model has not r dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsym.algebra import identify, model, nearest_of_type, nearest_subalgebra
    >>> turn, x, y, grow = np.zeros((4, 3, 3))                                       # in sim(2)
    >>> turn[0, 1], turn[1, 0], x[0, 2], y[1, 2] = -1, 1, 1, 1
    >>> grow[[0, 1], [0, 1]] = 1
    >>> basis = np.stack([turn, x, y, grow])
    >>> both = np.einsum("aij,bjk->abik", basis, basis)
    >>> flat = (both - both.transpose(1, 0, 2, 3)).reshape(4, 4, 9)
    >>> tensor = flat @ np.linalg.pinv(basis.reshape(4, 9))
    >>> start = np.eye(4)[:, :3] + 0.1 * np.eye(4)[:, [3, 3, 3]]                     # turns grow a little
    >>> identify(nearest_subalgebra(start, tensor).structure_constants).name
    'bianchi VII(0.009993)'
    >>> identify(nearest_of_type(start, tensor, model("se(2)")).structure_constants).name
    'se(2)'
    """
    goal = as_floats("model", model, 3)
    start = as_floats("subspace", subspace, 2)
    tensor = as_floats("bracket_tensor", bracket_tensor, 3)
    r = start.shape[1]
    require(goal.shape == (r, r, r), f"the model must have shape ({r}, {r}, {r}), got {goal.shape}")
    with one_blas_thread():
        plain = nearest_subalgebra(start, tensor, gram)
        metric = np.eye(len(start)) if gram is None else np.asarray(gram, dtype=float)
        root = np.linalg.cholesky(metric)
        back = np.linalg.inv(root)
        moved = np.einsum("ia,jb,ijk,kd->abd", back.T, back.T, tensor, root, optimize=True)
        g = nearest_isomorphism(np.asarray(plain.structure_constants), goal)
        first = root.T @ plain.basis
        w, n_steps = _descend(first @ g.T, moved, goal)
    return _result(w, moved, root, root.T @ start, plain, n_steps)


def _descend(w: Array, tensor: Array, goal: Array) -> tuple[Array, int]:
    """Steps of least norm towards [W_a, W_b] = goal_abk W_k for the columns of W."""
    q, r = w.shape
    i, j = np.triu_indices(r, 1)
    weight = 1e-3

    def equations(w: Array) -> tuple[Array, Array]:
        outer = np.einsum("ia,ijk->ajk", w, tensor)
        value = np.einsum("ajk,jb->abk", outer, w) - goal @ w.T
        slope = np.zeros((r, r, q, q, r))
        for a in range(r):
            slope[a, :, :, :, a] -= outer.transpose(0, 2, 1)
            slope[:, a, :, :, a] += outer.transpose(0, 2, 1)
        for k in range(q):
            slope[:, :, k, k, :] -= goal
        return value[i, j].ravel(), slope[i, j].reshape(-1, q * r)

    value, slope = equations(w)
    for step in range(_STEPS):
        square = float(value @ value)
        if square < 1e-27:
            return w, step
        damped = np.vstack([slope, np.sqrt(weight * square) * np.eye(q * r)])
        target = np.concatenate([-value, np.zeros(q * r)])
        trial = w + np.linalg.lstsq(damped, target, rcond=None)[0].reshape(q, r)
        new = equations(trial)
        better = float(new[0] @ new[0]) < square
        weight = weight / 4 if better else weight * 8
        if better:
            w, (value, slope) = trial, new
    return w, _STEPS


def _result(
    w: Array, tensor: Array, root: Array, start: Array, plain: SnappedSubalgebra, n_steps: int
) -> SnappedSubalgebra:
    old = np.linalg.svd(start, full_matrices=False)
    first = old[0] @ old[2]
    v = np.linalg.svd(w, full_matrices=False)[0]
    left, cosines, right = np.linalg.svd(v.T @ first)
    v = v @ left @ right
    sines = np.linalg.svd(v - first @ (first.T @ v), compute_uv=False)
    brackets = np.einsum("ia,jb,ijk->abk", v, v, tensor, optimize=True)
    inside = brackets @ v
    residual = float(np.linalg.norm(brackets - inside @ v.T)) / max(float(np.linalg.norm(tensor)), 1e-300)
    # A basis that has nearly collapsed spans other brackets than it solves.
    whole = float(np.linalg.cond(w)) < 1e8
    return SnappedSubalgebra(
        basis=frozen(np.linalg.solve(root.T, v)),
        angle=float(np.arctan2(np.max(sines, initial=0.0), np.min(cosines, initial=1.0))),
        residual=residual,
        initial_residual=plain.initial_residual,
        closed=residual < CLOSED and whole and n_steps < _STEPS,
        structure_constants=frozen(inside),
        n_steps=plain.n_steps + n_steps,
    )
