"""redis built with zig cc: server, command line and benchmark on the guest's loopback."""

from __future__ import annotations

import pytest

from tests.support import oracles
from tests.support.guest import shell
from tools.config import Volume
from userland.redis_build import build_redis

SCRIPT = """
cd /tmp; PATH=/redis:$PATH
redis-server --save '' --logfile log --unixsocket /tmp/s > /dev/null & server=$!
until redis-cli ping > /dev/null 2>&1; do sleep 0.02; done
redis-cli set a 5; redis-cli incrby a 37; redis-cli -s /tmp/s get a
redis-benchmark -q -n 2000 > speed; echo "bench $?"; grep -c 'requests per second' speed
redis-cli shutdown nosave; wait $server; echo "server $?"
"""


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.row("K6", "K7", "X3")
def test_a_static_redis_serves(arch: str) -> None:
    programs = build_redis(arch)
    if programs is None:
        oracles.cannot_run("the source of redis is not fetched (python -m tools.fetch)")
    volume = Volume(str(programs), b"/redis", read_only=True)
    result = shell(SCRIPT, arch, volumes=(volume,), timeout=240.0)
    assert result.text == "OK\n42\n42\nbench 0\n20\nserver 0\n"
    assert result.status == 0
