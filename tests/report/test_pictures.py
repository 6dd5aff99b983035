import pytest
import torch
from PIL import Image as Pillow

from dream3d.report.files import replacing
from dream3d.report.pictures import contact_sheet, preview, to_bytes


def test_bytes_round_to_nearest_and_clip():
    values = torch.tensor([-0.5, 0.0, 0.5, 1.0, 2.0]).view(1, 5, 1, 1).expand(1, 5, 1, 3)
    assert to_bytes(values)[0, :, 0, 0].tolist() == [0, 0, 128, 255, 255]


def test_sheet_puts_frames_row_by_row_and_leaves_white():
    frames = torch.stack([torch.full((2, 3, 3), i / 10) for i in range(5)])
    sheet = contact_sheet(frames, columns=3)
    assert sheet.shape == (4, 9, 3)
    assert [sheet[2 * r, 3 * c, 0].item() for r in range(2) for c in range(3)] == [0, 26, 51, 76, 102, 255]
    assert (sheet[2:, 3:6] == 102).all()


def test_sheet_keeps_each_frame_upright():
    frame = torch.rand(1, 4, 6, 3, generator=torch.Generator().manual_seed(0))
    assert (contact_sheet(frame, 4) == to_bytes(frame)[0]).all()


def test_sheet_without_frames_is_refused():
    with pytest.raises(ValueError, match="0 frames"):
        contact_sheet(torch.zeros(0, 2, 2, 3), 4)


def test_preview_is_what_the_sheet_is(tmp_path):
    frames = torch.rand(8, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    preview(frames, tmp_path / "preview.png")
    with Pillow.open(tmp_path / "preview.png") as picture:
        assert picture.size == (64, 32)
        assert picture.tobytes() == contact_sheet(frames, 4).numpy().tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["preview.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(RuntimeError), replacing(file) as partial:
        partial.write_text("ne")
        raise RuntimeError
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
