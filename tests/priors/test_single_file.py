"""Single-file checkpoints: a tiny pipeline written in the original layout is read as the same prior."""

import re
import shutil

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from dream3d.errors import UserError
from dream3d.priors.loading import single_file
from dream3d.priors.pipeline import load
from dream3d.types import Conditioning, Image

UNET = (  # of a UNet with two levels of one layer each
    (r"(resnets\.\d)\.norm1", r"\1.in_layers.0"),
    (r"(resnets\.\d)\.conv1", r"\1.in_layers.2"),
    (r"(resnets\.\d)\.norm2", r"\1.out_layers.0"),
    (r"(resnets\.\d)\.conv2", r"\1.out_layers.3"),
    (r"(resnets\.\d)\.time_emb_proj", r"\1.emb_layers.1"),
    (r"(resnets\.\d)\.conv_shortcut", r"\1.skip_connection"),
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"^down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"^down_blocks\.0\.attentions\.0", "input_blocks.1.1"),
    (r"^down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"^down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"^up_blocks\.0\.resnets\.(\d)", r"output_blocks.\1.0"),
    (r"^up_blocks\.0\.upsamplers\.0", "output_blocks.1.1"),
    (r"^up_blocks\.1\.resnets\.0", "output_blocks.2.0"),
    (r"^up_blocks\.1\.resnets\.1", "output_blocks.3.0"),
    (r"^up_blocks\.1\.attentions\.0", "output_blocks.2.1"),
    (r"^up_blocks\.1\.attentions\.1", "output_blocks.3.1"),
)
VAE = (
    (r"\bconv_norm_out", "norm_out"),
    (r"^(encoder|decoder)\.mid_block\.resnets\.0", r"\1.mid.block_1"),
    (r"^(encoder|decoder)\.mid_block\.resnets\.1", r"\1.mid.block_2"),
    (r"^(encoder|decoder)\.mid_block\.attentions\.0", r"\1.mid.attn_1"),
    (r"group_norm", "norm"), (r"to_q", "q"), (r"to_k", "k"), (r"to_v", "v"), (r"to_out\.0", "proj_out"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.0\.resnets\.(\d)", r"up.1.block.\1"),
    (r"up_blocks\.1\.resnets\.(\d)", r"up.0.block.\1"),
    (r"up_blocks\.0\.upsamplers\.0", "up.1.upsample"),
    (r"conv_shortcut", "nin_shortcut"),
)  # fmt: skip


def renamed(state, rules, prefix):
    for pattern, new in rules:
        state = {re.sub(pattern, new, name): tensor for name, tensor in state.items()}
    return {f"{prefix}{name}": tensor.clone() for name, tensor in state.items()}


def original_layout(pipeline):
    """A tiny Stable Diffusion in CompVis' names."""
    unet = renamed(pipeline.unet.state_dict(), UNET, "model.diffusion_model.")
    vae = renamed(pipeline.vae.state_dict(), VAE, "first_stage_model.")
    for name in [n for n in vae if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", n)]:
        vae[name] = vae[name][..., None, None].contiguous()  # 1x1 convolutions there
    text = {k.removeprefix("text_model."): v for k, v in pipeline.text_encoder.state_dict().items()}
    return {**unet, **vae, **renamed(text, (), "cond_stage_model.transformer.text_model.")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """sd/: a folder; config/: the same without weights; sd.safetensors: all its weights in one file."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("single")
    pipeline = tiny.sd()
    folder = tiny.saved(pipeline, place / "sd")
    shutil.copytree(folder, place / "config", ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
    save_file(original_layout(pipeline), place / "sd.safetensors")
    return place


def test_it_is_the_same_prior_as_the_folder(place):
    folder = load(str(place / "sd"), dtype="float32")
    file = load(str(place / "sd.safetensors"), dtype="float32", config=str(place / "config"), offline=True)
    expected, got = folder.embed(["a corgi"] * 2), file.embed(["a corgi"] * 2)
    assert (expected - got).abs().max() <= 1e-5
    x_t, t, text = torch.randn(2, 4, 8, 8), torch.tensor([10, 900]), Conditioning(expected, expected)
    assert (folder.eps(x_t, t, text).cond - file.eps(x_t, t, text).cond).abs().max() <= 1e-5
    image, black = Image(torch.rand(1, 16, 16, 3), torch.ones(1, 16, 16, 1)), torch.zeros(1, 1, 1, 3)
    assert (folder.encode(image, black) - file.encode(image, black)).abs().max() <= 1e-5
    assert torch.equal(folder.alpha_bar, file.alpha_bar) and not file.unet.training
    assert not any(p.requires_grad for p in (*file.unet.parameters(), *file.space.vae.parameters()))


def test_dtypes_are_the_ones_asked_for(place):
    file = load(str(place / "sd.safetensors"), dtype="bfloat16", vae_dtype="float32", config=str(place / "config"))
    assert file.unet.dtype == torch.bfloat16 and file.space.vae.dtype == torch.float32


def test_without_configurations_the_fix_is_said(place):
    with pytest.raises(UserError) as caught:
        load(str(place / "sd.safetensors"), offline=True)
    message = str(caught.value)
    assert "those of stable-diffusion-v1-5/stable-diffusion-v1-5" in message and "\n" not in message
    assert "offline, so the hub was not asked" in message and "prior.config=<folder" in message


def test_the_hub_is_asked_for_configurations_alone(place, monkeypatch):
    asked = []

    def snapshot(where, allow_patterns):
        asked.append((where, allow_patterns))
        return str(place / "config")

    monkeypatch.setattr(single_file, "snapshot_download", snapshot)
    monkeypatch.setattr(single_file.constants, "HF_HUB_OFFLINE", False)
    assert load(str(place / "sd.safetensors")).resolution == 16
    assert asked == [("stable-diffusion-v1-5/stable-diffusion-v1-5", ["*.json", "*.txt", "*.model"])]


def test_files_that_are_no_whole_model(place, tmp_path):
    state = load_file(place / "sd.safetensors")
    part = {k: v for k, v in state.items() if k.startswith("first_stage_model.")}
    save_file(part, tmp_path / "vae.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((place / "sd.safetensors").read_bytes()[:-9])
    (tmp_path / "old.ckpt").write_bytes(b"x")
    for name, message in (
        ("vae.safetensors", "is not a complete model.* prior.lora"),
        ("cut.safetensors", "is cut short"),
        ("old.ckpt", "expected .safetensors; pickled files"),
        ("gone.safetensors", "expected a file that exists"),
    ):
        with pytest.raises(UserError, match=message):
            load(str(tmp_path / name), config=str(place / "config"))


def test_configurations_of_another_model(place, tmp_path):
    torch.manual_seed(0)
    wider = tiny.saved(tiny.sd(block_out_channels=(8, 24)), tmp_path)
    with pytest.raises(UserError, match="does not fit the configurations in"):
        load(str(place / "sd.safetensors"), config=str(wider))
    with pytest.raises(UserError, match="class DiffusionPipeline, which is never in a single file"):
        load(str(place / "sd.safetensors"), config="embedded")
    with pytest.raises(UserError, match=r"no model_index\.json"):
        load(str(place / "sd.safetensors"), config=str(tmp_path / "nowhere"))
