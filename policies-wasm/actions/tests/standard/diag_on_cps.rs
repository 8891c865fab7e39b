//! INFRA_DIAG on a control plane server: what each command is, and the rule that refuses it, or nothing when it is allowed.

use crate::asking::{BUILTINS, Under, script, typed};
use actions::INFRA_DIAG;
use portcullis_sdk::testing::{exec, line};
use portcullis_sdk::{FileOp, FileOpKind, Forward, Subject};

const CPS: Under = Under { action: &INFRA_DIAG, role: "cps" };

fn rule(subject: Subject) -> String {
    CPS.rule(&subject)
}

fn exec_rule(command: &str) -> String {
    rule(typed(command))
}

/// Judged as a line and as an exec, with the same outcome.
fn check(table: &[(&str, &str)]) {
    for (command, want) in table {
        assert_eq!(exec_rule(command), *want, "exec: {command}");
        assert_eq!(rule(line(command, BUILTINS)), *want, "line: {command}");
    }
}

#[test]
fn a_days_work_is_allowed() {
    check(&[
        ("ls -la --color=auto /var/log", ""), ("cat /etc/os-release", ""), ("grep -rn error /var/log", ""), ("head -5 x", ""), ("tail -n 100 -f /var/log/messages", ""),
        ("sort -k2 -rn x", ""), ("sort -t : -k 3 x", ""), ("uniq -c", ""), ("cut -d: -f1 /etc/passwd", ""), ("tr a-z A-Z", ""), ("wc -l", ""), ("less /var/log/syslog", ""),
        ("less +F -S x", ""), ("more x", ""), ("id", ""), ("date", ""), ("date -u +%s", ""), ("df -h", ""), ("du -sh /var", ""), ("ps -ef", ""), ("ps aux", ""), ("top -b -n 1", ""),
        ("uptime", ""), ("free -h", ""), ("uname -a", ""), ("hostname -f", ""), ("find / -name core -mtime -1 -print", ""), ("find . -type f ( -name a -o -name b ) -ls", ""),
        ("find /var -newermt 2026-01-01 -size +10M -printf '%p\\n'", ""), ("dmesg -T", ""), ("vim x", ""), ("vi -R x", ""), ("vim +10 x", ""), ("systemctl --version", ""),
        ("systemctl status sshd", ""), ("systemctl -n 50 --no-pager status sshd", ""), ("systemctl list-units --type=service --state=failed", ""), ("systemctl is-active x", ""),
        ("systemctl", ""), ("systemctl show -p MainPID x", ""), ("journalctl -u sshd -n 100 --no-pager", ""), ("journalctl -b -1 -p err", ""), ("journalctl --since yesterday -f", ""),
        ("journalctl -D /var/log/journal", ""), ("docker ps -a", ""), ("docker ps --format '{{.Names}}'", ""), ("docker images", ""), ("docker inspect -f '{{.State}}' x", ""),
        ("docker logs --tail 10 -f x", ""), ("docker stats --no-stream", ""), ("docker container ls -a", ""), ("docker version", ""), ("docker info", ""), ("docker network ls", ""),
        ("ip a", ""), ("ip -br addr show dev lo", ""), ("ip -4 route get 10.0.0.1", ""), ("ip r", ""), ("ip link ls", ""), ("ss -tlnp", ""), ("ss -an state established", ""), ("ping -c 3 host", ""),
        ("traceroute host", ""), ("curl -q -sS https://host/x", ""), ("curl -qsI http://host/", ""), ("curl -q -s -o /dev/null -w '%{http_code}' http://host/", ""), ("tcpdump -nn -c 10 -i lo port 22", ""),
        ("lsof -nP -iTCP:22", ""), ("lsof +D /var/log", ""), ("ethtool eth0", ""), ("ethtool -S eth0", ""), ("ipmitool sdr list", ""), ("ipmitool -v sel elist", ""), ("ipmitool sensor get Temp", ""),
        ("ipmitool mc info", ""), ("crontab -l", ""), ("dbmcli -e list alerthistory", ""), ("arping -c 1 host", ""), ("sleep 1000", ""), ("setsid sleep 1000", ""), ("nohup sleep 10", ""),
        ("timeout 5 ping host", ""), ("timeout -k 1 5 nice -n 10 du -sh /var", ""), ("xargs -0 -n 1 grep x", ""), ("xargs", ""), ("watch -n 1 -x docker ps", ""), ("tee /tmp/x", ""), ("tee x", ""),
        ("tee -a /u01/a/b", ""), ("mkdir -p /tmp/a", ""), ("cp /var/log/messages /tmp", ""), ("cp -a x y", ""), ("rm -rf /tmp/a", ""), ("sed -n '1,20p' x", ""), ("sed 's/a/b/g' x", ""),
        ("sed -E -e 's/a/b/' -e p", ""), ("gzip -dc x.gz", ""), ("zcat x.gz", ""), ("true", ""), ("seq 10", ""), ("yes", ""), ("stat x", ""), ("file x", ""), ("env", ""), ("printenv PATH", ""), ("mount", ""),
        ("/usr/bin/ls", ""), ("/bin/ls /", ""), ("/usr/sbin/ip a", ""), ("stty -a", ""), ("diff -u a b", ""),
    ]);
}

