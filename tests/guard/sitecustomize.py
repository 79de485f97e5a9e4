"""Refuses everything that would leave this machine, in this process and all Python processes below it.

Python imports a module of this name by itself from PYTHONPATH. An audit hook cannot be taken off again, so no
library can go round it; each refusal is also a line in the file that NETWORK_GUARD_LOG names, because some
libraries swallow the error.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import Any

LOG = "NETWORK_GUARD_LOG"
CONNECTING = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
LOOKING_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
HERE = {"localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname(), ""}


def refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: raise ConnectionRefusedError for any address or name that is not this machine's."""
    if event in LOOKING_UP:
        host = arguments[0]
    elif event in CONNECTING and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        address = arguments[-1]
        host = address[0] if isinstance(address, tuple) else None
    else:
        return
    everywhere = event == "socket.bind" and host == ""
    if everywhere or not stays_here(host):
        _write_down(event, host)
        raise ConnectionRefusedError(f"network guard: {event} to {host!r}: tests stay on this machine")


def stays_here(host: str | bytes | None) -> bool:
    """Whether a name or address is this machine's own; None stands for no address."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
    if name in HERE:
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False


def _write_down(event: str, host: object) -> None:
    if log := os.environ.get(LOG):
        with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123 -- pathlib is not needed in every process
            file.write(f"{event} {host} pid {os.getpid()}: {' '.join(sys.argv)[:200]}\n")


if os.environ.get(LOG):
    sys.addaudithook(refuse_the_network)
