//! Incarnations of a consumer in simulated time, each of which dies anywhere: what is said of a frame is compared with what was done with it.

use proptest::prelude::*;

use super::*;

/// A frame, what was said of it last, and what became of it.
#[derive(Clone, Debug)]
struct Frame {
    position: u64,
    end: u64,
    said: Option<Redelivery>,
    seen: bool,
    finished: bool,
}

/// What one incarnation does before it dies: so many frames more are sent meanwhile, so many of all are handed out, and so many of those finished with.
#[derive(Clone, Copy, Debug)]
struct Life {
    sent: usize,
    taken: usize,
    finished: usize,
    /// It has said that it takes the next one, and dies before it does; or it does not give account at all.
    torn: bool,
    account: bool,
}

fn lives() -> impl Strategy<Value = Vec<(Life, Vec<u64>)>> {
    let life = (0usize..8, 0usize..10, 0usize..10, any::<bool>(), 0u32..5).prop_map(
        |(sent, taken, finished, torn, account)| Life {
            sent,
            taken,
            finished,
            torn,
            account: account > 0,
        },
    );
    let words = prop::collection::vec(1u64..40, 8);
    prop::collection::vec((life, words), 1..8)
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_that_was_seen_is_said_to_be_unseen(lives in lives(), start in (0u64..1 << 40).prop_map(|word| word * 8)) {
        let mut frames: Vec<Frame> = Vec::new();
        let mut tail = start;
        for (life, words) in lives {
            for words in &words[..life.sent] {
                let (position, end) = (tail, tail + 8 * words);
                frames.push(Frame { position, end, said: None, seen: false, finished: false });
                tail = end;
            }
            let known = frames.iter().find(|frame| !frame.finished).map_or(tail, |frame| frame.position);
            // It goes through what is not finished with, in order.
            let mut left: Vec<&mut Frame> = frames.iter_mut().filter(|frame| !frame.finished).collect();
            let mut taken = known;
            let count = life.taken.min(left.len());
            for frame in &mut left[..count] {
                frame.seen = true;
                taken = frame.end;
            }
            if let (true, Some(next)) = (life.torn, left.get(count)) {
                taken = next.end;
            }
            let mut released = known;
            for frame in &mut left[..life.finished.min(count)] {
                frame.finished = true;
                released = frame.end;
            }
            let said = Said { released, taken: life.account.then_some(taken) };
            let ends: Vec<u64> = frames.iter().map(|frame| frame.end).collect();
            let standing = Standing::judge(known, tail, said, |position| position == known || ends.contains(&position));
            prop_assert_eq!(standing.broken, None);
            prop_assert_eq!((standing.start, standing.sent), (released, tail));
            for frame in &mut frames {
                // Exactly what is not finished with is sent again.
                prop_assert_eq!(frame.position >= standing.start, !frame.finished);
                if frame.finished {
                    continue;
                }
                let before = frame.said.unwrap_or_default();
                let mark = standing.mark(frame.position, before);
                prop_assert_ne!(mark, Redelivery::First);
                if frame.seen {
                    prop_assert_eq!(mark, Redelivery::InDoubt, "seen, and said to be unseen");
                }
                if before == Redelivery::InDoubt {
                    prop_assert_eq!(mark, Redelivery::InDoubt, "doubt stays");
                }
                let torn = frame.position < taken;
                if !frame.seen && !torn && life.account && before != Redelivery::InDoubt {
                    prop_assert_eq!(mark, Redelivery::Unseen, "proven, and not said");
                }
                frame.said = Some(mark);
            }
        }
    }

    /// Whatever it has said: what is sent again begins where a frame does, at or behind what was known, and ends with what was sent.
    #[test]
    fn a_lie_is_bounded_by_what_is_known(
        known in 0u64..400, length in 0u64..400, released in 0u64..10_000, taken in prop::option::of(0u64..10_000), every in 1u64..9,
    ) {
        let (known, sent) = (8 * known, 8 * (known + length));
        let said = Said { released, taken };
        let leads = |position: u64| (position - known) % (8 * every) == 0;
        let standing = Standing::judge(known, sent, said, leads);
        prop_assert!(known <= standing.start && standing.start <= standing.taken && standing.taken <= standing.sent);
        prop_assert_eq!(standing.sent, sent);
        prop_assert!(standing.start == known || leads(standing.start));
        prop_assert_eq!(standing.length(), sent - standing.start);
        let good = released % 8 == 0 && (known..=sent).contains(&released) && leads(released);
        prop_assert_eq!(standing.start, if good { released } else { known });
        let sound = good && taken.is_none_or(|taken| taken % 8 == 0 && (released..=sent).contains(&taken));
        prop_assert_eq!(standing.broken.is_none(), sound);
        if !sound {
            // All of it is in doubt.
            prop_assert_eq!(standing.taken, sent);
        }
    }
}
