# httpd and wget, nc as server and client, an nc that runs a shell: all on loopback.
mkdir www && seq 20000 > www/file
listening() { until grep -q ":$1 .* 0A " /proc/net/tcp /proc/net/tcp6; do usleep 2000; done; }
httpd -f -p 127.0.0.1:8080 -h www &
server=$!
listening 1F90
for i in 1 2 3; do wget -q -O - http://127.0.0.1:8080/file | cmp - www/file && echo same; done
wget -q -O - http://127.0.0.1:8080/none 2> /dev/null || echo no such page
kill $server; wait $server 2> /dev/null; echo "httpd $?"
# A server whose own input ends at once would say so, and the client would leave at that.
mkfifo open && exec 3<> open
nc -l -p 9000 <&3 > got &
listening 2328
seq 5000 | gzip | nc 127.0.0.1 9000
wait $!; gunzip -c < got | tail -n 1
nc -ll -p 9001 -e sh -c 'read -r line; echo "got $line"' &
server=$!
listening 2329
for i in 1 2 3; do echo "hey $i" | nc 127.0.0.1 9001; done
kill $server
rm -r www got open
