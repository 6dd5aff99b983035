"""An image prompt: the same as diffusers' pipelines with the same IP-Adapter loaded."""

import pytest
import tiny
import torch
from diffusers import ControlNetModel
from PIL import Image as Pillow
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from dream3d.errors import UserError
from dream3d.priors.addons.ip_adapter import ImagePrompt, prepared
from dream3d.priors.loading.options import Options
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning

WIDTH = 10  # of the image encoder's embedding; 8 of its hidden states
MAKERS = {"sd": tiny.sd, "sdxl": tiny.sdxl}


def adapter(unet, file, plus):
    """A random IP-Adapter in the layout of the published files."""
    cross, state = unet.config.cross_attention_dim, {}
    layers = [name for name in unet.attn_processors if "attn2" in name]
    for i, name in enumerate(layers):
        hidden = unet.get_submodule(name.removesuffix(".processor")).to_q.in_features
        for kind in "kv":
            state[f"ip_adapter.{2 * i + 1}.to_{kind}_ip.weight"] = torch.randn(hidden, cross)
    if plus:  # a perceiver of four layers with one head of 64
        shapes = {"latents": (1, 3, 64), "proj_in.weight": (64, 8), "proj_in.bias": (64,),
                  "proj_out.weight": (cross, 64), "proj_out.bias": (cross,), "norm_out.weight": (cross,),
                  "norm_out.bias": (cross,)}  # fmt: skip
        norms = [f"{a}.{kind}" for a in ("0.norm1", "0.norm2", "1.0") for kind in ("weight", "bias")]
        layer = {**dict.fromkeys(norms, (64,)), "0.to_q.weight": (64, 64), "0.to_kv.weight": (128, 64),
                 "0.to_out.weight": (64, 64), "1.1.weight": (256, 64), "1.3.weight": (64, 256)}  # fmt: skip
        shapes |= {f"layers.{n}.{name}": shape for n in range(4) for name, shape in layer.items()}
    else:
        shapes = {"proj.weight": (4 * cross, WIDTH), "proj.bias": (4 * cross,), "norm.weight": (cross,),
                  "norm.bias": (cross,)}  # fmt: skip
    state |= {f"image_proj.{name}": 0.3 * torch.randn(shape) for name, shape in shapes.items()}
    save_file(state, file)


@pytest.fixture(scope="module", params=[("sd", False), ("sd", True), ("sdxl", False)])
def made(request, tmp_path_factory):
    """(the reference pipeline with its adapter, our settings, its folder)."""
    torch.manual_seed(0)
    (name, plus), place = request.param, tmp_path_factory.mktemp("image")
    pipeline = MAKERS[name]()
    tiny.saved(pipeline, place / "folder")
    ControlNetModel.from_unet(pipeline.unet, conditioning_embedding_out_channels=(4, 8)).save_pretrained(
        place / "control"
    )
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2,
                         image_size=16, patch_size=8, projection_dim=WIDTH)
    )  # fmt: skip
    encoder.save_pretrained(place / "encoder")
    adapter(pipeline.unet, place / "ip.safetensors", plus)
    Pillow.effect_noise((40, 24), 90).convert("RGB").save(place / "cat.png")
    reference = type(pipeline).from_pretrained(place / "folder", image_encoder=encoder)
    reference.load_ip_adapter(place, subfolder="", weight_name="ip.safetensors", image_encoder_folder=None)
    return reference, place


def settings(place, **more):
    files = {"file": "cat.png", "adapter": "ip.safetensors", "encoder": "encoder"}
    return ImagePrompt(**{**{k: str(place / v) for k, v in files.items()}, **more})


def loaded(place, **more):
    return load(str(place / "folder"), dtype="float32", **{"image": settings(place), **more})


