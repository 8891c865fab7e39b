//! What one word may be, and what a text is in a session.

use portcullis_profile::{Pattern, Piece, Text};
use portcullis_sdk::{Session, path, quote};

/// Where a word stands: its session, and the directory that paths are taken from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) session: &'a Session,
    pub(crate) cwd: &'a [u8],
}

/// Whether a word is what a pattern says.
pub(crate) fn matches(pattern: &Pattern, word: &[u8], place: Place<'_>) -> bool {
    match pattern {
        Pattern::Any => true,
        Pattern::Glob(glob) => glob_matches(glob.as_bytes(), word),
        Pattern::Number(least, most) => number(word).is_some_and(|n| (*least..=*most).contains(&n)),
        Pattern::Path(folders) => in_folders(folders, word, place),
        Pattern::Text(text) => plain(text, place.session).is_some_and(|text| text.as_bytes() == word),
        Pattern::Either(patterns) => patterns.iter().any(|pattern| matches(pattern, word, place)),
    }
}

/// Whether a path, taken from the place's directory, is one of these folders or lies below one. Links are not followed: what a
/// process may open is held by its confinement.
pub(crate) fn in_folders(folders: &[Text], word: &[u8], place: Place<'_>) -> bool {
    if word.is_empty() {
        return false;
    }
    let path = path::normal(word, place.cwd);
    folders.iter().any(|folder| plain(folder, place.session).is_some_and(|folder| path::within(&path, folder.as_bytes())))
}

/// A text with the session's facts in it, for comparing and for confinements: none when a fact could change what the text around
/// it means. A fact that is empty, `.` or `..`, or has a slash in it, does not stand in a path.
pub(crate) fn plain(text: &Text, session: &Session) -> Option<String> {
    let mut plain = String::new();
    for piece in &text.0 {
        if let Piece::Plain(part) = piece {
            plain.push_str(part);
            continue;
        }
        if *piece == Piece::Home {
            plain.push_str("/home/");
        }
        let fact = fact(piece, session)?;
        let harmless = !matches!(fact, "" | "." | "..") && !fact.contains('/') && !fact.contains(char::is_control);
        plain.push_str(harmless.then_some(fact)?);
    }
    Some(plain)
}

fn fact<'a>(piece: &Piece, session: &'a Session) -> Option<&'a str> {
    Some(match piece {
        Piece::Home | Piece::Account => &session.account,
        Piece::Operator => &session.operator,
        Piece::Target => &session.target,
        Piece::Role => &session.role,
        Piece::Action => &session.action,
        Piece::Request => &session.request,
        Piece::Ticket => &session.ticket,
        Piece::Plain(_) | Piece::Command => return None,
    })
}

/// A text for people, with the command in question; at most 512 bytes.
pub(crate) fn prompt(text: &Text, session: &Session, command: &[&[u8]]) -> String {
    let mut prompt = String::new();
    for piece in &text.0 {
        match piece {
            Piece::Plain(part) => prompt.push_str(part),
            Piece::Command => prompt.push_str(&quote(&command.join(&b' '))),
            Piece::Home => prompt.push_str(&quote(format!("/home/{}", session.account).as_bytes())),
            piece => prompt.push_str(&quote(fact(piece, session).unwrap_or_default().as_bytes())),
        }
    }
    prompt.truncate(prompt.floor_char_boundary(512));
    prompt
}

/// `*` and `?`, over bytes. Going back to the last `*` alone is enough: what an earlier one could take, the last can take too.
pub(crate) fn glob_matches(glob: &[u8], word: &[u8]) -> bool {
    let (mut g, mut w) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = word.get(w) {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, w));
                g += 1;
            }
            Some(b'?') => (g, w) = (g + 1, w + 1),
            Some(literal) if literal == byte => (g, w) = (g + 1, w + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (g, w) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob.get(g..).unwrap_or_default().iter().all(|b| *b == b'*')
}

/// A number as the pattern means it: digits alone, written in one way only.
fn number(word: &[u8]) -> Option<u64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit) && (word.len() == 1 || word.first() != Some(&b'0'));
    digits.then(|| std::str::from_utf8(word).ok()?.parse().ok()).flatten()
}

/// A pattern for people.
pub(crate) fn shown(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Any => "anything".to_owned(),
        Pattern::Glob(glob) => glob.clone(),
        Pattern::Number(least, u64::MAX) => format!("a number from {least}"),
        Pattern::Number(least, most) => format!("a number from {least} to {most}"),
        Pattern::Path(folders) => format!("a path in {}", folders.iter().map(text_shown).collect::<Vec<_>>().join(", ")),
        Pattern::Text(text) => text_shown(text),
        Pattern::Either(patterns) => patterns.iter().map(shown).collect::<Vec<_>>().join("|"),
    }
}

fn text_shown(text: &Text) -> String {
    let name = |piece: &Piece| Piece::NAMES.iter().find(|(_, known)| known == piece).map_or_else(String::new, |(name, _)| format!("{{{name}}}"));
    text.0.iter().map(|piece| if let Piece::Plain(part) = piece { part.clone() } else { name(piece) }).collect()
}
