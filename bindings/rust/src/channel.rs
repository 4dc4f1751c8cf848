use crate::error::{EINVAL, ENOENT, EPIPE, ETIMEDOUT, Error, Result, check, check_wait};
use crate::region::{attach, c_name};
use crate::{RegionOptions, SharedRegion, sys, time};
use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;
use std::ptr::null_mut;
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How large a channel is, and for how many. See [`Channel::create`].
#[derive(Debug, Clone)]
pub struct ChannelOptions<'a> {
    messages: u32,
    payload: usize,
    flags: u32,
    writers: u32,
    loans: u32,
    readers: u32,
    views: u32,
    region: RegionOptions<'a>,
}

impl<'a> ChannelOptions<'a> {
    /// So many messages are kept, a power of two or rounded up to one, of up to `slot_size` bytes each.
    pub fn new(slots: u32, slot_size: usize) -> Self {
        let region = RegionOptions::new();
        let (flags, writers, loans, readers, views) = (0, 0, 0, 0, 0);
        Self { messages: slots, payload: slot_size, flags, writers, loans, readers, views, region }
    }

    /// A writer waits for the slowest reader; else it displaces the oldest message.
    pub fn waits(self, yes: bool) -> Self {
        self.flags(if yes { sys::CHANNEL_WAIT } else { 0 })
    }

    /// For so many writers there is always a slot, each with so many loans at once; 4 and 1 without.
    pub fn writers(self, writers: u32, loans: u32) -> Self {
        Self { writers, loans, ..self }
    }

    /// For so many readers, each of which holds so many messages at once; 8 and 8 without.
    pub fn readers(self, readers: u32, views: u32) -> Self {
        Self { readers, views, ..self }
    }

    /// Its region: rights, and whether it is persistent or replaces another. Without kind and contents.
    pub fn region(self, region: RegionOptions<'a>) -> Self {
        Self { region, ..self }
    }

    /// Creates the channel.
    ///
    /// # Errors
    /// `InvalidInput` for numbers that can't be; else as [`RegionOptions::create`].
    pub fn create(&self, name: &str) -> Result<Channel> {
        self.make(Some(name)).map(|writing| Channel { writing })
    }

    /// Creates a channel without a name, which travels as [`Channel::descriptor`].
    ///
    /// # Errors
    /// As `create`.
    pub fn anonymous(&self) -> Result<Channel> {
        self.make(None).map(|writing| Channel { writing })
    }

    /// The same with other flags: what makes it a queue.
    pub(crate) fn flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn make(&self, name: Option<&str>) -> Result<Writing> {
        let channel = sys::ChannelOptions {
            size: size_of::<sys::ChannelOptions>(),
            payload: self.payload as u64,
            messages: self.messages,
            flags: self.flags,
            writers: self.writers,
            loans: self.loans,
            readers: self.readers,
            views: self.views,
        };
        let options = self.region.raw();
        let region = match name {
            Some(name) => {
                let name = c_name(name)?;
                // SAFETY: all that the call reads outlives it.
                attach(|out| unsafe { sys::zinc_channel_create(name.as_ptr(), &channel, &options, out) })?
            }
            // SAFETY: as above.
            None => attach(|out| unsafe { sys::zinc_channel_create_anonymous(&channel, &options, out) })?,
        };
        Writing::of(region)
    }
}

/// What hands messages over, in place, from any number of writers to any number of readers.
///
/// This value writes, from its first loan on; any number of threads may use it at once. Whoever is
/// killed, at whatever moment, tears no message and holds nobody up.
#[derive(Debug)]
pub struct Channel {
    writing: Writing,
}

impl Channel {
    /// Creates a channel that keeps so many messages, a power of two or rounded up to one, of up to
    /// `slot_size` bytes each. [`ChannelOptions`] says more.
    ///
    /// # Errors
    /// As [`ChannelOptions::create`].
    pub fn create(name: &str, slots: u32, slot_size: usize) -> Result<Self> {
        ChannelOptions::new(slots, slot_size).create(name)
    }