#[test]
fn ways_out_of_allowed_programs_are_refused() {
    check(&[
        // containers and services
        ("docker run -v /:/mnt debian sh", "docker-subcommand"), ("docker exec -it x sh", "docker-subcommand"), ("docker cp x:/etc/shadow .", "docker-subcommand"),
        ("docker -H tcp://host:2375 ps", "docker-option"), ("docker --host=tcp://host ps", "docker-option"), ("docker --config /tmp/x ps", "docker-option"), ("docker -c other ps", "docker-option"),
        ("docker --context other ps", "docker-option"), ("docker -l debug ps", "docker-option"), ("docker container run x", "docker-subcommand"), ("docker container exec x sh", "docker-subcommand"),
        ("docker compose up", "docker-subcommand"), ("docker kill x", "docker-subcommand"), ("docker context use x", "docker-subcommand"), ("docker network create x", "docker-subcommand"),
        ("docker logs --details --until=1 -x y", "docker-option"), ("docker image load", "docker-subcommand"), ("docker save -o /tmp/x y", "docker-subcommand"), ("docker plugin ls", "docker-subcommand"),
        ("systemctl restart sshd", "systemctl-subcommand"), ("systemctl edit sshd", "systemctl-subcommand"), ("systemctl -H host status", "systemctl-option"), ("systemctl --host=h status", "systemctl-option"),
        ("systemctl -M x status", "systemctl-option"), ("systemctl --machine=x status", "systemctl-option"), ("systemctl link /tmp/x.service", "systemctl-subcommand"), ("systemctl --user status", "systemctl-option"),
        ("systemctl --root=/tmp enable x", "systemctl-option"), ("systemctl -f reboot", "systemctl-option"), ("systemctl reboot", "systemctl-subcommand"), ("systemctl --no-pager daemon-reexec", "systemctl-subcommand"),
        ("systemctl set-environment PATH=/tmp", "systemctl-subcommand"), ("systemctl -- restart x", "systemctl-subcommand"), ("systemctl kill x", "systemctl-subcommand"), ("systemctl --stat failed", "systemctl-option"),
        ("journalctl --vacuum-size=1", "journalctl-option"), ("journalctl --rotate", "journalctl-option"), ("journalctl --flush", "journalctl-option"), ("journalctl --sync", "journalctl-option"),
        ("journalctl --cursor-file=/tmp/x", "journalctl-option"), ("journalctl --root=/", "journalctl-option"), ("journalctl -M x", "journalctl-option"), ("journalctl -D /tmp", "journalctl-path"),
        ("journalctl --file=/var/log/journal/../../../etc/shadow", "journalctl-path"), ("journalctl -D/tmp", "journalctl-path"), ("journalctl --setup-keys", "journalctl-option"), ("journalctl --image=x", "journalctl-option"),
        // search and text
        ("find / -exec sh ;", "find-exec"), ("find . -execdir sh ;", "find-exec"), ("find . -ok sh ;", "find-exec"), ("find . -okdir sh ;", "find-exec"), ("find . -delete", "find-delete"),
        ("find . -fprint /tmp/x", "find-write"), ("find . -fls /tmp/x", "find-write"), ("find . -fprintf /tmp/x %p", "find-write"), ("find . -fprint0 x", "find-write"), ("find -files0-from x", "find-expression"),
        ("find . -name x -name -exec -exec sh ;", "find-exec"), ("find . -name -exec", ""), ("find -D exec .", "find-expression"), ("find . ( -exec sh ; )", "find-exec"), ("find . -newerXX x", "find-expression"),
        ("sed -i s/a/b/ x", "sed-option"), ("sed --in-place p x", "sed-option"), ("sed -f /tmp/x", "sed-option"), ("sed e", "sed-script"), ("sed '1e id' x", "sed-script"), ("sed -n 's/a/id/e' x", "sed-script"),
        ("sed 'w /tmp/x' y", "sed-script"), ("sed -e p -e '1e id' x", "sed-script"), ("sed --expression=e x", "sed-script"), ("sed -n -- e x", "sed-script"), ("sed x -e e", "sed-option"),
        ("sort -o /tmp/x y", "sort-option"), ("sort --output=/tmp/x", "sort-option"), ("sort --compress-program=sh", "sort-option"), ("sort -no/tmp/x", "sort-option"), ("sort --compress-prog=sh", "sort-option"),
        ("sort --files0-from=x", "sort-option"), ("sort -T /tmp", "sort-option"), ("uniq a b", "uniq-output"), ("less -o/tmp/x y", "less-option"), ("less -O /tmp/x y", "less-option"), ("less '+!sh' x", "less-command"),
        ("less -k /tmp/x y", "less-option"), ("less --log-file=/tmp/x y", "less-option"), ("tree -o /tmp/x", "tree-option"), ("file -C -m x", "file-option"),
        ("gzip x", "gzip-output"), ("gzip -d x", "gzip-output"), ("gzip -S .x -d y", "gzip-option"), ("diff -l a b", "diff-option"), ("tee /etc/passwd", "tee-path"), ("tee /tmp/../etc/x", "tee-path"),
        ("tee /tmp/a /etc/b", "tee-path"), ("tee /home/anna/x", "tee-path"), ("tee /tmpx", "tee-path"), ("cp x /etc", "cp-path"), ("cp -t /etc x", "cp-option"), ("cp --target-directory=/etc x", "cp-option"),
        ("mkdir /etc/x", "mkdir-path"), ("rm -rf /var/log", "rm-path"), ("rm -rf ../..", "rm-path"), ("touch /u01x", "touch-path"),
        // editors
        ("vim -c ':!sh' x", "vim-option"), ("vim --cmd x", "vim-option"), ("vim '+!sh' x", "vim-command"), ("vim x -c ':!sh'", "vim-command"), ("vim -S x", "vim-option"), ("vim -u x", "vim-option"),
        ("vim -s x y", "vim-option"), ("vim -w x y", "vim-option"), ("vim x '+:!sh'", "vim-command"), ("vim -es", "vim-option"), ("view -c x", "vim-option"), ("vim -i x", "vim-option"), ("vim --servername x", "vim-option"),
        // network
        ("curl https://host/", "curl-config"), ("curl -s -q https://host/", "curl-config"), ("curl -q -o /tmp/x https://h/", "curl-output"), ("curl -q -O https://h/", "curl-option"), ("curl -q -T x http://h/", "curl-option"),
        ("curl -q -K x", "curl-option"), ("curl -q --config x", "curl-option"), ("curl -q -d x http://h/", "curl-option"), ("curl -q --data-binary @x http://h/", "curl-option"), ("curl -q -F a=@x http://h/", "curl-option"),
        ("curl -q file:///etc/shadow", "curl-url"), ("curl -q FILE:///etc/shadow", "curl-url"), ("curl -q host", "curl-url"), ("curl -q http://h/ gopher://h/", "curl-url"), ("curl -q --url file:///x", "curl-url"),
        ("curl -q -X POST http://h/", "curl-method"), ("curl -q -XDELETE http://h/", "curl-method"), ("curl -q --unix-socket /run/docker.sock http://h/", "curl-option"), ("curl -q -H @x http://h/", "curl-file"),
        ("curl -q -w @x http://h/", "curl-output"), ("curl -q -w '%output{/tmp/x}y' http://h/", "curl-output"), ("curl -q --proto-default file x", "curl-option"), ("curl -q -x socks5://h http://h/", "curl-option"),
        ("curl -q -so/tmp/x http://h/", "curl-output"), ("curl -q -c /tmp/x http://h/", "curl-option"), ("curl -q -D /tmp/x http://h/", "curl-option"), ("curl -q --trace /tmp/x http://h/", "curl-option"),
        ("tcpdump -z sh -w /tmp/x -G 1", "tcpdump-option"), ("tcpdump -w /tmp/x", "tcpdump-option"), ("tcpdump -nw/tmp/x", "tcpdump-option"), ("tcpdump -Z root", "tcpdump-option"), ("tcpdump -F x", "tcpdump-option"),
        ("tcpdump -V x", "tcpdump-option"), ("ip link set lo down", "ip-subcommand"), ("ip l s lo down", "ip-subcommand"), ("ip a a 1.2.3.4/8 dev lo", "ip-subcommand"), ("ip netns exec x sh", "ip-object"),
        ("ip -b x", "ip-option"), ("ip -batch x", "ip-option"), ("ip -n x a", "ip-option"), ("ip -force -b x", "ip-option"), ("ip route save", "ip-subcommand"), ("ip route flush cache", "ip-subcommand"),
        ("ip vrf exec x sh", "ip-subcommand"), ("ip xfrm state", "ip-object"), ("ss -K dst 1.2.3.4", "ss-option"), ("ss -D /tmp/x", "ss-option"), ("ss -F x", "ss-option"), ("ss --diag=x", "ss-option"),
        ("ping -f host", "ping-option"), ("dig -f x", "dig-option"), ("ifconfig lo down", "ifconfig-operand"), ("ethtool -s eth0 speed 10", "ethtool-option"), ("ethtool -K eth0 tso off", "ethtool-option"),
        ("ethtool -w eth0 data x", "ethtool-option"), ("ethtool -E eth0", "ethtool-option"), ("lsof -D b/tmp/x", "lsof-option"), ("lsof +m x", "lsof-option"),
        // hardware, time, jobs
        ("ipmitool -H host -U x -P y sdr", "ipmitool-option"), ("ipmitool -I lanplus sdr", "ipmitool-option"), ("ipmitool power off", "ipmitool-subcommand"), ("ipmitool sel clear", "ipmitool-subcommand"),
        ("ipmitool sel save /tmp/x", "ipmitool-subcommand"), ("ipmitool exec x", "ipmitool-subcommand"), ("ipmitool shell", "ipmitool-subcommand"), ("ipmitool raw 6 1", "ipmitool-subcommand"), ("ipmitool", "ipmitool-subcommand"),
        ("crontab -e", "crontab-option"), ("crontab x", "crontab-option"), ("crontab", "crontab-option"), ("crontab -l -u root", "crontab-option"), ("crontab -r", "crontab-option"),
        ("dbmcli", "dbmcli-option"), ("dbmcli -e alter dbserver restart", "dbmcli-subcommand"), ("dbmcli -e 'list x; drop y'", "dbmcli-subcommand"), ("dbmcli -x -e list", "dbmcli-option"),
        ("date -s 2020-01-01", "date-option"), ("date 010100002020", "date-set"), ("hostname evil", "hostname-operand"), ("hostname -F x", "hostname-option"), ("dmesg -C", "dmesg-option"), ("dmesg -c", "dmesg-option"),
        ("dmesg --clear", "dmesg-option"), ("mount -o remount,rw /", "mount-option"), ("mount /dev/sda /mnt", "mount-operand"), ("env sh", "env-operand"), ("env -i sh", "env-option"), ("env LD_PRELOAD=x ls", "env-operand"),
        // wrappers
        ("timeout 5 sh", "interpreter"), ("nohup python3 -c x", "interpreter"), ("setsid /tmp/x", "not-installed"), ("xargs rm", ""), ("xargs sh -c x", "interpreter"), ("xargs -a x -I{} perl {}", "interpreter"),
        ("nice nice bash", "interpreter"), ("time -o /tmp/x ls", "time-option"), ("timeout 5", ""), ("watch -x sh", "interpreter"), ("timeout 5 setsid env", ""), ("nohup reboot", "reboot"), ("xargs -n1 docker", ""),
        ("xargs wget", "wget"), ("timeout 5 docker run x", "docker-subcommand"), ("nohup find / -delete", "find-delete"), ("xargs find / -delete", ""), ("nice timeout 5 sed e", "sed-script"), ("nice nice nice nice ls", ""), ("nice nice nice nice nice ls", "ls-depth"),
    ]);
}

