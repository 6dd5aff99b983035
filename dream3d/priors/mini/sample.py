"""Pictures drawn from the embedded prior by DDIM (arXiv 2010.02502), for grids and judgement."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from dream3d.priors.mini.pipeline import Mini


@torch.no_grad()
def ddim(
    mini: Mini,
    captions: list[str],
    camera: Float[Tensor, "b 17"],
    generator: Generator,
    scale: float = 3.0,
    steps: int = 30,
) -> Float[Tensor, "b 4 h w"]:
    """RGBA samples in [0, 1], guided on the text (``null + scale (cond - null)``, camera kept)."""
    config: Any = mini.unet.config
    size, scheduler = config.sample_size, cast(Any, mini.scheduler)
    device = camera.device
    x = torch.randn(len(captions), 4, size, size, generator=generator).to(device)
    text, camera = mini.embed(captions + [""] * len(captions)), torch.cat((camera, camera))
    painted = mini.unet.paint(text, camera)
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            both = mini.unet(torch.cat((x, x)), t, text, class_labels=camera, painted=painted).sample
        cond, null = both.float().chunk(2)
        x = scheduler.step(null + scale * (cond - null), t, x).prev_sample
    return (x / 2 + 0.5).clamp(0, 1)
