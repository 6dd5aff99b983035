"""The embedding learns: the network's own loss on the picture falls, and the number of a shape stays what it is."""

import tiny
import torch

from dream3d.diffusion import q_sample
from dream3d.priors.addons.textual_inversion import picture_words
from dream3d.priors.pipeline import load
from dream3d.seeding import generator


def test_the_loss_falls_and_the_shapes_number_stays(tmp_path):
    torch.manual_seed(0)
    prior = load(str(tiny.saved(tiny.mini(), tmp_path)), dtype="float32")
    embedding, x, camera = prior.embed(["a corgi"]), torch.rand(1, 4, 16, 16) * 2 - 1, torch.rand(1, 17)
    shift = picture_words(prior, embedding, x, camera, generator(0, 0, "words"), steps=60, lr=0.05)
    assert shift[:, -1].abs().max() == 0 and shift.abs().max() > 0
    t = torch.arange(50, 1000, 50)
    noise = torch.randn(len(t), 4, 16, 16, generator=generator(1, 0, "words"))
    many = x.expand(len(t), -1, -1, -1)
    x_t = q_sample(many, t, noise, prior.alpha_bar)

    def loss(e):
        out = prior.predict(x_t, t, e.expand(len(t), -1, -1), camera.expand(len(t), -1))
        return float((out - prior.target(many, noise, t)).square().mean().detach())

    assert loss(embedding + shift) < 0.98 * loss(embedding)
