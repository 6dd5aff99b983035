"""Locates a prior's folder: given path, embedded folder, local folder, hub cache, hub.

``places`` is an ordered list. Local places take precedence over downloads, and each place that fails
reports the reason and the fix in one line.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from dream3d.errors import UserError
from dream3d.priors.loading.completeness import problems
from dream3d.priors.loading.components import ROLES
from dream3d.priors.loading.reach import reachable

EMBEDDED = Path(__file__).parents[1] / "mini"
GB = 1e9
SHOWN = ("image_encoder", "cc_projection", "clip_camera_projection")  # of priors that are shown a picture
SMALL = (".json", ".txt", ".model")
OFFLINE = "no network; connect, or give a folder with prior.path=<folder>"
FAILURES: tuple[tuple[type[Exception], str], ...] = (  # a subclass stands before its parent
    (GatedRepoError, "its licence must be accepted at https://huggingface.co/{0}, then: hf auth login"),
    (
        RepositoryNotFoundError,
        "the hub has no such id, or it is private; check the spelling, or: hf auth login",
    ),
    (LocalEntryNotFoundError, OFFLINE),
    (EntryNotFoundError, "not a diffusers repository (no model_index.json); choose another id"),
    (HFValidationError, "not a hub id; expected owner/name"),
    (OfflineModeIsEnabled, OFFLINE),
    (ConnectionError, OFFLINE),
    (TimeoutError, OFFLINE),
)


def resolve(path: str | None, places: Sequence[str], offline: bool) -> Path:
    """The folder of a usable prior.

    A ``path`` is the only place then. Of several places those on this machine are tried first, in
    order, then the hub, in order, unless ``offline``.

    Raises:
        UserError: none is usable; one line with each place's reason and fix.
    """
    tried = [path] if path is not None else list(places)
    reasons = []
    for place in tried:
        folder, reason = on_this_machine(place)
        if folder is not None:
            return folder
        reasons.append(f"{place}: {reason}")
    asked = [i for i, place in enumerate(tried) if is_hub_id(place) and not (offline or constants.HF_HUB_OFFLINE)]
    there = bool(asked) and reachable(constants.ENDPOINT)
    for number in asked:
        place = tried[number]
        folder, reason = from_hub(place) if there else (None, OFFLINE)
        if folder is not None:
            return folder
        reasons[number] = f"{place}: {reason}"
    fix = "python -m dream3d.priors lists what is here"
    if offline or constants.HF_HUB_OFFLINE:
        fix = f"offline, so the hub was not asked: use prior.offline=false or prior.path=<folder>; {fix}"
    raise UserError(f"no usable prior; {'; '.join(reasons)}; {fix}")


def is_hub_id(place: str) -> bool:
    """``owner/name``, and neither written like a path nor a folder that exists."""
    return place.count("/") == 1 and place[0] not in "./~" and not Path(place).is_dir()


def on_this_machine(place: str) -> tuple[Path | None, str]:
    """(folder, "") where the place is complete on this machine, else (None, the reason)."""
    if place == "embedded":
        folder = EMBEDDED
    elif is_hub_id(place):
        found = try_to_load_from_cache(place, "model_index.json")
        if not isinstance(found, str):
            return None, "not on this machine"
        folder = Path(found).parent
    else:
        folder = Path(place).expanduser()
        if not folder.is_dir():
            return None, "there is no such folder; expected a diffusers folder or a hub id as owner/name"
    found = problems(folder)
    return (folder, "") if not found else (None, "; ".join(found))


def from_hub(place: str) -> tuple[Path | None, str]:
    """Download what a prior needs of a hub repository: (folder, ""), or (None, reason and fix)."""
    try:
        hf_hub_download(place, "model_index.json")
        files = needed(place)
        if full := no_room(place, files):
            return None, full
        folder = Path(snapshot_download(place, allow_patterns=list(files)))
    except Exception as error:  # the hub's HTTP library, and so its errors, differ between versions
        return None, reason_of(error, place)
    found = problems(folder)
    return (folder, "") if not found else (None, "; ".join(found))


def reason_of(error: Exception, place: str) -> str:
    """Why the hub did not give, and the fix."""
    return next((reason.format(place) for kind, reason in FAILURES if isinstance(error, kind)), failed(error))


def failed(error: Exception) -> str:
    """Why a download ended, shortened, and what to do."""
    return f"the download failed ({' '.join(str(error).split())[:120]}); start again, it continues"


def no_room(place: str, files: Mapping[str, int]) -> str | None:
    """Why what is still to be fetched does not fit the disk, and the fix; None where it does."""
    missing = sum(size for name, size in files.items() if not isinstance(try_to_load_from_cache(place, name), str))
    cache = Path(constants.HF_HUB_CACHE)
    there = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    if missing <= free:
        return None
    return (
        f"{missing / GB:.1f} GB are to be fetched, but {there} has {free / GB:.1f} GB free; make room, or "
        "set HF_HOME to a folder on another disk"
    )


def needed(place: str) -> dict[str, int]:
    """The files to fetch and their bytes: configurations, tokenizers, one set of weights a part."""
    info = HfApi().model_info(place, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    chosen = ["model_index.json"]
    for role in (*ROLES, *SHOWN):
        mine = [f for f in sizes if f.startswith(f"{role}/")]
        chosen += [f for f in mine if f.endswith(SMALL)] + weights_of(mine)
    return {name: sizes.get(name, 0) for name in chosen}


def weights_of(files: Sequence[str]) -> list[str]:
    """One set of weights files: fp16 safetensors, else plain safetensors, else fp16 or plain .bin.

    >>> weights_of(["unet/a.bin", "unet/a.safetensors", "unet/a.fp16.safetensors"])
    ['unet/a.fp16.safetensors']
    """
    for suffix in (".safetensors", ".bin"):
        of_kind = [f for f in files if f.endswith(suffix)]
        half = [f for f in of_kind if ".fp16" in Path(f).name]
        plain = [f for f in of_kind if "." not in Path(f).stem]
        if half or plain:
            return half or plain
    return []
