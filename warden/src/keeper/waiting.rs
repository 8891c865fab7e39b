//! What a keeper waits for. The set is named anew at each turn from what the parts say they want, so a part that is full
//! is not waited for and nothing wakes the keeper in vain; the kernel is told only what has changed since the last turn.

use super::fault::Fault;
use crate::warden::timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// Somebody who may have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The warden has an order.
    Warden,
    /// Something in the jail has stopped or ended.
    Children,
    /// The jail's init has something to say.
    Init,
    /// The judge has an answer, or takes questions again.
    Judge,
    /// An exec waits.
    Guard,
    /// The shell has something to say, or takes answers again.
    Shell,
    /// The gateway has input, or takes output again.
    Gateway,
    /// The gateway has gone, as far as that can be seen without reading.
    GatewayGone,
    /// There is output.
    Output,
    /// The terminal takes input again.
    Sink,
    /// The recording does not reach the disk any more.
    Recording,
}

/// About how many descriptors a turn waits for.
const DESCRIPTORS: usize = 16;
/// What is told about a descriptor whether it was asked for or not.
const ALWAYS: PollFlags = PollFlags::ERR.union(PollFlags::HUP).union(PollFlags::NVAL);

impl Source {
    /// Whether it is waited for directly rather than by way of a [`Standing`] set: each exec waits for these two, and the kernel wakes
    /// a direct waiter on the processor that the waker is about to leave.
    fn is_direct(self) -> bool {
        matches!(self, Self::Guard | Self::Children)
    }
}

/// Everything that is waited for in one turn.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(Vec<Wanted<'a>>);

#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    source: Source,
    fd: BorrowedFd<'a>,
    flags: PollFlags,
}

/// Who was found to have something.
#[derive(Debug)]
pub(crate) struct Ready(Vec<Source>);

impl Ready {
    /// Whether this one was.
    pub(crate) fn has(&self, source: Source) -> bool {
        self.0.contains(&source)
    }
}

impl Default for Waiting<'_> {
    fn default() -> Self {
        Self(Vec::with_capacity(DESCRIPTORS))
    }
}

impl<'a> Waiting<'a> {
    /// Waits for something to read.
    pub(crate) fn read(&mut self, source: Source, fd: BorrowedFd<'a>) {
        self.add(source, fd, PollFlags::IN);
    }

    /// Waits for room to write.
    pub(crate) fn write(&mut self, source: Source, fd: BorrowedFd<'a>) {
        self.add(source, fd, PollFlags::OUT);
    }

    /// Waits for nothing but the other side's going.
    pub(crate) fn gone(&mut self, source: Source, fd: BorrowedFd<'a>) {
        self.add(source, fd, PollFlags::empty());
    }

    fn add(&mut self, source: Source, fd: BorrowedFd<'a>, flags: PollFlags) {
        self.0.push(Wanted { source, fd, flags });
    }

    /// Waits until one has something, or until `deadline`.
    pub(crate) fn until(self, deadline: Instant) -> Result<Ready, Fault> {
        let mut fds: Vec<PollFd<'_>> = self.0.iter().map(|wanted| PollFd::from_borrowed_fd(wanted.fd, wanted.flags)).collect();
        wait(&mut fds, deadline)?;
        Ok(Ready(self.0.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(wanted, _)| wanted.source).collect()))
    }

    /// The same, with most of the descriptors kept in `standing` from one turn to the next. To be given the same `edition` as long
    /// as no descriptor was closed whose number another can have by now.
    pub(crate) fn until_in(self, standing: &mut Standing, edition: u64, deadline: Instant) -> Result<Ready, Fault> {
        standing.keep(&self.0, edition).map_err(Fault::Wait)?;
        let direct = || self.0.iter().filter(|wanted| wanted.source.is_direct());
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(DESCRIPTORS);
        fds.push(PollFd::new(&standing.epoll, PollFlags::IN));
        fds.extend(direct().map(|wanted| PollFd::from_borrowed_fd(wanted.fd, wanted.flags)));
        wait(&mut fds, deadline)?;
        let mut told = fds.iter().map(|fd| !fd.revents().is_empty());
        let standing_has = told.next().unwrap_or(true);
        let mut ready: Vec<Source> = Vec::with_capacity(DESCRIPTORS);
        ready.extend(direct().zip(told).filter(|(_, told)| *told).map(|(wanted, _)| wanted.source));
        if standing_has {
            standing.ready(&self.0, &mut ready).map_err(Fault::Wait)?;
        }
        Ok(Ready(ready))
    }
}

/// Descriptors that are waited for turn after turn. They stay with the kernel: to hand over all of them each time would cost every
/// exec twice as much as it takes to find out that only one of them has something.
#[derive(Debug)]
pub(crate) struct Standing {
    epoll: OwnedFd,
    kept: Vec<Kept>,
    /// Room for those of the next turn.
    next: Vec<Kept>,
    edition: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    fd: RawFd,
    flags: PollFlags,
}

