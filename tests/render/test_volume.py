"""The renderer against closed forms, a dense float64 twin, and itself without skipping."""

import math

import pytest
import torch
from analytic_fields import Analytic
from torch import Tensor

from dream3d.cameras import orbit, pixel_rays
from dream3d.render.sampling import ball_interval
from dream3d.render.shading import Lambertian, Textureless, point_light
from dream3d.render.volume import VolumeRenderer
from dream3d.types import Camera, Render, Surface


def camera(size: int = 16, views: int = 2, distance: float = 3.0, dtype: torch.dtype = torch.float32) -> Camera:
    angle = torch.arange(views, dtype=dtype) * 0.7 + 0.2
    same = torch.ones(views, dtype=dtype)
    return orbit(angle, 0.3 * same, distance * same, math.radians(45) * same, size)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def chords(cam: Camera) -> Tensor:
    rays = pixel_rays(cam)
    near, far = ball_interval(rays.origin.reshape(-1, 3), rays.direction.reshape(-1, 3))
    return (far - near).view(len(cam), cam.height, cam.width, 1)


def blob(x: Tensor) -> Tensor:
    return 40 * torch.sigmoid(30 * (0.5 - x.norm(dim=-1))) * (1 + 0.5 * torch.sin(9 * x[:, 0]))


