//! The program `portcullis-warden`; see the library.

fn main() -> std::process::ExitCode {
    portcullis_warden::main()
}