impl Standing {
    /// None yet.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, kept: Vec::new(), next: Vec::new(), edition: 0 })
    }

    /// Sees to it that exactly these are kept, but for the direct ones.
    fn keep(&mut self, wanted: &[Wanted<'_>], edition: u64) -> io::Result<()> {
        self.next.clear();
        for Wanted { fd, flags, .. } in wanted.iter().filter(|wanted| !wanted.source.is_direct()) {
            let fd = fd.as_raw_fd();
            match self.next.iter_mut().find(|kept| kept.fd == fd) {
                Some(kept) => kept.flags |= *flags,
                None => self.next.push(Kept { fd, flags: *flags }),
            }
        }
        if self.next == self.kept && edition == self.edition {
            return Ok(());
        }
        let same = edition == self.edition && self.next.iter().map(|kept| kept.fd).eq(self.kept.iter().map(|kept| kept.fd));
        if !same {
            // whatever the numbers meant: a new set knows only what it is told now
            self.epoll = epoll::create(CreateFlags::CLOEXEC)?;
        }
        for (index, kept) in self.next.iter().enumerate() {
            if same && self.kept.get(index) == Some(kept) {
                continue;
            }
            let Some(Wanted { fd, .. }) = wanted.iter().find(|wanted| wanted.fd.as_raw_fd() == kept.fd) else { continue };
            let (data, flags) = (EventData::new_u64(index as u64), EventFlags::from_bits_retain(kept.flags.bits().into()));
            if same { epoll::modify(&self.epoll, fd, data, flags)? } else { epoll::add(&self.epoll, fd, data, flags)? }
        }
        std::mem::swap(&mut self.kept, &mut self.next);
        self.edition = edition;
        Ok(())
    }

    /// Adds those that have something.
    fn ready(&self, wanted: &[Wanted<'_>], ready: &mut Vec<Source>) -> io::Result<()> {
        let mut events = [MaybeUninit::<Event>::uninit(); DESCRIPTORS];
        let (events, _) = match epoll::wait(&self.epoll, &mut events, Some(&timespec(Duration::ZERO))) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let Event { flags, data } = *event;
            let kept = usize::try_from(data.u64()).ok().and_then(|index| self.kept.get(index));
            let told = PollFlags::from_bits_truncate(u16::try_from(flags.bits() & 0xffff).unwrap_or(0));
            let of_it = |wanted: &&Wanted<'_>| !wanted.source.is_direct() && kept.is_some_and(|kept| kept.fd == wanted.fd.as_raw_fd()) && told.intersects(wanted.flags | ALWAYS);
            ready.extend(wanted.iter().filter(of_it).map(|wanted| wanted.source));
        }
        Ok(())
    }
}

fn wait(fds: &mut [PollFd<'_>], deadline: Instant) -> Result<(), Fault> {
    match poll(fds, Some(&timespec(deadline.saturating_duration_since(Instant::now())))) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(Fault::Wait(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    fn found(standing: &mut Standing, edition: u64, wanted: &[(Source, &UnixStream, PollFlags)]) -> Vec<Source> {
        let mut waiting = Waiting::default();
        wanted.iter().for_each(|(source, fd, flags)| waiting.add(*source, fd.as_fd(), *flags));
        waiting.until_in(standing, edition, Instant::now()).unwrap().0
    }

    #[test]
    fn what_is_wanted_is_found_turn_after_turn() {
        let ((a, mut a_peer), (b, mut b_peer)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let mut standing = Standing::new().unwrap();
        let wanted = [(Source::Warden, &a, PollFlags::IN), (Source::Guard, &b, PollFlags::IN)];
        assert_eq!(found(&mut standing, 0, &wanted), []);
        a_peer.write_all(b"x").unwrap();
        for _ in 0..2 {
            assert_eq!(found(&mut standing, 0, &wanted), [Source::Warden], "as long as it is not taken");
        }
        b_peer.write_all(b"x").unwrap();
        assert_eq!(found(&mut standing, 0, &wanted), [Source::Guard, Source::Warden]);
        assert_eq!(found(&mut standing, 0, &wanted[1..]), [Source::Guard], "what is not wanted is not found");
        assert_eq!(found(&mut standing, 0, &wanted), [Source::Guard, Source::Warden]);
    }

    #[test]
    fn one_descriptor_of_two_sources_is_told_to_whom_it_concerns() {
        let (a, mut a_peer) = UnixStream::pair().unwrap();
        let mut standing = Standing::new().unwrap();
        let reads = (Source::Output, &a, PollFlags::IN);
        let both = [reads, (Source::Sink, &a, PollFlags::OUT)];
        assert_eq!(found(&mut standing, 0, &both), [Source::Sink]);
        assert_eq!(found(&mut standing, 0, &[reads]), []);
        a_peer.write_all(b"x").unwrap();
        assert_eq!(found(&mut standing, 0, &both), [Source::Output, Source::Sink]);
        drop(a_peer);
        let gone = [(Source::GatewayGone, &a, PollFlags::empty())];
        assert_eq!(found(&mut standing, 0, &gone), [Source::GatewayGone]);
    }

    #[test]
    fn a_number_that_another_descriptor_has_is_looked_at_anew() {
        let (a, _a_peer) = UnixStream::pair().unwrap();
        let mut standing = Standing::new().unwrap();
        assert_eq!(found(&mut standing, 0, &[(Source::Judge, &a, PollFlags::IN)]), []);
        let (b, mut b_peer) = UnixStream::pair().unwrap();
        // the descriptor of `a` is closed, and its number is that of `b` from now on
        let mut taken = std::os::fd::OwnedFd::from(a);
        rustix::io::dup2(&b, &mut taken).unwrap();
        let a = UnixStream::from(taken);
        b_peer.write_all(b"x").unwrap();
        assert_eq!(found(&mut standing, 1, &[(Source::Judge, &a, PollFlags::IN)]), [Source::Judge]);
    }
}
