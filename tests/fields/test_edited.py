import pytest
import torch

from dream3d.contracts import parameter_groups
from dream3d.fields.edited import FINISHED, Edited
from dream3d.fields.triplane import Triplane
from dream3d.fields.voxel import Voxel
from dream3d.schedule import Linear
from dream3d.seeding import generator


def pair(vertices: int = 9) -> Edited:
    live, source = (Voxel(generator=generator(0, i, "field"), size=8) for i in range(2))
    torch.nn.init.normal_(live.raw_density)
    torch.nn.init.normal_(source.raw_density)
    return Edited(live, source, vertices)


def halved(field: Edited) -> Edited:
    """Only x > 0.25 may change; m rises from 0 to 1 between there and 0."""
    region = torch.zeros(9, 9, 9)
    region[:, :, 5:] = 1
    field.restrict(region)
    return field


def test_outside_the_region_it_is_the_source_and_inside_the_live_field() -> None:
    field, x = halved(pair()), torch.rand(200, 3, generator=generator(0, 0, "x"))
    x[:100, 0] -= 1.0
    x[100:, 0] = 0.25 + 0.7 * x[100:, 0]
    for part, of in ((x[:100], field.source), (x[100:], field.live)):
        torch.testing.assert_close(field.density(part), of.density(part))
        torch.testing.assert_close(field.surface(part).colour, of.surface(part).colour)
        torch.testing.assert_close(field.surface(part).density, of.density(part))
    between = torch.tensor([[0.125, 0.3, -0.2]])
    torch.testing.assert_close(
        field.density(between), (field.live.density(between) + field.source.density(between)) / 2
    )


def test_only_the_live_field_inside_the_region_is_trained() -> None:
    field = halved(pair())
    x = torch.tensor([[-0.5, 0.1, 0.2], [0.6, 0.1, 0.2]])
    field.surface(x).colour[0].sum().backward(retain_graph=True)
    assert float(field.live.raw_colour.grad.abs().sum()) == 0
    field.surface(x).colour[1].sum().backward()
    assert float(field.live.raw_colour.grad.abs().sum()) > 0
    trained = {id(p) for group in parameter_groups(field) for p in group["params"]}
    assert trained == {id(p) for p in field.live.parameters() if p.requires_grad}
    assert not any(p.requires_grad for p in field.source.parameters())


def test_an_edit_begins_as_its_source() -> None:
    field, x = pair(), torch.rand(50, 3)
    field.begin()
    assert torch.equal(field.density(x), field.source.density(x))
    with torch.no_grad():
        field.live.raw_density.add_(1)
    assert not torch.equal(field.density(x), field.source.density(x))


@pytest.mark.parametrize("restrict", [False, True])
def test_a_checkpoint_holds_both_and_the_region(restrict: bool) -> None:
    field, other, x = pair(), pair(), torch.rand(50, 3)
    other.live.raw_density.data.zero_()
    field = halved(field) if restrict else field
    other.load_state_dict(field.state_dict())
    assert torch.equal(other.surface(x).colour, field.surface(x).colour)
    assert other.everywhere is not restrict


def test_a_coarse_to_fine_source_is_finished() -> None:
    levels = Linear(0.0, 2.0, 100)
    planes = [Triplane(generator=generator(0, i, "field"), resolutions=(4, 8), levels=levels) for i in range(2)]
    Edited(*planes, vertices=4).at_step(0)
    assert [float(p.active) for p in planes] == [levels(FINISHED)] * 2 == [2.0, 2.0]
