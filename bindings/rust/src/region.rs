use crate::error::{EINVAL, Error, Result, check, check_wait};
use crate::lock::{self, LockGuard};
use crate::{sys, time::wait_options};
use std::ffi::{CStr, CString, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU8;
use std::time::Duration;
use std::{fmt, slice};

/// The longest name of a region, in bytes. Names match `[A-Za-z0-9_-]+`.
pub const MAX_NAME_LEN: usize = 250;

/// Memory with a name that several processes share.
///
/// Any number of threads use a value at once. It detaches when it is dropped; if it was the last user,
/// of all processes, the region is gone then. A process that is killed is no user any more.
///
/// ```
/// use std::sync::atomic::Ordering::Relaxed;
/// use zinc::SharedRegion;
/// # let name = &format!("doc-region-{}", std::process::id());
///
/// let region = SharedRegion::create(name, 4096)?;
/// let other = SharedRegion::open(name)?; // in another process, as a rule
/// region.bytes()[0].store(42, Relaxed);
/// region.notify()?; // orders memory: what was written before is seen after the wait
/// assert!(other.wait(None)?);
/// assert_eq!(other.bytes()[0].load(Relaxed), 42);
/// # Ok::<(), zinc::Error>(())
/// ```
pub struct SharedRegion {
    handle: NonNull<c_void>,
}

// SAFETY: the library says that any number of threads may use a handle at once, but for its end, and
// that is `drop`, which has the value for itself.
unsafe impl Send for SharedRegion {}
// SAFETY: as above.
unsafe impl Sync for SharedRegion {}

/// How to create, open or attach; what is not said is as [`SharedRegion::create`] and
/// [`SharedRegion::open`] do it.
///
/// ```
/// use zinc::RegionOptions;
/// # let name = &format!("doc-options-{}", std::process::id());
///
/// let options = RegionOptions::new().kind(1000).metadata(b"of mine").contents(b"hello");
/// let region = options.create(name, 4096)?;
/// let other = RegionOptions::new().readonly(true).open(name, None)?;
/// let mut bytes = [0; 5];
/// other.read_at(0, &mut bytes);
/// assert_eq!((&bytes, other.metadata().as_slice()), (b"hello", b"of mine".as_slice()));
/// # Ok::<(), zinc::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RegionOptions<'a> {
    flags: u32,
    mode: u32,
    kind: u32,
    metadata: &'a [u8],
    contents: &'a [u8],
}

impl<'a> RegionOptions<'a> {
    /// Options that say nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Create: the region lasts until it is unlinked, or the machine restarts.
    pub fn persistent(self, yes: bool) -> Self {
        self.flag(sys::PERSISTENT, yes)
    }

    /// Create: reserve no memory. A page that can't be had later is a SIGBUS for whoever touches it.
    pub fn sparse(self, yes: bool) -> Self {
        self.flag(sys::SPARSE, yes)
    }

    /// Create: a region that has the name loses it; who is attached goes on with what they have.
    pub fn replace(self, yes: bool) -> Self {
        self.flag(sys::REPLACE, yes)
    }

    /// Open: the data can't be written through this value.
    pub fn readonly(self, yes: bool) -> Self {
        self.flag(sys::READONLY, yes)
    }

    /// Open: the region may belong to another user.
    pub fn any_user(self, yes: bool) -> Self {
        self.flag(sys::ANY_USER, yes)
    }

    /// Map huge pages where the system has them.
    pub fn huge_pages(self, yes: bool) -> Self {
        self.flag(sys::HUGEPAGES, yes)
    }

    /// Touch all pages in the call, so that nobody waits for them later.
    pub fn prefault(self, yes: bool) -> Self {
        self.flag(sys::PREFAULT, yes)
    }

    /// Create: permissions, which include 0o600, as they are without.
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// Create: what the data is. 0 is raw; numbers from 1000 on are yours.
    pub fn kind(self, kind: u32) -> Self {
        Self { kind, ..self }
    }

    /// Create: at most 2048 bytes that the region keeps beside its data.
    pub fn metadata(self, metadata: &'a [u8]) -> Self {
        Self { metadata, ..self }
    }

    /// Create: what the data begins with, complete before anybody can open the region.
    pub fn contents(self, contents: &'a [u8]) -> Self {
        Self { contents, ..self }
    }

