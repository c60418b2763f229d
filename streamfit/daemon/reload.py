"""SIGHUP: read the configuration again, and tell systemd."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from streamfit.daemon.monitoring.status import Health
from streamfit.daemon.systemd import notify
from streamfit.errors import InputError
from streamfit.protocol.control import ControlError

log = logging.getLogger(__name__)


async def reload_on(hangup: asyncio.Event, reload: Callable[[], Awaitable[None]], health: Health) -> None:
    """Call `reload` whenever `hangup` is set, for ever; why it was refused is an alarm until one is taken."""
    while True:
        await hangup.wait()
        hangup.clear()
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            await reload()
        except (InputError, ControlError) as error:
            _refuse(health, str(error))
        except Exception as error:
            log.exception("reloading failed")
            _refuse(health, f"{type(error).__name__}: see the log")
        else:
            health.alarms.pop("reload", None)
            log.info("the configuration was read again; it holds for sessions opened from now on")
        notify("READY=1")


def _refuse(health: Health, why: str) -> None:
    health.alarms["reload"] = f"the new configuration is not taken, the old one stays: {why}"
    log.error("%s", health.alarms["reload"], extra={"kind": why})
