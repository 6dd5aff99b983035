"""Radiance fields in the unit ball, behind the ``Field`` protocol of ``types.py``; one file a field."""
