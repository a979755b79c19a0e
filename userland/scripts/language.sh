# The shell's own work: 10 000 rounds of a loop, recursion, traps, substitutions, here-documents.
i=0; s=0
while [ $i -lt 10000 ]; do
    case $((i % 4)) in 0) s=$((s + i)) ;; 1) s=$((s * 3 % 9973)) ;; *) : ;; esac
    i=$((i + 1))
done
echo $i $s
f() { [ "$1" -eq 0 ] && return 7; f $(($1 - 1)); }
f 100; echo $?
trap 'echo bye' EXIT; trap 'echo usr1' USR1
kill -USR1 $$
n=0; for x in $(seq 50); do n=$((n + $(echo "$x" | wc -c))); done; echo $n
while read -r a b; do printf '%s-%s;' "$b" "$a"; done <<X
1 one
2 two words
X
echo
(exit 3) | cat; set -o pipefail; (exit 3) | cat; echo $?
x=$(printf 'a\nb\n\n\n'); echo "${#x} ${x%b} ${x#a}"
