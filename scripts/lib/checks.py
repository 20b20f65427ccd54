"""Failing, checking and waiting, as the Python programs of scripts/ do it."""

import pathlib
import sys
import time

# Far above what anything takes that is waited for here: only a fault meets it.
TIMEOUT_SECONDS = 20


def fail(text):
    """Ends the program with exit code 1 and a line that begins with the program's name."""
    sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {text}")


def check(claim, holds, found=None):
    """Fails, with what was found instead, unless the claim holds."""
    if not holds:
        fail(f"false: {claim}" + ("" if found is None else f"\n{found}"))


def wait_for(claim, holds, found=lambda: None):
    """Waits until `holds()` is true; fails with `found()` when that takes too long."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            check(f"{claim}, within {TIMEOUT_SECONDS} s", False, found())
        time.sleep(0.05)
