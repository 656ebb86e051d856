"""Push–Pull Lab."""
