"""Loading: spaces and their encodings, dtypes, refusal of what is not a text-to-image folder."""

import json
from dataclasses import replace

import pytest
import tiny
import torch
from short_runs import shrunk

from dream3d.cli.overrides import composed
from dream3d.errors import UserError
from dream3d.optimize import optimize
from dream3d.priors import spaces
from dream3d.priors.loading.dtypes import chosen_dtype
from dream3d.priors.pipeline import load
from dream3d.run.build import build
from dream3d.types import Conditioning, Distilled, Image, ScoreModel

BLACK = torch.zeros(1, 1, 1, 3)


@pytest.fixture(scope="module")
def sd_folder(tmp_path_factory):
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(), tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def mini_folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tiny.saved(tiny.mini(), tmp_path_factory.mktemp("mini"))
    (folder / "concepts.json").write_text(json.dumps({"corgi": ["dog"], "fire truck": []}))
    return folder


def picture(size, channels=3):
    torch.manual_seed(3)
    alpha = torch.rand(2, size, size, 1)
    return Image(alpha * torch.rand(2, size, size, channels), alpha)


def edited(folder, target, **changes):
    """A copy of a folder whose model_index.json differs."""
    import shutil

    shutil.copytree(folder, target, dirs_exist_ok=True)
    index = json.loads((target / "model_index.json").read_text())
    (target / "model_index.json").write_text(json.dumps({**index, **changes}))
    return target


def test_it_is_a_score_model(sd_folder):
    assert isinstance(load(str(sd_folder)), ScoreModel)


def test_rgba_is_premultiplied_and_centred(mini_folder):
    prior = load(str(mini_folder), dtype="float32")
    image = picture(64)
    expected = torch.cat((image.colour, image.alpha), -1).permute(0, 3, 1, 2) * 2 - 1
    x = prior.encode(image, torch.rand(1, 1, 1, 3))
    assert torch.equal(x, expected)
    assert torch.allclose(prior.decode(x)[..., :3], image.colour, atol=1e-6)


def test_larger_frames_are_averaged_smaller_ones_interpolated():
    pixels = picture(12).colour.permute(0, 3, 1, 2)
    mean = pixels.unflatten(-1, (4, 3)).mean(-1).unflatten(-2, (4, 3)).mean(-2)
    assert torch.allclose(spaces.resized(pixels, 4), mean, atol=1e-6)
    assert spaces.resized(pixels, 12) is pixels
    ramp = torch.linspace(0, 1, 8).expand(1, 1, 8, 8)
    assert torch.allclose(spaces.resized(ramp, 16)[..., 1:-1].diff(), torch.full((1, 1, 16, 13), 1 / 14), atol=1e-6)


def test_latents_are_the_vaes_mean_over_the_background(sd_folder):
    prior, pipeline = load(str(sd_folder), dtype="float32"), tiny.sd().from_pretrained(sd_folder)
    image, background = picture(16), torch.rand(1, 1, 1, 3)
    with torch.no_grad():
        rgb = image.colour + (1 - image.alpha) * background
        posterior = pipeline.vae.encode(rgb.permute(0, 3, 1, 2) * 2 - 1).latent_dist
        x = prior.encode(image, background)
        assert torch.allclose(x, pipeline.vae.config.scaling_factor * posterior.mean, atol=1e-5)
        decoded = pipeline.vae.decode(x / pipeline.vae.config.scaling_factor).sample / 2 + 0.5
        assert torch.allclose(prior.decode(x), decoded.permute(0, 2, 3, 1), atol=1e-5)


def test_shift_of_the_vae_is_taken_off(tmp_path):
    torch.manual_seed(0)
    prior = load(str(tiny.saved(tiny.sd3(False), tmp_path)), dtype="float32")
    with torch.no_grad():
        x = prior.encode(picture(16), BLACK)
        mean = prior.space.vae.encode(2 * picture(16).colour.permute(0, 3, 1, 2) - 1).latent_dist.mean
    assert torch.allclose(x, 1.5 * (mean - 0.06), atol=1e-5)


def test_posterior_samples_have_its_mean_and_spread(sd_folder):
    prior = load(str(sd_folder), dtype="float32", posterior="sample")
    image = picture(16)
    with torch.no_grad():
        posterior = prior.space.vae.encode(2 * image.colour.permute(0, 3, 1, 2) - 1).latent_dist
        draws = torch.stack(
            [prior.encode(image, BLACK, torch.Generator().manual_seed(i)) / prior.space.scale for i in range(200)]
        )
        again = prior.encode(image, BLACK, torch.Generator().manual_seed(0)) / prior.space.scale
    assert torch.equal(draws[0], again)
    score = (draws.mean(0) - posterior.mean) / posterior.std * 200**0.5
    assert score.abs().max() < 5 and abs(float((draws.std(0) / posterior.std).mean()) - 1) < 0.02
    with pytest.raises(ValueError, match="got no generator"):
        prior.encode(image, BLACK)


