import io
import json
import lzma

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra 'mini' is not installed")
from balls import ball
from packed import is_packed, read_packed

BITS = 14


def zigzag(step: np.ndarray) -> np.ndarray:
    return np.where(step < 0, -2 * step - 1, 2 * step).astype(np.int64)


def differences(values: np.ndarray) -> np.ndarray:
    return np.diff(values, axis=0, prepend=np.zeros((1, values.shape[1]), values.dtype))


def write(file, **arrays) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file.write_bytes(lzma.compress(buffer.getvalue()))


def corner_code(faces: np.ndarray) -> np.ndarray:
    """0 for the next vertex not seen yet, else how far back from the newest the corner is, plus one."""
    code, newest = [], -1
    for corner in faces.ravel():
        code.append(0 if corner == newest + 1 else newest - corner + 1)
        newest = max(newest, corner)
    return np.array(code)


@pytest.fixture
def data(tmp_path):
    model = ball()
    order = list(dict.fromkeys(model.faces.ravel().tolist()))  # vertices in the order of their first use
    place = np.argsort(order)
    vertices, faces = model.vertices[order], place[model.faces]
    colours = np.round(255 * model.colours[order]).astype(np.uint8)
    offsets = {"vertex_offset": np.array([0, len(vertices)]), "face_offset": np.array([0, len(faces)])}
    code, q = corner_code(faces), np.floor((vertices + 1) / 2 * 2**BITS).astype(np.int64)
    step, tint = zigzag(differences(q)).T, np.packbits(np.arange(len(vertices)) % 2 == 0)
    write(
        tmp_path / "meshes.npz.xz", ids=np.array(["one"]), bits=BITS, v_low=(step & 255).astype(np.uint8),
        v_high=(step >> 8).astype(np.uint8), c_delta=differences(colours).astype(np.uint8).T, tint_bits=tint,
        f_low=(code & 255).astype(np.uint8), f_high=(code >> 8).astype(np.uint8), **offsets,
    )  # fmt: skip
    q = np.round((vertices + 1) * 32767.5).astype(np.int64)
    step = zigzag(differences(q)).T
    parts = {
        name: (step >> shift & 255).astype(np.uint8) for name, shift in (("v_low", 0), ("v_mid", 8), ("v_high", 16))
    }
    write(
        tmp_path / "extra.npz.xz", ids=np.array(["two"]), colors=colours.T, faces=faces.T.astype(np.uint16), tint=tint,
        **parts, **offsets,
    )  # fmt: skip
    cards = {
        "one": {"recolor": True, "color": "red", "style": "voxel"},
        "two": {"recolor": False, "color": None, "style": None},
    }
    (tmp_path / "cards.json").write_text(json.dumps(cards))
    concepts = {"ball": {"aliases": ["globe"], "models": ["two", "one"]}}
    (tmp_path / "concepts.json").write_text(json.dumps({"concepts": concepts}))
    return tmp_path, vertices, colours, faces


def test_models_come_back(data):
    folder, vertices, colours, faces = data
    assert is_packed(folder) and not is_packed(folder.parent)
    found = read_packed(folder)
    for name, error in (("one", 2 / 2**BITS), ("two", 1 / 32767)):
        model = found.models[name]
        assert np.abs(model.vertices - vertices).max() <= error
        assert (model.faces == faces).all() and np.allclose(model.colours, colours / 255)
        assert (model.tint == (np.arange(len(vertices)) % 2 == 0)).all()
    assert found.concepts["ball"].aliases == ("globe",) and [m.name for m in found.typical] == ["two"]
    assert (found.models["one"].takes_colour, found.models["one"].colour, found.models["one"].style) == (
        True,
        "red",
        "voxel",
    )
