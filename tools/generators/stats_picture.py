"""docs/pictures/stats.svg, from `stats --plot`: ``python -m tools.generators.stats_picture``.

A small program is compiled, run with ``--deterministic`` and drawn.  The same sources, compiler and
matplotlib give the same file; a test regenerates it and compares.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tools.cache import cache_directory

ROOT: Final = Path(__file__).parents[2]
TARGET: Final = ROOT / "docs" / "pictures" / "stats.svg"
FLAGS: Final = (
    "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-static", "-O1", "-g0", "-s",
    "-fno-sanitize=all",
)  # fmt: skip
SOURCE: Final = r"""
// Look at files, build a heap, map a large piece of memory and use it bit by bit, share it with a
// child, give it back, and write a report.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static volatile unsigned busy;
static void work(int amount) { for (int i = 0; i < amount * 1000; i++) busy += i; }

int main(void) {
    struct stat found;
    char name[64], line[256];
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "/etc/conf.d/%d", i);
        stat(name, &found);
        work(3);
    }
    int fd = open("/etc/passwd", O_RDONLY);
    while (read(fd, line, 32) > 0) work(4);
    close(fd);

    char *heap = (char *)syscall(SYS_brk, 0);
    for (int i = 1; i <= 24; i++) {                    // a heap that grows
        heap = (char *)syscall(SYS_brk, heap + (64 << 10));
        memset(heap - (64 << 10), i, 64 << 10);
        work(10);
    }
    char *large = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 8 * MIB; i += 128 << 10) {     // touched bit by bit
        memset(large + i, 1, 128 << 10);
        work(8);
    }
    mprotect(large + 6 * MIB, 2 * MIB, PROT_READ);
    if (!fork()) {                                     // copies what it writes
        for (int i = 0; i < 2 * MIB; i += 4096) large[i] = 2, work(1);
        _exit(0);
    }
    wait(NULL);
    for (int i = 0; i < 4; i++) {                      // given back in pieces
        munmap(large + i * MIB, MIB);
        work(60);
    }
    fd = open("/tmp/report", O_CREAT | O_WRONLY, 0644);
    for (int i = 0; i < 80; i++) {
        int length = snprintf(line, sizeof line, "%d: %u\n", i, busy);
        write(fd, line, length);
        work(4);
    }
    close(fd);
    unlink("/tmp/report");
    return 0;
}
"""


def generate() -> bytes:
    """The picture."""
    with tempfile.TemporaryDirectory(prefix="diorama-picture-") as work:
        source, program, picture = (Path(work) / name for name in ("story.c", "story", "p.svg"))
        source.write_text(SOURCE, encoding="utf-8")
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache_directory() / "zig")}
        compiler = [sys.executable, "-m", "ziglang", "cc", *FLAGS]
        subprocess.run([*compiler, "-o", str(program), str(source)], env=environment, check=True)
        run = [sys.executable, "-m", "diorama", "stats", "--deterministic", "--stats=/dev/null"]
        subprocess.run([*run, "--plot", str(picture), str(program)], cwd=ROOT, check=True)
        return picture.read_bytes()


def main() -> int:
    """Write the file; with --check only say whether it is fresh."""
    picture = generate()
    if "--check" in sys.argv[1:]:
        return int(TARGET.read_bytes() != picture)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
