"""LoRA and textual-inversion files: the same as diffusers' pipelines with those files loaded."""

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from dream3d.errors import UserError
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning

X, T = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([50, 700])
MAKERS = {"sd": tiny.sd, "sdxl": tiny.sdxl}


def adapted(pipeline, file):
    """Write a random LoRA of the network and the (first) text encoder."""
    tables = []
    for module, targets in ((pipeline.unet, ["to_q", "to_v"]), (pipeline.text_encoder, ["q_proj"])):
        module.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=targets))
        for name, parameter in module.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        tables.append(get_peft_model_state_dict(module))
    state = {f"unet.{k}": v for k, v in tables[0].items()}
    state |= {f"text_encoder.{k}": v for k, v in tables[1].items()}
    save_file({k: v.detach().clone() for k, v in state.items()}, file)


@pytest.fixture(scope="module", params=MAKERS)
def made(request, tmp_path_factory):
    """(folder, LoRA file, the class of the reference pipeline)."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp(request.param)
    pipeline = MAKERS[request.param]()
    folder = tiny.saved(pipeline, place / "folder")
    adapted(pipeline, place / "lora.safetensors")
    return folder, place / "lora.safetensors", type(pipeline)


def reference(kind, folder, lora, scale):
    pipeline = kind.from_pretrained(folder)
    pipeline.load_lora_weights(lora, adapter_name="x")
    pipeline.set_adapters("x", scale)
    return pipeline


@torch.no_grad()
def embedded_and_eps(pipeline):
    """(hidden states of a prompt, the network's output) by diffusers alone."""
    out = pipeline.encode_prompt("a corgi", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    more = {}
    if len(out) == 4:
        ids = torch.tensor([[16.0, 16, 0, 0, 16, 16]]).expand(2, 6)
        more = {"added_cond_kwargs": {"text_embeds": out[2].expand(2, -1), "time_ids": ids}}
    return out[0], pipeline.unet(X, T, out[0].expand(2, -1, -1), **more).sample


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_lora_is_what_diffusers_makes_of_it(made, scale):
    folder, lora, kind = made
    hidden, expected = embedded_and_eps(reference(kind, folder, lora, scale))
    plain = load(str(folder), dtype="float32")
    prior = load(str(folder), dtype="float32", lora=str(lora), lora_scale=scale)
    cond = prior.embed(["a corgi"] * 2)
    assert (cond[:1, : hidden.shape[1]] - hidden).abs().max() <= 1e-5
    got = prior.eps(X, T, Conditioning(cond, cond)).cond
    assert (got - expected).abs().max() <= 1e-5
    assert (got - plain.eps(X, T, Conditioning(cond, cond)).cond).abs().max() > 1e-3
    assert (cond - plain.embed(["a corgi"] * 2)).abs().max() > 1e-3


def test_the_random_stream_is_left_alone_and_layers_are_plain_again(made):
    folder, lora, _ = made
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    prior = load(str(folder), lora=str(lora.parent / "lora.safetensors"))
    assert torch.equal(torch.rand(1), expected)
    assert not [n for n, _ in prior.unet.named_parameters() if "lora" in n]
    assert not any(p.requires_grad for p in prior.unet.parameters())


def test_a_lora_of_another_model_is_refused(made, tmp_path):
    folder, lora, _ = made
    state = load_file(lora)
    for name, change, message in (
        ("wide", lambda k, v: (k, torch.cat((v, v), 1) if "lora_A" in k else v), "does not fit this prior"),
        ("lost", lambda k, v: (k.replace("attentions.0", "attentions.7"), v), "of which .* have a place"),
        ("none", lambda k, v: (k.replace("lora_", "other_"), v), "prior.lora"),
    ):
        file = tmp_path / f"{name}.safetensors"
        save_file(dict(change(k, v) for k, v in state.items()), file)
        with pytest.raises(UserError, match=message):
            load(str(folder), lora=str(file))


def test_files_that_are_not_there_and_priors_that_take_none(made, tmp_path):
    folder, _, _ = made
    for setting in ("lora", "embeddings"):
        with pytest.raises(UserError, match=rf"prior\.{setting}: got 'nowhere', expected a .safetensors file"):
            load(str(folder), **{setting: "nowhere"})
    mini = tiny.saved(tiny.mini(), tmp_path)
    with pytest.raises(UserError, match="class DiffusionPipeline, which takes no such files"):
        load(str(mini), lora="nowhere")


def lettered(maker):
    """The pipeline with CLIP's real tokenizer (one token a letter), which keeps <words> whole."""
    torch.manual_seed(0)
    pipeline = maker()
    for suffix in ("", "_2"):
        encoder = getattr(pipeline, f"text_encoder{suffix}", None)
        if encoder is not None:
            setattr(pipeline, f"tokenizer{suffix}", tiny.letters())
            encoder.resize_token_embeddings(len(tiny.letters()), mean_resizing=False)
            pipeline.register_modules(**{f"tokenizer{suffix}": tiny.letters()})
    return pipeline


@pytest.mark.parametrize("vectors", [1, 3])
def test_a_learned_word_is_what_diffusers_makes_of_it(vectors, tmp_path):
    pipeline = lettered(tiny.sd)
    folder, file = tiny.saved(pipeline, tmp_path / "sd"), tmp_path / "cat.safetensors"
    save_file({"<cat>": torch.randn(vectors, 8)}, file)
    prior = load(str(folder), dtype="float32", embeddings=str(file))
    words = " ".join(sorted(["<cat>", *(f"<cat>_{i}" for i in range(1, vectors))]))
    assert list(prior.notes)[:1] == [f"learned words: {words}"]
    pipeline.load_textual_inversion(str(file))
    with torch.no_grad():
        expected = pipeline.encode_prompt("a <cat>", "cpu", 1, False)[0]
    assert (prior.embed(["a <cat>"]) - expected).abs().max() <= 1e-5
    assert (prior.embed(["a <cat>"]) - prior.embed(["a cat"])).abs().max() > 1e-3


def test_a_learned_word_of_two_encoders(tmp_path):
    pipeline = lettered(tiny.sdxl)
    folder, file = tiny.saved(pipeline, tmp_path / "sdxl"), tmp_path / "thing.safetensors"
    state = {"clip_l": torch.randn(2, 8), "clip_g": torch.randn(2, 12)}
    save_file(state, file)
    prior = load(str(folder), dtype="float32", embeddings=str(file))
    for key, suffix in (("clip_l", ""), ("clip_g", "_2")):
        more = {"text_encoder": getattr(pipeline, f"text_encoder{suffix}")}
        pipeline.load_textual_inversion(
            state[key], token="thing", tokenizer=getattr(pipeline, f"tokenizer{suffix}"), **more
        )
    with torch.no_grad():
        out = pipeline.encode_prompt("a thing", device="cpu", do_classifier_free_guidance=False)
    packed = prior.embed(["a thing"])
    assert (packed[:, : out[0].shape[1]] - out[0]).abs().max() <= 1e-5
    assert (packed[:, out[0].shape[1] :].flatten(1)[:, : out[2].shape[1]] - out[2]).abs().max() <= 1e-5


def test_vectors_of_another_width_are_refused(tmp_path):
    folder, file = tiny.saved(lettered(tiny.sd), tmp_path / "sd"), tmp_path / "cat.safetensors"
    save_file({"<cat>": torch.randn(1, 9)}, file)
    with pytest.raises(UserError, match=r"prior\.embeddings: .* does not fit this prior"):
        load(str(folder), embeddings=str(file))
