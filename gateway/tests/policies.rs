//! `portcullis policy ...` as a policy admin types it, against a running controller, with keys and signatures of the stock
//! ssh-keygen and a real module.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr, reason = "a test")]

use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// A controller of its own, an admin's key, and a module.
struct Bench {
    folder: tempfile::TempDir,
    controller: Child,
    module: PathBuf,
}

fn keygen(folder: &Path, name: &str, passphrase: &str) -> PathBuf {
    let key = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    key
}

impl Bench {
    /// None, loudly, without a module to push.
    fn new() -> Option<Self> {
        let Some(modules) = std::env::var_os("PORTCULLIS_MODULES") else {
            eprintln!("SKIPPED: PORTCULLIS_MODULES is not set; run the tests by `cargo xtask test`");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        for name in ["trust", "evidence"] {
            std::fs::create_dir_all(data.join(name)).unwrap();
        }
        let module = folder.path().join("module.wasm");
        std::fs::copy(Path::new(&modules).join("INFRA_DIAG.cps.wasm"), &module).unwrap();
        let admin = keygen(folder.path(), "admin", "");
        std::fs::copy(admin.with_extension("pub"), data.join("trust/policy-admins")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!("data = '{}'\n[node]\ntarget = 'node1'\nrole = 'cps'\n[api]\nlisten = '127.0.0.1:{port}'\n", data.display());
        std::fs::write(folder.path().join("portcullis.toml"), config).unwrap();
        let controller = Command::new(PROGRAM)
            .arg("controller")
            .arg("--config")
            .arg(folder.path().join("portcullis.toml"))
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bench = Self { folder, controller, module };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !bench.run(&["policy", "list"]).status.success() {
            assert!(Instant::now() < deadline, "the controller comes up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(bench)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        // a session of its own has no terminal to ask for a passphrase
        Command::new("setsid")
            .arg("--wait")
            .arg(PROGRAM)
            .args(arguments)
            .env("PORTCULLIS_CONFIG", self.file("portcullis.toml"))
            .env_remove("PORTCULLIS_TOKEN")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }

    /// Fails with this status, and a complaint in one line that says this.
    fn fails(&self, arguments: &[&str], status: i32, part: &str) {
        let output = self.run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {complaint}");
        assert!(complaint.contains(part) && complaint.trim_end().lines().count() == 1, "{arguments:?}: {complaint}");
    }

    fn push(&self) -> String {
        let pushed = self.json(&["policy", "push", &self.module.display().to_string(), "--key", &self.file("admin"), "--untested", "a test"]);
        pushed["digest"].as_str().unwrap().to_owned()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.controller.kill();
        let _ = self.controller.wait();
    }
}

#[test]
fn a_module_goes_from_the_push_into_force_and_back() {
    let Some(bench) = Bench::new() else { return };
    let digest = bench.push();
    assert_eq!(digest.len(), 64);
    let short = digest.get(..8).unwrap();
    let listed = bench.json(&["policy", "list", "--stage", "tested"]);
    assert_eq!((listed["items"][0]["digest"].as_str(), listed["items"][0]["author_name"].as_str()), (Some(digest.as_str()), Some("admin")));
    let shown = String::from_utf8(bench.run(&["policy", "show", short]).stdout).unwrap();
    for part in [digest.as_str(), "INFRA_DIAG", "tests:", "none: a test", "Policy.Push by policy-admin", "INFRA_DIAG on cps: in force the nodes' own module"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // nobody is linked: it is in the books, and not everything is done
    let tried = bench.run(&["policy", "shadow", short, "--max-faults", "3", "--reason", "let us see"]);
    let text = String::from_utf8(tried.stdout).unwrap();
    assert!(tried.status.code() == Some(1) && text.contains("node1: not linked"), "{text}");
    let trial = String::from_utf8(bench.run(&["policy", "trial", short]).stdout).unwrap();
    assert!(trial.contains("shadow; ends at more than 3 faults, or 5 % more denials after 100 questions"), "{trial}");
    assert!(trial.contains("questions 0, answered alike 0"), "{trial}");
    let canary = bench.json(&["policy", "canary", short, "--percent", "10"]);
    assert_eq!(canary["policy"]["trial"]["kind"]["canary"]["percent"], 10);
    bench.fails(&["policy", "activate", short, "--replaces", short], 1, "is in force, not");
    let active = String::from_utf8(bench.run(&["policy", "activate", short, "--replaces", "baseline"]).stdout).unwrap();
    assert!(active.contains("in the place of the nodes' own module") && active.contains(": active"), "{active}");
    let shown = bench.json(&["policy", "show", &digest]);
    assert_eq!((shown["policy"]["stage"].as_str(), shown["policy"]["active_for"][0].as_str()), (Some("active"), Some("cps")));
    let back = String::from_utf8(bench.run(&["policy", "rollback", "INFRA_DIAG", "cps", "--reason", "no good"]).stdout).unwrap();
    assert!(back.contains("the nodes' own module judges again"), "{back}");
    bench.fails(&["policy", "rollback", "INFRA_DIAG", "cps", "--reason", "again"], 1, "nothing was in force for INFRA_DIAG on cps before");
    bench.run(&["policy", "activate", short]);
    let retired = bench.json(&["policy", "retire", short, "--reason", "done with it"]);
    assert_eq!(retired["policy"]["stage"], "retired");
    assert_eq!(bench.push(), digest, "the same module again is the same version");
}

#[test]
fn signatures_of_ssh_keygen_are_taken_and_strangers_are_not() {
    let Some(bench) = Bench::new() else { return };
    let module = bench.module.display().to_string();
    bench.fails(&["policy", "push", &module], 2, "give --key FILE, or --signature FILE");
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "policy@portcullis", "-f", &bench.file("admin"), &module])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(signed.unwrap().success());
    // as ssh-keygen leaves it: MODULE.sig
    let pushed = bench.json(&["policy", "push", &module]);
    assert_eq!(pushed["stage"], "draft");
    let again = bench.json(&["policy", "push", &module, "--signature", &format!("{module}.sig"), "--untested", "there are none"]);
    assert_eq!((again["stage"].as_str(), again["digest"] == pushed["digest"]), (Some("tested"), true));
    let shown = bench.json(&["policy", "show", pushed["digest"].as_str().unwrap()]);
    // what the controller keeps, ssh-keygen verifies
    std::fs::write(bench.file("kept.sig"), shown["signature"].as_str().unwrap()).unwrap();
    let public = std::fs::read_to_string(bench.file("admin.pub")).unwrap();
    std::fs::write(bench.file("allowed"), format!("paula {public}")).unwrap();
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "policy@portcullis", "-I", "paula", "-f", &bench.file("allowed"), "-s", &bench.file("kept.sig")])
        .stdin(std::fs::File::open(&bench.module).unwrap())
        .stdout(Stdio::null())
        .status();
    assert!(verified.unwrap().success());

    keygen(bench.folder.path(), "stranger", "");
    bench.fails(&["policy", "push", &module, "--key", &bench.file("stranger")], 3, "is not a policy admin's");
    bench.fails(&["policy", "push", &module, "--key", &bench.file("admin.pub")], 2, "with a key in an agent, let ssh-keygen sign");
    bench.fails(&["policy", "push", &module, "--key", &bench.file("none")], 1, "cannot be read");
    keygen(bench.folder.path(), "locked", "secret");
    bench.fails(&["policy", "push", &module, "--key", &bench.file("locked")], 1, "it has a passphrase, and there is no terminal");
    bench.fails(&["policy", "push", &bench.file("admin.pub"), "--key", &bench.file("admin")], 1, "it is not a WebAssembly component");
    bench.fails(&["policy", "show", "xyz"], 2, "is not a module's digest");
    bench.fails(&["policy", "show", "00000000"], 1, "no module whose digest begins with 00000000");
    // another admin's tools, and none of them
    let token = bench.file("data/controller/tokens/auditor");
    bench.fails(&["--token-file", &token, "policy", "push", &module], 3, "the role auditor may not do this");
    bench.fails(&["--token-file", &token, "policy", "retire", "00000000", "--reason", "x"], 1, "no module");
}
