import torch

from dream3d.distill.weight import alpha_sigma_squared, flow, noise_to_signal, sigma_squared, signal, uniform, weigh


def test_values() -> None:
    abar = torch.tensor([1.0, 0.64, 0.36, 0.0])
    torch.testing.assert_close(sigma_squared(abar), torch.tensor([0.0, 0.36, 0.64, 1.0]))
    torch.testing.assert_close(uniform(abar), torch.ones(4))
    torch.testing.assert_close(alpha_sigma_squared(abar), torch.tensor([0.0, 0.8 * 0.36, 0.6 * 0.64, 0.0]))
    torch.testing.assert_close(noise_to_signal(abar, factor=0.1), torch.tensor([0.0, 0.075, 0.8 / 6, 10.0]))
    torch.testing.assert_close(signal(abar), torch.tensor([1.0, 0.8, 0.6, 0.0]))
    torch.testing.assert_close(flow(abar), torch.tensor([1.0, 1.75, 1.4 / 0.6, 101.0]))


def test_weigh_goes_image_by_image() -> None:
    grad = torch.ones(2, 3, 4)
    got = weigh(grad, sigma_squared, torch.tensor([0.9, 0.5, 0.2]), torch.tensor([2, 0]))
    torch.testing.assert_close(got[:, 0, 0], torch.tensor([0.8, 0.1]))
    torch.testing.assert_close(got, got[:, :1, :1].expand(2, 3, 4))
