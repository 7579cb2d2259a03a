#!/usr/bin/env python3
"""Sets the program up on first use and starts it: ``python3 start.py [demo | run FILE | test | ...]``.

Needs nothing but Python. This file alone is written for Pythons that are too old as well (hence no ``__future__``
import), because it is the one that must tell them so; the work is done in ``packaging/launcher``.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = 14


def main() -> int:
    """Hand over to the launcher, in a newer Python where this one is too old."""
    if sys.version_info < OLDEST:
        return _in_newer_python()
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "packaging"))  # noqa: PTH100, PTH118, PTH120 - as above
    from launcher.commands import main as launch

    return launch(sys.argv[1:])


def _in_newer_python() -> int:
    for minor in range(NEWEST, OLDEST[1] - 1, -1):
        name = "python3.%d" % minor
        check = "import sys; sys.exit(sys.version_info < (%d, %d))" % OLDEST
        try:
            # asked first, because a name on the path may be a shim with nothing behind it
            if subprocess.call([name, "-c", check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
                return subprocess.call([name, os.path.abspath(__file__)] + sys.argv[1:])  # noqa: PTH100, RUF005 - as above
        except OSError:
            continue
    sys.stderr.write(
        "Kailash Studio needs Python %d.%d or newer and this is %d.%d: install a newer one and start it with that.\n"
        % (OLDEST + tuple(sys.version_info[:2]))
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
