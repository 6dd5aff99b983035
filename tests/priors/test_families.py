"""Another library: embeddings equal the pipeline's encode_prompt, predictions equal its network's."""

import pytest
import tiny
import torch
from diffusers import LatentConsistencyModelPipeline, UNet2DConditionModel

from dream3d.priors.families import cut_words
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning, Image

MAKERS = {
    "mini": tiny.mini,
    "sd": tiny.sd,
    "sd-v": lambda: tiny.sd("v_prediction"),
    "sd-sample": lambda: tiny.sd("sample"),
    "sdxl": tiny.sdxl,
    "deepfloyd": tiny.deepfloyd,
    "sd3": lambda: tiny.sd3(True),
    "sd3-without-t5": lambda: tiny.sd3(False),
    "flux": tiny.flux,
}
PROMPTS = ["a corgi", "a red fire truck", ""]


@pytest.fixture(scope="module", params=MAKERS)
def both(request, tmp_path_factory):
    """(name, the reference pipeline, ours, loaded from its folder)."""
    torch.manual_seed(0)
    pipeline = MAKERS[request.param]()
    folder = tiny.saved(pipeline, tmp_path_factory.mktemp(request.param))
    if request.param == "mini":
        pipeline = tiny.load_mini(folder)  # saving halves the weights in place
    resolution = 16 if request.param == "flux" else None  # its folder does not say
    return request.param, pipeline, load(str(folder), dtype="float32", resolution=resolution)


def reference_embedding(name, pipeline, prompts):
    """(hidden, pooled or None) as the pipeline itself makes them."""
    if name == "mini":
        return pipeline.embed(prompts), None
    if name in ("sdxl", "sd3", "sd3-without-t5"):
        more = {} if name == "sdxl" else {"prompt_2": prompts, "prompt_3": prompts}
        out = pipeline.encode_prompt(prompt=prompts, device="cpu", do_classifier_free_guidance=False, **more)
        return out[0], out[2]
    if name == "flux":
        return pipeline.encode_prompt(prompt=prompts, prompt_2=prompts, device="cpu")[:2]
    if name == "deepfloyd":
        return pipeline.encode_prompt(prompts, do_classifier_free_guidance=False)[0], None
    return pipeline.encode_prompt(prompts, "cpu", 1, False)[0], None


def reference_eps(name, pipeline, at, text, camera):
    """Noise predictions from the pipeline's own network, written out for each kind."""
    (x_t, t), (hidden, pooled) = at, text
    if name in ("sd3", "sd3-without-t5", "flux"):
        return reference_flow_eps(name, pipeline, x_t, t, text)
    more = {}
    if name == "mini":
        more = {"class_labels": camera}
    if name == "sdxl":
        ids = torch.tensor([[16.0, 16, 0, 0, 16, 16]]).expand(len(x_t), 6)
        more = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}
    out = pipeline.unet(x_t, t, encoder_hidden_states=hidden, **more).sample[:, : x_t.shape[1]]
    abar = pipeline.scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
    kind = pipeline.scheduler.config.prediction_type
    if kind == "v_prediction":
        return abar.sqrt() * out + (1 - abar).sqrt() * x_t
    return (x_t - abar.sqrt() * out) / (1 - abar).sqrt() if kind == "sample" else out


