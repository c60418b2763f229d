"""Tell local addresses from others."""

import ipaddress


def is_local(endpoint: str) -> bool:
    """Whether nobody outside this machine can reach the ZeroMQ `endpoint`: `ipc://` or a loopback address."""
    transport, _, address = endpoint.partition("://")
    if transport in ("ipc", "inproc"):
        return True
    return is_loopback(address.rpartition(":")[0])


def is_loopback(host: str) -> bool:
    """Whether `host` (a name, an address or an interface, IPv6 also in brackets) is the loopback."""
    host = host.removeprefix("[").removesuffix("]")
    if host in ("localhost", "lo"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
