"""The closed subalgebra nearest to a subspace that is only nearly closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynsym._checks import Array, as_floats, frozen, require, require_finite
from dynsym.algebra._linear import complement

CLOSED = 1e-10  # relative closure residual below which a subspace counts as closed


@dataclass(frozen=True, eq=False)
class SnappedSubalgebra:
    """A subspace moved until the brackets of its members stay inside it; made by `nearest_subalgebra`.

    Attributes
    ----------
    basis
        Basis of the new subspace, shape (q, r), orthonormal in the inner product, as close as possible to the
        (orthonormalised) basis that was given.
    angle
        Largest principal angle between old and new subspace, in radians.
    residual, initial_residual
        |part of the brackets outside| / |bracket tensor|, after and before.
    closed
        Whether the residual is below 1e-10. If not, no closed subspace was found near the given one.
    structure_constants
        c, shape (r, r, r), of the new basis; input of `identify` when closed.
    n_steps
        Steps taken.

    Examples
    --------
    >>> import numpy as np
    >>> rotations = np.cross(np.eye(3)[:, None], np.eye(3)[None])
    >>> plane = nearest_subalgebra(np.eye(3)[:, :2], rotations)       # so(3) has no plane that closes
    >>> plane.closed, round(plane.residual, 3)
    (False, 0.577)
    """

    basis: Array
    angle: float
    residual: float
    initial_residual: float
    closed: bool
    structure_constants: Array
    n_steps: int

    def __str__(self) -> str:
        q, r = self.basis.shape
        state = "closed" if self.closed else "NOT closed"
        return (
            f"{r}-dimensional subspace of a {q}-dimensional algebra, {state}: residual "
            f"{self.initial_residual:.1e} -> {self.residual:.1e} in {self.n_steps} steps, moved by "
            f"{np.degrees(self.angle):.3g} degrees"
        )


def nearest_subalgebra(
    subspace: npt.ArrayLike,
    bracket_tensor: npt.ArrayLike,
    gram: npt.ArrayLike | None = None,
    max_steps: int = 100,
) -> SnappedSubalgebra:
    """Closed r-dimensional subalgebra near a subspace: minimise |(1 - P_V) [V, V]|^2, from the given V.

    Levenberg-Marquardt on the Grassmann manifold, V = orth(V0 + N Z) with N the orthogonal complement:
    steps of least norm, so the limit is near the start, though it is the nearest one only to first order in
    the angle. Each step solves a dense least-squares problem with (q - r) r (r - 1) / 2 rows and (q - r) r
    unknowns.

    Parameters
    ----------
    subspace
        Basis of the start, shape (q, r), one column a generator, in coordinates of the candidate algebra.
    bracket_tensor
        C, shape (q, q, q), with [e_i, e_j] = sum_k C[i, j, k] e_k in the candidate algebra.
    gram
        Inner product of the candidates, shape (q, q), positive definite; the identity if not given.
    max_steps
        Largest number of steps tried.

    Returns
    -------
    SnappedSubalgebra
        `closed` says whether a closed subalgebra was reached; nothing is raised if not.

    Raises
    ------
    DataError
        If shapes do not match, columns are dependent, gram is not positive definite, or the problem is too
        large for a dense step (1e8 matrix entries).

    Examples
    --------
    >>> import numpy as np
    >>> plane = np.array([[1.0, 0.0], [0.0, 1.0], [0.02, 0.0], [0.0, 0.03]])     # in so(3) + R
    >>> bracket = np.zeros((4, 4, 4))
    >>> bracket[:3, :3, :3] = np.cross(np.eye(3)[:, None], np.eye(3)[None])
    >>> print(nearest_subalgebra(np.eye(4)[:, 2:] + 0.01, bracket).closed)       # one rotation, and R
    True
    """
    start, tensor, root = _inputs(subspace, bracket_tensor, gram)
    _require_feasible(*start.shape)
    size = float(np.linalg.norm(tensor))
    outer, _, inner = np.linalg.svd(start, full_matrices=False)
    first = outer @ inner  # the orthonormal basis nearest to the one given
    v, n_steps = (first, 0) if size == 0 else _descend(first, tensor / size, max_steps)
    # Turn the new basis within its span so that it follows the old one as closely as possible.
    left, cosines, right = np.linalg.svd(v.T @ first)
    v = v @ left @ right
    sines = np.linalg.svd(v - first @ (first.T @ v), compute_uv=False)
    inside = np.einsum("ia,jb,ijk,kd->abd", v, v, tensor, v, optimize=True)
    residual = _relative(v, tensor, size)
    return SnappedSubalgebra(
        basis=frozen(np.linalg.solve(root.T, v)),
        angle=float(np.arctan2(np.max(sines, initial=0.0), np.min(cosines, initial=1.0))),
        residual=residual,
        initial_residual=_relative(first, tensor, size),
        closed=residual < CLOSED,
        structure_constants=frozen(inside),
        n_steps=n_steps,
    )


def _inputs(
    subspace: npt.ArrayLike, bracket_tensor: npt.ArrayLike, gram: npt.ArrayLike | None
) -> tuple[Array, Array, Array]:
    """The start and the bracket tensor in orthonormal coordinates root^T x, where root root^T = gram."""
    start = as_floats("subspace", subspace, 2)
    tensor = as_floats("bracket_tensor", bracket_tensor, 3)
    q, r = start.shape
    require(tensor.shape == (q, q, q), f"bracket_tensor must have shape ({q}, {q}, {q}), got {tensor.shape}")
    require(1 <= r <= q, f"subspace must have between 1 and {q} columns, got shape {start.shape}")
    require_finite("subspace", start)
    require_finite("bracket_tensor", tensor)
    root = frozen(np.eye(q))
    if gram is not None:
        matrix = as_floats("gram", gram, 2)
        require(matrix.shape == (q, q), f"gram must have shape ({q}, {q}), got {matrix.shape}")
        values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        require(
            float(values[0]) > 1e-12 * float(values[-1]),
            f"gram must be positive definite, its eigenvalues run from {values[0]:.2e} to {values[-1]:.2e}",
        )
        root = frozen(np.linalg.cholesky((matrix + matrix.T) / 2))
        start = frozen(root.T @ start)
        back = np.linalg.inv(root)
        tensor = frozen(np.einsum("ia,jb,ijk,kd->abd", back.T, back.T, tensor, root, optimize=True))
    s = np.linalg.svd(start, compute_uv=False)
    require(
        s[-1] > 1e-10 * s[0],
        f"the columns of subspace are linearly dependent (singular values {s[0]:.1e} to {s[-1]:.1e}); pass a "
        "basis",
    )
    return start, tensor, root


def _require_feasible(q: int, r: int) -> None:
    entries = ((q - r) * r) ** 2 * max(r - 1, 0) // 2
    require(
        entries <= 100_000_000,
        f"a step for {r} of {q} generators needs a matrix of {entries} entries, more than 1e8 (0.8 GB); "
        "pass fewer candidates, for example only those that the subspace touches",
    )


def _relative(v: Array, tensor: Array, size: float) -> float:
    inside = np.einsum("ia,jb,ijk->abk", v, v, tensor, optimize=True)
    return float(np.linalg.norm(inside - inside @ v @ v.T)) / size if size > 0 else 0.0


def _descend(v: Array, tensor: Array, max_steps: int) -> tuple[Array, int]:
    """Levenberg-Marquardt steps, re-centred at each iterate.

    The damping is proportional to the squared residual: subalgebras come in orbits, so the Jacobian is
    singular at the solution, and this choice keeps the convergence quadratic there (Yamashita and Fukushima
    2001, Computing Suppl. 15, 239-249).
    """
    weight = 1.0
    square, jacobian, residual = _linearised(v, tensor)
    for step in range(max_steps):
        gradient = jacobian.T @ residual
        if square <= 1e-30 or np.linalg.norm(gradient) <= 1e-15 * np.sqrt(square):
            return v, step
        damped = np.vstack([jacobian, np.sqrt(weight * square) * np.eye(jacobian.shape[1])])
        target = np.concatenate([-residual, np.zeros(jacobian.shape[1])])
        z = np.linalg.lstsq(damped, target, rcond=None)[0].reshape(-1, v.shape[1])
        trial = np.linalg.qr(v + complement(v.T).T @ z)[0]
        linear = float(np.linalg.norm(jacobian @ z.ravel() + residual)) ** 2
        new = _linearised(trial, tensor)
        gain = (square - new[0]) / max(square - linear, 1e-300)
        weight = float(np.clip(weight * (4.0 if gain < 0.25 else 0.25 if gain > 0.75 else 1.0), 1e-4, 1e12))
        if gain > 1e-4:
            v, (square, jacobian, residual) = trial, new
    return v, max_steps


def _linearised(v: Array, tensor: Array) -> tuple[float, Array, Array]:
    """|residual|^2, Jacobian with respect to Z (q - r, r), and residual N^T [v_i, v_j] for i < j."""
    r = v.shape[1]
    normal = complement(v.T)
    outer = np.einsum("ia,ijk->ajk", v, tensor)  # [v_a, e_j]
    pairs = np.einsum("ajk,jb->abk", outer, v)
    moved = np.einsum("ajk,sj,nk->asn", outer, normal, normal, optimize=True)  # N^T [v_a, N_s]
    along = pairs @ v
    i, j = np.triu_indices(r, 1)
    p = np.arange(len(i))
    jacobian = np.zeros((len(i), len(normal), len(normal), r))
    # d N^T [v_i, v_j] = N^T [N z_i, v_j] + N^T [v_i, N z_j] - Z V^T [v_i, v_j]
    jacobian[p, :, :, i] -= moved[j].transpose(0, 2, 1)
    jacobian[p, :, :, j] += moved[i].transpose(0, 2, 1)
    n = np.arange(len(normal))
    jacobian[:, n, n, :] -= along[i, j][:, None, :]
    residual = (pairs[i, j] @ normal.T).ravel()
    return float(residual @ residual), jacobian.reshape(len(residual), len(normal) * r), residual
