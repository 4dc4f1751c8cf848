use crate::error::{EINVAL, Result, check, check_found};
use crate::region::{attach, c_name};
use crate::{Error, RegionOptions, SharedRegion, sys, time};
use std::ffi::c_void;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime};

/// What is done with an object that finds no room in a [`Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Those that nobody has used for longest, has open or has pinned make way.
    Evict,
    /// Whoever makes it waits until others have removed some.
    Wait,
    /// It is an error, of kind `StorageFull`.
    Error,
}

impl Full {
    fn raw(self) -> u32 {
        match self {
            Full::Evict => sys::STORE_EVICT,
            Full::Wait => sys::STORE_WAIT,
            Full::Error => sys::STORE_ERROR,
        }
    }
}

/// Bytes by key, for all processes of a machine, without a server.
///
/// Any number of threads may use a value at once. A key is 0 to 176 bytes, whatever they are. The store
/// goes with its last user; who has an [`Object`] keeps it, whatever becomes of its key.
///
/// ```
/// use std::time::Duration;
/// use zinc::{Full, Store};
/// # let name = &format!("doc-store-{}", std::process::id());
///
/// let store = Store::open_or_create(name, 1 << 20, Full::Evict)?;
/// store.put("user 7", b"seven")?;
/// let object = Store::open(name)?.get("user 7", None)?.expect("it is there"); // from any process
/// assert_eq!(&*object, b"seven");
/// assert!(store.get("user 8", Duration::from_millis(1))?.is_none()); // nobody has put it in time
/// assert!(store.delete("user 7")?);
/// assert_eq!(&*object, b"seven"); // who has it keeps it
/// # Ok::<(), zinc::Error>(())
/// ```
#[derive(Debug)]
pub struct Store {
    region: SharedRegion,
}

/// What can be told of an object, without using it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    /// Its key.
    pub key: Vec<u8>,
    /// Bytes of data.
    pub capacity: u64,
    /// Bytes that it takes of the store's capacity.
    pub memory: u64,
    /// What the data is, as [`SharedRegion::kind`].
    pub kind: u32,
    /// Whether it is kept from being evicted.
    pub is_pinned: bool,
    /// When it was put.
    pub created_at: SystemTime,
}

/// What can be told of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // numbers whose names say what they count
pub struct StoreInfo {
    /// Bytes that its objects may take, and take.
    pub capacity: u64,
    pub used: u64,
    pub objects: u64,
    pub puts: u64,
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    pub removals: u64,
}

fn parts(key: &[u8]) -> (*const c_void, usize) {
    (key.as_ptr().cast(), key.len())
}

impl Store {
    /// Creates a store whose objects may take `capacity` bytes, their headers and whole pages among them.
    /// The name has at most 233 bytes.
    ///
    /// # Errors
    /// As [`RegionOptions::create`].
    pub fn create(name: &str, capacity: u64, full: Full) -> Result<Self> {
        let (name, options) = (c_name(name)?, RegionOptions::new().raw());
        // SAFETY: all that the call reads outlives it.
        let region = attach(|out| unsafe {
            sys::zinc_store_create(name.as_ptr(), capacity, full.raw(), &options, out)
        })?;
        Ok(Self { region })
    }

    /// Opens the store of this name, or creates it.
    ///
    /// # Errors
    /// `AlreadyExists` if it is there with another capacity or another `full`, or is no store; else as
    /// `create`.
    pub fn open_or_create(name: &str, capacity: u64, full: Full) -> Result<Self> {
        let (name, options) = (c_name(name)?, RegionOptions::new().raw());
        // SAFETY: all that the call reads outlives it.
        let region = attach(|out| unsafe {
            sys::zinc_store_open_or_create(name.as_ptr(), capacity, full.raw(), &options, out)
        })?;
        Ok(Self { region })
    }

    /// Opens the store of this name.
    ///
    /// # Errors
    /// `NotFound` if there is none; code 74 (EBADMSG) if the name is that of something else.
    pub fn open(name: &str) -> Result<Self> {
        let (name, options) = (c_name(name)?, RegionOptions::new().raw());
        // SAFETY: all that the call reads outlives it.
        let region = attach(|out| unsafe { sys::zinc_store_open(name.as_ptr(), &options, out) })?;
        Ok(Self { region })
    }

    /// Puts bytes under a key, with one copy; what has the key makes way. Where the store is full and
    /// waits, it does so for ever: [`build`](Self::build) has a timeout.
    ///
    /// # Errors
    /// `StorageFull` if there is no room; `InvalidInput` for a key that is too long, or no bytes.
    pub fn put(&self, key: impl AsRef<[u8]>, bytes: &[u8]) -> Result<()> {
        self.put_with(key.as_ref(), bytes, true)
    }

