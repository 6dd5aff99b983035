"""Train the judge (dream3d/metrics/judge.py) on views that the prior has not seen.

    python scripts/render_views.py ASSETS VIEWS --concepts scripts/mini_concepts.json --max-models 10 \\
        --elevation -30 70 --fov-y 25 60 --ambient 0.5 --first 500 --rounds 5 --cameras 8
    python scripts/train_judge.py VIEWS OUT --minutes 6

The last round is held out (views); of every concept with five or more models the last is held out
(assets). OUT gets judge.safetensors, concepts.json and card.json with both accuracies.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from dream3d.metrics.judge import JudgeNet
from dream3d.priors.mini.captions import COLOURS
from dream3d.priors.mini.views import recoloured


class Data:
    """All views with their classes and azimuths, and the two held-out parts."""

    def __init__(self, folder: Path) -> None:
        cards = json.loads((folder / "assets.json").read_text())
        self.concepts = list(dict.fromkeys(c["concept"] for c in cards))
        rounds = [dict(np.load(f)) for f in sorted(folder.glob("views-???.npz"))]
        self.views = np.concatenate([r["views"] for r in rounds])
        assets = np.concatenate([r["asset"] for r in rounds])
        self.label = torch.tensor([self.concepts.index(cards[a]["concept"]) for a in assets])
        self.recolor = np.array([bool(cards[a]["recolor"]) for a in assets])
        self.turned = torch.tensor([not cards[a]["symmetric"] for a in assets])
        camera = np.concatenate([r["camera"][r["group"]] for r in rounds])
        self.azimuth = torch.from_numpy(np.arctan2(camera[:, 3], camera[:, 11]))
        last_round = np.concatenate([np.full(len(r["asset"]), i == len(rounds) - 1) for i, r in enumerate(rounds)])
        of_concept = {c: [a["number"] for a in cards if a["concept"] == c] for c in self.concepts}
        spare = {numbers[-1] for numbers in of_concept.values() if len(numbers) >= 5}
        new_asset = np.isin(assets, list(spare))
        self.train = np.flatnonzero(~last_round & ~new_asset)
        self.held = {
            "held-out views": np.flatnonzero(last_round & ~new_asset),
            "held-out assets": np.flatnonzero(new_asset),
        }
        counts = np.bincount(self.label[self.train], minlength=len(self.concepts))
        self.share = 1 / counts[self.label[self.train]]
        self.share /= self.share.sum()

    def pictures(self, index: np.ndarray, rng: np.random.Generator | None = None) -> torch.Tensor:
        """RGBA in [-1, 1]; with a generator tinted now and then, and roughened as samples and renders are."""
        rgba = np.stack([recoloured(self.views[i : i + 1], None, self.recolor[i : i + 1])[0] for i in index])
        if rng is not None:
            for row, i in enumerate(index):
                if self.recolor[i] and rng.random() < 0.4:
                    rgba[row] = recoloured(self.views[i : i + 1], str(rng.choice(list(COLOURS))), np.array([True]))[0]
        x = torch.from_numpy(rgba).permute(0, 3, 1, 2) * 2 - 1
        return x if rng is None else roughened(x, rng)


def roughened(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur, noise, brightness: what separates clean renders from samples and optimised fields."""
    if rng.random() < 0.5:
        small = int(rng.integers(20, 60))
        x = F.interpolate(F.interpolate(x, size=small, mode="area"), size=x.shape[-1], mode="bilinear")
    gain = torch.from_numpy(rng.uniform(0.75, 1.2, (len(x), 1, 1, 1)).astype(np.float32))
    colour = ((x[:, :3] + 1) * gain - 1).clamp(-1, 1)
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)) * float(rng.uniform(0, 0.15))
    return torch.cat((colour, x[:, 3:]), dim=1) + noise


def accuracy(net: JudgeNet, data: Data, index: np.ndarray) -> dict[str, float]:
    net.eval()
    right, near, turned = 0, 0, 0
    with torch.no_grad():
        for part in np.array_split(index, max(1, len(index) // 256)):
            logits, direction = net(data.pictures(part))
            right += int((logits.argmax(1) == data.label[part]).sum())
            error = torch.atan2(direction[:, 1], direction[:, 0]) - data.azimuth[part]
            error = torch.remainder(error + math.pi, 2 * math.pi) - math.pi
            near += int(((error.abs() < math.radians(30)) & data.turned[part]).sum())
            turned += int(data.turned[part].sum())
    net.train()
    return {"top1": right / len(index), "azimuth within 30": near / max(1, turned), "views": len(index)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    data = Data(args.views)
    net = JudgeNet(len(data.concepts)).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    begin, step, mean = time.perf_counter(), 0, 0.0
    while (progress := (time.perf_counter() - begin) / (60 * args.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * 0.5 * (1 + math.cos(math.pi * progress))
        index = data.train[rng.choice(len(data.train), args.batch, p=data.share)]
        logits, direction = net(data.pictures(index, rng))
        azimuth = data.azimuth[index]
        target = torch.stack((azimuth.cos(), azimuth.sin()), dim=1)
        turn = ((direction - target).square().sum(1) * data.turned[index]).mean()
        loss = F.cross_entropy(logits, data.label[index], label_smoothing=0.05) + 0.5 * turn
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step, mean = step + 1, 0.98 * mean + 0.02 * loss.item()
        if step % 100 == 0:
            print(f"step {step} loss {mean:.3f} {progress:.0%}", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.half().contiguous() for k, v in net.state_dict().items() if "num_batches" not in k},
        args.out / "judge.safetensors",
    )
    (args.out / "concepts.json").write_text(json.dumps(data.concepts) + "\n")
    card = {
        "steps": step,
        "training views": len(data.train),
        **{k: accuracy(net, data, v) for k, v in data.held.items()},
    }
    (args.out / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
