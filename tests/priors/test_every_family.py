"""Each family from a folder to an optimised field; SDS by plain diffusers calls gives the same gradient."""

import gc
import weakref

import pytest
import tiny
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline
from short_runs import shrunk

from dream3d.cli.overrides import composed
from dream3d.distill.guidance import guided
from dream3d.distill.sds import sds
from dream3d.distill.weight import sigma_squared
from dream3d.errors import UserError
from dream3d.optimize import optimize
from dream3d.priors.pipeline import load
from dream3d.run.build import build, build_prior, build_text
from dream3d.types import Conditioning, Image, NoisePrediction


def told_cameras():
    return tiny.sd(class_embed_type="projection", projection_class_embeddings_input_dim=16)


def few_steps():
    """A latent consistency model: told its guidance, with its own scheduler."""
    pipeline = tiny.sd(time_cond_proj_dim=8)
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


FAMILIES = {
    "sd1": tiny.sd,
    "sd2-v": lambda: tiny.sd("v_prediction"),
    "sdxl": tiny.sdxl,
    "sd3": lambda: tiny.sd3(True),
    "sd3-without-t5": lambda: tiny.sd3(False),
    "flux": tiny.flux,
    "deepfloyd": tiny.deepfloyd,
    "mvdream": told_cameras,
    "lcm": few_steps,
    "mini": tiny.mini,
}


@pytest.fixture(scope="module", params=FAMILIES)
def words(request, tmp_path_factory):
    """The command line's words for a tiny folder of each family."""
    torch.manual_seed(0)
    folder = tiny.saved(FAMILIES[request.param](), tmp_path_factory.mktemp(request.param))
    more = ["prior.resolution=16"] if request.param == "flux" else []  # its folder does not say
    return [
        "prior=folder",
        f"prior.path={folder}",
        "prompt=a corgi",
        "regularize=none",
        "prior.dtype=float32",
        *more,
    ]


@pytest.mark.parametrize("distill", ["sds", "vsd"])
def test_ten_steps_move_the_field(words, distill):
    config = shrunk(composed([*words, f"distill={distill}", "camera=mvdream", "distill.loss.scale=7.5"]))
    config.batch_size, config.size = (4 if "mvdream" in config.prior.path else 1), 8
    setup = build(config)
    before = [p.detach().clone() for p in setup.fields[0].parameters()]
    steps = list(optimize(setup, 0, 10))
    assert len(steps) == 10
    assert all(torch.isfinite(s.loss) and torch.isfinite(s.grad_norm) and s.grad_norm > 0 for s in steps)
    assert any(not torch.equal(a, b) for a, b in zip(before, setup.fields[0].parameters(), strict=True))
    if distill == "vsd":
        assert all(torch.isfinite(s.losses["student"]) for s in steps)
        assert any(p.abs().sum() > 0 for k, p in setup.student.lora.items() if "lora_B" in k)


def test_text_encoders_are_freed_and_nothing_else_changes(words):
    """The weights are gone once the table is made; predictions are those of a prior that kept them."""
    config = shrunk(composed(words))
    prior = build_prior(config, torch.device("cpu"))
    encoders = [weakref.ref(m) for k, m in prior.family.parts.items() if k.startswith("text_encoder")]
    text, shape = build_text(config, prior, config.prompt), prior.family.shape
    kept = text.null
    x, t = torch.randn(4, prior.channels, 16, 16), torch.full((4,), 500)
    if prior.camera_conditioned and prior.resolution == 64:
        x = torch.randn(4, 4, 64, 64)
    pair = Conditioning(kept.expand(4, *kept.shape), kept.expand(4, *kept.shape), torch.zeros(4, 17))
    before = prior.eps(x, t, pair).cond
    prior.free_text()
    gc.collect()
    assert encoders and all(ref() is None for ref in encoders)
    assert torch.equal(prior.eps(x, t, pair).cond, before) and prior.family.shape == shape
    with pytest.raises(ValueError, match="text encoders were freed"):
        prior.embed(["a dog"])


def test_a_run_frees_the_encoders_of_a_prior_of_its_own(sd):
    config = shrunk(composed(["prior=folder", f"prior.path={sd[1]}", "prompt=a corgi"]))
    own = build(config).prior
    lent = build_prior(config, torch.device("cpu"))
    assert build(config, lambda *_: lent).prior is lent
    assert torch.isfinite(lent.embed(["a dog"])).all()
    with pytest.raises(ValueError, match="text encoders were freed"):
        own.embed(["a dog"])


