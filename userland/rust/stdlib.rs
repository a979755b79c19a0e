//! Rust's standard library on the kernel: files, processes, environment, panics, collections.
//! Prints "ok" and exits with 0; an expectation that fails panics with its line.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

fn files() -> io::Result<()> {
    fs::create_dir_all("room/inner")?;
    let mut file = File::create("room/a.txt")?;
    writeln!(file, "one\ntwo\nthree")?;
    drop(file);
    let lines: Vec<String> = BufReader::new(File::open("room/a.txt")?)
        .lines()
        .collect::<io::Result<_>>()?;
    assert_eq!(lines, ["one", "two", "three"]);

    let mut file = OpenOptions::new().read(true).write(true).open("room/a.txt")?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(b"TWO")?;
    let mut three = [0; 3];
    file.read_exact_at(&mut three, 4)?;
    assert_eq!(&three, b"TWO");
    file.write_all_at(b"O", 0)?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    assert_eq!(rest, "\nthree\n");

    let data = fs::metadata("room/a.txt")?;
    assert_eq!((data.len(), data.is_file(), data.nlink()), (14, true, 1));
    fs::set_permissions("room/a.txt", fs::Permissions::from_mode(0o640))?;
    assert_eq!(fs::metadata("room/a.txt")?.mode() & 0o777, 0o640);
    fs::hard_link("room/a.txt", "room/b.txt")?;
    std::os::unix::fs::symlink("a.txt", "room/link")?;
    assert_eq!(fs::read_link("room/link")?.to_str(), Some("a.txt"));
    assert_eq!(fs::copy("room/link", "room/inner/copy")?, 14);
    fs::rename("room/b.txt", "room/c.txt")?;
    let mut names: Vec<_> = fs::read_dir("room")?
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.txt", "c.txt", "inner", "link"]);
    assert!(fs::canonicalize("room/inner/../link")?.ends_with("room/a.txt"));
    assert_eq!(File::open("nowhere").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::create_dir("room").unwrap_err().kind(), ErrorKind::AlreadyExists);
    fs::remove_dir_all("room")
}

fn processes() -> io::Result<()> {
    let me = env::current_exe()?;
    let output = Command::new(&me)
        .args(["echo", "a word", ""])
        .env_clear()
        .env("GREETING", "hi")
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hi [a word] []\n");
    assert_eq!(output.status.code(), Some(7));

    let mut child = Command::new(&me)
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let text = "line\n".repeat(50_000);
    let mut input = child.stdin.take().unwrap();
    let mut result = child.stdout.take().unwrap();
    // One direction after the other would fill both pipes; the child reads everything first.
    input.write_all(text.as_bytes())?;
    drop(input);
    let mut copied = String::new();
    result.read_to_string(&mut copied)?;
    assert!(copied == text && child.wait()?.success());

    let mut sleeper = Command::new(&me).arg("sleep").spawn()?;
    assert!(sleeper.try_wait()?.is_none());
    sleeper.kill()?;
    assert_eq!(sleeper.wait()?.signal(), Some(9));
    let missing = Command::new("/no/such/program").spawn();
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

fn memory_and_time() {
    let mut map = HashMap::new();
    for i in 0..50_000u64 {
        *map.entry(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1000).or_insert(0) += i;
    }
    assert_eq!(map.values().sum::<u64>(), 50_000 * 49_999 / 2);
    let caught = std::panic::catch_unwind(|| {
        let empty: Vec<u8> = Vec::new();
        empty[map.len()]
    });
    assert!(caught.is_err());
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(SystemTime::now() > SystemTime::UNIX_EPOCH);
}

fn main() {
    let words: Vec<String> = env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("echo") => {
            println!("{} [{}] [{}]", env::var("GREETING").unwrap(), words[2], words[3]);
            assert_eq!(env::vars().count(), 1);
            process::exit(7)
        }
        Some("cat") => {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text).unwrap();
            io::stdout().write_all(&text).unwrap();
        }
        Some("sleep") => std::thread::sleep(Duration::from_secs(60)),
        _ => {
            std::panic::set_hook(Box::new(|info| {
                if !info.to_string().contains("index out of bounds") {
                    println!("{info}");
                }
            }));
            files().unwrap();
            processes().unwrap();
            memory_and_time();
            println!("ok");
        }
    }
}
