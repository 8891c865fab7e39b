//! What allowed commands are held to.

use crate::asking::{Under, script, typed};
use actions::{Action, INFRA_CPS_ONLY, INFRA_DIAG, INFRA_HYPERVISOR, INFRA_UPDATE_RESTART, full};
use portcullis_sdk::testing::session;
use portcullis_sdk::{Children, Confinement, Network, Verdict, allow};

const DIAG: Under = Under { action: &INFRA_DIAG, role: "cps" };

fn under(action: &'static Action, role: &'static str) -> Under {
    Under { action, role }
}

/// What a node that enforces no confinement allows: an operator's usual work.
#[test]
fn usual_commands_need_nothing_of_the_node() {
    for command in [
        "ls -l", "cat /var/log/messages", "less x", "vim x", "vi x", "top", "grep x y", "find . -name x", "systemctl status sshd", "systemctl --version", "journalctl --no-pager -n 5", "docker ps", "curl -q http://h/",
        "tcpdump -nn", "ip a", "ss -tln", "ps -ef", "df -h", "crontab -l", "ipmitool sdr list", "ethtool eth0", "tar -tf x", "timeout 5 ls", "sed p x", "ssh -F none h", "xargs ls", "ifconfig -a", "lsof -nP",
        "traceroute h", "arping h", "du -sh x", "tee /tmp/x", "cp a /tmp", "rm /tmp/x", "sleep 1", "ping -c 1 h",
    ] {
        assert_eq!(DIAG.judge(&typed(command)), allow(), "{command}");
    }
}

#[test]
fn roots_looks_are_held_to_their_folders() {
    for (command, folders) in [
        ("sudo cat /var/log/messages", &["/var/log"][..]),
        ("sudocat /u01/x", &["/u01", "/var/log", "/opt/oracle.cellos", "/usr/local/nessus/results", "/opt/nessus/var/nessus/logs", "/opt/oci/exacc/exacloud/log"]),
    ] {
        let Confinement { run_as, read, write, execute, network, children, capabilities, environment, .. } = DIAG.confinement(command);
        assert_eq!(run_as.as_deref(), Some("root"), "{command}");
        let read = read.unwrap();
        let beyond: Vec<&String> = read.iter().skip_while(|path| *path != folders[0]).collect();
        assert!(read.contains(&"/run/portcullis/bin".to_owned()), "{command}: {read:?}");
        assert_eq!(beyond, folders, "{command}: {read:?}");
        assert!(read.iter().all(|path| !["/", "/etc", "/root", "/home", "/var"].contains(&path.as_str())), "{command}: {read:?}");
        assert!(write.unwrap().iter().all(|path| path.starts_with("/dev/")), "{command}");
        assert!(execute.unwrap().iter().all(|path| path.starts_with("/usr/") || ["/bin", "/sbin", "/lib", "/lib64", "/run/portcullis/bin"].contains(&path.as_str())), "{command}");
        assert_eq!((network, children), (Network::None, Children::Forbidden), "{command}");
        assert_eq!(capabilities, ["CAP_DAC_READ_SEARCH"], "{command}");
        assert!(environment.unwrap().iter().all(|name| !["HOME", "PAGER", "EDITOR", "LD_PRELOAD", "LESS"].contains(&name.as_str())), "{command}");
    }
}

#[test]
fn roots_copies_go_to_the_session() {
    let write = DIAG.confinement("sudo cp /var/log/messages /tmp").write.unwrap();
    let kept: Vec<&String> = write.iter().filter(|path| !path.starts_with("/dev/")).collect();
    assert_eq!(kept, ["/tmp", "/home/ann"]);
    let write = DIAG.confinement("sudocp /u01/a /u01/b").write.unwrap();
    assert!(write.contains(&"/u01".to_owned()) && !write.contains(&"/var/log".to_owned()), "{write:?}");
    for role in ["host", "cell"] {
        let write = under(&INFRA_DIAG, role).confinement("sudocp /var/log/x /tmp").write.unwrap();
        assert!(!write.iter().any(|path| path.starts_with("/var") || path.starts_with("/opt")), "{write:?}");
    }
}

/// An editor opens what it is told from inside: it is nobody's but the operator's, and has its copy alone. What is root's of it reads,
/// and what writes has no more than what removes.
#[test]
fn an_editor_has_its_copy_alone_and_is_not_roots() {
    let etc = under(&INFRA_UPDATE_RESTART, "cps");
    assert_eq!(etc.judge(&typed("sudovi /etc/x/../hosts")), allow());
    let kept = |set: Option<Vec<String>>| set.unwrap().into_iter().filter(|path| !path.starts_with("/dev/")).collect::<Vec<_>>();
    let editor = etc.confinement("sudovi-editor -Z -N -n -u NONE -i NONE --noplugin --cmd 'set nomodeline noexrc nobackup nowritebackup' +3 -- /home/ann/.sudovi-1/hosts");
    assert_eq!((editor.run_as, editor.children, editor.network, editor.capabilities), (None, Children::Forbidden, Network::None, vec![]));
    assert_eq!(kept(editor.write), ["/+3", "/home/ann/.sudovi-1/hosts"].map(|path| path.replace("/+3", "/home/ann/+3")));
    assert!(editor.read.unwrap().iter().all(|path| !["/home/ann", "/tmp", "/etc", "/u01"].contains(&path.as_str())));
    let reads = etc.confinement("sudovi-read /etc/hosts");
    assert_eq!((reads.run_as.as_deref(), kept(reads.write), reads.capabilities), (Some("root"), vec![], vec!["CAP_DAC_READ_SEARCH".to_owned()]));
    let (writes, removes) = (etc.confinement("sudovi-write new /etc/x"), etc.confinement("sudorm /etc/x"));
    assert_eq!((&writes, kept(removes.write.clone())), (&removes, vec!["/etc".to_owned()]));
}

