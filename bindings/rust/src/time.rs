use crate::sys;
use std::time::{Duration, SystemTime};

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

unsafe extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

const CLOCK_MONOTONIC: i32 = 1;

/// How long to wait, as the library wants it; `None` waits for ever.
pub(crate) fn wait_options(timeout: Option<Duration>, flags: u32) -> sys::WaitOptions {
    let deadline_ns = match timeout {
        None => sys::FOREVER,
        Some(Duration::ZERO) => 0,
        Some(timeout) => {
            let mut now = Timespec { seconds: 0, nanoseconds: 0 };
            // SAFETY: the clock is there on every Linux, and the struct is a timespec of 64 bits.
            unsafe { clock_gettime(CLOCK_MONOTONIC, &mut now) };
            let now = Duration::new(now.seconds as u64, now.nanoseconds as u32);
            u64::try_from(now.saturating_add(timeout).as_nanos()).unwrap_or(sys::FOREVER)
        }
    };
    sys::WaitOptions { size: size_of::<sys::WaitOptions>(), deadline_ns, flags, after: 0 }
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn since_1970(nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
