"""The vDSO: fresh, one page, and mapped with the machine's own frames."""

from __future__ import annotations

import io

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from kernel.arch.base import PAGE_SIZE
from loader.vdso import CODE, DATA, Vdso
from loader.vdso.images import IMAGES
from tests.support.guest import run_guest
from tests.support.tasks import World
from tools.generators import vdso as generator
from userland import build

ARCHES = ("x86_64", "aarch64")
NAMES = {
    "x86_64": {
        "__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_gettimeofday", "__vdso_time",
        "__vdso_getcpu",
    },
    "aarch64": {"__kernel_clock_gettime", "__kernel_clock_getres", "__kernel_gettimeofday"},
}  # fmt: skip


@pytest.mark.slow
def test_the_committed_images_are_what_the_source_gives() -> None:
    assert generator.TARGET.read_text() == generator.generate()


@pytest.mark.parametrize("arch", ARCHES)
def test_exports_what_c_libraries_look_for(arch: str) -> None:
    assert len(IMAGES[arch]) <= PAGE_SIZE
    elf = ELFFile(io.BytesIO(IMAGES[arch]))
    assert [s["p_type"] for s in elf.iter_segments()] == ["PT_LOAD", "PT_DYNAMIC"]
    symbols = elf.get_section_by_name(".dynsym")
    assert isinstance(symbols, SymbolTableSection)
    assert {s.name for s in symbols.iter_symbols() if s.name} == NAMES[arch]


def test_every_program_sees_the_same_two_frames() -> None:
    world = World()
    vdso = Vdso("x86_64", world.kernel.frames)
    for space in (world.kernel.new_space(world.program.limits) for _ in range(2)):
        code = vdso.map_into(space)
        assert space.user.read(code, 4) == b"\x7fELF"
        vdso.publish(-5)
        assert space.user.read(code - PAGE_SIZE, 8) == (2**64 - 5).to_bytes(8, "little")
        assert space.frame_at(code, 0) == vdso.get_page(CODE)
        assert space.frame_at(code - PAGE_SIZE, 0) == vdso.get_page(DATA)
        assert [(m.perms, m.name) for m in space.maps()] == [
            ("r--p", b"[vvar]"),
            ("r-xp", b"[vdso]"),
        ]


@pytest.mark.guest
@pytest.mark.row("X1")
@pytest.mark.parametrize("arch", ARCHES)
def test_reading_the_clock_is_no_system_call(arch: str) -> None:
    result = run_guest(str(build.build("vdso", arch)))
    assert (result.status, result.text) == (0, "ok\n")
    # Half of 5 * 400 readings asked the system on purpose, and one had to.
    assert result.calls["clock_gettime"] == 1001
    assert "gettimeofday" not in result.calls
