//! Rust's threads: channels, locks, conditions, barriers, scopes, thread-locals, panics, children,
//! sockets.
//! Prints "ok" and exits with 0; an expectation that fails panics with its line.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::panic;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel, RecvTimeoutError};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 64;

fn channels() {
    let (send, receive) = channel();
    let workers: Vec<_> = (0..THREADS)
        .map(|me| {
            let send = send.clone();
            thread::spawn(move || {
                for item in 0..20 {
                    send.send((me, item)).unwrap();
                }
                me * 2
            })
        })
        .collect();
    drop(send);
    let mut next = HashMap::new();
    for (who, item) in receive {
        let expected = next.entry(who).or_insert(0);
        assert_eq!(*expected, item);
        *expected += 1;
    }
    assert_eq!(next.values().sum::<i32>(), THREADS as i32 * 20);
    for (me, worker) in workers.into_iter().enumerate() {
        assert_eq!(worker.join().unwrap(), me * 2);
    }

    let (send, receive) = sync_channel(2);
    let producer = thread::spawn(move || (0..100).for_each(|i| send.send(i).unwrap()));
    assert_eq!(receive.iter().sum::<i32>(), 4950);
    producer.join().unwrap();

    let (send, receive) = channel::<()>();
    let waited = receive.recv_timeout(Duration::from_millis(20));
    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
    drop(send);
}

fn locks() {
    let table = Arc::new(RwLock::new(vec![0u32; 8]));
    let total = Arc::new(Mutex::new(0u64));
    thread::scope(|scope| {
        for me in 0..THREADS {
            let (table, total) = (&table, &total);
            scope.spawn(move || {
                for round in 0..10 {
                    if (me + round) % 4 == 0 {
                        table.write().unwrap().iter_mut().for_each(|cell| *cell += 1);
                    } else {
                        let cells = table.read().unwrap();
                        assert!(cells.iter().all(|cell| *cell == cells[0]));
                    }
                    *total.lock().unwrap() += 1;
                }
            });
        }
    });
    assert_eq!(*total.lock().unwrap(), THREADS as u64 * 10);
    assert_eq!(table.read().unwrap()[7], THREADS as u32 * 10 / 4);
}

fn conditions() {
    let pair = Arc::new((Mutex::new(0usize), Condvar::new()));
    let turns: Vec<_> = (0..8)
        .map(|me| {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                let (turn, changed) = &*pair;
                for round in 0..10 {
                    let mut now = turn.lock().unwrap();
                    while *now != round * 8 + me {
                        now = changed.wait(now).unwrap();
                    }
                    *now += 1;
                    changed.notify_all();
                }
            })
        })
        .collect();
    turns.into_iter().for_each(|turn| turn.join().unwrap());
    assert_eq!(*pair.0.lock().unwrap(), 80);

    let (lock, condition) = &*pair;
    let began = Instant::now();
    let guard = lock.lock().unwrap();
    let (_guard, result) = condition
        .wait_timeout_while(guard, Duration::from_millis(20), |_| true)
        .unwrap();
    assert!(result.timed_out() && began.elapsed() >= Duration::from_millis(20));
}

fn barriers() {
    let barrier = Barrier::new(16);
    let leaders = AtomicUsize::new(0);
    let arrived = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for round in 1..=5 {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, Ordering::SeqCst);
                    }
                    assert_eq!(arrived.load(Ordering::SeqCst), round * 16);
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!(leaders.load(Ordering::SeqCst), 5);
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Local(Vec<u8>);

impl Drop for Local {
    fn drop(&mut self) {
        DROPPED.fetch_add(self.0.len(), Ordering::SeqCst);
    }
}

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

fn locals_and_once() {
    static ONCE: Once = Once::new();
    static CELL: OnceLock<usize> = OnceLock::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|me| {
            let calls = Arc::clone(&calls);
            thread::spawn(move || {
                LOCAL.with(|local| {
                    assert!(local.borrow().is_none());
                    *local.borrow_mut() = Some(Local(vec![0; me]));
                });
                ONCE.call_once(|| {
                    calls.fetch_add(1, Ordering::SeqCst);
                });
                *CELL.get_or_init(|| me)
            })
        })
        .collect();
    let seen: Vec<_> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    assert!(seen.iter().all(|value| *value == seen[0]));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(DROPPED.load(Ordering::SeqCst), THREADS * (THREADS - 1) / 2);
}