    /// Opens the channel of this name.
    ///
    /// # Errors
    /// `InvalidInput` if it is a queue; code 74 (EBADMSG) if it is neither; else as [`SharedRegion::open`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_within(name, Duration::ZERO)
    }

    /// Opens the channel of this name, and waits for it to be there; `None` waits for ever.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_within(name: &str, timeout: impl Into<Option<Duration>>) -> Result<Self> {
        Self::of(RegionOptions::new().open(name, timeout)?)
    }

    /// Opens a channel without a name by its descriptor, which stays the caller's.
    ///
    /// # Errors
    /// As `open`.
    pub fn from_descriptor(descriptor: BorrowedFd<'_>) -> Result<Self> {
        Self::of(SharedRegion::from_descriptor(descriptor)?)
    }

    fn of(region: SharedRegion) -> Result<Self> {
        let writing = Writing::of(region)?;
        if writing.info()?.flags & sys::QUEUE != 0 {
            let message = format!("open the channel {:?}: it is a queue", writing.region.name());
            return Err(Error::new(EINVAL, message));
        }
        Ok(Self { writing })
    }

    /// Takes a slot on loan. It holds whatever it held before.
    ///
    /// # Errors
    /// Code 105 (ENOBUFS) if more write, or hold loans and messages, than the channel was made for; code
    /// 87 (EUSERS) if all 120 seats are taken; `PermissionDenied` where this user may only read.
    pub fn loan(&self) -> Result<Loan<'_>> {
        self.writing.loan()
    }

    /// Sends a message, with one copy. Where the channel waits for readers, it does so within `timeout`.
    ///
    /// # Returns
    /// The message's number, from 1; `None` if there was no room in time.
    ///
    /// # Errors
    /// `InvalidInput` for more bytes than a message may have; else as `loan`.
    pub fn send(&self, bytes: &[u8], timeout: impl Into<Option<Duration>>) -> Result<Option<u64>> {
        self.writing.send(bytes, timeout.into())
    }

    /// Reads from here on, and so many messages back as far as they are kept: on a seat of its own, so
    /// that it does not need this value any more.
    ///
    /// # Errors
    /// `NotFound` if the channel has lost its name; code 87 (EUSERS) if all seats are taken;
    /// `PermissionDenied` where this user may only read.
    pub fn reader(&self, history: u64) -> Result<Reader> {
        let region = self.writing.reopen()?;
        let mut reader = null_mut();
        // SAFETY: the handle is valid as long as the region, which the reader takes along.
        check(unsafe { sys::zinc_reader_begin(region.raw(), history, &mut reader) })?;
        Ok(Reader { reader, region })
    }

    /// Waits until so many who live read the channel.
    ///
    /// # Errors
    /// Those of the system.
    pub fn wait_for_readers(&self, count: u32, timeout: impl Into<Option<Duration>>) -> Result<bool> {
        let wait = time::wait_options(timeout.into(), 0);
        // SAFETY: the handle is valid as long as this value.
        check_wait(unsafe { sys::zinc_channel_wait_for_readers(self.writing.region.raw(), count, &wait) })
    }

    /// How many messages are kept.
    pub fn slots(&self) -> u32 {
        self.writing.info().map_or(0, |info| info.messages)
    }

    /// Bytes of a message, at most.
    pub fn slot_size(&self) -> usize {
        self.writing.info().map_or(0, |info| info.payload as usize)
    }

    /// The number of the newest message; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.writing.info().map_or(0, |info| info.newest)
    }

    /// The name, `""` for a channel without one.
    pub fn name(&self) -> &str {
        self.writing.region.name()
    }

    /// The descriptor of a channel without a name, to be handed on.
    ///
    /// # Errors
    /// `InvalidInput` for one with a name.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        self.writing.region.descriptor()
    }

    /// Removes the name: who has the channel goes on, and nobody comes.
    ///
    /// # Errors
    /// As [`SharedRegion::unlink`].
    pub fn unlink(&self) -> Result<()> {
        self.writing.region.unlink()
    }
}

/// The side of a channel or a queue that writes. It sits down at its first loan.
#[derive(Debug)]
pub(crate) struct Writing {
    // Before the region, since it ends first.
    writer: Mutex<Writer>,
    pub(crate) region: SharedRegion,
}

#[derive(Debug)]
struct Writer(sys::Handle);

// SAFETY: the mutex around it sees that one thread at a time uses it, as the library asks for.
unsafe impl Send for Writer {}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: null is harmless, and nobody uses it any more: loans borrow the `Writing`.
        unsafe { sys::zinc_writer_end(self.0) }
    }
}

impl Writing {
    pub(crate) fn of(region: SharedRegion) -> Result<Self> {
        let writing = Self { region, writer: Mutex::new(Writer(null_mut())) };
        writing.info()?;
        Ok(writing)
    }

    pub(crate) fn info(&self) -> Result<sys::ChannelInfo> {
        let mut info = sys::ChannelInfo {
            size: size_of::<sys::ChannelInfo>(),
            payload: 0,
            newest: 0,
            messages: 0,
            slots: 0,
            views: 0,
            flags: 0,
        };
        // SAFETY: the handle is valid as long as this value.
        check(unsafe { sys::zinc_channel_examine(self.region.raw(), &mut info) })?;
        Ok(info)
    }

