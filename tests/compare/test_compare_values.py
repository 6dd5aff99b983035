import json

from dream3d.compare.values import Missing, finite, from_json, missing, to_json


def test_json_gives_back_what_it_was_given():
    values = {"fog": 0.25, **missing(["iou", "chamfer"], "no reference")}
    assert from_json(json.loads(json.dumps(to_json(values)))) == values


def test_reasons_of_version_0_1_are_read():
    assert from_json({"fog": 1, "iou": "no reference"}) == {"fog": 1.0, "iou": Missing("no reference")}


def test_what_is_no_number_is_missing():
    found = finite({"a": float("nan"), "b": float("inf"), "c": 1.0, "d": Missing("x")})
    assert found == {"a": Missing("got nan"), "b": Missing("got inf"), "c": 1.0, "d": Missing("x")}
