"""Becomes another program that ends when the one who asked for it is gone: PARENT PROGRAM...

However a run ends, even by `kill -9`, nothing of it stays behind.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def main() -> None:
    """Ask the kernel for a signal at the parent's death, where it can do that, and go on."""
    parent, *program = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != int(parent):
            sys.exit("the parent is gone already")
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
