"""Ranking a gallery that lies on disk: time and peak memory as functions of the number of images."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results import arguments, report
from benchmarks.stages import line, run

_MEASURED = """
import resource, sys
import numpy as np
import torch
from dwc.evaluation.recall import rank
torch.manual_seed(0)
gallery = np.load(sys.argv[1], mmap_mode="r", allow_pickle=False)
count = int(sys.argv[2])
queries = torch.nn.functional.normalize(torch.randn(count, gallery.shape[1]), dim=1)
numbers = torch.arange(count)
rank(queries, gallery, labels=torch.arange(len(gallery)), target_labels=numbers, masked=numbers + 1)
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def write_gallery(file: Path, images: int, dim: int) -> None:
    """Random embeddings of about unit length, float32, a block at a time.

    Written without mapping the file: a child process inherits its parent's peak of resident memory.
    """
    random = np.random.default_rng(0)
    header = {"descr": "<f4", "fortran_order": False, "shape": (images, dim)}
    with file.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for start in range(0, images, 10_000):
            shape = min(10_000, images - start), dim
            (random.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(dim))).tofile(handle)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=1_000)
    options = parser.parse_args()
    rows = []
    for images in options.images:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            file = Path(folder) / "gallery.npy"
            write_gallery(file, images, options.dim)
            taken = run([sys.executable, "-c", _MEASURED, str(file), str(options.queries)], Path.cwd())
            size = file.stat().st_size / 1e6
        rows.append([f"{images:,}", size, taken.seconds, taken.processor, taken.memory])
        print(rows[-1], flush=True)
    (start, each), (held, more) = (
        line(options.images, [float(row[column]) for row in rows]) for column in (3, 4)
    )
    report(
        "gallery_on_disk",
        f"Ranking a gallery on disk, {options.queries:,} queries of {options.dim:,} dimensions",
        ["images", "file, MB", "seconds", "processor seconds", "peak memory, MB"],
        rows,
        write=options.write,
        notes=f"Each in a process of its own, with the imports. Fitted: {start:.1f} + {1e6 * each:.1f} "
        f"processor seconds and {held:,.0f} {1e6 * more:+,.0f} MB, the second term for a million images.",
    )


if __name__ == "__main__":
    main()
