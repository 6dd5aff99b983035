"""Allowed values of every setting: one table of ranges and choices, applied before anything is loaded.

A setting is matched by the end of its path: ``loss.scale`` matches ``distill.loss.scale`` and
``refine.distill.loss.scale``; the longest match applies. A schedule's values have the range of the setting it
replaces. Values outside the limits are meaningless or infeasible on any machine; relations between settings
(low <= high) are checked where they are used.

No torch here: an invalid command must fail immediately.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

Tree = dict[str, Any]
"""Settings, or JSON, as plain containers; what the leaves may be is said here, or by whoever reads them."""

Entry = TypeVar("Entry")
SCHEDULE = "dream3d.schedule."
LARGE = 1e12


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` (excluded with ``open_low``) to ``high``."""

    low: float | int
    high: float | int
    whole: bool = False
    open_low: bool = False
    infinite: bool = False

    def __contains__(self, value: float | int) -> bool:
        if self.infinite and value == math.inf:
            return True
        inside = self.low <= value <= self.high and not (self.open_low and value == self.low)
        return inside and (not self.whole or float(value).is_integer())

    def __str__(self) -> str:
        if self.open_low:
            return f"a number above {self.low:.10g}, at most {self.high:.10g}"
        kind, ends = "whole number" if self.whole else "number", (self.low, self.high)
        low, high = (str(int(end)) if self.whole else f"{end:.10g}" for end in ends)
        return f"a {kind} from {low} to {high}" + (", or .inf" if self.infinite else "")


def number(low: float | int, high: float | int) -> Range:
    """Any number in [low, high]."""
    return Range(low, high)


def above(low: float | int, high: float | int) -> Range:
    """Any number in (low, high]."""
    return Range(low, high, open_low=True)


def whole(low: int, high: int) -> Range:
    """An integer in [low, high]."""
    return Range(low, high, whole=True)


SHARE, WEIGHT, STEPS, PIXELS = number(0, 1), number(-1e9, 1e9), whole(0, 10**9), whole(8, 2048)
RATE, DEGREES, ANYTHING = number(0, 1000), number(-360, 360), number(-LARGE, LARGE)