def dense(field, cam: Camera, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Colour, alpha, depth from the definition: all steps of all rays, a cumulative product."""
    rays = pixel_rays(cam)
    origin, direction = rays.origin.reshape(-1, 3), rays.direction.reshape(-1, 3)
    near, far = ball_interval(origin, direction)
    edges = near[:, None] + torch.arange(steps + 1, dtype=near.dtype) * (2 / steps)
    edges = torch.minimum(edges, far[:, None])
    t, delta = (edges[:, 1:] + edges[:, :-1]) / 2, edges.diff(dim=1)
    x = origin[:, None] + t[..., None] * direction[:, None]
    surface = field.surface(x.view(-1, 3))
    alpha = 1 - torch.exp(-surface.density.view_as(t) * delta)
    ones = torch.ones_like(alpha[:, :1])
    w = alpha * torch.cat((ones, (1 - alpha).cumprod(1)[:, :-1]), dim=1)
    colour = (w[..., None] * surface.colour.view(*t.shape, -1)).sum(1)
    shape = (len(cam), cam.height, cam.width, -1)
    return colour.view(shape), w.sum(1).view(shape), (w * t).sum(1).view(shape)


@pytest.mark.parametrize("seed", [None, 3])
def test_constant_density_has_the_closed_form(seed):
    cam = camera()
    render = VolumeRenderer(samples=32, occupancy=0)(Analytic(lambda x: 1.7 + 0 * x[:, 0]), cam, seed and rng(seed))
    torch.testing.assert_close(render.image.alpha, 1 - torch.exp(-1.7 * chords(cam)), rtol=0, atol=2e-5)


def test_packed_equals_dense_forward_and_gradient():
    cam, field = camera(8, dtype=torch.float64), Analytic(blob).double()
    render = VolumeRenderer(samples=48, occupancy=0, transmittance=0.0)(field, cam)
    colour, alpha, depth = dense(field, cam, 48)
    mine = (render.image.colour, render.image.alpha, render.depth)
    for a, b in zip(mine, (colour, alpha, depth), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    pull = [torch.randn(x.shape, dtype=x.dtype, generator=rng(i)) for i, x in enumerate(mine)]
    grads = [
        torch.autograd.grad(sum((x * p).sum() for x, p in zip(out, pull, strict=True)), field.gain)[0]
        for out in (mine, (colour, alpha, depth))
    ]
    torch.testing.assert_close(*grads, rtol=1e-8, atol=1e-8)


def test_depth_of_a_thin_opaque_shell():
    cam = camera(17, views=1)
    shell = Analytic(lambda x: 1e5 * ((x.norm(dim=-1) - 0.6).abs() < 0.02))
    render = VolumeRenderer(samples=256, occupancy=0)(shell, cam)
    middle = render.depth[0, 8, 8, 0].detach()
    assert abs(float(middle) - (3 - 0.62)) < 2 / 256
    assert render.image.alpha[0, 8, 8, 0] > 1 - 1e-5
    assert render.depth[0, 0, 0, 0] == 0 and render.image.alpha[0, 0, 0, 0] == 0


def test_weights_sum_to_alpha_and_samples_lie_on_their_rays():
    render = VolumeRenderer(samples=32, occupancy=0)(Analytic(blob), camera(), rng())
    total = torch.zeros(512).index_add(0, render.samples.ray, render.weights)
    torch.testing.assert_close(total, render.image.alpha.flatten(), rtol=0, atol=1e-6)
    origin = render.rays.origin.reshape(-1, 3)[render.samples.ray]
    t = (render.samples.start + render.samples.end) / 2
    away = (render.points - origin).norm(dim=-1)
    torch.testing.assert_close(away, t, rtol=1e-5, atol=1e-5)


def trained(field, **knobs) -> VolumeRenderer:
    volume = VolumeRenderer(**knobs)
    for step in range(0, 20 * 16, 16):
        volume.update(field, step, rng(step))
    return volume


@pytest.mark.parametrize("gain", [1.0, 30.0])
def test_skipping_changes_nothing_for_a_compact_scene_and_saves_most_queries(gain):
    """What is lost: cells of less than a hundredth of opacity a step, and corners that the probes missed."""
    field = Analytic(lambda x: gain * 40 * torch.sigmoid(60 * (0.5 - x.norm(dim=-1))))
    full, skipping = VolumeRenderer(samples=64, occupancy=0, transmittance=0.0), trained(field, samples=64)
    pictures, grads, queries = [], [], []
    for volume in (full, skipping):
        field.queried = 0
        render = volume(field, camera(24), rng(1))
        pictures.append(render)
        queries.append(field.queried)
        loss = (render.image.colour * torch.rand(render.image.colour.shape, generator=rng(5))).sum()
        grads.append(torch.autograd.grad(loss, field.gain)[0])
    a, b = pictures
    for x, y in (
        (a.image.colour, b.image.colour),
        (a.image.alpha, b.image.alpha),
        (a.depth / 3, b.depth / 3),
    ):
        assert (x - y).abs().max() < 0.02 and (x - y).abs().mean() < 6e-4
    torch.testing.assert_close(*grads, rtol=0.01, atol=0)
    assert queries[1] < (0.25 if gain == 1 else 0.15) * queries[0]


def test_empty_scene_has_no_samples_and_still_a_gradient():
    field = Analytic(lambda x: 0 * x[:, 0])
    render = trained(field)(field, camera(), rng())
    assert len(render.weights) == 0 and render.image.alpha.sum() == 0 and render.depth.sum() == 0
    (render.image.colour.sum() + render.image.alpha.sum()).backward()
    assert field.gain.grad == 0


def test_solid_scene_is_opaque_at_the_ball_and_finite():
    field = Analytic(lambda x: 1e6 + 0 * x[:, 0])
    cam = camera(17, views=1)
    render = trained(field)(field, cam, rng())
    # The outermost ring of rays only grazes the ball; cells there may be seen too rarely to be kept.
    torch.testing.assert_close(
        render.image.alpha[chords(cam) > 0.5], torch.ones(1).expand(int((chords(cam) > 0.5).sum()))
    )
    render.image.colour.sum().backward()
    assert torch.isfinite(field.gain.grad)


def test_camera_inside_the_ball():
    cam = camera(9, views=1, distance=0.5)
    render = VolumeRenderer(samples=32, occupancy=0)(Analytic(lambda x: 1.0 + 0 * x[:, 0]), cam)
    torch.testing.assert_close(render.image.alpha, 1 - torch.exp(-chords(cam)), rtol=0, atol=1e-5)
    assert render.samples.start.min() >= 0
    assert 0 < float(chords(cam).min()) and float(chords(cam).max()) <= 1.5 + 1e-5


def test_same_generator_same_bits_and_another_differs():
    field, volume = Analytic(blob), VolumeRenderer(samples=32, occupancy=0)
    a, b, c = (volume(field, camera(), rng(s)).image.colour for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_jitter_is_unbiased():
    """Over many offsets the mean equals the fine midpoint rule; of a faint field, where alpha is linear."""
    field = Analytic(lambda x: 0.01 * (x[:, 0] > 0.1) * (x[:, 1] < 0.3))
    cam = camera(6, views=1)
    coarse, fine = VolumeRenderer(samples=6, occupancy=0), VolumeRenderer(samples=600, occupancy=0)
    with torch.no_grad():
        mean = torch.stack([coarse(field, cam, rng(i)).image.alpha for i in range(300)]).mean(0)
        torch.testing.assert_close(mean, fine(field, cam).image.alpha, rtol=0, atol=4e-4)


def test_chunks_change_nothing():
    field = Analytic(blob)
    light = Lambertian(point_light(camera(), rng(4)))
    out = [
        VolumeRenderer(samples=32, occupancy=0, chunk=c)(field, camera(), rng(), "finite", light) for c in (10**6, 100)
    ]
    for name in ("weights", "points", "density", "normals", "depth", "normal"):
        torch.testing.assert_close(getattr(out[0], name), getattr(out[1], name), msg=name)
    assert torch.equal(out[0].samples.ray, out[1].samples.ray)
    torch.testing.assert_close(out[0].image.colour, out[1].image.colour)


@pytest.mark.parametrize("normals", ["none", "finite", "analytic"])
def test_chunks_keep_the_gradient_and_not_the_activations(normals):
    """All but the outputs of a chunk is computed again: saved are an eighth of a field's bytes, and gradients equal."""
    wide = torch.nn.Linear(3, 400, dtype=torch.float64)
    saved, gradients = [], []

    class Wide(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = wide

        def density(self, x):
            return torch.tanh(self.layer(x.double())).square().mean(-1).to(x.dtype)

        def surface(self, x):
            return Surface(self.density(x), torch.sigmoid(x))

    for chunk in (10**6, 64):
        kept: dict[int, int] = {}

        def note(x, kept=kept):
            kept[x.data_ptr()] = x.numel() * x.element_size()
            return x

        with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
            render = VolumeRenderer(samples=32, occupancy=0, chunk=chunk)(Wide(), camera(), rng(), normals)
        loss = render.image.colour.square().sum() + render.depth.sum()
        if render.normal is not None:
            loss = loss + render.normal.square().sum()
        gradients.append(torch.autograd.grad(loss, list(wide.parameters())))
        saved.append(sum(kept.values()))
    for whole, parts in zip(*gradients, strict=True):
        assert whole.abs().max() > 0
        torch.testing.assert_close(whole, parts)
    assert saved[1] < saved[0] / 8


def test_state_dict_resumes_exactly():
    field = Analytic(blob)
    a, b = trained(field), VolumeRenderer()
    b.load_state_dict(a.state_dict())
    for volume in (a, b):
        volume.update(field, 320, rng(320))
        volume.update(field, 321, rng(321))
    assert torch.equal(a(field, camera(), rng(7)).image.colour, b(field, camera(), rng(7)).image.colour)


def test_update_is_due_every_n_steps():
    field, volume = Analytic(blob), VolumeRenderer(occupancy_every=4)
    for step in range(9):
        volume.update(field, step, rng(step))
    assert field.queried == 3 * (len(volume.occupancy.cells) + len(volume.occupancy.corners))


@pytest.mark.parametrize("kind", ["analytic", "finite"])
def test_normals_of_a_ball_point_outwards(kind):
    ball = Analytic(lambda x: 100 * torch.sigmoid(40 * (0.5 - x.norm(dim=-1))))
    render = VolumeRenderer(samples=64, occupancy=0)(ball, camera(9, views=1), None, kind)
    seen = render.weights > 1e-3
    outwards = torch.nn.functional.normalize(render.points[seen], dim=-1)
    assert ((render.normals[seen] * outwards).sum(-1) > 0.99).all()
    towards = -render.rays.direction[0, 4, 4]
    assert torch.nn.functional.normalize(render.normal[0, 4, 4], dim=0) @ towards > 0.99
    assert abs(render.normal[0, 4, 4].norm() - render.image.alpha[0, 4, 4, 0]) < 0.05


def test_shading_reaches_the_picture():
    ball, cam = Analytic(lambda x: 300.0 * torch.sigmoid(60 * (0.5 - x.norm(dim=-1)))), camera(9, views=2)
    towards = Textureless(cam.c2w[:, :3, 3])
    render: Render = VolumeRenderer(samples=64, occupancy=0)(ball, cam, None, "finite", towards)
    torch.testing.assert_close(render.image.colour[:, 4, 4], torch.ones(2, 3), rtol=0, atol=0.02)
    behind = Textureless(-cam.c2w[:, :3, 3])
    render = VolumeRenderer(samples=64, occupancy=0)(ball, cam, None, "finite", behind)
    torch.testing.assert_close(render.image.colour[:, 4, 4], torch.full((2, 3), 0.1), rtol=0, atol=0.02)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="expected samples"):
        VolumeRenderer(samples=0)
    with pytest.raises(ValueError, match="ask for analytic or finite"):
        VolumeRenderer()(Analytic(blob), camera(), None, "none", Textureless(torch.zeros(2, 3)))