#[test]
fn interpreters_and_strangers_are_refused() {
    check(&[
        ("python3 -c 'import os'", "interpreter"), ("python3.11", "interpreter"), ("perl -e x", "interpreter"), ("bash", "interpreter"), ("sh -c id", "interpreter"), ("dash", "interpreter"), ("awk BEGIN", "interpreter"),
        ("mawk x", "interpreter"), ("gawk x", "interpreter"), ("busybox sh", "interpreter"), ("lua5.4", "interpreter"), ("node x", "interpreter"), ("php8.2 x", "interpreter"), ("ruby3.1 x", "interpreter"),
        ("perl5.36-x86_64-linux-gnu x", "not-listed"), ("expect x", "interpreter"), ("tmux", "tmux"), ("sudo id", "sudo-command"), ("su -", "su-user"), ("reboot", "reboot"), ("ssh host", "ssh-config"), ("scp a b:", "scp"), ("nc -l 1", "nc"),
        ("wget x", "wget"), ("tar xf x", "tar-option"), ("man ls", "man"), ("git --help", "git"), ("gdb", "gdb"), ("sosreport", ""), ("sundiag.sh", ""), ("nmap x", "not-listed"), ("capsh --", "not-listed"),
        ("unshare -r", "not-listed"), ("nsenter -t 1", "not-listed"), ("chroot /", "not-listed"), ("./ls", "not-installed"), ("/tmp/evil/cat x", "not-installed"), ("/home/ann/ls", "not-installed"), ("/usr/bin/../../tmp/ls", "not-installed"),
        ("/lib64/ld-linux-x86-64.so.2 /bin/sh", "not-installed"), ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /bin/ls", "not-installed"), ("/usr/bin/x/ls", "not-installed"),
        ("doas id", "runuser"), ("pkexec id", "runuser"), ("run-parts x", "not-listed"), ("flock x sh", "not-listed"), ("systemd-run sh", "systemd-run"), ("at now", "at"), ("crontab2", "not-listed"),
    ]);
}

