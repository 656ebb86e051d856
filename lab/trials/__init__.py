"""Trials by fault: the guarantee matrix, and small random experiments under random faults."""
