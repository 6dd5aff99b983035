import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from autodecoder import Sizes, Stack, fit_loss, learn, load_decoder, make_decoder, make_latents
from balls import ball
from points import points_of

from dream3d.priors.mini.latents import TriplaneDecoder, surface_of

SIZES = Sizes(resolution=8, channels=2, hidden=32, first=2, decoder_steps=700, fit_steps=200, points=512)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    made = []
    for model in (ball(), ball("small", 0.35), ball("between", 0.42)):
        made.append(folder / f"{model.key}.npz")
        points_of(model, count=6000, fine=64).save(made[-1])
    return made


def test_a_decoder_learns_spheres_and_a_latent_another_one(files, tmp_path):
    make_decoder(files[:2], tmp_path / "decoder.pt", SIZES, CPU)
    make_latents(files, tmp_path / "decoder.pt", tmp_path / "latents", SIZES, CPU)
    decoder, _ = load_decoder(tmp_path / "decoder.pt", SIZES, CPU)
    for file, radius in zip(files, (0.5, 0.35, 0.42), strict=True):
        latent = torch.from_numpy(np.load(tmp_path / "latents" / f"{file.stem}.npy"))
        found = surface_of(decoder, latent, cells=48)
        error = (found.vertices.norm(dim=1) - radius).abs()
        assert float(error.mean()) < 0.01 and float(error.max()) < 0.04
        colour = 0.5 + 0.4 * found.vertices / radius
        assert float((found.albedo - colour).abs().mean()) < 0.1


def test_what_is_there_is_kept(files, tmp_path):
    few = Sizes(resolution=8, channels=2, hidden=16, decoder_steps=1, fit_steps=1, points=16)
    make_decoder(files, tmp_path / "decoder.pt", few, CPU)
    (tmp_path / "latents").mkdir()
    mine = tmp_path / "latents" / f"{files[0].stem}.npy"
    np.save(mine, np.ones(3))
    make_latents(files, tmp_path / "decoder.pt", tmp_path / "latents", few, CPU)
    assert len(list((tmp_path / "latents").iterdir())) == 3 and np.load(mine).tolist() == [1, 1, 1]


def test_a_frozen_decoder_stays_and_draws_repeat(files):
    decoder = TriplaneDecoder(2, 16).requires_grad_(False)
    before = [p.clone() for p in decoder.parameters()]
    stack, made = Stack(files, CPU), []
    for _ in range(2):
        latents = nn.Parameter(torch.zeros(3, 3, 2, 8, 8))
        learn(decoder, latents, stack, 3, SIZES, seed=5)
        made.append(latents.detach())
    assert torch.equal(*made) and float(made[0].abs().max()) > 0
    assert all(torch.equal(a, b) for a, b in zip(before, decoder.parameters(), strict=True))


def test_the_loss_of_the_truth_is_zero():
    class Exact(TriplaneDecoder):
        def forward(self, latent, x):
            return x.norm(dim=-1) - 0.5, torch.full((*x.shape[:-1], 4), 0.25)

    x = 0.5 + 0.05 * torch.rand(1, 10, 3) - 0.2
    distance, shown = x.norm(dim=-1) - 0.5, torch.full((1, 10, 4), 0.25)
    latent = torch.zeros(1, 3, 2, 8, 8)
    assert float(fit_loss(Exact(), latent, x, distance.clamp(-0.1, 0.1), shown)) == pytest.approx(0, abs=1e-6)
    # outside the band: 20 |error| + 4 * 0.1 |error of what is shown|
    far = torch.full((1, 10), 0.05)
    x = torch.tensor([[[0.56, 0.0, 0.0]]]).expand(1, 10, 3)
    assert float(fit_loss(Exact(), latent, x, far, shown + 0.1)) == pytest.approx(20 * 0.01 + 0.04, rel=1e-3)
