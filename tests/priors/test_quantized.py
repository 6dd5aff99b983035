import pytest
import torch

from dream3d.priors.mini.quantized import FEW, dequantized, load, quantized, save


def test_the_error_is_at_most_half_a_scale():
    weight = torch.randn(80, 60, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 1, 80)[:, None]
    stored = quantized({"w": weight})
    assert stored["w"].dtype == torch.int8 and stored["w.scale"].shape == (80, 1)
    error = (dequantized(stored, torch.float32)["w"] - weight).abs()
    assert bool((error <= stored["w.scale"] / 2 * 1.001).all())


def test_small_tensors_biases_and_embeddings_stay_half():
    state = {"few": torch.randn(8, FEW // 8), "bias": torch.randn(9000), "text_embedding": torch.randn(90, 90)}
    stored = quantized(state)
    assert {value.dtype for value in stored.values()} == {torch.float16} and stored.keys() == state.keys()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_round_trip_through_a_file(tmp_path, dtype):
    state = {"a.weight": torch.randn(70, 64), "a.scale": torch.randn(3)}  # a parameter may be called scale
    save(state, tmp_path / "w.safetensors")
    found = load(tmp_path / "w.safetensors", dtype)
    assert found.keys() == state.keys() and all(value.dtype == dtype for value in found.values())
    assert torch.allclose(found["a.weight"].float(), state["a.weight"], atol=0.05)
