"""What is imported for a run: nothing large that only some runs need."""

import subprocess
import sys

SELDOM = ("peft", "kornia", "matplotlib", "pandas", "diffusers.models.controlnets", "diffusers.pipelines.auto_pipeline")


def test_the_stages_do_not_import_what_few_runs_need() -> None:
    code = f"import sys, dream3d.run.stages; print([name for name in {SELDOM} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
