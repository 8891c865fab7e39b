//! The exec guard against programs that try to get around it, and against programs that just want to run.
//! Needs root, a C compiler and Linux 5.19.
#![expect(unsafe_code, clippy::multiple_unsafe_ops_per_block, reason = "fork and mounts of the harness")]
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

#[cfg(test)]
#[path = "guard/harness.rs"]
mod harness;

use harness::{Outcome, PLACE, Say, Seen, World};
use portcullis_model::session::ExitStatus;
use portcullis_model::subject::Exec;
use std::time::Instant;

const ALLOWED: &str = "/mnt/allowed";
const FORBIDDEN: &str = "/mnt/forbidden";

/// Everything but the forbidden program and the forbidden argument.
fn strict(exec: &Exec) -> Say {
    let forbidden = exec.path.ends_with(b"/forbidden") || exec.argv.iter().any(|argument| argument == b"FORBIDDEN");
    if forbidden || exec.scripts.iter().any(|script| script.starts_with(b"/mnt/bad")) { Say::Deny } else { Say::Allow }
}

fn world(attacks: &[&str]) -> Option<World> {
    World::new(attacks)
}

/// How often a race is run; more with PORTCULLIS_RACE_TRIES.
fn tries(usual: u32) -> String {
    std::env::var("PORTCULLIS_RACE_TRIES").unwrap_or_else(|_| usual.to_string())
}

/// A race is only a test if both sides won sometimes.
#[track_caller]
fn raced(outcome: &Outcome) {
    outcome.held();
    let refused = outcome.asked().iter().filter(|exec| matches!(strict(exec), Say::Deny)).count();
    let (verified, killed, rules) = (outcome.verified(), outcome.killed(), outcome.rules().len());
    eprintln!("{} verified {verified} refused by policy {refused} killed {killed} rules {rules}", outcome.output.trim());
    assert!(outcome.verified() > 1, "nothing ran");
}

#[test]
fn a_program_runs_as_judged() {
    let Some(world) = world(&[]) else { return };
    let outcome = world.run(&[ALLOWED, "a", "b c"], strict);
    assert_eq!(outcome.status, ExitStatus::Code(0), "{outcome:?}");
    let asked = outcome.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, b"/mnt/allowed");
    assert_eq!(asked[0].argv, [&b"/mnt/allowed"[..], b"a", b"b c"]);
    assert_eq!((asked[0].uid, asked[0].tty, asked[0].scripts.len()), (0, false, 0));
    assert_eq!((outcome.verified(), outcome.seen.len()), (1, 2), "{outcome:?}");
    let outcome = world.run(&[FORBIDDEN], strict);
    assert_eq!(outcome.status, ExitStatus::Code(127), "{outcome:?}");
}

#[test]
fn race_arguments() {
    let Some(world) = world(&["argv_flip"]) else { return };
    let outcome = world.run(&["/mnt/argv_flip", ALLOWED, &tries(500)], strict);
    raced(&outcome);
    for seen in &outcome.seen {
        let Seen::Killed(difference, found) = seen else { continue };
        assert_eq!(difference, "it has other arguments than those that were allowed");
        assert_eq!(found.as_ref().unwrap().path, b"/mnt/allowed");
    }
}

#[test]
fn race_path() {
    let Some(world) = world(&["path_flip"]) else { return };
    raced(&world.run(&["/mnt/path_flip", ALLOWED, FORBIDDEN, &tries(500)], strict));
}

#[test]
fn race_symlink() {
    let Some(world) = world(&["symlink_flip"]) else { return };
    raced(&world.run(&["/mnt/symlink_flip", ALLOWED, FORBIDDEN, "/tmp", &tries(500)], strict));
}

#[test]
fn race_environment() {
    let Some(world) = world(&["env_flip"]) else { return };
    // the policy does not see the environment; the guard compares it: what runs with FORBIDDEN has been read with it
    let outcome = world.run(&["/mnt/env_flip", ALLOWED, &tries(300)], strict);
    assert!(outcome.seen.iter().all(|seen| !matches!(seen, Seen::Killed(why, _) if !why.contains("environment variables"))), "{outcome:?}");
    assert!(outcome.killed() > 0, "{}", outcome.output);
}

