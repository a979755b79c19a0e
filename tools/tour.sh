# The tour that `make run` takes where there is no terminal: a shell script, run by BusyBox's shell
# on the emulated kernel.
set -u
step() { printf '\n== %s\n' "$1"; }

step 'Where are we?'
uname -srm
id
cat /proc/version
ls /

step 'Files'
mkdir -p /tmp/tour/deep
cd /tmp/tour
for name in apple pear fig; do
    echo "$name has ${#name} letters" > "$name.txt"
done
ln -s apple.txt favourite
cp fig.txt deep/
ls -l
cat favourite deep/fig.txt
find . -type f | sort
cat << END
A here-document: 6 * 7 = $((6 * 7))
END

step 'A pipeline of five'
cat *.txt | tr ' ' '\n' | sort | uniq -c | sort -k1,1nr -k2 | head -n 3

step 'A background job'
(sleep 0.2; echo 'the job is done') > job.out &
job=$!
echo 'the shell goes on'
wait "$job"
echo "status $? and it said: $(cat job.out)"

step 'A signal and its trap'
trap 'echo "caught SIGUSR1"' USR1
(kill -USR1 $$)
sleep 0.1
trap - USR1
sh -c 'kill -TERM $$'
echo "a shell that was killed: status $?"

step 'Processes and memory, as the kernel shows them'
ps
head -n 3 /proc/self/maps
grep -E 'MemTotal|MemFree' /proc/meminfo

step 'The system calls that all this took'
cd /
rm -r /tmp/tour
