"""``edit=``: the frozen source beside the live field, and the region in which they may differ."""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from dream3d.cameras import flatten, turntable
from dream3d.editing.carving import carved, disagreement, scaled
from dream3d.editing.cut import changed_part
from dream3d.editing.dataset import DatasetUpdate
from dream3d.editing.region import box, lattice, where_shapes_differ, widened
from dream3d.errors import UserError
from dream3d.fields.edited import FINISHED, Edited, as_field
from dream3d.optimize import Setup, of_source, render_and_encode
from dream3d.run import checkpoint
from dream3d.run.config import Tree
from dream3d.run.construction_errors import restoring
from dream3d.run.initial_field import KnowsShapes, carry, initial_shape
from dream3d.seeding import generator

ELEVATIONS, DISTANCE, FOV_Y = (0.2, 0.8), 3.2, 0.70  # of the views that a region is carved from
BEHIND = 2.0  # lattice steps behind a surface that still belong to it
LEAST = 2e-3  # share of the cube; shapes that differ in less are the same, and the prior's network makes the difference
NOTHING_LEFT = ", which is the source again: nothing changed much; use more steps or edit.cut=false"
NOISE_LEVEL = 0.5  # t / T at which predictions are compared, DiffEdit's


def begin(setup: Setup, settings: DictConfig) -> list[str]:
    """Put the source into every field and mark where it may change, if this is an edit. Returns what to tell the
    user.

    Raises:
        UserError: a source that does not fit, or a region that is empty.
    """
    if setup.source is None:
        return []
    place, said = Path(settings.edit.path), []
    for i, field in enumerate(setup.fields):
        assert isinstance(field, Edited)
        if place.is_dir():
            saved = checkpoint.load(place / "checkpoint.pt")
            with restoring():
                field.live.load_state_dict(own(saved["state"]["fields"][0], place))
        else:
            mesh = initial_shape(str(place), settings.prompt, setup.prior)
            assert mesh is not None
            field.at_step(FINISHED)
            error = carry(as_field(field.live), mesh, generator(setup.seed, i, "init"))
            said.append(f"{place.name}: carried into the field, opacity with an error of {error:.3f}")
        field.begin()
    found, how = region(setup, settings)
    share = float(found.mean())
    if share == 0:
        raise UserError(
            f"edit.where: got {settings.edit.where}, which leaves nothing to change ({how}); use edit.where=all"
        )
    for field in setup.fields:
        assert isinstance(field, Edited)
        field.restrict(found.to(setup.device))
    start_dataset(setup)
    return [*said, f'editing "{settings.source}" in {share:.1%} of the volume ({how})']


@torch.no_grad()
def end(setup: Setup, settings: DictConfig) -> list[str]:
    """With ``edit.cut``, the region becomes what a graph cut gives to the edit; the source is back elsewhere.
    Returns what to tell the user."""
    if setup.source is None or not settings.edit.get("cut"):
        return []
    said = []
    for field in setup.fields:
        assert isinstance(field, Edited)
        allowed = field.region.view((field.vertices,) * 3) > 0
        found = changed_part(as_field(field.live), as_field(field.source), allowed, settings.edit.cut_smooth)
        field.restrict(found.float())
        share = float(found.float().mean())
        said.append(f"graph cut: the edit keeps {share:.1%} of the volume{'' if share else NOTHING_LEFT}")
    return said


@torch.no_grad()
def start_dataset(setup: Setup) -> None:
    """The source's pictures, for an edit by iterative dataset update."""
    data, source = setup.references.get("dataset"), setup.source
    if not isinstance(data, DatasetUpdate) or source is None:
        return
    renderer, field = source.renderers[0], source.fields[0]
    renderer.update(field, 0, generator(setup.seed, 0, "occupancy"))
    data.start(lambda camera: renderer(field, camera.to(setup.device)).image)


def own(state: Tree, place: Path) -> Tree:
    """The state of a run's field; of an edit that may change everything, that of its live field."""
    if "region" not in state:
        return state
    if not bool(state["_extra_state"]):
        raise UserError(
            f"edit: {place} is an edit of a part, which is two fields in one; use edit={place}/mesh.glb source=..."
        )
    return {key.removeprefix("live."): value for key, value in state.items() if key.startswith("live.")}


def region(setup: Setup, settings: DictConfig) -> tuple[Float[Tensor, "z y x"], str]:
    """m at the lattice's vertices, on the CPU, and how it was found."""
    edit = settings.edit
    if edit.where == "all":
        return torch.ones(edit.vertices, edit.vertices, edit.vertices), "all of it"
    if edit.where != "auto":
        return box(list(edit.where), edit.vertices), "the box that was given"
    shapes = [setup.prior.shape_of(p) if isinstance(setup.prior, KnowsShapes) else None
              for p in (settings.source, settings.prompt)]  # fmt: skip
    if Path(edit.path).is_dir() and shapes[0] is not None and shapes[1] is not None:
        found = where_shapes_differ(shapes[0], shapes[1], edit.vertices)
        if float(found.mean()) > LEAST:
            return widened(found, edit.margin), "where the prior's shapes differ"
    return widened(where_predictions_differ(setup, settings), edit.margin), "where the noise predictions differ"


@torch.no_grad()
def where_predictions_differ(setup: Setup, settings: DictConfig) -> Float[Tensor, "z y x"]:
    """Pictures of where the prompts disagree, carved into the lattice by what each view sees of the source."""
    edit, source = settings.edit, setup.source
    assert source is not None
    draw = partial(generator, setup.seed, 0)
    source.renderers[0].update(source.fields[0], 0, draw("occupancy"))
    maps, depths, cameras = [], [], []
    rings = [turntable(-(-edit.views // len(ELEVATIONS)), e, DISTANCE, FOV_Y, setup.size) for e in ELEVATIONS]
    views = [(ring, i) for ring in rings for i in range(len(ring))][: edit.views]
    for number, (ring, i) in enumerate(views):
        camera = ring[i : i + 1]
        _, render, x, before = render_and_encode(of_source(setup, source), 0, camera, draw, 0, 1)
        t = torch.full((1,), int(NOISE_LEVEL * len(setup.prior.alpha_bar)), device=setup.device)
        noises = torch.randn(edit.draws, *x.shape, generator=generator(setup.seed, number, "region")).to(x)
        maps.append(disagreement(setup.prior, x, t, noises, setup.text(camera), before).cpu())
        alpha = render.image.alpha[..., 0].cpu()
        depth = render.depth[..., 0].cpu() / alpha.clamp(min=1e-6)
        depths.append(torch.where(alpha > 0.5, depth, torch.inf))
        cameras.append(flatten(camera))
    points = lattice(edit.vertices).reshape(-1, 3)
    slack = BEHIND * 2 / (edit.vertices - 1)
    found = carved(points, scaled(torch.cat(maps)), torch.cat(depths), torch.cat(cameras), edit.threshold, slack)
    return found.view(edit.vertices, edit.vertices, edit.vertices)
