//! What is to be true of a run, whatever fails in it.

use crate::calls;
use crate::inject::{Manner, Plan, Ran};

/// What is wrong with a run, if anything is. `wanted`: what the failing process holds at the end, if that is known.
pub(crate) fn fault(ran: &Ran, plans: &[Plan], wanted: Option<[u64; 2]>) -> Option<String> {
    if ran.ended != [0; 2] {
        let [failing, peer] = ran.ended;
        return Some(format!(
            "the failing process ended with {failing:#x}, its peer with {peer:#x}"
        ));
    }
    if let Some((said, heard)) = ran.frames.iter().find(|(said, heard)| heard < said) {
        return Some(format!("{said} frames were committed, {heard} received"));
    }
    let [first, second, _] = &ran.texts;
    let is_rare = plans.iter().any(|plan| plan.rare);
    if let Some(text) = ran.texts.iter().find(|text| text.contains("TimedOut")) {
        return Some(format!("somebody waited in vain: {text}"));
    }
    // The kernel says once that words of ours were unread at the peer's close, before what that had said; told twice, there is nobody.
    let is_reset =
        |plan: &&Plan| (plan.number, plan.errno) == (libc::SYS_recvmsg, libc::ECONNRESET);
    let is_told_the_end = plans.iter().filter(is_reset).count() > 1;
    if first.starts_with("exchange") && !is_told_the_end && !is_rare {
        return Some("a connection that was made did not last".to_owned());
    }
    let is_for_good = |plan: &Plan| plan.rare && plan.manner == Manner::Always;
    if !second.is_empty() && !plans.iter().any(is_for_good) {
        return Some("the next attempt failed too".to_owned());
    }
    // Not where what it goes on with fails too.
    let goes_on =
        |plan: &Plan| !plan.instead && !plan.rare && calls::goes_on(plan.number, plan.errno);
    if !first.is_empty() && plans.iter().all(goes_on) {
        return Some("this was to go on".to_owned());
    }
    let wanted = wanted?;
    let failed = |number: i64| failed(plans, number);
    // Who cannot be sure that it is ours leaves it, and the next listener takes its place.
    let unsure = [
        libc::SYS_unlink,
        libc::SYS_openat,
        libc::SYS_flock,
        libc::SYS_statx,
    ];
    if ran.left && !unsure.into_iter().any(failed) {
        return Some("a socket is left behind".to_owned());
    }
    let fits = fits(ran.held, wanted, plans);
    (!fits).then(|| format!("it holds {:?} at the end, not {wanted:?}", ran.held))
}

fn failed(plans: &[Plan], number: i64) -> bool {
    let really = |plan: &Plan| plan.manner != Manner::Pretended;
    plans
        .iter()
        .any(|plan| plan.number == number && really(plan))
}

/// Whether a process that holds this at its end has left nothing open.
pub(crate) fn fits(held: [u64; 2], wanted: [u64; 2], plans: &[Plan]) -> bool {
    // What a process makes once it may not have needed: whether anybody had to be rung depends on the moment.
    let more = |index: usize| held[index].saturating_sub(wanted[index]);
    // The kernel's AIO may be asked instead of /proc, which one with few descriptors would never have used.
    let asked = u64::from(failed(plans, libc::SYS_readlink));
    // What is not unmapped stays.
    let mapped = failed(plans, libc::SYS_munmap);
    more(0) <= asked && (mapped || more(1) <= asked)
}