    /// The same region once more, for a seat of its own.
    pub(crate) fn reopen(&self) -> Result<SharedRegion> {
        if self.region.name().is_empty() {
            return SharedRegion::from_descriptor(self.region.descriptor()?);
        }
        let other = RegionOptions::new().any_user(true).open(self.region.name(), Duration::ZERO)?;
        if other.id() != self.region.id() {
            let message = format!("{:?} is another one by now: this one has lost its name", other.name());
            return Err(Error::new(ENOENT, message));
        }
        Ok(other)
    }

    /// Calls `body` with the writer, one thread at a time.
    fn with<T>(&self, body: impl FnOnce(sys::Handle) -> Result<T>) -> Result<T> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.0.is_null() {
            // SAFETY: the handle is valid as long as this value, which ends the writer before.
            check(unsafe { sys::zinc_writer_begin(self.region.raw(), &mut writer.0) })?;
        }
        body(writer.0)
    }

    pub(crate) fn loan(&self) -> Result<Loan<'_>> {
        let mut loan = sys::Loan { data: null_mut(), capacity: 0, slot: 0, reserved: 0 };
        // SAFETY: the writer is valid.
        self.with(|writer| check(unsafe { sys::zinc_writer_loan(writer, &mut loan) }))?;
        Ok(Loan { writing: self, loan, tag: 0 })
    }

    pub(crate) fn send(&self, bytes: &[u8], timeout: Option<Duration>) -> Result<Option<u64>> {
        let mut loan = self.loan()?;
        let room = loan.len();
        let Some(place) = loan.get_mut(..bytes.len()) else {
            let message = format!(
                "send {} bytes to {:?}: a message has {room} at most",
                bytes.len(),
                self.region.name()
            );
            return Err(Error::new(EINVAL, message));
        };
        place.copy_from_slice(bytes);
        loan.publish(bytes.len(), timeout)
    }
}

/// A slot to fill: its bytes are those that readers will read. Dropped unpublished, it is given back.
#[derive(Debug)]
pub struct Loan<'a> {
    writing: &'a Writing,
    loan: sys::Loan,
    /// The writer's to say: readers see it as [`Message::tag`].
    pub tag: u64,
}

// SAFETY: its bytes are this value's alone, and what it calls takes the writer's mutex.
unsafe impl Send for Loan<'_> {}
// SAFETY: as above; through a shared reference they can only be read.
unsafe impl Sync for Loan<'_> {}

impl Loan<'_> {
    /// Publishes the first `length` bytes. Where the channel or queue waits for who reads, it does so
    /// within `timeout`, `None` being for ever.
    ///
    /// # Returns
    /// The message's number, and the loan is empty from then on; `None` if there was no room in time, and
    /// the loan stays as it is, to be published later.
    ///
    /// # Errors
    /// `InvalidInput` for more bytes than it has, or if it is published already; of a queue
    /// [`is_closed`](Error::is_closed).
    pub fn publish(&mut self, length: usize, timeout: impl Into<Option<Duration>>) -> Result<Option<u64>> {
        if length > self.loan.capacity || self.loan.data.is_null() {
            let message = format!("publish {length} bytes of a loan of {}", self.loan.capacity);
            return Err(Error::new(EINVAL, message));
        }
        let mut head =
            sys::MessageHead { number: 0, length: length as u64, time: time::now(), tag: self.tag };
        let (only_look, wait) =
            (time::wait_options(Some(Duration::ZERO), 0), time::wait_options(timeout.into(), 0));
        loop {
            // It does not wait there, so that other threads are not held up.
            let (writer, status) = self.writing.with(|writer| {
                // SAFETY: the writer and the loan are valid.
                Ok((writer, unsafe { sys::zinc_writer_publish(writer, &self.loan, &mut head, &only_look) }))
            })?;
            if status != -ETIMEDOUT {
                check(status)?;
                self.loan.data = null_mut();
                return Ok(Some(head.number));
            }
            // SAFETY: any thread may wait.
            if !check_wait(unsafe { sys::zinc_writer_wait(writer, &wait) })? {
                return Ok(None);
            }
        }
    }
}

impl Deref for Loan<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        if self.loan.data.is_null() {
            return &[];
        }
        // SAFETY: so many bytes are this writer's alone until it publishes them.
        unsafe { slice::from_raw_parts(self.loan.data.cast(), self.loan.capacity) }
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.loan.data.is_null() {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.loan.data.cast(), self.loan.capacity) }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if !self.loan.data.is_null() {
            // SAFETY: the writer is valid. In a forked child the loan is none of its own, which is no harm.
            let _ =
                self.writing.with(|writer| check(unsafe { sys::zinc_writer_discard(writer, &self.loan) }));
        }
    }
}

