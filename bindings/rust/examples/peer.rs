//! A process that has a region and does with it what it is told, a line a command: what the tests show
//! of one memory in several languages, and how long a round trip takes.
//!
//!     open NAME               where its data is: {"pid": …, "data": …, "size": …}
//!     write OFFSET BYTE       the byte
//!     read OFFSET             the byte
//!     reply NAME ROUNDS       answers so many questions in the other region: 1
//!     ask NAME ROUNDS         asks so many, whole thousands: the nanoseconds of a round, the best thousand's

use std::io::{BufRead, stdin};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use zinc::SharedRegion;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut region = None;
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["open", name] = words[..] {
            let opened = SharedRegion::open(name)?;
            let (pid, data, size) = (std::process::id(), opened.as_ptr() as usize, opened.capacity());
            println!("{{\"pid\": {pid}, \"data\": {data}, \"size\": {size}}}");
            region = Some(opened);
            continue;
        }
        let region = region.as_ref().ok_or("first open")?;
        match words[..] {
            ["write", offset, byte] => {
                region.bytes()[offset.parse::<usize>()?].store(byte.parse()?, Relaxed);
                println!("{byte}");
            }
            ["read", offset] => println!("{}", region.bytes()[offset.parse::<usize>()?].load(Relaxed)),
            ["reply", name, rounds] => {
                let back = SharedRegion::open(name)?;
                for _ in 0..rounds.parse::<u32>()? {
                    region.wait(None)?;
                    back.notify()?;
                }
                println!("1");
            }
            ["ask", name, rounds] => {
                let back = SharedRegion::open(name)?;
                let mut best = f64::INFINITY;
                for _ in 0..rounds.parse::<u32>()? / 1000 {
                    let start = Instant::now();
                    for _ in 0..1000 {
                        region.notify()?;
                        back.wait(None)?;
                    }
                    best = best.min(start.elapsed().as_nanos() as f64 / 1000.0);
                }
                println!("{best}");
            }
            _ => return Err(format!("unknown: {line}").into()),
        }
    }
    Ok(())
}