#[test]
fn elevated_commands_are_held_as_the_table_says() {
    let hypervisor = |role| under(&INFRA_HYPERVISOR, role);
    for (under, command, user, children, capabilities) in [
        (hypervisor("cps"), "systemctl restart x", Some("root"), Children::Forbidden, &[][..]),
        (hypervisor("cps"), "sudo systemctl restart x", Some("root"), Children::Forbidden, &[]),
        (hypervisor("cps"), "sudo systemctl status x", Some("root"), Children::Forbidden, &[]),
        (hypervisor("cps"), "reboot", Some("root"), Children::Forbidden, &["CAP_SYS_BOOT"]),
        (hypervisor("host"), "ip link set eth0 up", Some("root"), Children::Forbidden, &["CAP_NET_ADMIN"]),
        (hypervisor("host"), "ipmitool sel clear", Some("root"), Children::Forbidden, &[]),
        (hypervisor("host"), "ipmitool_interactive shell", Some("root"), Children::Forbidden, &[]),
        (hypervisor("host"), "virsh start vm1", Some("root"), Children::Forbidden, &[]),
        (hypervisor("host"), "virsh list", None, Children::Judged, &[]),
        (hypervisor("host"), "sudo virsh list", Some("root"), Children::Forbidden, &[]),
        (hypervisor("cell"), "su - celladmin", Some("celladmin"), Children::Judged, &[]),
        (hypervisor("cell"), "sudo -u celladmin ls", Some("celladmin"), Children::Judged, &[]),
        (hypervisor("cell"), "cellcli -e list cell", None, Children::Trusted, &[]),
        (DIAG, "su - ecra", Some("ecra"), Children::Judged, &[]),
        (DIAG, "sudo -u ecra imageinfo", Some("ecra"), Children::Trusted, &[]),
        (DIAG, "imageinfo", None, Children::Trusted, &[]),
        (DIAG, "sudovi /u01/x", None, Children::Judged, &[]),
        (DIAG, "sudovi-write new /u01/x", Some("root"), Children::Forbidden, &["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"]),
    ] {
        let told = under.confinement(command);
        assert_eq!(told.run_as.as_deref(), user, "{command}");
        assert_eq!((told.children, told.capabilities.as_slice()), (children, capabilities.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().as_slice()), "{command}");
    }
    for (under, command) in [(DIAG, "sosreport --batch"), (under(&INFRA_DIAG, "cell"), "sundiag.sh"), (under(&INFRA_CPS_ONLY, "cps"), "rootexec /root/blackout.sh"), (hypervisor("host"), "dbmcli -e alter x")] {
        let told = under.confinement(command);
        assert_eq!((told.run_as.as_deref(), told.children), (Some("root"), Children::Trusted), "{command}");
        let write = told.write.expect(command);
        assert!(write.iter().all(|path| path.matches('/').count() > 1 || ["/tmp", "/var"].contains(&path.as_str())), "{command}: {write:?}");
    }
}

/// What would undo the guard is no capability of anybody's; most of it is root's in INFRA_FULL alone.
#[test]
fn no_verdict_gives_what_would_undo_the_guard() {
    const NEVER: &[&str] = &["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_BPF", "CAP_PERFMON", "CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_AUDIT_CONTROL", "CAP_MKNOD", "CAP_SYS_CHROOT", "CAP_CHECKPOINT_RESTORE"];
    for case in crate::corpus::cases() {
        for role in ["cps", "host", "cell"] {
            let verdicts = [under(&INFRA_HYPERVISOR, role).judge(&typed(case.command)), full::judge(&session(full::NAME, role), &typed(case.command))];
            for verdict in verdicts {
                if let Verdict::Allow(told) = verdict {
                    assert!(told.capabilities.iter().all(|name| !NEVER.contains(&name.as_str())), "{}", case.command);
                    assert!(told.capabilities.is_empty() || told.run_as.as_deref() == Some("root"), "{}", case.command);
                }
            }
        }
    }
}

