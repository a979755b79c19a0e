"""Guests that eat, spread and trespass: each meets its limit, and the host process lives on."""

from __future__ import annotations

import re
import signal
import struct
from pathlib import Path

import pytest

from tests.support.elf_files import MACHINES, PT_GNU_PROPERTY, PT_LOAD, ElfFile, Header, R, X
from tests.support.guest import GuestResult, run_cli
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("K12")]

SEGV = 128 + signal.SIGSEGV
SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void caught(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    printf("%s\n", info->si_code == SEGV_ACCERR ? "ACCERR" : "MAPERR");
    fflush(stdout);
    _exit(1);
}

static void catch_faults(void)
{
    static char stack[16384];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&other, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

static char *pages(int prot, size_t size)
{
    char *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        printf("mmap: %s\n", strerror(errno));
        exit(2);
    }
    return p;
}

__attribute__((noinline)) static int deep(int depth)
{
    volatile char frame[4096];
    memset((char *)frame, depth, sizeof frame);
    return (depth ? deep(depth - 1) : 0) + frame[depth & 4095];
}

static void attempt(const char *what, const char *argument)
{
    static const unsigned char ret[] =
#ifdef __x86_64__
        {0xc3};
#else
        {0xc0, 0x03, 0x5f, 0xd6};
#endif
    char *p;
    if (!strcmp(what, "execute-data")) {
        p = pages(PROT_READ | PROT_WRITE, 4096);
        memcpy(p, ret, sizeof ret);
        __builtin___clear_cache(p, p + 64);
        ((void (*)(void))p)();
    } else if (!strcmp(what, "execute-stack")) {
        char code[64] __attribute__((aligned(16)));
        memcpy(code, ret, sizeof ret);
        ((void (*)(void))(void *)code)();
    } else if (!strcmp(what, "write-then-execute")) {
        p = pages(PROT_READ | PROT_WRITE, 4096);
        memcpy(p, ret, sizeof ret);
        mprotect(p, 4096, PROT_READ | PROT_EXEC);
        ((void (*)(void))p)();
        puts("ran");
        fflush(stdout);
        p[0] = 0;
    } else if (!strcmp(what, "write-and-execute")) {
        p = pages(PROT_READ, 4096);
        if (mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
            printf("mprotect: %s\n", strerror(errno));
        p = pages(PROT_READ | PROT_WRITE | PROT_EXEC, 4096);
        memcpy(p, ret, sizeof ret);
        __builtin___clear_cache(p, p + 64);
        ((void (*)(void))p)();
        puts("ran");
    } else if (!strcmp(what, "write-text")) {
        *(volatile char *)(void *)attempt = 0;
    } else if (!strcmp(what, "kernel")) {
        printf("%d\n", *(volatile int *)0xffff800000000000ul);
    } else if (!strcmp(what, "stack")) {
        deep(atoi(argument));
        puts("deep enough");
    } else if (!strcmp(what, "eat")) {
        for (;;)
            memset(pages(PROT_READ | PROT_WRITE, 1 << 20), 1, 1 << 20);
    } else if (!strcmp(what, "bomb")) {
        struct rlimit limit = {30, 30};
        setrlimit(RLIMIT_NPROC, &limit);
        for (int forks = 0, tries = 0; tries < 200; tries++) {
            int pid = fork();
            if (pid < 0 && errno == EAGAIN && !forks++)
                write(1, "EAGAIN\n", 7);
        }
        _exit(0);
    } else if (!strcmp(what, "fork")) {
        for (int forks = 0;; forks++) {
            int pid = fork();
            if (!pid)
                pause();
            if (pid < 0) {
                printf("%s, %s\n", strerror(errno), forks > 50 ? "many" : "few");
                return;
            }
        }
    } else if (!strcmp(what, "fill")) {
        static char block[1 << 16];
        int fd = open("/tmp/full", O_CREAT | O_RDWR, 0600);
        while (write(fd, block, sizeof block) > 0)
            ;
        printf("%s\n", strerror(errno));
        ftruncate(fd, 0);
        printf("%zd\n", write(fd, block, sizeof block));
    }
}

int main(int argc, char **argv)
{
    catch_faults();
    attempt(argv[1], argc > 2 ? argv[2] : "");
    return 0;
}
"""


def hostile(arch: str, work: Path, *words: str, options: tuple[str, ...] = ()) -> GuestResult:
    """One attempt, from the command line."""
    program = work / "hostile"
    program.write_bytes(build.build_source("hostile", arch, SOURCE).read_bytes())
    program.chmod(0o755)
    result = run_cli("run", *options, "./hostile", *words)
    assert b"internal error" not in result.stderr
    return result


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("execute-data", "ACCERR\n"),
        ("execute-stack", "ACCERR\n"),
        ("write-then-execute", "ran\nACCERR\n"),
        ("write-text", "ACCERR\n"),
        ("kernel", "MAPERR\n"),
    ],
)
def test_forbidden_pages(arch: str, what: str, seen: str, work: Path) -> None:
    result = hostile(arch, work, what)
    if what == "kernel" and arch == "x86_64":
        seen = result.text  # a non-canonical address has another code; that it ends is the point
    assert (result.status, result.text) == (1, seen)


def test_write_and_execute_is_refused_with_a_hint(arch: str, work: Path) -> None:
    result = hostile(arch, work, "write-and-execute")
    assert result.text == "mprotect: Permission denied\nmmap: Permission denied\n"
    assert result.status == 2
    line = result.stderr.decode()
    assert re.fullmatch(r"diorama: pid 2: mprotect: .*W\^X.*--allow-wx permits it\n", line)


def test_write_and_execute_can_be_allowed(arch: str, work: Path) -> None:
    result = hostile(arch, work, "write-and-execute", options=("--allow-wx",))
    assert (result.status, result.text, result.stderr) == (0, "ran\n", b"")


def test_the_stack_grows_to_its_limit_and_no_further(arch: str, work: Path) -> None:
    """8 MiB: 1900 frames of 4 KiB and a little fit, 2100 meet the guard gap below."""
    assert hostile(arch, work, "stack", "1900").text == "deep enough\n"
    result = hostile(arch, work, "stack", "2100")
    assert (result.status, result.text) == (1, "MAPERR\n")


def test_who_eats_all_memory_is_killed(arch: str, work: Path) -> None:
    result = hostile(arch, work, "eat", options=("--memory", "32m"))
    assert result.status == 128 + signal.SIGKILL
    line = result.stderr.decode()
    assert re.fullmatch(r"diorama: out of memory: killed pid 2 \(\d+ KiB resident\)\n", line)


def test_the_shell_survives_who_eats_all_memory(arch: str, work: Path) -> None:
    hostile(arch, work, "kernel")
    words = ("run", "-q", "--memory", "32m", "-v", ".:/w", "--arch", arch, "sh", "-c")
    result = run_cli(*words, "/w/hostile eat; echo $?; head -c 1000000 /dev/zero | wc -c")
    assert result.text == "137\n1000000\n"


def test_forks_are_limited_in_number(arch: str, work: Path) -> None:
    result = hostile(arch, work, "bomb", options=("-u", "1000"))
    assert result.status == 0
    assert b"EAGAIN\n" in result.stdout


def test_forks_are_limited_by_memory(arch: str, work: Path) -> None:
    result = hostile(arch, work, "fork", options=("--memory", "16m"))
    assert (result.status, result.text) == (0, "Out of memory, many\n")


def test_a_full_tmpfs_says_so(arch: str, work: Path) -> None:
    result = hostile(arch, work, "fill", options=("--memory", "16m"))
    assert (result.status, result.text) == (0, "No space left on device\n65536\n")


AVX = r"""
#include <immintrin.h>
#include <stdio.h>
__attribute__((target("avx"))) int main(int argc, char **argv)
{
    (void)argv;
    puts("begun");
    fflush(stdout);
    __m256d four = _mm256_set1_pd(argc);
    double out[4];
    _mm256_storeu_pd(out, _mm256_add_pd(four, four));
    printf("%f\n", out[1]);
    return 0;
}
"""
V3 = ("-O2", "-g0", "-std=gnu11", "-static", "-mcpu=x86_64_v3", "-fno-sanitize=all")


@pytest.mark.parametrize("source", [AVX, AVX.replace("_mm256", "_mm").replace("m256d", "m128d")])
def test_avx_without_a_note_is_sigill_and_one_line(source: str, work: Path) -> None:
    """ymm, and xmm with a VEX prefix: never a wrong result."""
    program = build.build_source("avx", "x86_64", source)
    result = run_cli("run", str(program))
    assert (result.status, result.text) == (128 + signal.SIGILL, "begun\n")
    pattern = r"diorama: pid 2: AVX instruction at 0x[0-9a-f]+: this processor has none, SIGILL\n"
    assert re.fullmatch(pattern, result.stderr.decode())


def test_a_program_compiled_for_v3_computes_nothing_wrong(work: Path) -> None:
    source = """
        #include <stdio.h>
        int main(int argc, char **argv)
        {
            double sum = 0, all[64];
            for (int i = 0; i < 64; i++) all[i] = i * argc * 1.5 + argv[0][0];
            for (int i = 0; i < 64; i++) sum += all[i];
            return printf("%f\\n", sum) < 0;
        }"""
    result = run_cli("run", str(build.build_source("v3", "x86_64", source, V3)))
    assert (result.status, result.text) == (128 + signal.SIGILL, "")
    assert b"AVX instruction" in result.stderr


def test_a_program_whose_note_asks_for_v3_is_refused(work: Path) -> None:
    """What gcc -march=x86-64-v3 -Wl,-z,x86-64-v3 leaves behind, in a file of our own."""
    program = work / "noted"
    program.write_bytes(_noted())
    program.chmod(0o755)
    result = run_cli("run", "./noted")
    assert result.status == 126
    assert re.fullmatch(r"diorama: \./noted: .*x86-64-v3.*\n", result.stderr.decode())


def _noted() -> bytes:
    isa = struct.pack("<II4s4x", 0xC0008002, 4, struct.pack("<I", 4))
    note = struct.pack("<III4s", 4, len(isa), 5, b"GNU\0") + isa
    code = b"\xb8\xe7\0\0\0\x31\xff\x0f\x05"
    headers = [
        Header(PT_LOAD, R | X, 0x1000, 0x401000, code),
        Header(PT_GNU_PROPERTY, R, 0x2000, 0x402000, note, align=8),
    ]
    return bytes(ElfFile(MACHINES["x86_64"], headers=headers))


def test_no_sign_of_avx_is_shown(work: Path) -> None:
    source = """
        #include <cpuid.h>
        #include <stdio.h>
        int main(void)
        {
            unsigned a, b, c, d, e, f;
            __get_cpuid(1, &a, &b, &c, &d);
            printf("%u %u %u", c >> 28 & 1, c >> 29 & 1, c >> 12 & 1);   /* AVX F16C FMA */
            printf(" %u", c >> 30 & 1);                                   /* RDRAND */
            __get_cpuid_count(7, 0, &a, &b, &c, &d);
            printf(" %u %u %u", b >> 5 & 1, b >> 16 & 1, b >> 18 & 1);    /* AVX2 AVX512 RDSEED */
            __get_cpuid_count(13, 0, &e, &b, &c, &f);
            printf(" %x\\n", e & ~3u);                                    /* XCR0 beyond x87, SSE */
            return 0;
        }"""
    result = run_cli("run", str(build.build_source("cpuid", "x86_64", source)))
    assert result.text == "0 0 0 0 0 0 0 0\n"
    flags = run_cli("run", "-q", "--arch", "x86_64", "busybox", "grep", "^flags", "/proc/cpuinfo")
    assert flags.stdout.split()
    for word in (b"avx", b"fma", b"f16c", b"rdrand", b"rdseed", b"vaes"):
        assert word not in flags.stdout.split()
