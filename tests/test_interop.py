"""PySINDy and dynsym say the same of the same model, in both directions."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from sklearn.base import clone

import dynsym as dy
import dynsym.testing
from dynsym import interop
from dynsym.inner_product import generic_region
from dynsym.lie_derivative import equivariance_matrix

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pysindy as ps

# PySINDy warns of its own deprecations and of ill-conditioned features.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pysindy"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TIMES = np.linspace(0, 8, 801)
LORENZ = dy.VectorField(
    dy.Monomials(3, 2, names=("x", "y", "z")),
    [
        [0, -10, 10, 0, 0, 0, 0, 0, 0, 0],
        [0, 28, -1, 0, 0, 0, -1, 0, 0, 0],
        [0, 0, 0, -8 / 3, 0, 1, 0, 0, 0, 0],
    ],
)
HOPF = dy.VectorField(
    dy.Terms(["x", "y", "x*(x^2 + y^2)", "y*(x^2 + y^2)"], ("x", "y")), [[1, -2, -1, 0], [2, 1, 0, -1]]
)
CUBIC = dy.Monomials(2, 3, names=("x", "y"))


def lorenz_model(library=None, **settings):
    x = LORENZ.simulate([-8.0, 8.0, 27.0], TIMES).x
    library = ps.PolynomialLibrary(degree=2) if library is None else library
    optimizer = settings.pop("optimizer", ps.STLSQ(threshold=0.3))
    return ps.SINDy(optimizer=optimizer, feature_library=library, **settings).fit(
        x, t=TIMES, x_dot=LORENZ.evaluate(x), feature_names=["x", "y", "z"]
    )


def hopf_data(noise=0.0, seed=0):
    """States and derivatives of a few runs of the Hopf normal form, which is equivariant under rotations."""
    rng = np.random.default_rng(seed)
    starts = ([0.2, 0.1], [1.4, -0.6], [-0.5, 0.9])
    x = np.concatenate([HOPF.simulate(s, TIMES[:300]).x for s in starts])
    return x, HOPF.evaluate(x) + noise * rng.standard_normal(x.shape)


def libraries():
    square = ps.CustomLibrary([lambda x: np.exp(-(x**2))], [lambda s: f"exp(-{s}^2)"])
    return {
        "polynomial": ps.PolynomialLibrary(3),
        "no constant": ps.PolynomialLibrary(2, include_bias=False),
        "no mixed terms": ps.PolynomialLibrary(3, include_interaction=False),
        "mixed terms only": ps.PolynomialLibrary(2, interaction_only=True),
        "no constant, no mixed": ps.PolynomialLibrary(2, include_interaction=False, include_bias=False),
        "fourier": ps.FourierLibrary(2),
        "custom": square,
        "sum": ps.PolynomialLibrary(1) + ps.FourierLibrary(1),
        "product": ps.PolynomialLibrary(1) * ps.FourierLibrary(1),
        "identity": ps.IdentityLibrary(),
        "generalized": ps.GeneralizedLibrary(
            [ps.PolynomialLibrary(2), ps.FourierLibrary(1)], inputs_per_library=[[0, 1], [2]]
        ),
        "generalized product": ps.GeneralizedLibrary(
            [ps.PolynomialLibrary(2), ps.FourierLibrary(1)],
            tensor_array=[[1, 1]],
            inputs_per_library=[[0, 1], [2]],
        ),
        "parameterized": ps.ParameterizedLibrary(
            feature_library=ps.PolynomialLibrary(2),
            parameter_library=ps.PolynomialLibrary(1),
            num_features=2,
            num_parameters=1,
        ),
        "sum in a product": (ps.IdentityLibrary() + ps.FourierLibrary(1)) * ps.PolynomialLibrary(1),
    }


# ---- models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", libraries())
def test_a_model_over_any_library_comes_over_with_its_predictions_and_slopes(kind):
    model = lorenz_model(libraries()[kind], optimizer=ps.STLSQ(threshold=0.0, alpha=1.0))
    field = dy.interop.from_pysindy(model)
    x = np.random.default_rng(1).uniform(0.5, 2, (20, 3))
    predicted = np.asarray(model.predict(x))
    assert np.abs(field.evaluate(x) - predicted).max() < 1e-10 * np.abs(predicted).max()
    assert field.names == ("x", "y", "z")
    step = 1e-6 * np.array([0.0, 1.0, 0.0])
    central = np.asarray(model.predict(x + step) - model.predict(x - step)) / 2e-6
    assert np.abs(field.jacobian(x)[:, :, 1] - central).max() < 1e-6 * np.abs(field.jacobian(x)).max()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, dy.Monomials),
        ({"include_bias": False}, dy.Monomials),
        ({"include_interaction": False}, dy.Terms),
        ({"interaction_only": True}, dy.Terms),
    ],
)
def test_polynomials_keep_formulas_in_the_order_of_the_columns(settings, kind):
    library = ps.PolynomialLibrary(degree=3, **settings)
    dictionary = interop.dictionary_of(library, ("x", "y", "z"))
    x = np.random.default_rng(0).standard_normal((9, 3))
    assert type(dictionary) is kind
    assert dictionary.has_formulas
    assert np.allclose(dictionary.evaluate(x), library.fit(x).transform(x), rtol=1e-13)


def test_symmetries_of_a_pysindy_model_are_found():
    x, slope = hopf_data()
    model = ps.SINDy(optimizer=ps.STLSQ(threshold=0.1), feature_library=ps.PolynomialLibrary(3))
    model.fit([x], t=[np.arange(len(x), dtype=float)], x_dot=[slope], feature_names=["x", "y"])
    field = interop.from_pysindy(model)
    assert len(dy.symmetries(field, dy.generators.affine(2)).generators) == 1


def test_states_without_names_are_counted_as_pysindy_counts_them():
    x = LORENZ.simulate([-8.0, 8.0, 27.0], TIMES).x
    assert interop.from_pysindy(ps.SINDy().fit(x, t=TIMES)).names == ("x0", "x1", "x2")


def test_the_name_that_pysindy_will_give_its_names_is_read():
    model = lorenz_model()
    model.feature_names_, model.feature_names = ["a", "b", "c"], None
    assert interop.from_pysindy(model).names == ("a", "b", "c")


def _unfitted():
    return ps.SINDy()


def _controlled():
    x = LORENZ.simulate([-8.0, 8.0, 27.0], TIMES).x
    return ps.SINDy().fit(x, t=TIMES, u=np.sin(TIMES)[:, None])


class _Shifted(ps.STLSQ):
    """An optimizer that predicts something else than C theta."""

    def predict(self, x):
        return super().predict(x) + 1.0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_unfitted, "not fitted"),
        (_controlled, "1 control input"),
        (lambda: lorenz_model(optimizer=_Shifted()), "differ from coefficients times features by up to 1"),
    ],
)
def test_what_is_no_vector_field_is_refused(model, message):
    with pytest.raises(dy.DataError, match=message):
        interop.from_pysindy(model())


def test_maps_and_other_objects_are_refused():
    x = np.random.default_rng(0).standard_normal((50, 2))
    with pytest.raises(TypeError, match="DiscreteSINDy"):
        interop.from_pysindy(ps.DiscreteSINDy().fit(x, t=1))
    with pytest.raises(TypeError, match="dict"):
        interop.from_pysindy({})


def test_derivatives_on_a_grid_are_no_functions_of_the_states():
    library = ps.PDELibrary(ps.PolynomialLibrary(1), derivative_order=2, spatial_grid=np.linspace(0, 1, 16))
    with pytest.raises(dy.DataError, match="PDELibrary"):
        interop.dictionary_of(library, ("u",))


@pytest.mark.parametrize("kind", ["sum", "product", "generalized"])
def test_derivatives_on_a_grid_are_refused_inside_other_libraries(kind):
    grid = ps.PDELibrary(ps.PolynomialLibrary(1), derivative_order=2, spatial_grid=np.linspace(0, 1, 16))
    whole = {
        "sum": lambda: ps.PolynomialLibrary(2) + grid,
        "product": lambda: ps.PolynomialLibrary(2) * grid,
        "generalized": lambda: ps.GeneralizedLibrary([ps.PolynomialLibrary(2), grid]),
    }[kind]()
    with pytest.raises(dy.DataError, match="PDELibrary are derivatives on a spatial grid"):
        interop.dictionary_of(whole, ("u",))


def test_fitted_models_on_a_grid_are_refused():
    space, time = np.linspace(0, 6, 32), np.linspace(0, 1, 40)
    u = np.sin(space[:, None] - time)[:, :, None]
    strong = ps.PDELibrary(ps.PolynomialLibrary(1), derivative_order=2, spatial_grid=space)
    points = np.stack(np.meshgrid(space, time, indexing="ij"), axis=-1)
    weak = ps.WeakPDELibrary(
        ps.PolynomialLibrary(1), derivative_order=1, spatiotemporal_grid=points, K=5, H_xt=[1.0, 0.2]
    )
    for library in (strong, weak):
        model = ps.SINDy(feature_library=library).fit(u, t=time, feature_names=["u"])
        with pytest.raises(dy.DataError, match=type(library).__name__):
            interop.from_pysindy(model)


def test_parameters_as_control_inputs_are_refused_and_as_states_are_states():
    library = libraries()["parameterized"]
    x = LORENZ.simulate([-8.0, 8.0, 27.0], TIMES).x
    model = ps.SINDy(feature_library=library).fit(x[:, :2], t=TIMES, u=x[:, 2:])
    with pytest.raises(dy.DataError, match="1 control input"):
        interop.from_pysindy(model)


FIELDS = {
    "monomials": LORENZ,
    "monomials without constant": dy.VectorField(
        dy.Monomials(2, 2, names=("x", "v"), constant=False), [[0, 1, 0, 0, 0], [-1, -0.1, 0.3, 0, 0]]
    ),
    "monomials in one state": dy.VectorField(
        dy.Monomials(2, 2, names=("x", "v"), within=("v",)), [[0, 1, 0], [0, -1, 0.5]]
    ),
    "pendulum": dy.VectorField(dy.Terms(["v", "sin(th)"], ("th", "v")), [[1, 0], [0, -1]]),
    "logarithm": dy.VectorField(dy.Terms(["log(x)", "x"], ("x",)), [[1, -1]]),
    "planet": dy.VectorField(
        dy.parse_dictionary("poly(1) + terms(x/(x^2+y^2)^(3/2), y/(x^2+y^2)^(3/2))", ("x", "y", "u", "w")),
        [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, -1, 0], [0, 0, 0, 0, 0, 0, -1]],
    ),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_a_field_goes_over_with_predictions_and_simulations_and_comes_back(kind):
    field = FIELDS[kind]
    model = interop.to_pysindy(field)
    x = np.random.default_rng(2).uniform(0.5, 1.5, (30, field.n_states))
    assert np.allclose(model.predict(x), field.evaluate(x), rtol=1e-13, atol=1e-13)
    t = np.linspace(0, 0.3, 7)
    assert np.allclose(model.simulate(x[0], t), field.simulate(x[0], t).x, rtol=1e-7)
    assert np.array_equal(model.coefficients(), field.coefficients)
    assert len(model.equations()) == field.n_states
    back = interop.from_pysindy(model)
    assert back.dictionary.terms == field.dictionary.terms
    assert np.array_equal(back.coefficients, field.coefficients)


def test_print_shows_the_equations():
    shown = io.StringIO()
    with redirect_stdout(shown):
        interop.to_pysindy(FIELDS["pendulum"]).print()
    assert shown.getvalue() == "(th)' =  1.000 v\n(v)' = -1.000 sin(th)\n"


def test_monomials_become_pysindys_own_library_and_a_pysindy_library_stays_itself():
    assert isinstance(interop.to_pysindy(LORENZ).feature_library, ps.PolynomialLibrary)
    model = lorenz_model(ps.FourierLibrary(2), optimizer=ps.STLSQ(threshold=0.0, alpha=1.0))
    again = interop.to_pysindy(interop.from_pysindy(model))
    assert isinstance(again.feature_library, ps.FourierLibrary)
    assert again.equations() == model.equations()


def test_a_handed_over_model_can_be_cloned_pickled_and_shown():
    model = interop.to_pysindy(FIELDS["monomials in one state"])
    x = np.ones((3, 2))
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(x), model.predict(x))
    assert "DictionaryLibrary" in repr(clone(model))


def test_the_library_follows_the_names_it_is_given():
    library = interop.DictionaryLibrary(dy.Terms(["v", "sin(th)"], ("th", "v")))
    assert library.get_feature_names() == ["v", "sin(th)"]
    assert library.get_feature_names(["a", "b"]) == ["b", "sin(a)"]
    with pytest.raises(dy.DataError, match="over 2 states, the data have 3"):
        library.fit(np.ones((4, 3)))


# ---- differentiation ------------------------------------------------------------------------------------------

METHODS = {
    "finite": ps.FiniteDifference(order=4),
    "no end points": ps.FiniteDifference(order=2, drop_endpoints=True),
    "smoothed": ps.SmoothedFiniteDifference(),
    "savitzky-golay": ps.SINDyDerivative(kind="savitzky_golay", left=0.1, right=0.1, order=3),
    "spline": ps.SINDyDerivative(kind="spline", s=1e-4),
}


@pytest.mark.parametrize("kind", METHODS)
def test_least_squares_on_the_rows_is_what_pysindy_finds_with_the_method(kind):
    t = TIMES[:200]
    x = HOPF.simulate([0.3, 0.1], t).x
    terms = dy.Monomials(2, 3, names=("x", "y"))
    free = ps.STLSQ(threshold=0.0, alpha=0.0, unbias=False)
    theirs = ps.SINDy(free, ps.PolynomialLibrary(3), clone(METHODS[kind])).fit([x], t=[t])
    run = dy.Trajectory(t=t, x=x, names=("x", "y"))
    ours = dy.fit(run, terms, rows=interop.PySINDyDerivative(METHODS[kind]))
    assert np.allclose(ours.field.coefficients, theirs.coefficients(), rtol=1e-6, atol=1e-6)


def _uneven(seed=0):
    return np.cumsum(0.02 + 0.01 * np.random.default_rng(seed).random(200))


EVEN_ONLY = {
    "smoothed": ps.SmoothedFiniteDifference(),
    "said to be uniform": ps.FiniteDifference(is_uniform=True),
    "trend filter": ps.SINDyDerivative(kind="trend_filtered", order=0, alpha=1e-2),
    "spectral": ps.SpectralDerivative(),
}


@pytest.mark.parametrize("kind", EVEN_ONLY)
def test_a_method_that_ignores_the_spacing_is_refused_at_uneven_steps(kind):
    t = _uneven()
    run = dy.Trajectory(t=t, x=HOPF.simulate([0.3, 0.1], t).x, names=("x", "y"))
    with pytest.raises(dy.DataError, match=r"uneven steps: at these times \(steps 0\.02.* x = t"):
        dy.fit(run, CUBIC, rows=interop.PySINDyDerivative(EVEN_ONLY[kind]))


@pytest.mark.parametrize("kind", ["finite", "no end points", "savitzky-golay", "spline"])
def test_a_method_that_knows_the_spacing_is_taken_at_uneven_steps(kind):
    t = _uneven()
    run = dy.Trajectory(t=t, x=HOPF.simulate([0.3, 0.1], t).x, names=("x", "y"))
    model = dy.fit(run, CUBIC, rows=interop.PySINDyDerivative(METHODS[kind]))
    slopes = HOPF.evaluate(run.x)
    assert np.abs(model.field.evaluate(run.x) - slopes).max() < 0.05 * np.abs(slopes).max()


def test_a_single_wide_step_is_seen_and_rounding_of_times_is_not():
    t = TIMES[:200].copy()
    t[150:] += 0.004  # less than half a step: no gap, and still uneven
    run = dy.Trajectory(t=t, x=HOPF.simulate([0.3, 0.1], t).x, names=("x", "y"))
    rows = interop.PySINDyDerivative(ps.SmoothedFiniteDifference())
    with pytest.raises(dy.DataError, match="uneven steps"):
        dy.fit(run, CUBIC, rows=rows)
    rounded = dy.Trajectory(t=TIMES[:200].astype(np.float32), x=run.x, names=("x", "y"))
    assert dy.fit(rounded, CUBIC, rows=rows).field.n_states == 2


def test_the_method_itself_is_not_changed():
    method = ps.FiniteDifference(axis=-2)
    t = TIMES[:50]
    run = dy.Trajectory(t=t, x=HOPF.simulate([0.3, 0.1], t).x, names=("x", "y"))
    dy.fit(run, dy.Monomials(2, 1), rows=interop.PySINDyDerivative(method))
    assert method.axis == -2
    assert not hasattr(method, "smoothed_x_")


def test_too_short_runs_and_classes_are_refused():
    run = dy.Trajectory(t=TIMES[:8], x=HOPF.simulate([0.3, 0.1], TIMES[:8]).x)
    with pytest.raises(dy.DataError, match="11 samples that 'slopes by PySINDy's Smoothed"):
        dy.fit(run, dy.Monomials(2, 1), rows=interop.PySINDyDerivative(ps.SmoothedFiniteDifference()))
    with pytest.raises(TypeError, match="FiniteDifference"):
        interop.PySINDyDerivative(ps.FiniteDifference)


# ---- solvers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [
        ps.STLSQ(threshold=0.2, alpha=0.01),
        ps.SR3(reg_weight_lam=0.05, regularizer="l1", tol=1e-10, max_iter=5000),
        ps.SSR(alpha=1e-6),
        ps.FROLS(alpha=1e-6),
        ps.STLSQ(threshold=0.2, alpha=0.01, normalize_columns=True),
        ps.ConstrainedSR3(
            reg_weight_lam=0.001,
            tol=1e-12,
            max_iter=20_000,
            constraint_lhs=np.eye(20)[:2],
            constraint_rhs=np.zeros(2),
            constraint_order="feature",
            equality_constraints=True,
        ),
    ],
    ids=lambda o: type(o).__name__,
)
def test_an_optimizer_finds_on_the_factor_what_it_finds_on_all_samples(optimizer):
    x, slope = hopf_data(noise=0.05)
    theirs = ps.SINDy(clone(optimizer), ps.PolynomialLibrary(3)).fit(
        [x], t=[np.arange(len(x), dtype=float)], x_dot=[slope]
    )
    run = dy.Trajectory(t=np.arange(len(x), dtype=float), x=x, names=("x", "y"), dxdt=slope)
    ours = dy.fit(run, CUBIC, solver=interop.PySINDySolver(optimizer), rows=dy.Derivatives())
    # SSR and FROLS pick among nested models by an error that counts samples; the others agree to rounding.
    assert np.allclose(ours.field.coefficients, theirs.coefficients(), atol=1e-6)
    assert ours.solution.solver == f"PySINDy {type(optimizer).__name__}"
    assert not hasattr(optimizer, "coef_")


def _one_fit(**settings):
    x, slope = hopf_data()
    run = dy.Trajectory(t=np.arange(len(x), dtype=float), x=x, names=("x", "y"), dxdt=slope)
    return dy.fit(run, CUBIC, **settings)


def test_an_optimizer_takes_no_second_penalty_or_constraint_and_draws_no_samples():
    solver = interop.PySINDySolver(ps.SR3())
    with pytest.raises(dy.DataError, match="SR3 brings its own penalty"):
        _one_fit(solver=solver, penalty=dy.optim.L1(1.0))
    with pytest.raises(dy.DataError, match="constraints="):
        _one_fit(solver=solver, constraints=dy.equivariant_to(dy.generators.rotations(2), CUBIC))
    with pytest.raises(dy.DataError, match="EnsembleOptimizer draws samples"):
        _one_fit(solver=interop.PySINDySolver(ps.EnsembleOptimizer(ps.STLSQ(), bagging=True)))


def test_a_warning_of_no_convergence_becomes_an_error_with_the_last_iterate():
    hasty = ps.SR3(reg_weight_lam=0.05, regularizer="l1", tol=1e-14, max_iter=10)
    with pytest.raises(dy.ConvergenceError, match="SR3") as caught:
        _one_fit(solver=interop.PySINDySolver(hasty))
    assert caught.value.last.coefficients.shape == (2, 10)


# ---- optimizers -----------------------------------------------------------------------------------------------

TURN = dy.generators.rotations(2)


def fitted(optimizer, noise=0.3, degree=3, **settings):
    x, slope = hopf_data(noise)
    model = ps.SINDy(optimizer=optimizer, feature_library=ps.PolynomialLibrary(degree, **settings))
    return model.fit([x], t=[np.arange(len(x), dtype=float)], x_dot=[slope], feature_names=["x", "y"])


def broken(coefficients):
    """Relative size of L_xi f for the rotation."""
    operator = equivariance_matrix(TURN, CUBIC, generic_region(CUBIC))
    c = coefficients.ravel()
    return np.linalg.norm(operator @ c) / (np.linalg.norm(operator, 2) * np.linalg.norm(c))


@pytest.mark.parametrize("threshold", [0.0, 0.2])
def test_the_constraint_holds_on_the_coefficients_that_pysindy_uses(threshold):
    model = fitted(interop.EquivariantOptimizer(TURN, CUBIC, threshold=threshold))
    assert broken(model.coefficients()) < 1e-10
    assert model.optimizer.solution_.constraint_residual <= 1e-10
    dy.testing.assert_equivariant(interop.from_pysindy(model), TURN)
    assert (
        broken(fitted(ps.STLSQ(threshold=threshold)).coefficients()) > 1e-4
    )  # without it the noise breaks it


def test_enforcing_is_the_constrained_fit_of_dynsym():
    x, slope = hopf_data(noise=0.3)
    run = dy.Trajectory(t=np.arange(len(x), dtype=float), x=x, names=("x", "y"), dxdt=slope)
    ours = dy.fit(run, CUBIC, constraints=dy.equivariant_to(TURN, CUBIC))
    theirs = fitted(interop.EquivariantOptimizer(TURN, CUBIC)).coefficients()
    assert np.allclose(ours.field.coefficients, theirs, atol=1e-9)


def test_a_heavy_weight_promotes_and_none_is_least_squares():
    free = fitted(ps.STLSQ(threshold=0.0, alpha=0.0)).coefficients()
    weights = (0.0, 1.0, 300.0)
    found = [fitted(interop.SymmetryOptimizer(TURN, CUBIC, w)).coefficients() for w in weights]
    assert np.allclose(found[0], free, atol=1e-6)
    assert broken(found[0]) > broken(found[1]) > broken(found[2])
    assert broken(found[2]) < 1e-8


def test_promoting_is_the_penalised_fit_of_dynsym_with_and_without_sparsity():
    x, slope = hopf_data(noise=0.3)
    run = dy.Trajectory(t=np.arange(len(x), dtype=float), x=x, names=("x", "y"), dxdt=slope)
    for sparsity in (0.0, 5.0):
        penalty = dy.SymmetryBreaking(TURN, CUBIC, 20.0)
        penalty = penalty + dy.optim.L1(sparsity) if sparsity else penalty
        ours = dy.fit(run, CUBIC, penalty=penalty)
        theirs = fitted(interop.SymmetryOptimizer(TURN, CUBIC, 20.0, sparsity)).coefficients()
        assert np.allclose(ours.field.coefficients, theirs, atol=1e-5)


OPTIMIZERS = {
    "symmetry": lambda: interop.SymmetryOptimizer(TURN, CUBIC, 20.0),
    "equivariant": lambda: interop.EquivariantOptimizer(TURN, CUBIC),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_scikit_learn_conventions(kind):
    optimizer = OPTIMIZERS[kind]()
    name = "weight" if kind == "symmetry" else "threshold"
    assert optimizer.get_params()["dictionary"] is CUBIC  # stored untouched
    assert optimizer.set_params(**{name: 0.125}) is optimizer
    twin = clone(optimizer)
    assert getattr(twin, name) == 0.125
    assert not hasattr(twin, "coef_")
    model = fitted(twin)
    assert model.set_params(**{f"optimizer__{name}": 0.25}).optimizer.get_params()[name] == 0.25
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.coefficients(), model.coefficients())
    assert type(optimizer).__name__ in repr(model)
    assert not twin.unbias
    assert not twin.normalize_columns
    assert model.complexity == np.count_nonzero(model.coefficients())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_weights_may_be_absent_by_name_as_pysindys_main_branch_calls_it(kind):
    x, slope = hopf_data(noise=0.1)
    fitted_by_hand = OPTIMIZERS[kind]().fit(CUBIC.evaluate(x), slope, sample_weight=None)
    assert fitted_by_hand.coef_.shape == (2, 10)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_weight_counts_a_sample_as_often(kind):
    x, slope = hopf_data(noise=0.3)
    theta = CUBIC.evaluate(x)
    times = np.random.default_rng(1).integers(0, 4, len(x))
    repeated = OPTIMIZERS[kind]().fit(np.repeat(theta, times, axis=0), np.repeat(slope, times, axis=0)).coef_
    weighted = OPTIMIZERS[kind]().fit(theta, slope, sample_weight=times).coef_
    assert np.allclose(weighted, repeated, rtol=1e-6, atol=1e-9)
    # Negative control: the weights matter.
    assert not np.allclose(weighted, OPTIMIZERS[kind]().fit(theta, slope).coef_, rtol=1e-4)
    one = OPTIMIZERS[kind]().fit(theta, slope, sample_weight=np.ones(len(x))).coef_
    assert np.array_equal(one, OPTIMIZERS[kind]().fit(theta, slope, sample_weight=1.0).coef_)


def test_weights_keep_to_their_samples_where_slopes_are_missing():
    # PySINDy's finite differences without end points leave rows of NaN, which its optimizers drop.
    x, slope = hopf_data(noise=0.3)
    theta, w = CUBIC.evaluate(x), np.linspace(0.0, 2.0, len(x))
    holes = slope.copy()
    holes[::7] = np.nan
    known = np.isfinite(holes).all(axis=1)
    found = interop.EquivariantOptimizer(TURN, CUBIC).fit(theta, holes, sample_weight=w).coef_
    expected = interop.EquivariantOptimizer(TURN, CUBIC).fit(theta[known], slope[known], w[known]).coef_
    assert np.allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda m: np.ones(m - 1), r"shape \(\d+,\) but there are 900 samples"),
        (lambda m: np.ones((m, 1)), "give one number per sample"),
        (lambda m: np.append(np.ones(m - 1), -1.0), r"sample_weight\[899\] is -1"),
        (lambda m: np.append(np.nan, np.ones(m - 1)), r"sample_weight\[0\] is nan"),
        (np.zeros, "nothing is left"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    x, slope = hopf_data()
    with pytest.raises(dy.DataError, match=message):
        interop.EquivariantOptimizer(TURN, CUBIC).fit(CUBIC.evaluate(x), slope, weights(len(x)))


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("name", ["normalize_columns", "unbias"])
def test_steps_that_would_break_the_symmetry_cannot_be_switched_on(kind, name):
    optimizer = OPTIMIZERS[kind]()
    assert name not in optimizer.get_params()
    with pytest.raises(TypeError, match=name):
        type(optimizer)(**optimizer.get_params(), **{name: True})
    with pytest.raises(ValueError, match=name):
        optimizer.set_params(**{name: True})
    setattr(optimizer, name, True)
    with pytest.raises(dy.DataError, match=f"{name} was set to True: .* breaks the symmetry"):
        fitted(optimizer)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_lists_of_runs_with_times_of_their_own_are_one_data_set(kind):
    t = [TIMES[:200], TIMES[:331:2] + 5.0]
    x = [HOPF.simulate(s, one).x for s, one in zip(([0.2, 0.1], [1.4, -0.6]), t, strict=True)]
    library = ps.PolynomialLibrary(3)
    model = ps.SINDy(optimizer=OPTIMIZERS[kind](), feature_library=library).fit(x, t=t)
    slopes = [ps.FiniteDifference(axis=0)(one, times) for one, times in zip(x, t, strict=True)]
    by_hand = OPTIMIZERS[kind]().fit(CUBIC.evaluate(np.concatenate(x)), np.concatenate(slopes))
    assert np.allclose(model.coefficients(), by_hand.coef_, rtol=1e-6, atol=1e-9)


def test_a_grid_search_clones_and_scores():
    from sklearn.model_selection import GridSearchCV, KFold

    x, slope = hopf_data(noise=0.3)
    search = GridSearchCV(
        interop.EquivariantOptimizer(TURN, CUBIC), {"threshold": [0.0, 0.2]}, cv=KFold(3, shuffle=True)
    )
    search.fit(CUBIC.evaluate(x), slope)
    assert search.best_estimator_.threshold in (0.0, 0.2)
    assert broken(search.best_estimator_.coef_) < 1e-10
    assert repr(interop.EquivariantOptimizer(TURN, CUBIC, 0.2)).startswith("EquivariantOptimizer(")


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_control_inputs_and_dropped_terms_are_refused(kind):
    x, slope = hopf_data()
    model = ps.SINDy(optimizer=OPTIMIZERS[kind](), feature_library=ps.PolynomialLibrary(3))
    times = [np.arange(len(x), dtype=float)]
    with pytest.raises(dy.DataError, match="the feature library gives 20 columns"):
        model.fit([x], t=times, x_dot=[slope], u=[np.sin(times[0])[:, None]])
    three = dy.Monomials(3, 3, names=("x", "y", "u"))
    forced = interop.EquivariantOptimizer(dy.generators.rotations(3), three)
    with pytest.raises(dy.DataError, match="control inputs have none, so leave u out"):
        ps.SINDy(forced, ps.PolynomialLibrary(3)).fit(
            [x], t=times, x_dot=[slope], u=[np.sin(times[0])[:, None]]
        )
    half = ps.EnsembleOptimizer(OPTIMIZERS[kind](), library_ensemble=True, n_candidates_to_drop=1, n_models=2)
    with pytest.raises(dy.DataError, match="leave library_ensemble off"):
        fitted(half)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_refuses_another_library(kind):
    with pytest.raises(dy.DataError, match="has 10 terms but the feature library gives 6 columns"):
        fitted(OPTIMIZERS[kind](), degree=2)
    x, slope = hopf_data()
    swapped = CUBIC.evaluate(x)[:, [0, 1, 2, 4, 3, 5, 6, 7, 8, 9]]
    with pytest.raises(dy.DataError, match=r"column 3 of the feature library is not the term x\*\*2"):
        OPTIMIZERS[kind]().fit(swapped, slope)
    with pytest.raises(dy.DataError, match="over 2 states but there are 1 equations"):
        OPTIMIZERS[kind]().fit(CUBIC.evaluate(x), slope[:, :1])


def test_fixed_coefficients_refuse_other_shapes():
    with pytest.raises(dy.DataError, match=r"shape \(targets, features\) = \(2, 10\), got \(2, 6\)"):
        fitted(interop.FixedCoefficients(np.ones((2, 6))))


def test_an_ensemble_of_equivariant_fits_keeps_the_constraint_in_its_mean():
    inner = interop.EquivariantOptimizer(TURN, CUBIC)
    mean = ps.EnsembleOptimizer(
        inner, bagging=True, n_models=4, ensemble_aggregator=lambda c: np.mean(c, axis=0)
    )
    assert broken(fitted(mean).coefficients()) < 1e-10
    assert not hasattr(inner, "coef_") or broken(inner.coef_) < 1e-10


# ---- imports --------------------------------------------------------------------------------------------------


def test_importing_dynsym_loads_none_of_the_heavy_packages():
    code = (
        "import sys, dynsym, dynsym.interop, dynsym.testing; dir(dynsym.interop); "
        "print([m for m in ('pysindy', 'cvxpy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_late_names_are_listed_and_wrong_ones_refused():
    assert set(dir(interop)) >= set(interop.__all__)
    assert all(hasattr(interop, name) for name in interop.__all__)
    with pytest.raises(AttributeError, match="SymetryOptimizer"):
        _ = interop.SymetryOptimizer
