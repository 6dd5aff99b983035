"""Checks whether the hub is reachable, since its client otherwise retries for more than a minute."""

import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def reachable(endpoint: str, seconds: float = 3.0) -> bool:
    """Does the host of this address, or the proxy that leads to it, take a connection within so many seconds?
    Looking up its name is part of them, and may hang: it is left behind in a thread of its own."""
    url = urlsplit(endpoint)
    proxy = getproxies().get(url.scheme)
    if proxy and not proxy_bypass(url.hostname or ""):
        url = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    there = threading.Event()

    def knock() -> None:
        try:
            socket.create_connection((url.hostname or "", url.port or PORTS.get(url.scheme, 443)), seconds).close()
        except (OSError, UnicodeError):
            return
        there.set()

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(seconds)
    return there.is_set()
