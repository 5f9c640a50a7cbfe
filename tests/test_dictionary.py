"""Dictionaries: exact values and Jacobians, one safe grammar, and the order of terms that PySINDy has."""

from __future__ import annotations

import numpy as np
import pysindy as ps
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsym import DataError, Fourier, Monomials, Radial, Terms, parse_dictionary
from dynsym.dictionary import PySINDyDictionary, parse_expression
from dynsym.dictionary._base import symbols_for

NAMES = ("x", "v", "th")
POINTS = 0.4 + np.random.default_rng(5).random((9, 3))


def some_dictionaries():
    """One of each kind, all over the same three states."""
    poly = Monomials(3, 3, names=NAMES)
    return {
        "constant": Monomials(3, 0, names=NAMES),
        "cubic": poly,
        "without constant": Monomials(3, 4, names=NAMES, constant=False),
        "within": Monomials(3, 3, names=NAMES, within=("v", "th")),
        "fourier": Fourier(NAMES, 3),
        "one angle": Fourier(NAMES, 2, within=("th",)),
        "radial": Radial(NAMES, ("x", "v"), (-3, -1, 1, 2)),
        "terms": Terms(["x*v", "sin(th)", "x/(x^2+v^2)^(3/2)", "log(x)", "sqrt(v)*exp(-x)", "2"], NAMES),
        "sum": poly + Fourier(NAMES, 1) + Monomials(3, 1, names=NAMES),
        "product": Monomials(3, 1, names=NAMES) * Radial(NAMES, ("x", "v", "th"), (-3, 2)),
        "nested": (Monomials(3, 1, names=NAMES) + Fourier(NAMES, 1)) * Fourier(NAMES, 1, within=("th",)),
    }


KINDS = some_dictionaries()


