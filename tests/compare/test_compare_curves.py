import re

import numpy as np

from dream3d.compare.curves import HEIGHT, binned, chart, height_of


def test_bins_hold_means():
    found = binned([0, 1, 2, 3], [1.0, 3.0, 10.0, 30.0], 4, bins=2)
    np.testing.assert_allclose(found, [2, 20])
    assert np.isnan(binned([0], [1.0], 10, bins=5)[1:]).all()


def test_a_chart_has_a_line_a_variant_and_a_band_for_several_runs():
    ramp = np.linspace(1, 100, 60)
    drawn = chart("loss <&>", {"sds": [ramp, 2 * ramp], "csd": [ramp]}, 60, log=True)
    assert drawn.count("<polyline") == 2 and drawn.count("<polygon") == 1
    assert "loss &lt;&amp;&gt;" in drawn and "nan" not in drawn
    ys = [float(y) for pair in re.findall(r'points="([^"]*)"', drawn) for y in re.findall(r",([\d.]+)", pair)]
    assert 0 <= min(ys) and max(ys) <= HEIGHT


def test_nothing_logged_and_flat_lines_are_drawn_too():
    assert "nothing was logged" in chart("x", {"sds": []}, 5, log=False)
    assert "nan" not in chart("x", {"sds": [np.zeros(60)]}, 5, log=False)
    assert "nothing was logged" in chart("x", {"sds": [np.zeros(60)]}, 5, log=True)  # no logarithm of 0
    assert height_of(1.0, 0.0, 1.0) < height_of(0.0, 0.0, 1.0)
