//! Guards, held frames, ends, forks and counters over several lanes.

use ringway::{Arm, Counters, RecvError, SendError};

use crate::pair::soon;
use crate::{both, fill, next, with};

#[test]
fn held_frames_come_again_in_each_lane() {
    let (mut one, mut other) = both("held", &with(3));
    for priority in 0..3 {
        let mut at = one.sender().at(priority).unwrap();
        (0..2u8).for_each(|n| at.send(&[n]).unwrap());
    }
    let receiver = other.receiver();
    receiver.hold(true);
    let first: Vec<_> = (0..6).map(|_| next(receiver)).collect();
    assert_eq!(receiver.rewind(), 6 * 16);
    let again: Vec<_> = (0..6).map(|_| next(receiver)).collect();
    assert_eq!(first, again);
    receiver.release();
    assert_eq!(receiver.rewind(), 0);
    receiver.hold(false);
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
}

/// Held frames fill one lane only; released, its sender hears.
#[test]
fn a_lane_that_is_held_full_leaves_the_others_room() {
    let (mut one, mut other) = both("holdfull", &with(2));
    let receiver = other.receiver();
    receiver.hold(true);
    let filled = fill(one.sender(), 1, &[0; 100]);
    (0..filled).for_each(|_| assert_eq!(next(receiver).0, 1));
    assert_eq!(fill(one.sender(), 1, &[0; 100]), 0);
    one.sender().try_send(&[1; 100]).unwrap();
    assert_eq!(next(receiver).0, 0);
    receiver.release();
    assert!(fill(one.sender(), 1, &[0; 100]) > 0);
}

/// Guards that are leaked, of every kind and at every priority, lose nothing.
#[test]
fn leaked_guards_lose_nothing() {
    let (mut one, mut other) = both("leaked", &with(3));
    let sender = one.sender();
    {
        let mut at = sender.at(1).unwrap();
        let mut group = at.group();
        group.send(b"in a leaked group").unwrap();
        std::mem::forget(group);
        let _ = std::mem::ManuallyDrop::new(at.reserve(40).unwrap());
    }
    // The guard's drop has published it.
    let receiver = other.receiver();
    assert_eq!(next(receiver), (1, b"in a leaked group".to_vec()));
    let mut group = sender.group();
    group.send(b"open, at 0").unwrap();
    std::mem::forget(group);
    sender.at(2).unwrap().send(b"at 2").unwrap();
    assert_eq!(next(receiver), (2, b"at 2".to_vec()));
    sender.send(b"behind").unwrap();
    assert_eq!(next(receiver), (0, b"open, at 0".to_vec()));
    assert_eq!(next(receiver), (0, b"behind".to_vec()));
    // A leaked guard: what names no priority has its from then on.
    std::mem::forget(sender.at(2).unwrap());
    sender.send(b"still at 2").unwrap();
    assert_eq!(next(receiver), (2, b"still at 2".to_vec()));
    sender.at(1).unwrap().send(b"at 1").unwrap();
    assert_eq!(next(receiver).0, 1);
    sender.send(b"still").unwrap();
    assert_eq!(next(receiver).0, 2);
    std::mem::forget(sender.at(0).unwrap());
    sender.send(b"as before").unwrap();
    assert_eq!(next(receiver).0, 0);
    // One within another goes back to that.
    let mut outer = sender.at(1).unwrap();
    outer.at(2).unwrap().send(b"inner").unwrap();
    outer.send(b"outer").unwrap();
    drop(outer);
    sender.send(b"plain").unwrap();
    assert_eq!(
        [next(receiver).0, next(receiver).0, next(receiver).0],
        [0, 1, 2]
    );
    // Leaked frames keep no lane from being released.
    for round in 0..200 {
        sender
            .at(round % 3)
            .unwrap()
            .send_deadline(&[0; 300], soon())
            .unwrap();
        std::mem::forget(receiver.recv_deadline(soon()).unwrap());
    }
}

/// What was committed in any lane before the end is received first, and then every call says how it ended.
#[test]
fn an_end_is_heard_behind_all_lanes_and_on_all_of_them() {
    let (mut one, other) = both("end", &with(4));
    for priority in 0..4 {
        let mut at = one.sender().at(priority).unwrap();
        (0..9).for_each(|_| at.send(&[0; 50]).unwrap());
    }
    let (mut back, mut receiver) = other.split();
    let (sender, to_one) = one.split();
    drop(sender);
    let seen: Vec<_> = (0..36).map(|_| next(&mut receiver).0).collect();
    assert_eq!(seen.iter().filter(|lane| **lane == 3).count(), 9);
    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Closed));
    drop(to_one);
    assert_eq!(back.check(), Err(SendError::Closed));
    for priority in 0..4 {
        let mut at = back.at(priority).unwrap();
        assert_eq!(at.try_send(b"x"), Err(SendError::Closed));
        assert_eq!(at.reserve(1).map(drop), Err(SendError::Closed));
        assert_eq!(at.group().send(b"x"), Err(SendError::Closed));
    }
}

