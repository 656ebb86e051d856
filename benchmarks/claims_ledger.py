"""Write the ledger of all claims, by both engines, into docs/claims and its table into README.md.

Takes about twelve minutes on a machine that does nothing else: python benchmarks/claims_ledger.py
With --simulation it simulates only, which takes half a minute.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = "| | claim |"  # how the table in the README begins


def main(arguments: list[str]) -> None:
    engine = ["--engine", "simulation"] if "--simulation" in arguments else []
    command = [sys.executable, "-m", "lab", "claims", "--markdown", "--out", "docs/claims", *engine]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(encoding="utf-8"), done.stdout), encoding="utf-8")


def replaced(text: str, table: str) -> str:
    """Return a page in which `table` stands where the table of claims stood."""
    lines = text.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith(HEAD))
    after = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    return "\n".join([*lines[:first], *table.rstrip("\n").split("\n"), *lines[after:]])


if __name__ == "__main__":
    main(sys.argv[1:])
