"""Names, closure and snapping of Lie algebras given by matrices: the name must not depend on the basis."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import scipy.linalg as sla
from scipy.optimize import minimize

from dynsym import algebra
from dynsym._checks import ConvergenceError, DataError
from dynsym.algebra import identify, nearest_subalgebra, structure_constants

RNG = np.random.default_rng(20)
Matrices = np.ndarray  # (r, n, n), real or complex


# --- algebras as matrices --------------------------------------------------------------------------------


def solve(n: int, *conditions: Callable, complex_entries: bool = False) -> Matrices:
    """All n x n matrices that fulfil real-linear conditions."""
    units = [np.eye(n * n)[i].reshape(n, n) for i in range(n * n)]
    if complex_entries:
        units = [*units, *(1j * u for u in units)]

    def flat(x):
        value = np.concatenate([np.ravel(condition(x)) for condition in conditions]).astype(complex)
        return np.concatenate([value.real, value.imag])

    kernel = sla.null_space(np.stack([flat(u) for u in units], axis=1))
    return np.einsum("ua,uij->aij", kernel, np.stack(units))


def eta(p: int, q: int) -> np.ndarray:
    return np.diag([1.0] * p + [-1.0] * q)


def omega(n: int) -> np.ndarray:
    return np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(n))


def so(p: int, q: int = 0) -> Matrices:
    return solve(p + q, lambda x: x.T @ eta(p, q) + eta(p, q) @ x)


def sl(n: int) -> Matrices:
    return solve(n, np.trace)


def gl(n: int) -> Matrices:
    return np.eye(n * n).reshape(-1, n, n)


def sp(n: int) -> Matrices:
    return solve(2 * n, lambda x: x.T @ omega(n) + omega(n) @ x)


def su(p: int, q: int = 0) -> Matrices:
    return solve(p + q, lambda x: x.conj().T @ eta(p, q) + eta(p, q) @ x, np.trace, complex_entries=True)


def usp(p: int, q: int = 0) -> Matrices:
    n, k = p + q, np.kron(np.eye(2), eta(p, q))
    return solve(
        2 * n,
        lambda x: x.T @ omega(n) + omega(n) @ x,
        lambda x: x.conj().T @ k + k @ x,
        complex_entries=True,
    )


def su_star(n: int) -> Matrices:
    return solve(2 * n, lambda x: x @ omega(n) - omega(n) @ x.conj(), np.trace, complex_entries=True)


def so_star(n: int) -> Matrices:
    w = omega(n)
    return solve(2 * n, lambda x: x + x.T, lambda x: x.conj().T @ w + w @ x, complex_entries=True)


def complexified(real: Matrices) -> Matrices:
    return np.concatenate([real, 1j * real])


def g2() -> Matrices:
    """Rotations of R^7 that preserve the three-form of the octonions."""
    form = np.zeros((7, 7, 7))
    for triple in [(0, 1, 2), (0, 3, 4), (0, 6, 5), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 5, 4)]:
        for i, j, k in [(0, 1, 2), (1, 2, 0), (2, 0, 1)]:
            a, b, c = triple[i], triple[j], triple[k]
            form[a, b, c], form[b, a, c] = 1.0, -1.0
    moved = lambda x: (  # noqa: E731
        np.einsum("ia,ibc->abc", x, form)
        + np.einsum("ib,aic->abc", x, form)
        + np.einsum("ic,abi->abc", x, form)
    )
    return solve(7, lambda x: x + x.T, moved)


def affine(linear: Matrices, n: int) -> Matrices:
    """H acting on R^n, and the translations."""
    out = np.zeros((len(linear) + n, n + 1, n + 1))
    out[: len(linear), :n, :n] = linear
    out[len(linear) + np.arange(n), np.arange(n), n] = 1.0
    return out


def scaled(linear: Matrices, n: int) -> Matrices:
    return np.concatenate([linear, np.eye(n)[None]])


def plus(*parts: Matrices) -> Matrices:
    """Direct sum in diagonal blocks."""
    n = sum(p.shape[1] for p in parts)
    out, at = [], 0
    for part in parts:
        block = np.zeros((len(part), n, n), dtype=complex)
        block[:, at : at + part.shape[1], at : at + part.shape[1]] = part
        out.append(block)
        at += part.shape[1]
    return np.concatenate(out)


def reals(k: int) -> Matrices:
    return np.stack([np.diag(row) for row in np.eye(k)])


def heisenberg(k: int) -> Matrices:
    out = np.zeros((2 * k + 1, k + 2, k + 2))
    for i in range(k):
        out[i, 0, i + 1] = 1.0
        out[k + i, i + 1, k + 1] = 1.0
    out[2 * k, 0, k + 1] = 1.0
    return out


def phase_space(linear: Matrices, k: int) -> Matrices:
    """Linear canonical maps of R^2k together with x, p and 1."""
    n = 2 * k
    out = np.zeros((len(linear) + n + 1, n + 2, n + 2))
    out[: len(linear), 1:-1, 1:-1] = linear
    for i in range(n):
        b = np.eye(n)[i]
        out[len(linear) + i, 1:-1, -1] = b
        out[len(linear) + i, 0, 1:-1] = b @ omega(k)
    out[-1, 0, -1] = 1.0
    return out


def bargmann(k: int) -> Matrices:
    drift = np.kron(np.array([[0.0, 1.0], [0.0, 0.0]]), np.eye(k))
    return phase_space(np.concatenate([np.kron(np.eye(2), so(k)).reshape(-1, 2 * k, 2 * k), drift[None]]), k)


def schroedinger(k: int) -> Matrices:
    turns = [np.kron(np.eye(2), x) for x in so(k)]
    return phase_space(np.stack([*turns, *(np.kron(x, np.eye(k)) for x in sl(2))]), k)


def galilei(k: int) -> Matrices:
    out = []
    for x in so(k):
        out.append(np.zeros((k + 2, k + 2)))
        out[-1][:k, :k] = x
    for i, j in [*product(range(k), (k, k + 1)), (k, k + 1)]:
        out.append(np.zeros((k + 2, k + 2)))
        out[-1][i, j] = 1.0
    return np.stack(out)


def with_drift(k: int, pair) -> Matrices:
    """so(k) on two vectors, and a map of the pair."""
    return np.concatenate([np.kron(np.eye(2), so(k)), np.kron(np.asarray(pair), np.eye(k))[None]])


def blocks(*parts) -> np.ndarray:
    return sla.block_diag(*parts)


def on_symmetric_matrices(linear: Matrices) -> Matrices:
    """The action on symmetric n x n matrices, S -> X S + S X^T."""
    n = linear.shape[1]
    basis = [np.eye(n)[i][:, None] * np.eye(n)[j] for i in range(n) for j in range(i, n)]
    basis = [(b + b.T) / np.linalg.norm(b + b.T) for b in basis]
    return np.array([[[np.sum(a * (x @ b + b @ x.T)) for b in basis] for a in basis] for x in linear])


def almost_abelian(matrix) -> Matrices:
    return affine(np.asarray(matrix, dtype=float)[None], len(matrix))


ROTATION = np.array([[[0.0, -1.0], [1.0, 0.0]]])
BOOST = np.array([[[0.0, 1.0], [1.0, 0.0]]])

NAMED: dict[str, Callable[[], Matrices]] = {
    "R": lambda: reals(1),
    "R^4": lambda: reals(4),
    "aff(1)": lambda: affine(gl(1), 1),
    "aff(1) + R": lambda: plus(affine(gl(1), 1), reals(1)),
    "aff(1) + aff(1)": lambda: plus(affine(gl(1), 1), affine(gl(1), 1)),
    "heisenberg": lambda: heisenberg(1),
    "heisenberg(5)": lambda: heisenberg(2),
    "heisenberg + R^2": lambda: plus(heisenberg(1), reals(2)),
    "heisenberg + heisenberg": lambda: plus(heisenberg(1), heisenberg(1)),
    "engel": lambda: almost_abelian(np.eye(3, k=1)),
    "se(2)": lambda: affine(ROTATION, 2),
    "e(1,1)": lambda: affine(BOOST, 2),
    "bianchi V": lambda: almost_abelian(np.eye(2)),
    "bianchi IV": lambda: almost_abelian([[1, 1], [0, 1]]),
    "bianchi VI(-4)": lambda: almost_abelian([[3, 0], [0, 1]]),
    "bianchi VII(0.25)": lambda: almost_abelian([[1, 2], [-2, 1]]),
    "oscillator": lambda: phase_space(omega(1)[None], 1),
    "split oscillator": lambda: phase_space(np.diag([1.0, -1.0])[None], 1),
    "so(3)": lambda: so(3),
    "sl(2,R)": lambda: sl(2),
    "so(3) + R": lambda: plus(so(3), reals(1)),
    "gl(2,R)": lambda: gl(2),
    "gl(3,R)": lambda: gl(3),
    "gl(2,C)": lambda: complexified(gl(2)),
    "so(4)": lambda: so(4),
    "so(2,2)": lambda: so(2, 2),
    "sl(2,C)": lambda: so(3, 1),
    "so(3) + sl(2,R)": lambda: so_star(2),
    "so(4) + R": lambda: plus(so(4), reals(1)),
    "so(3) + so(3) + so(3)": lambda: plus(so(3), so(4)),
    "so(3) + se(2)": lambda: plus(so(3), affine(ROTATION, 2)),
    "se(2) + se(2)": lambda: plus(affine(ROTATION, 2), affine(ROTATION, 2)),
    "su(3)": lambda: su(3),
    "sl(3,R)": lambda: sl(3),
    "su(2,1)": lambda: su(2, 1),
    "su(3) + R": lambda: plus(su(3), reals(1)),
    "so(5)": lambda: so(5),
    "so(4,1)": lambda: so(4, 1),
    "so(3,2)": lambda: so(3, 2),
    "so(6)": lambda: so(6),
    "sl(4,R)": lambda: sl(4),
    "su(3,1)": lambda: su(3, 1),
    "su(2,2)": lambda: su(2, 2),
    "so(5,1)": lambda: so(5, 1),
    "sl(3,C)": lambda: complexified(sl(3)),
    "so(5,C)": lambda: complexified(so(5)),
    "g2": g2,
    "so(7)": lambda: so(7),
    "sp(3)": lambda: usp(3),
    "so(4,3)": lambda: so(4, 3),
    "sp(6,R)": lambda: sp(3),
    "sp(2,1)": lambda: usp(2, 1),
    "su(5)": lambda: su(5),
    "so(8)": lambda: so(8),
    "se(3)": lambda: affine(so(3), 3),
    "se(4)": lambda: affine(so(4), 4),
    "iso(3,1)": lambda: affine(so(3, 1), 4),
    "sim(2)": lambda: affine(scaled(ROTATION, 2), 2),
    "sim(3)": lambda: affine(scaled(so(3), 3), 3),
    "aff(2)": lambda: affine(gl(2), 2),
    "aff(3)": lambda: affine(gl(3), 3),
    "sa(2)": lambda: affine(sl(2), 2),
    "isp(4,R)": lambda: affine(sp(2), 4),
    "galilei(2)": lambda: galilei(2),
    "galilei(3)": lambda: galilei(3),
    "bargmann(2)": lambda: bargmann(2),
    "bargmann(3)": lambda: bargmann(3),
    "schroedinger(1)": lambda: schroedinger(1),
    "schroedinger(2)": lambda: schroedinger(2),
    "schroedinger(3)": lambda: schroedinger(3),
    "jacobi(2)": lambda: phase_space(sp(2), 2),
    "isochronous galilei(2)": lambda: affine(np.kron(np.eye(2), so(2)), 4),
    "isochronous galilei(3)": lambda: affine(np.kron(np.eye(2), so(3)), 6),
    "oscillating newton-hooke(3)": lambda: affine(with_drift(3, [[0.0, 1.0], [-1.0, 0.0]]), 6),
    "expanding newton-hooke(3)": lambda: affine(with_drift(3, [[0.0, 1.0], [1.0, 0.0]]), 6),
    "carroll(2)": lambda: phase_space(np.kron(np.eye(2), so(2)), 2),
    "carroll(3)": lambda: phase_space(np.kron(np.eye(2), so(3)), 3),
    "oscillator(2)": lambda: phase_space(omega(2)[None], 2),
    "oscillator(3)": lambda: phase_space(omega(3)[None], 3),
    "iso(2,1)": lambda: affine(so(2, 1), 3),
    "sim(2,1)": lambda: affine(scaled(so(2, 1), 3), 3),
    "sim(4)": lambda: affine(scaled(so(4), 4), 4),
    "sa(3)": lambda: affine(sl(3), 3),
    "se(2) + R^3": lambda: plus(affine(ROTATION, 2), reals(3)),
    "e(1,1) + R^2": lambda: plus(affine(BOOST, 2), reals(2)),
    "so(3) + aff(1)": lambda: plus(so(3), affine(gl(1), 1)),
    "so(4,1) + R": lambda: plus(so(4, 1), reals(1)),
}

ALSO = {
    "so(3,1)": lambda: so(3, 1),
    "so(3,3)": lambda: so(3, 3),
    "so(4,2)": lambda: so(4, 2),
    "su(2)": lambda: su(2),
    "su(4)": lambda: su(4),
    "sp(4,R)": lambda: sp(2),
    "sp(2)": lambda: usp(2),
    "su*(4)": lambda: su_star(2),
    "so*(6)": lambda: so_star(3),
    "so*(8)": lambda: so_star(4),
    "e(2)": lambda: affine(ROTATION, 2),
    "so(3) + so(3)": lambda: so(4),
    "u(2)": lambda: plus(su(2), reals(1)),
    "u(3)": lambda: plus(su(3), reals(1)),
    "R + sl(2,R)": lambda: gl(2),
    "galilei(1)": lambda: galilei(1),
    "bargmann(1)": lambda: bargmann(1),
    "bianchi III": lambda: plus(affine(gl(1), 1), reals(1)),
}


def tensor(matrices: Matrices) -> np.ndarray:
    """Structure constants in an orthonormal basis of the span of the matrices."""
    flat = matrices.reshape(len(matrices), -1)
    rows = np.concatenate([np.real(flat), np.imag(flat)], axis=1)
    mix = np.linalg.inv(np.linalg.cholesky(rows @ rows.T))
    basis = np.einsum("ab,bij->aij", mix, matrices)
    both = np.einsum("aij,bjk->abik", basis, basis, optimize=True)
    values = (both - both.transpose(1, 0, 2, 3)).reshape(len(basis), len(basis), -1)
    table = np.concatenate([np.real(values), np.imag(values)], axis=2)
    c, defect = structure_constants(mix @ rows, table)
    assert defect < 1e-12
    return c


def basis_change(r: int, condition: float, rng: np.random.Generator) -> np.ndarray:
    left, right = (np.linalg.qr(rng.standard_normal((r, r)))[0] for _ in range(2))
    return left @ np.diag(np.geomspace(1.0, condition, r)) @ right


def moved(c: np.ndarray, g: np.ndarray) -> np.ndarray:
    return np.einsum("ai,bj,ijk,kd->abd", g, g, c, np.linalg.inv(g), optimize=True)


def noisy(c: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(c.shape)
    noise = noise - noise.transpose(1, 0, 2)
    return c + size * np.linalg.norm(c) * noise / max(np.linalg.norm(noise), 1e-300)


# --- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMED)
def test_name_does_not_depend_on_the_basis(name):
    c = tensor(NAMED[name]())
    for draw in range(3):
        g = basis_change(len(c), 10.0, np.random.default_rng(draw))
        found = identify(moved(c, g))
        assert found.name == name
        assert found.known_as(name)
        assert found.dimension == len(c)
        assert sum(found.signature) == len(c)


@pytest.mark.parametrize("name", ALSO)
def test_other_names_are_known(name):
    c = tensor(ALSO[name]())
    assert identify(moved(c, basis_change(len(c), 10.0, RNG))).known_as(name)


@pytest.mark.parametrize(
    "group",
    [
        ("so(3)", "sl(2,R)", "heisenberg", "se(2)", "e(1,1)", "bianchi V", "bianchi IV", "aff(1) + R"),
        ("so(4)", "sl(2,C)", "so(2,2)", "so(3) + sl(2,R)", "se(3)", "schroedinger(1)", "galilei(2)"),
        ("su(3)", "sl(3,R)", "su(2,1)"),
        ("so(5)", "so(4,1)", "so(3,2)", "se(4)", "galilei(3)", "iso(3,1)"),
        ("so(7)", "sp(3)"),
        ("so(4,3)", "sp(6,R)", "sp(2,1)"),
        ("isochronous galilei(2)", "sa(2)", "heisenberg(5)", "se(2) + R^3"),
        ("carroll(2)", "oscillator(2)", "galilei(2)", "schroedinger(1)"),
        ("galilei(3)", "oscillating newton-hooke(3)", "expanding newton-hooke(3)", "carroll(3)", "so(5)"),
        ("oscillator", "split oscillator", "engel", "sim(2)", "so(3) + R", "gl(2,R)", "aff(1) + aff(1)"),
    ],
)
def test_no_algebra_answers_to_the_name_of_another(group):
    for own in group:
        found = identify(tensor(NAMED[own]()))
        assert [name for name in group if found.known_as(name)] == [own]


def test_heisenberg_is_not_abelian():
    assert identify(tensor(heisenberg(1))).name == "heisenberg"
    assert identify(np.zeros((3, 3, 3))).name == "R^3"
    assert identify(np.zeros((3, 3, 3))).known_as("bianchi I")
    assert identify(np.zeros((0, 0, 0))).name == "trivial"


LOOK_ALIKES = {
    "so(3) on its matrices, in place of two vectors": lambda: affine(on_symmetric_matrices(so(3)), 6),
    "turns at two rates": lambda: affine(blocks(ROTATION[0], 2 * ROTATION[0])[None], 4),
    "oscillators at two rates": lambda: phase_space(np.kron(ROTATION[0], np.diag([1.0, 2.0]))[None], 2),
    "so(2,1) on two vectors": lambda: affine(np.kron(np.eye(2), so(2, 1)), 6),
    "R^4, scaled at four rates": lambda: almost_abelian(np.diag([1.0, 2.0, 3.0, 4.0])),
    "scaling and shear of three directions": lambda: affine(np.stack([np.eye(3), np.eye(3, k=1)]), 3),
    "sl(2) on cubic forms": lambda: affine(
        np.array(
            [
                np.diag([3.0, 1.0, -1.0, -3.0]),
                np.diag([3.0, 2.0, 1.0], 1),
                np.diag([1.0, 2.0, 3.0], -1),
            ]
        ),
        4,
    ),
    "galilei(2) with a turn that shears": lambda: affine(
        np.stack(
            [
                np.kron(np.eye(2), ROTATION[0]) + np.kron(np.eye(2, k=1), ROTATION[0]),
                np.kron(np.eye(2, k=1), np.eye(2)),
            ]
        ),
        4,
    ),
    "sl(2) + so(2) on a sum, with its Heisenberg algebra": lambda: phase_space(
        np.stack(
            [
                *(np.kron(x, np.diag([1.0, 0.0])) for x in sl(2)),
                np.kron(omega(1), np.diag([0.0, 1.0])),
            ]
        ),
        2,
    ),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_look_alikes_get_no_name(name):
    """Dimensions of a named algebra, but another algebra: `unnamed`, and the same in every basis."""
    c = tensor(LOOK_ALIKES[name]())
    names = {identify(moved(c, basis_change(len(c), 10.0, np.random.default_rng(i)))).name for i in range(3)}
    assert len(names) == 1
    assert names.pop().startswith("unnamed(dim ")


def test_unnamed_shows_invariants_and_leaves_named_summands():
    found = identify(tensor(plus(almost_abelian(np.diag([1.0, 2.0, 3.0, 4.0])), so(3), reals(1))))
    assert found.name == "so(3) + unnamed(dim 5; derived 4, centre 0, Killing (1,0,4)) + R"


@pytest.mark.parametrize("eigenvalues", [(3.0, 1.0), (2.0, -1.0), (0.2 + 1j, 0.2 - 1j), (2 + 0.5j, 2 - 0.5j)])
def test_bianchi_parameter(eigenvalues):
    """h = -(a / k)^2 for eigenvalues a +- k."""
    a, k = np.mean(eigenvalues).real, (eigenvalues[0] - eigenvalues[1]) / 2
    matrix = np.diag(np.real(eigenvalues)) + np.imag(k) * ROTATION[0]
    h = -((a / k) ** 2).real
    kind = "VI" if h < 0 else "VII"
    c = tensor(almost_abelian(matrix))
    assert identify(moved(c, basis_change(3, 10.0, RNG))).name == f"bianchi {kind}({h:.4g})"


@pytest.mark.parametrize("condition", [1.0, 10.0])
@pytest.mark.parametrize("name", [n for n in NAMED if n not in ("R", "R^4", "su(5)", "so(8)")])
def test_names_survive_noise(name, condition):
    c = tensor(NAMED[name]())
    rng = np.random.default_rng(3)
    found = identify(noisy(moved(c, basis_change(len(c), condition, rng)), 1e-4, rng), tol=1e-2)
    if name.startswith("bianchi V") and "(" in name:  # the parameter is a number, known to the noise
        kind, h = name[:-1].split("(")
        assert found.name.startswith(kind + "(")
        assert float(found.name[:-1].split("(")[1]) == pytest.approx(float(h), rel=0.02)
    else:
        assert name in found.name.split(" or ")  # at worst: so(7) or sp(3)


def test_noise_alone_is_abelian():
    noise = 1e-4 * RNG.standard_normal((4, 4, 4))
    assert identify(noise - noise.transpose(1, 0, 2), tol=1e-2).name == "R^4"


# --- invariants ------------------------------------------------------------------------------------------


def test_killing_form_is_the_trace_of_products_of_ad():
    c = tensor(gl(2))
    slow = [[np.trace(c[i].T @ c[j].T) for j in range(4)] for i in range(4)]
    assert identify(c).killing == pytest.approx(np.array(slow))


@pytest.mark.parametrize(
    ("name", "derived", "lower", "n_centre", "radical"),
    [
        ("so(3)", (3, 3), (3, 3), 0, 0),
        ("heisenberg", (3, 1, 0), (3, 1, 0), 1, 3),
        ("se(2)", (3, 2, 0), (3, 2, 2), 0, 3),
        ("engel", (4, 2, 0), (4, 2, 1, 0), 1, 4),
        ("oscillator", (4, 3, 1, 0), (4, 3, 3), 1, 4),
        ("gl(2,R)", (4, 3, 3), (4, 3, 3), 1, 1),
        ("galilei(3)", (10, 9, 9), (10, 9, 9), 0, 7),
        ("bargmann(3)", (11, 10, 10), (11, 10, 10), 1, 8),
    ],
)
def test_series_centre_and_radical(name, derived, lower, n_centre, radical):
    c = tensor(NAMED[name]())
    found = identify(moved(c, basis_change(len(c), 10.0, RNG)))
    assert (found.derived, found.lower_central, len(found.centre), found.radical) == (
        derived,
        lower,
        n_centre,
        radical,
    )
    assert found.is_solvable == (derived[-1] == 0)
    assert found.is_nilpotent == (lower[-1] == 0)
    assert found.is_semisimple == (radical == 0)
    assert not found.is_abelian


def test_centre_commutes_with_everything_in_the_given_basis():
    c = moved(tensor(bargmann(3)), basis_change(11, 10.0, RNG))
    centre = identify(c).centre
    assert centre.shape == (1, 11)
    assert np.abs(np.einsum("ai,ijk->ajk", centre, c)).max() < 1e-12


def test_json_holds_finite_plain_numbers_and_print_the_name():
    found = identify(tensor(so(4)), closure_defect=1e-3)
    text = json.dumps(found.to_json(), allow_nan=False)
    back = json.loads(text)
    assert (back["dimension"], back["name"], back["closure_defect"]) == (6, "so(4)", 1e-3)
    assert np.shape(back["structure_constants"]) == (6, 6, 6)
    assert "so(4), dimension 6" in str(found)
    assert "so(4)" in found._repr_html_()
    assert repr(found).startswith("LieAlgebra('so(4)', dimension=6")
    with pytest.raises(ValueError, match="read-only"):
        found.killing[0, 0] = 1.0


# --- refusals --------------------------------------------------------------------------------------------


def test_jacobi_failure_is_refused_with_its_size():
    broken = np.zeros((3, 3, 3))
    broken[0, 1, 0] = broken[1, 2, 1] = broken[2, 0, 2] = 1.0
    broken = broken - broken.transpose(1, 0, 2)
    with pytest.raises(DataError, match=r"Jacobi identity fails by [1-9]\.\d\de-01"):
        identify(broken)
    with pytest.raises(DataError, match="Jacobi"):
        identify(noisy(tensor(so(4)), 1e-3, RNG), tol=1e-6)


@pytest.mark.parametrize(
    ("c", "message"),
    [
        (np.zeros((3, 3, 2)), r"shape \(r, r, r\), got \(3, 3, 2\)"),
        (np.zeros((3, 3)), r"3 axes, got shape \(3, 3\)"),
        (np.ones((2, 2, 2)), "antisymmetric"),
        (np.full((2, 2, 2), np.nan), "not finite"),
    ],
)
def test_bad_tensors_are_refused(c, message):
    with pytest.raises(DataError, match=message):
        identify(c)


def test_bad_tolerance_is_refused():
    with pytest.raises(DataError, match=r"tol must lie between 0 and 0\.5, got 0\.0"):
        identify(np.zeros((2, 2, 2)), tol=0.0)


# --- structure constants and closure ---------------------------------------------------------------------


def test_structure_constants_of_oblique_generators_in_an_inner_product():
    """The coordinates do not depend on the inner product when the brackets close."""
    basis = np.einsum("ab,bij->aij", basis_change(3, 10.0, RNG), so(3)).reshape(3, 9)
    table = np.stack(
        [[(a @ b - b @ a).ravel() for b in basis.reshape(3, 3, 3)] for a in basis.reshape(3, 3, 3)]
    )
    root = RNG.standard_normal((9, 9))
    c, defect = structure_constants(basis, table, gram=root @ root.T)
    assert defect < 1e-10
    assert np.einsum("ijk,kd->ijd", c, basis) == pytest.approx(table)
    assert identify(c).name == "so(3)"


def test_closure_defect_is_the_sine_of_the_angle_between_bracket_and_span():
    vectors = np.eye(3)[:2]
    angle = 0.3
    value = np.array([0.0, np.cos(angle), np.sin(angle)])
    table = np.zeros((2, 2, 3))
    table[0, 1], table[1, 0] = value, -value
    assert structure_constants(vectors, table)[1] == pytest.approx(np.sin(angle))
    assert structure_constants(vectors, np.zeros((2, 2, 3)))[1] == 0.0
    assert structure_constants(np.zeros((0, 3)), np.zeros((0, 0, 3)))[0].shape == (0, 0, 0)


@pytest.mark.parametrize(
    ("vectors", "table", "gram", "message"),
    [
        (np.ones((2, 3)), np.zeros((2, 2, 3)), None, "linearly dependent"),
        (np.ones((4, 3)), np.zeros((4, 4, 3)), None, "the 4 generators are linearly dependent"),
        (np.eye(3), np.zeros((3, 3, 2)), None, r"shape \(3, 3, 3\) .* got \(3, 3, 2\)"),
        (
            np.eye(2),
            np.zeros((2, 2, 2)),
            np.diag([1.0, -1.0]),
            "semidefinite, its smallest eigenvalue is -1.00e",
        ),
        (np.eye(2), np.zeros((2, 2, 2)), np.diag([1.0, 0.0]), "linearly dependent"),
    ],
)
def test_bad_generators_are_refused(vectors, table, gram, message):
    with pytest.raises(DataError, match=message):
        structure_constants(vectors, table, gram)


def commutator(n: int) -> Callable:
    def bracket(x, y):
        a, b = x.reshape(n, n), y.reshape(n, n)
        return (a @ b - b @ a).ravel()

    return bracket


@pytest.mark.parametrize(
    ("generators", "dimension"),
    [
        (so(3)[:2], 3),
        (np.stack([np.eye(3, k=1), np.eye(3, k=-1)]), 3),
        (np.stack([np.eye(4, k=1), np.eye(4, k=-1) @ np.diag([1.0, 2.0, 0.5, 0.0])]), 15),
        (np.stack([np.diag([1.0, 2.0]), np.diag([3.0, 1.0]), np.diag([1.0, 1.0])]), 2),
        (heisenberg(1)[:2], 3),
    ],
)
def test_close_finds_the_generated_algebra(generators, dimension):
    n = generators.shape[1]
    bracket = commutator(n)
    basis = algebra.close(generators.reshape(len(generators), -1), bracket, max_dimension=16)
    assert basis.shape == (dimension, n * n)
    assert basis @ basis.T == pytest.approx(np.eye(dimension), abs=1e-10)
    table = np.array([[bracket(x, y) for y in basis] for x in basis])
    assert structure_constants(basis, table)[1] < 1e-9
    flat = generators.reshape(len(generators), -1)
    assert flat @ basis.T @ basis == pytest.approx(flat)


def test_close_stops_at_the_largest_dimension_and_returns_what_it_has():
    pair = RNG.standard_normal((2, 9))  # generates gl(3)
    with pytest.raises(ConvergenceError, match="reach dimension 6, more than max_dimension = 5") as caught:
        algebra.close(pair, commutator(3), max_dimension=5)
    assert caught.value.last.shape == (6, 9)
    assert algebra.close(pair, commutator(3), max_dimension=9).shape == (9, 9)
    with pytest.raises(DataError, match="finite vector of shape"):
        algebra.close(pair, lambda x, y: np.full(9, np.nan), max_dimension=9)


# --- snapping --------------------------------------------------------------------------------------------


def candidate(matrices: Matrices) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal matrices (q, n, n) and their bracket tensor."""
    q, n, _ = matrices.shape
    basis = np.linalg.qr(matrices.reshape(q, -1).T)[0].T.reshape(q, n, n)
    both = np.einsum("aij,bjk->abik", basis, basis)
    both = both - both.transpose(1, 0, 2, 3)
    return basis, np.einsum("abij,dij->abd", both, basis)


