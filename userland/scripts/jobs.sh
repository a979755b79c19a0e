# 200 background jobs at once; every status arrives where it belongs, and nothing is left.
mkfifo gate
i=0
while [ $i -lt 200 ]; do
    (read -r _ < gate; exit $((i % 7))) &
    jobs_="$jobs_ $!"
    i=$((i + 1))
done
jobs | wc -l
exec 3<> gate
yes go | head -n 200 >&3
sum=0
for job in $jobs_; do wait "$job"; sum=$((sum + $?)); done
echo "$sum"
wait && echo none left
rm gate