/// Scripts are judged by the arguments behind their own name, in folders of their own; none runs from where the session writes.
#[test]
fn scripts_and_folders() {
    let host = under(&INFRA_DIAG, "host");
    let path = "/opt/oracle/dbserver_23.1/dbms/bin/dbmcli";
    for (interpreter, argv, want) in [
        ("/usr/bin/bash", &["/bin/bash", path, "-e", "list", "dbserver"][..], ""),
        ("/usr/bin/bash", &["/bin/bash", "-p", path, "-e", "list", "dbserver"], ""),
        ("/usr/bin/bash", &["/bin/bash", path, "-e", "drop", "x"], "dbmcli-subcommand"),
        ("/usr/bin/bash", &["/bin/bash", path, "-f", "dbmcli", "-e", "list"], "dbmcli-option"),
        ("/usr/bin/bash", &["/bin/bash", "-p", "-x", path, "-e", "list", "x"], "dbmcli-name"),
        ("/tmp/bash", &["/bin/bash", path, "-e", "list", "x"], "not-installed"),
    ] {
        assert_eq!(host.rule(&script(interpreter, &[path], argv)), want, "{argv:?}");
    }
    assert_eq!(host.rule(&script("/usr/bin/bash", &["/opt/oracle/x/dbms/bin/dbmcli"], &["/bin/bash", "dbmcli", "-e", "list", "x"])), "not-installed");
    assert_eq!(under(&INFRA_DIAG, "cell").exec_rule("/opt/oracle/cell22_LINUX/cellsrv/bin/cellcli -e list cell"), "");
    assert_eq!(under(&INFRA_DIAG, "cell").exec_rule("/opt/oracle/cell22/x/cellsrv/bin/cellcli -e list cell"), "not-installed");
    assert_eq!(DIAG.exec_rule("/opt/oci/exacc/exacloud/bin/exacloud --agent status"), "");
    // whoever may write there could have put anything there
    assert_eq!(under(&INFRA_CPS_ONLY, "cps").exec_rule("/opt/oci/exacc/exacloud/bin/exacloud --agent status"), "not-installed");
    assert_eq!(DIAG.exec_rule("/opt/oracle.SupportTools/sundiag.sh"), "");
    assert_eq!(DIAG.line_rule("/opt/oracle.SupportTools/sundiag.sh"), "");
    assert_eq!(DIAG.line_rule("/opt/oracle.SupportTools/x/sundiag.sh"), "not-installed");
}

/// Names of the same file that do something else.
#[test]
fn a_file_is_judged_by_the_name_that_it_is_called_by() {
    use portcullis_sdk::testing::exec;
    let update = under(&INFRA_UPDATE_RESTART, "host");
    for (path, argv, want) in [
        ("/usr/bin/systemctl", &["reboot"][..], ""),
        ("/usr/bin/systemctl", &["/sbin/reboot"], ""),
        ("/usr/bin/systemctl", &["reboot", "-f"], "reboot-option"),
        ("/usr/bin/systemctl", &["shutdown", "-r", "now"], ""),
        ("/usr/bin/systemctl", &["halt"], "reboot"),
        ("/usr/bin/systemctl", &["telinit", "0"], "reboot"),
        ("/usr/bin/systemctl", &["runlevel"], "reboot-name"),
        ("/usr/bin/reboot", &["systemctl", "poweroff"], "reboot-name"),
    ] {
        assert_eq!(update.rule(&exec(path, argv)), want, "{path} {argv:?}");
    }
    // the cage commands are one program, which does what it is called: the file's name and the one that it is called by are the same
    for (path, argv, want) in [
        ("/run/portcullis/bin/sudols", &["sudols", "/u01"][..], ""),
        ("/run/portcullis/bin/sudols", &["sudorm", "/u01/x"], "sudols-name"),
        ("/run/portcullis/bin/sudovi", &["sudovi-write", "new", "/u01/x"], "sudovi-name"),
        ("/run/portcullis/bin/sudovi", &["sudovi-editor", "/u01/x"], "sudovi-name"),
        ("/run/portcullis/bin/sudocat", &["/x/sudocat", "/u01/x"], ""),
        ("/run/portcullis/bin/sudocat", &[], "sudocat-name"),
        ("/tmp/sudocat", &["sudocat", "/u01/x"], "not-installed"),
        ("/run/portcullis/confine", &["sudocat", "/u01/x"], "not-installed"),
        ("/usr/bin/vim.basic", &["sudovi-write", "new", "/u01/x"], "vim-name"),
    ] {
        assert_eq!(DIAG.rule(&exec(path, argv)), want, "{path} {argv:?}");
    }
    for argv in [&["x", "stop", "portcullis"][..], &["systemctl", "stop", "portcullis"]] {
        assert!(matches!(full::judge(&session(full::NAME, "host"), &exec("/usr/bin/systemctl", argv)), Verdict::Deny(_)), "{argv:?}");
    }
}

/// What needs a terminal is refused without one.
#[test]
fn interactive_forms_need_a_terminal() {
    use portcullis_sdk::Subject;
    for command in ["ipmitool_interactive shell", "virsh_interactive console vm1", "xm_interactive list", "docker_interactive attach web", "podman_interactive attach web", "ops_console.sh"] {
        let Subject::Exec(mut exec) = typed(command) else { unreachable!() };
        exec.tty = false;
        let rule = under(&INFRA_HYPERVISOR, "host").rule(&Subject::Exec(exec));
        assert!(rule.ends_with("-terminal"), "{command}: {rule}");
    }
}
