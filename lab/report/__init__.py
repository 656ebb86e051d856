"""What people read: a table for the terminal, and a folder with the report of a comparison."""

from lab.report.aftermath import grids
from lab.report.document import write
from lab.report.table import notes, table

__all__ = ["grids", "notes", "table", "write"]