RANGES: dict[str, Range] = {
    # the root
    "seed": whole(0, 2**63 - 1), "steps": whole(1, 10_000_000), "batch_size": whole(1, 1024), "size": PIXELS,
    "particles": whole(1, 64), "threads": whole(0, 1024), "turntable": whole(0, 3600),
    "checkpoint_every": whole(1, 10**9), "preview_every": whole(1, 10**9), "requeue_code": whole(0, 255),
    # schedules
    "finish": whole(1, 10**9), "begin": STEPS,
    # fields
    "field.lr_scale": RATE, "decoder.lr_scale": RATE, "material.lr_scale": RATE, "field.std": number(0, 1000),
    "field.channels": whole(1, 256), "field.colour_channels": whole(1, 64), "decoder.colour_channels": whole(1, 64),
    "field.resolutions": whole(2, 4096), "field.levels": whole(1, 256), "field.active_levels": number(0, 256),
    "field.log2_size": whole(1, 28), "field.base": whole(2, 4096), "field.finest": whole(2, 1 << 20),
    "field.frequencies": whole(0, 32), "field.size": whole(2, 1024), "decoder.hidden": whole(1, 4096),
    "decoder.layers": whole(1, 64), "initial.radius": above(0, 10), "initial.peak": number(-1000, 1000),
    "initial.value": number(-1000, 1000), "activation.gain": above(0, 1e6), "field.resolution": whole(2, 512),
    "field.reach": number(0, 0.5), "field.colour_scale": RATE, "field.weight_scale": RATE,
    "material.resolution": whole(2, 256), "material.roughness": SHARE, "material.metallic": SHARE,
    # rendering
    "render.samples": whole(1, 4096), "render.occupancy": whole(0, 512), "render.occupancy_every": whole(1, 10**6),
    "render.occupancy_threshold": number(0, 1), "render.occupancy_decay": SHARE,
    "render.occupancy_probes": whole(0, 64), "render.transmittance": Range(0, 0.999), "render.normal_eps": above(0, 1),
    "render.chunk": whole(1, 10**9), "render.supersample": whole(1, 16), "light.sky": number(0, 1000),
    "light.ground": number(0, 1000), "light.lamps": number(-1000, 1000),
    "shading.start": STEPS, "shading.shaded": SHARE, "shading.textureless": SHARE, "shading.ambient": SHARE,
    "shading.diffuse": SHARE, "shading.soft": SHARE, "shading.distance": above(0, 100),
    "shading.spread": number(0, 100),
    "background.channels": whole(1, 64), "background.colour": number(-100, 100), "background.width": whole(1, 4096),
    "background.frequencies": whole(0, 32), "background.random_share": SHARE,
    # cameras, angles in degrees
    "camera.azimuth": DEGREES, "camera.elevation": number(-90, 90), "camera.fov_y": Range(1, 170),
    "camera.distance": above(0, 100), "camera.fill": above(0, 1.5), "camera.sphere": SHARE,
    "camera.position_jitter": SHARE, "camera.target_jitter": SHARE, "camera.up_jitter": SHARE,
    # the picture, and further guidances
    "image.azimuth": DEGREES, "image.elevation": number(-90, 90), "image.fov_y": Range(1, 170),
    "image.distance": above(0, 100), "image.fill": above(0, 1), "image.every": whole(1, 10**9),
    "image.word_steps": STEPS, "image.word_lr": above(0, 10),
    "loss.pairs": whole(1, 10**7), "loss.margin": number(0, 100), "guidance.weight": number(0, LARGE),
    # losses
    "loss.scale": number(0, 1e6), "bridge_scale": number(0, 1e6), "inversion_scale": number(-1e6, 1e6),
    "loss.rescale": SHARE, "loss.clip": Range(0, LARGE, open_low=True, infinite=True), "loss.cond": WEIGHT,
    "loss.negative": WEIGHT, "loss.uncond": WEIGHT, "loss.generative": WEIGHT, "loss.image_weight": number(0, 1e9),
    "loss.shift": SHARE, "loss.t_min": SHARE, "loss.stage": number(0, 10), "loss.interval": above(0, 1e4),
    "loss.stride": whole(1, 10_000), "loss.inversion_steps": whole(1, 1000), "loss.eta": SHARE,
    "loss.views": whole(1, 1024), "weight.factor": number(0, 1e9), "time.min": SHARE, "time.max": SHARE,
    "time.steps": whole(1, 10**9), "noise_samples": whole(1, 1024), "student.rank": whole(1, 1024),
    "student.lr": above(0, 1), "student.warmup": STEPS, "student.camera_dropout": SHARE,
    "student.updates": whole(1, 1000),
    "guidance": number(0, 1e6), "loss.student_scale": number(0, 1e6), "loss.shortest": SHARE, "loss.longest": SHARE,
    "loss.again": number(0, 1e6), "loss.threshold": SHARE, "loss.denoise_steps": whole(1, 1000),
    "loss.reversals": whole(0, 100), "noise.cell": above(0, 2), "noise.samples": whole(1, 64),
    "noise.turns": above(0, 1000),
    "loss.image_scale": number(0, 1e6), "loss.stable": WEIGHT, "loss.enhance": WEIGHT, "loss.pull": WEIGHT,
    # edits
    "edit.strength": SHARE, "edit.vertices": whole(4, 256), "edit.margin": whole(0, 64), "edit.views": whole(1, 256),
    "edit.cut_smooth": number(0, 1000), "edit.draws": whole(1, 256), "edit.threshold": SHARE,
    "edit.where": number(-1, 1), "loss.points": whole(2, 10**7), "loss.inside": SHARE,
    "dataset.views": whole(1, 10_000), "dataset.elevation": number(-90, 90), "dataset.distance": above(0, 100),
    "dataset.fov_y": Range(1, 170), "dataset.size": PIXELS, "dataset.every": whole(1, 10**9),
    "dataset.denoise_steps": whole(1, 1000), "dataset.t_min": SHARE, "dataset.t_max": SHARE,
    "dataset.scale": number(0, 1e6), "dataset.image_scale": number(0, 1e6), "dataset.rgb_weight": number(0, LARGE),
    "dataset.patch_weight": number(0, LARGE), "dataset.patch_size": PIXELS,
    # regularisers
    "weight": number(0, LARGE), "loss.floor": Range(0, 0.49, open_low=True), "loss.opaque": SHARE,
    "loss.share": above(0, 1), "loss.eps": above(0, 1), "loss.background": number(0, 1e6),
    # optimisers
    "lr": above(0, 1000), "optimizer.clip": above(0, LARGE), "algorithm.betas": Range(0, 0.9999999),
    "algorithm.eps": above(0, 1), "algorithm.weight_decay": number(0, 1000),
    "refine.steps": STEPS, "texture.steps": STEPS,
    # meshes
    "mesh.resolution": whole(8, 1024), "mesh.isovalue": above(0, LARGE), "mesh.refine": whole(0, 100),
    "mesh.share": SHARE, "mesh.smoothing": whole(0, 1000), "mesh.faces": whole(4, 5_000_000),
    "mesh.size": whole(16, 16384), "mesh.size_mm": above(0, 100_000), "mesh.padding": whole(0, 64),
    "mesh.occlusion": whole(0, 4096), "mesh.lods": whole(4, 5_000_000), "mesh.outside": number(0, 1),
    "mesh.inside": number(0, 1), "mesh.colour_samples": whole(1, 256), "mesh.chunk": whole(1, 10**9),
    # priors and prompts
    "prior.resolution": whole(8, 4096), "prior.guidance": number(0, 1000), "prior.steps": whole(1, 1000),
    "prior.lora_scale": number(-100, 100), "prior.control_scale": number(0, 100), "image.scale": number(0, 100),
    "views.front_within": number(0, 180), "views.back_within": number(0, 180), "views.overhead_above": number(-90, 180),
    "perp_neg.f_fs": WEIGHT, "perp_neg.f_sf": WEIGHT, "perp_neg.f_sb": WEIGHT, "perp_neg.f_fsb": WEIGHT,
    "debias.threshold": SHARE,
}  # fmt: skip
DTYPES, FORMATS = ("auto", "float32", "float16", "bfloat16", "3mf"), ("glb", "obj", "ply", "stl", "3mf")
CHOICES: dict[str, tuple[str, ...]] = {
    "shading.normals": ("none", "analytic", "finite"), "field.encoding": ("auto", "torch", "tinycudann"),
    "student.target": ("v_prediction", "epsilon"), "prior.posterior": ("mean", "sample"), "prior.dtype": DTYPES,
    "prior.vae_dtype": DTYPES, "prior.control_kind": ("depth", "normal"), "mesh.formats": FORMATS,
    "mesh.isovalue": ("auto",), "image.depth_is": ("distance", "disparity"), "image.background": ("auto", "rembg"),
    "image.pose": ("given", "auto"),
}  # fmt: skip
PAIRS = ("camera.azimuth", "camera.elevation", "camera.fov_y", "camera.distance", "camera.fill",
         "shading.distance", "algorithm.betas")  # fmt: skip
