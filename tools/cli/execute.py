"""From a RunConfig to an exit status: the one place where the command line meets the machine."""

from __future__ import annotations

from tools.cli.outputs import check_outputs
from tools.config import RunConfig


def execute(config: RunConfig) -> int:
    """Boot a machine as configured, run it to its end, return what diorama exits with."""
    check_outputs(config)
    # Imported here: the emulated CPU takes 60 ms to load, which --help need not wait for.
    from tools.boot import boot

    if config.debug is not None:
        from tools.console.start import debug  # only debugging needs the console

        return debug(config, config.debug)
    return boot(config).run()
