import math

from dream3d.priors.parts import named


def test_what_is_not_there_is_none():
    assert named(math, "pi") == math.pi
    assert named(math, "nothing_of_this_name") is None
