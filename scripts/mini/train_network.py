"""Train the network of a prior whose shapes are there (``make_prior.py``), on a CPU or a GPU.

    python scripts/mini/train_network.py MODELS PRIOR --minutes 60
    python scripts/mini/train_network.py MODELS PRIOR --minutes 9 --device cuda --batch 768 --rows 240000 --workers 12 \
        --lr 8e-4 --compile

MODELS is a folder of mesh files or the packed data set. CPU cores render views of the models and, from the same
cameras, of their latents; 128 KiB a view. PRIOR gets unet/, text_encoder/, tokenizer/, scheduler/, log.jsonl (its last
lines: what the network knows of held-out views) and samples-*.jpg; PRIOR/training/ has the
state that a second call resumes from.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from captions import Job, make_jobs, vocabulary
from known import sheet, table
from models import Library, read_folder
from packed import is_packed, read_packed
from pool import BLOCK, Pool
from training import Options, Schedule, Training
from twins import kept_twins
from views import Meshes

from dream3d.errors import UserError
from dream3d.priors.mini.latents import LATENTS
from dream3d.priors.mini.pipeline import MAX_WORDS, MiniPipeline, load_mini, new_mini, save_mini, widen
from dream3d.priors.mini.words import shapes_of

SIZES = (64, 128)
SAVED_EVERY = 600  # seconds
LOGGED_EVERY = 200  # steps


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options of this script, which ``make_prior.py`` has as well."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="folder of mesh files (one noun a file name or subfolder), or packed")
    parser.add_argument("prior", type=Path, help="folder of the prior")
    parser.add_argument("--minutes", type=float, default=60, help="of the network's training, all calls together")
    parser.add_argument("--steps", type=int, help="instead of minutes: the same bits however often it is stopped")
    parser.add_argument("--limit", type=int, help="the first so many nouns alone: a rehearsal")
    parser.add_argument("--keep-colours", action="store_true", help="a named colour never recolours these models")
    parser.add_argument("--init", type=Path, help="folder of a prior to start from")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    parser.add_argument("--rows", type=int, default=12_000, help="views, 128 KiB each")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    return parser


def library_of(args: argparse.Namespace) -> Library:
    """The models that a command names."""
    if not args.models.is_dir():
        raise UserError(f"{args.models}: got no folder, expected one with 3D models; check the path")
    packed = is_packed(args.models)
    library = read_packed(args.models) if packed else read_folder(args.models, recolour=not args.keep_colours)
    return library.first(args.limit)


def start(words: list[str], args: argparse.Namespace) -> MiniPipeline:
    """An untrained prior, or the one to start from with the words that it lacks."""
    torch.manual_seed(args.seed)
    return new_mini(words) if args.init is None else widen(load_mini(args.init), words)


def tokens_of(mini: MiniPipeline, jobs: list[Job]) -> torch.Tensor:
    captions = [caption for job in jobs for caption in job.captions]
    ids = mini.tokenizer(captions, padding="max_length", max_length=MAX_WORDS, truncation=True)["input_ids"]
    return torch.tensor(ids).view(len(jobs), -1, MAX_WORDS)


def train(library: Library, mini: MiniPipeline, args: argparse.Namespace) -> Training:
    """Train, measure and write the network of ``args.prior``."""
    work = args.prior / "training"
    work.mkdir(parents=True, exist_ok=True)
    latents = list(dict.fromkeys(shape.latent for shape in shapes_of(args.prior).values()))
    twins = kept_twins(args.prior, latents, args.workers, work / "twins.npz")
    models = list(library.models.values())
    numbers = {model.name: i for i, model in enumerate(models)}
    painted = {
        name: len(models) + i for i, name in enumerate(latents) if twins.face_offset[i] < twins.face_offset[i + 1]
    }
    jobs = make_jobs(library, painted, max(2, args.rows // BLOCK), np.random.default_rng(args.seed))
    mark = hashlib.sha1(repr([m.key for m in models]).encode() + repr(jobs).encode()).hexdigest()
    meshes = Meshes.of(models).followed_by(twins)
    with Pool(numbers, painted, meshes, jobs, SIZES[-1], args.workers, args.seed) as pool:
        options, device = Options(args.batch, args.lr, args.seed), torch.device(args.device)
        training = Training(mini, pool, tokens_of(mini, jobs), options, device, args.compile)
        if (work / "state.pt").is_file():
            training.restore(work / "state.pt", mark)
            print(f"goes on after {training.done} steps, {training.seconds / 60:.1f} minutes", flush=True)
        run(training, Schedule(args.minutes, args.steps), work / "state.pt", mark, args.prior / "log.jsonl")
        pool.wait(len(jobs))
        finish(training, args.prior)
    return training


def run(training: Training, schedule: Schedule, state: Path, mark: str, log: Path) -> None:
    """Steps until the schedule is over or Ctrl-C comes; the state is saved either way."""
    saved, losses = training.seconds, []
    try:
        while schedule.share(training.done, training.seconds) < 1:
            losses.append(training.step(schedule))
            if training.done % LOGGED_EVERY == 0 or training.done == 20:
                share, mean = schedule.share(training.done, training.seconds), float(torch.stack(losses).mean())
                note(log, step=training.done, share=round(share, 3), loss=round(mean, 5), minutes=training.seconds / 60)
                losses.clear()
            if training.seconds - saved > SAVED_EVERY:
                training.save(state, mark)
                saved = training.seconds
    finally:
        training.save(state, mark)


def finish(training: Training, prior: Path) -> None:
    """The averaged weights as a prior, what they know, and pictures."""
    mini = training.averaged()
    training.mini, training.text, training.unet = mini, mini.text_encoder, mini.unet.eval()
    for size in SIZES:
        note(prior / "log.jsonl", known=size, step=training.done, **table(training, size))
        sheet(training, size, prior / f"samples-{size}.jpg")
    mini.unet.cpu()
    mini.text_encoder.cpu()
    save_mini(mini, prior)


def note(log: Path, **line: object) -> None:
    """One line of JSON, in the file and on the screen."""
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def explained(work: Callable[[], None]) -> None:
    """Call ``work``; user errors end in one line, Ctrl-C in a note on how to resume."""
    try:
        work()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; rerun the same command to resume", file=sys.stderr)
        sys.exit(130)


def main() -> None:
    args = arguments(__doc__).parse_args()
    if not (args.prior / LATENTS).is_file():
        raise UserError(f"{args.prior}: got no {LATENTS}, expected a prior's shapes; run make_prior.py first")
    library = library_of(args)
    train(library, start(vocabulary(library.concepts), args), args)


if __name__ == "__main__":
    explained(main)
