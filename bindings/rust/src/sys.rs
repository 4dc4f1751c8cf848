//! `zinc.h` as Rust sees it: what this crate calls, and no more. `tests` compares it with the headers.

#![allow(missing_docs)]

use std::ffi::{c_char, c_void};

/// A region, or one who writes, reads or works: all are opaque.
pub(crate) type Handle = *mut c_void;

pub(crate) const FOREVER: u64 = u64::MAX;
pub(crate) const OWN_LOCK: usize = usize::MAX;

macro_rules! constants {
    ($($name:ident = $value:expr;)*) => {
        $(pub(crate) const $name: u32 = $value;)*
        #[cfg(test)]
        const CONSTANTS: &[(&str, u32)] = &[$((stringify!($name), $value)),*];
    };
}

constants! {
    PERSISTENT = 1;
    SPARSE = 2;
    READONLY = 4;
    ANY_USER = 8;
    REPLACE = 64;
    HUGEPAGES = 128;
    PREFAULT = 256;
    WAIT_AFTER = 1;
    WAIT_RECOVER = 16;
    WAIT_UNTIL_GONE = 32;
    FORCE = 1;
    RWLOCK = 4;
    OWNER_DIED = 1;
    CHANNEL_WAIT = 1;
    QUEUE = 2;
    QUEUE_AT_MOST_ONCE = 4;
    STORE_EVICT = 0;
    STORE_WAIT = 1;
    STORE_ERROR = 2;
    STORE_REPLACE = 1;
    OBJECT_PRESENT = 2;
}

