import pytest
import torch
from PIL import Image as Pillow

from dream3d.compare.pictures import read_pictures
from dream3d.errors import UserError


def test_pictures_of_all_sizes_with_and_without_alpha(tmp_path):
    Pillow.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    (tmp_path / "deeper").mkdir()
    Pillow.new("RGBA", (8, 8), (0, 255, 0, 128)).save(tmp_path / "deeper" / "b.png")
    (tmp_path / "notes.txt").write_text("no picture")
    image = read_pictures(str(tmp_path), 16)
    assert image.colour.shape == (2, 16, 16, 3) and image.alpha.shape == (2, 16, 16, 1)
    torch.testing.assert_close(image.colour[0, 8, 8], torch.tensor([1.0, 0, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(image.colour[1, 8, 8], torch.tensor([0, 128 / 255, 0]), atol=0.01, rtol=0)
    assert image.alpha[0].min() == 1 and abs(float(image.alpha[1].mean()) - 128 / 255) < 0.01


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="with 0 images"):
        read_pictures(str(tmp_path), 16)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a\.png', which is not an image"):
        read_pictures(str(tmp_path), 16)
