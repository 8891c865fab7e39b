//! A stream of bytes, cut anywhere, as text and what is no text.

/// A piece of such a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Run {
    /// Whole characters.
    Text(String),
    /// Bytes that are no UTF-8.
    Binary(Vec<u8>),
}

/// Takes a stream apart. A character that is cut is held back until the rest of it has come.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    held: Vec<u8>,
}

impl Decoder {
    /// The runs of what is whole now; neighbours are of different kinds.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<Run> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let cut = incomplete(&all);
        self.held = all.split_off(all.len() - cut);
        runs(&all)
    }

    /// What never became whole.
    pub(super) fn finish(&mut self) -> Vec<Run> {
        runs(&std::mem::take(&mut self.held))
    }

    /// The same as one text, with a replacement character for each run that is none.
    pub(super) fn text(&mut self, bytes: &[u8]) -> String {
        let shown = |run| match run {
            Run::Text(text) => text,
            Run::Binary(_) => char::REPLACEMENT_CHARACTER.to_string(),
        };
        self.pass(bytes).into_iter().map(shown).collect()
    }
}

fn runs(bytes: &[u8]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            runs.push(Run::Text(chunk.valid().to_owned()));
        }
        match (runs.last_mut(), chunk.invalid()) {
            (_, []) => {}
            (Some(Run::Binary(binary)), invalid) => binary.extend_from_slice(invalid),
            (_, invalid) => runs.push(Run::Binary(invalid.to_vec())),
        }
    }
    runs
}

/// How many bytes at the end begin a character that is not whole yet.
fn incomplete(bytes: &[u8]) -> usize {
    let tail = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
    (1..=tail.len())
        .find(|len| {
            let last = tail.get(tail.len() - len..).unwrap_or_default();
            // an error without a length says that the input ended too early
            std::str::from_utf8(last).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn characters_that_are_cut_come_whole() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.pass(b"a\xe2\x82"), [Run::Text("a".into())]);
        assert_eq!(decoder.pass(b"\xac\xff\xfeb"), [Run::Text("\u{20ac}".into()), Run::Binary(vec![0xff, 0xfe]), Run::Text("b".into())]);
        assert_eq!(decoder.pass(b"\xf0\x9f"), []);
        assert_eq!(decoder.finish(), [Run::Binary(vec![0xf0, 0x9f])]);
        assert_eq!(decoder.finish(), []);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_wherever_it_is_cut(bytes: Vec<u8>, sizes in prop::collection::vec(1usize..6, 0..40)) {
            let (mut decoder, mut rest, mut out) = (Decoder::default(), &bytes[..], Vec::new());
            let mut cut: Vec<usize> = sizes;
            cut.push(usize::MAX);
            for size in cut {
                let (head, tail) = rest.split_at(size.min(rest.len()));
                out.extend(decoder.pass(head));
                rest = tail;
            }
            out.extend(decoder.finish());
            let joined: Vec<u8> = out.into_iter().flat_map(|run| match run {
                Run::Text(text) => text.into_bytes(),
                Run::Binary(binary) => binary,
            }).collect();
            prop_assert_eq!(joined, bytes);
        }

        #[test]
        fn text_stays_text_wherever_it_is_cut(text: String, at: prop::sample::Index) {
            let (mut decoder, at) = (Decoder::default(), at.index(text.len() + 1));
            let (head, tail) = text.as_bytes().split_at(at);
            let got = decoder.text(head) + &decoder.text(tail);
            prop_assert_eq!(got, text);
            prop_assert!(decoder.finish().is_empty());
        }
    }
}
