"""Particles: attracting, repelling, on a lattice, and in a magnetic field."""

from __future__ import annotations

from itertools import combinations

import sympy

from ._define import define
from ._start import bound_pair, cube, kepler_orbit, near_figure_eight, softened_orbit, uniform
from ._system import System


def kepler_2d() -> System:
    """q'' = -q/|q|^3 in the plane."""
    r = "sqrt(x^2 + y^2)"
    return define(
        "kepler_2d",
        "Kepler problem in the plane",
        "x y vx vy",
        "vx; vy; -x/(x^2 + y^2)^(3/2); -y/(x^2 + y^2)^(3/2)",
        dictionary="poly(1) + terms(x/(x^2+y^2)^(3/2), y/(x^2+y^2)^(3/2))",
        invariants_dictionary=f"poly(3) + terms(1/{r}, x/{r}, y/{r})",
        invariants=f"(vx^2 + vy^2)/2 - 1/{r}; x*vy - y*vx; "
        f"(x*vy - y*vx)*vy - x/{r}; -(x*vy - y*vx)*vx - y/{r}",
        n_independent=3,
        affine=("R", ("-y; x; -vy; vx",)),
        scaling=("R^2", "2*x/3; 2*y/3; -vx/3; -vy/3; 1"),
        start=kepler_orbit(2),
        duration=12.0,
        note="Energy, angular momentum and the two components of the Laplace-Runge-Lenz vector A, with "
        "|A|^2 = 1 + 2 E L^2. The scaling is the third law of Kepler.",
    )


def kepler_2d_inverse() -> System:
    """The Kepler problem made polynomial by u = 1/r: q'' = -q u^3, u' = -u^3 q.q', with u a state of its own."""
    return define(
        "kepler_2d_inverse",
        "Kepler problem in the plane with u = 1/r as a state",
        "x y vx vy u",
        "vx; vy; -x*u^3; -y*u^3; -u^3*(x*vx + y*vy)",
        dictionary="terms(vx, vy, x*u^3, y*u^3, x*vx*u^3, y*vy*u^3)",
        invariants_dictionary="poly(3)",
        invariants="(vx^2 + vy^2)/2 - u; x*vy - y*vx",
        n_independent=2,
        affine=("R", ("-y; x; -vy; vx; 0",)),
        scaling=("R^2", "2*x/3; 2*y/3; -vx/3; -vy/3; -2*u/3; 1"),
        start=softened_orbit,
        duration=12.0,
        note="1/u^2 - r^2 is constant too, but no polynomial. Where it vanishes, u^2 r^2 = 1, this is the Kepler "
        "problem, and the two components of the Laplace-Runge-Lenz vector (cubic here) are conserved besides; the "
        "counts are those off that set, where runs start.",
    )


def kepler_3d() -> System:
    """q'' = -q/|q|^3 in space."""
    r = "sqrt(x^2 + y^2 + z^2)"
    cube_of_r = "(x^2+y^2+z^2)^(3/2)"
    moment = ("(y*vz - z*vy)", "(z*vx - x*vz)", "(x*vy - y*vx)")
    runge = (
        f"vy*{moment[2]} - vz*{moment[1]} - x/{r}",
        f"vz*{moment[0]} - vx*{moment[2]} - y/{r}",
        f"vx*{moment[1]} - vy*{moment[0]} - z/{r}",
    )
    return define(
        "kepler_3d",
        "Kepler problem in space",
        "x y z vx vy vz",
        "vx; vy; vz; " + "; ".join(f"-{c}/{cube_of_r}" for c in "xyz"),
        dictionary="poly(1) + terms(" + ", ".join(f"{c}/{cube_of_r}" for c in "xyz") + ")",
        invariants_dictionary=f"poly(3) + terms(1/{r}, x/{r}, y/{r}, z/{r})",
        invariants="; ".join((f"(vx^2 + vy^2 + vz^2)/2 - 1/{r}", *moment, *runge)),
        n_independent=5,
        affine=("so(3)", ("0; -z; y; 0; -vz; vy", "z; 0; -x; vz; 0; -vx", "-y; x; 0; -vy; vx; 0")),
        scaling=("so(3) + R", "2*x/3; 2*y/3; 2*z/3; -vx/3; -vy/3; -vz/3; 1"),
        start=kepler_orbit(3),
        duration=12.0,
        note="Energy, angular momentum L and Laplace-Runge-Lenz vector A: A.L = 0, |A|^2 = 1 + 2 E |L|^2. "
        "The hidden so(4) is not affine in the states.",
    )


