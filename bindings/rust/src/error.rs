use crate::sys;
use std::{ffi::CStr, fmt, io};

/// What went wrong: the number of `<errno.h>`, and the library's account of it.
///
/// It says which call failed, of which region, and what to do. As an [`io::Error`] it has the kind of
/// its number: [`io::ErrorKind::NotFound`] where there is no such region, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: i32,
    message: String,
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The name that the original adapter has for [`Error`].
pub type ZincError = Error;

pub(crate) const ENOENT: i32 = 2;
pub(crate) const EAGAIN: i32 = 11;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const EPIPE: i32 = 32;
pub(crate) const ETIMEDOUT: i32 = 110;
pub(crate) const ECANCELED: i32 = 125;
pub(crate) const EOWNERDEAD: i32 = 130;

impl Error {
    /// The number of `<errno.h>`, greater than 0.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The kind that an [`io::Error`] of the same number has.
    pub fn kind(&self) -> io::ErrorKind {
        io::Error::from_raw_os_error(self.code).kind()
    }

    /// Whether a lock is not acquired since its last holder died with it: see [`crate::Lock::recover`].
    pub fn is_owner_died(&self) -> bool {
        self.code == EOWNERDEAD
    }

    /// Whether a queue is closed, or nobody is left who writes to a channel.
    pub fn is_closed(&self) -> bool {
        self.code == EPIPE
    }

    pub(crate) fn new(code: i32, message: impl Into<String>) -> Error {
        Error { code, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// A status of the library. For the ends that waits have it leaves no message, so they have one here.
pub(crate) fn check(status: i32) -> Result<i32> {
    if status >= 0 {
        return Ok(status);
    }
    let message = match -status {
        ETIMEDOUT => "nothing came in time".into(),
        ECANCELED => "the handle was stopped meanwhile".into(),
        EAGAIN => "not now".into(),
        EPIPE => "it is closed, or nobody who writes is left".into(),
        EOWNERDEAD => {
            "the last holder of the lock died with it: recover() it, and repair what it guards".into()
        }
        // SAFETY: it is this thread's, and nothing has called the library since.
        _ => unsafe { CStr::from_ptr(sys::zinc_error_message()) }.to_string_lossy().into_owned(),
    };
    Err(Error::new(-status, message))
}

/// A status of a wait: false if nothing came in time.
pub(crate) fn check_wait(status: i32) -> Result<bool> {
    if status == -ETIMEDOUT { Ok(false) } else { check(status).map(|_| true) }
}

/// The same of what says ENOENT when it has not come.
pub(crate) fn check_found(status: i32) -> Result<bool> {
    if status == -ENOENT { Ok(false) } else { check(status).map(|_| true) }
}
