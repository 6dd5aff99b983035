"""Zero-1-to-3 against plain calls of diffusers' classes, in both packagings; the azimuth's sign; errors in one line."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from diffusers import DDIMScheduler
from pictures import rgba, saved
from safetensors.torch import save_file
from short_runs import shrunk, sound
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from dream3d.cameras import flatten, orbit
from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.optimize import optimize
from dream3d.priors.zero123 import CLIP_MEAN, CLIP_STD, load
from dream3d.run.build import build
from dream3d.types import Conditioning, Image

CONTEXT, EMBEDDING = 8, 6


def folder_of(place: Path, projection: str = "cc_projection") -> Path:
    """A tiny random Zero-1-to-3; ``projection`` is the folder and so the packaging."""
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8,
        projection_dim=EMBEDDING,
    )  # fmt: skip
    tiny.unet(4, CONTEXT, in_channels=8, out_channels=4).save_pretrained(place / "unet")
    tiny.vae(4).save_pretrained(place / "vae")
    CLIPVisionModelWithProjection(config).save_pretrained(place / "image_encoder")
    DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False).save_pretrained(place / "scheduler")
    linear = torch.nn.Linear(EMBEDDING + 4, CONTEXT)
    (place / projection).mkdir()
    if projection == "cc_projection":
        state = {f"projection.{name}": value.detach() for name, value in linear.state_dict().items()}
        save_file(state, place / projection / "diffusion_pytorch_model.safetensors")
    else:
        state = {f"proj.{name}": value.detach() for name, value in linear.state_dict().items()}
        torch.save(state, place / projection / "diffusion_pytorch_model.bin")
    index = {
        "_class_name": "Zero123Pipeline", "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "scheduler": ["diffusers", "DDIMScheduler"], projection: ["pipeline_zero123", "Projection"],
    }  # fmt: skip
    (place / "model_index.json").write_text(str(index).replace("'", '"'))
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return folder_of(tmp_path_factory.mktemp("zero123"))


def camera(azimuth: float, elevation: float, distance: float = 3.0):
    return orbit(*(torch.tensor([v]) for v in (math.radians(azimuth), math.radians(elevation), distance, 0.7)), 16)


def picture() -> Image:
    pixels = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    alpha = torch.ones(1, 16, 16, 1)
    alpha[:, :3] = 0
    return Image(pixels * alpha, alpha)


def by_hand(folder: Path, x_t, t, turns, shown: Image, scale: float):
    """Guided noise by plain calls, written from the paper: pose in radians, null after the projection."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet, vae = (c.from_pretrained(folder / n) for c, n in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")))
    clip = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder")
    pixels = 2 * (shown.colour + 1 - shown.alpha).permute(0, 3, 1, 2) - 1
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    from safetensors.torch import load_file

    state = load_file(folder / "cc_projection" / "diffusion_pytorch_model.safetensors")
    with torch.no_grad():
        embedding = clip(((pixels + 1) / 2 - mean) / std).image_embeds  # 16 pixels: nothing to resize
        latent = vae.encode(pixels).latent_dist.mode()
        given = torch.cat((embedding, torch.tensor([turns])), dim=1)
        token = (given @ state["projection.weight"].T + state["projection.bias"])[:, None]
        cond = unet(torch.cat((x_t, latent), dim=1), t, token).sample
        null = unet(torch.cat((x_t, 0 * latent), dim=1), t, 0 * token).sample
    return null + scale * (cond - null)


@pytest.mark.parametrize("stable", [False, True])
def test_its_noise_is_that_of_plain_calls(folder, stable):
    reference, view = camera(20.0, 10.0, 3.0), camera(80.0, 40.0, 3.5)
    prior = load(str(folder), dtype="float32", stable=stable).show(picture(), reference)
    x_t, t = torch.randn(1, 4, 8, 8), torch.tensor([400])
    marks = prior.embed(["a cat", ""])
    found = prior.eps(x_t, t, Conditioning(marks[:1], marks[1:], flatten(view)))
    polar = math.radians(-30)  # 50 degrees from the pole, where the picture was taken from 80
    last = math.radians(80) if stable else 0.5
    wanted = by_hand(folder, x_t, t, [polar, math.sin(math.pi / 3), math.cos(math.pi / 3), last], picture(), 3.0)
    assert torch.allclose(found.null + 3 * (found.cond - found.null), wanted, atol=1e-4)


