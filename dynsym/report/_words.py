"""Findings in plain sentences: what is claimed, where, how exactly, and what the runs themselves say."""

from __future__ import annotations

from ..certify import CERTIFIED, REFUTED, Level, Verdict
from ..findings import (
    ITSELF,
    ConservedQuantities,
    DiscreteFinding,
    DiscreteSymmetries,
    Law,
    Symmetries,
    SymmetryFinding,
)
from ._numbers import short


def law_sentence(law: Law, found: ConservedQuantities) -> str:
    """One conserved quantity in words, to follow its formula."""
    claim = _claim(law.verdict, "is conserved", "not conserved", "conserved", found.region.description)
    return f"{claim} {_level(found.level)}. {_drift(law)}"


def symmetry_sentence(finding: SymmetryFinding, found: Symmetries) -> str:
    """One generator in words, to follow its formula."""
    claim = _claim(finding.verdict, "is a symmetry", "not a symmetry", "a symmetry", found.region.description)
    return f"{claim} {_level(found.level)}.{_why_trivial(finding)}"


def map_sentence(finding: DiscreteFinding, found: DiscreteSymmetries) -> str:
    """One map in words, to follow its formula."""
    kind = "reverses the dynamics" if finding.map.reverses_time else "is a symmetry"
    claim = _claim(finding.verdict, kind, "not a symmetry", "a symmetry", finding.region.description)
    return f"{claim} {_level(found.level)}."


def _claim(verdict: Verdict, holds: str, broken: str, asked: str, region: str) -> str:
    """What a verdict says, in the words of its kind of finding."""
    if verdict.status == CERTIFIED:
        return f"{holds}: {_ruled_out(verdict)} {_where(region)}"
    if verdict.status == REFUTED:
        return f"is {broken}: {verdict.reason} {_where(region)}"
    return f"may or may not be {asked}, the data cannot tell: {verdict.reason}"


def _why_trivial(finding: SymmetryFinding) -> str:
    if not finding.trivial:
        return ""
    if finding.label == ITSELF:
        return " It is the flow of the dynamics itself, which every autonomous system has."
    return f" It is {finding.label}, h conserved, which every system with this law has."


def maps_claimed(found: DiscreteSymmetries) -> str:
    """The number of certified maps and their group, as a sentence."""
    count = found.level.trials
    if not found.maps:
        return f"None of {count} changes of place and sign of the states, with and without reversal of time, is certified."
    return f"Of {count} candidates {len(found.maps)} are certified; they generate the group {found.name}."


def what_is_claimed(found: Symmetries | ConservedQuantities, kind: str) -> str:
    """The number of findings of each verdict, as a sentence."""
    statuses = [finding.verdict.status for finding in found.findings]
    if not statuses:
        return f"No {kind} among the {len(found.spectrum.values)} directions searched."
    parts = [f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)]
    return f"Among the {len(found.spectrum.values)} directions searched: {', '.join(parts)}."


def _ruled_out(verdict: Verdict) -> str:
    return f"the data rule out a relative defect above {short(verdict.upper)}"


def _where(region: str) -> str:
    return f"in {region}" if region else "on the data"


def _level(level: Level) -> str:
    shared = f", shared among {level.trials} candidates" if level.trials > 1 else ""
    return f"(tolerance {level.delta:g}, error level {level.alpha:g}{shared})"


def _drift(law: Law) -> str:
    text = f"Along the runs it varies by {short(law.relative_drift)} of what independent states would give it"
    if law.drift_expected > 0:
        text += f"; the measurement noise alone gives {short(law.drift_expected)}"
    return text + "."
