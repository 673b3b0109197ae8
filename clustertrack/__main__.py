"""Where the process begins, as `clustertrack` and as `python -m clustertrack`; the local stack starts its children so,
with the very Python that runs it.
"""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Import and run the command line; Ctrl-C meanwhile ends the process without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from clustertrack import cli  # noqa: PLC0415  (the import takes most of the time)

    cli.main()


if __name__ == "__main__":
    main()