fn panics() {
    panic::set_hook(Box::new(|_| {}));
    let lock = Arc::new(Mutex::new(1));
    let threads: Vec<_> = (0..10)
        .map(|me| {
            let lock = Arc::clone(&lock);
            thread::Builder::new()
                .name(format!("worker-{me}"))
                .stack_size(128 << 10)
                .spawn(move || {
                    assert_eq!(thread::current().name(), Some(&*format!("worker-{me}")));
                    let _guard = lock.lock();
                    if me % 2 == 1 {
                        panic!("{me}");
                    }
                    me
                })
                .unwrap()
        })
        .collect();
    for (me, one) in threads.into_iter().enumerate() {
        match one.join() {
            Ok(value) => assert_eq!((value, me % 2), (me, 0)),
            Err(why) => {
                let text = why.downcast_ref::<String>().cloned().unwrap_or_default();
                assert!(me % 2 == 1 && text == me.to_string());
            }
        }
    }
    assert!(lock.is_poisoned());
    let _ = panic::take_hook();
}

fn children() {
    if std::fs::metadata("/bin/sh").is_err() {
        return;
    }
    thread::scope(|scope| {
        for me in 0..4 {
            scope.spawn(move || {
                let mut child = Command::new("/bin/sh")
                    .args(["-c", "while read a; do echo \"<$a>\"; done; exit 3"])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut input = child.stdin.take().unwrap();
                let output = BufReader::new(child.stdout.take().unwrap());
                let writer = thread::spawn(move || {
                    for line in 0..20 {
                        writeln!(input, "{me} {line}").unwrap();
                    }
                });
                let lines: Vec<_> = output.lines().map(Result::unwrap).collect();
                writer.join().unwrap();
                assert_eq!(lines.len(), 20);
                assert_eq!(lines[19], format!("<{me} 19>"));
                assert_eq!(child.wait().unwrap().code(), Some(3));
            });
        }
    });
    let done = Command::new("/nonexistent").spawn();
    assert_eq!(done.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let mut text = String::new();
    let mut echo = Command::new("/bin/sh").args(["-c", "echo $WORD"]).env("WORD", "said")
        .stdout(Stdio::piped()).spawn().unwrap();
    echo.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), echo.wait().unwrap().success()), ("said\n", true));
}

fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming().take(16) {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut line = String::new();
                    BufReader::new(&stream).read_line(&mut line).unwrap();
                    stream.write_all(line.to_uppercase().as_bytes()).unwrap();
                });
            }
        });
        for me in 0..16 {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                writeln!(stream, "from {me}").unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert_eq!(answer, format!("FROM {me}\n"));
            });
        }
    });

    let server = UdpSocket::bind("[::1]:0").or_else(|_| UdpSocket::bind("127.0.0.1:0")).unwrap();
    let to = server.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let mut buffer = [0; 64];
        for _ in 0..8 {
            let (size, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(&buffer[..size], from).unwrap();
        }
    });
    let clients: Vec<_> = (0..8u8)
        .map(|me| {
            thread::spawn(move || {
                let client = UdpSocket::bind((to.ip(), 0)).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                client.connect(to).unwrap();
                client.send(&[me; 10]).unwrap();
                let mut buffer = [0; 64];
                assert_eq!(client.recv(&mut buffer).unwrap(), 10);
                assert_eq!(buffer[9], me);
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    echo.join().unwrap();
}

fn main() {
    channels();
    locks();
    conditions();
    barriers();
    locals_and_once();
    panics();
    children();
    sockets();
    assert!(thread::available_parallelism().unwrap().get() >= 1);
    let sleeper = thread::spawn(|| thread::park_timeout(Duration::from_secs(60)));
    sleeper.thread().unpark();
    sleeper.join().unwrap();
    println!("ok");
}
