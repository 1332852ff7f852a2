//! What a server in C has in hand when it ends, and its client resumes with the next one.

use std::ptr::{from_mut, null_mut};
use std::time::Duration;

use ringway::{Config, Connection, Listener, RecvError, Resumed};

use super::*;
use crate::arm::ringway_receiver_arm;
use crate::batch::{
    ringway_part, ringway_receiver_end_batch, ringway_receiver_leave_batch,
    ringway_receiver_open_batch, ringway_receiver_recv_many,
};
use crate::connection::{ringway_connection, ringway_connection_split};
use crate::receiver::ringway_receiver_free;
use crate::sender::ringway_sender_free;

type Half = Option<NonNull<ringway_receiver>>;

/// What a server in C does with the four frames of a client.
type Serves = fn(Half);

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn meet<T: Send>(
    listener: &mut Listener,
    client: impl FnOnce(std::path::PathBuf) -> T + Send,
) -> (Connection, T) {
    let path = listener.path().to_path_buf();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| client(path));
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}

/// Serves, frees both halves, and has the client resume with the next one: how many frames are in doubt then, and how many unseen.
fn left_by(serves: Serves) -> (u64, u64) {
    let config = Config::new()
        .resumable(true)
        .handshake_timeout(Duration::from_secs(20));
    let path = std::env::temp_dir().join(format!("ringway-ffi-left-{}", std::process::id()));
    let mut listener = config.bind(path).unwrap();
    let (server, mut lost) = meet(&mut listener, |path| config.connect(path).unwrap());
    for number in 0..4u8 {
        lost.sender().send(&[number; 5]).unwrap();
    }
    let (mut sender, mut receiver) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let server = Box::into_raw(ringway_connection::new(server));
    // SAFETY: the connection is given up, and its halves are freed once, behind their last use.
    unsafe {
        let split = ringway_connection_split(server, Some(&mut sender), Some(&mut receiver));
        assert_eq!(split, ringway_status::RINGWAY_OK);
        let (sender, receiver) = (sender.assume_init(), receiver.assume_init());
        let receiver = Some(NonNull::from(Box::leak(receiver)));
        serves(receiver);
        ringway_receiver_free(receiver);
        ringway_sender_free(Some(NonNull::from(Box::leak(sender))));
    }
    let end = lost.receiver().recv_deadline(soon()).unwrap_err();
    assert_eq!(end, RecvError::Closed);
    let (_next, resumed) = meet(&mut listener, |path| {
        config.resume(path, lost, soon()).unwrap()
    });
    let resumed: &Resumed = &resumed;
    (resumed.in_doubt(), resumed.unseen())
}

fn next(half: Half) -> u8 {
    let (mut frame, mut copied) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let mut byte = 0u8;
    // SAFETY: the handle lives, and nobody else uses it; there is one byte.
    unsafe {
        let opened = ringway_receiver_next(half, 1 << 35, Some(&mut frame));
        assert_eq!(opened, ringway_status::RINGWAY_OK);
        let place = from_mut(&mut byte).cast();
        let told = ringway_receiver_copy(half, 0, place, 1, Some(&mut copied));
        assert_eq!(told, ringway_status::RINGWAY_OK);
    }
    byte
}

fn done(
    half: Half,
    call: unsafe extern "C" fn(Option<NonNull<ringway_receiver>>) -> ringway_status,
) {
    // SAFETY: the handle lives, and nobody else uses it.
    assert_eq!(unsafe { call(half) }, ringway_status::RINGWAY_OK);
}

fn open_batch(half: Half) {
    // SAFETY: the handle lives, and nobody else uses it.
    let opened = unsafe { ringway_receiver_open_batch(half, 3, 1 << 35) };
    assert_eq!(opened, ringway_status::RINGWAY_OK);
    assert_eq!((next(half), next(half)), (0, 1));
}

fn many(half: Half, most: usize) -> ringway_status {
    let mut room = [0u64; 4];
    let part = ringway_part {
        offset: 9,
        length: 9,
    };
    let (mut parts, mut count) = ([part; 4], MaybeUninit::uninit());
    // SAFETY: the handle lives, and nobody else uses it; as many bytes and parts are there.
    let (status, count) = unsafe {
        let (place, parts) = (room.as_mut_ptr().cast(), parts.as_mut_ptr());
        let bytes = if most == 0 { 4 } else { 24 };
        let most = most.max(1);
        let status =
            ringway_receiver_recv_many(half, place, bytes, parts, most, 0, Some(&mut count));
        if status != ringway_status::RINGWAY_OK {
            return status;
        }
        (status, count.assume_init())
    };
    for (at, part) in parts[..count].iter().enumerate() {
        assert_eq!((part.offset, part.length), (8 * at, 5));
        let byte = u8::try_from(at).unwrap();
        assert!(count < 2 || room[at].to_le_bytes() == [byte, byte, byte, byte, byte, 0, 0, 0]);
    }
    assert_eq!(count, most);
    status
}

