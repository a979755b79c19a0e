"""Applets that work on text and numbers."""

from __future__ import annotations

from tests.support.differential import Command, busybox, script

POEM = b"""The quick brown fox
jumps over the lazy dog
and the dog\tsleeps on

  until 12 o'clock
"""
TABLE = b"3:carol:x\n1:alice:y\n2:bob:x\n10:dave:z\n"
BYTES = bytes(range(256)) * 3


def text_commands() -> dict[str, Command]:
    """Applet to command."""
    return {
        "ascii": busybox("ascii"),
        "awk": busybox(
            "awk",
            "-F:",
            '{ n[$3] += $1; l[$3] = l[$3] " " toupper($2) } '
            'END { for (k in n) printf "%s %d%s %.3f\\n", k, n[k], l[k], n[k] / 7 | "sort" }',
            "t",
            t=TABLE,
        ),
        "base64": busybox("base64", "b", b=BYTES),
        "bc": busybox("bc", stdin=b"scale=20\n2^100\n1/7\ns=0\nfor(i=0;i<9;i++) s+=i\ns\n"),
        "cat": busybox("cat", "-n", "a", "-", "nowhere", stdin=b"in\n", a=POEM),
        "cmp": busybox("cmp", "-l", "a", "b", a=b"same\nline\n", b=b"same\nlime\n"),
        "crc32": busybox("crc32", "b", b=BYTES),
        "cut": busybox("cut", "-d:", "-f2-3", "t", t=TABLE),
        "dc": busybox("dc", stdin=b"2 3 ^ 5 * p\n_3 4 + p\n16 o 255 p\n"),
        "diff": busybox("diff", "-u", "-L", "x", "-L", "y", "a", "b", a=POEM, b=POEM[:50]),
        "dos2unix": script("dos2unix a && od -c a", a=b"one\r\ntwo\r\n"),
        "echo": busybox("echo", "-e", "a\\tb\\x41\\c", "never"),
        "ed": busybox("ed", "a", stdin=b"1,2p\n2s/lazy/idle/\nw\nq\n", a=POEM),
        "egrep": busybox("egrep", "-n", "(fox|dog)$", "a", a=POEM),
        "expand": busybox("expand", "-t", "4", "a", a=POEM),
        "expr": script("expr 7 \\* 6; expr abc : 'a\\(.*\\)'; expr length hello; expr 1 \\> 2"),
        "factor": busybox("factor", "1001", "18446744073709551557", "97"),
        "fgrep": busybox("fgrep", "-c", "o'", "a", a=POEM),
        "fold": busybox("fold", "-s", "-w", "10", "a", a=POEM),
        "getopt": busybox("getopt", "-o", "ab:", "-l", "long:", "--", "-a", "-bX", "--long=1", "y"),
        "grep": busybox("grep", "-rin", "DOG", ".", a=POEM, b=b"no\n"),
        "head": busybox("head", "-c", "25", "a", a=POEM),
        "hexdump": busybox("hexdump", "-C", "b", b=BYTES),
        "less": busybox("less", "a", a=POEM),
        "md5sum": busybox("md5sum", "b", b=BYTES),
        "more": busybox("more", "a", a=POEM),
        "nl": busybox("nl", "-b", "a", "a", a=POEM),
        "od": busybox("od", "-A", "d", "-t", "x2", "-t", "d4", "-j", "16", "b", b=BYTES),
        "paste": busybox("paste", "-d,", "t", "a", t=TABLE, a=POEM),
        "patch": script(
            "diff -u a b > p; cp a c; patch c < p; cat c", a=POEM, b=POEM.replace(b"lazy", b"idle")
        ),
        "printf": busybox("printf", "%5d|%-6s|%08.3f|%x|%c|%b\\n", "42", "ab", "3.14159", "255"),
        "rev": busybox("rev", "a", a=POEM),
        "sed": busybox("sed", "-n", "-e", "/fox/,/dog/{s/o/0/gp}", "-e", "$=", "a", a=POEM),
        "seq": busybox("seq", "-w", "-s", ",", "8", "1", "12"),
        "sha1sum": busybox("sha1sum", "b", b=BYTES),
        "sha256sum": busybox("sha256sum", "b", b=BYTES),
        "sha3sum": busybox("sha3sum", "b", b=BYTES),
        "sha512sum": script("sha512sum b > s; sha512sum -c s", b=BYTES),
        "shuf": script("shuf -i 1-50 | sort -n | tr '\\n' ' '"),
        "sort": busybox("sort", "-t:", "-k3,3", "-k1,1nr", "t", t=TABLE),
        "strings": busybox("strings", "-n", "5", "b", b=BYTES),
        "tac": busybox("tac", "a", a=POEM),
        "tail": busybox("tail", "-n", "+3", "a", a=POEM),
        "tee": busybox("tee", "x", "y", stdin=POEM),
        "test": script("test -f a -a ! -d a; echo $?; [ 3 -gt 12 ]; echo $?; [[ a = b ]]", a=b""),
        "tr": busybox("tr", "-cs", "a-z\\n", "_", stdin=POEM),
        "unexpand": busybox("unexpand", "-a", "a", a=b"        eight\n   three\n"),
        "uniq": busybox("uniq", "-c", stdin=b"a\na\nb\na\n"),
        "unix2dos": script("unix2dos a && od -c a", a=b"one\ntwo\n"),
        "uudecode": script(
            "uuencode b name < b > u; rm b; uudecode u; cmp name u; wc name", b=BYTES
        ),
        "uuencode": busybox("uuencode", "-m", "b", "name", b=BYTES),
        "wc": busybox("wc", "a", "t", a=POEM, t=TABLE),
        "xxd": busybox("xxd", "-g", "4", "b", b=BYTES),
    }
