//! The value of `$'..'`.

/// The bytes that the text between the quotes stands for; none when bash would do something that is not worth copying:
/// a NUL, which ends the string, or a character that is none.
pub(super) fn decode(inner: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    let mut room = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(super::text::to_bytes(c.encode_utf8(&mut room)));
            continue;
        }
        match chars.next()? {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'e' | 'E' => bytes.push(0x1b),
            'f' => bytes.push(0x0c),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0x0b),
            c @ ('\\' | '\'' | '"' | '?') => bytes.push(u8::try_from(c).ok()?),
            c @ '0'..='7' => bytes.push(u8::try_from(number(&mut chars, 8, 3, Some(c))? & 0xff).ok()?),
            'x' => bytes.push(u8::try_from(number(&mut chars, 16, 2, None)?).ok()?),
            'u' => bytes.extend(char::from_u32(number(&mut chars, 16, 4, None)?)?.encode_utf8(&mut room).bytes()),
            'U' => bytes.extend(char::from_u32(number(&mut chars, 16, 8, None)?)?.encode_utf8(&mut room).bytes()),
            // \cx and whatever else there is
            _ => return None,
        }
    }
    (!bytes.contains(&0)).then_some(bytes)
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, radix: u32, most: usize, first: Option<char>) -> Option<u32> {
    let mut digits: String = first.into_iter().collect();
    while digits.len() < most && chars.peek().is_some_and(|c| c.is_digit(radix)) {
        digits.extend(chars.next());
    }
    u32::from_str_radix(&digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_have_their_values() {
        let table: &[(&str, Option<&[u8]>)] = &[
            ("a\\tb", Some(b"a\tb")),
            ("\\x41\\101\\u00e9", Some("AA\u{e9}".as_bytes())),
            ("\\xff", Some(b"\xff")),
            ("\\'\\\\", Some(b"'\\")),
            ("a\\0b", None),
            ("\\q", None),
            ("\\", None),
        ];
        for (text, value) in table {
            assert_eq!(decode(text).as_deref(), *value, "{text}");
        }
    }
}
