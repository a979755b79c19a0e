"""The pictures of docs/python.md, from a machine: ``python -m tools.generators.notebook_pictures``.

A small program is compiled, run until it is stuck, and looked at.  The same sources and compiler
give the same files; a test draws them again and compares.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.cache import cache_directory
from tools.generators.stats_picture import FLAGS, ROOT
from tools.library import boot

TARGET: Final = ROOT / "docs" / "pictures"
SOURCE: Final = r"""
// Two processes share open files, and each waits for what the other would write.
#include <fcntl.h>
#include <unistd.h>

int main(void) {
    int there[2], back[2];
    char byte;
    open("/etc/passwd", O_RDONLY);
    dup(0);
    pipe(there);
    pipe(back);
    if (fork()) {
        open("/etc/group", O_RDONLY);
        read(back[0], &byte, 1);
        write(there[1], &byte, 1);
    } else {
        read(there[0], &byte, 1);
        write(back[1], &byte, 1);
    }
    return 0;
}
"""


def pictures() -> Iterator[tuple[str, str]]:
    """(file name, SVG) of a descriptor table, a page walk and a wait-for graph."""
    with tempfile.TemporaryDirectory(prefix="diorama-picture-") as work:
        source, program = Path(work) / "stuck.c", Path(work) / "stuck"
        source.write_text(SOURCE, encoding="utf-8")
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache_directory() / "zig")}
        compiler = [sys.executable, "-m", "ziglang", "cc", *FLAGS]
        subprocess.run([*compiler, "-o", str(program), str(source)], env=environment, check=True)
        with boot("x86_64", busybox=False, seed=1) as machine:
            machine.mount(str(program), "/bin/stuck", read_only=True)
            stuck = machine.spawn("stuck")
            machine.run(lambda: len(machine.wait_graph().cycles) > 0)
            yield "descriptors.svg", alone(stuck.files().html())
            yield "walk.svg", alone(stuck.page_walk(stuck.registers.sp).html())
            yield "waits.svg", alone(machine.wait_graph().html())
            for process in (*stuck.children, stuck):
                process.kill("KILL")
            machine.run()


def alone(html: str) -> str:
    """The picture out of its page, on a white ground: a file is not told its reader's colours."""
    found = re.search(r"<svg.*</svg>", html, re.DOTALL)
    if found is None:
        raise ValueError("this form has no picture")
    head, _, rest = found[0].partition(">")
    return f'{head.removesuffix(chr(34))};background:#fff">{rest}\n'


def main() -> int:
    """Write the files."""
    TARGET.mkdir(exist_ok=True)
    for name, svg in pictures():
        (TARGET / name).write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
