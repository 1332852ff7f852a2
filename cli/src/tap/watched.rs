//! The loop, with lanes that play a part, in simulated time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringway::schema::{Schema, Type};

use super::pace::Lost;
use super::tests::{record, schema};
use super::watch::{Format, Lane, Next, Source, Wanted, watch};
use crate::exit::Failure;

struct Played {
    connection: u64,
    direction: &'static str,
    schema: Option<Schema>,
    frames: VecDeque<Result<(u16, Vec<u8>), String>>,
    lost: Lost,
    over: bool,
}

impl Lane for Played {
    fn connection(&self) -> u64 {
        self.connection
    }

    fn direction(&self) -> &'static str {
        self.direction
    }

    fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    fn codec(&self) -> u32 {
        0
    }

    fn try_recv(&mut self, payload: &mut Vec<u8>) -> Result<Option<Next>, String> {
        match self.frames.pop_front() {
            None => Ok(None),
            Some(Ok((kind, bytes))) => {
                payload.clear();
                payload.extend(bytes);
                Ok(Some(Next {
                    position: 8,
                    kind,
                    priority: None,
                }))
            }
            Some(Err(why)) => Err(why),
        }
    }

    fn lost(&self) -> Lost {
        self.lost
    }

    fn is_over(&self) -> bool {
        self.over && self.frames.is_empty()
    }
}

struct Play {
    lanes: Vec<Played>,
    /// What comes with each question; then the listener is gone.
    later: VecDeque<Vec<Played>>,
    now: Instant,
    naps: u32,
}

impl Source for Play {
    type Lane = Played;

    fn refresh(&mut self) -> Result<bool, Failure> {
        let more = self.later.pop_front();
        let listens = more.is_some();
        self.lanes.extend(more.into_iter().flatten());
        Ok(listens)
    }

    fn lanes(&mut self) -> &mut Vec<Played> {
        &mut self.lanes
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.naps += 1;
        assert!(self.naps < 100_000, "it never ends");
    }
}

fn news() -> Schema {
    let number = |name| [(name, Type::Unsigned(1), 1)];
    schema(vec![
        record(1, "Quote", &number("price")),
        record(2, "Note", &number("id")),
    ])
}

fn lane(connection: u64, frames: &[(u16, &[u8])]) -> Played {
    Played {
        connection,
        direction: "from-client",
        schema: Some(news()),
        frames: frames
            .iter()
            .map(|(kind, bytes)| Ok((*kind, bytes.to_vec())))
            .collect(),
        lost: Lost::default(),
        over: true,
    }
}

fn play(lanes: Vec<Played>, later: Vec<Vec<Played>>) -> Play {
    Play {
        lanes,
        later: later.into(),
        now: Instant::now(),
        naps: 0,
    }
}

fn wanted(format: Format, kind: Option<&str>) -> Wanted {
    let kind = kind.map(str::to_owned);
    Wanted {
        format,
        count: None,
        direction: None,
        kind,
        until: None,
    }
}