/// Who reads a channel. One thread at a time; it may go to another. When it is dropped writers wait for
/// it no more.
///
/// ```compile_fail,E0505
/// // A message can't outlive its reader.
/// let reader = zinc::Channel::open("camera").unwrap().reader(0).unwrap();
/// let message = reader.receive(None).unwrap();
/// drop(reader);
/// println!("{:?}", message);
/// ```
#[derive(Debug)]
pub struct Reader {
    reader: sys::Handle,
    region: SharedRegion,
}

// SAFETY: one thread at a time may use it, and it is not `Sync`.
unsafe impl Send for Reader {}

impl Reader {
    /// Receives the next message; `None` waits for ever, and zero only looks. It stays as it is until it
    /// is dropped.
    ///
    /// # Returns
    /// `None` if nothing came in time.
    ///
    /// # Errors
    /// Code 105 (ENOBUFS) if the reader holds as many messages as it may.
    pub fn receive(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<Message<'_>>> {
        self.next(time::wait_options(timeout.into(), 0))
    }

    /// All messages to come, until nobody is left who writes.
    ///
    /// # Errors
    /// Each as `receive` has them.
    pub fn messages(&self) -> impl Iterator<Item = Result<Message<'_>>> {
        std::iter::from_fn(|| match self.next(time::wait_options(None, sys::WAIT_UNTIL_GONE)) {
            Err(error) if error.code() == EPIPE => None,
            other => other.transpose(),
        })
    }

    /// Receives the newest message that there is, if this reader has not had it: those before it count as
    /// lost. Never sleeps.
    ///
    /// # Errors
    /// As `receive`.
    pub fn latest(&self) -> Result<Option<Message<'_>>> {
        // SAFETY: the reader is valid until it is dropped, here and in what follows.
        check(unsafe { sys::zinc_reader_skip(self.reader) })?;
        self.receive(Duration::ZERO)
    }

    fn next(&self, wait: sys::WaitOptions) -> Result<Option<Message<'_>>> {
        let mut message =
            sys::Message { data: null_mut(), head: sys::MessageHead::default(), view: 0, reader: 0 };
        // SAFETY: see `latest`.
        let is_there = check_wait(unsafe { sys::zinc_reader_receive(self.reader, &mut message, &wait) })?;
        Ok(is_there.then_some(Message { reader: self, message }))
    }

    /// How many messages were displaced before this reader came to them, or passed by.
    pub fn lost(&self) -> u64 {
        // SAFETY: see `latest`.
        unsafe { sys::zinc_reader_lost(self.reader) }
    }

    /// The number of the message that it wants next.
    pub fn next_number(&self) -> u64 {
        // SAFETY: see `latest`.
        unsafe { sys::zinc_reader_next(self.reader) }
    }

    /// A descriptor for poll(2) and event loops: readable once something may have come.
    ///
    /// # Errors
    /// As [`SharedRegion::event_descriptor`].
    pub fn event_descriptor(&self) -> Result<BorrowedFd<'_>> {
        self.region.event_descriptor()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: messages borrow the reader, so none is left; the region is closed after it.
        unsafe { sys::zinc_reader_end(self.reader) }
    }
}

/// A message, where it lies in shared memory. Given back when it is dropped, in whatever thread.
pub struct Message<'a> {
    reader: &'a Reader,
    message: sys::Message,
}

// SAFETY: its bytes stay as they are, and any thread may give it back.
unsafe impl Send for Message<'_> {}
// SAFETY: as above.
unsafe impl Sync for Message<'_> {}

impl Message<'_> {
    /// Its number, from 1, without gaps.
    pub fn number(&self) -> u64 {
        self.message.head.number
    }

    /// What its writer said.
    pub fn tag(&self) -> u64 {
        self.message.head.tag
    }

    /// When it was published, as its writer said.
    pub fn time(&self) -> SystemTime {
        time::since_1970(self.message.head.time)
    }
}

impl Deref for Message<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are there, and nobody writes them until the message is given back.
        unsafe { slice::from_raw_parts(self.message.data.cast(), self.message.head.length as usize) }
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("number", &self.number()).field("length", &self.len()).finish()
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // SAFETY: the reader is valid as long as its messages.
        unsafe { sys::zinc_reader_release(self.reader.reader, &self.message) }
    }
}
