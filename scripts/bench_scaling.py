"""Time and memory of the engine's parts as their input grows, as JSON and as curves.

    python scripts/bench_scaling.py [--out docs/scaling.json] [--picture docs/scaling.svg] [--quick]

image    edge of a view in pixels: rendering two views of the default field, forward and backward
samples  steps of a ray: the same at 64 pixels
faces    triangles of a ball: rasterising two views of 128 pixels, forward and backward, the hierarchy built anew
glb      triangles of a ball with vertex colours: writing it as a GLB
prompts  prompts optimised one after the other in one process on one load of the prior: seconds a prompt

Every point is measured in a process of its own, on one thread: seconds of CPU time, so that other work on the machine
counts little; memory is what the process gained at its highest. Unix.
"""

import argparse
import json
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import trimesh
from torch import Tensor

from dream3d.cameras import turntable
from dream3d.cli.overrides import composed
from dream3d.compare.curves import COLOURS
from dream3d.contracts import TrainableField
from dream3d.mesh.export import export
from dream3d.optimize import optimize
from dream3d.render.rasterize import rasterise
from dream3d.render.volume import VolumeRenderer
from dream3d.report.manifest import peak_memory
from dream3d.run.build import build
from dream3d.run.shared_prior import Priors
from dream3d.seeding import generator
from dream3d.types import Mesh

ROOT = Path(__file__).parents[1]
CURVES = ("image", "samples", "faces", "glb", "prompts")
COLOUR_OF = dict(zip(CURVES, COLOURS, strict=False))


@dataclass(frozen=True)
class Point:
    """CPU seconds of one run and MiB gained at the highest, at ``size``."""

    size: int
    seconds: float
    memory: float


def measure(job: Callable[[], object], rounds: int, size: int) -> Point:
    """The least of some rounds, in a process of its own, so that its highest memory is its own."""

    def child(end: Connection) -> None:
        before, times = peak_memory() or 0.0, []
        for _ in range(rounds):
            begin = time.process_time()
            job()
            times.append(time.process_time() - begin)
        end.send((min(times), (peak_memory() or 0.0) - before))

    forked = multiprocessing.get_context("fork")
    here, there = forked.Pipe()
    process = forked.Process(target=child, args=(there,))
    process.start()
    there.close()
    try:
        seconds, memory = here.recv()
    except EOFError as error:
        raise SystemExit(f"size {size}: the process that measured it ended early") from error
    process.join()
    return Point(size, seconds, memory)


def backward(image: Tensor) -> None:
    image.square().sum().backward()


def volume(field: TrainableField, size: int, samples: int) -> Callable[[], None]:
    """Two views of the field, forward and backward; its occupancy grid is refreshed before."""

    def job() -> None:
        renderer = VolumeRenderer(samples=samples)
        renderer.update(field, 0, generator(0, 0, "occupancy"))
        backward(renderer(field, turntable(2, 0.3, 3.0, 0.7, size), generator(0, 0, "march")).image.colour)

    return job


def ball(subdivisions: int) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions, radius=0.7)
    vertices = torch.tensor(shape.vertices, dtype=torch.float32)
    return Mesh(vertices, torch.tensor(shape.faces), colours=(vertices + 1) / 2)


def raster(mesh: Mesh) -> Callable[[], None]:
    """Two views of a mesh, forward and backward to its vertices."""

    def job() -> None:
        vertices = mesh.vertices.clone().requires_grad_()
        moved = Mesh(vertices, mesh.faces)
        backward(rasterise(moved, turntable(2, 0.3, 3.0, 0.7, 128), lambda _, normal: normal).image.colour)

    return job


def written(mesh: Mesh) -> Callable[[], None]:
    def job() -> None:
        with tempfile.TemporaryDirectory() as folder:
            export(mesh, Path(folder), ["glb"])

    return job


def prompts(count: int) -> Callable[[], None]:
    """Three steps a prompt; ``seconds`` is divided by the count afterwards."""

    def job() -> None:
        shared = Priors()
        for number in range(count):
            config = composed(
                [f"prompt=a {('corgi', 'chair', 'castle', 'car')[number % 4]}", "size=16", f"seed={number}"]
            )
            for _ in optimize(build(config, prior_of=shared), 0, 3):
                pass

    return job


def measured(quick: bool) -> dict[str, list[Point]]:
    """All curves."""
    torch.set_num_threads(1)
    field = build(composed(["prompt=a corgi"])).fields[0]
    rounds = 1 if quick else 5
    sizes, steps = ([32, 64], [16, 32]) if quick else ([64, 128, 256, 512], [32, 64, 128, 256, 512])
    meshes = [ball(n) for n in ([2, 3] if quick else range(3, 9))]
    counts = [1, 2] if quick else [1, 10, 100]
    batches = [(count, measure(prompts(count), 1, count)) for count in counts]
    return {
        "image": [measure(volume(field, size, 64), rounds, size) for size in sizes],
        "samples": [measure(volume(field, 64, n), rounds, n) for n in steps],
        "faces": [measure(raster(mesh), rounds, len(mesh.faces)) for mesh in meshes],
        "glb": [measure(written(mesh), rounds, len(mesh.faces)) for mesh in meshes],
        "prompts": [Point(count, point.seconds / count, point.memory) for count, point in batches],
    }


def plot(curves: Mapping[str, list[Point]], what: str, unit: str, left: int) -> str:
    """One panel, both axes logarithmic: x over each curve's own range, y over all."""
    values = [max(asdict(p)[what], 1e-4) for points in curves.values() for p in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    parts = [f'<text x="{left}" y="18">{what}, {unit}</text>']
    for power in range(low, high + 1):
        y = 230 - 190 * (power - low) / (high - low)
        parts.append(f'<path d="M{left} {y:.1f}h330" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for name, points in curves.items():
        at = []
        for i, p in enumerate(points):
            x = left + 10 + 310 * i / max(len(points) - 1, 1)
            y = 230 - 190 * (math.log10(max(asdict(p)[what], 1e-4)) - low) / (high - low)
            at.append(f"{x:.1f},{y:.1f}")
        line = " ".join(at)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOUR_OF[name]}" stroke-width="2"/>')
    return "".join(parts)


def picture(curves: Mapping[str, list[Point]]) -> str:
    """Seconds on the left, memory on the right, ranges of the sizes below, as SVG."""
    words = [f"{name}: {points[0].size:,} to {points[-1].size:,}" for name, points in curves.items()]
    legend = "".join(
        f'<text x="{60 + 170 * i}" y="262" fill="{COLOUR_OF[name]}">{word}</text>'
        for i, (name, word) in enumerate(zip(curves, words, strict=True))
    )
    body = plot(curves, "seconds", "s", 60) + plot(curves, "memory", "MiB", 480) + legend
    style = 'font-family="sans-serif" font-size="12" style="background:#fff"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 275" {style}>{body}</svg>\n'


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/scaling.json")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs/scaling.svg")
    parser.add_argument("--quick", action="store_true", help="two small points a curve, to try the script")
    args = parser.parse_args(words)
    curves = measured(args.quick)
    rows = {name: [asdict(point) for point in points] for name, points in curves.items()}
    args.out.write_text(json.dumps(rows, indent=1) + "\n")
    args.picture.write_text(picture(curves))
    for name, points in curves.items():
        for point in points:
            print(f"{name:<8} {point.size:>9,}  {point.seconds:>9.4f} s  {point.memory:>8.1f} MiB")


if __name__ == "__main__":
    main()
