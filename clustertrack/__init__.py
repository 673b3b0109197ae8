"""The front door: command line, settings and the local stack. Wires the other packages, holds no logic of theirs."""

__version__ = "0.1.0"
