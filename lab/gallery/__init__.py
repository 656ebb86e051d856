"""The gallery: every figure of the lab with an experiment behind it, drawn by `pushpull gallery`."""

from lab.gallery.bench import Found, run
from lab.gallery.exhibits import EXHIBITS, Exhibit, gather
from lab.gallery.page import How, index, png, read, save

__all__ = ["EXHIBITS", "Exhibit", "Found", "How", "gather", "index", "png", "read", "run", "save"]
