//! Every way that a shell knows to start a program, as lines in which `@` stands for the program.

use std::path::Path;

/// Forms of the shell itself, and of programs that start others. Each prints what `@` prints: `whoami` shows that it ran.
pub const FORMS: &[&str] = &[
    // one command after another
    "@", "true; @", "true;@", "true && @", "false || @", "true | @", "true |& @", "@ | cat", "true & @", "@ & wait", "true\n@", "true \\\n&& @", "! @", "time @", "time -p @",
    "(@)", "((0)) || @", "{ @; }", "{ @\n}", "[[ a == b ]] || @",
    // compound commands
    "if @; then :; fi", "if true; then @; fi", "if false; then :; elif @; then :; fi", "if false; then :; else @; fi", "while @; do break; done", "until @; do break; done",
    "while true; do @; break; done", "for x in 1; do @; done", "for ((i=0;i<1;i++)); do @; done", "for x in @; do $x; done", "case a in a) @;; esac", "case a in a) ;& b) @;; esac",
    "f() { @; }; f", "function f { @; }; f", "f() (@); f", "f() { \"$@\"; }; f @", "f() { local x=$(@); echo $x; }; f",
    // expansions
    "echo $(@)", "echo `@`", "echo \"$(@)\"", "echo \"a `@` b\"", "echo $(echo $(@))", "echo `echo \\`@\\``", "x=$(@); echo $x", "x=`@` && echo $x", "echo ${x:-$(@)}", "echo ${x:=`@`}",
    "y=a; echo ${y:+$(@)}", "y=aXb; echo ${y/X/$(@)}", "cat <(@)", "cat < <(@)", "@ > >(cat); sleep 1", "cat <<< \"$(@)\"", "cat <<E\n$(@)\nE", "cat <<-E\n\t`@`\n\tE", "a=($(@)); echo ${a[0]}",
    "declare x=$(@); echo $x", "export x=`@`; echo $x", "echo $((0$(@ >&2))) 2>&1", "((a[$(@ >&2)0] = 1)) 2>&1; true", "echo {$(@),}", "x='$(@)'; echo ${x@P}", "PS4='$(@)'; set -x; true",
    "a=(0); [[ -v 'a[$(@ >&2)0]' ]]; true", "a=(0); test -v 'a[$(@ >&2)0]'; true", "let 'a[$(@ >&2)0]=1'; true", "read 'a[$(@ >&2)0]' <<< 1; true", "printf -v 'a[$(@ >&2)0]' x; true",
    "x='a[$(@ >&2)0]'; echo ${!x}; true", "x='a[$(@ >&2)0]'; echo $((x)); true", "a=(0); unset 'a[$(@ >&2)0]'; true",
    // the name said otherwise
    "\\@", "'@'", "\"@\"", "/usr/bin/@", "//usr//bin/./@", "/usr/bin/../bin/@", "cd /usr/bin; ./@", "cd /usr; bin/@", "cd /; cd usr; ./bin/@", "x=@; $x", "x=@; \"$x\"", "x=@; ${x}", "a=(@); \"${a[@]}\"",
    "x=/usr/bin; $x/@", "/usr/bin/@*", "/usr/b?n/@", "/usr/bin/[w-wi-i]${n-}*${n-}@ || /usr/bin/@", "set -- @; \"$1\"", "set -- @; $*", "printf -v x %s @; $x", "read x <<< @; $x", "mapfile -t x <<< @; $x",
    "declare -n r=x; x=@; $r", "PATH=/usr/bin @", "X=1 @", "PATH=/usr/sbin:/usr/bin; @", "ln -s /usr/bin/@ /tmp/link; /tmp/link", "hash -p /usr/bin/@ other; other", "/proc/self/root/usr/bin/@ || @",
    // built-ins that run what they are given
    "eval @", "eval '@'", "eval 'ev''al @'", "eval \"true; @\"", "command @", "command -- @", "command -p @", "builtin eval @", "builtin command @", "exec @", "exec -a true @", "exec -c /usr/bin/@", "exec -l @",
    "trap '@' EXIT", "trap @ 0", "trap '@' USR1; kill -USR1 $$; true", "trap '@' ERR; false; true", "trap '@' DEBUG; true", "coproc @; cat <&${COPROC[0]}", "coproc N { @; }; cat <&${N[0]}", "mapfile -C 'eval @ #' -c 1 <<< x",
    ". <(echo @)", "source /dev/stdin <<< @", "export -f f 2>/dev/null; @", "set -e; @", "set -o pipefail; @ | cat", "cd /tmp && @", "umask 077; @",
    // programs that start programs
    "env @", "env -i /usr/bin/@", "env -S @", "env -C / @", "env X=1 @", "/usr/bin/env -u X @", "nice @", "nice -n 5 @", "nohup @", "timeout 9 @", "timeout -k 1 9 @", "setsid -w @", "stdbuf -o0 @ || @", "xargs @ < /dev/null",
    "echo x | xargs -I% @", "echo @ | xargs -I% env %", "find / -maxdepth 0 -exec @ ';'", "find / -maxdepth 0 -ok @ ';' <<< y || @", "sh -c @", "sh -c 'exec @'", "bash -c @", "bash -c 'eval @'",
    "dash -c @", "echo @ | sh", "bash <<< @", "bash -s <<< @", "sh <<E\n@\nE", "bash -lc @", "bash --posix -c @", "bash --rcfile <(echo @) -ic true", "python3 -c 'import os; os.system(\"@\")'",
    "python3 -c 'import os; os.execvp(\"@\", [\"x\"])'", "python3 -c 'import subprocess; subprocess.run([\"@\"])'", "python3 -c 'import os; os.posix_spawn(\"/usr/bin/@\", [\"x\"], {})'",
    "python3 -c 'import pty; pty.spawn(\"@\")'", "perl -e 'system(\"@\")'", "perl -e 'exec \"@\"'", "perl -e 'print `@`'", "perl -e 'open(F, \"@|\"); print <F>'", "awk 'BEGIN{system(\"@\")}'", "awk 'BEGIN{\"@\" | getline x; print x}'",
    "awk 'BEGIN{print 1 | \"@\"}'", "sed -n '1e @' /etc/passwd", "echo @ | sed 's/.*/&/e'", "tar cf /dev/null --checkpoint=1 --checkpoint-action=exec=@ -C / etc/passwd", "tar cf /dev/null -I '@ >&2' -C / etc/passwd; true",
    "split --filter=@ -n 1 /etc/passwd", "sort --compress-program=@ /etc/passwd > /dev/null; @", "flock /tmp/lock @", "script -qc @ /dev/null", "run-parts --regex '^@$' /usr/bin || @", "start-stop-daemon -S -x /usr/bin/@ || @",
    "unshare @ || @", "chrt -o 0 @", "ionice -c 3 @", "taskset 1 @ || @", "prlimit --nofile=64 @", "choom -n 0 -- @ || @", "linux64 @ || @", "git -c alias.x='!@' x", "git -c core.pager=@ -p version; @",
    "make -f - <<< 'all: ; @'", "vim -es -c ':!@' -c q; true", "make -s --eval='$(info $(shell @))'; true",
];

