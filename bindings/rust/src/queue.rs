use crate::channel::{ChannelOptions, Loan, Writing};
use crate::error::{EINVAL, EPIPE, Error, Result, check, check_wait};
use crate::{RegionOptions, SharedRegion, sys, time};
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::ptr::null_mut;
use std::slice;
use std::time::{Duration, SystemTime};

/// How large a queue is, and for how many. See [`Queue::create`].
#[derive(Debug, Clone)]
pub struct QueueOptions<'a> {
    channel: ChannelOptions<'a>,
}

impl<'a> QueueOptions<'a> {
    /// So many messages may wait, of up to `slot_size` bytes each.
    pub fn new(capacity: u32, slot_size: usize) -> Self {
        Self { channel: ChannelOptions::new(capacity, slot_size).flags(sys::QUEUE) }
    }

    /// What a worker had when it was killed goes to nobody; without, to another one.
    pub fn at_most_once(self, yes: bool) -> Self {
        let flags = if yes { sys::QUEUE | sys::QUEUE_AT_MOST_ONCE } else { sys::QUEUE };
        Self { channel: self.channel.flags(flags) }
    }

    /// For so many writers there is always a slot, each with so many loans at once; 4 and 1 without.
    pub fn writers(self, writers: u32, loans: u32) -> Self {
        Self { channel: self.channel.writers(writers, loans) }
    }

    /// For so many workers, each of which is at work on so many messages at once; 8 and 8 without.
    pub fn workers(self, workers: u32, views: u32) -> Self {
        Self { channel: self.channel.readers(workers, views) }
    }

    /// Its region, as [`ChannelOptions::region`].
    pub fn region(self, region: RegionOptions<'a>) -> Self {
        Self { channel: self.channel.region(region) }
    }

    /// Creates the queue.
    ///
    /// # Errors
    /// As [`ChannelOptions::create`].
    pub fn create(&self, name: &str) -> Result<Queue> {
        self.channel.make(Some(name)).map(|writing| Queue { writing })
    }

    /// Creates a queue without a name, which travels as [`Queue::descriptor`].
    ///
    /// # Errors
    /// As `create`.
    pub fn anonymous(&self) -> Result<Queue> {
        self.channel.make(None).map(|writing| Queue { writing })
    }
}

/// What hands each message to exactly one of those who work.
///
/// This value writes, from its first loan on; any number of threads may use it at once. What a worker
/// was at work on when it was killed goes to another one.
///
/// ```
/// use zinc::Queue;
/// # let name = &format!("doc-queue-{}", std::process::id());
///
/// let queue = Queue::create(name, 16, 100)?;
/// let worker = Queue::open(name)?.worker()?; // in another process, as a rule
/// queue.send(b"one", None)?;
/// queue.send(b"two", None)?;
/// queue.close()?; // for good: workers end once nothing is left
/// for task in worker.tasks() {
///     let task = task?;
///     println!("{}: {:?}", task.number(), &*task);
///     task.done()?;
/// }
/// assert!(queue.join(None)?);
/// # Ok::<(), zinc::Error>(())
/// ```
#[derive(Debug)]
pub struct Queue {
    writing: Writing,
}

/// What can be told of a queue. While others go on, each number is of another moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueInfo {
    /// Messages that nobody has taken.
    pub waiting: u64,
    /// That somebody is at work on, or was and was killed.
    pub held: u64,
    /// That somebody was, or gave back, and that wait for another one.
    pub left: u64,
    /// Whether it is closed.
    pub is_closed: bool,
}

impl Queue {
    /// Creates a queue in which so many messages wait at most, of up to `slot_size` bytes each.
    ///
    /// # Errors
    /// As [`QueueOptions::create`].
    pub fn create(name: &str, capacity: u32, slot_size: usize) -> Result<Self> {
        QueueOptions::new(capacity, slot_size).create(name)
    }

