//! The manners of waiting and fencing, and sizes of rings, in which two sides exchange frames.

use ringway::Wait;

/// How either side waits, the bytes of each ring, and whether barriers are the receiver's.
pub(crate) const MANNERS: [(Wait, usize, bool); 7] = [
    (Wait::Adaptive, 4 << 10, false),
    (Wait::Adaptive, 1 << 20, false),
    (Wait::Park, 4 << 10, false),
    (Wait::Park, 1 << 20, false),
    (Wait::Adaptive, 1 << 20, true),
    (Wait::Park, 4 << 10, true),
    (Wait::Spin, 1 << 20, false),
];