#[test]
fn the_name_in_argv_has_to_fit_the_file() {
    for (path, argv, want) in [
        ("/usr/bin/systemctl", &["reboot"][..], "reboot"),
        ("/usr/bin/systemctl", &["/sbin/poweroff"], "reboot"),
        ("/usr/bin/systemctl", &[], "systemctl-name"),
        ("/usr/bin/vim.basic", &["vi", "x"], ""),
        ("/usr/bin/vim.basic", &["ex"], "vim-name"),
        ("/usr/bin/pgrep", &["pkill", "x"], "pgrep-name"),
        ("/usr/bin/hostname", &["domainname", "x"], "hostname-name"),
        ("/usr/bin/ls", &["-ls"], "ls-name"),
        ("/usr/bin/ls", &["/somewhere/ls"], ""),
        ("/usr/bin/xz", &["unxz", "x"], "xz-name"),
        ("/usr/bin/dash", &["ls"], "interpreter"),
        ("/usr/bin/mawk", &["ls"], "interpreter"),
        ("/tmp/ls", &["ls"], "not-installed"),
        ("/usr/bin/w.procps", &["w"], ""),
    ] {
        assert_eq!(rule(exec(path, argv)), want, "{path} {argv:?}");
    }
}

#[test]
fn a_value_of_less_does_not_hide_an_option() {
    assert_eq!(exec_rule("less '-jx$-o/tmp/y' z"), "less-option");
    assert_eq!(exec_rule("less -j5 z"), "");
}