MAY_BE_EMPTY = ("log", "edit.inherit", "mesh.lods", "prior.places", "light.lamps", "schedule.steps")
MAY_BE_LIST = ("mesh.light", "edit.where")
MAY_BE_NULL = ("camera.distance", "distill.student", "prompts.views", "prompts.perp_neg", "prompts.debias",
               "prompts.contrast", "optimizer.clip", "field.material", "render.light", "field.levels",
               "field.active_levels", "guidance", "mesh.light", "prior.path", "prior.resolution",
               "prior.steps", "refine.camera",
               "refine.prior", "refine.distill", "texture.camera", "texture.prior", "texture.distill",
               "experiment")  # fmt: skip
"""Settings whose default is not null but that null switches off or sets to automatic."""


def key_of(names: Collection[str], path: str) -> str | None:
    """The longest end of a path that is among the names (None: there is none)."""
    parts = path.split(".")
    ends = (".".join(parts[i:]) for i in range(len(parts)))
    return next((end for end in ends if end in names), None)


def of(table: Mapping[str, Entry], path: str) -> Entry | None:
    """The entry for the longest end of a path in a table (None: there is none).

    >>> str(of(RANGES, "refine.camera.elevation"))
    'a number from -90 to 90'
    """
    key = key_of(table, path)
    return None if key is None else table[key]


def out_of_range(got: object, path: str = "") -> Iterator[str]:
    """One line for each value of a configuration that is outside its range: got, expected.

    >>> list(out_of_range({"camera": {"sphere": 5}}))
    ['camera.sphere: got 5, expected a number from 0 to 1']
    """
    if isinstance(got, Mapping):
        if str(got.get("_target_", "")).startswith(SCHEDULE):
            yield from out_of_schedule(got, path)
        else:
            for name, value in got.items():
                if not str(name).startswith("_"):
                    yield from out_of_range(value, f"{path}.{name}" if path else str(name))
    elif isinstance(got, list):
        yield from out_of_list(got, path)
    elif isinstance(got, str):
        choices = of(CHOICES, path)
        if choices and got not in choices:
            other = of(RANGES, path)
            yield f"{path}: got '{got}', expected {' or '.join(choices)}{f', or {other}' if other else ''}"
    elif isinstance(got, int | float) and not isinstance(got, bool):
        yield from out_of_numbers(got, path, of(RANGES, path) or ANYTHING)


def out_of_numbers(got: float | int, path: str, allowed: Range) -> Iterator[str]:
    """One line if the number is outside its range."""
    if got not in allowed:
        yield f"{path}: got {got}, expected {allowed}"


def out_of_list(got: Sequence[object], path: str) -> Iterator[str]:
    """Each item of a list; pairs have two."""
    if not got and key_of(MAY_BE_EMPTY, path) is None:
        yield f"{path}: got an empty list, expected at least one item"
    if key_of(PAIRS, path) and len(got) != 2:
        yield f"{path}: got {got}, expected [low, high]"
    allowed = None if of(CHOICES, path) else of(RANGES, path)
    for item in got:
        if allowed and isinstance(item, str):
            yield f"{path}: got '{item}', expected {allowed}"
        yield from out_of_range(item, path)


def out_of_schedule(got: Mapping[str, object], path: str) -> Iterator[str]:
    """A schedule's values have the range of the setting (a varying one may reach an open end), its steps that of
    steps."""
    allowed = of(RANGES, path) or ANYTHING
    if "value" not in got:
        allowed = replace(allowed, open_low=False)
    for name, value in got.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int | float) and not isinstance(item, bool):
                steps = name in ("steps", "begin", "finish")
                yield from out_of_numbers(item, f"{path}.{name}", STEPS if steps else allowed)