def toda_3() -> System:
    """Open Toda chain in Flaschka variables: a_i' = a_i (b_(i+1) - b_i), b_i' = 2 (a_i^2 - a_(i-1)^2)."""
    return define(
        "toda_3",
        "open Toda chain, Flaschka variables",
        "a1 a2 b1 b2 b3",
        "a1*(b2 - b1); a2*(b3 - b2); 2*a1^2; 2*a2^2 - 2*a1^2; -2*a2^2",
        dictionary="poly(2)",
        invariants_dictionary="poly(3)",
        invariants="b1 + b2 + b3; (b1 + b2 + b3)^2; (b1 + b2 + b3)^3; b1^2 + b2^2 + b3^2 + 2*a1^2 + 2*a2^2; "
        "(b1 + b2 + b3)*(b1^2 + b2^2 + b3^2 + 2*a1^2 + 2*a2^2); "
        "b1^3 + b2^3 + b3^3 + 3*a1^2*(b1 + b2) + 3*a2^2*(b2 + b3)",
        n_independent=3,
        affine=("aff(1)", ("0; 0; 1; 1; 1", "0; 0; b1+b2+b3; b1+b2+b3; b1+b2+b3")),
        scaling=("aff(1) + R", "a1; a2; b1; b2; b3; -1"),
        start=uniform((0.3, 0.3, -1.0, -1.0, -1.0), (1.0, 1.0, 1.0, 1.0, 1.0)),
        duration=2.5,
        note="tr L, tr L^2, tr L^3 of the Lax matrix L (diagonal b, off-diagonal a), and their products.",
    )


def calogero_moser_3() -> System:
    """Three particles on a line that repel: x_i'' = sum_j 2/(x_i - x_j)^3."""
    pairs = ("(x1-x2)", "(x1-x3)", "(x2-x3)")
    momentum = "(v1 + v2 + v3)"
    energy = "(v1^2/2 + v2^2/2 + v3^2/2 + 1/(x1-x2)^2 + 1/(x1-x3)^2 + 1/(x2-x3)^2)"
    cubic = "v1^3 + v2^3 + v3^3 + 3*(v1+v2)/(x1-x2)^2 + 3*(v1+v3)/(x1-x3)^2 + 3*(v2+v3)/(x2-x3)^2"
    place = "(x1+x2+x3)/3; " * 3
    drift = "(v1+v2+v3)/3; " * 3
    return define(
        "calogero_moser_3",
        "rational Calogero-Moser, three particles",
        "x1 x2 x3 v1 v2 v3",
        "v1; v2; v3; 2/(x1-x2)^3 + 2/(x1-x3)^3; -2/(x1-x2)^3 + 2/(x2-x3)^3; -2/(x1-x3)^3 - 2/(x2-x3)^3",
        dictionary="poly(1) + terms(" + ", ".join(f"1/{d}^3" for d in pairs) + ")",
        invariants_dictionary="poly(3) + poly(1; v1, v2, v3) * terms("
        + ", ".join(f"1/{d}^2" for d in pairs)
        + ")",
        invariants=f"{momentum}; {momentum}^2; {momentum}^3; {energy}; {momentum}*{energy}; {cubic}",
        n_independent=3,
        affine=("aff(1) + R", ("1; 1; 1; 0; 0; 0", place + drift, drift + "0; 0; 0")),
        scaling=("aff(1) + aff(1)", "x1; x2; x3; -v1; -v2; -v3; 2"),
        start=uniform((-2.0, -0.5, 1.0, -1.0, -1.0, -1.0), (-1.0, 0.5, 2.0, 1.0, 1.0, 1.0)),
        duration=4.0,
        note="tr L, tr L^2, tr L^3 of the Lax matrix and their products. The system is superintegrable, five "
        "independent in all; the two further ones lie outside this dictionary. The centre of mass moves "
        "freely, which gives the affine algebra more than the translation.",
    )


