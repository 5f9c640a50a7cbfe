"""The registry: every reference system by name, built once on first use."""

from __future__ import annotations

import re
from functools import cache

from .._checks import choose
from . import _flows, _oscillators, _particles, _reactions, _rotations
from ._system import System

_BUILDERS = {
    builder.__name__: builder
    for builder in (
        _oscillators.oscillator_1d,
        _oscillators.isotropic_oscillator_2d,
        _oscillators.isotropic_oscillator_3d,
        _oscillators.anisotropic_oscillator_2d,
        _oscillators.incommensurate_oscillator_2d,
        _oscillators.coupled_springs,
        _oscillators.damped_oscillator,
        _oscillators.duffing,
        _oscillators.quartic_spring_2d,
        _oscillators.quartic_spring_3d,
        _oscillators.rotated_cubic_oscillator,
        _oscillators.henon_heiles,
        _oscillators.henon_heiles_integrable,
        _particles.kepler_2d,
        _particles.kepler_2d_inverse,
        _particles.kepler_3d,
        _particles.two_body_planar,
        _particles.three_body_planar,
        _particles.toda_3,
        _particles.calogero_moser_3,
        _particles.magnetic_charge,
        _rotations.pendulum,
        _rotations.pendulum_cartesian,
        _rotations.spherical_pendulum,
        _rotations.double_pendulum,
        _rotations.rigid_body,
        _rotations.lagrange_top,
        _reactions.lotka_volterra_2d,
        _reactions.lotka_volterra_3d,
        _reactions.sir,
        _reactions.seir,
        _reactions.reaction_network,
        _flows.hopf,
        _flows.contraction,
        _flows.growth,
        _flows.radial_sphere,
        _flows.lorenz,
        _flows.rossler,
        _flows.van_der_pol,
        _flows.damped_duffing,
        _flows.selkov,
        _flows.brusselator,
        _rotations.damped_double_pendulum,
    )
}


def names() -> tuple[str, ...]:
    """Names of all reference systems, conservative ones first.

    Examples
    --------
    >>> from dynsym import systems
    >>> "kepler_2d" in systems.names()
    True
    """
    return tuple(_BUILDERS)


@cache
def get(name: str) -> System:
    """The reference system called `name`.

    Raises
    ------
    DataError
        If there is none; the message lists the names.

    Examples
    --------
    >>> from dynsym import systems
    >>> systems.get("lorenz").states
    ('x', 'y', 'z')
    """
    return _BUILDERS[choose("system", name, names())]()


def all_systems() -> tuple[System, ...]:
    """All reference systems, in the order of `names`.

    Examples
    --------
    >>> from dynsym import systems
    >>> len(systems.all_systems()) == len(systems.names())
    True
    """
    return tuple(get(name) for name in names())


def positives() -> tuple[System, ...]:
    """Systems with a symmetry or a conserved quantity in the stated classes.

    Examples
    --------
    >>> from dynsym import systems
    >>> systems.get("hopf") in systems.positives()
    True
    """
    return tuple(system for system in all_systems() if system.positive)


def controls() -> tuple[System, ...]:
    """Negative controls: systems with neither, where any finding is false.

    Examples
    --------
    >>> from dynsym import systems
    >>> [system.name for system in systems.controls()][:3]
    ['lorenz', 'rossler', 'van_der_pol']
    """
    return tuple(system for system in all_systems() if not system.positive)


def table() -> str:
    """The registry as text: one line per system, with the counts that are exactly true.

    Examples
    --------
    >>> from dynsym import systems
    >>> print(systems.table().splitlines()[0].split("  ")[0])
    system
    """
    rows = [("system", "n", "conserved", "independent", "affine symmetries", "with time scaling")]
    for system in all_systems():
        affine, full = system.symmetries_affine, system.symmetries_spacetime
        rows.append(
            (
                system.name,
                str(len(system.states)),
                str(len(system.invariants)),
                str(system.n_independent),
                f"{affine.dimension}: {_brief(affine.name)}",
                f"{full.dimension}: {_brief(full.name)}",
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def _brief(name: str) -> str:
    """The name without the invariants that stand for a missing one."""
    return re.sub(r"unnamed\(.*\)", "unnamed", name)
