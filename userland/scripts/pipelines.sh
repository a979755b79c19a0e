# Pipelines over a tree: archives, compression, sums, find | xargs, sed and awk programs, dc and bc.
mkdir work && cd work || exit 1
for d in a b c; do mkdir -p t/$d; for i in 1 2 3 4 5 6 7 8; do seq $((i * 300)) > t/$d/f$i; done; done
tar -cf - t | gzip -c | gunzip -c | tar -tf - | sort | sha256sum
tar -cf t.tar t; mkdir out; tar -xf t.tar -C out; diff -r t out/t && echo same
find t -type f | xargs cat | sort -n | uniq -c | awk '{s += $1 * $2} END {print NR, s}'
find t -name 'f[1-4]' | sort | xargs -n 2 wc -l | grep total
find t -type f -exec md5sum {} + | sort | md5sum
dd if=t/a/f8 bs=100 skip=20 count=64 2>/dev/null | od -An -tx1 | tail -1
split -l 1000 t/a/f8 part. && cat part.* | cmp - t/a/f8 && ls part.* | wc -l
sed -n '/^1\(.*\)5$/{s//<\1>/;p}' t/a/f8 | head -50 | sha256sum
sed -e ':a' -e 's/^\([0-9]\{1,\}\)\([0-9]\{3\}\)/\1,\2/;ta' t/b/f8 | tail -2
awk 'BEGIN { for (i = 2; i < 2000; i++) { p = 1
    for (j = 2; j * j <= i; j++) if (i % j == 0) { p = 0; break }
    n += p } print n }'
cat t/c/f* | awk '{ c[substr($1, 1, 1)]++ }
    END { for (k = 0; k <= 9; k++) printf "%d=%d ", k, c[k]; print "" }'
echo 'define f(n) { if (n < 2) return n; return f(n-1) + f(n-2) }
f(15); scale = 40; 4 * a(1); 2 ^ 300' | bc -l
echo '1 [d 1 + d 60 >x] sx lx x 20 k 2 v p' | dc | tail -1
cd .. && rm -r work