/// Declares structs, and for the tests what C has to say of each.
macro_rules! structs {
    ($($(#[$meta:meta])* $name:ident = $c_name:literal { $($field:ident: $type:ty,)* })*) => {
        $($(#[$meta])* #[repr(C)] #[derive(Debug)] pub(crate) struct $name { $(pub(crate) $field: $type,)* })*
        #[cfg(test)]
        fn layouts() -> Vec<String> {
            let mut lines = vec![];
            $(
                lines.push(format!("sizeof({}) == {}", $c_name, size_of::<$name>()));
                $(lines.push(format!(
                    "offsetof({}, {}) == {}",
                    $c_name,
                    stringify!($field),
                    std::mem::offset_of!($name, $field)
                ));)*
            )*
            lines
        }
    };
}

structs! {
    Options = "ZincOptions" {
        size: usize, flags: u32, mode: u32, metadata: *const c_void, metadata_length: usize,
        kind: u32, group: u32, contents: *const c_void, contents_length: usize,
        pieces: *const c_void, piece_count: usize,
    }
    WaitOptions = "ZincWaitOptions" { size: usize, deadline_ns: u64, flags: u32, after: u32, }
    WaitItem = "ZincWaitItem" { handle: Handle, after: u32, is_new: u32, }
    ChannelOptions = "ZincChannelOptions" {
        size: usize, payload: u64, messages: u32, flags: u32, writers: u32, loans: u32, readers: u32,
        views: u32,
    }
    ChannelInfo = "ZincChannelInfo" {
        size: usize, payload: u64, newest: u64, messages: u32, slots: u32, views: u32, flags: u32,
    }
    Loan = "ZincLoan" { data: *mut c_void, capacity: usize, slot: u32, reserved: u32, }
    #[derive(Default)]
    MessageHead = "ZincMessageHead" { number: u64, length: u64, time: u64, tag: u64, }
    Message = "ZincMessage" { data: *const c_void, head: MessageHead, view: u32, reader: u32, }
    Task = "ZincTask" {
        data: *const c_void, head: MessageHead, slot: u32, worker: u32, redelivered: u32,
        reserved: u32,
    }
    QueueInfo = "ZincQueueInfo" {
        size: usize, waiting: u64, held: u64, left: u64, is_closed: u32, reserved: u32,
    }
    StoreEntry = "ZincStoreEntry" {
        size: usize, capacity: u64, memory: u64, created_at: u64, state: u32, kind: u32, pinned: u32,
        key_length: u32, key: [u8; 176], name: [c_char; 251],
    }
    StoreInfo = "ZincStoreInfo" {
        size: usize, capacity: u64, used: u64, objects: u64, events: u64, puts: u64, hits: u64,
        misses: u64, evictions: u64, removals: u64, full: u32, reserved: u32,
    }
}

/// Declares functions, and for the tests what C has to say of each.
macro_rules! functions {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        unsafe extern "C" { $(pub(crate) fn $name($($argument: $type),*) $(-> $result)?;)* }
        #[cfg(test)]
        const FUNCTIONS: &[(&str, usize)] =
            &[$((stringify!($name), <[&str]>::len(&[$(stringify!($argument)),*]))),*];
    };
}

functions! {
    fn zinc_error_message() -> *const c_char;
    fn zinc_ptr(handle: Handle) -> *mut u8;
    fn zinc_capacity(handle: Handle) -> usize;
    fn zinc_close(handle: Handle);
    fn zinc_try_wait(handle: Handle) -> i32;

    fn zinc_region_create(name: *const c_char, capacity: usize, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_region_await(name: *const c_char, options: *const Options, wait: *const WaitOptions, out: *mut Handle) -> i32;
    fn zinc_region_open_or_create(name: *const c_char, capacity: usize, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_region_create_anonymous(capacity: usize, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_region_open_descriptor(descriptor: i32, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_region_descriptor(handle: Handle) -> i32;
    fn zinc_region_event_descriptor(handle: Handle) -> i32;
    fn zinc_region_unlink(name: *const c_char, flags: u32) -> i32;
    fn zinc_region_remove(handle: Handle) -> i32;
    fn zinc_region_is_linked(handle: Handle) -> i32;
    fn zinc_region_is_readonly(handle: Handle) -> i32;
    fn zinc_region_is_created(handle: Handle) -> i32;
    fn zinc_region_is_alone(handle: Handle) -> i32;
    fn zinc_region_id(handle: Handle) -> u64;
    fn zinc_region_kind(handle: Handle) -> u32;
    fn zinc_region_name(handle: Handle) -> *const c_char;
    fn zinc_region_metadata(handle: Handle, length: *mut usize) -> *const c_void;
    fn zinc_region_stop(handle: Handle);
    fn zinc_reclaim(tell: Option<unsafe extern "C" fn(*const c_char, u64, *mut c_void)>, context: *mut c_void) -> u64;

    fn zinc_region_sequence(handle: Handle) -> u32;
    fn zinc_region_notify(handle: Handle, sequence: *mut u32) -> i32;
    fn zinc_region_wait(handle: Handle, options: *const WaitOptions) -> i32;
    fn zinc_wait_any(items: *mut WaitItem, count: usize, options: *const WaitOptions) -> i32;

    fn zinc_lock_open(name: *const c_char, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_lock_acquire(handle: Handle, offset: usize, wait: *const WaitOptions) -> i32;
    fn zinc_lock_release(handle: Handle, offset: usize) -> i32;
    fn zinc_lock_repaired(handle: Handle, offset: usize) -> i32;
    fn zinc_lock_abandon(handle: Handle, offset: usize) -> i32;
    fn zinc_primitive_open(name: *const c_char, kind: u32, count: u32, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_rwlock_acquire_read(handle: Handle, offset: usize, wait: *const WaitOptions) -> i32;
    fn zinc_rwlock_release_read(handle: Handle, offset: usize) -> i32;
    fn zinc_rwlock_acquire_write(handle: Handle, offset: usize, wait: *const WaitOptions) -> i32;
    fn zinc_rwlock_release_write(handle: Handle, offset: usize) -> i32;
    fn zinc_rwlock_abandon_write(handle: Handle, offset: usize) -> i32;

    fn zinc_channel_create(name: *const c_char, channel: *const ChannelOptions, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_channel_create_anonymous(channel: *const ChannelOptions, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_channel_examine(handle: Handle, info: *mut ChannelInfo) -> i32;
    fn zinc_channel_wait_for_readers(handle: Handle, count: u32, wait: *const WaitOptions) -> i32;
    fn zinc_writer_begin(handle: Handle, out: *mut Handle) -> i32;
    fn zinc_writer_end(writer: Handle);
    fn zinc_writer_loan(writer: Handle, loan: *mut Loan) -> i32;
    fn zinc_writer_discard(writer: Handle, loan: *const Loan) -> i32;
    fn zinc_writer_publish(writer: Handle, loan: *const Loan, head: *mut MessageHead, wait: *const WaitOptions) -> i32;
    fn zinc_writer_wait(writer: Handle, wait: *const WaitOptions) -> i32;
    fn zinc_reader_begin(handle: Handle, history: u64, out: *mut Handle) -> i32;
    fn zinc_reader_end(reader: Handle);
    fn zinc_reader_receive(reader: Handle, message: *mut Message, wait: *const WaitOptions) -> i32;
    fn zinc_reader_release(reader: Handle, message: *const Message);
    fn zinc_reader_skip(reader: Handle) -> i32;
    fn zinc_reader_lost(reader: Handle) -> u64;
    fn zinc_reader_next(reader: Handle) -> u64;

    fn zinc_worker_begin(handle: Handle, out: *mut Handle) -> i32;
    fn zinc_worker_end(worker: Handle);
    fn zinc_worker_take(worker: Handle, task: *mut Task, wait: *const WaitOptions) -> i32;
    fn zinc_worker_done(worker: Handle, task: *const Task) -> i32;
    fn zinc_worker_give_back(worker: Handle, task: *const Task) -> i32;
    fn zinc_queue_examine(handle: Handle, info: *mut QueueInfo) -> i32;
    fn zinc_queue_close(handle: Handle) -> i32;
    fn zinc_queue_join(handle: Handle, wait: *const WaitOptions) -> i32;

    fn zinc_store_create(name: *const c_char, capacity: u64, full: u32, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_store_open_or_create(name: *const c_char, capacity: u64, full: u32, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_store_open(name: *const c_char, options: *const Options, out: *mut Handle) -> i32;
    fn zinc_store_begin(store: Handle, key: *const c_void, key_length: usize, capacity: usize, flags: u32, options: *const Options, wait: *const WaitOptions, object: *mut Handle) -> i32;
    fn zinc_store_seal(store: Handle, object: Handle, flags: u32) -> i32;
    fn zinc_store_abort(store: Handle, object: Handle) -> i32;
    fn zinc_store_get(store: Handle, key: *const c_void, key_length: usize, wait: *const WaitOptions, object: *mut Handle) -> i32;
    fn zinc_store_remove(store: Handle, key: *const c_void, key_length: usize) -> i32;
    fn zinc_store_take(store: Handle, key: *const c_void, key_length: usize, object: *mut Handle) -> i32;
    fn zinc_store_pin(store: Handle, key: *const c_void, key_length: usize, pinned: u32) -> i32;
    fn zinc_store_find(store: Handle, key: *const c_void, key_length: usize, entry: *mut StoreEntry) -> i32;
    fn zinc_store_list(store: Handle, tell: Option<unsafe extern "C" fn(*const StoreEntry, *mut c_void)>, context: *mut c_void) -> i32;
    fn zinc_store_examine(store: Handle, info: *mut StoreInfo) -> i32;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt::Write, fs, process::Command};

    /// The compiler of C says whether structs, constants and numbers of arguments are those of zinc.h.
    #[test]
    fn is_what_the_headers_say() {
        let include = env!("ZINC_INCLUDE_DIR");
        let mut program = String::from("#include <stddef.h>\n#include <zinc.h>\n");
        for line in layouts() {
            writeln!(program, "_Static_assert({line}, \"\");").unwrap();
        }
        for (name, value) in CONSTANTS {
            writeln!(program, "_Static_assert(ZINC_{name} == {value}u, \"{name}\");").unwrap();
        }
        program += "_Static_assert(ZINC_FOREVER == UINT64_MAX && ZINC_OWN_LOCK == UINTPTR_MAX, \"\");\n";
        for (name, arguments) in FUNCTIONS {
            let commas = vec!["0"; *arguments].join(",");
            writeln!(program, "void call_{name}(void) {{ (void)({name}({commas})); }}").unwrap();
        }
        let file = std::env::temp_dir().join(format!("zinc-sys-{}.c", std::process::id()));
        fs::write(&file, program).unwrap();
        let arguments = ["-std=c11", "-fsyntax-only", "-Werror", "-I", include];
        let output = Command::new("cc").args(arguments).arg(&file).output().unwrap();
        fs::remove_file(file).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
