use crate::error::{ETIMEDOUT, Result, check, check_wait};
use crate::region::{attach, c_name};
use crate::{RegionOptions, SharedRegion, sys, time::wait_options};
use std::time::Duration;

/// A lock by name, for all processes of a machine, which a holder that is killed does not take along.
///
/// The holder is the value: threads that share one exclude each other, too, and a thread that acquires
/// what it holds already waits for ever.
///
/// ```
/// use std::time::Duration;
/// use zinc::Lock;
/// # let name = &format!("doc-lock-{}", std::process::id());
///
/// let lock = Lock::open(name)?;
/// {
///     let guard = lock.acquire(None)?;
///     assert!(guard.is_some());
///     assert!(Lock::open(name)?.acquire(Duration::from_millis(1))?.is_none());
/// } // released
/// assert!(Lock::open(name)?.acquire(Duration::ZERO)?.is_some());
/// # Ok::<(), zinc::Error>(())
/// ```
#[derive(Debug)]
pub struct Lock {
    region: SharedRegion,
}

impl Lock {
    /// Opens the lock of this name, or creates it.
    ///
    /// # Errors
    /// `AlreadyExists` if something else has the name; else as [`RegionOptions::open_or_create`].
    pub fn open(name: &str) -> Result<Lock> {
        let (name, options) = (c_name(name)?, RegionOptions::new().raw());
        // SAFETY: all that the call reads outlives it.
        let region = attach(|out| unsafe { sys::zinc_lock_open(name.as_ptr(), &options, out) })?;
        Ok(Lock { region })
    }

    /// Acquires the lock; `None` waits for ever, and zero only looks. It is released when the guard is
    /// dropped; if that is by a panic, it is abandoned, so that the next one is told.
    ///
    /// # Returns
    /// `None` if somebody else still held it then.
    ///
    /// # Errors
    /// [`is_owner_died`](crate::Error::is_owner_died) if its last holder was killed: then nobody holds it
    /// until one calls [`recover`](Self::recover). `PermissionDenied` where this user may only read; code
    /// 87 (EUSERS) when all 120 seats are taken.
    pub fn acquire(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<LockGuard<'_>>> {
        acquire(&self.region, sys::OWN_LOCK, timeout.into(), 0)
    }

    /// Acquires the lock from a dead holder, too: then [`LockGuard::owner_died`] says so, and what the
    /// lock guards is to be repaired before the guard is dropped, or abandoned.
    ///
    /// # Errors
    /// As `acquire`, but for that one.
    pub fn recover(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<LockGuard<'_>>> {
        acquire(&self.region, sys::OWN_LOCK, timeout.into(), sys::WAIT_RECOVER)
    }

    /// The lock as a region.
    pub fn region(&self) -> &SharedRegion {
        &self.region
    }
}

pub(crate) fn acquire(
    region: &SharedRegion,
    offset: usize,
    timeout: Option<Duration>,
    flags: u32,
) -> Result<Option<LockGuard<'_>>> {
    let wait = wait_options(timeout, flags);
    // SAFETY: the handle is valid as long as the region.
    let status = unsafe { sys::zinc_lock_acquire(region.raw(), offset, &wait) };
    if status == -ETIMEDOUT {
        return Ok(None);
    }
    let owner_died = check(status)? == sys::OWNER_DIED as i32;
    Ok(Some(LockGuard { region, offset, owner_died }))
}

/// A lock that is held, and released when this is dropped. Any thread may do that.
#[must_use = "the lock is released when this is dropped"]
#[derive(Debug)]
pub struct LockGuard<'a> {
    region: &'a SharedRegion,
    offset: usize,
    owner_died: bool,
}

impl LockGuard<'_> {
    /// Whether the last holder died with the lock, and nobody has said since that it is repaired.
    pub fn owner_died(&self) -> bool {
        self.owner_died
    }

    /// Says that what a dead holder left is repaired, and keeps the lock.
    ///
    /// # Errors
    /// `PermissionDenied` if the lock is not held: in a forked child.
    pub fn repaired(&mut self) -> Result<()> {
        // SAFETY: the handle is valid as long as the region.
        check(unsafe { sys::zinc_lock_repaired(self.region.raw(), self.offset) })?;
        self.owner_died = false;
        Ok(())
    }

    /// Releases the lock without a repair: the next one is told that its holder died.
    ///
    /// # Errors
    /// As `repaired`.
    pub fn abandon(self) -> Result<()> {
        let (handle, offset) = (self.region.raw(), self.offset);
        std::mem::forget(self); // another thread may have the lock by the end of this
        // SAFETY: the handle is valid as long as the region.
        check(unsafe { sys::zinc_lock_abandon(handle, offset) }).map(drop)
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        let (handle, offset) = (self.region.raw(), self.offset);
        // SAFETY: the handle is valid as long as the region.
        unsafe {
            if std::thread::panicking() {
                sys::zinc_lock_abandon(handle, offset);
            } else {
                sys::zinc_lock_release(handle, offset);
            }
        }
    }
}

