import hashlib
import json

from dream3d.report.checksums import altered, checksums
from dream3d.report.files import facts_of
from dream3d.report.manifest import add_files


def made(folder):
    """A run's folder with two particles, and files that are no exports."""
    names = [
        "mesh.glb",
        "mesh.png",
        "turntable.gif",
        "viewer.html",
        "particle-1/mesh.glb",
        "preview.png",
        "config.yaml",
    ]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode() * 3000)
    return folder


def test_every_export_has_the_sum_that_other_programs_find(tmp_path):
    found = checksums(made(tmp_path))
    assert sorted(found) == ["mesh.glb", "mesh.png", "particle-1/mesh.glb", "turntable.gif", "viewer.html"]
    assert all(found[name] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in found)


def test_a_flipped_bit_and_a_file_that_is_gone_are_named(tmp_path):
    known = checksums(made(tmp_path))
    assert altered(tmp_path, known) == {}
    data = bytearray((tmp_path / "mesh.glb").read_bytes())
    data[1234] ^= 4
    (tmp_path / "mesh.glb").write_bytes(data)
    (tmp_path / "viewer.html").unlink()
    assert list(altered(tmp_path, known)) == ["mesh.glb", "viewer.html"]


def test_what_is_exported_again_is_noted_in_a_finished_run_alone(tmp_path):
    made(tmp_path)
    add_files(tmp_path, [tmp_path / "mesh.glb"])
    assert not (tmp_path / "run.json").exists()
    (tmp_path / "run.json").write_text(json.dumps({"seed": 3, "files": {"mesh.glb": "old", "mesh.obj": "kept"}}))
    add_files(tmp_path, [tmp_path / "mesh.glb", tmp_path / "particle-1/mesh.glb"])
    facts = facts_of(tmp_path / "run.json")
    assert facts["seed"] == 3 and facts["files"]["mesh.obj"] == "kept"
    assert altered(tmp_path, facts["files"]).keys() == {"mesh.obj"}


def test_a_damaged_manifest_says_nothing(tmp_path):
    for text in (b"", b"{", b"[1]", b"\xff\xfe"):
        (tmp_path / "run.json").write_bytes(text)
        assert facts_of(tmp_path / "run.json") == {}