/// Each of these wrote a file, or would have, although the grammar had read it as something else than the program does.
#[test]
fn programs_that_read_arguments_in_their_own_way_are_read_in_that_way() {
    check(&[
        // the last mode counts: it replaces the file
        ("xz -t -d x.xz", "xz-output"), ("xz -l --decompress x.xz", "xz-output"), ("xz -t x.xz", ""), ("xz -dc x.xz", ""), ("gzip -l x.gz", ""),
        // with POSIXLY_CORRECT the first operand is the script, and -e a file
        ("sed 'w x' -e p", "sed-option"), ("sed p -n x", "sed-option"), ("sed -n -e p x", ""), ("sed p -", ""),
        // less reads what follows a number as more options
        ("less -b5o/tmp/x", "less-option"), ("less -j5k/tmp/x", "less-option"), ("less -y 3t/tmp/x", "less-option"), ("less -z-4 x", ""), ("less -j.5 -x4,8 x", ""), ("less -p text x", ""),
        // tree takes the values of all letters of a group from the arguments that follow
        ("tree -Lo 1 /tmp/x", "tree-option"), ("tree -Po x /etc/x", "tree-option"), ("tree -o x", "tree-option"), ("tree -L 2 /var", ""), ("tree -aL 2", "tree-option"), ("tree -P *.c --dirsfirst .", ""),
        ("tree -L", "tree-option"), ("tree --fromfile", "tree-option"),
    ]);
}