#[test]
fn counters_sum_over_the_lanes() {
    let (mut one, mut other) = both("counted-lanes", &with(4));
    for priority in 0..4 {
        let mut at = one.sender().at(priority).unwrap();
        (0..=priority).for_each(|_| at.send(&[0; 56]).unwrap());
    }
    while other.receiver().try_recv().is_ok() {}
    // Both tell when they go to wait.
    assert_eq!(one.sender().arm(8).unwrap(), Arm::Ready);
    assert_eq!(other.receiver().arm().unwrap(), Arm::Armed);
    let here: Vec<_> = Counters::own()
        .unwrap()
        .connections()
        .unwrap()
        .into_iter()
        .filter(|connection| connection.name.contains("counted-lanes"))
        .collect();
    let sends: Vec<_> = here.iter().map(|counted| counted.sends.frames).collect();
    let receives: Vec<_> = here.iter().map(|counted| counted.receives.frames).collect();
    assert_eq!(
        (sends.iter().sum::<u64>(), receives.iter().sum::<u64>()),
        (10, 10)
    );
    let bytes: u64 = here.iter().map(|counted| counted.receives.bytes).sum();
    assert_eq!(bytes, 640);
    // And each lane by itself: 1, 2, 3 and 4 frames of 64 bytes.
    let each = |half: &ringway::LaneCounters| half.by_priority.map(|one| (one.frames, one.bytes));
    let expected = [(1, 64), (2, 128), (3, 192), (4, 256)];
    for counted in &here {
        assert_eq!(counted.lanes, 4);
        let (sends, receives) = (each(&counted.sends), each(&counted.receives));
        let nothing = [(0, 0); 4];
        let sides = [(expected, nothing), (nothing, expected)];
        assert!(sides.contains(&(sends, receives)), "{counted:?}");
    }
}

/// Of a connection with one lane the sums are those of priority 0, and a slot that one with several has left tells nothing of it.
#[test]
fn one_lane_is_counted_at_priority_0() {
    let name = "counted-alone";
    drop(both("counted-before", &with(4)));
    let (mut one, _other) = both(name, &with(1));
    one.sender().send(&[0; 56]).unwrap();
    assert_eq!(one.sender().arm(8).unwrap(), Arm::Ready);
    let here = Counters::own().unwrap().connections().unwrap();
    let here = here.iter().filter(|counted| counted.name.contains(name));
    let sent: Vec<_> = here
        .inspect(|counted| assert_eq!(counted.lanes, 1))
        .map(|counted| counted.sends.by_priority.map(|one| one.frames))
        .collect();
    assert!(
        sent == [[1, 0, 0, 0], [0; 4]] || sent == [[0; 4], [1, 0, 0, 0]],
        "{sent:?}"
    );
}

#[test]
fn a_child_of_a_fork_sends_and_receives_at_no_priority() {
    let (mut one, mut other) = both("forked-lanes", &with(3));
    one.sender().at(2).unwrap().send(b"of the parent").unwrap();
    // SAFETY: the child makes no use of what other threads may hold, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut refused = true;
        for priority in 0..3 {
            let mut at = one.sender().at(priority).unwrap();
            refused &= at.send(b"x") == Err(SendError::Forked);
            refused &= at.group().send(b"x") == Err(SendError::Forked);
        }
        let receiver = other.receiver();
        refused &= receiver.recv().map(drop) == Err(RecvError::Forked);
        refused &= receiver.try_recv().map(drop) == Err(RecvError::Forked);
        refused &= receiver.recv_into(&mut [0; 64]) == Err(RecvError::Forked);
        refused &= receiver.recv_batch(3).map(drop) == Err(RecvError::Forked);
        refused &= receiver.rewind() == 0 && receiver.arm() == Err(RecvError::Forked);
        drop((one, other));
        // SAFETY: `_exit` ends the process and runs nothing.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(next(other.receiver()), (2, b"of the parent".to_vec()));
    one.sender().at(1).unwrap().send(b"still").unwrap();
    assert_eq!(next(other.receiver()), (1, b"still".to_vec()));
}

/// A frame that the buffer is too short for stays where it is, whatever comes before it.
#[test]
fn a_frame_that_is_too_long_for_the_buffer_stays() {
    let (mut one, mut other) = both("short", &with(2));
    one.sender().at(1).unwrap().send(&[1; 100]).unwrap();
    let receiver = other.receiver();
    let mut short = [0; 10];
    for _ in 0..3 {
        let outcome = receiver.recv_into(&mut short);
        assert_eq!(outcome, Err(RecvError::Truncated { len: 100 }));
    }
    one.sender().send(b"first").unwrap();
    assert_eq!(receiver.recv_into(&mut short), Ok(5));
    assert_eq!(next(receiver), (1, vec![1; 100]));
}

/// A batch has frames of one priority.
#[test]
fn a_batch_ends_where_another_priority_begins() {
    let (mut one, mut other) = both("batches", &with(2));
    one.sender().at(1).unwrap().send(b"low").unwrap();
    (0..3).for_each(|_| one.sender().send(b"high").unwrap());
    let mut sizes = Vec::new();
    while let Ok(mut frames) = other.receiver().try_recv_batch(10) {
        let mut lanes = Vec::new();
        while let Some(frame) = frames.next_frame() {
            lanes.push(frame.priority());
        }
        sizes.push(lanes);
    }
    assert_eq!(sizes, [vec![0, 0, 0], vec![1]]);
}
