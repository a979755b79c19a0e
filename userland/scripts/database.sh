# Two writers at a time on one sqlite database, with a rollback journal and with a log.
writer() {
    {
        echo 'pragma busy_timeout = 60000;'
        for i in $(seq 30); do
            echo "begin immediate; insert into t values ('$1', $i);"
            echo "update total set n = (select count(*) from t); commit;"
        done
    } | sqlite3 -bail db > /dev/null || echo "writer $1 failed"
}
sqlite3 db 'create table t (who, n); create table total (n); insert into total values (0)'
for mode in delete wal; do
    sqlite3 db "pragma journal_mode = $mode"
    writer "$mode-a" & writer "$mode-b" & writer "$mode-c" &
    wait
    sqlite3 db 'select who, count(*), sum(n) from t group by who; select n from total'
    sqlite3 db 'pragma integrity_check'
done
sqlite3 db "begin; delete from t; rollback; select count(*) from t; create index by_n on t (n);
    explain query plan select * from t where n = 1; vacuum; pragma integrity_check;
    with recursive c (x) as (select 1 union all select x + 1 from c where x < 20000)
    select sum(x * x % 97) from c;"
echo '.dump' | sqlite3 db | grep -c INSERT
ls; rm db
