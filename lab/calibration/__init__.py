"""Learning this machine's physics: short measured runs, and the costs with which simulation repeats them.

`plan` says what is run, `runs` measures it, `figures` says what of a run is fitted, `parameters`
what is free, `fit` finds it and how sure it is, `learning` puts the calibration file together.
"""

from lab.calibration.learning import calibrate, described, learn, own, own_path, save
from lab.calibration.runs import Sample, disturbed, measure

__all__ = [
    "Sample",
    "calibrate",
    "described",
    "disturbed",
    "learn",
    "measure",
    "own",
    "own_path",
    "save",
]
