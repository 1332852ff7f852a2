//! Instructions of one 64-byte frame: filled, sent, received and copied out, in one process.
//!
//! ```text
//! cargo bench --bench instructions --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/instructions-* FRAMES
//! ```
//!
//! Run it with two counts and divide the difference of the totals by the difference of the counts: what setting up costs
//! cancels out. Without valgrind it only checks that the frames arrive, and says so.

use std::hint::black_box;
use std::thread;

use ringway::{Config, Listener};

fn main() {
    let frames: u64 = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000);
    let path = std::env::temp_dir().join(format!("ringway-instructions-{}", std::process::id()));
    let mut listener = Listener::bind(path.as_path()).expect("bind");
    let client = thread::spawn(move || Config::new().connect(path).expect("connect"));
    let (_sender, mut receiver) = listener.accept().expect("accept").split();
    let (mut sender, _receiver) = client.join().expect("client").split();

    let mut sum = 0u64;
    let mut payload = [0u64; 8];
    let mut buffer = [0u8; 64];
    for n in 0..frames {
        payload.fill(n);
        sender
            .try_send(zerocopy::IntoBytes::as_bytes(black_box(&payload)))
            .expect("room");
        receiver.try_recv_into(&mut buffer).expect("a frame");
        sum = sum.wrapping_add(u64::from(black_box(&buffer)[0]));
    }
    let expected: u64 = (0..frames).map(|n| n & 0xff).sum();
    assert_eq!(sum, expected, "every frame arrives");
    println!("{frames} frames arrived");
}
