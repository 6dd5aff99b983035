"""InstructPix2Pix: what its network is shown, beside diffusers' own pipeline; and the gradient of an edit."""

from dataclasses import replace

import pytest
import tiny
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from hydra.utils import instantiate
from scenes import sphere
from short_runs import shrunk
from trimesh import Trimesh

from dream3d.cli.overrides import composed
from dream3d.contracts import sees_source
from dream3d.distill.ip2p import guided_by_both
from dream3d.errors import UserError
from dream3d.optimize import of_source, optimize, render_and_encode
from dream3d.priors.pipeline import load
from dream3d.run.build import build
from dream3d.seeding import generator
from dream3d.types import Conditioning


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(in_channels=8), tmp_path_factory.mktemp("ip2p"))


@pytest.fixture(scope="module")
def words(folder, tmp_path_factory):
    mesh, file = sphere(), tmp_path_factory.mktemp("ball") / "ball.ply"
    Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=(mesh.colours * 255).byte().numpy()).export(file)
    prior = ["prior=ip2p", f"prior.path={folder}", "prior.resolution=16", "distill=ip2p", "field=voxel"]
    return [*prior, "prompt=a red corgi", f"edit={file}", "source=a corgi", "edit.vertices=4", "background=solid"]


def inputs(prior):
    g = torch.Generator().manual_seed(0)
    x, picture = torch.randn(2, 4, 8, 8, generator=g), torch.rand(2, 3, 16, 16, generator=g)
    embedded = prior.embed(["a red corgi", ""])
    text = Conditioning(embedded[:1].expand(2, -1, -1), embedded[1:].expand(2, -1, -1), control=picture)
    return x, torch.tensor([400, 90]), text


def test_the_picture_is_four_more_channels_as_diffusers_shows_it(folder) -> None:
    prior, theirs = load(str(folder), dtype="float32", resolution=16), tiny.sd(in_channels=8)
    parts = {k: v for k, v in theirs.components.items() if k != "image_encoder"}
    pipeline = StableDiffusionInstructPix2PixPipeline(
        **{**parts, "vae": prior.space.vae, "unet": prior.unet}, requires_safety_checker=False
    )
    x, t, text = inputs(prior)
    shown = pipeline.prepare_image_latents(2 * text.control - 1, 2, 1, torch.float32, "cpu", False)
    got = prior.eps(x, t, text)
    want = prior.unet(torch.cat((x, shown), 1), t, text.cond).sample
    torch.testing.assert_close(got.cond, want)
    bare = prior.eps(x, t, replace(text, control=None))
    torch.testing.assert_close(bare.null, prior.unet(torch.cat((x, torch.zeros_like(x)), 1), t, text.null).sample)


def test_three_predictions_are_combined_as_diffusers_does(folder) -> None:
    """diffusers' order: text and image, image, none."""
    prior = load(str(folder), dtype="float32", resolution=16)
    x, t, text = inputs(prior)
    shown = prior.space.shown(text.control)
    rows = torch.cat((torch.cat((x, shown), 1), torch.cat((x, shown), 1), torch.cat((x, torch.zeros_like(x)), 1)))
    out = prior.unet(rows, t.repeat(3), torch.cat((text.cond, text.null, text.null))).sample
    both, image, none = out.chunk(3)
    want = none + 7.5 * (both - image) + 1.5 * (image - none)
    torch.testing.assert_close(guided_by_both(prior, x, t, text, 7.5, 1.5), want, rtol=1e-4, atol=1e-4)


def test_an_edit_shows_it_the_source_and_not_the_render(words) -> None:
    setup = build(shrunk(composed(words)))
    assert sees_source(setup.prior) and setup.source is not None
    seen = []
    loss = setup.loss

    def noted(prior, x, t, noise, text):
        seen.append(text.control)
        return loss(prior, x, t, noise, text)

    (step,) = optimize(replace(setup, loss=noted), 0, 1)
    assert float(step.grad_norm) > 0
    draw = lambda stream: generator(setup.seed, 0, stream)  # noqa: E731
    views = instantiate(composed(words).camera).sample(setup.batch_size, setup.size, draw("camera"))
    _, _, _, text = render_and_encode(of_source(setup, setup.source), 0, views, draw, 0, 1)
    torch.testing.assert_close(seen[0], text.control)


def test_without_something_to_edit_it_is_refused(folder) -> None:
    with pytest.raises(UserError, match="prior: got an image-editing model, but nothing to edit; pass edit="):
        build(shrunk(composed(["prior=folder", f"prior.path={folder}", "prior.resolution=16", "prompt=a corgi"])))
