//! `portcullis-confine`: see the module `helper` of the library.
//!
//! Without the standard library's own start, which ignores SIGPIPE and opens descriptors: the program that this process becomes
//! is to find signals and descriptors as its caller left them.
#![no_main]
#![expect(unsafe_code, reason = "the entry point of a program without the standard library's start")]

// SAFETY: there is no other function of this name; it is called once, by the C library, with arguments that are not looked at
#[unsafe(no_mangle)]
extern "C" fn main(_: std::ffi::c_int, _: *const *const std::ffi::c_char) -> std::ffi::c_int {
    portcullis_jail::helper::run()
}
