"""On two untrained networks: the embedded prior's (v) and a tiny Stable Diffusion UNet (epsilon)."""

import io
from dataclasses import dataclass, replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from dream3d.distill.vsd import StudentScore
from dream3d.priors.gaussian import cosine_alpha_bar
from dream3d.priors.lora import LoraStudent, Network
from dream3d.priors.mini.network import MiniUNet
from dream3d.types import Conditioning

TEXT = 16


@dataclass
class Tiny:
    """The part of a prior that the student uses."""

    unet: nn.Module
    prediction: str
    alpha_bar: Tensor
    calls: int = 0

    def predict(self, x_t: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None) -> Tensor:
        self.calls += 1
        if isinstance(self.unet, MiniUNet):
            return self.unet(x_t, t, embedding, class_labels=camera).sample
        return self.unet(x_t, t, embedding).sample

    def to_eps(self, out: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return out
        abar = self.alpha_bar[t][:, None, None, None]
        return abar.sqrt() * out + (1 - abar).sqrt() * x_t


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(kind: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "mini":
            unet = MiniUNet(
                sample_size=16, channels=(16, 16, 16), down_blocks=(1, 1, 1), up_blocks=(1, 1, 1),
                heads=(0, 1, 1), embedding=32, text_width=TEXT,
            )  # fmt: skip
        else:
            unet = UNet2DConditionModel(
                sample_size=8, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=4,
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), cross_attention_dim=TEXT,
            )  # fmt: skip
        for parameter in unet.parameters():  # layers that start at zero would hide the adapters behind them
            if not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return unet.eval().requires_grad_(False)  # as loaded; torch chooses its kernel by the flag, too


@pytest.fixture(params=["mini", "sd"])
def prior(request: pytest.FixtureRequest) -> Tiny:
    kind = request.param
    prediction = "v_prediction" if kind == "mini" else "epsilon"
    return Tiny(network(kind), prediction, cosine_alpha_bar().float())


def batch(b: int = 2) -> tuple[Tensor, Tensor, Conditioning]:
    draw = generator(1)
    size = 16
    x = torch.randn(b, 4, size, size, generator=draw)
    camera = torch.randn(b, 17, generator=draw)
    camera[:, 16] = 0.7
    text = Conditioning(*(torch.randn(b, 5, TEXT, generator=draw) for _ in range(2)), camera=camera)
    return x, torch.tensor([300, 700] * b)[:b], text


def answer(prior: Tiny) -> Tensor:
    x, t, text = batch()
    with torch.no_grad():
        return prior.predict(x, t, text.cond, text.camera)


def test_prior_is_untouched_bit_for_bit(prior: Tiny) -> None:
    before = answer(prior)
    frozen = {k: (p.data_ptr(), p.clone()) for k, p in prior.unet.named_parameters()}
    student = LoraStudent(prior, generator(0), lr=0.1, warmup=1)
    assert isinstance(prior, Network)
    assert isinstance(student, StudentScore)
    assert torch.equal(answer(prior), before)
    x, _, text = batch()
    student.train(x, text, generator(3))
    student.eps(x, torch.tensor([300, 700]), text)
    assert torch.equal(answer(prior), before)
    after = {k.replace(".base_layer", ""): p for k, p in prior.unet.named_parameters() if ".student." not in k}
    assert set(after) == set(frozen)
    for name, (pointer, value) in frozen.items():
        assert after[name].data_ptr() == pointer  # shared in memory, not copied
        assert torch.equal(after[name], value)


def test_starts_as_the_prior_and_then_differs(prior: Tiny) -> None:
    x, t, text = batch()
    student = LoraStudent(prior, generator(0), lr=0.01, warmup=1)
    start = student.eps(x, t, text)
    torch.testing.assert_close(start, prior.to_eps(answer(prior), x, t))
    assert not start.requires_grad
    student.train(x, text, generator(3))
    assert (student.eps(x, t, text) - start).abs().max() > 1e-3


def test_every_trained_tensor_gets_a_gradient(prior: Tiny) -> None:
    x, _, text = batch()
    student = LoraStudent(prior, generator(0), lr=0.01, warmup=1, camera_dropout=0.0)
    before = {k: p.clone() for k, p in student.lora.items()} | {
        k: p.clone() for k, p in student.camera.named_parameters()
    }
    for step in range(3):  # A moves once B has left zero
        student.train(x, text, generator(step))
    now = dict(student.lora) | dict(student.camera.named_parameters())
    assert all((now[k] != before[k]).any() for k in before)
    assert all(p.dtype == torch.float32 for p in now.values())


def test_learns_the_renders(prior: Tiny) -> None:
    """On one pair of images and one draw of noise the error falls, and keeps falling."""
    x, _, text = batch()
    student = LoraStudent(prior, generator(0), rank=8, lr=0.02, warmup=5)
    losses = [student.train(0.1 * x, text, generator(0)).item() for _ in range(40)]
    assert losses[20] < 0.95 * losses[0]
    assert losses[-1] < 0.85 * losses[0]


def test_one_pass_a_call_and_k_updates(prior: Tiny) -> None:
    x, t, text = batch()
    student = LoraStudent(prior, generator(0), updates=3)
    student.train(x, text, generator(0))
    assert (prior.calls, student.step) == (3, 3)
    student.eps(x, t, text)
    assert prior.calls == 4


def test_camera_reaches_the_student_and_dropout_hides_it(prior: Tiny) -> None:
    x, t, text = batch()
    student = LoraStudent(prior, generator(0), lr=0.05, warmup=1, camera_dropout=0.0)
    student.train(x, text, generator(0))
    other = replace(text, camera=text.camera.flip(0))
    assert (student.eps(x, t, text) - student.eps(x, t, other)).abs().max() > 1e-4
    blind = LoraStudent(replace(prior, unet=network("mini" if prior.prediction[0] == "v" else "sd")),
                        generator(0), camera_dropout=1.0)  # fmt: skip
    state = blind.state_dict()
    saved = io.BytesIO()
    torch.save(state, saved)
    with_camera = blind.train(x, text, generator(5))
    saved.seek(0)
    blind.load_state_dict(torch.load(saved, weights_only=True))
    assert torch.equal(blind.train(x, replace(text, camera=None), generator(5)), with_camera)


def test_plain_text_where_there_is_one(prior: Tiny) -> None:
    x, t, text = batch()
    student = LoraStudent(prior, generator(0))
    viewless = replace(text, plain=text.null)
    assert torch.equal(student.eps(x, t, viewless), student.eps(x, t, replace(text, cond=text.null)))
    assert not torch.equal(student.eps(x, t, viewless), student.eps(x, t, text))


def test_resume_is_exact(prior: Tiny) -> None:
    """Six updates equal three, save, load into a new student, three: bit for bit."""
    x, t, text = batch()
    whole = LoraStudent(prior, generator(0), lr=0.01, warmup=5)
    for step in range(3):
        whole.train(x, text, generator(step))
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    for step in range(3, 6):
        whole.train(x, text, generator(step))
    kind = "mini" if prior.prediction == "v_prediction" else "sd"
    resumed = LoraStudent(replace(prior, unet=network(kind)), generator(99), lr=0.01, warmup=5)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for step in range(3, 6):
        resumed.train(x, text, generator(step))
    assert torch.equal(resumed.eps(x, t, text), whole.eps(x, t, text))
    assert resumed.step == 6


def test_targets_agree_up_to_alpha(prior: Tiny) -> None:
    """One image: the error in v is that in epsilon over alpha_bar, whatever the network predicts."""
    x, _, text = batch(1)
    kind = "mini" if prior.prediction == "v_prediction" else "sd"
    noise = LoraStudent(prior, generator(0), target="epsilon").train(x, text, generator(7))
    other = replace(prior, unet=network(kind))
    velocity = LoraStudent(other, generator(0), target="v_prediction").train(x, text, generator(7))
    t = torch.randint(0, 1000, (1,), generator=generator(7))
    torch.testing.assert_close(velocity, noise / prior.alpha_bar[t][0], rtol=1e-3, atol=1e-4)


def test_half_precision_network_keeps_float32_adapters(prior: Tiny) -> None:
    x, t, text = batch()
    prior.unet.to(torch.bfloat16)
    whole = prior.predict

    def cast(x_t: Tensor, t: Tensor, embedding: Tensor, camera: Tensor | None) -> Tensor:
        return whole(x_t.bfloat16(), t, embedding.bfloat16(), camera).float()

    prior.predict = cast  # type: ignore[method-assign]
    student = LoraStudent(prior, generator(0), lr=0.01, warmup=1)
    before = student.eps(x, t, text)
    assert torch.isfinite(student.train(x, text, generator(0)))
    assert not torch.equal(student.eps(x, t, text), before)
    assert all(p.dtype == torch.float32 for p in student.lora.values())


def test_warm_up(prior: Tiny) -> None:
    x, _, text = batch()
    student = LoraStudent(prior, generator(0), lr=1e-3, warmup=4)
    rates = []
    for step in range(6):
        student.train(x, text, generator(step))
        rates.append(student.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3, 1e-3])


def test_all_randomness_is_the_callers(prior: Tiny) -> None:
    x, _, text = batch()
    torch.manual_seed(5)
    LoraStudent(prior, generator(0)).train(x, text, generator(0))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_mistakes_are_named(prior: Tiny) -> None:
    with pytest.raises(ValueError, match="got 'x0', expected epsilon or v_prediction"):
        LoraStudent(prior, generator(0), target="x0")
    with pytest.raises(ValueError, match=r"student\.targets: got \['nothing'\]"):
        LoraStudent(prior, generator(0), targets=["nothing"])
    small = LoraStudent(prior, generator(0), rank=2)
    kind = "mini" if prior.prediction == "v_prediction" else "sd"
    large = LoraStudent(replace(prior, unet=network(kind)), generator(0), rank=4)
    with pytest.raises(ValueError, match=r"keep student\.rank"):
        large.load_state_dict(small.state_dict())
    bare = Tiny(nn.Sequential(nn.Linear(2, 2)), "epsilon", prior.alpha_bar)
    with pytest.raises(ValueError, match="got a Sequential"):
        LoraStudent(bare, generator(0), targets=["0"])
