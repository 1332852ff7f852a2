//! What the library writes into a buffer, of any length, `AddressSanitizer` sees. `RINGWAY_PLANTED=BYTES` plants a buffer that claims to be longer than it is: the run has to end with a
//! report then (`cargo verify --only asan`), or the sanitizer's silence about all other tests would prove nothing.

use ringway::Wait;

use crate::lane::victim;
use crate::peer::{self, FRAME, Watchdog};

/// Bytes of payload that are written by different code.
const LENGTHS: [usize; 8] = [1, 3, 7, 16, 33, 100, 200, 2000];

/// How much longer the buffer is by its word than in truth, for a frame of so many bytes.
fn lie(length: usize) -> usize {
    let planted = std::env::var("RINGWAY_PLANTED").ok();
    usize::from(cfg!(ringway_asan) && planted.is_some_and(|bytes| bytes == length.to_string()))
}

#[test]
fn no_frame_is_written_beside_its_buffer() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("beside");
    for length in LENGTHS {
        let (mut victim, hostile) = victim(&format!("beside-{length}"), Wait::Spin);
        for _ in 0..2 {
            hostile.own.ring(0, FRAME | length as u64);
        }
        let mut buffer = vec![7u8; length - lie(length)].into_boxed_slice();
        // SAFETY: the whole buffer; longer only where the sanitizer is to find that, which ends the process.
        let told = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr(), length) };
        assert_eq!(victim.receiver().try_recv_into(told), Ok(length));
        assert!(buffer.iter().all(|byte| *byte == 0), "{buffer:?}");
    }
}