#[test]
fn a_computed_name_is_not_assigned_or_opened() {
    let rule_of = |text: &str, command: portcullis_sdk::Command| {
        rule(Subject::Line(portcullis_sdk::Line { text: text.into(), commands: vec![command], cwd: b"/".to_vec() }))
    };
    let word = |text: &str, kind| portcullis_sdk::Word { text: text.into(), kind };
    let (literal, dynamic) = (portcullis_sdk::WordKind::Literal, portcullis_sdk::WordKind::Dynamic);
    let command = |words| portcullis_sdk::Command { words, assignments: vec![], redirects: vec![], depth: 0, kind: portcullis_sdk::CommandKind::Builtin };
    let export = |argument: &str| rule_of(argument, command(vec![word("export", literal), word(argument, dynamic)]));
    assert_eq!(export("$x"), "dynamic-name");
    assert_eq!(export("P$x=1"), "dynamic-name");
    assert_eq!(export("VALUE=$x"), "");
    // the home, as bash puts it in front of a word whose beginning is not quoted
    let write = |target: &str| {
        let redirects = vec![portcullis_sdk::Redirect { fd: None, kind: portcullis_sdk::RedirectKind::Write, target: word(target, dynamic) }];
        rule_of(target, portcullis_sdk::Command { redirects, ..command(vec![word("true", literal)]) })
    };
    for target in ["~/x", "~/a/$x", "$HOME/x", "${HOME}/x", "\"$HOME/x y\"", "\"$HOME\"/x", "\"${HOME}\"/$x"] {
        assert_eq!(write(target), "", "{target}");
    }
    for target in ["~", "~/../anna/x", "~anna/x", "~+/x", "~-/x", "'~/'$x", "\\~/$x", "\"~/\"$x", "x~/$x", "$HOMES/x", "${HOME:-/etc}/x", "$HOME", "$HOME$x/y", "~$x/y", "$x~/y", "~/$x/../../y"] {
        assert_eq!(write(target), "redirect", "{target}");
    }
    let open = |target: &str| {
        let redirects = vec![portcullis_sdk::Redirect { fd: None, kind: portcullis_sdk::RedirectKind::Read, target: word(target, dynamic) }];
        rule_of(target, portcullis_sdk::Command { redirects, ..command(vec![word("true", literal)]) })
    };
    assert_eq!(open("$x"), "redirect-network");
    assert_eq!(open("/dev/$x/127.0.0.1/22"), "redirect-network");
    assert_eq!(open("/$x"), "redirect-network");
    assert_eq!(open("\"/dev\"/$x"), "redirect-network");
    assert_eq!(open("\"/var/log/$x\""), "");
    assert_eq!(open("/var/log/$x"), "");
}

