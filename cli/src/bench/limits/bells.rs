//! Park and wake by hand on one of a thousand pairs of eventfds: the server has its own in one epoll instance and learns which was rung, the client waits for the answer
//! on that pair's own. The eight bytes of a counter are the message.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::super::fail;
use super::super::kit::{Kit, Side};
use super::super::ours::crowd::CROWD;
use super::super::work::Link;
use super::bell;

/// The kernel takes no more than 253 descriptors in a message.
const AT_ONCE: usize = 250;

/// One end of all pairs.
#[derive(Debug)]
pub(crate) struct Bells {
    /// To wait on.
    own: Vec<OwnedFd>,
    peer: Vec<OwnedFd>,
    /// Of the server.
    tower: Option<Epoll>,
    /// The pair at hand.
    at: usize,
}

impl Bells {
    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(8192)), hard)?;
        let socket = &kit.sockets[side.index()];
        let mut bells = if side == Side::Lead {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            let made = (0..2 * CROWD).map(|_| EventFd::from_value_and_flags(0, flags));
            let made: Vec<OwnedFd> = made
                .map(|made| Ok(made?.into()))
                .collect::<io::Result<_>>()?;
            for some in made.chunks(AT_ONCE) {
                let numbers: Vec<RawFd> = some.iter().map(AsRawFd::as_raw_fd).collect();
                let rights = [ControlMessage::ScmRights(&numbers)];
                sendmsg::<()>(
                    socket.as_raw_fd(),
                    &[IoSlice::new(&[0])],
                    &rights,
                    MsgFlags::empty(),
                    None,
                )?;
            }
            made
        } else {
            let mut taken = Vec::new();
            while taken.len() < 2 * CROWD {
                take(socket.as_raw_fd(), &mut taken)?;
            }
            taken
        };
        let second = bells.split_off(CROWD);
        let (own, peer) = match side {
            Side::Lead => (bells, second),
            Side::Follow => (second, bells),
        };
        let tower = match side {
            Side::Lead => None,
            Side::Follow => {
                let tower = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
                for (index, bell) in own.iter().enumerate() {
                    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
                    tower.add(bell, EpollEvent::new(flags, index as u64))?;
                }
                Some(tower)
            }
        };
        Ok(Self {
            own,
            peer,
            tower,
            at: 0,
        })
    }
}

/// Takes the descriptors of one message.
fn take(socket: RawFd, taken: &mut Vec<OwnedFd>) -> io::Result<()> {
    let mut space = nix::cmsg_space!([RawFd; AT_ONCE]);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut space), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel has just made these descriptors for us.
            let owned = |number| unsafe { OwnedFd::from_raw_fd(number) };
            taken.extend(numbers.into_iter().map(owned));
        }
    }
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

impl Link for Bells {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        bell::ring(&self.peer[self.at], payload);
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        if let Some(tower) = &self.tower {
            let mut events = [EpollEvent::empty(); 1];
            match tower.wait(&mut events, EpollTimeout::NONE) {
                Ok(1) => self.at = events[0].data() as usize,
                other => fail(&format!("no bell: {other:?}")),
            }
        } else {
            bell::wait(&self.own[self.at]);
        }
        bell::take(&self.own[self.at], payload);
        if self.tower.is_none() {
            self.at = (self.at + 1) % CROWD;
        }
    }

    fn ack(&mut self) {}

    fn await_ack(&mut self) {}
}
