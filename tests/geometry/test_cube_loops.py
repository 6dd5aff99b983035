"""Loops of a surface through a cube."""

import pytest

from dream3d.geometry.cube_loops import EDGES, SIDES, ambiguous, loop_table, loops, segments


def crossed(case):
    return {i for i, (a, b) in enumerate(EDGES) if (case >> a & 1) != (case >> b & 1)}


def test_edges_and_sides_are_those_of_a_cube():
    assert len(set(EDGES)) == 12 and all((a ^ b) in (1, 2, 4) for a, b in EDGES)
    for ring in SIDES:
        assert all((ring[i] ^ ring[(i + 1) % 4]) in (1, 2, 4) for i in range(4))
    assert len({frozenset(ring) for ring in SIDES}) == 6


@pytest.mark.parametrize("turned", [0, 63, 21])
def test_loops_go_through_every_crossed_edge_once_along_segments(turned):
    for case in range(256):
        found = loops(case, turned)
        joined = {frozenset(pair) for side in range(6) for pair in segments(case, side, bool(turned >> side & 1))}
        assert sorted(edge for loop in found for edge in loop) == sorted(crossed(case))
        for loop in found:
            assert len(loop) >= 3
            assert all(frozenset((loop[i - 1], loop[i])) in joined for i in range(len(loop)))


def test_the_complement_turned_over_is_the_same():
    """Inside and outside exchanged, the other way of joining gives the same loops."""
    for case in range(256):
        assert {frozenset(x) for x in loops(case, 0)} == {frozenset(x) for x in loops(255 - case, 63)}


def test_patterns_known_by_heart():
    assert [len(x) for x in loops(0b00000001, 0)] == [3]
    assert [len(x) for x in loops(0b00001111, 0)] == [4]
    assert [len(x) for x in loops(0b10000001, 0)] == [3, 3]  # two opposite corners
    assert [len(x) for x in loops(0b00001001, 0)] == [3, 3]  # two across a side, each alone
    assert [len(x) for x in loops(0b00001001, 63)] == [6]  # or joined
    assert [len(x) for x in loops(0b01101001, 0)] == [3, 3, 3, 3]
    assert len(ambiguous(0b01101001)) == 6 and ambiguous(0b00001111) == []


def test_turning_a_side_joins_two_loops_or_parts_one():
    for case in range(256):
        for side in ambiguous(case):
            assert abs(len(loops(case, 0)) - len(loops(case, 1 << side))) == 1


def test_the_table_is_what_the_functions_say():
    table, sides = loop_table()
    for case, turned in ((0, 0), (9, 0), (9, 63), (105, 5), (200, 33)):
        expected = [-1] * 12
        for number, loop in enumerate(loops(case, turned)):
            for edge in loop:
                expected[edge] = number
        assert table[case, turned].tolist() == expected
        assert sides[case].nonzero().flatten().tolist() == ambiguous(case)
