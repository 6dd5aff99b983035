import torch
from omegaconf import OmegaConf
from tiny import mini, saved

from dream3d.compare.grid import cells
from dream3d.compare.settings import read
from dream3d.optimize import optimize
from dream3d.run.build import build, build_prior
from dream3d.run.shared_prior import Priors, over_same_weights


def losses(cell, prior_of):
    setup = build(OmegaConf.create(cell.settings), prior_of)
    return torch.stack([s.loss for s in optimize(setup, 0, 3)] + [setup.fields[0].density(torch.zeros(1, 3))[0]])


def test_a_shared_prior_is_as_good_as_a_fresh_one_even_after_students(tmp_path):
    """VSD adapts the network in place; the next cell must see neither its adapters nor what they learnt."""
    torch.manual_seed(0)
    folder = saved(mini(), tmp_path)
    request = read(["prompt=a corgi", "distill=[vsd,sds]", "seeds=[0,1]", f"prior.path={folder}", "batch_size=1",
                    "size=16", "threads=1", "prior.dtype=float32"])  # fmt: skip
    priors = Priors()
    for cell in cells(request):
        assert torch.equal(losses(cell, priors), losses(cell, build_prior))
    assert priors.loads == 1


def test_another_prior_is_loaded_anew(tmp_path):
    torch.manual_seed(0)
    priors = Priors()
    for name in ("a", "b", "a"):
        folder = saved(mini(), tmp_path / name)
        config = OmegaConf.create(cells(read(["prompt=a corgi", f"prior.path={folder}"]))[0].settings)
        priors(config, torch.device("cpu"))
    assert priors.loads == 3


def test_the_copy_shares_weights_but_not_modules():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    copy = over_same_weights(network)
    ours, theirs = (module.state_dict(keep_vars=True) for module in (copy, network))
    assert all(ours[name] is theirs[name] for name in theirs)
    copy[0] = torch.nn.Identity()
    assert isinstance(network[0], torch.nn.Linear)