#[test]
fn scripts_run_only_when_listed_and_installed() {
    let script = |scripts: &[&str], argv: &[&str]| rule(script("/usr/bin/dash", scripts, argv));
    assert_eq!(script(&["/usr/bin/zcat"], &["/bin/sh", "/usr/bin/zcat", "x"]), "");
    assert_eq!(script(&["/usr/bin/which.debianutils"], &["/bin/sh", "/usr/bin/which", "x"]), "");
    assert_eq!(script(&["/usr/bin/egrep"], &["/bin/sh", "/usr/bin/egrep", "x"]), "");
    assert_eq!(script(&["/tmp/zcat"], &["/bin/sh", "/tmp/zcat"]), "not-installed");
    assert_eq!(script(&["/usr/bin/zcat", "/tmp/x"], &["/bin/sh", "/tmp/x"]), "not-installed");
    assert_eq!(script(&["/usr/bin/ls"], &["/bin/sh", "/usr/bin/ls"]), "ls-script");
    assert_eq!(script(&["/usr/bin/find"], &["/bin/sh", "/usr/bin/find", "."]), "find-script");
    assert_eq!(script(&["/usr/bin/ldd"], &["/bin/bash", "/usr/bin/ldd"]), "not-listed");
    assert_eq!(script(&["/usr/sbin/sosreport"], &["python3", "/usr/sbin/sosreport", "--config-file=x"]), "sosreport-option");
    assert_eq!(rule(exec("/usr/bin/dash", &["/bin/sh", "/usr/bin/zcat"])), "interpreter", "a script that is handed over is not one that was executed");
}

#[test]
fn every_command_of_a_line_counts() {
    for (text, want) in [
        ("ls /var/log | head", ""),
        ("echo ok && python3 -c x", "interpreter"),
        ("ls ; rm /etc/passwd", "rm-path"),
        ("ls | sh", "interpreter"),
        ("sleep 1000 | cat", ""),
        ("setsid sleep 1000 &", ""),
        ("LANG=C ls", ""),
        ("LD_PRELOAD=/tmp/x.so ls", "assignment"),
        ("PATH=/tmp:/bin ls", "assignment"),
        ("BASH_ENV=x", "assignment"),
        ("PAGER=sh journalctl", "assignment"),
        ("DOCKER_HOST=tcp://x docker ps", "assignment"),
        ("x=1", ""),
        ("export PATH=/tmp", "assignment"),
        ("export LESSOPEN", "assignment"),
        ("export x=1", ""),
        ("declare -x LD_AUDIT=x", "assignment"),
        ("$x", "dynamic-name"),
        ("*", "dynamic-name"),
        ("/bin/l*", "dynamic-name"),
        ("ls $x *", ""),
        ("docker $x", ""),
        ("sudo $x", ""),
        ("python3 $x", "interpreter"),
        ("timeout 5 $x", ""),
        ("echo x > /tmp/x", ""),
        ("echo x > x", ""),
        ("echo x > /dev/null", ""),
        ("echo x > /etc/passwd", "redirect"),
        ("echo x >> ../anna/x", "redirect"),
        ("echo x > /dev/sda", "redirect"),
        ("echo x > /tmp/$x", ""),
        ("echo x > /tmp/../etc/$x", "redirect"),
        ("echo x > $x", "redirect"),
        ("echo x > $HOME/x", ""),
        ("echo x > $HOME/a/$x", ""),
        ("echo x > $HOME/../anna/$x", "redirect"),
        ("echo x > $HOME", "redirect"),
        ("echo x > $HOMES/x", "redirect"),
        ("read x y", ""),
        ("read -r -p prompt: -t 5 x", ""),
        ("read -p $prompt x", ""),
        ("read HOME", "assignment"),
        ("read -ra HOME", "assignment"),
        ("read -r x HOME", "assignment"),
        ("read $x", "dynamic-name"),
        ("read -- PATH", "assignment"),
        ("printf -v HOME %s /dev/tcp/h", "assignment"),
        ("printf -vHOME x", "assignment"),
        ("printf -v $x y", "dynamic-name"),
        ("printf HOME $x", ""),
        ("printf -v x HOME", ""),
        ("unset HOME", "assignment"),
        ("unset -v HOME", "assignment"),
        ("unset x", ""),
        ("mapfile -t HOME", "assignment"),
        ("mapfile -n 5 x", ""),
        ("declare -n x=HOME", "assignment"),
        ("declare -n x=$y", "dynamic-name"),
        ("declare -n x=y", ""),
        ("export x=HOME", ""),
        ("echo x > /$x", "redirect"),
        ("cat < /etc/hosts", ""),
        ("cat < /dev/tcp/host/80", "redirect-network"),
        ("echo x > /dev/tcp/host/80", "redirect-network"),
        ("cat < /dev/./tcp/host/80", "redirect-network"),
        ("eval ls", "builtin"),
        ("source x", "builtin"),
        (". x", "builtin"),
        ("exec ls", "builtin"),
        ("exec > /tmp/x", ""),
        ("enable -f /tmp/x.so x", "builtin"),
        ("builtin eval x", "builtin"),
        ("builtin echo x", ""),
        ("command ls", ""),
        ("command -v sh", ""),
        ("command -p sh", "interpreter"),
        ("command sh", "interpreter"),
        ("command eval x", "builtin"),
        ("command $x", "dynamic-name"),
        ("command command sh", "interpreter"),
        ("alias", ""),
        ("alias ls=sh", "builtin"),
        ("alias $x", "builtin"),
        ("hash", ""),
        ("hash -p /tmp/x ls", "builtin"),
        ("bind -x x", "builtin"),
        ("fc -e sh", "builtin"),
        ("mapfile -C x y", "builtin"),
        ("mapfile y", ""),
        ("complete -C x y", "builtin"),
        ("logout2", "builtin"),
        ("trap x EXIT", ""),
        ("kill -9 1", ""),
        ("cd /var", ""),
        ("", ""),
    ] {
        assert_eq!(rule(line(text, BUILTINS)), want, "{text}");
    }
}

