"""BusyBox, applet by applet: the same command outside and inside must leave the same behind.

Each applet does its real work on real input.  ``text``, ``files`` and ``system`` hold the
commands; ``differences.toml`` the few accepted differences, each with its reason.
"""