/// Whatever a handler in C has not released when it ends, it may not have answered: the next server gets it, and is told so.
#[test]
fn what_a_server_in_c_has_not_released_is_in_doubt() {
    let ways: &[(&str, Serves, (u64, u64))] = &[
        (
            "a frame is left",
            |half| {
                assert_eq!(next(half), 0);
                done(half, ringway_receiver_release);
                assert_eq!(next(half), 1);
                done(half, ringway_receiver_leave);
            },
            (1, 2),
        ),
        (
            "a frame is open",
            |half| {
                assert_eq!(next(half), 0);
                done(half, ringway_receiver_release);
                assert_eq!(next(half), 1);
            },
            (1, 2),
        ),
        (
            "a frame is released",
            |half| {
                assert_eq!(next(half), 0);
                done(half, ringway_receiver_release);
            },
            (0, 3),
        ),
        (
            "a handler comes back",
            |half| {
                assert_eq!(next(half), 0);
                done(half, ringway_receiver_leave);
                assert_eq!(next(half), 1);
                done(half, ringway_receiver_leave);
            },
            (1, 2),
        ),
        (
            "a batch is left",
            |half| {
                open_batch(half);
                done(half, ringway_receiver_leave);
                done(half, ringway_receiver_leave_batch);
            },
            (2, 2),
        ),
        ("a batch is open", open_batch, (2, 2)),
        (
            "a batch is ended",
            |half| {
                open_batch(half);
                done(half, ringway_receiver_end_batch);
            },
            (0, 2),
        ),
        (
            "several are copied",
            |half| {
                assert_eq!(many(half, 0), ringway_status::RINGWAY_TRUNCATED);
                assert_eq!(many(half, 3), ringway_status::RINGWAY_OK);
            },
            (3, 1),
        ),
        (
            "several are copied, and the half is armed",
            |half| {
                assert_eq!(many(half, 3), ringway_status::RINGWAY_OK);
                let mut armed = MaybeUninit::uninit();
                // SAFETY: the handle lives, and nobody else uses it.
                let told = unsafe { ringway_receiver_arm(half, Some(&mut armed)) };
                assert_eq!(told, ringway_status::RINGWAY_OK);
            },
            (0, 1),
        ),
        (
            "several are copied, and released",
            |half| {
                assert_eq!(many(half, 3), ringway_status::RINGWAY_OK);
                done(half, ringway_receiver_release);
            },
            (0, 1),
        ),
        (
            "a frame is left, and then released",
            |half| {
                assert_eq!(next(half), 0);
                done(half, ringway_receiver_leave);
                done(half, ringway_receiver_release);
                assert_eq!(next(half), 1);
            },
            (1, 2),
        ),
        (
            "a batch is open, and none of its frames",
            |half| {
                open_batch(half);
                done(half, ringway_receiver_release);
                // SAFETY: the handle lives, and nobody else uses it.
                let again = unsafe { ringway_receiver_release(half) };
                assert_eq!(again, ringway_status::RINGWAY_OUT_OF_TURN);
            },
            (2, 2),
        ),
        (
            "several are copied, and then another one",
            |half| {
                assert_eq!(many(half, 3), ringway_status::RINGWAY_OK);
                assert_eq!(many(half, 1), ringway_status::RINGWAY_OK);
            },
            (1, 0),
        ),
        (
            "several are copied, and there is no other one",
            |half| {
                assert_eq!(many(half, 3), ringway_status::RINGWAY_OK);
                assert_eq!(many(half, 1), ringway_status::RINGWAY_OK);
                assert_eq!(many(half, 1), ringway_status::RINGWAY_EMPTY);
            },
            (0, 0),
        ),
    ];
    for (name, serves, left) in ways {
        assert_eq!(left_by(*serves), *left, "{name}");
    }
    // SAFETY: NULL is taken.
    let nothing = unsafe { ringway_receiver_leave(NonNull::new(null_mut())) };
    assert_eq!(nothing, ringway_status::RINGWAY_INVALID_ARGUMENT);
}
