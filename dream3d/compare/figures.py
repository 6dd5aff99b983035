"""Number formatting in reports."""


def number(value: float) -> str:
    """Three significant digits, without an exponent for usual magnitudes.

    >>> [number(x) for x in (0.01234, 5999.0, 1234567.0, 0.0, 2e-6)]
    ['0.0123', '5999', '1234567', '0', '2e-06']
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
