import pytest
import torch
from scenes import box

from dream3d.metrics import gallery
from dream3d.metrics.gallery import nouns, pack, typical


def test_the_shipped_gallery_has_the_benchmarks_nouns():
    assert len(nouns()) == 40 and {"corgi", "castle", "car", "chair"} <= set(nouns())
    mesh = typical("corgi")
    assert mesh.colours is not None and float(mesh.vertices.norm(dim=1).max()) == pytest.approx(1, abs=0.01)
    assert (
        int(mesh.faces.max()) < len(mesh.vertices)
        and 0 <= float(mesh.colours.min()) <= float(mesh.colours.max()) <= 1.0
    )
    with pytest.raises(KeyError):
        typical("unheard of")


def test_pack_and_read(tmp_path, monkeypatch):
    first, second = box(1.0), box(0.5)
    file = tmp_path / "g.npz"
    meshes = {"a": first, "b": second}
    pack(meshes, file)
    monkeypatch.setattr(gallery, "FILE", file)
    nouns.cache_clear()
    found = typical("b")
    nouns.cache_clear()
    assert torch.equal(found.faces, second.faces)
    assert torch.allclose(found.vertices, second.vertices, atol=1e-4)
    assert torch.allclose(found.colours, second.colours, atol=0.003)
