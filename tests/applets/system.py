"""Applets that ask the system, start and stop processes, or tell the time."""

from __future__ import annotations

from tests.support.differential import Command, busybox, script

FUNCTIONS = r"""
greet() { local who=${1:-nobody}; echo "hello $who ($#)"; return 3; }
greet; echo $?; greet a b
set -- x "y z" w
for i in "$@"; do echo "<$i>"; done; shift; echo "$* $#"
cat << END
here: $((2 ** 10 % 7)) $(echo nested `echo deeper`)
END
cat << 'END'
literally $HOME
END
a=hello.tar.gz; echo ${a%.gz} ${a##*.} ${#a} ${a/l/L} ${b:-default} ${a:1:3}
case $a in *.zip) echo zip;; hello*) echo matched;; esac
n=0; while [ $n -lt 3 ]; do n=$((n + 1)); [ $n = 2 ] && continue; echo n=$n; done
until false; do break; done
"""
PIPES = r"""
seq 1 100 | grep 7 | sed 's/7/x/' | sort -r | head -n 3
(echo one; echo two >&2) 2> err | cat; cat err
{ echo a; echo b; } > out; while read line; do echo "[$line]"; done < out
echo x >> out; wc -l < out; exec 3< out; read first <&3; echo $first; exec 3<&-
false | true; echo $?; ! true; echo $?
set -o pipefail; false | true; echo $?
echo *; echo o*t; ls nowhere 2>&1 | cat; cat < nowhere; echo $?
"""
JOBS = r"""
trap 'echo caught USR1' USR1; trap 'echo bye $?' EXIT
kill -USR1 $$; (exit 5); echo $?
sleep 0.2 & a=$!; (sleep 0.1; exit 7) & b=$!
wait $b; echo $?; wait $a; echo $?; wait; jobs
(kill -TERM $(sh -c 'echo $PPID')); echo $?
sh -c 'trap "" TERM; kill -TERM $$; echo survived'
( trap 'echo sub' EXIT; echo in )
timeout 1 sh -c 'kill -INT $$'; echo $?
exit 9
"""


def system_commands() -> dict[str, Command]:
    """Applet to command."""
    return {
        "arch": busybox("arch"),
        "cal": busybox("cal", "2", "2000"),
        "chroot": script("mkdir -p r/bin; cp /bin/busybox r/bin; chroot r /bin/busybox ls -1 /bin; rm -r r"),
        "clear": busybox("clear"),
        "date": script("TZ=UTC date -d @86399 '+%F %T %j %a'; date -u -d '2000-02-29 12:00' +%s"),
        "env": Command(("/bin/busybox", "env", "-u", "HOME", "A=1"), environment={"X": "y z"}),
        "false": busybox("false"),
        "sync-file": script("sync f; echo $?", f=b"x"),
        "groups": busybox("groups"),
        "hostname": script("hostname | wc -l; hostname newname && hostname"),
        "id": script("id; id -u daemon; id -Gn; id nosuchuser"),
        "ipcalc": busybox("ipcalc", "-bnmp", "192.168.7.9/20"),
        "kill": script("exec 2> /dev/null; sleep 100 & kill $!; wait $!; echo $?; kill -l 15; kill -l HUP; kill -0 $$"),
        "killall": script("sleep 100 & sleep 100 & usleep 200000; killall sleep; wait; echo $?; killall nobody"),
        "logname": script("logname < /dev/null; echo $?"),
        "mkpasswd": busybox("mkpasswd", "-m", "sha512", "-S", "saltsalt", "secret"),
        "nologin": busybox("nologin"),
        "nproc": script("nproc | grep -c '[1-9]'"),
        "pidof": script("sleep 100 & sleep 0.05; pidof sleep | wc -w; kill $!; pidof nosuch; echo $?"),
        "sh-export": script("export A=5; env | grep ^A; unset A; env | grep -c ^A"),
        "ps": script("sleep 100 & sleep 0.1; ps -o pid,ppid,stat,comm > o; grep sleep o; kill $!; rm o"),
        "renice": script("renice -n 5 $$ > /dev/null; cut -d' ' -f19 /proc/$$/stat"),
        "setsid": script("setsid sh -c 'cut -d\" \" -f5,6 /proc/$$/stat | tr \" \" \"\\n\" | uniq | wc -l' | cat"),
        "setpriv": script("setpriv --dump 2>&1 | grep -c uid; setpriv --nnp id -u"),
        "sleep": script("sleep 0.1; sleep 0; sleep x; echo $?"),
        "start-stop-daemon": script("start-stop-daemon -S -b -x /bin/sleep -- 100; sleep 0.1; "
                                    "start-stop-daemon -K -x /bin/sleep; echo $?"),
        "stty": script("stty < /dev/null; echo $?"),
        "su": script("su nobody -s /bin/sh -c 'id -u; echo $HOME; touch /etc/x'; su root -c 'id -un'"),
        "sysctl": busybox("sysctl", "-n", "kernel.ostype"),
        "taskset": script("taskset 1 echo pinned"),
        "time": script("time true 2>&1 | wc -l; (time -p sh -c 'exit 3') 2> t; echo $?; wc -l < t; rm t"),
        "timeout": script("timeout 0.1 sleep 5; echo $?; timeout 5 sh -c 'exit 3'; echo $?; "
                          "timeout -s KILL 0.1 sleep 5; echo $?"),
        "true": busybox("true"),
        "ts": script("echo line | ts 2>&1 | grep -c line"),
        "tty": script("tty < /dev/null; echo $?"),
        "uname": busybox("uname", "-som"),
        "uptime": script("uptime | grep -c 'load average'"),
        "usleep": busybox("usleep", "1000"),
        "watch": script("timeout 0.3 watch -n 5 echo seen 2>&1 | grep -c seen"),
        "which": busybox("which", "ls", "nosuch"),
        "whoami": busybox("whoami"),
        "xargs": script("printf '1 2\\n3 4 5\\n' | xargs -n 2 echo n; echo a b | xargs -I% echo [%]; "
                        "seq 3 | xargs sh -c 'exit 4'; echo $?"),
        "yes": script("yes | head -n 3; yes no | head -c 10000 | md5sum"),
        "free": script("free | head -n 2 | wc -l; free -m | grep -c Mem"),
        "df": script("df -a /proc | tail -n 1 | tr -s ' '"),
        "mount": script(
            "mount | grep ' /proc ' | cut -d' ' -f1-5; mount -t tmpfs x /mnt && "
            "echo y > /mnt/z && cat /mnt/z; umount /mnt; ls /mnt"
        ),
        "stat-file-system": script("stat -f -c %T /proc; stat -c %d:%i / /proc | sort | uniq | wc -l"),
        "sh-limits": script("umask 077; touch f; stat -c %a f; ulimit -n 64; ulimit -n; ulimit -Hn"),
        "sh-functions": script(FUNCTIONS),
        "sh-pipes": script(PIPES),
        "sh-jobs": script(JOBS),
        "top": script("top -b -n 1 | head -n 1 | grep -c Mem"),
        "crontab": script("crontab -l 2>&1 | wc -l"),
        "getopt-short": script("getopt -n x -o q -- -z; echo $?"),
        "who": busybox("who"),
        "hostid": script("hostid | wc -c"),
        "sh-test": script("[ -e /dev/log ]; echo $?"),
    }  # fmt: skip
