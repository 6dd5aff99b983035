"""ControlNet: the same as diffusers' pipeline step; pictures of known scenes."""

import pytest
import tiny
import torch
from diffusers import ControlNetModel

from dream3d.cameras import pixel_rays, turntable
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.priors.addons.controlnet import depth_picture, normal_picture
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning, Image, Render

MAKERS = {"sd": tiny.sd, "sdxl": tiny.sdxl}


def controlnet(unet, folder):
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8))
    for parameter in net.parameters():
        if not parameter.detach().abs().sum():  # zero convolutions would hide everything
            torch.nn.init.normal_(parameter, std=0.3)
    net.save_pretrained(folder)
    return net


@pytest.fixture(scope="module", params=MAKERS)
def both(request, tmp_path_factory):
    """(the reference pipeline, its ControlNet, their folders)."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp(request.param)
    pipeline = MAKERS[request.param]()
    tiny.saved(pipeline, place / "folder")
    return pipeline, controlnet(pipeline.unet, place / "control"), place


def loaded(place, **more):
    return load(str(place / "folder"), dtype="float32", control=str(place / "control"), **more)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_eps_is_diffusers_controlnet_and_unet_call(both, scale):
    pipeline, net, place = both
    prior = loaded(place, control_scale=scale)
    x_t, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 800])
    picture = torch.rand(2, 3, 16, 16)
    cond, null = prior.embed(["a corgi", "a dog"]), prior.embed(["blurry", "side"])
    got = prior.eps(x_t, t, Conditioning(cond, null, control=picture))
    out = [pipeline.encode_prompt(prompts, "cpu", 1, False) if "XL" not in type(pipeline).__name__ else
           pipeline.encode_prompt(prompts, device="cpu", do_classifier_free_guidance=False)
           for prompts in (["a corgi", "a dog"], ["blurry", "side"])]  # fmt: skip
    for encoded, eps in zip(out, (got.cond, got.null), strict=True):
        more = {}
        if len(encoded) == 4:
            ids = torch.tensor([[16.0, 16, 0, 0, 16, 16]]).expand(2, 6)
            more = {"added_cond_kwargs": {"text_embeds": encoded[2], "time_ids": ids}}
        with torch.no_grad():
            down, middle = net(
                x_t, t, encoded[0], picture, conditioning_scale=scale, return_dict=False, **more
            )  # fmt: skip
            expected = pipeline.unet(
                x_t, t, encoded[0], down_block_additional_residuals=down,
                mid_block_additional_residual=middle, **more,
            ).sample  # fmt: skip
        assert (eps - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())
    without = prior.eps(x_t, t, Conditioning(cond, null))
    assert (without.cond - got.cond).abs().max() > 1e-3


def ball_render(azimuth_views=4, size=24):
    """A ball of radius 0.5 at the origin, by hand: distances, normals, alpha."""
    camera = turntable(azimuth_views, 0.3, 3.0, 0.7, size)
    rays = pixel_rays(camera)
    along = -(rays.origin * rays.direction).sum(-1, keepdim=True)
    off = rays.origin.square().sum(-1, keepdim=True) - along.square()
    hit = (off < 0.25).float()
    distance = along - (0.25 - off).clamp(min=0).sqrt()
    normal = (rays.origin + distance * rays.direction) / 0.5
    image = Image(hit.expand(*hit.shape[:3], 3), hit)
    return Render(image, distance * hit, normal * hit, rays=rays), camera


def test_depth_is_inverse_z_from_near_white_to_far():
    render, camera = ball_render()
    picture = depth_picture(render, camera)
    assert picture.shape == (4, 3, 24, 24) and picture.min() == 0 and picture.max() <= 1
    assert (picture.amax(dim=(1, 2, 3)) > 0.999).all()
    middle = picture[:, 0, 11:13, 11:13].mean(dim=(1, 2))
    assert (middle > 0.95).all()  # the nearest part of a ball is its middle
    seen = render.image.alpha[0, ..., 0] > 0
    z = render.depth[0, ..., 0] * (render.rays.direction[0] * -camera.c2w[0, :3, 2]).sum(-1)
    inverse = 1 / z[seen]
    expected = (inverse - inverse.min()) / (inverse.max() - inverse.min())
    assert torch.allclose(picture[0, 0][seen], expected, atol=1e-4)
    assert not picture[0, 0][~seen].any()


def test_a_plane_across_the_camera_is_one_grey_not_a_bowl():
    camera = turntable(1, 0.0, 3.0, 0.9, 16)
    rays = pixel_rays(camera)
    distance = 2.0 / (rays.direction * -camera.c2w[:, None, None, :3, 2]).sum(-1, keepdim=True)
    ones = torch.ones(1, 16, 16, 1)
    distance[:, :8] *= 1.5  # its upper half farther away
    picture = depth_picture(Render(Image(ones.expand(1, 16, 16, 3), ones), distance, rays=rays), camera)
    assert picture[0, 0, 8:].min() > 0.999 and picture[0, 0, :8].max() < 1e-3


def test_nothing_in_view_is_black():
    render, camera = ball_render()
    empty = Image(torch.zeros_like(render.image.colour), torch.zeros_like(render.image.alpha))
    assert not depth_picture(Render(empty, render.depth * 0, rays=render.rays), camera).any()


def test_normals_are_the_cameras_own():
    render, camera = ball_render()
    picture = normal_picture(render, camera)
    centre = picture[:, :, 11:13, 11:13].mean(dim=(2, 3))
    expected = torch.tensor([0.5, 0.5, 1.0]).expand(4, 3)
    assert torch.allclose(centre, expected, atol=0.02)  # towards every camera
    left, right, top = picture[0, :, 12, 7], picture[0, :, 12, 16], picture[0, :, 7, 12]
    assert left[0] > 0.7 and right[0] < 0.3 and top[1] > 0.7
    assert torch.allclose(picture[0], picture[2], atol=1e-4)  # a ball is the same from every side
    assert not picture[:, :, 0, 0].any()
    with pytest.raises(ValueError, match=r"shading\.normals=analytic"):
        normal_picture(Render(render.image, render.depth, rays=render.rays), camera)


def test_pictures_have_the_priors_size(both):
    render, camera = ball_render()
    assert loaded(both[2]).condition(render, camera).shape == (4, 3, 16, 16)
    plain = load(str(both[2] / "folder"), dtype="float32")
    assert plain.condition(render, camera) is None


def test_a_run_shows_it_the_render(both, monkeypatch):
    from short_runs import sound, two_steps

    place, seen = both[2], []
    original = ControlNetModel.forward
    monkeypatch.setattr(
        ControlNetModel,
        "forward",
        lambda self, x, t, h, picture, **more: seen.append(picture) or original(self, x, t, h, picture, **more),
    )
    words = ["prior=folder", f"prior.path={place / 'folder'}", f"prior.control={place / 'control'}"]
    for kind, normals in (("depth", "none"), ("normal", "analytic")):
        more = [
            f"prior.control_kind={kind}",
            f"shading.normals={normals}",
            "prompt=a corgi",
            "regularize=none",
            "distill.loss.scale=7.5",  # at 1 the null prompt is not run
        ]
        assert sound(two_steps(composed([*words, *more])))
    assert len(seen) == 4 and all(p.shape == (4, 3, 16, 16) for p in seen)
    assert all(p.std() > 0 and 0 <= p.min() and p.max() <= 1 for p in seen)
    with pytest.raises(ValueError, match=r"shading\.normals=analytic"):
        two_steps(composed([*words, "prior.control_kind=normal", "shading.normals=none", "prompt=a corgi",
                            "regularize=none"]))  # fmt: skip


def test_mistakes_are_said(both, tmp_path):
    place = both[2]
    with pytest.raises(UserError, match=r"control_kind: got 'canny', expected depth or normal"):
        loaded(place, control_kind="canny")
    with pytest.raises(UserError, match=r"prior.control: got 'nowhere', expected a ControlNet's folder"):
        load(str(place / "folder"), control="nowhere")
    other = tiny.unet(4, 12)
    controlnet(other, tmp_path / "other")
    with pytest.raises(UserError, match=r"cross_attention_dim 12, expected"):
        load(str(place / "folder"), control=str(tmp_path / "other"))
    torch.manual_seed(0)
    flux = tiny.saved(tiny.flux(), tmp_path / "flux")
    with pytest.raises(UserError, match=r"got a FluxTransformer2DModel prior"):
        load(str(flux), control=str(place / "control"), resolution=16)