def test_a_run_samples_the_posterior_from_a_stream_of_its_own(sd_folder):
    """``posterior=sample`` runs; every step draws anew, and other streams draw what they did."""
    words = ["prior=folder", f"prior.path={sd_folder}", "prompt=a corgi", "prior.dtype=float32"]
    seen = {}
    for posterior in ("mean", "sample", "sample"):
        setup = build(shrunk(composed([*words, f"prior.posterior={posterior}"])))
        given = seen.setdefault(posterior, [])

        def loss(prior, x, t, noise, text, *, given=given):
            given.append((x.detach(), t, noise))
            return Distilled(x.square().sum(), torch.zeros_like(x))

        list(optimize(replace(setup, loss=loss), 0, 2))
    (x, t, noise), (sampled, *same), (_, *_), (again, *_) = seen["mean"][0], *seen["sample"][:3]
    assert torch.equal(sampled, again) and (sampled - x).std() > 0.01 * x.std()
    assert torch.equal(t, same[0]) and torch.equal(noise, same[1])


def test_latent_colours_skip_the_vae(sd_folder):
    prior = load(str(sd_folder), dtype="float32")
    image, background = picture(8, channels=4), torch.randn(1, 1, 1, 4)
    assert torch.equal(prior.encode(image, background), image.over(background).permute(0, 3, 1, 2))


def test_other_resolutions(sd_folder):
    prior = load(str(sd_folder), dtype="float32", resolution=32)
    assert prior.resolution == 32 and prior.encode(picture(16), BLACK).shape == (2, 4, 16, 16)
    with pytest.raises(UserError, match="got 30, expected a multiple of 4"):
        load(str(sd_folder), resolution=30)


def test_half_precision_stays_close_and_returns_float32(mini_folder):
    full, half = (load(str(mini_folder), dtype=kind) for kind in ("float32", "bfloat16"))
    torch.manual_seed(0)
    x_t, t, camera = torch.randn(2, 4, 64, 64), torch.tensor([100, 800]), torch.randn(2, 17)
    text = Conditioning(full.embed(["a corgi"] * 2), full.embed([""] * 2), camera)
    a, b = full.eps(x_t, t, text).cond, half.eps(x_t, t, text).cond
    assert half.unet.dtype == torch.bfloat16 and b.dtype == torch.float32
    assert 0 < (a - b).norm() / a.norm() < 0.03


def test_auto_dtype(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert chosen_dtype("auto", torch.device("cpu")) == torch.float32
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert chosen_dtype("auto", torch.device("cpu")) == torch.bfloat16
    assert chosen_dtype("auto", torch.device("cuda")) == torch.float16
    with pytest.raises(UserError, match="got 'half', expected auto"):
        chosen_dtype("half", torch.device("cpu"))


def test_sdxl_vae_stays_in_float32(tmp_path):
    torch.manual_seed(0)
    folder = tiny.saved(tiny.sdxl(), tmp_path)
    assert load(str(folder), dtype="bfloat16").space.vae.dtype == torch.float32
    assert load(str(folder), dtype="bfloat16", vae_dtype="bfloat16").space.vae.dtype == torch.bfloat16


def test_safety_checker_is_not_loaded(sd_folder, tmp_path):
    folder = edited(sd_folder, tmp_path, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    assert load(str(folder)).resolution == 16


def test_foreign_code_is_refused(sd_folder, tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "evil.py").write_text("raise SystemExit('ran')")
    folder = edited(sd_folder, tmp_path, unet=["evil", "Net"])
    with pytest.raises(UserError, match=r"unet: got class evil.Net, expected one of diffusers"):
        load(str(folder))


def test_inpainting_models_are_refused(tmp_path):
    torch.manual_seed(0)
    folder = tiny.saved(tiny.sd(in_channels=9), tmp_path)
    with pytest.raises(UserError, match="9 input channels, expected 4"):
        load(str(folder))


def test_words_are_checked_where_the_folder_lists_them(mini_folder, sd_folder):
    prior = load(str(mini_folder))
    assert prior.warnings("a red corgi", []) == [] and "fluffy" in prior.warnings("a fluffy corgi", [])[0]
    with pytest.raises(UserError, match="fire truck"):
        prior.warnings("a fire truk", [])
    assert load(str(sd_folder)).warnings("a zorblax", []) == []
    assert torch.equal(prior.embed(["A corgi!"]), prior.embed(["a corgi"]))
