//! Programs of other users: ordered from the jail's init, while the helper that the caller has become stands for them.
//!
//! What is run is the guard's own knowledge, by a number. Of the helper its three standard descriptors are taken while it waits for
//! its orders, so nobody can change in between what they are. Init makes a process, which waits until the guard knows it; then its
//! exec is the one that was judged, or refused. From then on the helper asks for news and is answered, until the end of one of them.

use super::call::Call;
use super::caller::Caller;
use super::errand::{Errand, lives, written};
use super::{Guard, GuardError, Reaped, Received};
use crate::control::{self, FromInit, Message, OfChild};
use crate::orders::{NEWS, News, Orders};
use crate::runas::RunAs;
use crate::sys::pidfd;
use crate::sys::seccomp::{self, Answer, Notification};
use crate::users::{Others, User};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, PidfdGetfdFlags, pidfd_getfd};
use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

/// A helper that stands for a program.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) process: OwnedFd,
    pub(super) decision: u64,
    /// What its program is to be, until there is a process for it.
    pub(super) errand: Option<Errand>,
    question: Option<u64>,
    news: VecDeque<News>,
    stopped: bool,
    /// Whether the program may begin once the helper has asked again: it hears until then what the terminal says to the job.
    begins: bool,
}

impl Guard {
    /// Has this guard run programs as others too, if the policy says so.
    pub fn serve_others(&mut self, others: Others) {
        if self.enforcement != portcullis_model::verdict::Enforcement::Nothing {
            self.enforcement = portcullis_model::verdict::Enforcement::Users;
            self.others = Some(others);
        }
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.others.as_ref()?.users.iter().find(|user| user.name == name)
    }

    /// Orders a program, and has its helper stand for it.
    pub(super) fn order(&mut self, mut errand: Errand, user: User, notification: u64) -> Result<(), GuardError> {
        let number = errand.permit.seq();
        let standard = [0, 1, 2].map(|number| standard(&errand.process, number));
        let [input, output, error] = standard.map(|fd| fd.map_err(GuardError::Orders));
        let (input, output, error) = (input?, output?, error?);
        let run = RunAs {
            name: std::mem::take(&mut errand.name),
            arguments: std::mem::take(&mut errand.arguments),
            environment: std::mem::take(&mut errand.environment),
            directory: errand.exec.cwd.clone(),
            confinement: errand.permit.confinement().clone(),
            user,
        };
        let (run, stand) = (written(&run).map_err(GuardError::Orders)?, written(&Orders::Stand).map_err(GuardError::Orders)?);
        let Some(others) = &self.others else { return Err(GuardError::Unenforceable) };
        let descriptors = [input.as_fd(), output.as_fd(), error.as_fd(), errand.process.as_fd(), run.as_fd()];
        control::send_now(others.init.as_fd(), &Message::RunAs(number), &descriptors).map_err(|error| GuardError::Orders(io::Error::other(error)))?;
        let process = errand.process.try_clone().map_err(GuardError::Orders)?;
        let stand_for = Stand { process, decision: number, errand: None, question: None, news: VecDeque::new(), stopped: false, begins: false };
        seccomp::give(self.listener.as_fd(), notification, stand.as_fd()).map_err(GuardError::Orders)?;
        let group = errand.group;
        self.stands.insert(group, Stand { errand: Some(errand), ..stand_for });
        Ok(())
    }

