# GNU's tools on glibc in the C locale.  Run by dash; the last part by bash.
export LC_ALL=C
mkdir d && cd d || exit 1
printf 'pear\nApple\nfig\napple\n' > fruit
sort fruit | tr '\n' ' '; sort -rf fruit | head -n 1
seq 3000 | shuf | sort -n | sed -n '1p;$p' | paste -sd,
seq 3000 | sort -R | sort -n --parallel=4 -S 64K -T /tmp | cksum
grep -nE '^a|g$' fruit; grep -Pc '(?<=p)p' fruit; grep -q nothing fruit || echo "grep $?"
sed -E 's/(.)(.*)/\2\1/;$!d' fruit
ln -s fruit link && ln fruit hard && chmod 640 fruit
stat -c '%n %s %h %A %F' fruit hard link; readlink -f link | sed 's,.*/,,'
ls -F | tr '\n' ' '; echo
mkfifo pipe && { echo through > pipe & cat pipe; wait; }
touch -d '2001-02-03 04:05:06 UTC' old && date -u -r old +%FT%T; find . -newer old -type f | sort | tr '\n' ' '; echo
cp -a . ../e && du -a ../e | wc -l && tar -C .. -cf - e | gzip | gzip -dc | tar -tf - | sort | tr '\n' ' '; echo
seq 500 | xargs -n 50 -P 4 echo | wc; split -n l/3 fruit part. && cat part.a? | wc
timeout 0.05 sleep 60; echo "timeout $?"; nice -n 5 nice; env -i A=1 env; basename /a/b.c .c
dd if=/dev/zero bs=4k count=64 status=none | sha256sum | cut -c 1-8
expr 6 '*' 7; factor 1234567890; printf '%5.2f|%-5s|%x\n' 3.14159 ab 255; numfmt --to=iec 123456789
echo '2 ^ 200; scale = 30; sqrt(2)' | bc; echo '20 k 2 v p' | dc
mawk 'BEGIN { for (i = 1; i <= 20000; i++) s += i % 7; print s; "date -u -d @0 +%Y" | getline y; print y }'
id -u; whoami; pwd -P | sed 's,.*/,,'; tty; nproc > /dev/null && uname -s
cd .. && rm -r d e
bash -c 'a=(x y z); declare -A m=([k]=v); echo ${#a[@]} ${m[k]} ${a[*]^^}; paste -sd+ <(seq 3) <(seq 4 6)
set -o pipefail; false | true; echo "$? ${PIPESTATUS[*]}"; coproc { read x; echo "co $x"; }; echo hi >&${COPROC[1]}; read y <&${COPROC[0]}; echo $y
for i in {1..20}; do (exit $i) & done; wait -n; wait; echo jobs $(jobs | wc -l); trap "echo caught" TERM; kill $$; [[ abc =~ ^a(.)c$ ]] && echo ${BASH_REMATCH[1]}'