    /// Creates a region of `capacity` bytes, from 1 on.
    ///
    /// # Errors
    /// `AlreadyExists` if a living region has the name; `InvalidInput` for a name, size or option that
    /// can't be; `StorageFull` where the memory is not there; others as the system gave them.
    pub fn create(&self, name: &str, capacity: usize) -> Result<SharedRegion> {
        let (name, options) = (c_name(name)?, self.raw());
        // SAFETY: all that the call reads outlives it.
        attach(|out| unsafe { sys::zinc_region_create(name.as_ptr(), capacity, &options, out) })
    }

    /// Attaches to the region of this name; waits for it to be there, `None` for ever.
    ///
    /// # Errors
    /// `NotFound` if it did not come in time; `PermissionDenied` if its owner or mode forbids it; code
    /// 74 (EBADMSG) if what has the name is no region, or a damaged one.
    pub fn open(&self, name: &str, timeout: impl Into<Option<Duration>>) -> Result<SharedRegion> {
        let (name, options) = (c_name(name)?, self.raw());
        let wait = wait_options(timeout.into(), 0);
        // SAFETY: all that the call reads outlives it.
        attach(|out| unsafe { sys::zinc_region_await(name.as_ptr(), &options, &wait, out) })
    }

    /// Opens the region of this name, or creates it: of several that call this at once one creates.
    ///
    /// # Errors
    /// `AlreadyExists` if it exists with another capacity; else as `create` and `open`.
    pub fn open_or_create(&self, name: &str, capacity: usize) -> Result<SharedRegion> {
        let (name, options) = (c_name(name)?, self.raw());
        // SAFETY: all that the call reads outlives it.
        attach(|out| unsafe { sys::zinc_region_open_or_create(name.as_ptr(), capacity, &options, out) })
    }

    /// Creates a region without a name, which goes with its last descriptor and user.
    ///
    /// # Errors
    /// As `create`.
    pub fn anonymous(&self, capacity: usize) -> Result<SharedRegion> {
        let options = self.raw();
        // SAFETY: all that the call reads outlives it.
        attach(|out| unsafe { sys::zinc_region_create_anonymous(capacity, &options, out) })
    }

    /// Attaches to an anonymous region by its descriptor, which stays the caller's.
    ///
    /// # Errors
    /// Code 74 (EBADMSG) if it is not that of such a region.
    pub fn from_descriptor(&self, descriptor: BorrowedFd<'_>) -> Result<SharedRegion> {
        let options = self.raw();
        let number = descriptor.as_raw_fd();
        // SAFETY: all that the call reads outlives it.
        attach(|out| unsafe { sys::zinc_region_open_descriptor(number, &options, out) })
    }

    fn flag(self, flag: u32, yes: bool) -> Self {
        let flags = if yes { self.flags | flag } else { self.flags & !flag };
        Self { flags, ..self }
    }

    pub(crate) fn raw(&self) -> sys::Options {
        let pointer =
            |bytes: &[u8]| if bytes.is_empty() { null_mut() } else { bytes.as_ptr().cast_mut().cast() };
        sys::Options {
            size: size_of::<sys::Options>(),
            flags: self.flags,
            mode: self.mode,
            metadata: pointer(self.metadata),
            metadata_length: self.metadata.len(),
            kind: self.kind,
            group: 0,
            contents: pointer(self.contents),
            contents_length: self.contents.len(),
            pieces: null_mut(),
            piece_count: 0,
        }
    }
}

/// A name for C. A NUL in it is an error, as any character is that a name can't have.
pub(crate) fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::new(EINVAL, format!("a name can't have a NUL in it: {name:?}")))
}

/// Calls what makes a handle.
pub(crate) fn attach(call: impl FnOnce(*mut sys::Handle) -> i32) -> Result<SharedRegion> {
    let mut handle = null_mut();
    check(call(&mut handle))?;
    let handle = NonNull::new(handle).expect("a success sets the handle");
    Ok(SharedRegion { handle })
}

impl SharedRegion {
    /// Creates a region of `capacity` bytes, zeroed, for this user alone. See [`RegionOptions::create`].
    ///
    /// # Errors
    /// As [`RegionOptions::create`].
    pub fn create(name: &str, capacity: usize) -> Result<Self> {
        RegionOptions::new().create(name, capacity)
    }

    /// Attaches to the living region of this name.
    ///
    /// # Errors
    /// As [`RegionOptions::open`].
    pub fn open(name: &str) -> Result<Self> {
        RegionOptions::new().open(name, Duration::ZERO)
    }

