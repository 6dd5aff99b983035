"""Every source file has its test file, and every test file its source."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
# Sources whose test has another name.
TESTED_IN = {
    "__main__.py": "cli/test_main.py",
    "types.py": "test_architecture.py",
    "contracts.py": "test_newcomers.py",
    "errors.py": "cli/test_main.py",
    "diffusion.py": "distill/test_ddim.py",
    "cli/errors.py": "cli/test_main.py",
    "cli/explain.py": "cli/test_main.py",
    "cli/export.py": "cli/test_export_command.py",
    "cli/guidances.py": "run/test_guidances.py",
    "compare/__main__.py": "compare/test_compare_work.py",
    "compare/measure.py": "compare/test_compare_work.py",
    "compare/figures.py": "compare/test_compare_report.py",
    "compare/galleries.py": "compare/test_compare_report.py",
    "compare/page.py": "compare/test_compare_report.py",
    "compare/progress.py": "compare/test_compare_work.py",
    "compare/clip.py": "compare/test_compare_judging.py",
    "compare/estimate.py": "compare/test_compare_grid.py",
    "export/__main__.py": "cli/test_export_command.py",
    "fields/hashgrid.py": "fields/test_fields.py",
    "fields/mesh_field.py": "fields/test_frozen_mesh.py",
    "fields/movable_nodes.py": "fields/test_dmtet.py",
    "fields/mlp.py": "fields/test_fields.py",
    "fields/triplane.py": "fields/test_fields.py",
    "fields/voxel.py": "fields/test_fields.py",
    "geometry/normals.py": "mesh/test_clean.py",
    "geometry/surface_sampling.py": "metrics/test_chamfer.py",
    "mesh/check.py": "mesh/test_export.py",
    "mesh/colour.py": "mesh/test_bake.py",
    "mesh/holes.py": "mesh/test_clean.py",
    "mesh/importing/container.py": "mesh/test_gltf.py",
    "mesh/importing/draco.py": "mesh/test_gltf.py",
    "mesh/importing/materials.py": "mesh/test_gltf.py",
    "mesh/importing/mtl.py": "mesh/test_obj.py",
    "mesh/importing/others.py": "mesh/test_reading.py",
    "mesh/importing/polygons.py": "mesh/test_obj.py",
    "mesh/importing/scene.py": "mesh/test_importing_cases.py",
    "mesh/importing/tidy.py": "mesh/test_reading.py",
    "mesh/importing/tiles.py": "mesh/test_atlas.py",
    "mesh/importing/wrapping.py": "mesh/test_gltf.py",
    "mesh/query.py": "mesh/test_extract.py",
    "mesh/unwrap.py": "mesh/test_bake.py",
    "metrics/judge.py": "metrics/test_r_precision.py",
    "priors/__main__.py": "priors/test_resolve.py",
    "priors/pipeline.py": "priors/test_pipeline_load.py",
    "priors/spaces.py": "priors/test_pipeline_load.py",
    "priors/text.py": "priors/test_families.py",
    "priors/loading/dtypes.py": "priors/test_pipeline_load.py",
    "priors/loading/components.py": "priors/test_pipeline_load.py",
    "priors/loading/completeness.py": "priors/test_resolve.py",
    "priors/mini/pipeline.py": "priors/test_mini_network.py",
    "priors/mini/features.py": "priors/test_mini_network.py",
    "priors/mini/family.py": "priors/test_families.py",
    "priors/mini/colours.py": "priors/test_mini_words.py",
    "priors/mini/volumes.py": "priors/test_recognition.py",
    "priors/mini/inversion.py": "priors/test_lifting.py",
    "priors/mini/likeness.py": "priors/test_lifting.py",
    "regularize/surfaces.py": "regularize/test_laplacian.py",
    "reference/target.py": "reference/test_framing.py",
    "render/project.py": "render/test_rasterize.py",
    "render/silhouette.py": "render/test_rasterize.py",
    "report/files.py": "report/test_pictures.py",
    "report/turntable.py": "report/test_turntable_files.py",
    "run/build.py": "test_conf.py",
    "run/edit_report.py": "run/test_editing.py",
    "run/inherited.py": "run/test_editing.py",
    "run/pictures.py": "report/test_viewer_browser.py",
    "run/progress.py": "api/test_generate.py",
    "run/finish.py": "run/test_resume.py",
    "run/construction_errors.py": "cli/test_main.py",
    "run/interrupt.py": "run/test_resume.py",
    "run/saved.py": "run/test_directory.py",
    "run/telling.py": "run/test_faults.py",
    "run/stages.py": "run/test_resume.py",
    "run/stopping.py": "api/test_generate.py",
    "watch/__main__.py": "cli/test_watch.py",
}
# Tests of something larger than a file, and what that is.
LARGER = {
    "test_dependencies.py": "pyproject.toml and constraints.txt",
    "test_conf.py": "conf/",
    "test_architecture.py": "all of the source",
    "test_imports.py": "what a run imports",
    "test_nothing_seen.py": "a step whose rays meet nothing",
    "test_newcomers.py": "what a new loss, field or prior takes",
    "test_mirror.py": "tests/",
    "test_readme.py": "README.md",
    "test_docs.py": "docs/",
    "test_docker.py": "Dockerfile",
    "test_everyday.py": "docs/everyday.md",
    "test_notebook.py": "docs/notebooks/quickstart.ipynb",
    "test_bench.py": "scripts/bench*.py",
    "cli/test_completion.py": "completion in bash, zsh and fish",
    "cli/test_fuzz.py": "every setting, with any value",
    "test_security.py": "SECURITY.md",
    "test_flat_memory.py": "memory over many steps and many runs",
    "run/test_faults.py": "signals, kills, full disks, damaged files",
    "test_teaching_notebook.py": "docs/notebooks/teaching.ipynb",
    "run/test_kills.py": "SIGKILL at random moments of every stage",
    "run/test_resume.py": "stopping and continuing a run",
    "compare/test_compare_streams.py": "the same random streams for every loss compared",
    "distill/test_losses.py": "the contract of every loss",
    "distill/test_modes.py": "losses on a mixture of two modes",
    "fields/test_fields.py": "the contract of every field",
    "mesh/test_importing_cases.py": "small glTF and OBJ files of every kind",
    "mesh/test_round_trip.py": "what is exported, read back",
    "mesh/test_detail.py": "normal map, occlusion and coarser copies from a field to Blender",
    "mesh/test_independent_renderer.py": "the exported GLB as other programs show it",
    "run/test_picture_presets.py": "presets that start from a picture",
    "priors/test_instruct.py": "InstructPix2Pix from a folder to the gradient of an edit",
    "priors/test_every_family.py": "each family from a folder to an optimised field",
    "report/test_viewer_browser.py": "the viewer in a real browser",
    "watch/test_watch_browser.py": "the live page of a run in a real browser",
}


def possible(source: str) -> set[str]:
    """priors/mini/words.py: priors/test_words.py, test_mini_words.py or test_priors_mini_words.py there.

    Test files need names of their own across all folders, so a room may go in front.
    """
    *folders, stem = source.removesuffix(".py").split("/")
    place = f"{folders[0]}/" if folders else ""
    return {f"{place}{'_'.join(['test', *folders[i:], stem])}.py" for i in range(len(folders) + 1)}


SOURCES = sorted(
    str(f.relative_to(ROOT / "dream3d")) for f in (ROOT / "dream3d").rglob("*.py") if f.name != "__init__.py"
)
OF_MINI = {f"mini/test_mini_{f.name}" for f in (ROOT / "scripts/mini").glob("*.py")} - {"mini/test_mini_raster.py"}
"""The scripts that make a prior; raster.py is tested through views.py."""
TESTS = sorted(str(f.relative_to(ROOT / "tests")) for f in (ROOT / "tests").rglob("test_*.py"))


def test_a_source_has_a_test() -> None:
    wanted = {s: {TESTED_IN[s]} if s in TESTED_IN else possible(s) for s in SOURCES}
    assert sorted(s for s, tests in wanted.items() if not tests & set(TESTS)) == []
    assert OF_MINI - set(TESTS) == set()


def test_a_test_has_a_source() -> None:
    scripts = {f"test_{f.name}" for f in (ROOT / "scripts").glob("*.py")} | OF_MINI
    known = set().union(*map(possible, SOURCES)) | set(TESTED_IN.values()) | scripts | LARGER.keys()
    assert [test for test in TESTS if test not in known] == []


def test_the_lists_above_are_not_stale() -> None:
    assert set(TESTED_IN) <= set(SOURCES)
    assert [s for s, test in TESTED_IN.items() if test in possible(s)] == []
