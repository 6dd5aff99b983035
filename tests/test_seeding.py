import torch

from dream3d.seeding import generator


def draw(*key) -> torch.Tensor:
    return torch.rand(1000, generator=generator(*key))


def test_the_same_key_gives_the_same_bits():
    assert torch.equal(draw(1, 2, "t"), draw(1, 2, "t"))


def test_streams_steps_and_seeds_are_independent():
    base = draw(1, 2, "t")
    for other in (draw(1, 2, "noise"), draw(1, 3, "t"), draw(2, 2, "t"), draw(12, 2, "t"), draw(1, 22, "t")):
        correlation = torch.corrcoef(torch.stack((base, other)))[0, 1]
        assert abs(correlation) < 0.15
