//! One word: its value after quote removal when that is known, and the programs that its substitutions run.

use super::{Refused, ansi_c, denied, options, text};
use brush_parser::word::{self, BraceExpressionOrText, Parameter, ParameterExpr, WordPiece, WordPieceWithSource};
use portcullis_model::subject::{Word, WordKind};

/// A word, and what has to be looked at besides.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) word: Word,
    /// Texts of the programs in its substitutions, in order.
    pub(super) programs: Vec<String>,
    /// Variables that it assigns (`${x:=y}`).
    pub(super) assigns: Vec<Vec<u8>>,
}

/// Looks at a word of a command.
pub(super) fn see(source: &str) -> Result<Seen, Refused> {
    let pieces = word::parse(source, &options()).map_err(|error| unsupported(&error.to_string()))?;
    let mut look = Look::new(source);
    look.pieces(&pieces, Quotes::None)?;
    let braces = source.contains('{') && word::parse_brace_expansions(source, &options()).map_err(|error| unsupported(&error.to_string()))?.is_some_and(|all| all.iter().any(|one| matches!(one, BraceExpressionOrText::Expr(_))));
    Ok(look.finish(braces))
}

/// Looks at text in which quotes mean nothing: a here-document, arithmetic.
pub(super) fn see_unquoted(source: &str) -> Result<Seen, Refused> {
    let pieces = word::parse_heredoc(source, &options()).map_err(|error| unsupported(&error.to_string()))?;
    let mut look = Look::new(source);
    look.pieces(&pieces, Quotes::Double)?;
    Ok(look.finish(false))
}