def columns(members: Matrices, basis: np.ndarray) -> np.ndarray:
    return np.linalg.qr(np.einsum("aij,rij->ar", basis, members))[0]


def tilted(v: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """A subspace at the given largest principal angle from v."""
    normal = sla.null_space(v.T)
    z = rng.standard_normal((normal.shape[1], v.shape[1]))
    return v + np.tan(np.radians(degrees)) * normal @ z / np.linalg.norm(z, 2)


SNAPS = {
    "so(3) on the first three of six": ("so(3)", so(6), np.pad(so(3), ((0, 0), (0, 3), (0, 3)))),
    "so(3) turning two vectors together": ("so(3)", so(6), np.kron(np.eye(2), so(3)).reshape(-1, 6, 6)),
    "se(2) in the affine plane": ("se(2)", affine(gl(2), 2), affine(ROTATION, 2)),
    "se(3) in affine space": ("se(3)", affine(gl(3), 3), affine(so(3), 3)),
    "so(4) in gl(4)": ("so(4)", gl(4), so(4)),
}


@pytest.mark.parametrize("case", SNAPS)
def test_snap_finds_a_closed_algebra_within_the_angle(case):
    name, ambient, members = SNAPS[case]
    basis, tensor_c = candidate(ambient)
    exact = columns(members, basis)
    still = nearest_subalgebra(exact, tensor_c)
    assert still.closed
    assert still.angle < 1e-12
    assert still.basis == pytest.approx(exact)
    for draw in range(3):
        start = tilted(exact, 1.0, np.random.default_rng(draw))
        snapped = nearest_subalgebra(start, tensor_c)
        assert snapped.closed
        assert snapped.residual < 1e-10 < 1e-3 < snapped.initial_residual
        # The exact algebra lies at 1 degree; the nearest can only be closer, up to second order.
        assert 1e-4 < snapped.angle < np.radians(1.05)
        angles = sla.subspace_angles(snapped.basis, start)
        assert snapped.angle == pytest.approx(angles[0], rel=1e-6)
        # In the affine plane the rotation may come with a small dilation: bianchi VII(h), h of order angle^2.
        assert identify(snapped.structure_constants, tol=0.05).name == name


def test_snap_lands_next_to_the_nearest_conjugate():
    """Slow twin: every so(3) near this one is a conjugate; minimise the distance over rotations of R^5."""
    ambient = so(5)
    basis, tensor_c = candidate(ambient)
    members = np.pad(so(3), ((0, 0), (0, 2), (0, 2)))
    start = np.linalg.qr(tilted(columns(members, basis), 2.0, np.random.default_rng(5)))[0]

    def distance(v):
        return np.sum(np.sin(sla.subspace_angles(v, start)) ** 2)

    def conjugate(w):
        g = sla.expm(np.tensordot(w, basis, axes=1))
        return distance(columns(g @ members @ g.T, basis))

    nearest = minimize(conjugate, np.zeros(10), tol=1e-14)
    snapped = nearest_subalgebra(start, tensor_c)
    assert snapped.closed
    assert distance(snapped.basis) == pytest.approx(nearest.fun, rel=0.02)


def test_snap_jacobian_is_the_derivative_of_the_residual():
    from dynsym.algebra.subalgebra import _linearised, complement

    _, tensor_c = candidate(gl(3))
    v = np.linalg.qr(RNG.standard_normal((9, 4)))[0]
    normal = complement(v.T).T
    direction = RNG.standard_normal((5, 4))
    _, jacobian, _ = _linearised(v, tensor_c)

    def residual(t):
        # Frames that move with the subspace to first order: V + t N Z and N - t V Z^T.
        w, across = v + t * normal @ direction, normal - t * v @ direction.T
        pairs = np.einsum("ia,jb,ijk->abk", w, w, tensor_c)
        return (pairs[np.triu_indices(4, 1)] @ across).ravel()

    slope = (residual(1e-5) - residual(-1e-5)) / 2e-5
    assert jacobian @ direction.ravel() == pytest.approx(slope, abs=1e-8)


def test_snap_says_so_when_nothing_closes():
    """so(3) has no two-dimensional subalgebra, so a plane has nowhere to go."""
    bracket = np.cross(np.eye(3)[:, None], np.eye(3)[None])
    stuck = nearest_subalgebra(RNG.standard_normal((3, 2)), bracket)
    assert not stuck.closed
    assert stuck.residual > 0.1
    assert "NOT closed" in str(stuck)


@pytest.mark.parametrize("seed", range(4))
def test_random_subspace_is_reported_honestly(seed):
    """A random start may reach a closed subspace far away, or none: flag, residual and angle agree."""
    _, tensor_c = candidate(so(6))
    start = np.random.default_rng(seed).standard_normal((15, 3))
    snapped = nearest_subalgebra(start, tensor_c)
    v = np.linalg.qr(snapped.basis)[0]
    values = np.einsum("ia,jb,ijk->abk", v, v, tensor_c)
    residual = np.linalg.norm(values - values @ v @ v.T) / np.linalg.norm(tensor_c)
    assert snapped.residual == pytest.approx(residual, abs=1e-12)
    assert snapped.closed == (residual < 1e-10)
    assert snapped.angle == pytest.approx(sla.subspace_angles(v, start)[0], rel=1e-6)
    assert snapped.angle > np.radians(5)


def test_snap_measures_angles_in_the_inner_product():
    basis, tensor_c = candidate(affine(gl(2), 2))
    start = tilted(columns(affine(ROTATION, 2), basis), 1.0, RNG)
    root = np.tril(RNG.standard_normal((6, 6)), -1) * 0.3 + np.diag([1.0, 2.0, 0.5, 1.0, 1.5, 1.0])
    gram = root @ root.T
    snapped = nearest_subalgebra(start, tensor_c, gram=gram)
    assert snapped.closed
    assert snapped.basis.T @ gram @ snapped.basis == pytest.approx(np.eye(3), abs=1e-10)
    assert snapped.angle == pytest.approx(
        sla.subspace_angles(root.T @ snapped.basis, root.T @ start)[0], rel=1e-6
    )
    table = np.einsum("ia,jb,ijk->abk", snapped.basis, snapped.basis, tensor_c)
    assert np.einsum("abd,kd->abk", snapped.structure_constants, snapped.basis) == pytest.approx(
        table, abs=1e-9
    )


def test_snapping_an_abelian_algebra_moves_nothing():
    start = RNG.standard_normal((4, 2))
    snapped = nearest_subalgebra(start, np.zeros((4, 4, 4)))
    assert snapped.closed
    assert snapped.angle < 1e-12


@pytest.mark.parametrize(
    ("subspace", "gram", "message"),
    [
        (np.ones((3, 2)), None, "linearly dependent"),
        (np.ones((3, 4)), None, "between 1 and 3 columns"),
        (np.eye(3)[:, :2], np.diag([1.0, 1.0, 0.0]), "positive definite"),
        (np.ones((2, 1)), None, r"shape \(2, 2, 2\), got \(3, 3, 3\)"),
    ],
)
def test_bad_subspaces_are_refused(subspace, gram, message):
    with pytest.raises(DataError, match=message):
        nearest_subalgebra(subspace, np.zeros((3, 3, 3)), gram=gram)


def test_snap_refuses_what_does_not_fit_in_memory():
    with pytest.raises(DataError, match=r"a step for 45 of 100 generators needs a matrix of \d+ entries"):
        nearest_subalgebra(np.eye(100)[:, :45], np.zeros((100, 100, 100)))
