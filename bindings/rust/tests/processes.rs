//! What needs other processes, and their deaths: real ones, that are killed.
//!
//! A child is this program once more, with the name of what it is to do in its environment.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::process::{Child, ChildStdin, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;
use zinc::*;

const ROLE: &str = "ZINC_TEST_ROLE";
const NAME: &str = "ZINC_TEST_NAME";

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("rust-{}-{}", id(), COUNT.fetch_add(1, Relaxed))
}

struct Other {
    child: Child,
    lines: io::Lines<BufReader<std::process::ChildStdout>>,
    input: ChildStdin,
}

impl Other {
    fn start(role: &str, name: &str) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .envs([(ROLE, role), (NAME, name)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take().unwrap();
        Other { child, lines, input }
    }

    /// What the child says next; the test harness in it says things, too.
    fn hear(&mut self) -> String {
        loop {
            let line = self.lines.next().expect("the child ended").unwrap();
            if let Some((_, said)) = line.split_once("> ") {
                return said.into();
            }
        }
    }

    fn go_on(&mut self) {
        writeln!(self.input).unwrap();
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

fn say(what: impl std::fmt::Display) {
    println!("> {what}");
}

/// Waits for the other side, or its end.
fn pause() {
    io::stdin().read_line(&mut String::new()).unwrap();
}

/// What a child does.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let name = &std::env::var(NAME).unwrap();
    match role.as_str() {
        "region" => {
            let region = SharedRegion::open(name).unwrap();
            let mut greeting = [0; 5];
            region.read_at(0, &mut greeting);
            region.write_at(100, &greeting);
            region.notify().unwrap();
            say("there");
            pause();
        }
        "creator" => {
            let _region = SharedRegion::create(name, 1).unwrap();
            say("there");
            pause();
        }
        "lock" => {
            let lock = Lock::open(name).unwrap();
            let _guard = lock.acquire(None).unwrap().unwrap();
            say("held");
            pause();
        }
        "writes" => {
            let lock = RwLock::open(name).unwrap();
            let _guard = lock.write(None).unwrap().unwrap();
            say("held");
            pause();
        }
        "worker" => {
            let worker = Queue::open(name).unwrap().worker().unwrap();
            let task = worker.take(None).unwrap().unwrap();
            say(task.number());
            pause();
        }
        "sender" => {
            let channel = Channel::open(name).unwrap();
            for number in 0u64.. {
                channel.send(&number.to_le_bytes().repeat(100), None).unwrap();
                if number == 0 {
                    say("sends");
                }
            }
        }
        "reader" => {
            let reader = Channel::open(name).unwrap().reader(0).unwrap();
            say("reads");
            let message = reader.receive(None).unwrap().unwrap();
            say(format!("{} {}", message.number(), String::from_utf8_lossy(&message)));
            pause();
        }
        "store" => {
            let store = Store::open(name).unwrap();
            let mut half = store.build("half", 100, false, None).unwrap();
            half[0] = 1;
            store.put("whole", b"of the child").unwrap();
            say("put");
            pause();
        }
        "anonymous" => {
            // SAFETY: the parent has put a descriptor there.
            let region = SharedRegion::from_descriptor(unsafe { BorrowedFd::borrow_raw(0) }).unwrap();
            region.bytes()[0].store(7, Relaxed);
            region.notify().unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn two_processes_have_one_region() {
    let name = name();
    let region = RegionOptions::new().kind(1000).contents(b"hello").create(&name, 4096).unwrap();
    let mut other = Other::start("region", &name);
    assert!(region.wait(None).unwrap());
    assert_eq!(other.hear(), "there");
    let mut answer = [0; 5];
    assert_eq!(region.read_at(100, &mut answer), 5);
    assert_eq!(&answer, b"hello");
    assert!(!region.try_wait());
    assert!(!region.is_alone().unwrap());
    other.kill();
    assert!(region.is_alone().unwrap());
}

#[test]
fn errors_have_kinds_and_say_what_to_do() {
    let name = name();
    let _region = SharedRegion::create(&name, 1).unwrap();
    let kind = |error: Error| io::Error::from(error).kind();
    assert_eq!(kind(SharedRegion::create(&name, 1).unwrap_err()), io::ErrorKind::AlreadyExists);
    let missing = SharedRegion::open(&format!("{name}-not")).unwrap_err();
    assert_eq!((missing.kind(), missing.code()), (io::ErrorKind::NotFound, 2));
    assert!(missing.to_string().contains(&format!("{name}-not")), "{missing}");
    for bad in ["", "a/b", "a\0b", &"a".repeat(MAX_NAME_LEN + 1)] {
        assert_eq!(SharedRegion::create(bad, 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(
        SharedRegion::create(&format!("{name}-0"), 0).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    assert_eq!(Channel::open(&name).unwrap_err().code(), 74);
    assert_eq!(Store::open(&name).unwrap_err().code(), 74);
    assert_eq!(wait_any(&[], None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_message_is_of_the_thread_that_failed() {
    let barrier = Arc::new(Barrier::new(2));
    let threads = [1, 2].map(|number| {
        let barrier = barrier.clone();
        thread::spawn(move || {
            for _ in 0..200 {
                barrier.wait();
                let name = format!("nobody-{number}");
                assert!(SharedRegion::open(&name).unwrap_err().to_string().contains(&name));
            }
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn what_is_read_only_can_not_be_written() {
    let name = name();
    let region = RegionOptions::new().contents(b"abc").create(&name, 3).unwrap();
    let reader = RegionOptions::new().readonly(true).open(&name, None).unwrap();
    assert_eq!(reader.write_at(0, b"x"), 0);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.bytes().len())).is_err());
    let mut bytes = [0; 10];
    assert_eq!(reader.read_at(1, &mut bytes), 2);
    assert_eq!(&bytes[..2], b"bc");
    assert_eq!(reader.read_at(usize::MAX, &mut bytes), 0);
    assert_eq!(region.write_at(2, b"xyz"), 1);
    assert_eq!(region.write_at(usize::MAX, b"xyz"), 0);
}

#[test]
fn a_region_of_a_killed_creator_makes_way() {
    let name = name();
    let mut other = Other::start("creator", &name);
    other.hear();
    assert_eq!(SharedRegion::create(&name, 1).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    other.kill();
    assert!(SharedRegion::create(&name, 1).unwrap().is_created());
}

#[test]
fn a_descriptor_leads_to_the_same_region() {
    let region = SharedRegion::anonymous(1).unwrap();
    let descriptor = region.descriptor().unwrap();
    assert!(descriptor.as_raw_fd() >= 0);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact"])
        .env(ROLE, "anonymous")
        .env(NAME, "")
        .stdin(descriptor.try_clone_to_owned().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(region.wait(None).unwrap());
    assert_eq!(region.bytes()[0].load(Relaxed), 7);
    assert!(child.wait().unwrap().success());
    assert_eq!(
        SharedRegion::create(&name(), 1).unwrap().descriptor().unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}

#[test]
fn stop_ends_the_waits_of_other_threads() {
    let region = Arc::new(SharedRegion::anonymous(1).unwrap());
    let others: Vec<_> = (0..3)
        .map(|_| {
            let region = region.clone();
            thread::spawn(move || region.wait(None).unwrap_err().code())
        })
        .collect();
    region.stop();
    others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), 125));
}

#[test]
fn many_regions_are_waited_for_at_once() {
    let regions: Vec<_> = (0..5).map(|_| SharedRegion::anonymous(1).unwrap()).collect();
    let all: Vec<_> = regions.iter().collect();
    thread::scope(|scope| {
        scope.spawn(|| regions[3].notify().unwrap());
        assert_eq!(wait_any(&all, None).unwrap(), [3]);
    });
    assert!(wait_any(&all, Duration::ZERO).unwrap().is_empty());
    let question = regions[0].notify().unwrap();
    assert!(!regions[0].wait_after(question, Duration::from_millis(1)).unwrap());
    assert!(regions[0].try_wait());
}

#[test]
fn a_lock_of_a_killed_holder_is_recovered() {
    let name = name();
    let lock = Lock::open(&name).unwrap();
    let mut other = Other::start("lock", &name);
    other.hear();
    assert!(lock.acquire(Duration::from_millis(1)).unwrap().is_none());
    other.kill();
    assert!(lock.acquire(None).unwrap_err().is_owner_died());
    let guard = lock.recover(None).unwrap().unwrap();
    assert!(guard.owner_died());
    guard.abandon().unwrap();
    let mut guard = lock.recover(None).unwrap().unwrap();
    guard.repaired().unwrap();
    assert!(!guard.owner_died());
    drop(guard);
    assert!(!lock.recover(None).unwrap().unwrap().owner_died());
}

#[test]
fn a_panic_leaves_a_lock_abandoned() {
    let lock = Lock::open(&name()).unwrap();
    let panics = std::panic::AssertUnwindSafe(|| {
        let _guard = lock.acquire(None).unwrap();
        panic!("on purpose");
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert!(lock.acquire(None).unwrap_err().is_owner_died());
    drop(lock.recover(None).unwrap());
    assert!(lock.acquire(None).unwrap().is_some());
}

#[test]
fn locks_of_a_region_exclude_its_users() {
    let region = SharedRegion::create(&name(), 64).unwrap();
    let other = SharedRegion::open(region.name()).unwrap();
    let own = region.lock(None).unwrap().unwrap();
    let inside = region.lock_at(16, None).unwrap().unwrap();
    assert!(other.lock(Duration::ZERO).unwrap().is_none());
    assert!(other.lock_at(16, Duration::ZERO).unwrap().is_none());
    drop((own, inside));
    assert!(other.lock(None).unwrap().is_some());
    assert_eq!(other.lock_at(60, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_killed_writer_leaves_readers_told() {
    let name = name();
    let lock = RwLock::open(&name).unwrap();
    let mut other = Other::start("writes", &name);
    other.hear();
    assert!(lock.read(Duration::from_millis(1)).unwrap().is_none());
    other.kill();
    assert!(lock.read(None).unwrap_err().is_owner_died());
    assert!(lock.recover(None).unwrap().unwrap().owner_died());
    assert!(lock.read(None).unwrap().is_some());
    assert!(!lock.write(None).unwrap().unwrap().owner_died());
}

#[test]
fn messages_go_to_other_processes_in_place() {
    let name = name();
    let channel = ChannelOptions::new(4, 1000).waits(true).readers(4, 2).create(&name).unwrap();
    assert_eq!((channel.slots(), channel.slot_size()), (4, 1000));
    let mut others = [Other::start("reader", &name), Other::start("reader", &name)];
    others.iter_mut().for_each(|other| assert_eq!(other.hear(), "reads"));
    assert!(channel.wait_for_readers(2, None).unwrap());
    let mut loan = channel.loan().unwrap();
    loan[..3].copy_from_slice(b"one");
    loan.tag = 5;
    assert_eq!(loan.publish(1001, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(loan.publish(3, None).unwrap(), Some(1));
    assert!(loan.is_empty());
    assert_eq!(loan.publish(0, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    others.iter_mut().for_each(|other| assert_eq!(other.hear(), "1 one"));
    // They take no more: the channel fills up, and who is killed holds nobody up.
    for number in 2..=5 {
        assert_eq!(channel.send(b"more", None).unwrap(), Some(number));
    }
    let mut held = channel.loan().unwrap();
    assert_eq!(held.publish(4, Duration::from_millis(1)).unwrap(), None);
    others.into_iter().for_each(Other::kill);
    assert_eq!(held.publish(4, None).unwrap(), Some(6));
    assert_eq!(channel.send(&[0; 1001], None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_killed_sender_tears_no_message() {
    let name = name();
    let channel = Channel::create(&name, 8, 1000).unwrap();
    for _ in 0..5 {
        let reader = channel.reader(0).unwrap();
        let mut other = Other::start("sender", &name);
        other.hear();
        let check = |message: Message<'_>| {
            assert_eq!(message.len(), 800);
            assert!(message.chunks(8).all(|part| part == &message[..8]));
        };
        for _ in 0..100 {
            check(reader.receive(None).unwrap().unwrap());
        }
        other.kill();
        reader.messages().for_each(|message| check(message.unwrap())); // ends: nobody writes
    }
}

#[test]
fn a_reader_holds_what_it_has_and_no_more_than_it_may() {
    let channel = ChannelOptions::new(4, 8).readers(2, 2).anonymous().unwrap();
    let reader = Channel::from_descriptor(channel.descriptor().unwrap()).unwrap().reader(0).unwrap();
    assert!(reader.latest().unwrap().is_none());
    for number in 0u8..3 {
        channel.send(&[number], None).unwrap();
    }
    let newest = reader.latest().unwrap().unwrap();
    assert_eq!((newest.number(), &*newest, reader.lost()), (3, &[2][..], 2));
    channel.send(&[3], None).unwrap();
    let next = reader.receive(None).unwrap().unwrap();
    channel.send(&[4], None).unwrap();
    assert_eq!(reader.receive(None).unwrap_err().code(), 105);
    thread::scope(|scope| {
        scope.spawn(move || drop(newest)); // any thread gives back
    });
    assert_eq!(reader.receive(None).unwrap().unwrap().tag(), 0);
    assert_eq!(&*next, &[3]);
}

#[test]
fn what_a_killed_worker_had_goes_to_another() {
    let name = name();
    let queue = QueueOptions::new(4, 10).workers(3, 2).create(&name).unwrap();
    assert_eq!(queue.send(b"job", None).unwrap(), Some(1));
    let mut other = Other::start("worker", &name);
    assert_eq!(other.hear(), "1");
    let worker = queue.worker().unwrap();
    assert!(worker.take(Duration::from_millis(1)).unwrap().is_none());
    assert_eq!(queue.info().unwrap().held, 1);
    assert!(!queue.join(Duration::from_millis(1)).unwrap());
    other.kill();
    let task = worker.take(None).unwrap().unwrap();
    assert_eq!((task.number(), task.redelivered(), &*task), (1, 1, &b"job"[..]));
    drop(task); // undone: it comes again
    let task = worker.take(None).unwrap().unwrap();
    assert_eq!(task.redelivered(), 2);
    task.give_back().unwrap();
    let task = worker.take(None).unwrap().unwrap();
    task.done().unwrap();
    assert!(queue.join(None).unwrap());
    queue.close().unwrap();
    assert!(queue.info().unwrap().is_closed);
    assert!(queue.send(b"late", None).unwrap_err().is_closed());
    assert!(worker.take(None).unwrap_err().is_closed());
    assert!(worker.tasks().next().is_none());
    assert_eq!(Channel::open(&name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn at_most_once_a_killed_workers_task_is_lost() {
    let name = name();
    let queue = QueueOptions::new(4, 10).at_most_once(true).create(&name).unwrap();
    queue.send(b"job", None).unwrap();
    let mut other = Other::start("worker", &name);
    other.hear();
    other.kill();
    assert!(queue.join(None).unwrap());
    assert!(queue.worker().unwrap().take(Duration::ZERO).unwrap().is_none());
}

#[test]
fn a_full_queue_lets_its_sender_wait() {
    let queue = QueueOptions::new(1, 10).anonymous().unwrap();
    let worker = queue.worker().unwrap();
    queue.send(b"one", None).unwrap();
    assert_eq!(queue.send(b"two", Duration::from_millis(1)).unwrap(), None);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let (queue, tell) = (&queue, tell);
        let sender = scope.spawn(move || {
            tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
            queue.send(b"two", None).unwrap()
        });
        let status = std::path::Path::new("/proc").join(told.recv().unwrap()).join("status");
        while !std::fs::read_to_string(&status).unwrap().contains("State:\tS") {}
        // Another thread is not held up by the one that waits.
        assert_eq!(queue.send(b"three", Duration::ZERO).unwrap(), None);
        worker.take(None).unwrap().unwrap().done().unwrap();
        assert_eq!(sender.join().unwrap(), Some(2));
    });
}

#[test]
fn a_store_has_what_others_put_and_not_what_they_left_half() {
    let name = name();
    let store = Store::create(&name, 1 << 20, Full::Error).unwrap();
    let mut other = Other::start("store", &name);
    let object = store.get("whole", None).unwrap().unwrap();
    assert_eq!(other.hear(), "put");
    assert_eq!(&*object, b"of the child");
    assert!(store.find("half").unwrap().is_none());
    other.kill();
    store.insert("half", b"other").unwrap();
    assert_eq!(store.insert("half", b"another").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    store.put("half", b"third").unwrap();
    let keys: Vec<_> = store.list().unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [b"whole".to_vec(), b"half".to_vec()]);
    assert!(store.pin("half", true).unwrap());
    assert!(store.find("half").unwrap().unwrap().is_pinned);
    assert_eq!(&*store.take("half").unwrap().unwrap(), b"third");
    assert!(store.take("half").unwrap().is_none());
    assert!(!store.delete("half").unwrap());
    assert!(store.get("half", Duration::from_millis(1)).unwrap().is_none());
    assert_eq!(store.put("large", &[0; 1 << 20]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(store.put("none", b"").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(store.put([0; 177], b"x").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let mut building = store.build("built", 4, false, None).unwrap();
    building.copy_from_slice(b"here");
    assert!(store.find("built").unwrap().is_none());
    building.seal().unwrap();
    assert_eq!(&*store.get("built", None).unwrap().unwrap(), b"here");
    let before = store.info().unwrap();
    drop(store.build("given up", 4, false, None).unwrap());
    assert_eq!(store.info().unwrap(), before);
    assert_eq!(before.objects, 2);
    drop(store);
    assert_eq!(&*object, b"of the child"); // who has it keeps it
}

#[test]
fn names_go_as_they_are_told() {
    let name = name();
    let region = RegionOptions::new().persistent(true).create(&name, 1).unwrap();
    assert!(region.is_linked());
    drop(region);
    let region = SharedRegion::open(&name).unwrap();
    assert_eq!(SharedRegion::open_or_create(&name, 2).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(SharedRegion::open_or_create(&name, 1).unwrap().id(), region.id());
    unlink(&name, false).unwrap();
    assert!(!region.is_linked());
    assert_eq!(region.unlink().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(unlink(&name, false).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_child_that_ends_well_is_no_trouble() {
    let name = name();
    let channel = Channel::create(&name, 4, 10).unwrap();
    let mut other = Other::start("reader", &name);
    other.hear();
    channel.send(b"hi", None).unwrap();
    assert_eq!(other.hear(), "1 hi");
    other.go_on();
    other.end();
}
