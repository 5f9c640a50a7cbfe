"""Write a chunked Zarr store with m samples of the Lorenz system, in memory that does not grow with m.

Runs from different starts are integrated together by Runge-Kutta steps of fourth order, block by block of time, and
each block is written before the next. The dimensions are (run, t); with --single the runs follow one another along
the one dimension t, each a hundred steps after the last, so that the step between them reads as a gap.

Run with: python tests/benchmarks/make_lorenz_store.py STORE [--samples 1e6] [--runs 100] [--chunk 100000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr

NAMES = ("x", "y", "z")
SETTLING = 10.0  # time from the start to the attractor
BLOCK_BYTES = 128e6


def velocity(s: np.ndarray) -> np.ndarray:
    """Lorenz (1963) for states (3, r)."""
    x, y, z = s
    return np.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - (8.0 / 3.0) * z])


def stepped(s: np.ndarray, dt: float) -> np.ndarray:
    """One Runge-Kutta step."""
    a = velocity(s)
    b = velocity(s + (dt / 2) * a)
    c = velocity(s + (dt / 2) * b)
    d = velocity(s + dt * c)
    return s + (dt / 6) * (a + 2 * (b + c) + d)


def blocks(s: np.ndarray, dt: float, length: int, total: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first sample, states (3, r, k)) of consecutive blocks of k <= length samples."""
    for start in range(0, total, length):
        out = np.empty((3, s.shape[1], min(length, total - start)))
        for k in range(out.shape[2]):
            out[:, :, k] = s
            s = stepped(s, dt)
        yield start, out


def create(path: Path, args: argparse.Namespace, each: int) -> dict[str, zarr.Array]:
    """Create the arrays of the store, with the times and numbers of the runs written."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    codecs = zarr.codecs.ZstdCodec(level=1) if args.compress else None
    dims, shape, chunks = ["run", "t"], (args.runs, each), (1, min(args.chunk, each))
    if args.single:
        dims, shape, chunks = ["t"], (args.runs * each,), (args.chunk,)
    names = (*NAMES, *(f"{name}_dot" for name in NAMES)) if args.slopes else NAMES
    arrays = {
        name: group.create_array(
            name,
            shape=shape,
            chunks=chunks,
            dtype="f8",
            dimension_names=dims,
            compressors=codecs,
            fill_value=np.nan,
            attributes={"sd": args.noise} if args.noise and "_dot" not in name else {},
        )
        for name in names
    }
    form = {"dtype": "f8", "dimension_names": ["t"], "compressors": codecs, "fill_value": np.nan}
    t = group.create_array("t", shape=shape[-1:], chunks=chunks[-1:], **form)
    for start in range(0, shape[-1], 1_000_000):
        k = np.arange(start, min(start + 1_000_000, shape[-1]))
        t[start : start + k.size] = args.dt * (k + 100 * (k // each) if args.single else k)
    if not args.single:
        group.create_array("run", data=np.arange(args.runs), chunks=(args.runs,), dimension_names=["run"])
    return arrays


def write(args: argparse.Namespace) -> None:
    """Integrate and write, as many runs at a time as fit into a block of memory."""
    rng = np.random.default_rng(args.seed)
    each = int(args.samples) // args.runs
    arrays = create(args.store, args, each)
    length = min(args.chunk, each)
    group = max(1, min(args.runs, int(BLOCK_BYTES / (8 * 3 * length))))
    for first in range(0, args.runs, group):
        r = min(group, args.runs - first)
        s = rng.uniform((-15, -15, 10), (15, 15, 40), (r, 3)).T
        for _ in range(int(SETTLING / args.dt)):
            s = stepped(s, args.dt)
        for start, states in blocks(s, args.dt, length, each):
            store(arrays, args, (first, start, each), states, rng)


def store(
    arrays: dict[str, zarr.Array],
    args: argparse.Namespace,
    place: tuple[int, int, int],
    states: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write one block of several runs."""
    first, start, each = place
    values = dict(zip(NAMES, states))
    if args.slopes:
        slopes = velocity(states.reshape(3, -1)).reshape(states.shape)
        values |= dict(zip((f"{name}_dot" for name in NAMES), slopes))
    for name, block in values.items():
        if args.noise and "_dot" not in name:
            block = block + args.noise * rng.standard_normal(block.shape)
        if not args.single:
            arrays[name][first : first + len(block), start : start + block.shape[1]] = block
            continue
        for k, row in enumerate(block):
            at = (first + k) * each + start
            arrays[name][at : at + row.size] = row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--samples", type=float, default=1e6, help="m, over all runs")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--chunk", type=int, default=100_000, help="samples in a chunk along time")
    parser.add_argument("--dt", type=float, default=0.002)
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation, added to every state")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--single", action="store_true", help="one run along time instead of a dimension of runs"
    )
    parser.add_argument("--slopes", action="store_true", help="write exact derivatives beside the states")
    parser.add_argument("--compress", action="store_true", help="zstd of level 1; the default is none")
    args = parser.parse_args()
    begin = time.perf_counter()
    write(args)
    size = sum(path.stat().st_size for path in args.store.rglob("*") if path.is_file())
    print(
        f"{args.store}: {int(args.samples)} samples, {size / 1e6:.0f} MB, {time.perf_counter() - begin:.1f} s"
    )


if __name__ == "__main__":
    main()