def reference_flow_eps(name, pipeline, x_t, t, text):
    hidden, pooled = text
    s = pipeline.scheduler.sigmas[-1001:][:1000].flip(0)[t].view(-1, 1, 1, 1)
    x_s = x_t * ((1 - s) ** 2 + s**2).sqrt()
    if name != "flux":
        v = pipeline.transformer(x_s, hidden, pooled, 1000 * s.flatten(), return_dict=False)[0]
        return x_s + (1 - s) * v
    b, c, h, w = x_s.shape
    out = pipeline.transformer(
        hidden_states=pipeline._pack_latents(x_s, b, c, h, w), encoder_hidden_states=hidden,
        pooled_projections=pooled, timestep=s.flatten(),
        guidance=torch.ones(b), txt_ids=torch.zeros(hidden.shape[1], 3),
        img_ids=pipeline._prepare_latent_image_ids(b, h // 2, w // 2, "cpu", torch.float32),
    ).sample  # fmt: skip
    factor = pipeline.vae_scale_factor
    return x_s + (1 - s) * pipeline._unpack_latents(out, h * factor, w * factor, factor)


def inputs(prior):
    torch.manual_seed(1)
    size = 64 if prior.camera_conditioned else 8
    return torch.randn(3, prior.channels, size, size), torch.tensor([20, 500, 980]), torch.randn(3, 17)


def test_embeddings_are_the_pipelines(both):
    name, pipeline, ours = both
    with torch.no_grad():
        hidden, pooled = reference_embedding(name, pipeline, PROMPTS[:2])
    packed = ours.embed(PROMPTS[:2])
    length = hidden.shape[1]
    assert packed.shape[1:] == ours.family.shape
    assert (packed[:, :length] - hidden).abs().max() <= 1e-5
    if name == "mini":  # the row behind the words numbers the painted shape
        assert packed.shape[1] == length + 1 and float(packed[:, length:].abs().max()) == 0
    elif pooled is None:
        assert packed.shape == hidden.shape
    else:
        assert (packed[:, length:].flatten(1)[:, : pooled.shape[1]] - pooled).abs().max() <= 1e-5


def test_eps_is_the_networks_in_one_call(both):
    name, pipeline, ours = both
    x_t, t, camera = inputs(ours)
    cond, null = ours.embed(PROMPTS), ours.embed(["blurry dog"] * 3)
    calls = []
    handle = ours.unet.register_forward_hook(lambda *_: calls.append(1))
    eps = ours.eps(x_t, t, Conditioning(cond, null, camera))
    handle.remove()
    assert len(calls) == 1
    with torch.no_grad():
        for prompts, got in ((PROMPTS[:2], eps.cond[:2]), (["blurry dog"] * 2, eps.null[:2])):
            text = reference_embedding(name, pipeline, prompts)
            expected = reference_eps(name, pipeline, (x_t[:2], t[:2]), text, camera[:2])
            assert expected.abs().max() > 0.01
            assert (got - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())
    assert (eps.cond - eps.null).abs().max() > 1e-6


def test_negatives_stay_with_their_image(both):
    _, _, ours = both
    x_t, t, camera = inputs(ours)
    cond, null = ours.embed(PROMPTS), ours.embed([""] * 3)
    negatives = torch.stack([ours.embed(["dog", "truck"]), ours.embed(["a", "view"]), ours.embed(["side", "red"])])
    weights = torch.tensor([[-1.0, 0.0], [-0.5, -0.2], [0.0, -2.0]])
    eps = ours.eps(x_t, t, Conditioning(cond, null, camera, negatives, weights))
    for image in range(3):
        for k in range(2):
            one = slice(image, image + 1)
            alone = negatives[one, k]
            expected = ours.eps(x_t[one], t[one], Conditioning(alone, alone, camera[one])).cond
            assert torch.allclose(eps.negatives[one, k], expected, atol=2e-5)
    assert eps.weights is weights


def test_one_and_the_same_embedding_runs_once(both):
    _, _, ours = both
    x_t, t, camera = inputs(ours)
    cond = ours.embed(PROMPTS)
    sizes = []
    handle = ours.unet.register_forward_hook(lambda module, args, out: sizes.append(len(out[0])))
    eps = ours.eps(x_t, t, Conditioning(cond, cond, camera))
    handle.remove()
    assert sizes == [3] and torch.equal(eps.cond, eps.null)


def test_gradient_reaches_the_image_and_x_t(both):
    _, _, ours = both
    torch.manual_seed(2)
    colour = torch.rand(2, 20, 20, 3, requires_grad=True)
    alpha = torch.rand(2, 20, 20, 1, requires_grad=True)
    x = ours.encode(Image(colour, alpha), torch.rand(1, 1, 1, 3))
    assert x.dtype == torch.float32 and x.shape[1] == ours.channels
    out = ours.predict(x, torch.tensor([100, 900]), ours.embed(PROMPTS[:2]), torch.randn(2, 17))
    for gradient in torch.autograd.grad(out.square().sum() + x.square().sum(), (colour, alpha)):
        assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    leaf = x.detach().requires_grad_()
    out = ours.predict(leaf, torch.tensor([100, 900]), ours.embed(PROMPTS[:2]), torch.randn(2, 17))
    (gradient,) = torch.autograd.grad(out.square().sum(), leaf)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


def test_eps_x0_and_target_agree(both):
    _, _, ours = both
    x_t, t, camera = inputs(ours)
    with torch.no_grad():
        out = ours.predict(x_t, t, ours.embed(PROMPTS), camera)
    alpha, sigma = ours.alpha_sigma(t, x_t)
    eps, x0 = ours.to_eps(out, x_t, t), ours.to_x0(out, x_t, t)
    assert torch.allclose(alpha * x0 + sigma * eps, x_t, atol=1e-4)
    assert torch.allclose(ours.target(x0, eps, t), out, atol=2e-3, rtol=1e-3)


def test_prior_says_what_it_is(both):
    name, _, ours = both
    assert ours.camera_conditioned == (name == "mini")
    assert not any(p.requires_grad for p in ours.unet.parameters()) and not ours.unet.training
    assert ours.alpha_bar.shape == ours.timesteps.shape == (1000,)


def test_sdxl_null_is_zeros_like_the_pipelines(tmp_path):
    torch.manual_seed(0)
    pipeline = tiny.sdxl()
    ours = load(str(tiny.saved(pipeline, tmp_path)), dtype="float32")
    _, hidden, _, pooled = pipeline.encode_prompt("a corgi", device="cpu", do_classifier_free_guidance=True)
    assert not hidden.any() and not pooled.any()
    assert not ours.embed([""]).any() and ours.embed(["a"]).any()


@pytest.mark.parametrize("maker", [tiny.sd, tiny.sdxl])
@pytest.mark.parametrize("guidance", [1.0, 8.5])
def test_few_step_models_are_told_their_guidance(maker, guidance, tmp_path):
    """``time_cond_proj_dim``, as diffusers' LatentConsistencyModelPipeline fills it."""
    torch.manual_seed(0)
    pipeline = maker()
    config = {k: v for k, v in pipeline.unet.config.items() if not k.startswith("_")}
    pipeline.unet = UNet2DConditionModel.from_config({**config, "time_cond_proj_dim": 8})
    ours = load(str(tiny.saved(pipeline, tmp_path)), dtype="float32", guidance=guidance)
    name = "sdxl" if maker is tiny.sdxl else "sd"
    x_t, t, cond = torch.randn(2, 4, 8, 8), torch.tensor([259, 999]), ours.embed(PROMPTS[:2])
    told = LatentConsistencyModelPipeline.get_guidance_scale_embedding(
        None, torch.tensor([guidance - 1]).repeat(2), embedding_dim=8
    )
    original = pipeline.unet.forward
    pipeline.unet.forward = lambda *args, **more: original(*args, **more, timestep_cond=told)
    with torch.no_grad():
        text = reference_embedding(name, pipeline, PROMPTS[:2])
        expected = reference_eps(name, pipeline, (x_t, t), text, None)
    got = ours.eps(x_t, t, Conditioning(cond, cond)).cond
    assert (got - expected).abs().max() <= 1e-5
    other = load(str(tmp_path), dtype="float32", guidance=3.0).eps(x_t, t, Conditioning(cond, cond)).cond
    assert (got - other).abs().max() > 1e-5


def test_what_is_cut_of_a_long_prompt_is_said(tmp_path):
    torch.manual_seed(0)
    pipeline = tiny.sd()
    pipeline.register_modules(tokenizer=tiny.letters())
    pipeline.text_encoder.resize_token_embeddings(len(tiny.letters()), mean_resizing=False)
    ours = load(str(tiny.saved(pipeline, tmp_path)), dtype="float32")
    assert cut_words(ours.family, ["corgi", "a dog", ""]) == []  # six letters fit between start and end
    (line,) = ours.warnings("corgi", ["corgi", "a red dog, side view", "a red dog, side view"])
    assert line == "prompt: tokenizer reads 8 tokens; cut off: 'g , side view'; shorten it"
    assert torch.equal(ours.embed(["a red dog, side view"]), ours.embed(["a red dog, back"]))


def test_each_kind_of_tokenizer_has_its_own_length(both):
    name, _, ours = both
    lines = cut_words(ours.family, [" ".join(["dog"] * 300)])
    read = [int(line.split(" reads ")[1].split()[0]) for line in lines]
    expected = {"mini": [12], "sdxl": [8, 8], "deepfloyd": [77], "sd3": [8, 8, 256], "flux": [8]}
    assert read == expected.get(name.replace("-without-t5", "") if "t5" not in name else "sdxl", [8])