#[test]
fn race_directory_of_a_script() {
    let Some(world) = world(&["cwd_thread"]) else { return };
    world.script("good/script", "#!/bin/sh\nexit 0\n");
    world.script("bad/script", "#!/bin/sh\nexit 42\n");
    raced(&world.run(&["/mnt/cwd_thread", "/mnt/good", "/mnt/bad", &tries(200)], strict));
}

#[test]
fn race_descriptor_of_a_program() {
    let Some(world) = world(&["fd_swap"]) else { return };
    raced(&world.run(&["/mnt/fd_swap", ALLOWED, FORBIDDEN, &tries(100)], strict));
}

#[test]
fn race_descriptor_of_a_script() {
    let Some(world) = world(&["fd_swap"]) else { return };
    world.script("good", "#!/bin/sh\nexit 0\n");
    world.script("bad", "#!/bin/sh\nexit 42\n");
    let outcome = world.run(&["/mnt/fd_swap", "/mnt/good", "/mnt/bad", "20"], strict);
    outcome.held();
    assert!(outcome.rules().iter().all(|rule| *rule == "script-name"), "{:?}", outcome.rules());
}

#[test]
fn race_symlink_of_a_script() {
    let Some(world) = world(&["symlink_flip"]) else { return };
    world.script("good", "#!/bin/sh\nexit 0\n");
    world.script("bad", "#!/bin/sh\nexit 42\n");
    let outcome = world.run(&["/mnt/symlink_flip", "/mnt/good", "/mnt/bad", "/tmp", "100"], strict);
    outcome.held();
    assert!(outcome.rules().contains(&"script-name") && outcome.verified() == 1, "{:?}", outcome.rules());
}

#[test]
fn threads_that_exec_at_once() {
    let Some(world) = world(&["threads"]) else { return };
    let start = Instant::now();
    let outcome = world.run(&["/mnt/threads", ALLOWED, "150"], strict);
    outcome.held();
    assert_eq!(outcome.verified(), 151, "{}", outcome.output);
    eprintln!("{:?}", start.elapsed());
}

#[test]
fn peers_and_views_are_refused() {
    let Some(world) = world(&["shared_peer", "views", "nested_filter", "nested_trace", "traced_child", "other_abi"]) else { return };
    let plain = ["shared_peer", "views", "nested_filter"].map(|name| vec![format!("/mnt/{name}")]);
    let with_program = ["nested_trace", "traced_child", "other_abi"].map(|name| vec![format!("/mnt/{name}"), ALLOWED.to_owned()]);
    for command in plain.iter().chain(&with_program) {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let outcome = world.run(&command, strict);
        outcome.held();
        assert_eq!(outcome.verified(), 1, "{command:?} {outcome:?}");
    }
}

#[test]
fn programs_without_a_name() {
    let Some(world) = world(&["memfd"]) else { return };
    let outcome = world.run(&["/mnt/memfd", ALLOWED], |_| Say::Allow);
    outcome.held();
    assert_eq!(outcome.verified(), 1, "{outcome:?}");
    assert!(outcome.rules().contains(&"image-unlinked") && outcome.rules().contains(&"image-proc-link"), "{:?}", outcome.rules());
    assert!(outcome.seen.iter().any(|seen| matches!(seen, Seen::Refused(exec, ..) if exec.path.starts_with(b"/memfd:"))), "{outcome:?}");
}

#[test]
fn all_forms_of_execveat() {
    let Some(world) = world(&["forms"]) else { return };
    world.script("script", "#!/bin/sh\nexit 0\n");
    world.link("link", "allowed");
    let outcome = world.run(&["/mnt/forms", PLACE], strict);
    assert_eq!(outcome.status, ExitStatus::Code(0), "{}", outcome.output);
    assert!(!outcome.output.contains("WRONG"), "{}", outcome.output);
}