def two_body_planar() -> System:
    """Two unit masses that attract (G = 1) in the plane."""
    names = "x1 y1 x2 y2 vx1 vy1 vx2 vy2"
    x, y, vx, vy = (f"({s}1-{s}2)" for s in ("x", "y", "vx", "vy"))
    r = f"sqrt({x}^2 + {y}^2)"
    pull = [f"{c}/({x}^2 + {y}^2)^(3/2)" for c in (x, y)]
    px, py = "(vx1+vx2)", "(vy1+vy2)"
    moment = f"({x}*{vy} - {y}*{vx})"
    centre = f"((x1+x2)*{py} - (y1+y2)*{px})"
    powers = [f"{px}^{k}*{py}^{d - k}" for d in (1, 2, 3) for k in range(d + 1)]
    runge = [f"{moment}*{vy} - 2*{x}/{r}", f"-{moment}*{vx} - 2*{y}/{r}"]
    spins = [f"{spin}{factor}" for spin in (moment, centre) for factor in ("", f"*{px}", f"*{py}")]
    return define(
        "two_body_planar",
        "planar two-body problem, equal masses",
        names,
        "; ".join([*names.split()[4:], f"-{pull[0]}", f"-{pull[1]}", *pull]),
        dictionary=f"poly(1) + terms({', '.join(pull)})",
        invariants_dictionary=f"poly(3) + terms(1/{r}, {x}/{r}, {y}/{r})",
        invariants="; ".join([*powers, f"({vx}^2 + {vy}^2)/4 - 1/{r}", *spins, *runge]),
        n_independent=6,
        affine=(
            "unnamed(dim 9; derived 8, centre 0, Killing (3,1,5)) + R^2",
            ["-y1; x1; -y2; x2; -vy1; vx1; -vy2; vx2", *_centre_of_mass_fields(2, 2, names.split())],
        ),
        scaling=(
            "unnamed(dim 11; derived 9, centre 0, Killing (4,1,6)) + R",
            "; ".join(
                [f"2*{s}/3" for s in names.split()[:4]] + [f"-{s}/3" for s in names.split()[4:]] + ["1"]
            ),
        ),
        start=bound_pair,
        duration=8.0,
        note="Momentum, its powers, relative energy, the angular momenta of and about the centre of mass with "
        "their products with the momentum, and the relative Laplace-Runge-Lenz vector. Seven quantities are "
        "independent locally; the seventh ties the phase of the ellipse to the motion of the centre of mass, is "
        "transcendental, and is not in the dictionary.",
    )


