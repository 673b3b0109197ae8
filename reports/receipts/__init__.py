"""What became of the events of a publisher: of one event or activity, of the days, of a list to compare with.

Everything is read from the ledger and bound to the sources that the caller may see. Nothing here knows HTTP, keys or
the screen.
"""
