"""Make data/planets.nc: heliocentric states of the eight planets from the JPL ephemeris DE421.

Run from the top of the repository, with the extra `studies` installed::

    python data/planets/make_planets.py

The sampling (one day, 24 years) is a compromise that data/planets/README.md reports with its numbers.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import de421
import numpy as np
import numpy.typing as npt
import xarray as xr
from jplephem import Ephemeris

KM_PER_AU = 149597870.7  # exact, IAU 2012 resolution B2
J2000 = 2451545.0  # Julian date (TDB) of the time origin
FIRST_DAY, LAST_DAY, STEP = -3652.5, 5113.5, 1.0  # 1990-01-01 to 2014-01-01, 0 h TDB
# Name in our file -> name in DE421. Where there are moons, the body is the barycentre of the planet's system.
BODIES = {
    "Mercury": "mercury",
    "Venus": "venus",
    "Earth": "earthmoon",
    "Mars": "mars",
    "Jupiter": "jupiter",
    "Saturn": "saturn",
    "Uranus": "uranus",
    "Neptune": "neptune",
}
STATES = {
    "x": ("AU", "heliocentric position towards the vernal equinox (ICRF x axis)"),
    "y": ("AU", "heliocentric position, ICRF y axis"),
    "z": ("AU", "heliocentric position towards the north celestial pole (ICRF z axis)"),
    "vx": ("AU/day", "heliocentric velocity, ICRF x axis"),
    "vy": ("AU/day", "heliocentric velocity, ICRF y axis"),
    "vz": ("AU/day", "heliocentric velocity, ICRF z axis"),
}
HERE = Path(__file__).resolve().parent


def heliocentric_states(days: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return planet minus Sun, shape (8, m, 6), in AU and AU/day, at `days` after J2000 (TDB)."""
    ephemeris = Ephemeris(de421)

    def barycentric(body: str) -> npt.NDArray[np.float64]:
        # Date and offset go in separately, so that the time keeps its last bits.
        position, velocity = ephemeris.position_and_velocity(body, J2000, days)
        return np.concatenate([position, velocity]).T

    sun = barycentric("sun")
    return np.stack([barycentric(body) - sun for body in BODIES.values()]) / KM_PER_AU


def planets_dataset() -> xr.Dataset:
    """Return the labelled states with CF-style attributes."""
    days = np.arange(FIRST_DAY, LAST_DAY + STEP / 2, STEP)
    states = heliocentric_states(days)
    variables = {
        name: (("planet", "time"), states[:, :, i], {"units": units, "long_name": long_name})
        for i, (name, (units, long_name)) in enumerate(STATES.items())
    }
    time = (
        "time",
        days,
        {
            "standard_name": "time",
            "long_name": "barycentric dynamical time (TDB)",
            "units": "days since 2000-01-01 12:00:00",
            "calendar": "standard",
            "axis": "T",
            "time_scale": "TDB",
        },
    )
    planet = (
        "planet",
        list(BODIES),
        {
            "long_name": "planet",
            "comment": "barycentres of planet and moons; Earth is the Earth-Moon barycentre",
        },
    )
    return xr.Dataset(variables, coords={"planet": planet, "time": time}, attrs=_global_attributes())


def _global_attributes() -> dict[str, str]:
    return {
        "Conventions": "CF-1.11",
        "title": "Heliocentric states of the eight planets, 1990 to 2014, daily",
        "institution": "Ephemeris: Jet Propulsion Laboratory, California Institute of Technology",
        "source": "JPL planetary and lunar ephemeris DE421 (Python package de421 2008.1, read with jplephem)",
        "history": "made by data/planets/make_planets.py of dynsym",
        "references": (
            "Folkner, Williams, Boggs (2009), The Planetary and Lunar Ephemeris DE 421, "
            "IPN Progress Report 42-178"
        ),
        "license": "ephemeris package de421: MIT; this file: MIT, as dynsym",
        "comment": (
            "Position and velocity of the planet minus those of the Sun, axes of the ICRF (equatorial), "
            "1 AU = 149597870.7 km exactly, 1 day = 86400 s of TDB"
        ),
    }


def write(path: Path) -> str:
    """Write the file and return its SHA-256."""
    data = planets_dataset()
    packed = {name: {"zlib": True, "shuffle": True, "complevel": 9, "_FillValue": None} for name in STATES}
    data.to_netcdf(path, engine="netcdf4", encoding=packed | {"time": {"_FillValue": None}})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Parse the command line, write the file, print its checksum."""
    parser = argparse.ArgumentParser(description="Write the planets' states from DE421.")
    parser.add_argument("--out", type=Path, default=HERE.parent / "planets.nc")
    path = parser.parse_args().out
    print(f"{write(path)}  {path.name}  ({path.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
