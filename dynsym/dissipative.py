"""Fields that can only lose a given energy: f = (J - M) grad H, J antisymmetric and M positive semidefinite, both constant.

The least-squares problem is convex, a small semidefinite program. Its solution lies inside one face of the cone, M = U R U^T
with R positive definite, and on that face it is plain least squares under linear constraints: the model is fitted there, so
that it has standard errors like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._checks import Array, ConvergenceError, frozen, require
from ._threads import one_blas_thread
from .dictionary import Dictionary
from .differentiation import RowMethod
from .inner_product import generic_region
from .optim import LinearConstraint
from .regression import Model, fit
from .sections import ScalarFunction

_FACE = 1e-5  # eigenvalues of M below this share of |J - M| are zero: the accuracy of the cone solver
_INSIDE = 1e-9
_ACCURACY = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}


@dataclass(frozen=True, eq=False)
class Dissipative:
    """A model f = (J - M) grad H, along whose orbits H never grows.

    Attributes
    ----------
    model
        Fitted on the face of the cone that the solution lies in; its constraint says which.
    plain
        Least squares without the form.
    energy
        H, as given.
    bracket, friction
        J and M, (n, n).
    rank
        Rank of M: the number of directions in which energy is lost.
    active
        Whether the cone was needed: without it M would have had a negative eigenvalue, energy from nowhere.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("damped_oscillator").runs(6, 100, noise=1e-3)
    >>> energy = dy.ScalarFunction(dy.Terms(["x^2/2 + y^2/2"], runs[0].names), [1.0])
    >>> found = dy.dissipative(runs, dy.Monomials(2, 1, runs[0].names), energy)
    >>> found.rank, found.active
    (2, False)
    """

    model: Model
    plain: Model
    energy: ScalarFunction
    bracket: Array
    friction: Array
    rank: int
    active: bool

    def __str__(self) -> str:
        cone = "on the boundary of the cone" if self.active else "inside the cone"
        lines = [f"f = (J - M) grad H with H = {self.energy}; M of rank {self.rank}, {cone}"]
        for name, j, m in zip(self.model.field.names, self.bracket, self.friction):
            row = "  ".join(f"{v:9.4g}" for v in j) + "   |  " + "  ".join(f"{v:9.4g}" for v in m)
            lines.append(f"  {name:>8}  {row}")
        a, b = self.plain.residual_sd, self.model.residual_sd
        lines.append("  residual, free: " + ", ".join(f"{v:.3g}" for v in a))
        lines.append("  residual, held: " + ", ".join(f"{v:.3g}" for v in b))
        return "\n".join([*lines, *(f"  {e}" for e in self.model.equations(5))])

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"

    def plot(self) -> Any:
        """Data and model, as a matplotlib figure."""
        return self.model.plot()


def dissipative(
    data: Any,
    dictionary: Dictionary,
    energy: ScalarFunction,
    rows: RowMethod | None = None,
) -> Dissipative:
    """argmin over J = -J^T and M >= 0, both constant, of the squared residual of f = (J - M) grad H, with H given.

    Along every orbit dH/dt = -grad H^T M grad H <= 0. J is not asked to be a Poisson bracket; a constant one always is.

    Parameters
    ----------
    data, rows
        As for `fit`.
    dictionary
        The p functions of f; it has to hold the partial derivatives of H.
    energy
        H.

    Returns
    -------
    Dissipative
        With `.model`, `.bracket`, `.friction`.

    Raises
    ------
    DataError
        If the dictionary lacks the derivatives of H, or the states do not match.
    ConvergenceError
        If the cone solver fails.

    References
    ----------
    van der Schaft and Jeltsema (2014), Port-Hamiltonian systems theory: an introductory overview, Foundations and Trends in
    Systems and Control 1, for the form.

    Examples
    --------
    >>> import dynsym as dy
    >>> runs = dy.systems.get("damped_oscillator").runs(6, 100, noise=1e-3)
    >>> energy = dy.ScalarFunction(dy.Terms(["x^2/2 + y^2/2"], runs[0].names), [1.0])
    >>> found = dy.dissipative(runs, dy.Monomials(2, 1, runs[0].names), energy)
    >>> bool((dy.dissipative(runs, dy.Monomials(2, 1), energy).friction.diagonal() > 0.05).all())
    True
    """
    plain = fit(data, dictionary, rows=rows)
    own = plain.field.dictionary
    require(
        energy.dictionary.n_states == own.n_states,
        f"the energy is over {energy.dictionary.n_states} states, the dictionary over {own.n_states}",
    )
    with one_blas_thread():
        slopes = _slopes(energy, own)
        total = plain.compressed.total
        seen = total.theta @ slopes.T
        whole = np.linalg.lstsq(seen, total.target, rcond=1e-12)[0].T
        active = bool(np.linalg.eigvalsh(whole + whole.T).max() > _INSIDE * np.abs(whole).max(initial=0.0))
        friction = _in_cone(seen, total.target) if active else -(whole + whole.T) / 2
        face = _face(friction, float(np.linalg.norm(whole, 2)))
        model, matrix = _on_face(plain, face, slopes)
        # The cone solver may take a direction for one inside the cone that is on its boundary.
        while face.shape[1] and np.linalg.eigvalsh(matrix + matrix.T).max() > _INSIDE * np.abs(matrix).max():
            face = face[:, 1:]
            model, matrix = _on_face(plain, face, slopes)
    return Dissipative(
        model,
        plain,
        energy,
        frozen((matrix - matrix.T) / 2),
        frozen(-(matrix + matrix.T) / 2),
        face.shape[1],
        active,
    )


def _slopes(energy: ScalarFunction, dictionary: Dictionary) -> Array:
    """(n, p) coefficients of the partial derivatives of H over the dictionary: f = A grad H has C = A times these."""
    x = generic_region(dictionary + energy.dictionary.renamed(dictionary.names)).points
    theta, wanted = dictionary.evaluate(x), energy.gradient(x)
    size = np.linalg.norm(theta, axis=0)
    found = np.linalg.lstsq(theta / size, wanted, rcond=1e-12)[0]
    miss = np.linalg.norm(theta / size @ found - wanted, axis=0) / max(float(np.linalg.norm(wanted)), 1e-300)
    worst = int(np.argmax(miss))
    require(
        bool(miss[worst] < 1e-9),
        f"the dictionary lacks dH/d{dictionary.names[worst]} by {miss[worst]:.2g} of grad H; add its terms",
    )
    out = (found / size[:, None]).T
    return np.where(np.abs(out) > 1e-12 * np.abs(out).max(), out, 0.0)


def _in_cone(seen: Array, target: Array) -> Array:
    """M of argmin |seen (J - M)^T - target| over J antisymmetric and M positive semidefinite, by a cone program."""
    import cvxpy as cp

    n = target.shape[1]
    q, r = np.linalg.qr(seen)
    size = max(float(np.linalg.norm(target)), 1e-300)
    free, friction = cp.Variable((n, n)), cp.Variable((n, n), PSD=True)
    scale = max(float(np.linalg.norm(r, 2)), 1e-300)
    cost = cp.sum_squares((r / scale) @ (free - friction).T - q.T @ target / size)
    problem = cp.Problem(cp.Minimize(cost), [free + free.T == 0])
    problem.solve(solver="CLARABEL", **_ACCURACY)
    if friction.value is None or problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        raise ConvergenceError(f"the cone program ended as {problem.status}; check the data for huge values")
    found = np.asarray(friction.value) * size / scale
    return np.asarray((found + found.T) / 2)


def _face(friction: Array, size: float) -> Array:
    """(n, r) orthonormal range of M, smallest eigenvalue first."""
    values, vectors = np.linalg.eigh(friction)
    return np.asarray(vectors[:, values > _FACE * max(size, 1e-300)])


def _on_face(plain: Model, face: Array, slopes: Array) -> tuple[Model, Array]:
    """The fit with M on a face, and its J - M."""
    model = fit(plain.compressed, constraints=_held(face, slopes))
    matrix = np.linalg.lstsq(slopes.T, model.coefficients.T, rcond=1e-12)[0].T
    return model, np.asarray(matrix, dtype=float)


def _held(face: Array, slopes: Array) -> LinearConstraint:
    """C = (J - U R U^T) slopes with J antisymmetric and R symmetric, both free."""
    n, r = face.shape
    unit = np.eye(n)
    members = [np.outer(unit[i], unit[j]) - np.outer(unit[j], unit[i]) for i in range(n) for j in range(i)]
    pairs = [(face[:, a], face[:, b]) for a in range(r) for b in range(a + 1)]
    members += [np.outer(u, v) + np.outer(v, u) for u, v in pairs]
    span = np.stack([(m @ slopes).ravel() for m in members], axis=1)
    left, values, _ = np.linalg.svd(span, full_matrices=True)
    rank = int(np.count_nonzero(values > 1e-12 * values.max(initial=1e-300)))
    rows = left[:, rank:].T
    return LinearConstraint(rows if len(rows) else np.zeros((1, len(left))))