#[test]
fn everything_that_starts_programs_works() {
    let Some(world) = world(&["spawn"]) else { return };
    let outcome = world.run(&["/mnt/spawn", ALLOWED], strict);
    assert_eq!(outcome.status, ExitStatus::Code(0), "{}\n{:?}", outcome.output, outcome.rules());
    assert_eq!(outcome.rules(), ["exec-limit"]);
}

#[test]
fn loaders_and_copies() {
    let Some(world) = world(&[]) else { return };
    let sh = |line: &str| world.run(&["/bin/sh", "-c", line], |_| Say::Allow);
    for loader in ["/lib64/ld-linux-x86-64.so.2", "/usr/bin/ld.so", "/lib/x86_64-linux-gnu/libc.so.6"] {
        if std::path::Path::new(loader).exists() {
            let outcome = sh(&format!("{loader} /mnt/allowed; echo $?"));
            assert_eq!((outcome.rules(), outcome.output.lines().last()), (vec!["image-loader"], Some("126")), "{loader} {outcome:?}");
        }
    }
    let outcome = sh("cp /mnt/allowed /tmp/copy; /tmp/copy; echo $?");
    assert_eq!((outcome.rules(), outcome.output.lines().last()), (vec!["image-writable"], Some("126")), "{outcome:?}");
    let outcome = sh("cp /lib64/ld-linux-x86-64.so.2 /tmp/prog; /tmp/prog /mnt/allowed; ln -s /mnt/allowed /tmp/link; /tmp/link");
    assert_eq!((outcome.rules(), outcome.status.clone()), (vec!["image-writable"], ExitStatus::Code(0)), "{outcome:?}");
    assert_eq!(outcome.asked().last().unwrap().path, b"/mnt/allowed", "the canonical path is judged");
}

