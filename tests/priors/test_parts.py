import math

from dream3d.priors.parts import by_name


def test_what_is_not_there_is_none():
    assert by_name(math, "pi") == math.pi
    assert by_name(math, "nothing_of_this_name") is None