def three_body_planar() -> System:
    """Three unit masses that attract (G = 1) in the plane."""
    axes = "xy"
    names = [c + b for b in "123" for c in axes] + ["v" + c + b for b in "123" for c in axes]
    pairs = (("1", "2"), ("1", "3"), ("2", "3"))
    square = {(a, b): f"((x{a}-x{b})^2 + (y{a}-y{b})^2)" for a, b in pairs}
    force = {(c, (a, b)): f"({c}{a}-{c}{b})/{square[a, b]}^(3/2)" for a, b in pairs for c in axes}
    pulls = [
        " ".join(("-" if pair[0] == body else "+") + force[c, pair] for pair in pairs if body in pair)
        for body in "123"
        for c in axes
    ]
    total = {s: "(" + "+".join(s + b for b in "123") + ")" for s in ("x", "y", "vx", "vy")}
    inverse = [f"1/sqrt({s})" for s in square.values()]
    momenta = f"{total['vx']}; {total['vy']}; {total['vx']}^2; {total['vx']}*{total['vy']}; {total['vy']}^2"
    moment = " + ".join(f"x{b}*vy{b} - y{b}*vx{b}" for b in "123")
    centre = f"{total['x']}*{total['vy']} - {total['y']}*{total['vx']}"
    energy = "+".join(f"vx{b}^2/2 + vy{b}^2/2" for b in "123") + "-" + "-".join(inverse)
    turn = [("-y" if c == "x" else "x") + b for b in "123" for c in axes]
    turn += [("-vy" if c == "x" else "vx") + b for b in "123" for c in axes]
    scale = [f"2*{s}/3" for s in names[:6]] + [f"-{s}/3" for s in names[6:]] + ["1"]
    return define(
        "three_body_planar",
        "planar three-body problem, equal masses",
        " ".join(names),
        "; ".join(names[6:] + pulls),
        dictionary=f"poly(1) + terms({', '.join(force.values())})",
        invariants_dictionary=f"poly(2) + terms({', '.join(inverse)})",
        invariants=f"{momenta}; {energy}; {moment}; {centre}",
        n_independent=5,
        affine=(
            "unnamed(dim 9; derived 8, centre 0, Killing (3,1,5)) + R^2",
            ["; ".join(turn), *_centre_of_mass_fields(3, 2, names)],
        ),
        scaling=("unnamed(dim 11; derived 9, centre 0, Killing (4,1,6)) + R", "; ".join(scale)),
        start=near_figure_eight,
        duration=4.0,
        note="The angular momentum splits into that of the centre of mass and that about it, both conserved; "
        "(centre of mass) - t (velocity) is conserved too but depends on t. The centre of mass moves freely, "
        "which gives ten affine generators beside the rotation; their Levi factor is sl(2,R).",
    )


def _centre_of_mass_fields(bodies: int, dimension: int, names: list[str]) -> list[tuple[sympy.Expr, ...]]:
    """Affine fields that commute with X' = V, V' = 0, for all bodies: shifts, (X, V) mixed, V into X."""
    symbols = sympy.symbols(names, real=True)
    half = bodies * dimension
    zero = [sympy.Integer(0)] * half
    mean = [sum(symbols[i::dimension][:bodies]) / sympy.Integer(bodies) for i in range(dimension)]
    drift = [sum(symbols[half + i :: dimension]) / sympy.Integer(bodies) for i in range(dimension)]

    def along(axis: int, value: sympy.Expr) -> list[sympy.Expr]:
        return [value if k % dimension == axis else sympy.Integer(0) for k in range(half)]

    fields = [tuple(along(i, sympy.Integer(1)) + zero) for i in range(dimension)]
    for i in range(dimension):
        fields += [tuple(along(i, mean[j]) + along(i, drift[j])) for j in range(dimension)]
        fields += [tuple(along(i, drift[j]) + zero) for j in range(dimension)]
    return fields


def magnetic_charge() -> System:
    """A charge in a uniform field along z: v' = v x e_z."""
    centre = ("(x + vy)", "(y - vx)")
    linear = ("vz", *centre, "1")
    parts = [f"{f}; 0; 0; 0; 0; 0" for f in linear] + [f"0; {f}; 0; 0; 0; 0" for f in linear]
    parts += [f"0; 0; {f}; 0; 0; 0" for f in linear] + ["0; 0; z; 0; 0; vz"]
    parts += ["-vy; vx; 0; vx; vy; 0", "vx; vy; 0; vy; -vx; 0"]
    products = [f"{a}*{b}" for a, b in combinations((*centre, "vz"), 2)]
    return define(
        "magnetic_charge",
        "charge in a uniform magnetic field",
        "x y z vx vy vz",
        "vx; vy; vz; vy; -vx; 0",
        dictionary="poly(1)",
        invariants_dictionary="poly(2)",
        invariants="; ".join(
            (*centre, "vz", f"{centre[0]}^2", f"{centre[1]}^2", "vz^2", *products, "vx^2 + vy^2")
        ),
        n_independent=4,
        affine=("unnamed(dim 13; derived 11, centre 1, Killing (4,1,8)) + R^2", parts),
        start=cube(6),
        duration=10.0,
        note="The guiding centre (x + vy, y - vx) is at rest and z moves freely. The Levi factor sl(2,R) "
        "acts on the guiding centre.",
    )
