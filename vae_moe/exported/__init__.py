"""Modules of NumPy alone that an export copies beside its arrays: they import nothing of this package."""