/// Forms that run nothing at all, whichever program they name.
pub const REFUSED: &[&str] = &[
    // a copy is not the program that was judged, and nothing runs where it can be written
    "cp /usr/bin/@ /tmp/copy; /tmp/copy", "cp /usr/bin/@ ~/copy; ~/copy", "cat /usr/bin/@ > /dev/shm/copy; chmod 755 /dev/shm/copy; /dev/shm/copy", "ln /usr/bin/@ /tmp/hard; /tmp/hard",
    // the loader is never what runs
    "/lib64/ld-linux-x86-64.so.2 /usr/bin/@", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /usr/bin/@", "cp /lib64/ld-linux-x86-64.so.2 /tmp/ld; /tmp/ld /usr/bin/@",
    // scripts where they can be written
    "printf '#!/bin/sh\\n@\\n' > /tmp/s; chmod 755 /tmp/s; /tmp/s", "printf '#!/usr/bin/@\\n' > /tmp/s; chmod 755 /tmp/s; /tmp/s",
    // variables that make one program run another's code
    "BASH_ENV=<(echo @) bash -c true", "export BASH_ENV=/dev/stdin; bash -c true <<< @", "ENV=/dev/stdin sh -i <<< @", "LD_PRELOAD=/tmp/x.so @", "PERL5OPT=-Mx perl -e 1",
    // words that would make the shell read lines in another way than they are judged
    "alias other=@; other", "shopt -s expand_aliases\nalias other=@\nother", "enable -n echo; @", "compgen -C @", "complete -C @ x", "bind -x '\"x\":@'",
    // bytes that two readers take for different things
    "echo\u{b}@", "echo\r@", "true\u{85}@", "true\u{2028}@", "echo \u{1}@", "echo '\u{1b}[2J'; @",
];

/// Whether the machine has the program that a form begins with.
#[must_use]
pub fn there(form: &str) -> bool {
    let optional = ["make", "git", "vim", "script", "perl", "run-parts", "start-stop-daemon", "dash"];
    let first = form.split([' ', '\n']).next().unwrap_or_default();
    !optional.contains(&first) || Path::new("/usr/bin").join(first).exists() || Path::new("/sbin").join(first).exists()
}

/// The form with a program in it.
#[must_use]
pub fn line(form: &str, program: &str) -> String {
    // `$@` and its like are the shell's own
    let line = form.replace("$@", "\0").replace("[@]", "\u{1}").replace("x@P", "\u{2}").replace('@', program);
    line.replace('\0', "$@").replace('\u{1}', "[@]").replace('\u{2}', "x@P")
}