    /// The same, if the key is not there.
    ///
    /// # Errors
    /// `AlreadyExists` if it is; else as `put`.
    pub fn insert(&self, key: impl AsRef<[u8]>, bytes: &[u8]) -> Result<()> {
        self.put_with(key.as_ref(), bytes, false)
    }

    fn put_with(&self, key: &[u8], bytes: &[u8], replace: bool) -> Result<()> {
        let options = RegionOptions::new().contents(bytes);
        self.begin(key, bytes.len(), replace, None, &options)?.seal()
    }

    /// Makes an object of so many bytes, to be filled in place and sealed. `replace` says whether what
    /// has the key makes way; where the store is full and waits, it does so within `timeout`.
    ///
    /// # Errors
    /// `StorageFull` if there is no room in time; `AlreadyExists` without `replace`.
    pub fn build(
        &self,
        key: impl AsRef<[u8]>,
        capacity: usize,
        replace: bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Building<'_>> {
        self.begin(key.as_ref(), capacity, replace, timeout.into(), &RegionOptions::new())
    }

    fn begin(
        &self,
        key: &[u8],
        capacity: usize,
        replace: bool,
        timeout: Option<Duration>,
        options: &RegionOptions<'_>,
    ) -> Result<Building<'_>> {
        if capacity == 0 {
            return Err(Error::new(EINVAL, "an object of a store has at least one byte"));
        }
        let flags = if replace { sys::STORE_REPLACE } else { 0 };
        let (start, length) = parts(key);
        let (options, wait) = (options.raw(), time::wait_options(timeout, 0));
        // SAFETY: all that the call reads outlives it, and the handle is valid as long as this value, here
        // and in what follows.
        let object = attach(|out| unsafe {
            sys::zinc_store_begin(self.region.raw(), start, length, capacity, flags, &options, &wait, out)
        })?;
        Ok(Building { store: self, object, flags, is_over: false })
    }

    /// The object of a key, to be read where it lies. Waits for it to be there; `None` is for ever, and
    /// zero only looks.
    ///
    /// # Returns
    /// `None` if it was not there in time.
    ///
    /// # Errors
    /// `InvalidInput` for a key that is too long; code 16 (EBUSY) if somebody who was stopped holds the
    /// store up.
    pub fn get(&self, key: impl AsRef<[u8]>, timeout: impl Into<Option<Duration>>) -> Result<Option<Object>> {
        let ((start, length), wait) = (parts(key.as_ref()), time::wait_options(timeout.into(), 0));
        // SAFETY: see `begin`.
        found(|out| unsafe { sys::zinc_store_get(self.region.raw(), start, length, &wait, out) })
    }

    /// The same, and takes the key from it: of several that do so at once one has it.
    ///
    /// # Errors
    /// As `get`.
    pub fn take(&self, key: impl AsRef<[u8]>) -> Result<Option<Object>> {
        let (start, length) = parts(key.as_ref());
        // SAFETY: see `begin`.
        found(|out| unsafe { sys::zinc_store_take(self.region.raw(), start, length, out) })
    }

    /// Takes the key from its object, which goes with its last reader.
    ///
    /// # Returns
    /// Whether it was there.
    ///
    /// # Errors
    /// As `get`.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let (start, length) = parts(key.as_ref());
        // SAFETY: see `begin`.
        check_found(unsafe { sys::zinc_store_remove(self.region.raw(), start, length) })
    }

    /// Keeps the object of a key, and those that replace it, from being evicted, or does so no more.
    ///
    /// # Returns
    /// Whether it was there.
    ///
    /// # Errors
    /// As `get`.
    pub fn pin(&self, key: impl AsRef<[u8]>, pinned: bool) -> Result<bool> {
        let (start, length) = parts(key.as_ref());
        // SAFETY: see `begin`.
        check_found(unsafe { sys::zinc_store_pin(self.region.raw(), start, length, pinned.into()) })
    }

    /// What can be told of the object of a key, if it is there; this is no use of it.
    ///
    /// # Errors
    /// As `get`.
    pub fn find(&self, key: impl AsRef<[u8]>) -> Result<Option<StoreEntry>> {
        let (start, length) = parts(key.as_ref());
        let mut entry = sys::StoreEntry {
            size: size_of::<sys::StoreEntry>(),
            capacity: 0,
            memory: 0,
            created_at: 0,
            state: 0,
            kind: 0,
            pinned: 0,
            key_length: 0,
            key: [0; 176],
            name: [0; 251],
        };
        // SAFETY: see `begin`.
        let is_there =
            check_found(unsafe { sys::zinc_store_find(self.region.raw(), start, length, &mut entry) })?;
        Ok(is_there.then(|| StoreEntry::of(&entry)))
    }

    /// All objects, what was used longest ago first; they are of one moment.
    ///
    /// # Errors
    /// As `get`.
    pub fn list(&self) -> Result<Vec<StoreEntry>> {
        unsafe extern "C" fn tell(entry: *const sys::StoreEntry, context: *mut c_void) {
            // SAFETY: the context is the vector below, and the entry is valid during the call.
            let (entry, entries) = unsafe { (&*entry, &mut *context.cast::<Vec<StoreEntry>>()) };
            if entry.state == sys::OBJECT_PRESENT {
                entries.push(StoreEntry::of(entry));
            }
        }
        let mut entries: Vec<StoreEntry> = vec![];
        let context = (&raw mut entries).cast();
        // SAFETY: see `begin`.
        check(unsafe { sys::zinc_store_list(self.region.raw(), Some(tell), context) })?;
        Ok(entries)
    }

    /// How full it is, and what has happened.
    ///
    /// # Errors
    /// As `get`.
    pub fn info(&self) -> Result<StoreInfo> {
        let mut info = sys::StoreInfo {
            size: size_of::<sys::StoreInfo>(),
            capacity: 0,
            used: 0,
            objects: 0,
            events: 0,
            puts: 0,
            hits: 0,
            misses: 0,
            evictions: 0,
            removals: 0,
            full: 0,
            reserved: 0,
        };
        // SAFETY: see `begin`.
        check(unsafe { sys::zinc_store_examine(self.region.raw(), &mut info) })?;
        let sys::StoreInfo { capacity, used, objects, puts, hits, misses, evictions, removals, .. } = info;
        Ok(StoreInfo { capacity, used, objects, puts, hits, misses, evictions, removals })
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.region.name()
    }

    /// Removes the store's name, and its objects.
    ///
    /// # Errors
    /// As [`crate::unlink`].
    pub fn unlink(&self) -> Result<()> {
        crate::unlink(self.name(), false)
    }
}

