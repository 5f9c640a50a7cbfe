"""The closure of noisy subspaces: conjugated algebras in gl(n) and the affine algebra, tilted by known angles."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg as sla
from test_algebra import ROTATION, affine, basis_change, candidate, columns, gl, sl, so, su, tensor, tilted

from dynsym._checks import DataError
from dynsym.algebra import identify, model, nearest_of_type, nearest_subalgebra


def real(matrices):
    return np.block([[matrices.real, -matrices.imag], [matrices.imag, matrices.real]])


def heisenberg_of_the_plane():
    """Translations and a shear."""
    out = np.zeros((3, 3, 3))
    out[0, 0, 1] = out[1, 0, 2] = out[2, 1, 2] = 1.0
    return out


RIGID = {
    "so(3) in gl(3)": ("so(3)", lambda: gl(3), lambda: so(3)),
    "so(3) in aff(3)": ("so(3)", lambda: affine(gl(3), 3), lambda: np.pad(so(3), ((0, 0), (0, 1), (0, 1)))),
    "so(3) twice in gl(6)": ("so(3)", lambda: gl(6), lambda: np.kron(np.eye(2), so(3)).reshape(-1, 6, 6)),
    "so(4) in gl(4)": ("so(4)", lambda: gl(4), lambda: so(4)),
    "su(3) in gl(6)": ("su(3)", lambda: gl(6), lambda: real(su(3))),
    "sl(2,R) in gl(2)": ("sl(2,R)", lambda: gl(2), lambda: sl(2)),
    "se(3) in aff(3)": ("se(3)", lambda: affine(gl(3), 3), lambda: affine(so(3), 3)),
}
SOLVABLE = {
    "se(2)": (lambda: affine(gl(2), 2), lambda: affine(ROTATION, 2)),
    "heisenberg": (lambda: affine(gl(2), 2), heisenberg_of_the_plane),
    "e(1,1)": (lambda: affine(gl(2), 2), lambda: affine(np.array([[[0.0, 1.0], [1.0, 0.0]]]), 2)),
}


def started(ambient, members, degrees, seed):
    """A conjugate of the algebra, turned away by an angle, in orthonormal coordinates of the ambient algebra."""
    rng = np.random.default_rng(seed)
    basis, table = candidate(ambient)
    n = basis.shape[1]
    g = np.eye(n)
    if np.abs(ambient[:, -1]).max() > 0:
        g = basis_change(n, 2.0, rng)
    else:
        g[:-1, :-1] = basis_change(n - 1, 2.0, rng)
        g[:-1, -1] = 0.5 * rng.standard_normal(n - 1)
    return tilted(columns(g @ members @ np.linalg.inv(g), basis), degrees, rng), table


@pytest.mark.parametrize("degrees", [1.0, 5.0, 15.0])
@pytest.mark.parametrize("case", RIGID)
def test_conjugated_algebras_are_found_and_named(case, degrees):
    name, ambient, members = RIGID[case]
    for seed in range(2):
        start, table = started(ambient(), members(), degrees, seed)
        found = nearest_subalgebra(start, table)
        assert found.closed
        assert found.angle < 1.15 * np.radians(degrees)
        assert identify(found.structure_constants, tol=1e-4).name == name


@pytest.mark.parametrize("degrees", [1.0, 3.0])
@pytest.mark.parametrize("name", SOLVABLE)
def test_solvable_algebras_are_reached_by_type(name, degrees):
    """The nearest closed subspace is a neighbour in their family; the one of the type lies as near as the truth."""
    for seed in range(3):
        start, table = started(*(make() for make in SOLVABLE[name]), degrees, seed)
        found = nearest_of_type(start, table, model(name))
        assert found.closed
        assert found.angle < 1.15 * np.radians(degrees)
        assert found.angle == pytest.approx(sla.subspace_angles(found.basis, start)[0], rel=1e-6)
        assert identify(found.structure_constants).name == name
        brackets = np.einsum("ia,jb,ijk->abk", found.basis, found.basis, table)
        inside = np.einsum("abd,kd->abk", found.structure_constants, found.basis)
        assert inside == pytest.approx(brackets, abs=1e-8)


def test_the_inner_product_counts_for_types_too():
    start, table = started(affine(gl(2), 2), affine(ROTATION, 2), 1.0, 0)
    root = np.diag([1.0, 2.0, 0.5, 1.0, 1.5, 1.0])
    found = nearest_of_type(start, table, model("se(2)"), gram=root @ root)
    assert found.closed
    assert found.basis.T @ root @ root @ found.basis == pytest.approx(np.eye(3), abs=1e-8)
    assert found.angle == pytest.approx(sla.subspace_angles(root @ found.basis, root @ start)[0], rel=1e-6)


def test_a_type_that_is_not_there_is_not_reached():
    start, table = started(affine(gl(2), 2), affine(ROTATION, 2), 1.0, 0)
    assert not nearest_of_type(start, table, model("so(3)")).closed  # the plane has no so(3)
    found = nearest_of_type(np.eye(3), tensor(so(3)), model("se(2)"))
    assert not found.closed
    with pytest.raises(DataError, match=r"model must have shape \(3, 3, 3\), got \(6, 6, 6\)"):
        nearest_of_type(start, table, model("so(4)"))


def test_a_line_and_the_whole_algebra_are_closed():
    table = tensor(so(4))
    for start in (np.eye(6)[:, :1] + 0.1, np.eye(6)):
        found = nearest_subalgebra(start, table)
        assert found.closed
        assert found.angle < 1e-7