#[test]
fn long_lines_are_judged_to_their_end() {
    for n in [1, 49, 50, 51, 255] {
        let text = format!("{}python3", "ls ; ".repeat(n));
        assert_eq!(rule(line(&text, BUILTINS)), "interpreter", "{n}");
    }
}

#[test]
fn arguments_of_any_bytes_are_judged() {
    let mut subject = exec("/usr/bin/docker", &["docker", "x"]);
    let Subject::Exec(exec) = &mut subject else { unreachable!() };
    for bytes in [&b"run\n"[..], b"\xff\xfe", b"\x1b[2J", b"", "\u{202e}ps".as_bytes(), b"ps\0"] {
        exec.argv[1] = bytes.to_vec();
        assert_eq!(rule(Subject::Exec(exec.clone())), "docker-subcommand", "{bytes:?}");
    }
}

#[test]
fn files_are_written_where_allowed() {
    let file = |kind, path: &str, to: Option<&str>| rule(Subject::File(FileOp { kind, path: path.into(), to: to.map(|t| t.as_bytes().to_vec()) }));
    assert_eq!(file(FileOpKind::Read, "/var/log/messages", None), "");
    assert_eq!(file(FileOpKind::List, "/", None), "");
    assert_eq!(file(FileOpKind::Write, "/home/ann/x", None), "");
    assert_eq!(file(FileOpKind::Write, "/home/anna/x", None), "file-write");
    assert_eq!(file(FileOpKind::Rename, "/tmp/x", Some("/etc/x")), "file-write");
    assert_eq!(file(FileOpKind::Rename, "/tmp/x", Some("/u01/x")), "");
    assert_eq!(file(FileOpKind::Link, "/etc/shadow", Some("/tmp/x")), "file-write");
    assert_eq!(file(FileOpKind::SetAttributes, "/etc", None), "file-write");
    assert_eq!(rule(Subject::Forward(Forward { host: "localhost".into(), port: 22 })), "forward-host");
}