@pytest.fixture(scope="module")
def sd(tmp_path_factory):
    torch.manual_seed(0)
    folder = tiny.saved(tiny.sd(), tmp_path_factory.mktemp("sd"))
    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None), folder


def plain_gradient(pipeline, colour, alpha, t, noise, scale):
    """DreamFusion's Eq. 3 by diffusers alone, in the text-first form of threestudio, to colour and alpha."""
    pixels = 2 * (colour + (1 - alpha) * 0.25).permute(0, 3, 1, 2) - 1
    x = pipeline.vae.config.scaling_factor * pipeline.vae.encode(pixels).latent_dist.mode()
    with torch.no_grad():
        cond, null = pipeline.encode_prompt("a corgi", "cpu", len(t), True, "blurry")
        x_t = pipeline.scheduler.add_noise(x, noise, t)
        both = pipeline.unet(torch.cat((x_t, x_t)), torch.cat((t, t)), torch.cat((null, cond))).sample
        of_null, of_text = both.chunk(2)
        eps = of_text + scale * (of_text - of_null)
        weight = (1 - pipeline.scheduler.alphas_cumprod[t]).view(-1, 1, 1, 1)
        grad = weight * (eps - noise) / len(t)
    return torch.autograd.grad(x, (colour, alpha), grad)


@pytest.mark.parametrize("text_first", [0.0, 6.5, 100.0])
def test_sds_is_what_plain_diffusers_calls_give(sd, text_first):
    """threestudio's scale s is s + 1 here; the gradient is compared where it reaches the render."""
    pipeline, folder = sd
    prior = load(str(folder), dtype="float32")
    torch.manual_seed(1)
    colour, alpha = torch.rand(3, 16, 16, 3, requires_grad=True), torch.rand(3, 16, 16, 1, requires_grad=True)
    t, noise = torch.tensor([20, 431, 979]), torch.randn(3, 4, 8, 8)
    x = prior.encode(Image(colour, alpha), torch.full((1, 1, 1, 3), 0.25))
    text = Conditioning(prior.embed(["a corgi"] * 3), prior.embed(["blurry"] * 3))
    loss = sds(prior, x, t, noise, text, scale=text_first + 1, weight=sigma_squared).loss
    got = torch.autograd.grad(loss, (colour, alpha))
    expected = plain_gradient(pipeline, colour, alpha, t, noise, text_first)
    for ours, theirs in zip(got, expected, strict=True):
        assert theirs.abs().max() > 1e-3
        rounding = max(1e-5, 1e-6 * text_first)  # guidance multiplies that of float32
        assert (ours - theirs).abs().max() <= rounding * theirs.abs().max()


def test_the_two_forms_of_guidance():
    cond, null = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.allclose(guided(NoisePrediction(cond, null), 8.5), cond + 7.5 * (cond - null), atol=1e-5)


def test_alpha_bar_is_the_schedulers(tmp_path):
    pipeline = few_steps()
    prior = load(str(tiny.saved(pipeline, tmp_path)), dtype="float32")
    assert torch.equal(prior.alpha_bar, pipeline.scheduler.alphas_cumprod)
    assert any("use prior.steps=50" in note for note in prior.notes)


def test_a_few_step_model_is_asked_at_its_own_timesteps(tmp_path):
    """50 of 1000: those of diffusers' own scheduler for as many steps; all losses see T = 50."""
    pipeline = few_steps()
    folder = tiny.saved(pipeline, tmp_path)
    prior, whole = (load(str(folder), dtype="float32", steps=n) for n in (50, None))
    pipeline.scheduler.set_timesteps(50, original_inference_steps=50)
    own = pipeline.scheduler.timesteps.flip(0)
    assert torch.equal(prior.timesteps.long(), own) and len(prior.alpha_bar) == 50
    assert torch.equal(prior.alpha_bar, pipeline.scheduler.alphas_cumprod[own])
    x, text = torch.randn(1, 4, 8, 8), whole.embed(["a corgi"])
    one, other = (
        p.eps(x, torch.tensor([t]), Conditioning(text, text)).cond for p, t in ((prior, 24), (whole, int(own[24])))
    )
    assert torch.equal(one, other)
    config = shrunk(composed(["prior=folder", f"prior.path={folder}", "prior.steps=4", "prompt=a corgi"]))
    times = {int(t) for step in optimize(build(config), 0, 10) for t in step.t}
    assert times <= set(range(4)) and len(times) > 1
    with pytest.raises(UserError, match=r"prior\.steps: got 7, expected a number that divides 1000"):
        load(str(folder), steps=7)
