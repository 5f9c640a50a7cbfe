"""Pendulums and tops."""

from __future__ import annotations

from ._define import define
from ._start import cube, spherical_angles, uniform
from ._system import System


def pendulum() -> System:
    """th'' = -sin(th)."""
    return define(
        "pendulum",
        "pendulum",
        "th w",
        "w; -sin(th)",
        dictionary="terms(w, sin(th))",
        invariants_dictionary="poly(2; w) + terms(cos(th))",
        invariants="w^2/2 - cos(th)",
        n_independent=1,
        start=cube(2, 2.0),
        duration=12.0,
    )


def pendulum_cartesian() -> System:
    """The pendulum in c = cos(th), s = sin(th) and its rate w, which makes it polynomial."""
    return define(
        "pendulum_cartesian",
        "pendulum, in cosine and sine of its angle",
        "c s w",
        "-s*w; c*w; -s",
        dictionary="poly(2)",
        invariants_dictionary="poly(2)",
        invariants="w^2/2 - c; c^2 + s^2",
        n_independent=2,
        scaling=("R", "2*c; 2*s; w; -1"),
        start=cube(3, 1.2),
        duration=12.0,
        note="c^2 + s^2 is not fixed to 1: it is the square of the strength of gravity, and varies between runs.",
    )


def spherical_pendulum() -> System:
    """A mass on the unit sphere under gravity, in angles: th from the downward vertical, ph around it."""
    return define(
        "spherical_pendulum",
        "spherical pendulum, in angles",
        "th ph wth wph",
        "wth; wph; sin(th)*cos(th)*wph^2 - sin(th); -2*cos(th)*wth*wph/sin(th)",
        dictionary="terms(wth, wph, sin(th), sin(th)*cos(th)*wph^2, cos(th)*wth*wph/sin(th))",
        invariants_dictionary="poly(1; wth, wph) + terms(cos(th), wth^2, sin(th)^2*wph^2, sin(th)^2*wph)",
        invariants="wth^2/2 + sin(th)^2*wph^2/2 - cos(th); sin(th)^2*wph",
        n_independent=2,
        affine=("R", ("0; 1; 0; 0",)),
        start=spherical_angles,
        duration=10.0,
        note="Angles are used because in Cartesian coordinates the length and its rate of change are fixed, "
        "and multiples of functions that vanish on the data would count as conserved. Runs avoid poles.",
    )


_DELTA = "(th1-th2)"
_BELOW = f"(1 + sin{_DELTA}^2)"
_DOUBLE_TERMS = (
    "w1",
    "w2",
    f"sin(th1)/{_BELOW}",
    f"sin(th1-2*th2)/{_BELOW}",
    f"sin{_DELTA}*cos(th1)/{_BELOW}",
    f"w1^2*sin{_DELTA}/{_BELOW}",
    f"w2^2*sin{_DELTA}/{_BELOW}",
    f"w1^2*sin{_DELTA}*cos{_DELTA}/{_BELOW}",
    f"w2^2*sin{_DELTA}*cos{_DELTA}/{_BELOW}",
)
_FIRST = f"(-3/2*sin(th1) - sin(th1-2*th2)/2 - w2^2*sin{_DELTA} - w1^2*sin{_DELTA}*cos{_DELTA})/{_BELOW}"
_SECOND = f"(2*sin{_DELTA}*cos(th1) + 2*w1^2*sin{_DELTA} + w2^2*sin{_DELTA}*cos{_DELTA})/{_BELOW}"
_DOUBLE_INVARIANTS = f"poly(1; w1, w2) + terms(w1^2, w2^2, w1*w2*cos{_DELTA}, cos(th1), cos(th2))"


def double_pendulum() -> System:
    """Two equal masses on two equal rods, g = 1, angles from the downward vertical."""
    return define(
        "double_pendulum",
        "double pendulum",
        "th1 th2 w1 w2",
        f"w1; w2; {_FIRST}; {_SECOND}",
        dictionary=f"terms({', '.join(_DOUBLE_TERMS)})",
        invariants_dictionary=_DOUBLE_INVARIANTS,
        invariants=f"w1^2 + w2^2/2 + w1*w2*cos{_DELTA} - 2*cos(th1) - cos(th2)",
        n_independent=1,
        start=cube(4, 1.5),
        duration=10.0,
        note="One conserved quantity; at low energy a second is nearly conserved.",
    )


def damped_double_pendulum() -> System:
    """The double pendulum with momenta damped at rate 1/10."""
    return define(
        "damped_double_pendulum",
        "damped double pendulum",
        "th1 th2 w1 w2",
        f"w1; w2; {_FIRST} - w1/10; {_SECOND} - w2/10",
        dictionary=f"terms({', '.join(_DOUBLE_TERMS)})",
        invariants_dictionary=_DOUBLE_INVARIANTS,
        start=cube(4, 1.5),
        duration=10.0,
        note="Mass-proportional damping: each canonical momentum p loses p/10 per unit of time.",
    )


def rigid_body() -> System:
    """Free rigid body with moments of inertia 1, 2, 3, in angular velocities."""
    return define(
        "rigid_body",
        "free asymmetric rigid body",
        "w1 w2 w3",
        "-w2*w3; w1*w3; -w1*w2/3",
        dictionary="poly(2)",
        invariants_dictionary="poly(2)",
        invariants="w1^2 + 2*w2^2 + 3*w3^2; w1^2 + 4*w2^2 + 9*w3^2",
        n_independent=2,
        scaling=("R", "w1; w2; w3; -1"),
        start=cube(3, 1.5),
        duration=15.0,
        note="Twice the energy and the square of the angular momentum.",
    )


def lagrange_top() -> System:
    """Heavy symmetric top: moments 1, 1, 1/2, body-frame angular velocity w and vertical g."""
    return define(
        "lagrange_top",
        "Lagrange top, Euler-Poisson equations",
        "w1 w2 w3 g1 g2 g3",
        "w2*w3/2 + g2; -w1*w3/2 - g1; 0; g2*w3 - g3*w2; g3*w1 - g1*w3; g1*w2 - g2*w1",
        dictionary="poly(2)",
        invariants_dictionary="poly(2)",
        invariants="w3; w3^2; g1^2 + g2^2 + g3^2; w1*g1 + w2*g2 + w3*g3/2; (w1^2 + w2^2 + w3^2/2)/2 + g3",
        n_independent=4,
        affine=("R", ("-w2; w1; 0; -g2; g1; 0",)),
        scaling=("R^2", "w1; w2; w3; 2*g1; 2*g2; 2*g3; -1"),
        start=uniform((-1.0, -1.0, 1.0, -1.0, -1.0, -1.0), (1.0, 1.0, 3.0, 1.0, 1.0, 1.0)),
        duration=10.0,
        note="|g| is not fixed to 1: it is conserved, is the strength of gravity, and varies between runs.",
    )