fn run(play: &mut Play, wanted: &Wanted) -> (Result<(), String>, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let end = watch(play, wanted, &mut out, &mut err).map_err(|failure| failure.to_string());
    (
        end,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

#[test]
fn lanes_are_read_until_the_listener_is_gone_and_they_are_over() {
    let first = lane(1, &[(1, &[7, 8]), (2, &[9])]);
    let mut play = play(vec![first], vec![vec![lane(2, &[(2, &[1])])], vec![]]);
    let (end, out, err) = run(&mut play, &wanted(Format::Text, None));
    assert_eq!(end, Ok(()));
    let lines = [
        "1 from-client @8 Quote price=7",
        "1 from-client @8[1] Quote price=8",
        "1 from-client @8 Note id=9",
        "2 from-client @8 Note id=1",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), lines);
    assert_eq!(
        err,
        "ringway tap: 4 messages in 3 frames shown; 0 frames (0 bytes) lost\n"
    );
    // It naps up to 50 ms at a time.
    assert!(play.naps < 40, "{}", play.naps);
}

#[test]
fn it_ends_with_enough_messages_or_when_the_time_is_up() {
    let mut enough = wanted(Format::Text, None);
    enough.count = Some(2);
    let mut living = lane(1, &[(1, &[7, 8, 9]), (2, &[9])]);
    living.over = false;
    let (_, out, err) = run(&mut play(vec![living], vec![]), &enough);
    assert_eq!(out.lines().count(), 2);
    assert!(err.contains("2 messages in 1 frames"), "{err}");
    let mut living = lane(1, &[]);
    living.over = false;
    let mut play = play(vec![living], vec![]);
    let mut timed = wanted(Format::Text, None);
    let begin = play.now;
    timed.until = Some(begin + Duration::from_secs(3));
    assert_eq!(run(&mut play, &timed).0, Ok(()));
    assert!(play.now - begin < Duration::from_millis(3060));
}

#[test]
fn kind_and_direction_choose() {
    let both = || {
        let mut back = lane(1, &[(1, &[1])]);
        back.direction = "to-client";
        play(vec![lane(1, &[(1, &[7]), (2, &[9])]), back], vec![])
    };
    for kind in ["Note", "2"] {
        let (_, out, _) = run(&mut both(), &wanted(Format::Text, Some(kind)));
        assert_eq!(out, "1 from-client @8 Note id=9\n");
    }
    let mut back = wanted(Format::Text, None);
    back.direction = Some("to-client");
    assert_eq!(run(&mut both(), &back).1, "1 to-client @8 Quote price=1\n");
    // What nobody wants is let go of: a lane holds the memory of both sides.
    let mut living = lane(1, &[(1, &[7])]);
    living.over = false;
    let mut play = play(vec![living], vec![vec![]]);
    back.until = Some(play.now + Duration::from_secs(1));
    assert_eq!(run(&mut play, &back).0, Ok(()));
    assert!(play.lanes.is_empty());
}

#[test]
fn a_table_needs_one_kind() {
    let several = || play(vec![lane(1, &[(1, &[7]), (2, &[9])])], vec![]);
    let (end, out, _) = run(&mut several(), &wanted(Format::Csv, None));
    assert!(end.unwrap_err().contains("--kind"));
    assert_eq!(out, "");
    let (end, out, _) = run(&mut several(), &wanted(Format::Csv, Some("Note")));
    assert_eq!(end, Ok(()));
    assert_eq!(
        out,
        "connection,direction,position,priority,index,message,id\n1,from-client,8,,0,Note,9\n"
    );
}

#[test]
fn what_was_lost_is_told_in_the_stream_and_at_the_end() {
    let lossy = |connection, frames| {
        let mut lossy = lane(connection, &[(2, &[9])]);
        lossy.lost = Lost {
            frames,
            bytes: frames * 16,
        };
        lossy
    };
    let mut play = play(vec![lossy(1, 5)], vec![vec![lossy(2, 6)], vec![]]);
    let (_, out, err) = run(&mut play, &wanted(Format::Json, None));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[1], r#"{"lost":{"frames":5,"bytes":80}}"#);
    // Within the same second, so only at the end.
    assert_eq!(lines[3], r#"{"lost":{"frames":11,"bytes":176}}"#);
    assert_eq!(lines.len(), 4, "{out}");
    assert!(err.contains("5 frames (80 bytes) lost so far"), "{err}");
    assert!(
        err.ends_with("2 frames shown; 11 frames (176 bytes) lost\n"),
        "{err}"
    );
}

#[test]
fn a_lane_that_fails_ends_alone() {
    let mut bad = lane(1, &[]);
    bad.frames.push_back(Err("broke a rule".to_owned()));
    bad.over = false;
    let (end, out, err) = run(
        &mut play(vec![bad, lane(2, &[(2, &[9])])], vec![]),
        &wanted(Format::Text, None),
    );
    assert_eq!(end, Ok(()));
    assert_eq!(out, "2 from-client @8 Note id=9\n");
    assert!(
        err.contains("connection 1, from-client: broke a rule"),
        "{err}"
    );
}

struct Gone;

impl std::io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn whoever_closes_the_pipe_is_told_nothing() {
    let mut play = play(vec![lane(1, &[(2, &[9])])], vec![]);
    let mut err = Vec::new();
    let end = watch(&mut play, &wanted(Format::Text, None), &mut Gone, &mut err);
    assert_eq!(end.unwrap_err().to_string(), "");
    assert!(err.is_empty());
}
