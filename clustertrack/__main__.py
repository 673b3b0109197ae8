"""`python -m clustertrack`: how the local stack starts its children, with the very Python that runs it."""

from clustertrack.cli import main

if __name__ == "__main__":
    main()