    /// Opens the region of this name, or creates it.
    ///
    /// # Errors
    /// As [`RegionOptions::open_or_create`].
    pub fn open_or_create(name: &str, capacity: usize) -> Result<Self> {
        RegionOptions::new().open_or_create(name, capacity)
    }

    /// Creates a region without a name. It travels as [`descriptor`](Self::descriptor): through a Unix
    /// socket, or inherited.
    ///
    /// # Errors
    /// As [`RegionOptions::create`].
    pub fn anonymous(capacity: usize) -> Result<Self> {
        RegionOptions::new().anonymous(capacity)
    }

    /// Attaches to an anonymous region.
    ///
    /// # Errors
    /// As [`RegionOptions::from_descriptor`].
    pub fn from_descriptor(descriptor: BorrowedFd<'_>) -> Result<Self> {
        RegionOptions::new().from_descriptor(descriptor)
    }

    /// The first byte of the data, page-aligned; valid as long as this value.
    pub fn as_ptr(&self) -> *mut u8 {
        // SAFETY: the handle is valid until `drop`, here and in what follows.
        unsafe { sys::zinc_ptr(self.raw()) }
    }

    /// The size of the data in bytes.
    pub fn capacity(&self) -> usize {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_capacity(self.raw()) }
    }

    /// The data, where it lies. Others may write it meanwhile, hence atomics; `Relaxed` is enough for
    /// what [`notify`](Self::notify) and [`wait`](Self::wait) order.
    ///
    /// # Panics
    /// If the region was opened read-only: a store would be a SIGSEGV. [`read_at`](Self::read_at) and
    /// [`as_slice`](Self::as_slice) are for that one.
    pub fn bytes(&self) -> &[AtomicU8] {
        assert!(!self.is_readonly(), "a region that was opened read-only has no bytes that can be written");
        // SAFETY: so many bytes are mapped, readable and writable, as long as the value lives.
        unsafe { slice::from_raw_parts(self.as_ptr().cast(), self.capacity()) }
    }

    /// The data as plain bytes.
    ///
    /// # Safety
    /// Nobody writes them as long as the slice lives, in this process or another: it is for their users
    /// to agree on that, by a lock or by whose turn it is.
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped and readable; the rest is the caller's word.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.capacity()) }
    }

    /// The data as plain bytes, to be written.
    ///
    /// # Safety
    /// Nobody reads or writes them but through this slice as long as it lives, in this process or
    /// another, and the region was not opened read-only.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn as_mut_slice(&self) -> &mut [u8] {
        // SAFETY: so many bytes are mapped; the rest is the caller's word.
        unsafe { slice::from_raw_parts_mut(self.as_ptr(), self.capacity()) }
    }

    /// Copies bytes out, from `offset` on: as many as there are. What others write meanwhile may come
    /// half.
    ///
    /// # Returns
    /// How many were copied.
    pub fn read_at(&self, offset: usize, into: &mut [u8]) -> usize {
        let count = into.len().min(self.capacity().saturating_sub(offset));
        for (i, byte) in into[..count].iter_mut().enumerate() {
            // SAFETY: the byte is within the data. Atomic, since others may write; a load of one byte
            // writes nothing, so the page may be read-only.
            *byte = unsafe { AtomicU8::from_ptr(self.as_ptr().add(offset + i)) }
                .load(std::sync::atomic::Ordering::Relaxed);
        }
        count
    }

    /// Copies bytes in, from `offset` on: as many as there is room for.
    ///
    /// # Returns
    /// How many were copied; 0 if the region was opened read-only.
    pub fn write_at(&self, offset: usize, from: &[u8]) -> usize {
        if self.is_readonly() {
            return 0;
        }
        let count = from.len().min(self.capacity().saturating_sub(offset));
        for (byte, value) in self.bytes().iter().skip(offset).zip(&from[..count]) {
            byte.store(*value, std::sync::atomic::Ordering::Relaxed);
        }
        count
    }

    /// Says that there is something new: adds one to the sequence, which it returns, and wakes who waits.
    /// What this thread wrote before is seen by whoever returns from a wait because of it.
    ///
    /// # Errors
    /// `PermissionDenied` if this user may only read the region: nobody was told.
    pub fn notify(&self) -> Result<u32> {
        let mut sequence = 0;
        // SAFETY: see `as_ptr`.
        match unsafe { sys::zinc_region_notify(self.raw(), &mut sequence) } {
            0 => Ok(sequence),
            status => Err(Error::new(
                -status,
                format!("notify {:?}: this user may only read the region", self.name()),
            )),
        }
    }

    /// Waits until there is something that this value has not seen; `None` waits for ever, and zero only
    /// looks. Several notifications may be seen as one.
    ///
    /// # Returns
    /// Whether there was, in time.
    ///
    /// # Errors
    /// Code 125 (ECANCELED) after [`stop`](Self::stop).
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<bool> {
        let options = wait_options(timeout.into(), 0);
        // SAFETY: see `as_ptr`.
        check_wait(unsafe { sys::zinc_region_wait(self.raw(), &options) })
    }

    /// Waits until the sequence is not `sequence`, and leaves alone what this value has seen: for an
    /// answer to what [`notify`](Self::notify) returned.
    ///
    /// # Errors
    /// As `wait`.
    pub fn wait_after(&self, sequence: u32, timeout: impl Into<Option<Duration>>) -> Result<bool> {
        let mut options = wait_options(timeout.into(), sys::WAIT_AFTER);
        options.after = sequence;
        // SAFETY: see `as_ptr`.
        check_wait(unsafe { sys::zinc_region_wait(self.raw(), &options) })
    }

    /// Whether there was something new, which is seen now. Never sleeps.
    pub fn try_wait(&self) -> bool {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_try_wait(self.raw()) == 0 }
    }

    /// How many notifications there were, modulo 2^32.
    pub fn sequence(&self) -> u32 {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_sequence(self.raw()) }
    }

    /// Ends the waits of other threads on this value, and those that begin later, with code 125.
    pub fn stop(&self) {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_stop(self.raw()) }
    }

    /// A descriptor for poll(2) and event loops: readable while [`try_wait`](Self::try_wait) would be
    /// true. Nobody need read it.
    ///
    /// # Errors
    /// Those of eventfd(2), or of the thread that sleeps for all of them.
    pub fn event_descriptor(&self) -> Result<BorrowedFd<'_>> {
        // SAFETY: see `as_ptr`.
        self.borrow(unsafe { sys::zinc_region_event_descriptor(self.raw()) })
    }

    /// The descriptor of an anonymous region, to be handed on.
    ///
    /// # Errors
    /// `InvalidInput` for a region with a name.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        // SAFETY: see `as_ptr`.
        let number = unsafe { sys::zinc_region_descriptor(self.raw()) };
        if number < 0 {
            let message = format!("{:?} has a name, and no descriptor: open it by that", self.name());
            return Err(Error::new(-number, message));
        }
        self.borrow(number)
    }

    fn borrow(&self, number: i32) -> Result<BorrowedFd<'_>> {
        let number = check(number)?;
        // SAFETY: the library keeps it open as long as the handle.
        Ok(unsafe { BorrowedFd::borrow_raw(number) })
    }

    /// Acquires the lock that each region has beside its data: see [`crate::Lock::acquire`].
    ///
    /// # Errors
    /// As [`crate::Lock::acquire`].
    pub fn lock(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<LockGuard<'_>>> {
        lock::acquire(self, sys::OWN_LOCK, timeout.into(), 0)
    }

    /// Acquires a lock inside the data: 16 bytes at a multiple of 8, zeros at first, that nobody else
    /// writes.
    ///
    /// # Errors
    /// `InvalidInput` for an offset that can't be; else as [`crate::Lock::acquire`].
    pub fn lock_at(
        &self,
        offset: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<LockGuard<'_>>> {
        lock::acquire(self, offset, timeout.into(), 0)
    }

    /// The name, `""` for an anonymous region.
    pub fn name(&self) -> &str {
        // SAFETY: it is a C string that is valid as long as the handle, and names are ASCII.
        unsafe { CStr::from_ptr(sys::zinc_region_name(self.raw())) }.to_str().unwrap_or("")
    }

    /// The bytes that the region's creator gave it to keep: a copy. Who may write the region can change
    /// them: check what you read.
    pub fn metadata(&self) -> Vec<u8> {
        let mut length = 0;
        // SAFETY: so many bytes are valid as long as the handle.
        unsafe {
            let start = sys::zinc_region_metadata(self.raw(), &mut length);
            if length == 0 { vec![] } else { slice::from_raw_parts(start.cast(), length).to_vec() }
        }
    }

    /// What the data is: 0 is raw.
    pub fn kind(&self) -> u32 {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_kind(self.raw()) }
    }

    /// A random number that tells two regions of one name apart.
    pub fn id(&self) -> u64 {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_id(self.raw()) }
    }

    /// Whether the data can't be written through this value.
    pub fn is_readonly(&self) -> bool {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_is_readonly(self.raw()) == 1 }
    }

    /// Whether this value created the region, or attached to one that was there.
    pub fn is_created(&self) -> bool {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_is_created(self.raw()) == 1 }
    }

    /// Whether the name still leads to this region. One system call.
    pub fn is_linked(&self) -> bool {
        // SAFETY: see `as_ptr`.
        unsafe { sys::zinc_region_is_linked(self.raw()) == 1 }
    }

    /// Whether nobody else is attached, of this process or another.
    ///
    /// # Errors
    /// `InvalidInput` for an anonymous region, of whose users there is no record.
    pub fn is_alone(&self) -> Result<bool> {
        // SAFETY: see `as_ptr`.
        Ok(check(unsafe { sys::zinc_region_is_alone(self.raw()) })? == 1)
    }

    /// Removes the name, if it still leads to this region; who is attached goes on.
    ///
    /// # Errors
    /// `NotFound` if it leads elsewhere, or nowhere; `InvalidInput` for an anonymous region.
    pub fn unlink(&self) -> Result<()> {
        // SAFETY: see `as_ptr`.
        check(unsafe { sys::zinc_region_remove(self.raw()) }).map(drop)
    }

    pub(crate) fn raw(&self) -> sys::Handle {
        self.handle.as_ptr()
    }
}

