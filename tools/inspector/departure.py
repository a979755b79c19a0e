"""The end of a view whose reader is gone.

Textual's way out writes to the terminal and waits for it.  When the terminal is no more, or the
server of ``--web`` was killed, that way may have no end: the process would stay, or even spin.  So
somebody who does not write stands by.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Final

EVERY_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 5.0
"""How long the view may take to leave by itself; its guest may need some seconds of it."""
HUNG_UP: Final = 129
"""As a shell shows a death by SIGHUP."""


def stand_by() -> None:
    """End this process some seconds after what it reads its keys from has hung up."""
    threading.Thread(target=_wait, name="departure", daemon=True).start()


def _wait() -> None:
    keys = select.poll()
    keys.register(0, 0)  # POLLHUP and POLLERR come unasked
    while not keys.poll(0):
        time.sleep(EVERY_SECONDS)
    time.sleep(GRACE_SECONDS)
    os._exit(HUNG_UP)  # our end of the guest's terminal goes with us, which ends the guest