/// A lock by name for one writer or many readers.
///
/// ```
/// use std::time::Duration;
/// use zinc::RwLock;
/// # let name = &format!("doc-rwlock-{}", std::process::id());
///
/// let (lock, other) = (RwLock::open(name)?, RwLock::open(name)?);
/// let (one, two) = (lock.read(None)?, other.read(None)?);
/// assert!(one.is_some() && two.is_some());
/// drop(two);
/// assert!(other.write(Duration::ZERO)?.is_none());
/// drop(one);
/// assert!(other.write(Duration::ZERO)?.is_some());
/// # Ok::<(), zinc::Error>(())
/// ```
#[derive(Debug)]
pub struct RwLock {
    region: SharedRegion,
}

impl RwLock {
    /// Opens the lock of this name, or creates it.
    ///
    /// # Errors
    /// As [`Lock::open`].
    pub fn open(name: &str) -> Result<RwLock> {
        let (name, options) = (c_name(name)?, RegionOptions::new().raw());
        // SAFETY: all that the call reads outlives it.
        let region =
            attach(|out| unsafe { sys::zinc_primitive_open(name.as_ptr(), sys::RWLOCK, 0, &options, out) })?;
        Ok(RwLock { region })
    }

    /// Begins to read, with any number of others; who wants to write goes first.
    ///
    /// # Returns
    /// `None` if somebody still wrote then.
    ///
    /// # Errors
    /// [`is_owner_died`](crate::Error::is_owner_died) where a writer was killed: nobody reads what is half
    /// written. Else as [`Lock::acquire`].
    pub fn read(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<ReadGuard<'_>>> {
        let wait = wait_options(timeout.into(), 0);
        // SAFETY: the handle is valid as long as the region.
        let status = unsafe { sys::zinc_rwlock_acquire_read(self.region.raw(), sys::OWN_LOCK, &wait) };
        Ok(check_wait(status)?.then_some(ReadGuard { lock: self }))
    }

    /// Begins to write, alone.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub fn write(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<WriteGuard<'_>>> {
        self.begin(timeout.into(), 0)
    }

    /// Begins to write, where a writer was killed, too: then [`WriteGuard::owner_died`] says so.
    ///
    /// # Errors
    /// As [`Lock::recover`].
    pub fn recover(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<WriteGuard<'_>>> {
        self.begin(timeout.into(), sys::WAIT_RECOVER)
    }

    fn begin(&self, timeout: Option<Duration>, flags: u32) -> Result<Option<WriteGuard<'_>>> {
        let wait = wait_options(timeout, flags);
        // SAFETY: the handle is valid as long as the region.
        let status = unsafe { sys::zinc_rwlock_acquire_write(self.region.raw(), sys::OWN_LOCK, &wait) };
        if status == -ETIMEDOUT {
            return Ok(None);
        }
        let owner_died = check(status)? == sys::OWNER_DIED as i32;
        Ok(Some(WriteGuard { lock: self, owner_died }))
    }
}

/// Reads as long as it lives.
#[must_use = "the lock is released when this is dropped"]
#[derive(Debug)]
pub struct ReadGuard<'a> {
    lock: &'a RwLock,
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is valid as long as the lock.
        unsafe { sys::zinc_rwlock_release_read(self.lock.region.raw(), sys::OWN_LOCK) };
    }
}

/// Writes as long as it lives. Dropped by a panic it is abandoned: the next one is told.
#[must_use = "the lock is released when this is dropped"]
#[derive(Debug)]
pub struct WriteGuard<'a> {
    lock: &'a RwLock,
    owner_died: bool,
}

impl WriteGuard<'_> {
    /// Whether the last writer died with the lock.
    pub fn owner_died(&self) -> bool {
        self.owner_died
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        let handle = self.lock.region.raw();
        // SAFETY: the handle is valid as long as the lock.
        unsafe {
            if std::thread::panicking() {
                sys::zinc_rwlock_abandon_write(handle, sys::OWN_LOCK);
            } else {
                sys::zinc_rwlock_release_write(handle, sys::OWN_LOCK);
            }
        }
    }
}
