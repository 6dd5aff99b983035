"""Estimates against sizes written out by hand and against tensors that autograd really keeps."""

import pytest
import tiny
import torch
from torch import nn

from dream3d.errors import UserError
from dream3d.priors.loading import memory
from dream3d.priors.loading.memory import Batch, Estimate
from dream3d.priors.pipeline import load

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sd_folder(tmp_path_factory):
    torch.manual_seed(0)
    return tiny.saved(tiny.sd(), tmp_path_factory.mktemp("sd"))


def test_the_formula():
    found = Estimate(weights=1000.0, held=10.0, encode=30.0, forward=7.0, student=100.0)
    assert found.peak(Batch(2, 2, False), 5.0) == 1000 + 5 + max(2 * (10 + 14), 60, 200)
    assert Estimate(1000.0, 10.0, 30.0, 7.0, 0.0).peak(Batch(2, 4, False), 0.0) == 1000 + 2 * (10 + 28)
    assert Estimate(0.0, 10.0, 90.0, 7.0, 0.0).peak(Batch(1, 2, False), 0.0) == 90


def test_bytes_alive_are_the_ones_written_out_by_hand():
    layers = memory.to_meta(nn.Sequential(nn.Linear(10, 30), nn.ReLU(), nn.Linear(30, 20)).requires_grad_(False))
    x = memory.meta(4, 10)
    held, peak = memory.counted(lambda: layers(x), False, [layers])
    assert held == 4 * 20 * 4
    assert peak == 4 * (30 + 30) * 4  # while ReLU runs: its input and its output; later 30 + 20
    leaf = memory.meta(4, 10).requires_grad_()
    held, peak = memory.counted(lambda: layers(leaf), True, [layers])
    assert held == 4 * (20 + 30) * 4  # the result, and what ReLU needs on the way back


def test_attention_counts_as_the_fused_kernels_have_it():
    q, k, v = (memory.meta(1, 2, 512, 8).requires_grad_() for _ in range(3))
    held, peak = memory.counted(lambda: nn.functional.scaled_dot_product_attention(q, k, v), True, [])
    one = 2 * 512 * 8 * 4
    assert held == one
    assert peak <= 6 * one < 2 * 512 * 512 * 4  # result, its gradient, three more; never the 512 x 512 table


def test_what_the_vae_holds_is_what_autograd_keeps(sd_folder):
    prior = load(str(sd_folder), dtype="float32")
    found = memory.estimate(prior.unet, prior.family, prior.space, [prior.unet], torch.float32, Batch())
    own = {p.untyped_storage().data_ptr() for p in prior.space.vae.parameters()}
    kept = {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = prior.space.vae.encode(image).latent_dist.mean
    assert out.requires_grad
    assert sum(kept.values()) * 0.9 <= found.held <= sum(kept.values()) * 1.3
    assert found.encode > found.held and found.forward > 0 and found.student == 0
    assert found.weights == 4 * sum(p.numel() for p in prior.unet.parameters())


def test_a_student_and_checkpointing_move_the_figures_the_right_way(sd_folder):
    prior = load(str(sd_folder), dtype="float32")

    def figures(student):
        return memory.estimate(prior.unet, prior.family, prior.space, [], torch.float32, Batch(1, 2, student))

    plain = figures(False)
    assert figures(True).student > plain.forward
    prior.space.vae.enable_gradient_checkpointing()
    assert figures(False).held < 0.7 * plain.held


def test_half_the_bytes_in_half_precision(sd_folder):
    full, half = (load(str(sd_folder), dtype=kind) for kind in ("float32", "bfloat16"))
    a, b = (memory.estimate(p.unet, p.family, p.space, [p.unet, p.space.vae], p.dtype, Batch()) for p in (full, half))
    assert b.weights * 2 == a.weights and 0.4 < b.held / a.held < 0.7 and 0.4 < b.forward / a.forward < 0.7


def test_what_cannot_fit_is_refused_in_one_line_with_advice(sd_folder, tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:     500 kB\n")
    assert memory.free_memory(CPU) == 500 * 1024
    with pytest.raises(UserError, match=r"of cpu .* but .* are free; use batch_size=1"):
        memory.check_memory(Estimate(0.0, 0.0, 600e3, 0.0, 0.0), Batch(), CPU, True)
    assert "are free" in memory.check_memory(Estimate(9e9, 0.0, 500e3, 0.0, 0.0), Batch(), CPU, True)
    assert "600.0 GB" in memory.check_memory(Estimate(0.0, 0.0, 600e9, 0.0, 0.0), Batch(), CPU, False)
    meminfo.write_text("MemAvailable: 20 kB\n")
    with pytest.raises(UserError, match=r"of weights, but 0 MB of RAM are free"):
        load(str(sd_folder))
    assert load(str(sd_folder), memory_check=False).resolution == 16


def test_the_estimate_is_a_note_of_the_prior(sd_folder):
    notes = load(str(sd_folder), batch=Batch(3, 2, True)).notes
    assert len(notes) == 1 and notes[0].startswith("the prior needs about") and "3 images a step" in notes[0]
