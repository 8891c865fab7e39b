//! sed: its script is a language in which `e` runs commands and `w` and `r` open files. Scripts of addresses, `p`, `d`, `q`, `=`
//! and `s` with harmless flags are understood; whatever is not understood is refused.

use portcullis_sdk::{Arguments, Call, Options, Program, Refusal};

pub(crate) const ROWS: &[Program] = &[Program::checked(&["sed"], "sed -n '1,20p' FILE, sed 's/A/B/g' FILE", "to its output only; with p, d, q, = and s alone", &SED, sed).example("sed -n '1,20p' FILE")];

const SED: Options = Options::flags("nErsuz", &["quiet", "silent", "regexp-extended", "separate", "unbuffered", "null-data", "posix", "expression=", "help", "version", "sandbox"]).valued("e").first();

fn sed(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<(), Refusal> {
    // the environment says whether an option behind an operand is one: whether `sed A -e B` has A or B as its script
    if arguments.operands.iter().any(|operand| operand.starts_with(b"-") && operand.len() > 1) {
        return Err(Refusal::new("option", "options come before the script and the files"));
    }
    let given: Vec<&[u8]> = arguments.values(b'e', "expression").flatten().collect();
    let scripts = if given.is_empty() { arguments.operands.iter().copied().take(1).collect() } else { given };
    if scripts.iter().all(|script| is_harmless(script)) {
        return Ok(());
    }
    Err(Refusal::new("script", "only addresses, p, d, q, = and s/A/B/ with the flags g, i, p and a number are allowed"))
}

fn is_harmless(script: &[u8]) -> bool {
    let mut script = Script(script);
    loop {
        script.skip(|b| matches!(b, b' ' | b'\t' | b'\n' | b';'));
        if script.0.is_empty() {
            return true;
        }
        if script.command().is_none() {
            return false;
        }
    }
}

/// What is left of a script.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn command(&mut self) -> Option<()> {
        if self.address()? && self.take(b',') {
            self.blanks();
            self.address()?.then_some(())?;
        }
        self.blanks();
        while self.take(b'!') {
            self.blanks();
        }
        match self.next()? {
            b'p' | b'd' | b'=' => {}
            b'q' => self.skip(|b| b.is_ascii_digit() || b == b' '),
            b's' => self.substitution()?,
            _ => return None,
        }
        self.blanks();
        matches!(self.0.first(), None | Some(b';' | b'\n')).then_some(())
    }

    /// Whether there was one; none when it is not understood.
    fn address(&mut self) -> Option<bool> {
        match self.0.first() {
            Some(b'0'..=b'9') => self.skip(|b| b.is_ascii_digit() || b == b'~'),
            Some(b'$') => self.skip_one(),
            Some(b'/') => {
                self.skip_one();
                self.delimited(b'/')?;
                self.skip(|b| b == b'I');
            }
            Some(b'+' | b'~') => {
                self.skip_one();
                self.skip(|b| b.is_ascii_digit());
            }
            _ => return Some(false),
        }
        self.blanks();
        Some(true)
    }

    fn substitution(&mut self) -> Option<()> {
        let delimiter = self.next().filter(|b| b.is_ascii_punctuation() && *b != b'\\')?;
        self.delimited(delimiter)?;
        self.delimited(delimiter)?;
        // `e` runs the result and `w` writes it: neither is among these
        self.skip(|b| matches!(b, b'g' | b'p' | b'i' | b'I' | b'0'..=b'9'));
        Some(())
    }

    /// Up to and over the delimiter. A bracket expression may hold the delimiter for one sed and not for another: so it may not
    /// occur together with it, and a newline, which ends a command for some, may not either.
    fn delimited(&mut self, delimiter: u8) -> Option<()> {
        let mut in_brackets = false;
        loop {
            match self.next()? {
                b'\\' if self.next()? == b'\n' => return None,
                b'\\' => {}
                b'\n' => return None,
                b if b == delimiter && in_brackets => return None,
                b if b == delimiter => return Some(()),
                b'[' => in_brackets = true,
                b']' => in_brackets = false,
                _ => {}
            }
        }
    }

    fn blanks(&mut self) {
        self.skip(|b| matches!(b, b' ' | b'\t'));
    }

    fn skip(&mut self, those: impl Fn(u8) -> bool) {
        while self.0.first().is_some_and(|b| those(*b)) {
            self.skip_one();
        }
    }

    fn skip_one(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    fn next(&mut self) -> Option<u8> {
        let first = self.0.first().copied();
        self.skip_one();
        first
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.0.first() == Some(&byte);
        if is {
            self.skip_one();
        }
        is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_understood_or_refused() {
        for script in [
            "p", "1,20p", "$p", "$!d", "/error/p", "/a\\/b/,/c/p", "s/a/b/", "s/a/b/g", "s|/var|/x|gp", "s/a/b/;s/c/d/2", "1~2p", "/x/,+3p", "10q", "10q5", "/a/Ip", "=", "s/[a-z]*//g",
            "  1p ; 2p  ", "1,20!d", "s/\\(a\\)/\\1/", "",
        ] {
            assert!(is_harmless(script.as_bytes()), "{script}");
        }
        for script in [
            "e", "1e", "e id", "1e id", "s/a/id/e", "s/a/b/w /tmp/x", "s/a/b/ge", "w /tmp/x", "1w /tmp/x", "r /etc/passwd", "R x", "W x", "a text", "i\\text", "c x", "y/a/b/", "{p;e}", "{e id",
            "p;e id", "p\ne id", "s/a/b/;e", "s/a/b", "s/a", "s", "1,", "1,p;e", "s/[/]x/e id;/", "s/a/b\\\n/e", "s/a\nb/c/", ":a;ba", "b", "t", "n", "N", "h", "x", "l", "D", "F", "z",
            "\\,x,e", "}", "#n", "p e", "pe", "d}", "s\\a\\b\\e", "0e", "$e", "!e", "q e", "v", "Q", "+1e",
        ] {
            assert!(!is_harmless(script.as_bytes()), "{script}");
        }
    }
}
