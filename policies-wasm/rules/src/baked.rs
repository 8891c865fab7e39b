//! How a profile gets in: the build asks for room, writes the profile there, and has it read. All of that happens before the
//! snapshot is taken; in a node nothing calls these functions, and a component does not even export them.

use crate::rules::Rules;
use std::sync::{Mutex, OnceLock, PoisonError};

static PROFILE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static RULES: OnceLock<Rules> = OnceLock::new();

/// The rules that were baked in.
pub(crate) fn rules() -> Option<&'static Rules> {
    RULES.get()
}

/// Makes room for a profile of `length` bytes and says where it is.
#[expect(unsafe_code, reason = "the build finds it by its name; it is the only one of that name")]
#[unsafe(export_name = "portcullis-profile-room")]
pub(crate) extern "C" fn room(length: usize) -> *mut u8 {
    let mut profile = PROFILE.lock().unwrap_or_else(PoisonError::into_inner);
    *profile = vec![0; length];
    profile.as_mut_ptr()
}

/// Reads the profile that was written there. A profile that does not parse stops the build.
#[expect(unsafe_code, reason = "the build finds it by its name; it is the only one of that name")]
#[expect(clippy::panic, reason = "there is nobody to return an error to: the build sees a trap")]
#[unsafe(export_name = "portcullis-profile-read")]
pub(crate) extern "C" fn read() {
    let bytes = std::mem::take(&mut *PROFILE.lock().unwrap_or_else(PoisonError::into_inner));
    match postcard::from_bytes(&bytes) {
        Ok(profile) => drop(RULES.set(Rules::new(profile))),
        Err(_) => panic!("the profile is not one of this version"),
    }
}
