"""At which addresses processes listen."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def listening(processes: Iterable[int]) -> set[str]:
    """Addresses of all sockets at which any of the processes waits for connections."""
    return {
        connection.laddr.ip
        for process in processes
        for connection in psutil.Process(process).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
