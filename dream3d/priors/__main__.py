"""``python -m dream3d priors``: the priors available on this machine, and what the others need. No network access."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from dream3d.priors.loading.completeness import weight_of
from dream3d.priors.loading.memory import readable
from dream3d.priors.loading.resolve import is_hub_id, on_this_machine
from dream3d.priors.mini.words import concepts_of
from dream3d.run import config


def named_priors(folder: Path) -> dict[str, list[str]]:
    """name -> places, of every ``conf/prior/*.yaml`` that has a list of them."""
    found = {}
    for file in sorted(folder.glob("prior/*.yaml")):
        settings = OmegaConf.load(file)
        if isinstance(settings, DictConfig) and settings.get("places"):
            found[file.stem] = [str(place) for place in settings.places]
    return found


def line(name: str, places: list[str]) -> str:
    """``prior=name``, then the folder that would be used, or why there is none and what to do."""
    reasons: list[str] = []
    for place in places:
        folder, reason = on_this_machine(place)
        if folder is not None:
            index = json.loads((folder / "model_index.json").read_text())
            known = concepts_of(folder)
            words = f"\n    knows: {', '.join(known)}" if known else ""
            about = f"{index.get('_class_name', 'unnamed')}, {readable(weight_of(folder))}"
            return f"prior={name:<10} usable   {folder} ({about}){words}"
        reasons.append(f"{place}: {reason}")
    fetch = [place for place in places if is_hub_id(place)][:1]
    fix = f"; fetched by the first run with a network, or: hf download {fetch[0]}" if fetch else ""
    return f"prior={name:<10} missing  {'; '.join(reasons)}{fix}"


def command(words: Sequence[str]) -> int:
    """One line or more a prior; ``words`` may ask for help and nothing else. Returns the exit code."""
    if words:
        sys.stdout.write(f"{__doc__}\n")
        return 0 if {"-h", "--help"}.issuperset(words) else 2
    for name, places in named_priors(config.folder()).items():
        sys.stdout.write(line(name, places) + "\n")
    sys.stdout.write("prior=folder prior.path=<folder> loads any other text-to-image model in diffusers format\n")
    return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
