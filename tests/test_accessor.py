"""`ds.dynsym` says what the functions say of the same runs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import dynsym as dy
import dynsym.accessor

TIMES = np.linspace(0, 10, 400)
STARTS = (0.5, 1.0, 1.5)
TERMS = dy.Monomials(2, 3, names=("x", "v"))


@pytest.fixture(scope="module")
def ds():
    truth = dy.VectorField(dy.Terms(["v", "x", "x^3"], ("x", "v")), [[1, 0, 0], [0, -1, -0.5]])
    runs = np.stack([truth.simulate([a, 0.0], TIMES).x for a in STARTS])
    return xr.Dataset(
        {"x": (("start", "t"), runs[:, :, 0], {"units": "m"}), "v": (("start", "t"), runs[:, :, 1])},
        coords={"t": TIMES, "start": list(STARTS)},
    )


def test_runs_keep_names_units_and_labels(ds):
    runs = ds.dynsym.runs()
    assert [run.label for run in runs] == ["start=0.5", "start=1", "start=1.5"]
    assert runs[0].names == ("x", "v")
    assert runs[0].units[0] == "m"
    assert [len(run) for run in runs] == [400, 400, 400]


def test_the_verbs_are_those_of_the_package(ds):
    runs = ds.dynsym.runs()
    plain = dy.fit(runs, TERMS, penalty=dy.Stepwise())
    for dictionary in (TERMS, dy.Monomials(2, 3), "poly(3)"):
        model = ds.dynsym.fit(dictionary, dy.Stepwise())
        assert np.array_equal(model.field.coefficients, plain.field.coefficients)
    affine = dy.generators.affine(2)
    assert str(ds.dynsym.symmetries("poly(3)")) == str(dy.symmetries(plain, affine))
    assert str(ds.dynsym.symmetries(TERMS, affine, 0.01)) == str(dy.symmetries(plain, affine, 0.01))
    laws = dy.conserved_quantities(plain, dy.Monomials(2, 4, names=("x", "v")))
    assert str(ds.dynsym.conserved_quantities(TERMS, "poly(4)")) == str(laws)
    assert laws.findings
    assert str(ds.dynsym.quality()) == str(dy.quality(runs))


def test_penalties_constraints_and_rows_are_handed_on(ds):
    constraint = dy.optim.LinearConstraint(np.eye(20)[[0]], [0.25])
    model = ds.dynsym.fit(TERMS, None, constraint, dy.LocalPolynomial(2, 4))
    assert model.field.coefficients[0, 0] == pytest.approx(0.25)
    assert "polynomials of degree 4" in model.method.description
    assert np.count_nonzero(ds.dynsym.fit(TERMS, dy.optim.STLSQ(0.2)).field.coefficients) == 3


def test_analyze_takes_settings(ds):
    done = ds.dynsym.analyze(dy.AnalysisSettings(dictionary="poly(3)", candidates="rotations"))
    assert done.laws.independent == 1


def test_names_are_chosen_once_for_every_verb(ds):
    odd = ds.rename(t="clock", start="attempt").assign(extra=(("attempt", "clock"), np.ones((3, 400))))
    chosen = odd.dynsym.select(time="clock", run="attempt", states=["x", "v"])
    assert chosen.fit("poly(3)").field.names == ("x", "v")
    assert [run.label for run in chosen.runs()] == ["attempt=0.5", "attempt=1", "attempt=1.5"]
    assert chosen.runs(states=["v"])[0].names == ("v",)
    assert chosen.select(states=["x"]).runs()[0].names == ("x",)
    assert "time='clock', states=['x', 'v'], run='attempt'" in repr(chosen)
    assert repr(odd.dynsym).startswith("<dynsym accessor;")


def test_what_cannot_be_read_says_so(ds):
    with pytest.raises(dy.DataError, match="nowhere"):
        ds.dynsym.runs(time="nowhere")
    with pytest.raises(dy.DataError, match="w"):
        ds.dynsym.fit("poly(2; w)")
