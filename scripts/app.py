"""A form in the browser: prompt and settings in, a mesh to turn and to download out.

python scripts/app.py [--port 7860] [--share-on-network]     (pip install -e ".[ui]")
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from dream3d import generate
from dream3d.cli.usage import defaults, members
from dream3d.errors import UserError
from dream3d.run.config import folder
from dream3d.run.progress import Progress
from dream3d.run.shared_prior import Priors

STAGES = ["tets", "flexicubes", "texture", "none"]
MESHES = [".glb", ".obj", ".ply", ".stl"]
MOST_STEPS, LONGEST_PROMPT, LARGEST_UPLOAD = 2000, 300, "20mb"
WAITING = 8  # requests in the queue; more are turned away


def form(overrides: Sequence[str] = ()) -> gr.Blocks:
    """The page. One run at a time, on one prior that stays loaded; ``overrides`` go to every run."""
    priors, usual = Priors(), defaults(folder())

    def make(
        prompt: str, seed: float, steps: float, distill: str, field: str, refine: str, mesh: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (how Gradio asks for it)
    ) -> tuple[str, str, list[str], str]:  # fmt: skip
        """The GLB, the picture, all files and a line about the run."""
        if len(prompt) > LONGEST_PROMPT:
            raise gr.Error(f"prompt: got {len(prompt)} letters, expected at most {LONGEST_PROMPT}")
        if not 1 <= steps <= MOST_STEPS:
            raise gr.Error(f"steps: got {steps:g}, expected 1 to {MOST_STEPS}")

        def follow(now: Progress) -> None:
            progress((now.done, now.total), desc=now.stage, unit="steps")

        progress(0, desc="loading")
        try:
            result = generate(
                prompt, seed=int(seed), steps=int(steps), distill=distill, field=field, refine=refine, mesh=mesh,
                out=Path(tempfile.mkdtemp(prefix="dream3d-")), overrides=overrides, on_step=follow, prior_of=priors,
            )  # fmt: skip
        except UserError as error:
            raise gr.Error(str(error)) from error
        files = [str(path) for name, path in result.files.items() if name != "checkpoint.pt"]
        said = [f"{len(result.mesh.faces)} triangles in {sum(result.seconds.values()):.0f} s", *result.warnings]
        return str(result.files["mesh.glb"]), str(result.files["preview.png"]), files, "\n\n".join(said)

    with gr.Blocks(title="dream3d", delete_cache=(3600, 86400)) as page:
        gr.Markdown("# dream3d\nText to a textured 3D mesh. The embedded prior knows the things that "
                    "`dream3d list concepts` names.")  # fmt: skip
        with gr.Row():
            with gr.Column():
                prompt = gr.Textbox(label="prompt", placeholder="a corgi", max_length=LONGEST_PROMPT)
                seed = gr.Number(0, label="seed", precision=0, minimum=0)
                steps = gr.Slider(1, MOST_STEPS, int(usual["steps"]), step=1, label="steps")
                distill = gr.Dropdown(members("distill"), value=usual["distill"], label="loss")
                field = gr.Dropdown(members("field"), value=usual["field"], label="field")
                refine = gr.Dropdown(
                    ["tets", "flexicubes", "texture", "none"], value=usual["refine"], label="second stage"
                )
                mesh = gr.File(label="a mesh to start from (needs a second stage)", file_types=MESHES)
                button = gr.Button("make it", variant="primary")
            with gr.Column():
                model = gr.Model3D(label="mesh", clear_color=(0.95, 0.95, 0.95, 1.0))
                picture = gr.Image(label="eight sides")
                facts = gr.Markdown()
                files = gr.Files(label="files")
        fields = [prompt, seed, steps, distill, field, refine, mesh]
        button.click(make, fields, [model, picture, files, facts], api_name="make", concurrency_limit=1)
    return page.queue(max_size=WAITING)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--share-on-network", action="store_true", help="listen on all addresses, not this machine's alone"
    )
    given = parser.parse_args()
    host = "0.0.0.0" if given.share_on_network else "127.0.0.1"
    form().launch(server_name=host, server_port=given.port, max_file_size=LARGEST_UPLOAD)


if __name__ == "__main__":
    main()
