"""Views that attend to each other, told their cameras, against plain diffusers calls with hooks."""

import pytest
import tiny
import torch

from dream3d.cameras import flatten, turntable
from dream3d.cli.overrides import composed
from dream3d.priors.addons.multiview import told_cameras
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning

MORE = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    torch.manual_seed(0)
    pipeline = tiny.sd(**MORE)
    folder = tiny.saved(pipeline, tmp_path_factory.mktemp("mvdream"))
    return pipeline, folder, load(str(folder), dtype="float32")


def inputs(prior, groups=2):
    torch.manual_seed(1)
    camera = flatten(turntable(4, 0.26, 2.5, 0.7, 8)).repeat(groups, 1)
    cond, null = prior.embed(["a corgi"] * 4 * groups), prior.embed(["blurry"] * 4 * groups)
    t = torch.tensor([100, 800]).repeat_interleave(4)[: 4 * groups]
    return torch.randn(4 * groups, 4, 8, 8), t, Conditioning(cond, null, camera)


def hooked(unet, views):
    """The same network by other means: hooks round every self-attention that fold the views together."""
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            module.register_forward_pre_hook(
                lambda _, args: (args[0].reshape(len(args[0]) // views, -1, args[0].shape[-1]), *args[1:])
            )
            module.register_forward_hook(lambda _, args, out: out.reshape(len(out) * views, -1, out.shape[-1]))
    return unet


def test_eps_is_the_networks_with_views_folded_together(both):
    pipeline, folder, prior = both
    x_t, t, text = inputs(prior)
    got = prior.eps(x_t, t, text)
    unet = hooked(type(pipeline).from_pretrained(folder).unet, 4)
    with torch.no_grad():
        for embedding, eps in ((text.cond, got.cond), (text.null, got.null)):
            expected = unet(x_t, t, embedding, class_labels=told_cameras(text.camera)).sample
            assert (eps - expected).abs().max() <= 1e-5
    alone = pipeline.unet(x_t, t, text.cond, class_labels=told_cameras(text.camera)).sample
    assert (got.cond - alone).abs().max() > 1e-4


def test_views_of_a_group_see_each_other_and_no_other_group(both):
    _, _, prior = both
    x_t, t, text = inputs(prior)
    changed = x_t.clone()
    changed[1] += 1
    difference = (prior.eps(x_t, t, text).cond - prior.eps(changed, t, text).cond).abs().amax(dim=(1, 2, 3))
    assert (difference[:4] > 1e-6).all() and difference[4:].max() < 1e-6


def test_the_camera_counts(both):
    _, _, prior = both
    x_t, t, text = inputs(prior, groups=1)
    turned = Conditioning(text.cond, text.null, text.camera.roll(1, 0))
    assert (prior.eps(x_t, t, text).cond - prior.eps(x_t, t, turned).cond).abs().max() > 1e-6


def test_cameras_are_told_as_in_training():
    """MVDream's get_camera, by hand: z up, on the unit sphere, azimuth 0 before the front at -y."""
    told = told_cameras(flatten(turntable(4, 0.0, 2.5, 0.7, 8))).unflatten(1, (4, 4))
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    assert torch.allclose(told[:, :3, 3], expected, atol=1e-5)
    assert torch.allclose(told[:, :3, 1], torch.tensor([0.0, 0.0, 1.0]).expand(4, 3), atol=1e-5)  # up is +z
    assert torch.allclose(told[:, :3, 2], expected, atol=1e-5)  # it looks down its -z, at the origin
    assert torch.equal(told[:, 3], torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(4, 4))


def test_it_is_told_the_camera_and_needs_no_view_words(both):
    _, _, prior = both
    assert prior.camera_conditioned


def test_views_come_in_fours(both):
    _, _, prior = both
    x_t, t, text = inputs(prior, groups=1)
    cut = Conditioning(text.cond[:3], text.null[:3], text.camera[:3])
    with pytest.raises(ValueError, match="got 6 images at once, expected a multiple of 4"):
        prior.eps(x_t[:3], t[:3], cut)
    with pytest.raises(ValueError, match="got none"):
        prior.eps(x_t, t, Conditioning(text.cond, text.null))


@pytest.mark.parametrize("distill", ["mvdream", "vsd"])
def test_a_run_with_four_views(both, distill):
    from short_runs import shrunk

    from dream3d.optimize import optimize
    from dream3d.run.build import build

    config = shrunk(composed(["prior=folder", f"prior.path={both[1]}", "prompt=a corgi", f"distill={distill}"]))
    config.batch_size = 4
    steps = list(optimize(build(config), 0, 2))
    assert all(torch.isfinite(s.loss) and torch.isfinite(s.grad_norm) and s.grad_norm > 0 for s in steps)