    /// Opens the queue of this name.
    ///
    /// # Errors
    /// `InvalidInput` if it is another channel; code 74 (EBADMSG) if it is none; else as
    /// [`SharedRegion::open`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_within(name, Duration::ZERO)
    }

    /// Opens the queue of this name, and waits for it to be there; `None` waits for ever.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_within(name: &str, timeout: impl Into<Option<Duration>>) -> Result<Self> {
        Self::of(RegionOptions::new().open(name, timeout)?)
    }

    /// Opens a queue without a name by its descriptor, which stays the caller's.
    ///
    /// # Errors
    /// As `open`.
    pub fn from_descriptor(descriptor: BorrowedFd<'_>) -> Result<Self> {
        Self::of(SharedRegion::from_descriptor(descriptor)?)
    }

    fn of(region: SharedRegion) -> Result<Self> {
        let writing = Writing::of(region)?;
        if writing.info()?.flags & sys::QUEUE == 0 {
            let message = format!(
                "open the queue {:?}: it is a channel whose messages go to all",
                writing.region.name()
            );
            return Err(Error::new(EINVAL, message));
        }
        Ok(Self { writing })
    }

    /// Takes a slot on loan, as [`crate::Channel::loan`]; it waits for workers as it is published.
    ///
    /// # Errors
    /// As [`crate::Channel::loan`].
    pub fn loan(&self) -> Result<Loan<'_>> {
        self.writing.loan()
    }

    /// Sends a message, with one copy, and waits for workers within `timeout`; `None` is for ever.
    ///
    /// # Returns
    /// The message's number; `None` if there was no room in time.
    ///
    /// # Errors
    /// [`is_closed`](Error::is_closed) once the queue is; `InvalidInput` for more bytes than a message may
    /// have; else as `loan`.
    pub fn send(&self, bytes: &[u8], timeout: impl Into<Option<Duration>>) -> Result<Option<u64>> {
        self.writing.send(bytes, timeout.into())
    }

    /// Takes messages from here on, on a seat of its own, so that it does not need this value any more.
    ///
    /// # Errors
    /// As [`crate::Channel::reader`].
    pub fn worker(&self) -> Result<Worker> {
        let region = self.writing.reopen()?;
        let mut worker = null_mut();
        // SAFETY: the handle is valid as long as the region, which the worker takes along.
        check(unsafe { sys::zinc_worker_begin(region.raw(), &mut worker) })?;
        Ok(Worker { worker, _region: region })
    }

    /// Closes it for good, for all: who sends fails, and workers end once nothing is left. Again is no
    /// error.
    ///
    /// # Errors
    /// `PermissionDenied` where this user may only read.
    pub fn close(&self) -> Result<()> {
        // SAFETY: the handle is valid as long as this value, here and in what follows.
        check(unsafe { sys::zinc_queue_close(self.writing.region.raw()) }).map(drop)
    }

    /// Waits until all messages that were sent are done; `None` waits for ever.
    ///
    /// # Returns
    /// Whether they were, in time.
    ///
    /// # Errors
    /// Those of the system.
    pub fn join(&self, timeout: impl Into<Option<Duration>>) -> Result<bool> {
        let wait = time::wait_options(timeout.into(), 0);
        // SAFETY: see `close`.
        check_wait(unsafe { sys::zinc_queue_join(self.writing.region.raw(), &wait) })
    }

    /// How many wait, and are at work on.
    ///
    /// # Errors
    /// Code 74 (EBADMSG) if it is damaged.
    pub fn info(&self) -> Result<QueueInfo> {
        let size = size_of::<sys::QueueInfo>();
        let mut info = sys::QueueInfo { size, waiting: 0, held: 0, left: 0, is_closed: 0, reserved: 0 };
        // SAFETY: see `close`.
        check(unsafe { sys::zinc_queue_examine(self.writing.region.raw(), &mut info) })?;
        let sys::QueueInfo { waiting, held, left, is_closed, .. } = info;
        Ok(QueueInfo { waiting, held, left, is_closed: is_closed == 1 })
    }

    /// How many messages may wait.
    pub fn capacity(&self) -> u32 {
        self.writing.info().map_or(0, |info| info.messages)
    }

    /// Bytes of a message, at most.
    pub fn slot_size(&self) -> usize {
        self.writing.info().map_or(0, |info| info.payload as usize)
    }

    /// The name, `""` for a queue without one.
    pub fn name(&self) -> &str {
        self.writing.region.name()
    }

    /// The descriptor of a queue without a name, to be handed on.
    ///
    /// # Errors
    /// `InvalidInput` for one with a name.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        self.writing.region.descriptor()
    }

    /// Removes the name: who has the queue goes on, and nobody comes.
    ///
    /// # Errors
    /// As [`SharedRegion::unlink`].
    pub fn unlink(&self) -> Result<()> {
        self.writing.region.unlink()
    }
}

