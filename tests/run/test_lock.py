"""A folder belongs to one run at a time, and to nobody once that has ended."""

import os

import pytest

from dream3d.errors import UserError
from dream3d.run.lock import NAME, locked, may_be_held, refuse_if_held


def test_the_second_is_told_who_has_it(tmp_path):
    with locked(tmp_path):
        for again in (refuse_if_held, lambda folder: locked(folder).__enter__()):
            with pytest.raises(UserError, match=rf"in use by another run \(process {os.getpid()}\)"):
                again(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_a_lock_left_by_a_killed_run_holds_nobody_up(tmp_path):
    (tmp_path / NAME).write_text("999999")
    refuse_if_held(tmp_path)
    with locked(tmp_path):
        assert (tmp_path / NAME).read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_gives_it_back(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    refuse_if_held(tmp_path)


def test_whether_it_may_be_held_is_seen_without_taking_it(tmp_path):
    assert not may_be_held(tmp_path)
    with locked(tmp_path):
        assert may_be_held(tmp_path)
    assert not may_be_held(tmp_path)
