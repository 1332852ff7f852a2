//! Where a segment says what frames mean: behind the control bytes, a header and two tables, that of what the owner sends and that of
//! what it expects to receive. A table is opaque here; the layer `schema` reads it.

use core::ops::Range;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::control::CONTROL;

/// Where the area begins.
pub(crate) const SCHEMAS: usize = CONTROL;
/// The longest table, in bytes.
pub(crate) const MAX_TABLE: usize = 64 << 10;
/// The longest area, in bytes.
pub(crate) const MAX_SCHEMAS: usize = HEADER + 2 * MAX_TABLE;

/// Nothing is said about the bytes.
pub(crate) const NO_FINGERPRINT: [u8; 16] = [0; 16];

const HEADER: usize = size_of::<SchemasHeader>();

/// The beginning of the area. The first table is right behind it, the second one at the next multiple of 8.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct SchemasHeader {
    /// Bytes in the table of what the owner sends; zero: none.
    pub(crate) sends_bytes: u32,
    /// Bytes in the table of what it expects to receive; zero: none.
    pub(crate) expects_bytes: u32,
    /// Reserved, zero.
    pub(crate) reserved: u64,
    /// Fingerprint of what it expects. That of what it sends is in the handshake and in the control block.
    pub(crate) expects_fingerprint: [u8; 16],
}

/// What one side says of its area in the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Bytes in the area; zero: there is none.
    pub(crate) bytes: u32,
    /// Fingerprint of what the owner sends; zero: bytes without a meaning.
    pub(crate) fingerprint: [u8; 16],
}

/// What an area holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) sends: Range<usize>,
    pub(crate) expects: Range<usize>,
    pub(crate) expects_fingerprint: [u8; 16],
}

/// Why an area cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// Longer than any.
    TooLong,
    /// Its header's lengths are not those of the area.
    Lengths,
    /// A table without a fingerprint, or a fingerprint without a table.
    Fingerprint,
}

/// The area of two tables, each of at most [`MAX_TABLE`] bytes. Empty where there is none.
pub(crate) fn area(sends: &[u8], expects: &[u8], expects_fingerprint: [u8; 16]) -> Vec<u8> {
    if sends.is_empty() && expects.is_empty() {
        return Vec::new();
    }
    let header = SchemasHeader {
        sends_bytes: sends.len() as u32,
        expects_bytes: expects.len() as u32,
        reserved: 0,
        expects_fingerprint,
    };
    let mut area = header.as_bytes().to_vec();
    for table in [sends, expects] {
        area.extend_from_slice(table);
        area.resize(area.len().next_multiple_of(8), 0);
    }
    area
}

/// Finds the tables in a private copy of an area, which is as long as was announced and may come from a hostile peer.
pub(crate) fn places(area: &[u8], sends_fingerprint: [u8; 16]) -> Result<Places, Misplaced> {
    if area.len() > MAX_SCHEMAS {
        return Err(Misplaced::TooLong);
    }
    let (header, rest) = if area.is_empty() {
        (SchemasHeader::new_zeroed(), area)
    } else {
        SchemasHeader::read_from_prefix(area).map_err(|_| Misplaced::Lengths)?
    };
    let (sends, expects) = (header.sends_bytes as usize, header.expects_bytes as usize);
    if sends > MAX_TABLE || expects > MAX_TABLE {
        return Err(Misplaced::TooLong);
    }
    let second = sends.next_multiple_of(8);
    if second + expects.next_multiple_of(8) != rest.len()
        || sends + expects == 0 && !area.is_empty()
    {
        return Err(Misplaced::Lengths);
    }
    let told = |fingerprint: [u8; 16]| fingerprint != NO_FINGERPRINT;
    if told(sends_fingerprint) != (sends > 0) || told(header.expects_fingerprint) != (expects > 0) {
        return Err(Misplaced::Fingerprint);
    }
    let first = area.len() - rest.len();
    Ok(Places {
        sends: first..first + sends,
        expects: first + second..first + second + expects,
        expects_fingerprint: header.expects_fingerprint,
    })
}

/// Bytes before the ring: the control bytes and the area behind them, in whole pages of `page` bytes.
pub(crate) const fn ring_offset(schema_bytes: usize, page: usize) -> usize {
    (SCHEMAS + schema_bytes).next_multiple_of(page)
}

const _: () = {
    assert!(size_of::<SchemasHeader>() == 32);
    assert!(MAX_TABLE % 8 == 0);
};

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 16] = [1; 16];

    #[test]
    fn two_tables_are_found_where_they_were_put() {
        for (sends, expects) in [(0, 5), (5, 0), (8, 8), (13, 100), (MAX_TABLE, MAX_TABLE)] {
            let print = |bytes: usize| if bytes == 0 { NO_FINGERPRINT } else { ONE };
            let made = area(&vec![7; sends], &vec![9; expects], print(expects));
            assert!(made.len() % 8 == 0 && made.len() <= MAX_SCHEMAS);
            let places = places(&made, print(sends)).unwrap();
            assert_eq!(made[places.sends], vec![7; sends]);
            assert_eq!(made[places.expects], vec![9; expects]);
            assert_eq!(places.expects_fingerprint, print(expects));
        }
        assert!(area(&[], &[], NO_FINGERPRINT).is_empty());
        let none = places(&[], NO_FINGERPRINT).unwrap();
        assert!(none.sends.is_empty() && none.expects.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let good = area(&[7; 13], &[9; 21], ONE);
        let with = |at: usize, value: u32| {
            let mut area = good.clone();
            area[at..at + 4].copy_from_slice(&value.to_le_bytes());
            places(&area, ONE)
        };
        assert_eq!(
            places(&vec![0; MAX_SCHEMAS + 8], ONE),
            Err(Misplaced::TooLong)
        );
        assert_eq!(with(0, MAX_TABLE as u32 + 1), Err(Misplaced::TooLong));
        assert_eq!(with(4, u32::MAX), Err(Misplaced::TooLong));
        assert_eq!(with(0, 17), Err(Misplaced::Lengths));
        assert_eq!(with(4, 0), Err(Misplaced::Lengths));
        for length in [1, 31, 32, good.len() - 1] {
            assert_eq!(places(&good[..length], ONE), Err(Misplaced::Lengths));
        }
        assert_eq!(places(&[0; 32], NO_FINGERPRINT), Err(Misplaced::Lengths));
        assert_eq!(places(&good, NO_FINGERPRINT), Err(Misplaced::Fingerprint));
        assert_eq!(places(&[], ONE), Err(Misplaced::Fingerprint));
        let mut unnamed = good.clone();
        unnamed[16..32].fill(0);
        assert_eq!(places(&unnamed, ONE), Err(Misplaced::Fingerprint));
    }

    #[test]
    fn the_ring_begins_at_a_page() {
        assert_eq!(ring_offset(0, 4096), 4096);
        assert_eq!(ring_offset(1, 4096), 8192);
        assert_eq!(ring_offset(4096, 4096), 8192);
        assert_eq!(ring_offset(4097, 4096), 12_288);
        assert_eq!(ring_offset(100, 65_536), 65_536);
        assert_eq!(ring_offset(MAX_SCHEMAS, 2 << 20), 2 << 20);
    }
}
