"""A run with a field of latents: previews, mesh, refinement in RGB, export; and what the decoder shows."""

import pytest
import tiny
import torch
import trimesh
from PIL import Image as Pillow
from short_runs import shrunk

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.fields.latents import latents_of
from dream3d.run import previews, stages
from dream3d.run.build import build
from dream3d.types import Image

LATENT = ["field=voxel", "field.size=8", "field.colour_channels=4", "background.channels=4"]


@pytest.fixture(scope="module")
def sd(tmp_path_factory):
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(), tmp_path_factory.mktemp("sd"))


def words(sd, *more):
    return ["prior=folder", f"prior.path={sd}", "prior.dtype=float32", "prompt=a corgi", *more]


@pytest.fixture(scope="module")
def setup(sd):
    return build(shrunk(composed(words(sd, *LATENT))))


def test_sides_are_rgb_and_the_field_stays_as_it_was(setup):
    image = previews.sides(setup, size=8)
    assert image.colour.shape == (8, 8, 8, 3) and not latents_of(setup.fields[0])[0].rgb
    raw = previews.rendered(setup, previews.around(setup, 8))
    matrix = latents_of(setup.fields[0])[0].to_rgb.detach()
    assert torch.allclose(image.colour, raw.colour @ matrix[:-1] + raw.alpha * matrix[-1], atol=1e-4)
    assert torch.equal(previews.shown(setup, image), image.over(torch.ones(1, 1, 1, 3)))


def test_decoded_views_are_the_decoders_of_latents_over_white(setup):
    got = previews.decoded(setup, size=8)
    assert got.shape == (8, 16, 16, 3)
    image = previews.rendered(setup, previews.around(setup, 8))
    white = Image(torch.ones(1, 16, 16, 3), torch.ones(1, 16, 16, 1))
    behind = setup.prior.encode(white, torch.zeros(1, 1, 1, 3)).mean(dim=(2, 3)).view(1, 1, 1, 4)
    with torch.no_grad():
        expected = setup.prior.decode((image.colour + (1 - image.alpha) * behind).permute(0, 3, 1, 2))
    assert torch.allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("refine", ["none", "tets"])
def test_a_run_of_latents_ends_in_a_coloured_mesh(sd, refine, tmp_path):
    from dream3d.cli.export import export

    field = ["field.resolutions=[8]", "field.decoder.colour_channels=4", "background.channels=4"]
    more = ["steps=3", "batch_size=1", "size=16", "render.samples=32", "render.occupancy=16", "mesh.resolution=24",
            f"refine={refine}", "mesh.size=64", "mesh.faces=300", "mesh.formats=[glb]", "turntable=0",
            "threads=1", f"out={tmp_path / 'run'}"]  # fmt: skip
    if refine == "tets":
        more += ["refine.steps=2", "refine.size=8", "refine.batch_size=1", "refine.field.resolution=8",
                 "refine.field.levels=[4]", "refine.render.supersample=1"]  # fmt: skip
    run = stages.run(composed(words(sd, *field, *more)), [])
    assert len(set(Pillow.open(run / "preview.png").convert("RGB").getdata())) > 2
    scene = trimesh.load(run / "mesh.glb", force="mesh")
    texture = scene.visual.material.baseColorTexture
    assert texture.mode in ("RGB", "RGBA") and len(scene.faces) > 20
    (again, *_) = export([f"run={run}", "format=glb", f"out={tmp_path / 'again'}"])
    assert len(trimesh.load(again, force="mesh").faces) > 20


def test_mismatches_are_said(sd, tmp_path):
    with pytest.raises(UserError, match=r"got 5 colour channels \(latents\), but .* latents of 4 channels"):
        build(shrunk(composed(words(sd, "field=voxel", "field.colour_channels=5"))))
    with pytest.raises(UserError, match=r"background: got 3 channels, expected the field's 4"):
        build(shrunk(composed(words(sd, *LATENT[:3]))))
    torch.manual_seed(0)
    pixels = tiny.saved(tiny.mini(), tmp_path)
    with pytest.raises(UserError, match=r"this prior works on pixels, so 3"):
        build(shrunk(composed(words(pixels, *LATENT))))