impl Drop for SharedRegion {
    fn drop(&mut self) {
        // SAFETY: nobody has the value any more, and so neither a wait nor a borrow of the data.
        unsafe { sys::zinc_close(self.raw()) }
    }
}

impl fmt::Debug for SharedRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRegion")
            .field("name", &self.name())
            .field("capacity", &self.capacity())
            .finish()
    }
}

/// Waits until at least one of the regions has something new, which it sees; `None` waits for ever.
///
/// ```
/// use std::time::Duration;
/// use zinc::SharedRegion;
///
/// let (left, right) = (SharedRegion::anonymous(1)?, SharedRegion::anonymous(1)?);
/// right.notify()?;
/// assert_eq!(zinc::wait_any(&[&left, &right], None)?, [1]);
/// assert!(zinc::wait_any(&[&left, &right], Duration::from_millis(1))?.is_empty());
/// # Ok::<(), zinc::Error>(())
/// ```
///
/// # Returns
/// The indices of those with something new; none if nothing came in time.
///
/// # Errors
/// `InvalidInput` for no region; code 125 (ECANCELED) after [`SharedRegion::stop`] of one.
pub fn wait_any(regions: &[&SharedRegion], timeout: impl Into<Option<Duration>>) -> Result<Vec<usize>> {
    if regions.is_empty() {
        return Err(Error::new(EINVAL, "wait_any: there is no region to wait for"));
    }
    let mut items: Vec<_> =
        regions.iter().map(|r| sys::WaitItem { handle: r.raw(), after: 0, is_new: 0 }).collect();
    let options = wait_options(timeout.into(), 0);
    // SAFETY: so many items are there, and their handles outlive the call.
    check_wait(unsafe { sys::zinc_wait_any(items.as_mut_ptr(), items.len(), &options) })?;
    Ok((0..items.len()).filter(|&i| items[i].is_new == 1).collect())
}

/// Removes a region's name, whoever is attached; they go on with what they have.
///
/// # Errors
/// `NotFound` if there is none; code 74 (EBADMSG) if what has its place is no region, unless `force`.
pub fn unlink(name: &str, force: bool) -> Result<()> {
    let name = c_name(name)?;
    let flags = if force { sys::FORCE } else { 0 };
    // SAFETY: the name outlives the call.
    check(unsafe { sys::zinc_region_unlink(name.as_ptr(), flags) }).map(drop)
}

/// Removes every region whose last user was killed, as far as this user may: how many bytes that freed.
pub fn reclaim() -> u64 {
    // SAFETY: no function is called, so none needs a context.
    unsafe { sys::zinc_reclaim(None, null_mut()) }
}
