"""From files to targets."""

import numpy as np
import pytest
import torch
from pictures import disc, on_noise, rgba, saved
from PIL import Image as Pillow

from dream3d.errors import UserError
from dream3d.reference.framing import Box, box_in
from dream3d.reference.load import load_source, view_of
from dream3d.reference.view import Reference


def test_alpha_a_mask_or_a_guess(tmp_path):
    with_alpha = load_source(Reference(file=saved(rgba(), tmp_path, "a.png")))
    assert with_alpha.picture.notes == () and float(with_alpha.picture.alpha.mean()) == pytest.approx(0.283, abs=0.01)
    picture, inside = on_noise()
    plain = saved(picture, tmp_path, "b.png")
    mask = saved(Pillow.fromarray(inside.numpy()), tmp_path, "m.png")
    masked = load_source(Reference(file=plain, mask=mask))
    assert torch.equal(masked.picture.alpha, inside.float()) and masked.picture.notes == ()
    guessed = load_source(Reference(file=plain))
    assert "the background was removed by its colours" in guessed.picture.notes[0]
    assert ((guessed.picture.alpha > 0.5) == inside).float().mean() > 0.97


def test_the_target_is_premultiplied_and_in_its_place(tmp_path):
    reference = Reference(file=saved(rgba((255, 0, 0), centre=(0.4, 0.4)), tmp_path, "a.png"), fill=0.5)
    view = view_of(reference, load_source(reference))
    got = box_in(view.target.image.alpha[0, ..., 0])
    assert got.x == pytest.approx(0.5, abs=0.02) and got.extent == pytest.approx(0.5, abs=0.02)
    assert torch.equal(view.target.image.colour[..., :1], view.target.image.alpha)
    moved = view_of(reference, load_source(reference), Box(0.3, 0.6, 0.4))
    assert box_in(moved.target.image.alpha[0, ..., 0]).x == pytest.approx(0.3, abs=0.02)
    as_it_is = Reference(file=reference.file, fit=False)
    assert view_of(as_it_is, load_source(as_it_is)).target.image.alpha.shape == (1, 64, 64, 1)


def test_maps_travel_with_the_picture(tmp_path):
    """Depth and normals are cut and moved as the picture is."""
    inside = disc()
    np.save(tmp_path / "d.npy", np.where(inside, 5.0, 9.0))
    normals = np.where(inside[..., None], [128, 128, 255], [128, 128, 0]).astype(np.uint8)
    files = {"depth": str(tmp_path / "d.npy"), "normals": saved(Pillow.fromarray(normals), tmp_path, "n.png")}
    reference = Reference(file=saved(rgba(), tmp_path, "a.png"), azimuth=90.0, elevation=0.0, **files)
    target = view_of(reference, load_source(reference)).target
    assert target.depth is not None and target.normal is not None
    opaque = target.image.alpha[..., 0] > 0.5
    assert (target.depth[opaque] == 5).all()
    assert torch.allclose(target.normal[opaque], torch.tensor([1.0, 0, 0]), atol=0.01), "seen from +x"
    nearer = load_source(Reference(file=reference.file, depth=reference.depth, depth_is="disparity"))
    assert nearer.depth is not None and float(nearer.depth[32, 32]) == -5


@pytest.mark.parametrize("kind", ["empty mask", "plain"])
def test_no_object_is_one_line(kind, tmp_path):
    picture = saved(Pillow.new("RGB", (32, 32), (9, 9, 9)), tmp_path, "a.png")
    mask = saved(Pillow.new("L", (32, 32)), tmp_path, "m.png") if kind == "empty mask" else None
    with pytest.raises(UserError, match=r"without an object|nothing stands out"):
        load_source(Reference(file=picture, mask=mask))