#[test]
fn scripts() {
    let Some(world) = world(&[]) else { return };
    world.script("s", "#!/bin/sh -e\necho \"$0 $@\"\n");
    world.script("two", "#!/mnt/s  one  two \nnever\n");
    world.script("text", "echo never\n");
    world.script("empty", "");
    world.script("lost", "#!/missing/interpreter\n");
    world.script("loader", "#!/lib64/ld-linux-x86-64.so.2 /mnt/forbidden\n");
    world.link("link", "s");
    for depth in 0..6 {
        let next = if depth == 0 { "/mnt/allowed".to_owned() } else { format!("/mnt/deep{}", depth - 1) };
        world.script(&format!("deep{depth}"), &format!("#!{next}\n"));
    }
    let outcome = world.run(&["/bin/sh", "-c", "cd /mnt; ./s a; /mnt/two b; /mnt/link c"], |_| Say::Allow);
    assert_eq!(outcome.output, "./s a\n/mnt/s one  two /mnt/two b\n/mnt/link c\n", "{outcome:?}");
    let asked: Vec<_> = outcome.asked().into_iter().skip(1).collect();
    assert_eq!(asked[0].argv, [&b"/bin/sh"[..], b"-e", b"./s", b"a"]);
    assert_eq!(asked[0].scripts, [b"/mnt/s"]);
    assert_eq!(asked[0].cwd, b"/mnt");
    assert_eq!(asked[1].scripts, [&b"/mnt/two"[..], b"/mnt/s"]);
    assert_eq!(asked[2].scripts, [b"/mnt/s"], "the canonical path is judged");
    let status = |line: &str| {
        let outcome = world.run(&["/bin/sh", "-c", line], |_| Say::Allow);
        (outcome.status.clone(), outcome.rules().iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
    };
    let refused = |rule: &str| (ExitStatus::Code(126), vec![rule.to_owned()]);
    // a shell runs what is ENOEXEC itself, so it must not be ENOEXEC
    assert_eq!(status("/mnt/text"), refused("image-format"));
    assert_eq!(status("/mnt/empty"), refused("image-format"));
    assert_eq!(status("/mnt/loader"), refused("image-loader"));
    assert_eq!(status("/mnt/lost").0, ExitStatus::Code(127));
    assert_eq!(status("/mnt/deep4").0, ExitStatus::Code(0));
    assert_eq!(status("/mnt/deep5").0, ExitStatus::Code(127), "one more than the kernel follows");
    assert_eq!(status("cp /mnt/s /tmp/s; /tmp/s"), refused("image-writable"));
    assert_eq!(status("ln -s /mnt/s /tmp/link; /tmp/link"), refused("script-name"));
    assert_eq!(status("ln -s /mnt /tmp/dir; cd /tmp; dir/s"), refused("script-name"));
    assert_eq!(status("mkdir /tmp/d; cd /tmp/d; ../../mnt/s"), refused("script-name"));
    assert_eq!(status("cd /tmp; ../mnt/s").0, ExitStatus::Code(0), "nobody can move a mount");
}

/// Whatever a first line looks like, the guard reads it as the kernel does: the same arguments, or no exec for both.
#[test]
fn first_lines_as_the_kernel_reads_them() {
    let Some(world) = world(&["show"]) else { return };
    let parts = ["#!", "#!", "SHOW", "SHOW", "SHOW", " ", " ", "\t", "\n", "\n", "\0", "\r", "a", "-e", "/", "sh"];
    let mut seed = 20u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut names = Vec::new();
    for number in 0..400 {
        let mut text = ["#!", "#!SHOW", "#! \tSHOW", "#!SHOW "][random(4)].to_owned();
        for _ in 0..random(9) {
            text.push_str(parts[random(parts.len())]);
        }
        if number % 4 == 0 {
            // to the edge of what the kernel looks at
            let filler = if random(2) == 0 { " " } else { "x" };
            text.push_str(&filler.repeat(250usize.saturating_sub(text.len()) + random(8)));
            text.push_str(parts[random(parts.len())]);
        }
        world.script(&format!("f{number}"), &text.replace("SHOW", "/mnt/show"));
        names.push(format!("/mnt/f{number}"));
    }
    let command: Vec<&str> = ["/mnt/show", "--each"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let guarded = world.run(&command, |_| Say::Allow);
    let plain = world.run_unguarded(&command);
    assert_eq!(guarded.killed(), 0, "{:?}", guarded.seen);
    assert!(plain.matches("[/mnt/show]").count() > 50, "{plain}");
    let difference: Vec<_> = plain.split('\n').zip(guarded.output.split('\n')).filter(|(a, b)| a != b).collect();
    assert!(plain == guarded.output, "kernel and guard: {difference:?}");
}

#[test]
fn environment_variables() {
    let Some(world) = world(&[]) else { return };
    let outcome = world.run(&["/usr/bin/env", "LD_PRELOAD=/tmp/x.so", "/bin/true"], |_| Say::Allow);
    assert_eq!((outcome.rules(), outcome.status.clone()), (vec!["environment"], ExitStatus::Code(126)), "{outcome:?}");
    let outcome = world.run_with(&["/bin/true"], &["BASH_ENV=/tmp/x"], |_| Say::Allow);
    assert_eq!(outcome.rules(), ["environment"]);
    let big = format!("BIG={}", "x".repeat(100_000));
    let outcome = world.run_with(&["/bin/true"], &[&big, &big], |_| Say::Allow);
    assert_eq!(outcome.status, ExitStatus::Code(0), "{outcome:?}");
    let outcome = world.run_with(&["/bin/true"], &[&big, &big, &big], |_| Say::Allow);
    assert_eq!(outcome.rules(), ["exec-limit"]);
}

#[test]
fn a_search_along_the_path_is_recorded_once() {
    let Some(world) = world(&[]) else { return };
    let path = ["PATH=/missing:/usr/bin:/bin:/usr/bin:/usr/sbin"];
    let outcome = world.run_with(&["/bin/dash", "-c", "env a; echo $?"], &path, |exec| if exec.path.ends_with(b"/env") { Say::Deny } else { Say::Allow });
    let repeated = outcome.seen.iter().filter(|seen| matches!(seen, Seen::Repeated(exec) if exec.path == b"/usr/bin/env")).count();
    assert_eq!((outcome.asked().len(), repeated, outcome.output.lines().last()), (2, 2, Some("126")), "{outcome:?}");
    let outcome = world.run_with(&["/bin/dash", "-c", "cp /mnt/allowed /tmp/copy; PATH=/tmp:/tmp; copy"], &path, |_| Say::Allow);
    let refused: Vec<_> = outcome.seen.iter().filter_map(|seen| if let Seen::Refused(_, _, repeated) = seen { Some(*repeated) } else { None }).collect();
    assert_eq!(refused, [false, true], "{outcome:?}");
}

#[test]
fn a_signal_ends_a_wait() {
    let Some(world) = world(&["waiting"]) else { return };
    for signal in ["2", "9", "15"] {
        let waits = |exec: &Exec| exec.argv.last().is_some_and(|argument| argument == b"waits");
        let outcome = world.run(&["/mnt/waiting", ALLOWED, signal], |exec| if waits(exec) { Say::Hold } else { Say::Allow });
        outcome.held();
        assert!(outcome.seen.iter().any(|seen| matches!(seen, Seen::Gone(exec) if exec.path == b"/mnt/allowed")), "{outcome:?}");
    }
}

#[test]
fn stops_are_kept_and_kills_are_no_alarms() {
    let Some(world) = world(&["stops", "kills"]) else { return };
    let outcome = world.run(&["/mnt/stops", ALLOWED, "150"], strict);
    outcome.held();
    assert_eq!((outcome.verified(), outcome.killed()), (151, 0), "{}", outcome.output);
    let outcome = world.run(&["/mnt/kills", ALLOWED, "300"], strict);
    outcome.held();
    eprintln!("{} verified {}", outcome.output.trim(), outcome.verified());
    assert_eq!(outcome.killed(), 0, "a process that was killed by others was not a raced one: {:?}", outcome.seen);
}

#[test]
fn execs_that_fail_halfway_are_over() {
    let Some(world) = world(&["broken"]) else { return };
    let mut image = std::fs::read(world.path("allowed")).unwrap();
    // each PT_LOAD wants more memory than there is: the kernel notices when the old image is gone
    let headers = u64::from_le_bytes(image[32..40].try_into().unwrap()) as usize;
    for header in (0..usize::from(image[56])).map(|n| headers + n * 56) {
        if image[header] == 1 {
            image[header + 40..header + 48].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        }
    }
    world.script("broken_image", "");
    std::fs::write(world.path("broken_image"), image).unwrap();
    let outcome = world.run(&["/mnt/broken", "/mnt/broken_image", "20"], strict);
    outcome.held();
    let lapsed = outcome.seen.iter().filter(|seen| matches!(seen, Seen::Lapsed)).count();
    assert_eq!((outcome.verified(), lapsed, outcome.killed()), (1, 20, 0), "{outcome:?}");
}

#[test]
fn without_root_in_a_user_namespace() {
    let Some(world) = world(&["argv_flip"]) else { return };
    world.script("s", "#!/bin/sh\nexit 0\n");
    let line = "/mnt/s; cp /mnt/allowed /tmp/copy; /tmp/copy; /mnt/argv_flip /mnt/allowed 100";
    let held = world.run_unprivileged(&["/bin/sh", "-c", line], strict, |outcome| {
        eprintln!("{} verified {} killed {} {:?}", outcome.output.trim(), outcome.verified(), outcome.killed(), outcome.rules());
        let uids = outcome.asked().iter().all(|exec| exec.uid == 65534);
        let script = outcome.asked().iter().any(|exec| exec.scripts == [b"/mnt/s"]);
        uids && script && outcome.output.contains("HELD") && outcome.verified() > 4 && outcome.rules() == ["image-writable"]
    });
    match held {
        Some(held) => assert!(held),
        None => eprintln!("SKIPPED: this node does not let users have user namespaces"),
    }
}

#[test]
fn only_a_permit_for_the_very_exec_counts() {
    let Some(world) = world(&[]) else { return };
    let outcome = world.run(&[ALLOWED, "a"], |_| Say::AllowAnother);
    assert_eq!(outcome.status, ExitStatus::Code(127), "{outcome:?}");
    assert!(matches!(&outcome.seen[1], Seen::NotStarted(why) if why.contains("another exec")), "{outcome:?}");
}

#[test]
fn the_end_of_a_session_refuses_everything() {
    let Some(world) = world(&[]) else { return };
    let line = "exec 2>/dev/null; /mnt/allowed wait & /mnt/allowed end; echo $?; /mnt/allowed; echo $?; wait $!; echo $?";
    let outcome = world.run(&["/bin/sh", "-c", line], |exec| match exec.argv.last().map(Vec::as_slice) {
        Some(b"wait") => Say::Hold,
        Some(b"end") => Say::End,
        _ => Say::Allow,
    });
    let codes: Vec<_> = outcome.output.lines().filter(|line| line.parse::<u8>().is_ok()).collect();
    assert_eq!((codes, outcome.verified()), (vec!["126", "126", "126"], 1), "{outcome:?}");
    assert!(outcome.seen.iter().any(|seen| matches!(seen, Seen::NotStarted(why) if why.contains("being ended"))), "{outcome:?}");
}

#[test]
fn a_guard_needs_the_right_proc() {
    use portcullis_jail::guard::{Guard, GuardError, Scope};
    let open = |path: &str| std::fs::File::open(path).unwrap().into();
    let guard = |path: &str| Guard::new(open("/dev/null"), Scope { host_proc: open(path), init: rustix::process::getpid(), terminal: None });
    assert!(matches!(guard("/"), Err(GuardError::Proc)));
    assert!(matches!(guard("/proc/self"), Err(GuardError::Proc)));
    assert!(guard("/proc").is_ok());
}

#[test]
fn everyday_programs_work() {
    let Some(world) = world(&[]) else { return };
    world.script("Makefile", "all: $(addprefix t,$(shell seq 40))\nt%:\n\t@/bin/true $@; echo $@ > /dev/null\n");
    let all = |line: &str| {
        let outcome = world.run(&["/bin/bash", "-c", line], |_| Say::Allow);
        assert_eq!(outcome.killed(), 0, "{line}: {outcome:?}");
        (outcome.status.clone(), outcome.output.trim().to_owned())
    };
    let ok = |text: &str| (ExitStatus::Code(0), text.to_owned());
    assert_eq!(all("echo a b | xargs -n1 echo | sort -r | tr '\\n' ' '"), ok("b a"));
    assert_eq!(all("find /mnt -name allowed -exec basename {} \\;"), ok("allowed"));
    assert_eq!(all("printf '#include <stdio.h>\\nint main(){return 0;}' > /tmp/x.c && gcc -c /tmp/x.c -o /tmp/x.o && echo built"), ok("built"));
    if std::path::Path::new("/usr/bin/make").exists() {
        assert_eq!(all("make -s -j4 -f /mnt/Makefile all && echo made"), ok("made"));
    }
    if std::path::Path::new("/usr/bin/python3").exists() {
        let python = "import subprocess,threading; t=[threading.Thread(target=subprocess.run,args=(['/bin/true'],)) for _ in range(8)]; \
                      [x.start() for x in t]; [x.join() for x in t]; print('done')";
        assert_eq!(all(&format!("/usr/bin/python3 -c \"{python}\"")), ok("done"));
    }
    assert_eq!(all("set -m; sleep 5 & kill -STOP %1; kill -CONT %1; kill %1; wait %1; echo $?").1.lines().last(), Some("143"));
}
