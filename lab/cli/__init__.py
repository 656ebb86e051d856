"""The command line: `pushpull`, and what a scenario's script runs."""

from lab.cli.main import app, run, run_scenario

__all__ = ["app", "run", "run_scenario"]
