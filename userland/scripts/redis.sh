# A server with threads of its own: commands over TCP and a UNIX socket, Lua, publishing, a save by
# a forked child, and the benchmark's twenty connections at once.
redis-server --port 6379 --save '' --logfile log --unixsocket /tmp/socket > /dev/null &
server=$!
until redis-cli ping > /dev/null 2>&1; do sleep 0.02; done
redis-cli set a 5; redis-cli incrby a 37; redis-cli -s /tmp/socket get a
redis-cli eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
for i in 1 2 3; do echo "rpush list $i"; done | redis-cli | paste -sd' '
redis-cli lrange list 0 -1 | paste -sd' '
redis-cli subscribe channel > heard &
subscriber=$!
until [ "$(redis-cli publish channel hello)" = 1 ]; do sleep 0.02; done
until [ "$(tail -n 1 heard)" = hello ]; do sleep 0.02; done
echo heard
kill $subscriber
redis-cli bgsave
until [ -e dump.rdb ]; do sleep 0.02; done
redis-benchmark -q -n 2000 -c 20 -t set,get > speed; echo "bench $?"
redis-cli dbsize
redis-cli shutdown nosave
wait $server
echo "server $?"
redis-server --port 6379 --save '' > log & server=$!
until [ "$(redis-cli get a 2> /dev/null)" = 42 ]; do sleep 0.02; done
echo restored
redis-cli shutdown nosave
wait $server