/// Who takes messages of a queue. One thread at a time; it may go to another. What it has not done when
/// it is dropped, or its process is killed, goes to another worker.
#[derive(Debug)]
pub struct Worker {
    worker: sys::Handle,
    _region: SharedRegion,
}

// SAFETY: one thread at a time may use it, and it is not `Sync`.
unsafe impl Send for Worker {}

impl Worker {
    /// Takes the next message; `None` waits for ever, and zero only looks.
    ///
    /// # Returns
    /// `None` if nothing came in time.
    ///
    /// # Errors
    /// [`is_closed`](Error::is_closed) once the queue is and nothing is left; code 105 (ENOBUFS) if it
    /// holds as many as it may.
    pub fn take(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<Task<'_>>> {
        let wait = time::wait_options(timeout.into(), 0);
        let mut task = sys::Task {
            data: null_mut(),
            head: sys::MessageHead::default(),
            slot: 0,
            worker: 0,
            redelivered: 0,
            reserved: 0,
        };
        // SAFETY: the worker is valid until it is dropped.
        let is_there = check_wait(unsafe { sys::zinc_worker_take(self.worker, &mut task, &wait) })?;
        Ok(is_there.then_some(Task { worker: self, task, is_over: false }))
    }

    /// All messages to come, until the queue is closed and nothing is left.
    ///
    /// # Errors
    /// Each as `take` has them.
    pub fn tasks(&self) -> impl Iterator<Item = Result<Task<'_>>> {
        std::iter::from_fn(|| match self.take(None) {
            Err(error) if error.code() == EPIPE => None,
            other => other.transpose(),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: tasks borrow the worker, so none is left; the region is closed after it.
        unsafe { sys::zinc_worker_end(self.worker) }
    }
}

/// A message that a worker is at work on, where it lies. Dropped before it is [`done`](Self::done), it is
/// given back, to another worker. Any thread may do either.
pub struct Task<'a> {
    worker: &'a Worker,
    task: sys::Task,
    is_over: bool,
}

// SAFETY: its bytes stay as they are, and any thread may end it.
unsafe impl Send for Task<'_> {}
// SAFETY: as above.
unsafe impl Sync for Task<'_> {}

impl Task<'_> {
    /// Says that it is done: nobody gets it again.
    ///
    /// # Errors
    /// `InvalidInput` if this process is not at work on it: it was forked since.
    pub fn done(mut self) -> Result<()> {
        self.is_over = true;
        // SAFETY: the worker is valid as long as its tasks.
        check(unsafe { sys::zinc_worker_done(self.worker.worker, &self.task) }).map(drop)
    }

    /// Gives it back, undone, to others; to this worker only once others have had 20 ms for it.
    ///
    /// # Errors
    /// As `done`.
    pub fn give_back(mut self) -> Result<()> {
        self.is_over = true;
        // SAFETY: the worker is valid as long as its tasks.
        check(unsafe { sys::zinc_worker_give_back(self.worker.worker, &self.task) }).map(drop)
    }

    /// Its number, from 1.
    pub fn number(&self) -> u64 {
        self.task.head.number
    }

    /// What its writer said: [`Loan::tag`].
    pub fn tag(&self) -> u64 {
        self.task.head.tag
    }

    /// When it was published, as its writer said.
    pub fn time(&self) -> SystemTime {
        time::since_1970(self.task.head.time)
    }

    /// How many had it before, and were killed or gave it back; 7 for more, too.
    pub fn redelivered(&self) -> u32 {
        self.task.redelivered
    }
}

impl Deref for Task<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are there, and nobody writes them until the task is over.
        unsafe { slice::from_raw_parts(self.task.data.cast(), self.task.head.length as usize) }
    }
}

impl std::fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("number", &self.number()).field("length", &self.len()).finish()
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            // SAFETY: the worker is valid as long as its tasks. A forked child's call has no effect.
            unsafe { sys::zinc_worker_give_back(self.worker.worker, &self.task) };
        }
    }
}