impl StoreEntry {
    fn of(entry: &sys::StoreEntry) -> Self {
        Self {
            key: entry.key[..(entry.key_length as usize).min(entry.key.len())].to_vec(),
            capacity: entry.capacity,
            memory: entry.memory,
            kind: entry.kind,
            is_pinned: entry.pinned != 0,
            created_at: time::since_1970(entry.created_at),
        }
    }
}

fn found(call: impl FnOnce(*mut sys::Handle) -> i32) -> Result<Option<Object>> {
    match attach(call) {
        Ok(region) => Ok(Some(Object { region })),
        Err(error) if error.code() == crate::error::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

/// An object of a store, where it lies. It stays as it is as long as this value, which needs no store.
pub struct Object {
    region: SharedRegion,
}

impl Object {
    /// What the data is; 0 is plain bytes.
    pub fn kind(&self) -> u32 {
        self.region.kind()
    }

    /// What its maker said of it.
    pub fn metadata(&self) -> Vec<u8> {
        self.region.metadata()
    }
}

impl Deref for Object {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: nobody writes an object once it is sealed.
        unsafe { self.region.as_slice() }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("kind", &self.kind()).field("length", &self.len()).finish()
    }
}

/// An object that is being made: its bytes, to be filled. Others find it once it is sealed; dropped
/// before, it is gone.
pub struct Building<'a> {
    store: &'a Store,
    object: SharedRegion,
    flags: u32,
    is_over: bool,
}

impl Building<'_> {
    /// Puts the object into the store.
    ///
    /// # Errors
    /// `AlreadyExists` if somebody else has put one meanwhile, and this was not to replace it.
    pub fn seal(mut self) -> Result<()> {
        // SAFETY: both handles are valid as long as this value.
        check(unsafe { sys::zinc_store_seal(self.store.region.raw(), self.object.raw(), self.flags) })?;
        self.is_over = true;
        Ok(())
    }
}

impl Deref for Building<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: nobody else has the object yet.
        unsafe { self.object.as_slice() }
    }
}

impl DerefMut for Building<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { self.object.as_mut_slice() }
    }
}

impl fmt::Debug for Building<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Building").field("length", &self.len()).finish()
    }
}

impl Drop for Building<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            // SAFETY: both handles are valid as long as this value.
            unsafe { sys::zinc_store_abort(self.store.region.raw(), self.object.raw()) };
        }
    }
}
