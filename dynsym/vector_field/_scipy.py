"""The other methods, and DOP853 for many states: SciPy's solvers on compiled right-hand sides."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.integrate import ODEintWarning, odeint, solve_ivp

from .._checks import Array
from ._integrator import Integrator
from ._program import UNDEFINED, Program

_IMPLICIT = ("Radau", "BDF", "LSODA")
_MOST_STEPS = 2**31 - 1  # between two samples; odeint stops after 500 otherwise
_LEAST_RTOL = 100 * np.finfo(float).eps  # solve_ivp takes no smaller one


def guarded(program: Program) -> Callable[[Array], Array]:
    """f as a function of one state (n,), NaN where it has no value: a solver then shortens its step."""
    one, nowhere = program.one, np.full(program.n_values, np.nan)

    def run(state: Array) -> Array:
        try:
            return np.array(one(*state.tolist()))
        except UNDEFINED:
            return nowhere.copy()

    return run


def solve_with_scipy(
    program: Program,
    jacobian: Callable[[], Program],
    start: Array,
    times: Array,
    how: Integrator,
) -> tuple[Array, str]:
    """The solution at the times as far as it can be followed, (k, n), and why it ended (empty if it did not)."""
    with np.errstate(all="ignore"):
        if how.method == "LSODA":
            whole = _odeint(program, start, times, how)
            if whole is not None:
                return whole, ""
        return _solve_ivp(program, jacobian, start, times, how)


def _odeint(program: Program, start: Array, times: Array, how: Integrator) -> Array | None:
    """LSODA without a call of Python per step; None where it failed, for it does not say how far it came."""
    run = guarded(program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ODEintWarning)
        x, facts = odeint(
            lambda state, _: run(state),
            start,
            times,
            rtol=how.rtol,
            atol=how.atol,
            mxstep=_MOST_STEPS,
            full_output=True,
        )
    return x if facts["message"] == "Integration successful." and np.isfinite(x).all() else None


def _solve_ivp(
    program: Program, jacobian: Callable[[], Program], start: Array, times: Array, how: Integrator
) -> tuple[Array, str]:
    run = guarded(program)
    options = {}
    if how.method in _IMPLICIT:
        slopes, n = guarded(jacobian()), len(start)
        # Their linear algebra refuses NaN; where f has no value the residual is NaN anyway, and the step is cut.
        options["jac"] = lambda _, state: np.nan_to_num(slopes(state)).reshape(n, n)
    out = solve_ivp(
        lambda _, state: run(state),
        (times[0], times[-1]),
        start,
        method=how.method,
        t_eval=times,
        rtol=max(how.rtol, _LEAST_RTOL),
        atol=how.atol,
        **options,
    )
    # A solver that fails in its first step returns empty lists.
    reached = out.y.T if len(out.t) else start[None, :]
    ended = "" if out.success and len(reached) == len(times) else str(out.message)
    return reached, ended
