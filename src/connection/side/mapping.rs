//! A peer's segment: the arithmetic of its offer, and what is wrong with its file.

use std::os::fd::BorrowedFd;

use super::{Refused, Rings, page};
use crate::error::ErrorKind;
use crate::layout::geometry::Geometry;
use crate::layout::handshake::{Reason, SEGMENT_HUGE, SegmentOffer};
use crate::layout::schemas;
use crate::segment::{ForeignSegment, SegmentSize};
use crate::sys::memfd::{self, Defect, Identity};

/// Judges an offered segment, with an area of schemas of `schema_bytes` and as many rings as `most` says, of at most so many bytes, and maps it, unless it is `own`:
/// what we write in our own segment would change under what we read of the peer's.
pub(crate) fn map(
    offer: &SegmentOffer,
    schema_bytes: u32,
    most: Rings,
    descriptor: BorrowedFd<'_>,
    prefault: bool,
    own: Option<Identity>,
) -> Result<(ForeignSegment, Geometry), Refused> {
    let geometry = offer.geometry().map_err(|misfit| {
        (
            Reason::Geometry,
            ErrorKind::Geometry,
            format!("the offered ring breaks a rule: {misfit:?}"),
        )
    })?;
    let huge = offer.flags & SEGMENT_HUGE != 0;
    let page = page(huge);
    let ring_offset = schemas::ring_offset(schema_bytes as usize, page);
    let sound = geometry.capacity <= most.capacity
        && offer.lanes == most.lanes
        && offer.flags & !SEGMENT_HUGE == 0
        && offer.ring_offset == ring_offset as u64
        && geometry.capacity % page as u64 == 0
        && offer.size == offer.ring_offset + u64::from(offer.lanes) * geometry.capacity;
    if !sound {
        let text = format!(
            "the offered segment ({} bytes, lanes: {}, ring of {}) is not what was agreed",
            offer.size, offer.lanes, offer.capacity
        );
        return Err((Reason::Geometry, ErrorKind::Geometry, text));
    }
    let size = SegmentSize {
        control: ring_offset,
        ring: geometry.capacity as usize,
        lanes: offer.lanes as usize,
        huge,
    };
    let mapped =
        ForeignSegment::map(descriptor, size, prefault, own).map_err(|defect| describe(&defect))?;
    Ok((mapped, geometry))
}

/// What is wrong with a memory file that a peer has sent.
pub(crate) fn describe(defect: &Defect) -> Refused {
    let text = match defect {
        Defect::NotAMemoryFile => "the segment's descriptor is no memory file".to_owned(),
        Defect::Seals(seals) => format!(
            "the segment is not sealed: it has {seals:#x}, needed are {:#x}",
            memfd::SEALS
        ),
        Defect::FileSystem => "the segment is on the wrong kind of file system".to_owned(),
        Defect::Own => {
            "the segment is none of the peer's: it is our own segment, handed back".to_owned()
        }
        Defect::Size { announced, actual } => {
            format!("the segment has {actual} bytes, announced were {announced}")
        }
        Defect::Sparse { size, allocated } => {
            format!("the segment is sparse: {allocated} of {size} bytes are allocated")
        }
        Defect::Unreadable(errno) => {
            let text = format!(
                "the segment cannot be mapped: {}",
                std::io::Error::from_raw_os_error(*errno)
            );
            return (Reason::Resources, ErrorKind::Resources, text);
        }
    };
    (Reason::Segment, ErrorKind::Segment, text)
}
