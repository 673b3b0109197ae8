"""Clients of the session's ClickHouse."""

from ledgers import client, ledger, server, write

__all__ = ["client", "ledger", "server", "write"]
