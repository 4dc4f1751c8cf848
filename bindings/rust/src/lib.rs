//! Messages and memory between the processes of one machine, without a copy.
//!
//! * A [`Channel`] hands messages over: a writer fills a slot in place, and each reader reads it where
//!   it lies.
//! * A [`Queue`] shares work: each message goes to one worker, and what a killed one had to another.
//! * A [`Store`] keeps bytes by key, for all to get, without a server.
//! * A [`SharedRegion`] is memory with a name; [`SharedRegion::notify`] and [`SharedRegion::wait`] say
//!   when there is something new. A [`Lock`] and a [`RwLock`] outlive a holder that is killed.
//!
//! They are those of zinc's other languages: what Python, Swift, C or Go made, Rust opens, and the other
//! way round. The library is `libzinc`, which `pip install zinc-shm` brings: `build.rs` asks
//! `ZINC_LIB_DIR`, then pkg-config, then `python3`.
//!
//! ```
//! use std::time::Duration;
//! use zinc::Channel;
//! # let name = &format!("doc-first-{}", std::process::id());
//!
//! let channel = Channel::create(name, 8, 4096)?; // 8 messages of up to 4096 bytes are kept
//! let reader = Channel::open(name)?.reader(0)?; // in another process, as a rule
//! let mut loan = channel.loan()?; // a slot of shared memory that nobody reads
//! loan[..5].copy_from_slice(b"hello");
//! loan.publish(5, None)?;
//! let message = reader.receive(Duration::from_secs(5))?.expect("it was sent");
//! assert_eq!(&*message, b"hello"); // where it lies; given back when it is dropped
//! # Ok::<(), zinc::Error>(())
//! ```
//!
//! # Time
//! A timeout is a [`Duration`](std::time::Duration), or `None`, which waits for ever; zero only looks.
//! Signals do not end a wait.
//!
//! # Threads and processes
//! [`SharedRegion`], [`Channel`], [`Queue`], [`Store`] and the locks may be used by any number of threads
//! at once; [`Reader`] and [`Worker`] by one at a time. A process that is forked goes on with all of them
//! as its own: loans, messages, tasks and held locks of before stay its parent's. Nothing is inherited
//! across exec.

mod channel;
mod error;
mod lock;
mod queue;
mod region;
mod store;
mod sys;
mod time;

pub use channel::{Channel, ChannelOptions, Loan, Message, Reader};
pub use error::{Error, Result, ZincError};
pub use lock::{Lock, LockGuard, ReadGuard, RwLock, WriteGuard};
pub use queue::{Queue, QueueInfo, QueueOptions, Task, Worker};
pub use region::{MAX_NAME_LEN, RegionOptions, SharedRegion, reclaim, unlink, wait_any};
pub use store::{Building, Full, Object, Store, StoreEntry, StoreInfo};
