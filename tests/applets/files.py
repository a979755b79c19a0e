"""Applets that work on files, directories and archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

from tests.support.differential import Command, busybox, script

TEXT = b"".join(b"line %d of a file that compresses well\n" % i for i in range(500))
TREE = "mkdir -p t/a/b t/c; echo one > t/a/1; echo two > t/a/b/2; ln -s a/1 t/l; chmod 600 t/a/1;"


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("d/inner.txt"), TEXT)
        archive.writestr(zipfile.ZipInfo("top.txt"), b"top\n")
    return stream.getvalue()


def _tar_xz() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        entry = tarfile.TarInfo("d/file")
        entry.size, entry.mode, entry.mtime = len(TEXT), 0o640, 1_000_000_000
        archive.addfile(entry, io.BytesIO(TEXT))
    return stream.getvalue()


def file_commands() -> dict[str, Command]:
    """Applet to command."""
    return {
        "ar": script("ar x l.a && ls && cat one", l_a=_ar()),
        "basename": busybox("basename", "/a/b/c.txt", ".txt"),
        "bunzip2": script("bunzip2 f.bz2 && md5sum f", f_bz2=bz2.compress(TEXT)),
        "bzcat": script("bzcat f.bz2 | md5sum", f_bz2=bz2.compress(TEXT)),
        "bzip2": script("bzip2 -k f && bzip2 -dc f.bz2 | cmp - f && md5sum f.bz2", f=TEXT),
        "chgrp": script("chgrp 0 f && stat -c %g f", f=b""),
        "chmod": script("chmod u=rwx,g+w,o-r f; stat -c %a f; chmod 4751 f; stat -c %A f", f=b""),
        "chown": script("chown 0:0 f && stat -c %u:%g f", f=b""),
        "cp": script(TREE + "cp -a t u; cp -r t/a v; find u v | sort; cat u/l"),
        "cpio": script(TREE + "cd t; find . | sort | cpio -o -H newc > ../x; mkdir ../o; "
                       "cd ../o; cpio -idm < ../x; rm ../x; find . | sort; cat l"),
        "dd": script("dd if=f of=g bs=100 skip=1 seek=2 count=3 conv=notrunc; md5sum g", f=TEXT),
        "dirname": busybox("dirname", "/a/b/c.txt"),
        "du": script("mkdir d; head -c 10000 f > d/x; du -a -b d 2> /dev/null || du -a d", f=TEXT),
        "fallocate": script("fallocate -l 5000 g && stat -c %s g"),
        "find": script(TREE + "find t -type f -name '[12]' -exec cat {} + | sort; "
                       "find t -type d -mmin -9 | sort; find t -perm 600 -print0 | od -c"),
        "ln-hard": script("ln f g; stat -c %h f", f=b""),
        "gunzip": script("gunzip f.gz && md5sum f", f_gz=gzip.compress(TEXT, mtime=0)),
        "gzip": script("gzip -c f | gunzip | cmp - f; gzip f; ls", f=TEXT),
        "link": script("link f g; stat -c %h g", f=b"x"),
        "ln": script("ln -s f s; ln f h; readlink s; stat -c '%h %s' h; ln -sf g s; readlink s", f=b"x"),
        "ls": script(TREE + "ls -1Rp t; ls -ld t/a | cut -c1-10; ls -1 nowhere"),
        "lzcat": script("lzcat f.lzma | md5sum", f_lzma=lzma.compress(TEXT, lzma.FORMAT_ALONE)),
        "lzma": script("lzma -dc f.lzma | md5sum", f_lzma=lzma.compress(TEXT, lzma.FORMAT_ALONE)),
        "mkdir": script("mkdir -m 750 -p a/b/c; stat -c '%n %a' a a/b a/b/c; mkdir a"),
        "mkfifo": script("cd /tmp; mkfifo -m 600 p; (echo through > p &); cat p; stat -c '%F %a' p"),
        "mknod": script("mknod /tmp/n p && stat -c %F /tmp/n; mknod /tmp/z c 1 5 && "
                        "head -c 4 /tmp/z | od -c; rm /tmp/n /tmp/z"),
        "mktemp": script("d=$(mktemp -d ./x.XXXXXX); stat -c %a $d; rmdir $d; mktemp -u z.XXXXXX | wc -c"),
        "mv": script(TREE + "mv t/a/1 t/c; mv t u; find u | sort; mv -n u/c/1 u/a/b/2; mv no x"),
        "pwd": script("mkdir -p a/b; ln -s a/b l; cd l; pwd; pwd -P; busybox pwd"),
        "readlink": script(TREE + "readlink t/l; readlink -f t/../t/l; readlink t/a/1"),
        "realpath": script(TREE + "realpath t/l t/a/../c; realpath nowhere/x"),
        "rm": script(TREE + "rm t/l; rm t; rm -r t/a; rm -f nowhere; rm -rf t; ls"),
        "rmdir": script(TREE + "rmdir t/c; rmdir t/a; rmdir -p t/a/b; find t | sort"),
        "run-parts": script("mkdir d; printf '#!/bin/sh\\necho ran $0' > d/x; chmod +x d/x; run-parts d"),
        "shred": script("shred -u -n 1 f; ls", f=TEXT),
        "dd-blocks": script("truncate -s 70000 f; dd if=f bs=64k 2>&1 | wc -c; sync; md5sum f"),
        "stat": script(TREE + "touch -d '2001-02-03 04:05:06' t/a/1; "
                       "stat -c '%n %s %a %A %F %h %u %g %y %Y' t/a/1; stat -c '%N' t/l"),
        "sync": busybox("sync"),
        "tar": script(TREE + "tar -czf x.tgz t; tar -tzf x.tgz | sort; mkdir o; tar -xzf x.tgz -C o; "
                      "find o | sort; cat o/t/l; stat -c %a o/t/a/1; rm x.tgz"),
        "tar-xz": script("tar -xJvf x.tar.xz; md5sum d/file; stat -c '%a %Y' d/file", x_tar_xz=_tar_xz()),
        "touch": script("touch -d '1999-12-31 23:59:59' f; stat -c %Y f; touch -r f g; stat -c %Y g; "
                        "touch -c h; ls"),
        "truncate": script("truncate -s 100 f; truncate -s +11 f; stat -c %s f; od f", f=b"abc"),
        "unlink": script("unlink f; ls; unlink f", f=b""),
        "unlzma": script("unlzma f.lzma; md5sum f", f_lzma=lzma.compress(TEXT, lzma.FORMAT_ALONE)),
        "unxz": script("unxz f.xz; md5sum f", f_xz=lzma.compress(TEXT)),
        "unzip": script("unzip x.zip; md5sum d/inner.txt top.txt; unzip -p x.zip top.txt", x_zip=_zip()),
        "xzcat": script("xzcat f.xz | md5sum", f_xz=lzma.compress(TEXT)),
        "xz": script("xz -dc f.xz | md5sum", f_xz=lzma.compress(TEXT)),
        "zcat": script("zcat f.gz | md5sum", f_gz=gzip.compress(TEXT, mtime=0)),
    }  # fmt: skip


def _ar() -> bytes:
    """An archive of two members."""
    archive = b"!<arch>\n"
    for name, data in (("one/", b"first\n"), ("two/", b"second!\n")):
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) & 1)
    return archive
