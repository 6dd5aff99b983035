"""A form in the browser: prompt and settings in, a mesh to turn and to download out.

python scripts/app.py [--port 7860] [--share-on-network]     (pip install -e ".[ui]")
"""

import argparse
import html
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from dream3d import generate
from dream3d.cli.usage import defaults, members
from dream3d.errors import UserError
from dream3d.run.config import folder
from dream3d.run.progress import Progress
from dream3d.run.shared_prior import Priors

STAGES = ["tets", "flexicubes", "texture", "none"]
MESHES = [".glb", ".obj", ".ply", ".stl"]
MOST_STEPS, LONGEST_PROMPT = 2000, 300
LAUNCH: dict[str, Any] = {"max_file_size": "20mb", "show_error": True}
"""Larger uploads are refused; what goes wrong is said on the page."""
WAITING = 8  # requests in the queue; more are turned away


def form(overrides: Sequence[str] = ()) -> gr.Blocks:
    """The page. One run at a time, on one prior that stays loaded; ``overrides`` go to every run."""
    priors, usual = Priors(), defaults(folder())

    def make(
        prompt: str, seed: float, steps: float, distill: str, field: str, refine: str, picture: str | None,
        mesh: str | None, progress: gr.Progress = gr.Progress(),  # noqa: B008  (how Gradio asks for it)
    ) -> Iterator[tuple[str, str, list[str], str]]:  # fmt: skip
        """The viewer, the preview, all files and a line about the run; Gradio has copied them when it asks for more."""
        if len(prompt) > LONGEST_PROMPT:
            raise gr.Error(f"prompt: got {len(prompt)} letters, expected at most {LONGEST_PROMPT}")
        if not 1 <= steps <= MOST_STEPS:
            raise gr.Error(f"steps: got {steps:g}, expected 1 to {MOST_STEPS}")

        def follow(now: Progress) -> None:
            progress((now.done, now.total), desc=now.stage, unit="steps")

        progress(0, desc="loading")
        with tempfile.TemporaryDirectory(prefix="dream3d-") as place:
            try:
                result = generate(
                    prompt, seed=int(seed), steps=int(steps), distill=distill, field=field, refine=refine,
                    image=picture, mesh=mesh, out=Path(place) / "run", overrides=overrides, on_step=follow,
                    prior_of=priors,
                )  # fmt: skip
            except UserError as error:
                raise gr.Error(str(error)) from error
            files = [str(path) for name, path in result.files.items() if name != "checkpoint.pt"]
            said = [f"{len(result.mesh.faces)} triangles in {sum(result.seconds.values()):.0f} s", *result.warnings]
            viewer = frame(result.files["viewer.html"].read_text(encoding="utf-8"))
            yield viewer, str(result.files["preview.png"]), files, "\n\n".join(said)

    with gr.Blocks(title="dream3d", delete_cache=(3600, 86400)) as page:
        gr.Markdown("# dream3d\nText to a textured 3D mesh. The embedded prior knows the things that "
                    "`dream3d list concepts` names.")  # fmt: skip
        with gr.Row():
            with gr.Column():
                prompt = gr.Textbox(label="prompt", placeholder="a corgi", max_length=LONGEST_PROMPT)
                with gr.Row():
                    seed = gr.Number(0, label="seed", precision=0, minimum=0)
                    steps = gr.Slider(1, MOST_STEPS, int(usual["steps"]), step=1, label="steps", scale=2)
                with gr.Row():
                    distill = gr.Dropdown(members("distill"), value=usual["distill"], label="loss")
                    field = gr.Dropdown(members("field"), value=usual["field"], label="field")
                    refine = gr.Dropdown(STAGES, value=usual["refine"], label="second stage")
                with gr.Row():
                    picture = gr.Image(label="a picture of it, from the front", type="filepath", image_mode=None,
                                       format="png", sources=["upload", "clipboard"], height=200)  # fmt: skip
                    mesh = gr.File(label="a mesh to start from; it needs a second stage", file_types=MESHES,
                                   height=200)  # fmt: skip
                button = gr.Button("make it", variant="primary")
                facts = gr.Markdown()
            with gr.Column():
                model = gr.HTML(frame(""), label="mesh")
                sides = gr.Image(label="eight views", height=200)
                files = gr.Files(label="files", height=200)
        fields = [prompt, seed, steps, distill, field, refine, picture, mesh]
        button.click(make, fields, [model, sides, files, facts], api_name="make", concurrency_limit=1)
    return page.queue(max_size=WAITING)


def frame(viewer: str) -> str:
    """A page inside the page."""
    style = "width: 100%; height: 400px; border: 1px solid #8884; border-radius: 4px"
    return f'<iframe title="the mesh, to turn" srcdoc="{html.escape(viewer)}" style="{style}"></iframe>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--share-on-network", action="store_true", help="listen on all addresses, not this machine's alone"
    )
    given = parser.parse_args()
    host = "0.0.0.0" if given.share_on_network else "127.0.0.1"
    form().launch(server_name=host, server_port=given.port, **LAUNCH)


if __name__ == "__main__":
    main()
