"""Predicting runs that nobody has measured: forecasts, the loads that saturate, their limits."""
