"""`python -m lab` is `pushpull`."""

from lab.cli import run

if __name__ == "__main__":
    run()
