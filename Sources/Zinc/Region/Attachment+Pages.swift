internal import CZinc

/// What the system could not do of what a handle was asked for, and what to do about it; empty
/// where it could, or was not asked.
struct Shortfalls {
  var hugepages: StaticString = ""
  var prefault: StaticString = ""
}

// Huge pages, and pages that are there before somebody touches them. Both are for speed, so a
// system that can't do them is no reason to fail.
extension Attachment {
  /// What is left to do once a handle is made. Outside the gate, since it may take long.
  static func prepare(_ handle: Handle, _ options: RegionOptions) {
    if options.flags.contains(.hugepages) {
      unsafe handle.pointee.shortfalls.hugepages = unsafe handle.pointee.takeHugePages()
    }
    if options.flags.contains(.prefault) {
      unsafe handle.pointee.shortfalls.prefault = unsafe handle.pointee.touchPages()
    }
  }

  /// The pages are there, since the region has its memory; they are put together here.
  private func takeHugePages() -> StaticString {
    if HugePages.size == 0 { return "this system has no huge pages" }
    if file.size < HugePages.size { return "the region is smaller than one huge page" }
    switch withMapping({ $0.collapse(in: HugePages.size) }) {
    case 0: return ""
    case -EINVAL:
      return isAnonymous
        ? "the system makes no huge pages of it, which takes Linux 6.1 and memory that was reserved; or as root: echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled"
        : "the system makes no huge pages of it, which takes Linux 6.1 and memory that was reserved; or as root: mount -o remount,huge=within_size /dev/shm"
    case -ENOMEM, -EAGAIN, -EBUSY:
      return
        "the system has no huge page free, or memory is in use by others; as root: echo 1 > /proc/sys/vm/compact_memory"
    default: return "the system refused to make huge pages (madvise)"
    }
  }

  private func touchPages() -> StaticString {
    let isWritable = notification.canNotify && !isReadonly
    switch withMapping({ $0.populate(forWriting: isWritable) }) {
    case 0: return ""
    case -EINVAL: return "to touch all pages at once takes Linux 5.14"
    case -ENOMEM, -EFAULT: return "there was no memory for all pages; reserve it, or free some"
    default: return "the system refused to touch all pages at once (madvise)"
    }
  }
}