    /// A helper that stands for a program asks what has become of it.
    pub(super) fn asked_for_news(&mut self, caller: &Caller, notification: &Notification) -> Option<Received> {
        let asked = Call::decode(notification).ok().and_then(|call| {
            self.memory.turn_to(caller.thread);
            call.prefetch(&mut self.memory).ok()?;
            call.path(&mut self.memory).ok()
        });
        let stand = self.stands.get_mut(&caller.group)?;
        if asked.as_deref() != Some(NEWS.to_bytes()) {
            self.answer(notification.id, Answer::Errno(libc::EACCES));
            return None;
        }
        stand.question = Some(notification.id);
        let number = stand.decision;
        let goes_on = std::mem::take(&mut stand.stopped).then_some(Message::Continue(number));
        let begins = (stand.begins && stand.news.is_empty()).then_some(Message::Begin(number));
        stand.begins &= begins.is_none();
        if let Some(others) = &self.others {
            for message in [goes_on, begins].into_iter().flatten() {
                let _ = control::send_now(others.init.as_fd(), &message, &[]);
            }
        }
        self.pass_news(caller.group);
        None
    }

    fn pass_news(&mut self, helper: Pid) {
        let Some(stand) = self.stands.get_mut(&helper) else { return };
        let Some((question, news)) = stand.question.and_then(|question| Some((question, stand.news.pop_front()?))) else { return };
        stand.question = None;
        stand.stopped = matches!(news, News::Stopped(_));
        self.answer(question, Answer::Value(news.encode()));
    }

    /// Hears what the jail's init says about a program of another user; to be called with each [`FromInit::Child`] and the
    /// descriptor that came with it.
    pub fn child_said(&mut self, said: FromInit, process: Option<OwnedFd>) -> Vec<Reaped> {
        let FromInit::Child { number, news } = said else { return Vec::new() };
        let Some((helper, stand)) = self.stands.iter_mut().find(|(_, stand)| stand.decision == number) else { return Vec::new() };
        let helper = *helper;
        let mut reaped = Vec::new();
        match (news, process) {
            (OfChild::Made, Some(process)) => {
                let group = number_of(&self.scope.host_proc, &process);
                if let Some((errand, group)) = stand.errand.take().zip(group) {
                    stand.news.push_back(News::Joined);
                    stand.begins = true;
                    self.errands.insert(group, errand.of_child(process, group));
                }
            }
            (OfChild::Made, None) | (OfChild::NotStarted(_), _) => {
                stand.news.push_back(News::NotStarted);
                if stand.errand.take().is_some() {
                    reaped.push(Reaped::Lapsed { pid: helper.as_raw_pid().cast_unsigned(), decision: number });
                }
            }
            (OfChild::Stopped(signal), _) => stand.news.push_back(News::Stopped(u8::try_from(signal).unwrap_or(19))),
            (OfChild::Ended(status), _) => stand.news.push_back(status.into()),
        }
        self.pass_news(helper);
        reaped
    }

    /// The permits of programs whose helpers have died before there was a process for them.
    pub(super) fn lost_stands(&mut self) -> Vec<Reaped> {
        if self.stands.is_empty() {
            return Vec::new();
        }
        let lost: Vec<Pid> = self.stands.iter().filter(|(_, stand)| !lives(&stand.process)).map(|(group, _)| *group).collect();
        let lost = lost.into_iter().filter_map(|group| Some((group, self.stands.remove(&group)?)));
        let lapsed = lost.filter(|(_, stand)| stand.errand.is_some());
        lapsed.map(|(group, stand)| Reaped::Lapsed { pid: group.as_raw_pid().cast_unsigned(), decision: stand.decision }).collect()
    }
}

/// One of a process's standard descriptors; one that it has closed is nothing.
fn standard(process: &OwnedFd, number: i32) -> io::Result<OwnedFd> {
    match pidfd_getfd(process, number, PidfdGetfdFlags::empty()) {
        Ok(fd) => Ok(fd),
        Err(rustix::io::Errno::BADF) => Ok(openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?),
        Err(errno) => Err(errno.into()),
    }
}

/// The number that a process has on the node.
fn number_of(proc: &OwnedFd, process: &OwnedFd) -> Option<Pid> {
    if let Some(info) = pidfd::info(process.as_fd()) {
        return Some(info.group);
    }
    let file = openat(proc, format!("self/fdinfo/{}", process.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    std::fs::File::from(file).read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok().and_then(Pid::from_raw)
}
