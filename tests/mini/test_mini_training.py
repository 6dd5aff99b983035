from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import filled_pool, training
from pool import BLOCK, Pool
from small_run import differences
from training import FLAT, WARM, Options, Schedule, held, lr_factor

from dream3d.errors import UserError

SCHEDULE, OPTIONS = Schedule(steps=6), Options(batch=4, lr=1e-2, large_every=3)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return filled_pool()


def test_stopped_and_continued_is_bit_for_bit_what_never_stopped(pool, tmp_path):
    whole, first = training(pool, OPTIONS), training(pool, OPTIONS)
    for _ in range(5):
        whole.step(SCHEDULE)
    for _ in range(2):
        first.step(SCHEDULE)
    first.save(tmp_path / "state.pt", "mark")
    second = training(pool, OPTIONS)
    second.restore(tmp_path / "state.pt", "mark")
    for _ in range(3):
        second.step(SCHEDULE)
    for one in (whole, second):
        one.seconds = 0.0
        one.save(tmp_path / f"{one is whole}.pt", "mark")
    a, b = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in (True, False))
    assert a["done"] == 5 and differences(a, b) == []
    assert differences(a["unet"], training(pool, OPTIONS).unet.state_dict()) != []


def test_a_state_of_something_else_is_refused(pool, tmp_path):
    training(pool, OPTIONS).save(tmp_path / "state.pt", "mark")
    for options, mark in ((OPTIONS, "another"), (replace(OPTIONS, batch=8), "mark")):
        with pytest.raises(UserError, match="repeat the command"):
            training(pool, options).restore(tmp_path / "state.pt", mark)


def test_a_loss_of_one_batch_falls(pool, monkeypatch):
    monkeypatch.setattr(pool, "painted", np.zeros_like(pool.painted))  # nothing is known beforehand
    made = training(pool, Options(batch=8, lr=5e-3, large_every=1000))
    made.tokens = made.tokens[:, :1]
    losses = []
    for _ in range(30):
        made.done = 0  # the same draws again and again
        loss = made.loss()
        made.optimizer.zero_grad()
        loss.backward()
        made.optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.7 * losses[0]


def test_v_and_alpha_bar(pool):
    made = training(pool, OPTIONS)
    x0, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    t = torch.tensor([10, 900])
    x_t, v, a = made.noised(x0, t, noise)
    assert torch.allclose(a.sqrt() * x_t - (1 - a).sqrt() * v, x0, atol=1e-5)
    assert torch.allclose(x_t, made.mini.scheduler.add_noise(x0, noise, t), atol=1e-6)
    assert torch.allclose(v, made.mini.scheduler.get_velocity(x0, noise, t), atol=1e-6)


def test_batches_are_the_pools_rows(pool):
    made, row = training(pool, OPTIONS), torch.tensor([3 * BLOCK + 1])
    x0, painted, camera = made.batch(row, 64)
    whole = torch.from_numpy(pool.views[row.numpy()]).float() / 255
    assert torch.allclose(x0[0].permute(1, 2, 0), 2 * whole[0].view(64, 2, 64, 2, 4).mean((1, 3)) - 1, atol=1e-6)
    assert torch.equal(camera[0], torch.from_numpy(pool.camera[int(row)])) and painted.shape == (1, 4, 64, 64)


def test_averaged_weights_are_the_moving_average(pool):
    made = training(pool, OPTIONS)
    for _ in range(2):
        made.step(SCHEDULE)
    mean = made.averaged()
    assert torch.equal(next(mean.text_encoder.parameters()), made.ema[0])
    assert not torch.equal(made.ema[-2], list(made.unet.parameters())[-2])


def test_schedule_rate_and_jobs():
    assert Schedule(minutes=2).share(99, 30) == 0.25 and Schedule(steps=40).share(10, 1e9) == 0.25
    assert lr_factor(0, 0) == 1 / WARM and lr_factor(WARM, FLAT / 2) == 1
    assert lr_factor(10**6, 1) == pytest.approx(0.02)
    assert (held(4), held(1000)) == (1, 48)


def test_jobs_come_in_as_steps_go(pool):
    made = training(pool, Options(batch=8))
    made.pool = Pool(pool.models, pool.latents, pool.meshes, list(pool.jobs) * 20, 8, 1, 1)
    begin = made.seen()
    made.done = 16
    assert made.seen() == begin + 16 * 8 // BLOCK
    made.done = 10**6
    assert made.seen() == 240
