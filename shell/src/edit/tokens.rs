//! A line cut into words, as bash's history cuts it for `Alt-.` and `!$`: quotes stay, signs of the shell are words of their own.

/// Signs of the shell that are words, the longest first.
const SIGNS: &[&[u8]] = &[b"<<<", b"<<-", b"&>>", b"<<", b">>", b"<&", b">&", b"<>", b">|", b"&>", b"&&", b"||", b"|&", b";;", b";", b"&", b"|", b"(", b")", b"<", b">"];

/// The words of a line, each with where it begins.
pub(super) fn tokens(line: &[u8]) -> Vec<(usize, &[u8])> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < line.len() {
        if matches!(line.get(at), Some(b' ' | b'\t' | b'\n')) {
            at += 1;
            continue;
        }
        let end = at + token(line.get(at..).unwrap_or_default());
        words.push((at, line.get(at..end).unwrap_or_default()));
        at = end;
    }
    words
}

/// The length of the word at the beginning of `rest`, at least one.
fn token(rest: &[u8]) -> usize {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let signs = rest.get(digits..).unwrap_or_default();
    if signs.starts_with(b"<(") || signs.starts_with(b">(") {
        return word(rest);
    }
    let sign = SIGNS.iter().find(|sign| signs.starts_with(sign)).filter(|sign| digits == 0 || matches!(sign.first(), Some(b'<' | b'>')));
    match sign {
        // `2>&1` is one
        Some(sign) if sign.ends_with(b">&") || sign.ends_with(b"<&") => {
            let length = digits + sign.len();
            length + rest.get(length..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count()
        }
        Some(sign) => digits + sign.len(),
        None => word(rest),
    }
}

fn word(rest: &[u8]) -> usize {
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' | b'"' | b'`' => at += quoted(rest.get(at..).unwrap_or_default()),
            b'(' if depth > 0 || matches!(rest.get(at.wrapping_sub(1)), Some(b'$' | b'<' | b'>')) => (depth, at) = (depth + 1, at + 1),
            b')' if depth > 0 => (depth, at) = (depth - 1, at + 1),
            b'<' | b'>' if depth == 0 && rest.get(at + 1) == Some(&b'(') => at += 1,
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' if depth == 0 => break,
            _ => at += 1,
        }
    }
    at.clamp(1, rest.len())
}

/// The length of a quote from its first sign to its last.
fn quoted(rest: &[u8]) -> usize {
    let Some(quote) = rest.first() else { return 0 };
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' if *quote != b'\'' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn words_and_signs_are_cut_apart_and_quotes_are_not() {
        for (line, want) in [
            ("ls  -la /tmp", "ls·-la·/tmp"), ("a;b&&c", "a·;·b·&&·c"), ("cat 'a b' \"c d\"e f\\ g", "cat·'a b'·\"c d\"e·f\\ g"), ("x >/tmp/y 2>&1", "x·>·/tmp/y·2>&1"),
            ("echo $(ls | wc) `a b`", "echo·$(ls | wc)·`a b`"), ("diff <(a b) c", "diff·<(a b)·c"), ("(cd x; ls)", "(·cd·x·;·ls·)"), ("echo 'open", "echo·'open"), ("", ""), ("a\\", "a\\"), ("2 2>x|y", "2·2>·x·|·y"),
        ] {
            let cut: Vec<&str> = tokens(line.as_bytes()).into_iter().map(|(_, word)| std::str::from_utf8(word).unwrap()).collect();
            assert_eq!(cut.join("\u{b7}"), want, "{line}");
        }
    }
}