def symbolic_values(d, x):
    """The slow twin: each formula, one at a time, by SymPy at 30 digits."""
    symbols = symbols_for(d.names)
    return np.array(
        [[float(e.subs(dict(zip(symbols, row))).evalf(30)) for e in d.symbolic()] for row in x.tolist()]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_the_formulas(kind):
    d = KINDS[kind]
    assert d.evaluate(POINTS).shape == (9, d.n_terms)
    np.testing.assert_allclose(d.evaluate(POINTS[:2]), symbolic_values(d, POINTS[:2]), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_jacobian_is_the_derivative_of_the_formulas(kind):
    d = KINDS[kind]
    symbols = symbols_for(d.names)
    rows = [[sp.diff(e, s) for s in symbols] for e in d.symbolic()]
    exact = [
        [[float(g.subs(dict(zip(symbols, x)))) for g in row] for row in rows] for x in POINTS[:2].tolist()
    ]
    np.testing.assert_allclose(d.jacobian(POINTS[:2]), exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_jacobian_is_the_complex_step(kind):
    # Im theta(x + i h e_k) / h has no cancellation; compiled from the formulas, not from the class tested.
    d = KINDS[kind]
    theta = sp.lambdify(symbols_for(NAMES), list(d.symbolic()), modules="numpy")
    for k in range(3):
        z = POINTS.astype(complex)
        z[:, k] += 1e-200j
        slope = np.stack([np.broadcast_to(np.imag(c), 9) / 1e-200 for c in theta(*z.T)], axis=1)
        np.testing.assert_allclose(d.jacobian(POINTS)[:, :, k], slope, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_terms_can_be_read_again(kind):
    d = KINDS[kind]
    again = Terms(d.terms, d.names)
    assert again.symbolic() == d.symbolic()
    assert all(parse_expression(t, d.names) == e for t, e in zip(d.terms, d.symbolic()))


@pytest.mark.parametrize("kind", KINDS)
def test_renaming_changes_names_and_nothing_else(kind):
    d = KINDS[kind]
    new = d.renamed(("th", "x", "v"))  # a permutation: a textual replacement one by one would go wrong
    assert new.names == ("th", "x", "v")
    np.testing.assert_array_equal(new.evaluate(POINTS), d.evaluate(POINTS))
    np.testing.assert_array_equal(new.jacobian(POINTS), d.jacobian(POINTS))
    swap = dict(zip(symbols_for(d.names), symbols_for(new.names)))
    assert new.symbolic() == tuple(e.xreplace(swap) for e in d.symbolic())
    with pytest.raises(DataError, match="3 states but 2 names"):
        d.renamed(("a", "b"))


@pytest.mark.parametrize("kind", KINDS)
def test_no_function_occurs_twice(kind):
    d = KINDS[kind]
    assert len(set(d.symbolic())) == d.n_terms == len(d) == len(d.terms)


@pytest.mark.parametrize(("n", "degree"), [(1, 0), (1, 6), (2, 4), (3, 3), (5, 2)])
def test_monomials_are_in_the_order_of_pysindy(n, degree):
    x = np.random.default_rng(n).random((4, n))
    library = ps.PolynomialLibrary(degree=degree).fit(x)
    ours = Monomials(n, degree)
    np.testing.assert_allclose(ours.evaluate(x), np.asarray(library.transform(x)), rtol=1e-13)
    assert ours.n_terms == sp.binomial(n + degree, degree)


def test_one_state_becomes_one_row_and_other_shapes_are_refused():
    d = Monomials(2, 2)
    assert d.evaluate([1.0, 2.0]).shape == (1, 6)
    assert d.jacobian([1.0, 2.0]).shape == (1, 6, 2)
    with pytest.raises(DataError, match=r"shape \(m, 2\), got \(4, 3\)"):
        d.evaluate(np.ones((4, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Monomials(2, -1), "must be >= 0, got -1"),
        (lambda: Monomials(0, 1), "at least one state, got n_states = 0"),
        (lambda: Monomials(2, 1, names=("x",)), "n_states = 2 but 1 names"),
        (lambda: Monomials(2, 1, names=("x", "x")), "distinct"),
        (lambda: Monomials(2, 1, within=("y",)), "unknown state 'y'"),
        (lambda: Monomials(60, 6), "more than 50000"),
        (lambda: Fourier(("x",), 0), "order = 0"),
        (lambda: Fourier(("x",), 1, within=("y",)), "unknown states y"),
        (lambda: Radial(("x",), ("x",), ()), "got none"),
        (lambda: Radial(("x",), ("x",), (0,)), r"write poly\(0\)"),
        (lambda: Radial(("x",), ("y",), (-1,)), "unknown states y"),
        (lambda: Terms([], ("x",)), "got none"),
        (lambda: Terms([sp.Symbol("q")], ("x",)), "contains q"),
        (lambda: Monomials(2, 1) + Monomials(3, 1), "same states"),
        (lambda: Monomials(2, 1) * Monomials(3, 1), "same states"),
    ],
)
def test_what_cannot_be_a_dictionary_is_refused_with_its_number(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_singular_samples_are_named():
    x = np.array([[1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(DataError, match="sample 1"):
        Radial(("x", "y"), ("x", "y"), (-1,)).evaluate(x)
    with pytest.raises(DataError, match="sample 1"):
        Terms(["1/x"], ("x", "y")).evaluate(x)
    assert np.isfinite(Radial(("x", "y"), ("x", "y"), (2, 4)).jacobian(x)).all()


# --- the grammar ------------------------------------------------------------------------------------

SAME = [
    ("poly(2)", Monomials(3, 2, names=NAMES)),
    ("poly(3; x, th)", Monomials(3, 3, names=NAMES, within=("x", "th"))),
    ("fourier(2)", Fourier(NAMES, 2)),
    ("fourier(1; th)", Fourier(NAMES, 1, within=("th",))),
    ("radial(x, v; -3, -1)", Radial(NAMES, ("x", "v"), (-3, -1))),
    ("radial(x, v; -2..1)", Radial(NAMES, ("x", "v"), (-2, -1, 1))),
    ("poly(1) * radial(x, v; -3)", Monomials(3, 1, names=NAMES) * Radial(NAMES, ("x", "v"), (-3,))),
    ("poly(1)+fourier(1 ;th)", Monomials(3, 1, names=NAMES) + Fourier(NAMES, 1, within=("th",))),
    (
        "(poly(1) + fourier(1; th)) * poly(1; v)",
        (Monomials(3, 1, names=NAMES) + Fourier(NAMES, 1, within=("th",)))
        * Monomials(3, 1, names=NAMES, within=("v",)),
    ),
    ("terms(x*v, sin(th), x/(x^2+v^2)^(3/2))", Terms(["x*v", "sin(th)", "x*(x**2+v**2)**(-3/2)"], NAMES)),
]


@pytest.mark.parametrize(("text", "wanted"), SAME, ids=[text for text, _ in SAME])
def test_the_grammar_spells_the_classes(text, wanted):
    assert parse_dictionary(text, NAMES).symbolic() == wanted.symbolic()


def test_precedence_is_that_of_mathematics():
    x, v, th = symbols_for(NAMES)
    for text, wanted in [
        ("-x^2", -(x**2)),
        ("x^-2", x**-2),
        ("2*x^2/v/th", 2 * x**2 / (v * th)),
        ("x - v - th", x - v - th),
        ("x^2^3", x**8),
        ("-x*-v", x * v),
        ("1.5e-1*x", sp.Rational(3, 20) * x),
        ("pi*abs(x)", sp.pi * sp.Abs(x)),
    ]:
        assert parse_expression(text, NAMES) == wanted, text


def test_a_state_may_be_called_like_a_function_or_a_family():
    assert parse_expression("sin*sin(sin)", ("sin",)) == symbols_for(("sin",))[0] * sp.sin(
        symbols_for(("sin",))[0]
    )
    assert parse_dictionary("poly(1; poly)", ("poly", "y")).terms == ("1", "poly")
    assert parse_expression("pi", ("pi",)) == symbols_for(("pi",))[0]
    assert parse_dictionary("poly(1)", ("größe",)).terms == ("1", "größe")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "non-empty"),
        ("   ", "non-empty"),
        ("poly", "cannot read"),
        ("poly(", "cannot read"),
        ("poly(-1)", "at character 6"),
        ("poly(1.5)", "cannot read"),
        ("poly(2; y)", "unknown state"),
        ("poly(2) - poly(1)", "at character 9"),
        ("poly(2) poly(1)", "cannot read"),
        ("cubic(2)", "cannot read"),
        ("poly(99999999)", "monomials, more than"),
        ("fourier(0)", "order = 0"),
        ("fourier(1; y)", "unknown states y"),
        ("radial(x)", "cannot read"),
        ("radial(x; 0)", "exponent 0"),
        ("radial(x; 3..1)", "must ascend, got 3..1"),
        ("radial(x; -64..64)", "more than 64"),
        ("radial(x, x; 1)", "distinct"),
        ("terms()", "cannot read"),
        ("terms(q)", "unknown name 'q'; the states are: x, v, th"),
        ("terms(gamma(x))", "unknown function 'gamma'"),
        ("terms(x^v)", "a power must be a number"),
        ("terms(x^100)", "at most 64, got 100"),
        ("terms(2^3^5)", "at most 64, got 243"),
        ("terms(((10^60)^2)^3)", "floating point can hold"),
        ("terms(((((2*x)^64)^64)^64)^64)", "floating point can hold"),
        ("terms(((((x/pi/3)^64)^64)^64)^64)", "floating point can hold"),
        ("terms(" + "9" * 5000 + "*x)", "out of range"),
        ("poly(" + "9" * 5000 + ")", "out of range"),
        ("fourier(1000000)", "at most 1000 harmonics"),
        ("radial(x; 99999999)", "at most 64 in size"),
        ("poly(20) * poly(20)", "3136441 terms, more than 50000"),
        ("terms(" + "-" * 3000 + "x)", "nested too deeply"),
        ("terms(log(0))", "not a finite real function"),
        ("terms(sqrt(-1)*x)", "not a finite real function"),
        ("terms(tan(pi/2))", "not a finite real function"),
        ("terms(1e999999999*x)", "out of range"),
        ("terms(x/0)", "division by zero"),
        ("terms(x/(v-v))", "division by zero"),
        ("terms(0^-1)", "division by zero"),
        ("terms(x; v)", "cannot read"),
        ("terms(" + "x+" * 20_000 + "x)", "more than 20000"),
        # Nothing is evaluated as Python.
        ("terms(__import__('os'))", "cannot read"),
        ("terms(__import__(x))", "unknown function '__import__'"),
        ("terms(eval(x))", "unknown function 'eval'"),
        ("terms(x.__class__)", "cannot read"),
        ("terms(lambda: x)", "cannot read"),
        ("terms([x])", "cannot read"),
        ("terms('x')", "cannot read"),
        ("terms(S(x))", "unknown function 'S'"),
        ("terms(oo)", "unknown name 'oo'"),
        ("terms(I*x)", "unknown name 'I'"),
    ],
)
def test_text_that_is_no_dictionary_says_what_is_wrong(text, message):
    with pytest.raises(DataError, match=message):
        parse_dictionary(text, NAMES)


@pytest.mark.parametrize("value", [None, 3, ["poly(1)"], b"poly(1)"])
def test_what_is_not_text_is_refused(value):
    with pytest.raises(DataError, match="non-empty text"):
        parse_dictionary(value, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "terms(" + "x+" * 9000 + "v)",
        "terms(" + "v/v*" * 4500 + "v)",
        "terms(" + "(" * 2000 + "x" + ")" * 2000 + ")",
        "+".join(["poly(1)"] * 1500),
        "terms(sqrt(1000000000000000000000000000057*100000000000000000000000000319)*x)",
        "terms(tan(10^59), x)",
    ],
    ids=["long sum", "long product", "brackets", "many families", "root of a large number", "large number"],
)
def test_long_text_is_read_at_once(text):
    d = only_data_errors(text)
    assert np.isfinite(d.evaluate(POINTS)).all()


def test_roots_of_negative_numbers_are_refused_on_evaluation():
    for text in ("sqrt(x-1)", "(-8)^(1/3)*x", "log(-x)", "asin(2+x)"):
        with pytest.raises(DataError, match="sample 0"):
            Terms([text], ("x",)).evaluate([[0.5]])


PIECES = [
    *("poly", "fourier", "radial", "terms", "sin", "sqrt", "exp", "log", "tan", "abs", "ln", "acos"),
    *("x", "v", "th", "q", "pi", "(", ")", "(", ")", ";", ",", "+", "-", "*", "/", "^", "**", ".."),
    *("0", "1", "2", "3", "-1", "1.5", "2e3", "1e-300", "99999", "64", "1/2", "__import__", "'", '"'),
    *("[", "]", "{", "}", "=", "!=", ".", ":", "\\", "\n", "#", "@", "é", " "),
]


def only_data_errors(text):
    """Parse; everything but DataError is a defect."""
    try:
        return parse_dictionary(text, NAMES)
    except DataError:
        return None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_random_pieces_of_grammar_never_do_harm(text):
    only_data_errors(text)
    only_data_errors(f"terms({text})")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_random_text_never_does_harm(text):
    only_data_errors(text)
    only_data_errors(f"terms({text})")


def expressions():
    atoms = st.sampled_from(["x", "v", "th", "1", "2", "0.5", "pi", "0"])

    def grow(inner):
        binary = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})")
        power = st.tuples(inner, st.sampled_from(["2", "3", "-1", "(1/2)", "64"])).map(
            lambda t: f"({t[0]})^{t[1]}"
        )
        call = st.tuples(st.sampled_from(["sin", "sqrt", "exp", "log", "tanh"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        )
        return binary | power | call

    return st.recursive(atoms, grow, max_leaves=8)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(expressions())
def test_expressions_mean_what_python_would_make_of_them(text):
    d = only_data_errors(f"terms({text})")
    if d is None:
        return
    spelled = text.replace("^", "**")
    x, v, th = POINTS[0]
    functions = {name: getattr(np, name) for name in ("sin", "sqrt", "exp", "log", "tanh")}
    with np.errstate(all="ignore"):
        wanted = eval(spelled, {"__builtins__": {}}, {"x": x, "v": v, "th": th, "pi": np.pi, **functions})
    if not np.isfinite(wanted) or abs(wanted) > 1e100:
        return
    assert d.evaluate(POINTS[0])[0, 0] == pytest.approx(float(wanted), rel=1e-6, abs=1e-6)


# --- PySINDy libraries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "library",
    [
        ps.PolynomialLibrary(degree=3),
        ps.FourierLibrary(n_frequencies=2),
        ps.PolynomialLibrary(degree=1) * ps.FourierLibrary(n_frequencies=1),
        ps.CustomLibrary([lambda a: np.exp(a), lambda a: a**2], [lambda a: f"exp({a})", lambda a: f"{a}^2"]),
    ],
    ids=["polynomial", "fourier", "tensor", "custom"],
)
def test_any_pysindy_library_is_a_dictionary(library):
    d = PySINDyDictionary(library, NAMES)
    np.testing.assert_allclose(d.evaluate(POINTS), np.asarray(d.library.transform(POINTS)), rtol=0)
    h = 1e-6
    for k in range(3):
        step = h * np.eye(3)[k]
        central = (d.evaluate(POINTS + step) - d.evaluate(POINTS - step)) / (2 * h)
        np.testing.assert_allclose(d.jacobian(POINTS)[:, :, k], central, rtol=1e-6, atol=1e-8)
    assert d.renamed(("a", "b", "c")).n_terms == d.n_terms
    assert not d.has_formulas


def test_a_fitted_polynomial_library_has_the_jacobian_of_the_monomials():
    ours, theirs = Monomials(3, 3, names=NAMES), PySINDyDictionary(ps.PolynomialLibrary(degree=3), NAMES)
    np.testing.assert_allclose(theirs.jacobian(POINTS), ours.jacobian(POINTS), rtol=1e-13)


def test_functions_that_are_not_analytic_are_refused():
    library = ps.CustomLibrary([lambda a: np.abs(a - 1.5)], [lambda a: f"|{a} - 1.5|"])
    with pytest.raises(DataError, match="not analytic"):
        PySINDyDictionary(library, NAMES)


def test_a_library_fitted_on_other_states_is_refused():
    library = ps.PolynomialLibrary().fit(np.ones((3, 2)))
    with pytest.raises(DataError, match="fitted on 2 states but 3 names"):
        PySINDyDictionary(library, NAMES)


def test_sums_keep_the_functions_of_two_libraries_apart():
    first = PySINDyDictionary(ps.PolynomialLibrary(degree=1, include_bias=False), NAMES)
    both = first + PySINDyDictionary(ps.FourierLibrary(n_frequencies=1), NAMES) + first
    assert both.n_terms == 3 + 6
    assert both.terms[:3] == NAMES


def test_equality_is_that_of_the_formulas():
    assert Monomials(2, 2) == Monomials(2, 2)
    assert Monomials(2, 1, names=("x", "v")) == Terms(["1", "x", "v"], ("x", "v"))
    assert Monomials(2, 2) != Monomials(2, 2, names=("x", "v"))
    assert Monomials(2, 2) != Monomials(2, 1)
    assert len({Monomials(2, 2), Monomials(2, 2), Monomials(2, 3)}) == 2