pub(super) fn unsupported(what: &str) -> Refused {
    denied("unsupported", format!("the shell cannot judge this: {what}"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Double,
}

struct Look<'a> {
    source: &'a str,
    value: Vec<u8>,
    pattern: bool,
    bracket: bool,
    dynamic: bool,
    programs: Vec<String>,
    assigns: Vec<Vec<u8>>,
}

impl<'a> Look<'a> {
    fn new(source: &'a str) -> Self {
        Self { source, value: Vec::new(), pattern: false, bracket: false, dynamic: false, programs: Vec::new(), assigns: Vec::new() }
    }

    fn finish(self, braces: bool) -> Seen {
        let kind = if self.dynamic || braces {
            WordKind::Dynamic
        } else if self.pattern {
            WordKind::Pattern
        } else {
            WordKind::Literal
        };
        let text = if kind == WordKind::Literal { self.value } else { text::to_bytes(self.source) };
        Seen { word: Word { text, kind }, programs: self.programs, assigns: self.assigns }
    }

    fn pieces(&mut self, pieces: &[WordPieceWithSource], quotes: Quotes) -> Result<(), Refused> {
        for (index, piece) in pieces.iter().enumerate() {
            let next = pieces.get(index + 1).map(|next| &next.piece);
            self.piece(piece, next, quotes)?;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &WordPieceWithSource, next: Option<&WordPiece>, quotes: Quotes) -> Result<(), Refused> {
        match &piece.piece {
            WordPiece::Text(text) => self.plain(text, next, quotes)?,
            WordPiece::SingleQuotedText(text) => self.value.extend(text::to_bytes(text)),
            WordPiece::AnsiCQuotedText(text) => match ansi_c::decode(text) {
                Some(bytes) => self.value.extend(bytes),
                None => self.dynamic = true,
            },
            WordPiece::DoubleQuotedSequence(pieces) => self.pieces(pieces, Quotes::Double)?,
            WordPiece::GettextDoubleQuotedSequence(pieces) => {
                self.dynamic = true;
                self.pieces(pieces, Quotes::Double)?;
            }
            WordPiece::EscapeSequence(text) => {
                let escaped = text.strip_prefix('\\').unwrap_or(text);
                if escaped != "\n" {
                    self.value.extend(text::to_bytes(escaped));
                }
            }
            WordPiece::TildeExpansion(_) => self.dynamic = true,
            WordPiece::ParameterExpansion(expr) => {
                self.dynamic = true;
                self.parameter(expr, quotes)?;
            }
            WordPiece::CommandSubstitution(program) => {
                self.dynamic = true;
                self.programs.push(program.clone());
            }
            WordPiece::BackquotedCommandSubstitution(_) => {
                self.dynamic = true;
                let source = self.source.get(piece.start_index..piece.end_index).and_then(|text| text.strip_prefix('`')?.strip_suffix('`'));
                let source = source.ok_or_else(|| unsupported("this backquoted command"))?;
                self.programs.push(unescape_backquoted(source, quotes));
            }
            WordPiece::ArithmeticExpression(expr) => {
                self.dynamic = true;
                self.nested(&expr.value, Quotes::Double)?;
            }
        }
        Ok(())
    }

    /// Text as such. What the parser gave up on ends here as text too: a dollar sign before a bracket, a backquote.
    fn plain(&mut self, text: &str, next: Option<&WordPiece>, quotes: Quotes) -> Result<(), Refused> {
        let given_up = text.ends_with('$') && matches!(next, Some(WordPiece::Text(next)) if next.starts_with(['(', '{', '[']));
        if given_up || text.contains('`') || text.contains("$(") || text.contains("${") || text.contains("$[") {
            return Err(unsupported(&format!("the expansion in {}", self.source)));
        }
        match quotes {
            Quotes::Double => self.value.extend(text::to_bytes(&text.replace("\\\n", ""))),
            Quotes::None => {
                self.bracket |= text.contains('[');
                self.pattern |= text.contains(['*', '?']) || (self.bracket && text.contains(']'));
                self.value.extend(text::to_bytes(text));
            }
        }
        Ok(())
    }

    /// Text inside an expansion: only what it runs and assigns is of interest.
    fn nested(&mut self, source: &str, quotes: Quotes) -> Result<(), Refused> {
        let seen = if quotes == Quotes::Double { see_unquoted(source)? } else { see(source)? };
        self.programs.extend(seen.programs);
        self.assigns.extend(seen.assigns);
        Ok(())
    }

    fn parameter(&mut self, expr: &ParameterExpr, quotes: Quotes) -> Result<(), Refused> {
        use ParameterExpr as E;
        let mut texts: Vec<&str> = Vec::new();
        let mut arithmetic: Vec<&str> = Vec::new();
        let parameter = match expr {
            E::Parameter { parameter, .. } | E::ParameterLength { parameter, .. } | E::Transform { parameter, .. } => Some(parameter),
            E::UseDefaultValues { parameter, default_value: text, .. }
            | E::IndicateErrorIfNullOrUnset { parameter, error_message: text, .. }
            | E::UseAlternativeValue { parameter, alternative_value: text, .. }
            | E::RemoveSmallestSuffixPattern { parameter, pattern: text, .. }
            | E::RemoveLargestSuffixPattern { parameter, pattern: text, .. }
            | E::RemoveSmallestPrefixPattern { parameter, pattern: text, .. }
            | E::RemoveLargestPrefixPattern { parameter, pattern: text, .. }
            | E::UppercaseFirstChar { parameter, pattern: text, .. }
            | E::UppercasePattern { parameter, pattern: text, .. }
            | E::LowercaseFirstChar { parameter, pattern: text, .. }
            | E::LowercasePattern { parameter, pattern: text, .. } => {
                texts.extend(text.as_deref());
                Some(parameter)
            }
            E::AssignDefaultValues { parameter, default_value, .. } => {
                texts.extend(default_value.as_deref());
                if let Parameter::Named(name) | Parameter::NamedWithIndex { name, .. } = parameter {
                    self.assigns.push(text::to_bytes(name));
                }
                Some(parameter)
            }
            E::ReplaceSubstring { parameter, pattern, replacement, .. } => {
                texts.push(pattern);
                texts.extend(replacement.as_deref());
                Some(parameter)
            }
            E::Substring { parameter, offset, length, .. } => {
                arithmetic.push(&offset.value);
                arithmetic.extend(length.as_ref().map(|length| length.value.as_str()));
                Some(parameter)
            }
            E::VariableNames { .. } | E::MemberKeys { .. } => None,
        };
        if let Some(Parameter::NamedWithIndex { index, .. }) = parameter {
            arithmetic.push(index);
        }
        for text in texts {
            self.nested(text, quotes)?;
        }
        for text in arithmetic {
            self.nested(text, Quotes::Double)?;
        }
        Ok(())
    }
}

/// A backslash in backquotes escapes a dollar sign, a backquote and a backslash, in double quotes a double quote too.
fn unescape_backquoted(source: &str, quotes: Quotes) -> String {
    let mut program = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && chars.peek().is_some_and(|next| matches!(next, '$' | '`' | '\\') || (*next == '"' && quotes == Quotes::Double));
        if escapes {
            program.extend(chars.next());
        } else {
            program.push(c);
        }
    }
    program
}
