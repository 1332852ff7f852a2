//! Holds the shipped layout to the hex dumps under `tests/golden`, and so to `docs/PROTOCOL.md`.
//!
//! A dump that no longer fits is a change of the protocol. Where that is meant, `RINGWAY_GOLDEN=write cargo test --lib golden`
//! writes the files anew; the difference then belongs into the changelog's table of versions.

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use zerocopy::{FromBytes, Immutable, IntoBytes};

    use crate::layout::control::{self, CONTROL, ControlBlock};
    use crate::layout::counters::{self, CountersHeader};
    use crate::layout::geometry::{Geometry, padding};
    use crate::layout::handshake::{
        Attach, FEATURE_MEMBARRIER, FEATURE_RESUME, FEATURES, Hello, Kind, Prefix, Ready, Reason,
        Refuse, SegmentOffer, Shown, WAITS, Welcome,
    };
    use crate::layout::header::{
        FLAG_DOUBT, FLAG_EXPIRES, FLAG_FRAME, FLAG_PAD, FLAG_REDELIVERED, FLAGS_EXTENSION, HEADER,
        Header, frame_length,
    };
    use crate::layout::schemas::{self, Announced};

    /// Every field another value, so that two that are exchanged show.
    const GEOMETRY: Geometry = Geometry {
        capacity: 0x2_0000,
        step: 0x4000,
        alignment: 64,
        start: 0x1122_3344_5566_7788,
    };

    /// Sixteen bytes a line behind their offset; lines of zeros are left out, and the last line is the length.
    fn dump(bytes: &[u8]) -> String {
        let mut text = String::new();
        for (line, part) in bytes.chunks(16).enumerate() {
            if part.iter().any(|&byte| byte != 0) {
                write!(text, "{:04x}:", line * 16).unwrap();
                for byte in part {
                    write!(text, " {byte:02x}").unwrap();
                }
                text.push('\n');
            }
        }
        writeln!(text, "{:04x}", bytes.len()).unwrap();
        text
    }

    /// The bytes of a dump. Nothing else is taken for one.
    fn undump(text: &str) -> Vec<u8> {
        let hex = |digits: &str| usize::from_str_radix(digits, 16).expect("hexadecimal digits");
        let length = hex(text.lines().last().expect("a last line").trim());
        let mut bytes = vec![0; length];
        for line in text.lines().filter(|line| line.contains(':')) {
            let (offset, part) = line.split_once(':').expect("an offset");
            for (at, byte) in part.split_whitespace().enumerate() {
                bytes[hex(offset) + at] = u8::try_from(hex(byte)).expect("two digits");
            }
        }
        bytes
    }

    /// Compares with the file, or writes it where that was asked for. Returns the file's bytes.
    fn hold(name: &str, bytes: &[u8]) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let path = folder.join(name).with_extension("hex");
        if std::env::var_os("RINGWAY_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, dump(bytes)).unwrap();
        }
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            dump(bytes),
            text,
            "{name} is not what {} says",
            path.display()
        );
        undump(&text)
    }

    /// Both ways: the value makes the file's bytes, and the file's bytes make the value.
    fn hold_value<T>(name: &str, value: &T)
    where
        T: FromBytes + IntoBytes + Immutable + PartialEq + core::fmt::Debug,
    {
        let file = hold(name, value.as_bytes());
        assert_eq!(&T::read_from_bytes(&file).expect("its size"), value);
    }

    /// A run of bytes that begins with `first`.
    fn run<const N: usize>(first: u8) -> [u8; N] {
        core::array::from_fn(|at| first + u8::try_from(at).unwrap())
    }

    #[test]
    fn hello() {
        let hello = Hello {
            prefix: Prefix::new::<Hello>(Kind::Hello),
            oldest_version: 1,
            newest_version: 2,
            role: 1,
            lanes: 3,
            features: 0x0102_0304_0506_0708,
            required_features: 0x1112_1314_1516_1718,
            send_capacity: 0x2_0000,
            receive_capacity: 0x4_0000,
            receive_limit: 0x400_0000,
            waits: WAITS,
            codec: 0x2122_2324,
            schema_fingerprint: run(0x30),
            schema_bytes: 0x4142_4344,
            priorities: [0x51, 0x52, 0x53, 0x54],
            resume_token: run(0x60),
            resume_position: 0x7172_7374_7576_7778,
            generation: 0x797a_7b7c,
            reserved_first: [0; 4],
            observes: 0x8182_8384,
            reserved: [0; 4],
            after: 0x9192_9394_9596_9798,
            reserved_too: [0; 112],
        };
        hold_value("hello", &hello);
    }

    #[test]
    fn welcome() {
        let welcome = Welcome {
            prefix: Prefix::new::<Welcome>(Kind::Welcome),
            version: 1,
            lanes: 2,
            waits: WAITS,
            features: 0x0102_0304_0506_0708,
            send_capacity: 0x1_0000,
            offer: SegmentOffer::new(&GEOMETRY, 2, 0x1000, false),
            codec: 0x2122_2324,
            schema_bytes: 0x4142_4344,
            schema_fingerprint: run(0x30),
            resume_token: run(0x60),
            resume_position: 0x7172_7374_7576_7778,
            reserved_first: [0; 8],
            reserved: [0; 112],
        };
        hold_value("welcome", &welcome);
    }

    #[test]
    fn attach() {
        let attach = Attach {
            prefix: Prefix::new::<Attach>(Kind::Attach),
            offer: SegmentOffer::new(&GEOMETRY, 4, 0x20_0000, true),
            starts: [GEOMETRY.start, 0x31_0000, 0x32_0000, 0x33_0000],
            reserved: [0; 32],
        };
        hold_value("attach", &attach);
    }

    #[test]
    fn ready() {
        let ready = Ready {
            prefix: Prefix::new::<Ready>(Kind::Ready),
            reserved: [0; 48],
        };
        hold_value("ready", &ready);
    }

    #[test]
    fn shown() {
        let shown = Shown {
            prefix: Prefix::new::<Shown>(Kind::Shown),
            connection: 0x0102_0304_0506_0708,
            uid: 0x1112_1314,
            pid: 0x2122_2324,
            server: SegmentOffer::new(&GEOMETRY, 1, 0x20_0000, true),
            client: SegmentOffer::new(&GEOMETRY, 1, 0x1000, false),
            schema_bytes: 0x3132_3334,
            reserved: 0,
            schema_fingerprint: run(0x40),
            reserved_too: [0; 104],
        };
        hold_value("shown", &shown);
    }

    #[test]
    fn refuse() {
        hold_value("refuse", &Refuse::new(Reason::Version, "versions 2 to 3"));
    }

    #[test]
    fn reasons_keep_their_numbers() {
        let mut words = Vec::new();
        for (number, reason) in (1..).zip(Reason::ALL) {
            assert_eq!(reason as u32, number);
            assert_eq!(Reason::from_wire(number), Some(reason));
            words.push(format!("{number} {reason:?}").to_lowercase());
        }
        assert_eq!(Reason::from_wire(0), None);
        assert_eq!(Reason::from_wire(words.len() as u32 + 1), None);
        let document = include_str!("../../docs/PROTOCOL.md");
        let line = format!("Reasons: {}.", words.join(", "));
        assert!(document.contains(&line), "the document lacks: {line}");
    }

    #[test]
    fn control_area() {
        let mut area = vec![0; CONTROL];
        let announced = Announced {
            bytes: 0x1_0150,
            fingerprint: run(0x30),
        };
        let ring = schemas::ring_offset(announced.bytes as usize, 4096) as u64;
        let block = ControlBlock::new(&GEOMETRY, 3, ring, 0x0102_0304_0506_0708)
            .with_schemas(0x2122_2324, &announced)
            .with_lineage(run(0x60), &[GEOMETRY.start, 0x31_0000, 0x32_0000, 0]);
        area[..size_of::<ControlBlock>()].copy_from_slice(block.as_bytes());
        // The words that change: each holds its own offset, repeated, save an epoch that says "closed".
        let words = [
            control::SENDER,
            control::CLAIM,
            control::COMING,
            control::COME,
            control::RECEIVER,
            control::TAKEN,
            control::SENDER + 3 * control::APART,
            control::RECEIVER + 3 * control::APART,
            control::RECEIVER_EPOCH,
            control::FENCE_MODE,
            control::FOLLOWS,
            control::ANNOUNCED,
            control::ANNOUNCED + 3 * control::APART,
        ];
        for offset in words {
            let value = 0x0001_0001_0001_0001 * offset as u64;
            area[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        }
        let closed = control::CLOSED_EPOCH.to_le_bytes();
        area[control::SENDER_EPOCH..control::SENDER_EPOCH + 8].copy_from_slice(&closed);
        let file = hold("control", &area);
        let (read, _) = ControlBlock::read_from_prefix(&file).expect("its size");
        assert_eq!(read, block);
    }

    /// The schemas behind the control bytes: a header and two tables, of 5 and of 11 bytes.
    #[test]
    fn schema_area() {
        let file = hold(
            "schemas",
            &schemas::area(b"sends", b"and expects", run(0x50)),
        );
        let places = schemas::places(&file, run(0x30)).expect("an area");
        assert_eq!(&file[places.sends], b"sends");
        assert_eq!(&file[places.expects], b"and expects");
        assert_eq!(places.expects_fingerprint, run(0x50));
    }

    /// A header and the first slot: each word holds its own offset, repeated.
    #[test]
    fn counters_segment() {
        let mut bytes = vec![0; counters::SLOT * 2];
        let header = CountersHeader::new(0x0102_0304);
        bytes[..size_of::<CountersHeader>()].copy_from_slice(header.as_bytes());
        let lane = size_of::<counters::Lane>();
        let each = counters::MOST_LANES * size_of::<counters::Each>();
        let slot = counters::slot(0);
        let words = [
            counters::UNCOUNTED,
            slot + counters::LIFE,
            slot + counters::PEER,
        ]
        .into_iter()
        .chain([slot + counters::NAME_LENGTH, slot + counters::LANES])
        .chain((slot + counters::SENDS..slot + counters::SENDS + lane).step_by(8))
        .chain((slot + counters::RECEIVES..slot + counters::RECEIVES + lane).step_by(8))
        .chain((slot + counters::SENDS_EACH..slot + counters::SENDS_EACH + each).step_by(8))
        .chain((slot + counters::RECEIVES_EACH..slot + counters::RECEIVES_EACH + each).step_by(8));
        for offset in words {
            let value = 0x0001_0001_0001_0001 * offset as u64;
            bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes[slot + counters::NAME..slot + counters::NAME + 4].copy_from_slice(b"name");
        hold("counters", &bytes);
    }

    #[test]
    fn flags_keep_their_bits() {
        assert_eq!((FLAG_FRAME, FLAG_PAD), (1, 2));
        assert_eq!((FLAG_REDELIVERED, FLAGS_EXTENSION), (4, 0x78));
        assert_eq!((FLAG_EXPIRES, FLAG_DOUBT), (8, 0x80));
    }

    #[test]
    fn features_keep_their_bits() {
        assert_eq!((FEATURE_MEMBARRIER, FEATURE_RESUME, FEATURES), (1, 2, 3));
    }

    /// What a reader finds in the ring, from its position on: flags, kind, payload, up to the terminator.
    fn walk(ring: &[u8]) -> Vec<(u16, u16, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let header = Header(u64::from_le_bytes(ring[at..at + 8].try_into().unwrap()));
            if header.0 == 0 {
                return found;
            }
            let payload = ring[at + 8..][..header.payload() as usize].to_vec();
            found.push((header.flags(), header.kind(), payload));
            at += usize::try_from(header.length()).unwrap();
        }
    }

    /// A ring of one page as its producer leaves it: an empty frame, one of five bytes with a kind, a group of two whose second is
    /// aligned to 64 behind a pad, one that expires, and the terminator in front of bytes of an earlier lap.
    #[test]
    fn ring() {
        let mut ring = vec![0u8; 4096];
        let mut at = 0u64;
        let mut put = |header: Header, payload: &[u8]| {
            let start = usize::try_from(at).unwrap();
            ring[start..start + 8].copy_from_slice(&header.0.to_le_bytes());
            ring[start + 8..start + 8 + payload.len()].copy_from_slice(payload);
            at += header.length();
            at
        };
        put(Header::frame(0, 0), b"");
        put(Header::frame(5, 0x1234), b"hello");
        let position = put(Header::frame(8, 1), b"in group");
        let pad = padding(position, 64);
        assert_eq!(pad, 16, "the case has a pad");
        put(Header::pad(pad), &[]);
        let aligned_end = put(Header::frame(9, 2), b"aligned64");
        let expires = 0x0102_0304_0506_0708u64.to_le_bytes();
        let end = put(Header::expiring(5, 3), &[&expires[..], b"quote"].concat());
        let terminator = usize::try_from(end).unwrap();
        ring[terminator + 8..terminator + 16].fill(0xee);
        let file = hold("ring", &ring);

        let aligned = position + pad + HEADER;
        assert_eq!(aligned % 64, 0);
        assert_eq!(aligned_end, position + pad + frame_length(9));
        assert_eq!(end, aligned_end + frame_length(8 + 5));
        let frame = |kind, payload: &[u8]| (FLAG_FRAME, kind, payload.to_vec());
        let expected = [
            frame(0, b""),
            frame(0x1234, b"hello"),
            frame(1, b"in group"),
            (FLAG_FRAME | FLAG_PAD, 0, vec![0; 8]),
            frame(2, b"aligned64"),
            (
                FLAG_FRAME | FLAG_EXPIRES,
                3,
                [&expires[..], b"quote"].concat(),
            ),
        ];
        assert_eq!(walk(&file), expected);
    }
}
