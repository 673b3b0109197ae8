"""Where the process begins, as `clustertrack` and as `python -m clustertrack`; the local stack starts its children so,
with the very Python that runs it.
"""

import os
import signal
from typing import Final

_INTERRUPTED: Final = 130
"""As in `schemas.screen`, which is not imported yet."""


def _stop(*_: object) -> None:
    os.write(2, b"stopped: nothing was done yet; it is safe to run the command again\n")
    os._exit(_INTERRUPTED)


def main() -> None:
    """Import and run the command line; Ctrl-C meanwhile ends the process with one sentence.

    An exception would not do: what Python calls while it imports may swallow it. `schemas.screen` takes over.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    from clustertrack import cli  # noqa: PLC0415  (the import takes most of the time)

    cli.main()


if __name__ == "__main__":
    main()
