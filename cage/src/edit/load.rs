//! `sudovi-read FILE`: the content of a file that is to be edited.

use super::{NOT_THERE, read_all};
use crate::failure::{Failure, Report, Usage};
use crate::grammar::Arguments;
use crate::place::Places;
use rustix::io::Errno;
use std::fs::File;
use std::io::Write as _;

/// Writes the content to the output. Exit status [`NOT_THERE`] when there is no such file, but its folder.
///
/// # Errors
/// Not exactly one operand.
pub fn run(places: &Places, arguments: &Arguments, report: &mut Report) -> Result<(), Usage> {
    let [operand] = arguments.operands.as_slice() else { return Err(Usage::Operands("one file is edited at a time")) };
    match load(places, operand) {
        Ok(Some(content)) => {
            if let Err(error) = std::io::stdout().write_all(&content) {
                report.fail(&error);
            }
        }
        Ok(None) => report.end(NOT_THERE),
        Err(failure) => report.fail_at(operand, &failure),
    }
    Ok(())
}

fn load(places: &Places, operand: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let named = places.named(operand)?;
    match named.stat() {
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
        Ok(_) => {}
    }
    let (file, stat) = places.file(operand)?;
    if stat.st_mode & 0o6000 != 0 {
        return Err(Failure::SetId);
    }
    read_all(File::from(file)).map(Some)
}