def test_the_azimuth_grows_counter_clockwise_seen_from_above(folder):
    """Of two cameras the one that is 90 degrees further round +y, right-handed (from +z to +x), has sin > 0."""
    prior = load(str(folder), dtype="float32").show(picture(), camera(0.0, 0.0))
    assert torch.allclose(prior.pose(flatten(camera(90.0, 0.0))), torch.tensor([[0.0, 1.0, 0.0, 0.0]]), atol=1e-5)
    z, x = (camera(a, 0.0).c2w[0, :3, 3] for a in (0.0, 90.0))
    assert torch.linalg.cross(z, x)[1] > 0, "counter-clockwise seen from +y"
    assert prior.pose(flatten(camera(0.0, 30.0)))[0, 0] < 0, "up is towards the pole"


def test_both_packagings_are_the_same(folder, tmp_path):
    other = load(str(folder_of(tmp_path / "other", "clip_camera_projection")), dtype="float32")
    mine = load(str(folder), dtype="float32")
    assert torch.equal(other.projection.weight, mine.projection.weight)
    assert torch.equal(other.projection.bias, mine.projection.bias)


def test_the_null_condition_runs_once_where_it_is_the_condition(folder):
    prior = load(str(folder), dtype="float32").show(picture(), camera(0.0, 0.0))
    one = torch.ones(1, 1)
    same = prior.eps(torch.randn(1, 4, 8, 8), torch.tensor([9]), Conditioning(one, one, flatten(camera(0.0, 0.0))))
    assert torch.equal(same.cond, same.null)


@pytest.mark.parametrize("experiment", ["zero123", "stable_zero123"])
def test_two_steps_of_the_presets(experiment, folder, tmp_path):
    words = [f"experiment={experiment}", f"prior.path={folder}", f"image={saved(rgba(), tmp_path, 'cat.png')}"]
    config = shrunk(composed(words))
    setup = build(config)
    assert config.prompt == "cat", "it needs no words: named after the file"
    steps = list(optimize(setup, 0, 2))
    assert sound(steps) and {"image_rgb", "image_mask"} <= steps[0].losses.keys()
    assert float(setup.camera.sample(1, 8, torch.Generator()).distance) == pytest.approx(
        float(setup.references["image"].camera(0, 8).distance), rel=1e-4
    ), "cameras are as far away as the picture's"


def test_beside_another_prior(folder, tmp_path):
    """As Magic123 has it: words by Stable Diffusion, the picture by Zero-1-to-3."""
    sd = tiny.saved(tiny.sd(), tmp_path / "sd")
    words = ["prompt=a cat", "prior=folder", f"prior.path={sd}", f"image={saved(rgba(), tmp_path, 'cat.png')}"]
    config = shrunk(composed([*words, f"guidance=[{{prior: zero123, path: {folder}, loss: sds, weight: 40}}]"]))
    step = next(optimize(build(config), 0, 1))
    assert {"zero123_grad_norm", "distill_grad_norm", "image_grad_norm"} <= step.losses.keys()


def test_what_is_missing_is_said_in_one_line(folder, tmp_path):
    with pytest.raises(UserError, match=r"this prior needs one; pass image=cat.png"):
        build(composed(["prior=zero123", f"prior.path={folder}", "prompt=a cat"]))
    prior = load(str(folder), dtype="float32")
    with pytest.raises(UserError, match="got no image"):
        _ = prior.seen
    bare = folder_of(tmp_path / "bare")
    (bare / "cc_projection").rename(bare / "projection")
    with pytest.raises(UserError, match="has neither cc_projection/ nor"):
        load(str(bare))
    (bare / "projection").rename(bare / "cc_projection")
    save_file({"projection.weight": torch.zeros(3, 3)}, bare / "cc_projection/diffusion_pytorch_model.safetensors")
    with pytest.raises(UserError, match="expected a linear map 10 -> 8"):
        load(str(bare))
    wrong = replace(prior.space, size=16)
    assert wrong.size == 16
    tiny.unet(4, CONTEXT).save_pretrained(bare / "unet")
    save_file({"w.weight": torch.zeros(8, 10), "w.bias": torch.zeros(8)},
              bare / "cc_projection/diffusion_pytorch_model.safetensors")  # fmt: skip
    with pytest.raises(UserError, match="4 input channels, expected 8"):
        load(str(bare))
