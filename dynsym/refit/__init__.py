"""The chain from a noisy fit to a symmetric one: read symmetries, settle on exact ones, enforce, compare, keep.

Generators read off a noisy fit are slightly wrong, and enforced as if exact they leave only f = 0. Here generators and
coefficients are moved together to the nearest field with as many exact symmetries; which of them is kept, if any, is decided
on held-out data. One module for each stage: `_starts` reads, `_settle` moves and enforces, `_choose` compares, `_errors` says
how well generators are known, `_assemble` makes the result.
"""

from ._result import Attempt, Refit
from ._rollout import rollout
from ._verb import refit

__all__ = ["Attempt", "Refit", "refit", "rollout"]
