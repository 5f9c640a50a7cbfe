"""Oscillators: linear ones with known commutants, and nonlinear ones in two and three dimensions."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement, product

import sympy

from ._define import define, linear_fields
from ._start import cube, uniform
from ._system import System

_PLANE = "x y vx vy"
_SPACE = "x y z vx vy vz"


def _commutant(d: int) -> list[sympy.Matrix]:
    """Matrices that commute with J = [[0, 1], [-1, 0]] on (q, v), q in R^d: P + Q J for all P, Q in gl(d)."""
    zero = sympy.zeros(d)
    units = [sympy.Matrix(d, d, lambda i, j, k=k: int((i, j) == divmod(k, d))) for k in range(d * d)]
    same = [sympy.Matrix(sympy.BlockMatrix([[P, zero], [zero, P]])) for P in units]
    turned = [sympy.Matrix(sympy.BlockMatrix([[zero, P], [-P, zero]])) for P in units]
    return same + turned


def oscillator_1d() -> System:
    """x'' = -x."""
    return define(
        "oscillator_1d",
        "harmonic oscillator",
        "x v",
        "v; -x",
        dictionary="poly(1)",
        invariants_dictionary="poly(2)",
        invariants="x^2 + v^2",
        n_independent=1,
        affine=("R^2", ("x; v", "v; -x")),
        start=cube(2),
        duration=10.0,
    )


def isotropic_oscillator_2d() -> System:
    """x'' = -x, y'' = -y: every conserved quantity is a function of four quadratic ones."""
    return define(
        "isotropic_oscillator_2d",
        "isotropic oscillator in the plane",
        _PLANE,
        "vx; vy; -x; -y",
        dictionary="poly(1)",
        invariants_dictionary="poly(2)",
        invariants="x^2 + vx^2; y^2 + vy^2; x*y + vx*vy; x*vy - y*vx",
        n_independent=3,
        affine=("gl(2,C)", linear_fields(_commutant(2), _PLANE.split())),
        start=cube(4),
        duration=10.0,
        note="The affine algebra is the commutant of the matrix of F: gl(2,C) as a real Lie algebra.",
    )


def isotropic_oscillator_3d() -> System:
    """q'' = -q in space: nine quadratic conserved quantities, q_i q_j + v_i v_j and q x v."""
    axes = "xyz"
    tensor = [f"{a}*{b} + v{a}*v{b}" for a, b in combinations_with_replacement(axes, 2)]
    moment = [f"{a}*v{b} - {b}*v{a}" for a, b in combinations(axes, 2)]
    return define(
        "isotropic_oscillator_3d",
        "isotropic oscillator in space",
        _SPACE,
        "vx; vy; vz; -x; -y; -z",
        dictionary="poly(1)",
        invariants_dictionary="poly(2)",
        invariants="; ".join(tensor + moment),
        n_independent=5,
        affine=("gl(3,C)", linear_fields(_commutant(3), _SPACE.split())),
        start=cube(6),
        duration=10.0,
        note="The affine algebra is the commutant of the matrix of F: gl(3,C) as a real Lie algebra. The Poisson "
        "brackets of the nine quantities are those of u(3).",
    )


def _two_frequencies(name: str, title: str, k: int, resonant: str, count: int, note: str) -> System:
    return define(
        name,
        title,
        _PLANE,
        f"vx; vy; -x; -{k}*y",
        dictionary="poly(1)",
        invariants_dictionary="poly(3)",
        invariants=f"x^2 + vx^2; {k}*y^2 + vy^2" + resonant,
        n_independent=count,
        affine=("R^4", ("x; 0; vx; 0", "vx; 0; -x; 0", "0; y; 0; vy", f"0; vy; 0; -{k}*y")),
        start=cube(4),
        duration=12.0,
        note=note,
    )


def anisotropic_oscillator_2d() -> System:
    """x'' = -x, y'' = -4 y: the 1:2 resonance has two cubic conserved quantities."""
    # with z = x - i vx ~ e^{it} and w = 2 y - i vy ~ e^{2it}, z^2 conj(w) is constant
    return _two_frequencies(
        "anisotropic_oscillator_2d",
        "oscillator in the plane, frequencies 1 : 2",
        4,
        "; y*(x^2 - vx^2) + x*vx*vy; 4*x*y*vx - vy*(x^2 - vx^2)",
        3,
        "The cubic quantities are the real and imaginary part of (x - i vx)^2 (2 y + i vy), up to factors.",
    )


def incommensurate_oscillator_2d() -> System:
    """x'' = -x, y'' = -2 y: frequencies 1 : sqrt(2), no third conserved quantity of any polynomial degree."""
    return _two_frequencies(
        "incommensurate_oscillator_2d",
        "oscillator in the plane, frequencies 1 : sqrt(2)",
        2,
        "",
        2,
        "Orbits fill tori, so no third conserved quantity exists.",
    )


def coupled_springs() -> System:
    """Three unit masses in a row between walls, equal springs: q'' = -K q."""
    names = "q1 q2 q3 v1 v2 v3"
    stiffness = sympy.Matrix([[2, -1, 0], [-1, 2, -1], [0, -1, 2]])
    q = sympy.Matrix(sympy.symbols("q1:4", real=True))
    v = sympy.Matrix(sympy.symbols("v1:4", real=True))
    powers = [stiffness**j for j in range(4)]
    fields = [tuple(powers[j] * q) + tuple(powers[j] * v) for j in range(3)]
    fields += [tuple(powers[j] * v) + tuple(-powers[j + 1] * q) for j in range(3)]
    energies = [sympy.expand((v.T * powers[j] * v + q.T * powers[j + 1] * q)[0]) for j in range(3)]
    return define(
        "coupled_springs",
        "three masses on springs between walls",
        names,
        tuple(v) + tuple(-stiffness * q),
        dictionary="poly(1)",
        invariants_dictionary="poly(2)",
        invariants=energies,
        n_independent=3,
        affine=("R^6", fields),
        start=cube(6),
        duration=15.0,
        note="Squared frequencies 2 - sqrt(2), 2, 2 + sqrt(2); v.K^j v + q.K^(j+1) q for j = 0, 1, 2.",
    )


def damped_oscillator() -> System:
    """x' = -x/10 - y, y' = x - y/10: rotation and dilation, nothing conserved by polynomials."""
    return define(
        "damped_oscillator",
        "damped linear oscillator",
        "x y",
        "-x/10 - y; x - y/10",
        dictionary="poly(1)",
        invariants_dictionary="poly(4)",
        affine=("R^2", ("x; y", "-y; x")),
        start=cube(2, 2.0),
        duration=10.0,
        note="log(x^2 + y^2) + atan(y/x)/5 is conserved away from the origin, outside the dictionary.",
    )


def duffing() -> System:
    """x'' = x - x^3: a double well."""
    return define(
        "duffing",
        "Duffing oscillator, double well",
        "x v",
        "v; x - x^3",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        invariants="v^2/2 - x^2/2 + x^4/4",
        n_independent=1,
        start=cube(2, 1.5),
        duration=12.0,
    )


def henon_heiles() -> System:
    """Two oscillators with the potential (x^2 + y^2)/2 + x^2 y - y^3/3."""
    return define(
        "henon_heiles",
        "Henon-Heiles",
        _PLANE,
        "vx; vy; -x - 2*x*y; -y - x^2 + y^2",
        dictionary="poly(2)",
        invariants_dictionary="poly(3)",
        invariants="(vx^2 + vy^2 + x^2 + y^2)/2 + x^2*y - y^3/3",
        n_independent=1,
        start=cube(4, 0.25),
        duration=30.0,
        note="Runs stay below the escape energy 1/6; at these energies most orbits look regular.",
    )


def henon_heiles_integrable() -> System:
    """Two oscillators with the potential (x^2 + y^2)/2 + x^2 y + y^3/3, which separates in x + y and x - y."""
    return define(
        "henon_heiles_integrable",
        "Henon-Heiles, integrable sign (Sawada-Kotera)",
        _PLANE,
        "vx; vy; -x - 2*x*y; -y - x^2 - y^2",
        dictionary="poly(2)",
        invariants_dictionary="poly(3)",
        invariants="(vx^2 + vy^2 + x^2 + y^2)/2 + x^2*y + y^3/3; vx*vy + x*y + x*y^2 + x^3/3",
        n_independent=2,
        start=cube(4, 0.25),
        duration=30.0,
        note="Sum and difference of the two quantities are the energies of x + y and of x - y.",
    )


def quartic_spring_2d() -> System:
    """q'' = -|q|^2 q in the plane."""
    energy = "(vx^2 + vy^2)/2 + (x^2 + y^2)^2/4"
    return define(
        "quartic_spring_2d",
        "quartic central spring in the plane",
        _PLANE,
        "vx; vy; -x*(x^2 + y^2); -y*(x^2 + y^2)",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        invariants=f"{energy}; x*vy - y*vx; (x*vy - y*vx)^2",
        n_independent=2,
        affine=("R", ("-y; x; -vy; vx",)),
        scaling=("R^2", "x; y; 2*vx; 2*vy; -1"),
        start=cube(4, 1.2),
        duration=12.0,
    )


def quartic_spring_3d() -> System:
    """q'' = -|q|^2 q in space."""
    moment = [f"{a}*v{b} - {b}*v{a}" for a, b in ("yz", "zx", "xy")]
    energy = "(vx^2 + vy^2 + vz^2)/2 + (x^2 + y^2 + z^2)^2/4"
    products = [f"({a})*({b})" for a, b in combinations_with_replacement(moment, 2)]
    force = "; ".join(f"-{c}*(x^2 + y^2 + z^2)" for c in "xyz")
    return define(
        "quartic_spring_3d",
        "quartic central spring in space",
        _SPACE,
        f"vx; vy; vz; {force}",
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        invariants="; ".join([*moment, energy, *products]),
        n_independent=4,
        affine=("so(3)", ("0; -z; y; 0; -vz; vy", "z; 0; -x; vz; 0; -vx", "-y; x; 0; -vy; vx; 0")),
        scaling=("so(3) + R", "x; y; z; 2*vx; 2*vy; 2*vz; -1"),
        start=cube(6),
        duration=10.0,
    )


def _mixing_rotation() -> sympy.Matrix:
    """Orthogonal 6 x 6 matrix with entries +-1/5, +-2/5, +-3/5: the Cayley transform of a skew matrix."""
    above = sympy.Matrix([[int(j > i and (j - i) % 2 == 1) for j in range(6)] for i in range(6)])
    skew, one = above - above.T, sympy.eye(6)
    return (one - skew) * (one + skew).inv()


def rotated_cubic_oscillator() -> System:
    """q'' = -|q|^2 q in R^3, in coordinates x = R (q, v) with a fixed rational orthogonal R."""
    names = [f"x{i}" for i in range(1, 7)]
    rotation = _mixing_rotation()
    straight = rotation.T * sympy.Matrix(sympy.symbols(names, real=True))
    q, v = straight[:3, 0], straight[3:, 0]
    square = sum(part**2 for part in q)
    rhs = rotation * sympy.Matrix([*v, *(-square * part for part in q)])
    spin = q.cross(v)
    turns = [sympy.Matrix(3, 3, lambda i, j, k=k: -sympy.LeviCivita(i, j, k)) for k in range(3)]
    fields = [rotation * sympy.diag(turn, turn) * straight for turn in turns]
    scaled = rotation * sympy.Matrix([*q, *(2 * v)])
    energy = sum(part**2 for part in v) / 2 + square**2 / 4
    products = [spin[i] * spin[j] for i, j in product(range(3), repeat=2) if i <= j]
    return define(
        "rotated_cubic_oscillator",
        "cubic oscillator in R^6, hidden by a rotation",
        " ".join(names),
        [sympy.expand(part) for part in rhs],
        dictionary="poly(3)",
        invariants_dictionary="poly(4)",
        invariants=[*spin, energy, *products],
        n_independent=4,
        affine=("so(3)", [tuple(field.expand()) for field in fields]),
        scaling=("so(3) + R", [*scaled.expand(), sympy.Integer(-1)]),
        start=uniform((-1.0,) * 6, (1.0,) * 6),
        duration=10.0,
        note="so(3) turns q and v together; with poly(2) the three components of q x v remain.",
    )
