"""The shipped data: what the files hold is what their READMEs say, and what the ephemeris says."""

import csv
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

DATA = Path(__file__).resolve().parents[1] / "data"
STATES = ("x", "y", "z", "vx", "vy", "vz")
GM_SUN = 2.9591220828559e-4  # AU^3/day^2: the square of the Gaussian gravitational constant
MERCURY, EARTH, JUPITER = 0, 2, 4


def load_maker():
    """Import data/planets/make_planets.py, which is a script and not part of the package."""
    spec = importlib.util.spec_from_file_location("make_planets", DATA / "planets" / "make_planets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def planets():
    with xr.open_dataset(DATA / "planets.nc", decode_times=False) as data:
        return data.load()


@pytest.fixture(scope="module")
def states(planets):
    """(planet, sample, state)"""
    return np.stack([planets[name].values for name in STATES], axis=-1)


def central_difference(v, step):
    """Sixth order, exact for polynomials of degree 6; loses three samples at each end."""
    m = v.shape[-2]
    weights = (3 / 4, -3 / 20, 1 / 60)
    rows = (
        w * (v[..., 3 + k : m - 3 + k, :] - v[..., 3 - k : m - 3 - k, :]) for k, w in enumerate(weights, 1)
    )
    return sum(rows) / step


def pull(x):
    """-r / |r|^3"""
    return -x / np.linalg.norm(x, axis=-1, keepdims=True) ** 3


def fitted_gm(states, planets=slice(None)):
    acceleration = central_difference(states[planets, :, 3:], 1.0)
    direction = pull(states[planets, 3:-3, :3])
    return (acceleration * direction).sum() / (direction**2).sum()


@pytest.mark.parametrize(("readme", "name"), [("planets", "planets.nc"), ("lynx_hare", "lynx_hare.csv")])
def test_readme_states_the_checksum_of_the_committed_file(readme, name):
    digest = hashlib.sha256((DATA / name).read_bytes()).hexdigest()
    assert f"{digest}  {name}" in (DATA / readme / "README.md").read_text()


def test_planets_file_is_small_and_complete(planets, states):
    assert (DATA / "planets.nc").stat().st_size < 3e6
    assert dict(planets.sizes) == {"planet": 8, "time": 8767}
    assert states.dtype == np.float64
    assert np.isfinite(states).all()
    np.testing.assert_array_equal(np.diff(planets["time"]), 1.0)


def test_planets_carry_cf_attributes(planets):
    assert planets.attrs["Conventions"].startswith("CF-")
    assert {"title", "source", "history", "references", "license"} <= planets.attrs.keys()
    time = planets["time"].attrs
    assert (time["standard_name"], time["axis"], time["time_scale"]) == ("time", "T", "TDB")
    assert time["units"] == "days since 2000-01-01 12:00:00"
    for name in STATES:
        assert planets[name].attrs["units"] == ("AU/day" if name.startswith("v") else "AU")
        assert planets[name].attrs["long_name"]


def test_time_decodes_to_dates():
    with xr.open_dataset(DATA / "planets.nc") as data:
        assert str(data["time"].values[0])[:10] == "1990-01-01"
        assert str(data["time"].values[-1])[:10] == "2014-01-01"


def test_states_agree_with_the_ephemeris(planets, states):
    few = [0, 1, 1234, 3652, 5000, 8766]
    again = load_maker().heliocentric_states(planets["time"].values[few])
    np.testing.assert_allclose(states[:, few], again, rtol=0, atol=1e-12)


def test_velocity_is_the_derivative_of_position(states):
    slope = central_difference(states[..., :3], 1.0)
    error = np.abs(slope - states[:, 3:-3, 3:]).max(axis=(1, 2))
    assert error[MERCURY] < 1e-8  # truncation at perihelion; 4e-2 AU/day is the speed
    assert error[EARTH:].max() < 1e-10


def test_one_constant_serves_all_planets(states):
    assert fitted_gm(states) == pytest.approx(GM_SUN, rel=1e-6)


def test_truncation_at_mercury_is_below_one_part_in_a_million(states):
    """The same fit on states of an exact Kepler orbit of Mercury's shape, where the answer is known."""
    a, e = 0.387098, 0.205630
    motion = np.sqrt(GM_SUN / a**3)
    mean = motion * np.arange(-400.0, 401.0)
    anomaly = mean.copy()
    for _ in range(30):
        anomaly -= (anomaly - e * np.sin(anomaly) - mean) / (1 - e * np.cos(anomaly))
    b = a * np.sqrt(1 - e**2)
    rate = motion / (1 - e * np.cos(anomaly))
    position = np.stack([a * (np.cos(anomaly) - e), b * np.sin(anomaly), 0 * anomaly], axis=-1)
    velocity = np.stack([-a * np.sin(anomaly) * rate, b * np.cos(anomaly) * rate, 0 * anomaly], axis=-1)
    orbit = np.concatenate([position, velocity], axis=-1)[None]
    assert fitted_gm(orbit) == pytest.approx(GM_SUN, rel=1e-6, abs=0)


def test_jupiter_shows_its_own_mass(states):
    """Two bodies: the relative acceleration is G (M + m); the ratio m/M is 1/1047.35."""
    excess = fitted_gm(states, slice(JUPITER, JUPITER + 1)) / GM_SUN - 1
    assert excess == pytest.approx(1 / 1047.3486, rel=0.04)


def test_another_power_of_distance_fails(states):
    """Negative control: with -r/|r|^2 in place of -r/|r|^3 the planets disagree by orders of magnitude."""
    acceleration = central_difference(states[:, :, 3:], 1.0)
    x = states[:, 3:-3, :3]
    wrong = pull(x) * np.linalg.norm(x, axis=-1, keepdims=True)
    each = (acceleration * wrong).sum(axis=(1, 2)) / (wrong**2).sum(axis=(1, 2))
    assert each.max() / each.min() > 50


def test_lynx_hare_has_21_years():
    with (DATA / "lynx_hare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["year"]) for row in rows] == list(range(1900, 1921))
    values = np.array([[float(row["hare"]), float(row["lynx"])] for row in rows])
    assert values.shape == (21, 2)
    assert values[3, 0] == 77.4  # the first peak of the hare
    assert values[4, 1] == 59.4  # the lynx follows one year later
