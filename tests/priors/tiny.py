"""Tiny random pipelines of the real diffusers and transformers classes, saved to folders."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    IFPipeline,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from dream3d.priors.mini.network import MiniUNet
from dream3d.priors.mini.pipeline import MiniPipeline, load_mini, new_mini, save_mini, word_tokenizer

__all__ = ["load_mini"]
WORDS = ["a", "corgi", "red", "fire", "truck", "front", "view", "side", "blurry", "dog"]


def tokenizer(length: int) -> PreTrainedTokenizerFast:
    made = word_tokenizer(WORDS)
    made.model_max_length = length
    return made


def letters() -> CLIPTokenizer:
    """CLIP's tokenizer without merges: one token a letter."""
    alphabet = "abcdefghijklmnopqrstuvwxyz,"
    pieces = [*alphabet, *(f"{letter}</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    made = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])
    made.model_max_length = 8
    return made


def clip(width: int, projected: bool) -> Any:
    config = CLIPTextConfig(
        vocab_size=len(WORDS) + 2, hidden_size=width, intermediate_size=16, num_hidden_layers=3,
        num_attention_heads=2, max_position_embeddings=8,
        projection_dim=6, eos_token_id=0, bos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def t5(width: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=len(WORDS) + 2, d_model=width, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    ).eval()


def vae(channels: int, **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3, out_channels=3, block_out_channels=(8, 8), norm_num_groups=4, latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, **more,
    )  # fmt: skip


def unet(channels: int, cross: int, **more: Any) -> UNet2DConditionModel:
    settings = {
        "sample_size": 8, "in_channels": channels, "out_channels": channels, "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "layers_per_block": 1,
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": cross,
        "attention_head_dim": 4, "norm_num_groups": 4,
    }  # fmt: skip
    return UNet2DConditionModel(**{**settings, **more})


def sd(prediction: str = "epsilon", **more: Any) -> StableDiffusionPipeline:
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear", prediction_type=prediction, steps_offset=1, clip_sample=False
    )
    return StableDiffusionPipeline(
        vae(4),
        clip(8, False),
        tokenizer(8),
        unet(4, 8, **more),
        scheduler,
        None,
        None,
        requires_safety_checker=False,  # pyright: ignore
    )


def sdxl() -> StableDiffusionXLPipeline:
    network = unet(
        4,
        20,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 5,
    )
    scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear")
    return StableDiffusionXLPipeline(
        vae(4, force_upcast=True),
        clip(8, False),
        clip(12, True),
        tokenizer(8),
        tokenizer(8),
        network,
        scheduler,  # pyright: ignore
    )


def deepfloyd() -> IFPipeline:
    network = unet(3, 8, out_channels=6)
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range")
    return IFPipeline(tokenizer(77), t5(8), network, scheduler, None, None, None, requires_safety_checker=False)  # pyright: ignore


def sd3(with_t5: bool) -> StableDiffusion3Pipeline:
    network = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=24, caption_projection_dim=16, pooled_projection_dim=12, out_channels=4,
        pos_embed_max_size=8,
    )  # fmt: skip
    return StableDiffusion3Pipeline(
        network, FlowMatchEulerDiscreteScheduler(shift=3.0), vae(4, shift_factor=0.06, scaling_factor=1.5),
        clip(8, True), tokenizer(8), clip(12, True), tokenizer(8), t5(24) if with_t5 else None,
        tokenizer(256) if with_t5 else None,
    )  # fmt: skip


def flux() -> FluxPipeline:
    network = FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=8, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    return FluxPipeline(
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), vae(4, shift_factor=0.06), clip(8, False),
        tokenizer(8), t5(24), tokenizer(512), network,
    )  # fmt: skip


def mini() -> MiniPipeline:
    made = new_mini(WORDS, width=16)
    made.unet = MiniUNet(channels=(16, 32, 32), embedding=32, text_width=16)
    for parameter in made.unet.parameters():
        if not parameter.detach().abs().sum():  # zero-initialised outputs would make every test pass
            torch.nn.init.normal_(parameter, std=0.1)
    return made


def saved(pipeline: Any, folder: Path) -> Path:
    if isinstance(pipeline, MiniPipeline):
        save_mini(pipeline, folder)
    else:
        pipeline.save_pretrained(folder)
    return folder
