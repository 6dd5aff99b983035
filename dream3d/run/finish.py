"""The end of a run: mesh, pictures, viewer, manifest, and a summary of what was made."""

from dream3d.errors import UserError
from dream3d.fields.latents import in_rgb
from dream3d.mesh.build import Build
from dream3d.optimize import Setup
from dream3d.report import manifest
from dream3d.report.checksums import checksums
from dream3d.report.console import activity, summary
from dream3d.report.metrics_log import medians
from dream3d.run.build import accelerators
from dream3d.run.directory import Run
from dream3d.run.edit_report import report_edit
from dream3d.run.pictures import write_pictures

FILES = {
    "mesh.glb": "textured mesh",
    "mesh.obj": "the same as OBJ",
    "mesh-lod1.glb": "coarser copies: lod1, lod2, ...",
    "turntable.mp4": "360-degree turntable",
    "before_after.mp4": "the source and the edit side by side",
    "region.png": "where the edit may change",
    "turntable.gif": "the same, smaller",
    "preview.png": "eight views",
    "viewer.html": "interactive viewer, offline",
    "checkpoint.pt": "checkpoint for resuming",
}


def finish(run: Run, setup: Setup, build_mesh: Build) -> None:
    """Write mesh, images and viewer of every particle, the manifest and the summary."""
    for i, field in enumerate(setup.fields):
        folder = run.folder if i == 0 else run.folder / f"particle-{i}"
        folder.mkdir(exist_ok=True)
        try:
            with run.stage("mesh"), activity(run.console, "mesh: surface, texture and files"), in_rgb(field):
                mesh = build_mesh(field, folder)
                run.fields.append(field)
                run.meshes.append(mesh)
        except ValueError as error:
            raise UserError(str(error)) from error
        with run.stage("pictures"), activity(run.console, "pictures: turntable and viewer"):
            lines = report_edit(setup, build_mesh, mesh, folder, run.settings.turntable) if i == 0 else []
            write_pictures(folder, mesh, run.settings.prompt, run.settings.turntable)
        for line in lines:
            run.say(line)
    norms = medians(run.folder / "metrics.jsonl", "_grad_norm")
    facts = manifest.collect(
        prompt=run.settings.prompt,
        seed=run.settings.seed,
        device=str(setup.device),
        stages=run.seconds,
        accelerators=accelerators(setup),
        init=run.settings.init or run.settings.mesh_file,
        warnings=run.watchdog.warnings,
        files=checksums(run.folder),
        gradient_norms=norms,
    )
    manifest.write(facts, run.folder / "run.json")
    made = {name: what for name, what in FILES.items() if (run.folder / name).exists()}
    summary(
        run.console,
        run.settings.prompt,
        run.folder,
        files=made,
        stages=run.seconds,
        warnings=run.watchdog.warnings,
        gradient_norms=norms,
    )
