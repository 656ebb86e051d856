"""Validation: what calibration predicts for runs that it has not seen, beside those runs."""

from lab.validation.session import Validation, validate

__all__ = ["Validation", "validate"]
