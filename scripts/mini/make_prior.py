"""A folder of 3D models becomes a prior that knows them by name.

    python scripts/mini/make_prior.py my_models/ my_prior/ --minutes 60

In turn: points near every model, the decoder, a latent a noun (``pack.py``), then the network (``train_network.py``,
--minutes of it). Finished work is kept, so the same command resumes where it was interrupted, and takes in models
that were added before the network began. Models stand upright (+y) and look towards +z. Needs the extra ``mini``.
"""

import logging
from pathlib import Path

import torch
from autodecoder import Sizes
from captions import vocabulary
from pack import make_shapes
from train_network import arguments, explained, library_of, start, train


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--decoder-steps", type=int, default=Sizes.decoder_steps)
    parser.add_argument("--fit-steps", type=int, default=Sizes.fit_steps)
    args = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    library = library_of(args)
    print(f"{len(library.concepts)} nouns, {len(library.models)} models", flush=True)
    sizes = Sizes(decoder_steps=args.decoder_steps, fit_steps=args.fit_steps)
    work: Path = args.prior / "training"
    make_shapes(library, args.prior, work, sizes, args.workers, torch.device(args.device))
    if args.minutes > 0:
        train(library, start(vocabulary(library.concepts), args), args)
        print(f'python -m dream3d prior.path={args.prior} prompt="a {next(iter(library.concepts))}"')
    else:
        print(f"shapes are there; next: python scripts/mini/train_network.py {args.models} {args.prior}")


if __name__ == "__main__":
    explained(main)
