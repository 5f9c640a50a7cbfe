"""The other methods, and DOP853 for many states: SciPy's solvers on compiled right-hand sides."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import ODEintWarning, odeint, solve_ivp

from .._checks import Array
from ._integrator import Integrator
from ._program import UNDEFINED, Program

_IMPLICIT = ("Radau", "BDF")
_MOST_STEPS = 1_000_000  # between two samples; odeint stops after 500 otherwise
_DONE = "Integration successful."


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
    program: Program, jacobian: Callable[[], Program], start: Array, times: Array, how: Integrator
) -> tuple[Array, str]:
    """The solution at the times as far as it can be followed, (k, n), and why it ended (empty if it did not)."""
    with np.errstate(all="ignore"):
        if not np.isfinite(guarded(program)(start)).all():
            return start[None, :], "the field has no value there."
        solver = _odeint if how.method == "LSODA" else _solve_ivp
        return solver(program, jacobian, start, times, how)


def _odeint(
    program: Program, jacobian: Callable[[], Program], start: Array, times: Array, how: Integrator
) -> tuple[Array, str]:
    """LSODA without a call of Python per step; `solve_ivp` with LSODA does not end where a solution does."""
    one, nowhere = program.one, (np.nan,) * program.n_values
    slopes = _matrix(jacobian)

    def rate(state: Array, _: float) -> tuple[float, ...]:
        try:
            return one(*state.tolist())
        except UNDEFINED:
            return nowhere

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ODEintWarning)
        x, facts = odeint(
            rate,
            start,
            times,
            Dfun=lambda state, _: slopes(state),
            rtol=how.tolerances[0],
            atol=how.tolerances[1],
            mxstep=_MOST_STEPS,
            full_output=True,
        )
    if facts["message"] == _DONE:
        return x, ""
    # After a failure neither the states nor these times are filled beyond the place where it happened.
    short = ~(facts["tcur"] >= times[1:])
    why = f"LSODA says: {facts['message']}"
    if facts["message"].startswith("Excess work"):
        why = f"LSODA took more than {_MOST_STEPS} steps between two samples."
    return x[: int(np.argmax(short)) + 1], why


def _solve_ivp(
    program: Program, jacobian: Callable[[], Program], start: Array, times: Array, how: Integrator
) -> tuple[Array, str]:
    run = guarded(program)
    options: dict[str, Any] = {}
    if how.method in _IMPLICIT:
        slopes = _matrix(jacobian)
        options["jac"] = lambda _, state: slopes(state)
    out = solve_ivp(
        lambda _, state: run(state),
        (times[0], times[-1]),
        start,
        method=how.method,
        t_eval=times,
        rtol=how.tolerances[0],
        atol=how.tolerances[1],
        **options,
    )
    # A solver that fails in its first step returns empty lists.
    reached = out.y.T if len(out.t) else start[None, :]
    ended = "" if out.success and len(reached) == len(times) else str(out.message)
    return reached, ended


def _matrix(jacobian: Callable[[], Program]) -> Callable[[Array], Array]:
    """Df as a function of one state, (n,) -> (n, n), compiled when a solver first asks for it."""
    run: list[Callable[[Array], Array]] = []

    def slopes(state: Array) -> Array:
        if not run:
            run.append(guarded(jacobian()))
        # The solvers' linear algebra refuses NaN; where f has no value the residual is NaN anyway, and the step is cut.
        return np.nan_to_num(run[0](state)).reshape(len(state), len(state))

    return slopes
