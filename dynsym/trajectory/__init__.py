"""Runs of measured or simulated states: reading them, checking them, and what their samples support."""

from dynsym.trajectory.doors import as_runs
from dynsym.trajectory.files import open_runs
from dynsym.trajectory.gridded import runs_from_dataset
from dynsym.trajectory.noise import noise_level, resolution
from dynsym.trajectory.quality import DataQuality, quality
from dynsym.trajectory.stored import AnyRun, StoredRun, excerpts, with_states
from dynsym.trajectory.tables import runs_from_dataframe
from dynsym.trajectory.trajectory import Trajectory

__all__ = [
    "AnyRun",
    "DataQuality",
    "StoredRun",
    "Trajectory",
    "as_runs",
    "excerpts",
    "noise_level",
    "open_runs",
    "quality",
    "resolution",
    "runs_from_dataframe",
    "runs_from_dataset",
    "with_states",
]