@torch.no_grad()
def reference_eps(pipeline, file, scale, x_t, t, prompts):
    """[null, condition] by diffusers' own calls."""
    pipeline.set_ip_adapter_scale(scale)
    (embeds,) = pipeline.prepare_ip_adapter_image_embeds(Pillow.open(file), None, "cpu", 1, True)
    found = []
    for prompt, picture in zip(prompts, embeds.chunk(2), strict=True):
        out = pipeline.encode_prompt(prompt, device="cpu", num_images_per_prompt=1,
                                     do_classifier_free_guidance=False)  # fmt: skip
        added = {"image_embeds": [picture.expand(len(x_t), *picture.shape[1:])]}
        if len(out) == 4:
            added["time_ids"] = torch.tensor([[16.0, 16, 0, 0, 16, 16]]).expand(len(x_t), 6)
            added["text_embeds"] = out[2].expand(len(x_t), -1)
        hidden = out[0].expand(len(x_t), -1, -1)
        found.append(pipeline.unet(x_t, t, hidden, added_cond_kwargs=added).sample)
    return found


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_eps_is_what_diffusers_makes_of_it(made, scale):
    pipeline, place = made
    prior = loaded(place, image=settings(place, scale=scale))
    torch.manual_seed(1)
    x_t, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 800])
    text = Conditioning(prior.embed(["a corgi"] * 2), prior.embed(["blurry"] * 2))
    got = prior.eps(x_t, t, text)
    null, cond = reference_eps(pipeline, place / "cat.png", scale, x_t, t, ["blurry", "a corgi"])
    for ours, theirs in ((got.cond, cond), (got.null, null)):
        assert (ours - theirs).abs().max() <= 1e-5 * max(1, theirs.abs().max())
    without = load(str(place / "folder"), dtype="float32").eps(x_t, t, text)
    assert (got.cond - without.cond).abs().max() > 1e-3


def test_negatives_are_not_shown_it_but_a_student_is(made):
    _, place = made
    prior = loaded(place)
    x_t, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 800])
    cond, null = prior.embed(["a corgi"] * 2), prior.embed(["blurry"] * 2)
    eps = prior.eps(x_t, t, Conditioning(cond, null, None, null[:, None], -torch.ones(2, 1)))
    assert torch.allclose(eps.negatives[:, 0], eps.null, atol=1e-5)
    assert torch.allclose(prior.to_eps(prior.predict(x_t, t, cond), x_t, t), eps.cond, atol=1e-5)


def test_it_goes_with_a_controlnet(made):
    _, place = made
    prior = loaded(place, control=str(place / "control"))
    x_t, t = torch.randn(2, 4, 8, 8), torch.tensor([100, 800])
    cond, null = prior.embed(["a corgi"] * 2), prior.embed(["blurry"] * 2)
    eps = prior.eps(x_t, t, Conditioning(cond, null, control=torch.rand(2, 3, 16, 16)))
    assert torch.isfinite(eps.cond).all() and (eps.cond - eps.null).abs().max() > 1e-3


def test_a_run_with_a_picture(made):
    from short_runs import sound, two_steps

    from dream3d.cli.overrides import composed

    _, place = made
    files = [f"prior.image.{k}={place / v}" for k, v in
             (("file", "cat.png"), ("adapter", "ip.safetensors"), ("encoder", "encoder"))]  # fmt: skip
    words = ["prior=folder", f"prior.path={place / 'folder'}", "prompt=a corgi", "distill=vsd", *files]
    assert sound(two_steps(composed(words)))


def test_what_is_transparent_becomes_white(tmp_path):
    Pillow.new("RGBA", (30, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Pillow.new("RGB", (20, 20), (255, 255, 255)).save(tmp_path / "white.png")
    clear, white = (prepared(tmp_path / name, 16) for name in ("clear.png", "white.png"))
    assert clear.shape == (1, 3, 16, 16) and torch.equal(clear, white)


def test_mistakes_are_said(made, tmp_path):
    _, place = made
    for name in ("file", "adapter", "encoder"):
        for wrong in ("nowhere", None):
            with pytest.raises(UserError, match=rf"prior\.image\.{name}: got .* that exists"):
                loaded(place, image=settings(place, **{name: wrong}))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match=r"prior\.image\.file: .* is no picture"):
        loaded(place, image=settings(place, file=str(tmp_path / "text.png")))
    save_file({"lora.up": torch.zeros(2)}, tmp_path / "lora.safetensors")
    with pytest.raises(UserError, match=r"has no image_proj"):
        loaded(place, image=settings(place, adapter=str(tmp_path / "lora.safetensors")))
    with pytest.raises(UserError, match=r"attention_slicing=false"):
        loaded(place, options=Options(attention_slicing=True))
    adapter(tiny.unet(4, 12), tmp_path / "other.safetensors", False)
    with pytest.raises(UserError, match=r"does not fit this prior"):
        loaded(place, image=settings(place, adapter=str(tmp_path / "other.safetensors")))
    torch.manual_seed(0)
    flux = tiny.saved(tiny.flux(), tmp_path / "flux")
    with pytest.raises(UserError, match=r"got a FluxTransformer2DModel prior"):
        load(str(flux), image=settings(place), resolution=16)
