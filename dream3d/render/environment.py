"""A small environment: light from all round, brighter above than below, and a few lamps far away.

Surfaces answer as glTF 2.0 defines its metallic-roughness material (Appendix B.3), whose parts are the
microfacet distribution of Walter et al. 2007 (GGX) with the height-correlated shadowing of Heitz 2014 and
Schlick's Fresnel term (1994).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dream3d.render.srgb import linear, srgb

DIELECTRIC = 0.04  # glTF 2.0: what a surface that is no metal reflects head-on
SMOOTHEST = 0.05  # roughness below which a lamp's highlight is smaller than a pixel


def ggx(
    normal_half: Float[Tensor, "n 1"],
    normal_light: Float[Tensor, "n 1"],
    normal_view: Float[Tensor, "n 1"],
    roughness: Float[Tensor, "n 1"],
) -> Float[Tensor, "n 1"]:
    """``D V`` with a = roughness^2: ``D = a^2 / (pi ((n.h)^2 (a^2 - 1) + 1)^2)`` and
    ``V = 1 / (2 (n.l sqrt((n.v)^2 (1 - a^2) + a^2) + n.v sqrt((n.l)^2 (1 - a^2) + a^2))) ``."""
    a2 = roughness.pow(4)
    d = a2 / (math.pi * (normal_half.square() * (a2 - 1) + 1).square())
    shadowed = normal_light * (normal_view.square() * (1 - a2) + a2).sqrt()
    masked = normal_view * (normal_light.square() * (1 - a2) + a2).sqrt()
    return d * 0.5 / (shadowed + masked).clamp(min=1e-6)


class EnvironmentLight:
    """Environment light of radiance ``(sky + ground) / 2 + (sky - ground) / 2 y`` in direction (x, y, z),
    which is the spherical harmonics of orders 0 and 1, and ``lamps``: (x, y, z, strength) with strength the
    irradiance over pi, so that a white diffuse surface that faces a lamp of strength 1 is white.

    Of the light from all round a diffuse surface receives order 1 times 2/3 (Ramamoorthi and Hanrahan 2001,
    Eq. 13). What is mirrored scales it by 1 (smooth) to 2/3 (fully rough), with a Fresnel term damped by
    roughness (Lagarde 2011): an approximation, but one that neither makes nor loses light where the
    surroundings are constant.

    Raises:
        ValueError: light that is negative, or a lamp that is not four numbers.
    """

    def __init__(self, *, sky: float = 0.9, ground: float = 0.6, lamps: Sequence[Sequence[float]] = ()) -> None:
        if sky < 0 or ground < 0:
            raise ValueError(f"render.light: got sky {sky}, ground {ground}; expected no negative light")
        for lamp in lamps:
            if len(lamp) != 4 or lamp[3] < 0 or not any(lamp[:3]):
                raise ValueError(f"render.light.lamps: got {list(lamp)}, expected [x, y, z, strength >= 0]")
        self.mean, self.slope = (sky + ground) / 2, (sky - ground) / 2
        self.lamps = [([float(v) for v in lamp[:3]], float(lamp[3])) for lamp in lamps]

    def __call__(
        self,
        colour: Float[Tensor, "n 3"],
        material: Float[Tensor, "n 2"],
        normal: Float[Tensor, "n 3"],
        view: Float[Tensor, "n 3"],
    ) -> Float[Tensor, "n 3"]:
        """What surfaces of base ``colour`` (sRGB) and ``material`` (roughness, metallic) show towards unit
        ``view``; sRGB, clipped at white. Surfaces have two sides."""
        normal = torch.where((normal * view).sum(-1, keepdim=True) < 0, -normal, normal)
        base, (roughness, metallic) = linear(colour), material.split(1, dim=-1)
        roughness = roughness.clamp(SMOOTHEST, 1)
        normal_view = (normal * view).sum(-1, keepdim=True).clamp(1e-3, 1)
        mirrored = 2 * normal_view * normal - view
        around = self.mean + self.slope * 2 / 3 * normal[:, 1:2]
        ahead = self.mean + self.slope * (1 - roughness / 3) * mirrored[:, 1:2]
        light = mixed(base, metallic, normal_view, 1 - roughness, around, ahead)
        for direction, strength in self.lamps:
            towards = F.normalize(normal.new_tensor(direction), dim=0).expand_as(normal)
            half = F.normalize(towards + view, dim=-1, eps=1e-6)
            normal_light = (normal * towards).sum(-1, keepdim=True).clamp(min=0)
            normal_half, view_half = ((a * half).sum(-1, keepdim=True).clamp(0, 1) for a in (normal, view))
            shine = math.pi * ggx(normal_half, normal_light, normal_view, roughness)
            white, received = torch.ones_like(shine), strength * normal_light
            light = light + mixed(base, metallic, view_half, white, received, received * shine)
        return srgb(light.clamp(0, 1))


def mixed(
    base: Float[Tensor, "n 3"],
    metallic: Float[Tensor, "n 1"],
    cosine: Float[Tensor, "n 1"],
    grazing: Float[Tensor, "n 1"],
    diffuse: Float[Tensor, "n 1"],
    specular: Float[Tensor, "n 1"],
) -> Float[Tensor, "n 3"]:
    """``(1 - metallic) ((1 - F_d) base diffuse + F_d specular) + metallic F_m specular`` for light that a
    white surface would give back as ``diffuse`` or as ``specular``.

    ``F = F_0 + (max(grazing, F_0) - F_0) (1 - cosine)^5`` is Schlick's for a grazing reflectance of 1; F_0 is
    0.04 for F_d and the base colour for F_m.
    """
    edge = (1 - cosine) ** 5

    def fresnel(head_on: Tensor) -> Tensor:
        return head_on + (torch.maximum(grazing, head_on) - head_on) * edge

    dielectric = fresnel(torch.full_like(grazing, DIELECTRIC))
    plain = (1 - dielectric) * base * diffuse + dielectric * specular
    return torch.lerp(plain, fresnel(base) * specular, metallic)
