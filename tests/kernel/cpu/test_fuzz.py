"""Random code: always a trap with a reason, never a way out of user mode or a dead host."""

from __future__ import annotations

import random

import pytest

from kernel.cpu.base import EXCEPTION_STUCK, T_EXCEPTION, TRAP_EXCEPTION
from kernel.cpu.sanitize import EFLAGS_FIXED, EFLAGS_USER
from tests.kernel.cpu.rig import CODE, DATA, RWX, RX, Rig
from tests.support.counts import scaled

pytestmark = pytest.mark.row("K2", "K12", "T2")

CODE_PAGES = 8
DATA_PAGES = 16
X86_CS = 11
"""Unicorn's number of the register."""
EFLAGS_BY_PROGRAM = 1 << 14 | 1 << 21
"""NT and ID: popf may set them, an image may not."""

SEEDS = [
    bytes.fromhex(text)
    for text in (
        "c5f058c2 0fa2 f3a4 0f01d0 0fae00 c4e271f7c0 0f05 cd80 62f1744858c2 0fc7f0 ec 0f34 9b cf "
        "cb 480fc70f 9d 9c f0480fbaf738 3d00300200 0fc70f f00fb3d9 48cf ff2f 8ed0 0f01f8 f4 0f31"
    ).split()
]
"""Instructions with a history, mixed into the noise."""


def noise(rng: random.Random, x86: bool) -> bytes:
    page = bytearray(rng.randbytes(4096))
    for _ in range(200 if x86 else 0):
        seed = rng.choice(SEEDS)
        at = rng.randrange(4096 - len(seed))
        page[at : at + len(seed)] = seed
    return bytes(page)


def scramble(machine: Rig, rng: random.Random) -> None:
    values = [
        DATA + rng.randrange(DATA_PAGES * 4096) if rng.random() < 0.8 else rng.getrandbits(64)
        for _ in machine.arch.register_names
    ]
    machine.regs.set_general(tuple(values))
    machine.regs.set_fp_image(rng.randbytes(machine.arch.fp_image_size))


def check_user_mode(machine: Rig) -> None:
    if machine.arch.name != "x86_64":
        assert not machine.regs.get("pstate") & 0xF
        return
    engine = machine.engine
    handle = machine.context.handle
    assert engine._lib.engine_read_register(engine._handle, handle, X86_CS) == 0x33
    assert not machine.regs.get("eflags") & ~(EFLAGS_USER | EFLAGS_FIXED | EFLAGS_BY_PROGRAM)


def wander(machine: Rig, rng: random.Random, runs: int) -> None:
    x86 = machine.arch.name == "x86_64"
    for turn in range(runs):
        if turn % 500 == 0:
            for page in range(CODE, CODE + CODE_PAGES * 4096, 4096):
                machine.poke(page, noise(rng, x86))
                machine.engine.invalidate_code(machine.frame(page))
        if turn % 20 == 0:
            scramble(machine, rng)
        machine.regs.pc = CODE + (rng.randrange(CODE_PAGES * 4096) & (-1 if x86 else -4))
        trap = machine.run(20)
        assert not (trap == TRAP_EXCEPTION and machine.trap[T_EXCEPTION] == EXCEPTION_STUCK)
        check_user_mode(machine)


def wander_debugged(machine: Rig, rng: random.Random, runs: int) -> None:
    """The same with steps, and with breakpoints and watchpoints that come and go."""
    x86 = machine.arch.name == "x86_64"
    engine, root = machine.engine, machine.root
    breakpoints: list[int] = []
    watches: list[int] = []
    for turn in range(runs):
        if turn % 500 == 0:
            for page in range(CODE, CODE + CODE_PAGES * 4096, 4096):
                machine.poke(page, noise(rng, x86))
                engine.invalidate_code(machine.frame(page))
        if turn % 20 == 0:
            scramble(machine, rng)
            while breakpoints:
                engine.remove_breakpoint(root, breakpoints.pop())
            while watches:
                engine.remove_watch(watches.pop())
            for _ in range(rng.randrange(8)):
                breakpoints.append(CODE + (rng.randrange(CODE_PAGES * 4096) & (-1 if x86 else -4)))
                engine.insert_breakpoint(root, breakpoints[-1])
            for _ in range(rng.randrange(3)):
                at = rng.choice((CODE, DATA)) + rng.randrange(CODE_PAGES * 4096 - 64)
                watches.append(engine.insert_watch(root, at, rng.randrange(1, 64), 1 + turn % 3))
        if rng.random() < 0.6:
            machine.regs.pc = CODE + (rng.randrange(CODE_PAGES * 4096) & (-1 if x86 else -4))
        trap = machine.run(20) if rng.random() < 0.5 else machine.step(20)
        assert not (trap == TRAP_EXCEPTION and machine.trap[T_EXCEPTION] == EXCEPTION_STUCK)
        check_user_mode(machine)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_code(machine: Rig, seed: int) -> None:
    machine.map(CODE, CODE_PAGES, RX)
    machine.map(DATA, DATA_PAGES)
    wander(machine, random.Random(seed), 3000)


def test_a_lot_of_random_code(machine: Rig) -> None:
    machine.map(CODE, CODE_PAGES, RX)
    machine.map(DATA, DATA_PAGES)
    wander(machine, random.Random(3), scaled(500_000))


@pytest.mark.parametrize("seed", [1, 2])
def test_random_code_under_a_debugger(machine: Rig, seed: int) -> None:
    machine.map(CODE, CODE_PAGES, RWX if seed == 1 else RX)
    machine.map(DATA, DATA_PAGES)
    wander_debugged(machine, random.Random(seed), 3000)


def test_a_lot_of_random_code_under_a_debugger(machine: Rig) -> None:
    machine.map(CODE, CODE_PAGES, RWX)
    machine.map(DATA, DATA_PAGES)
    wander_debugged(machine, random.Random(4), scaled(500_000))
