//! For people: `cargo test -p portcullis-shell --test session -- --ignored --nocapture by_hand` at a terminal.

use super::peer::{self, Log};
use portcullis_model::session::Purpose;

#[test]
#[ignore = "needs a person"]
fn by_hand() {
    let socket = peer::keeper(Purpose::Shell, true, None, &Log::default());
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis-shell")).stdin(std::process::Stdio::from(socket)).status().unwrap();
    eprintln!("ended with {status}");
}
