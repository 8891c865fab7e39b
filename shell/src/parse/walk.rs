//! The walk over a parsed program: every simple command, in the order of the text, outer before inner.
//!
//! The matches are total: a construct that the parser learns has to be looked at here before this compiles again.

use super::word::{see, see_unquoted, Seen};
use super::{Functions, Refused, builtins, caps, denied, engine_rule, program, text};
use brush_parser::ast;
use portcullis_model::subject::{Command, CommandKind, LINE_COMMANDS_MAX, Redirect, RedirectKind, Word, WordKind};

/// What was found so far.
pub(super) struct Walk<'a> {
    known: &'a Functions,
    /// The text that is being walked, for the places that the parser names.
    text: Vec<char>,
    depth: u8,
    pub(super) commands: Vec<Command>,
    pub(super) defines: Functions,
    pub(super) removes: Functions,
}

type Done = Result<(), Refused>;

impl<'a> Walk<'a> {
    pub(super) fn new(known: &'a Functions, text: &str) -> Self {
        Self { known, text: text.chars().collect(), depth: 0, commands: Vec::new(), defines: Functions::new(), removes: Functions::new() }
    }

    pub(super) fn program(&mut self, program: &ast::Program) -> Done {
        program.complete_commands.iter().try_for_each(|list| self.list(list))
    }

    fn list(&mut self, list: &ast::CompoundList) -> Done {
        for ast::CompoundListItem(and_or, _) in &list.0 {
            self.pipeline(&and_or.first)?;
            for next in &and_or.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = next;
                self.pipeline(pipeline)?;
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) -> Done {
        pipeline.seq.iter().try_for_each(|command| self.command(command))
    }

    fn command(&mut self, command: &ast::Command) -> Done {
        match command {
            ast::Command::Simple(simple) => self.simple(simple),
            ast::Command::Compound(compound, redirects) => {
                self.compound(compound)?;
                self.redirects_alone(redirects.as_ref())
            }
            ast::Command::Function(function) => self.function(function),
            ast::Command::ExtendedTest(test, redirects) => {
                self.test(&test.expr)?;
                self.redirects_alone(redirects.as_ref())
            }
        }
    }

    /// Runs `inside` one level deeper.
    fn deeper(&mut self, inside: impl FnOnce(&mut Self) -> Done) -> Done {
        let outer = self.depth;
        self.depth = self.depth.checked_add(1).ok_or_else(|| denied("nesting", "the line nests too deep"))?;
        let done = inside(self);
        self.depth = outer;
        done
    }

    /// A program in a substitution, or the text of an `eval`.
    fn source(&mut self, source: &str) -> Done {
        caps::check(source.as_bytes())?;
        let program = program(source).map_err(|refused| match refused {
            Refused::Incomplete { message, .. } => denied("syntax", format!("in the command {source}: {message}")),
            Refused::Denied(denial) => Refused::Denied(denial),
        })?;
        let outer = std::mem::replace(&mut self.text, source.chars().collect());
        let done = self.deeper(|walk| walk.program(&program));
        self.text = outer;
        done
    }

    /// To the parser `( ( ls ) )` is arithmetic; to bash only brackets that touch are, and those are subshells.
    fn is_arithmetic(&self, place: &brush_parser::SourceSpan) -> bool {
        let at = |from: usize| self.text.get(from..from + 2);
        at(place.start.index) == Some(&['(', '(']) && place.end.index.checked_sub(2).and_then(at) == Some(&[')', ')'])
    }

    /// The text between the first and the last bracket of a place.
    fn between(&self, place: &brush_parser::SourceSpan) -> Option<String> {
        let text = self.text.get(place.start.index..place.end.index)?;
        Some(text.strip_prefix(&['('])?.strip_suffix(&[')'])?.iter().collect())
    }

    fn compound(&mut self, compound: &ast::CompoundCommand) -> Done {
        use ast::CompoundCommand as C;
        match compound {
            C::Arithmetic(command) if self.is_arithmetic(&command.loc) => self.arithmetic(&command.expr.value),
            C::Arithmetic(command) => {
                let inner = self.between(&command.loc).ok_or_else(|| denied("unsupported", "a subshell that consists of a subshell cannot be told from arithmetic here; write { ..; } for one of them"))?;
                self.deeper(|walk| walk.source(&inner))
            }
            C::ArithmeticForClause(clause) => {
                for expr in [&clause.initializer, &clause.condition, &clause.updater].into_iter().flatten() {
                    self.arithmetic(&expr.value)?;
                }
                self.deeper(|walk| walk.list(&clause.body.list))
            }
            C::BraceGroup(group) => self.deeper(|walk| walk.list(&group.list)),
            C::Subshell(subshell) => self.deeper(|walk| walk.list(&subshell.list)),
            C::ForClause(clause) => {
                self.assigned(vec![clause.variable_name.as_bytes().to_vec()])?;
                clause.values.iter().flatten().try_for_each(|word| self.nested_of(see(&word.value)?))?;
                self.deeper(|walk| walk.list(&clause.body.list))
            }
            C::CaseClause(clause) => {
                self.nested_of(see(&clause.value.value)?)?;
                for case in &clause.cases {
                    case.patterns.iter().try_for_each(|word| self.nested_of(see(&word.value)?))?;
                    self.deeper(|walk| case.cmd.iter().try_for_each(|list| walk.list(list)))?;
                }
                Ok(())
            }
            C::IfClause(clause) => self.deeper(|walk| {
                walk.list(&clause.condition)?;
                walk.list(&clause.then)?;
                for branch in clause.elses.iter().flatten() {
                    branch.condition.iter().try_for_each(|list| walk.list(list))?;
                    walk.list(&branch.body)?;
                }
                Ok(())
            }),
            C::WhileClause(clause) | C::UntilClause(clause) => self.deeper(|walk| {
                walk.list(&clause.0)?;
                walk.list(&clause.1.list)
            }),
            C::Coprocess(coprocess) => {
                if let Some(name) = &coprocess.name {
                    self.nested_of(see(&name.value)?)?;
                }
                self.deeper(|walk| walk.command(&coprocess.body))
            }
        }
    }

    fn function(&mut self, function: &ast::FunctionDefinition) -> Done {
        let seen = see(&function.fname.value)?;
        if seen.word.kind != WordKind::Literal {
            return Err(denied("unsupported", "a function's name has to be literal"));
        }
        let name = seen.word.text;
        if builtins::is_builtin(&name) || name.starts_with(b"__portcullis") {
            return Err(denied("engine", format!("the function {} would replace what the engine itself uses", String::from_utf8_lossy(&name))));
        }
        self.removes.remove(&name);
        self.defines.insert(name);
        let ast::FunctionBody(body, redirects) = &function.body;
        self.compound(body)?;
        self.redirects_alone(redirects.as_ref())
    }

    fn test(&mut self, expr: &ast::ExtendedTestExpr) -> Done {
        use ast::ExtendedTestExpr as T;
        match expr {
            T::And(left, right) | T::Or(left, right) => {
                self.test(left)?;
                self.test(right)
            }
            T::Not(inner) | T::Parenthesized(inner) => self.test(inner),
            T::UnaryTest(_, word) => self.nested_of(see(&word.value)?),
            T::BinaryTest(_, left, right) => {
                self.nested_of(see(&left.value)?)?;
                self.nested_of(see(&right.value)?)
            }
        }
    }

    fn arithmetic(&mut self, text: &str) -> Done {
        self.nested_of(see_unquoted(text)?)
    }

    fn simple(&mut self, simple: &ast::SimpleCommand) -> Done {
        let mut parts = Parts::default();
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, &mut parts, Place::Prefix)?;
        }
        if let Some(name) = &simple.word_or_name {
            parts.word(see(&name.value)?);
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut parts, Place::Suffix)?;
        }
        let kind = self.kind(parts.words.first());
        let given = self.given_source(&parts.words, kind);
        self.forget_functions(&parts.words, kind);
        engine_rule::check(&parts.words, kind, &parts.assignments)?;
        let assignments = parts.assignments.into_iter().map(|(name, _)| name).collect();
        self.push(Command { words: parts.words, assignments, redirects: parts.redirects, depth: self.depth, kind })?;
        self.assigned(parts.assigns)?;
        for inner in parts.inner {
            match inner {
                Inner::Source(source) => self.source(&source)?,
                Inner::Subshell(list) => self.deeper(|walk| walk.list(&list))?,
            }
        }
        given.map_or(Ok(()), |source| self.source(&source))
    }

    fn item(&mut self, item: &ast::CommandPrefixOrSuffixItem, parts: &mut Parts, place: Place) -> Done {
        use ast::CommandPrefixOrSuffixItem as I;
        match item {
            I::Word(word) => parts.word(see(&word.value)?),
            I::IoRedirect(redirect) => {
                let redirect = Self::redirect(redirect, parts)?;
                parts.redirects.push(redirect);
            }
            I::ProcessSubstitution(kind, subshell) => {
                let word = parts.process_substitution(kind, subshell);
                parts.words.push(word);
            }
            I::AssignmentWord(assignment, word) => {
                let (ast::AssignmentName::VariableName(name) | ast::AssignmentName::ArrayElementName(name, _)) = &assignment.name;
                if let (ast::AssignmentName::ArrayElementName(_, index), Place::Prefix) = (&assignment.name, place) {
                    parts.nested(see_unquoted(index)?);
                }
                let value = match &assignment.value {
                    ast::AssignmentValue::Scalar(value) => see(&value.value)?,
                    ast::AssignmentValue::Array(elements) => {
                        for (key, value) in elements {
                            if let Some(key) = key {
                                parts.nested(see_unquoted(&key.value)?);
                            }
                            parts.nested(see(&value.value)?);
                        }
                        Seen { word: Word { text: text::to_bytes(&word.value), kind: WordKind::Dynamic }, programs: Vec::new(), assigns: Vec::new() }
                    }
                };
                match (place, &assignment.value) {
                    (Place::Suffix, ast::AssignmentValue::Scalar(_)) => parts.word(see(&word.value)?),
                    (Place::Suffix, ast::AssignmentValue::Array(_)) => parts.word(value),
                    (Place::Prefix, _) => {
                        let value = parts.nested_word(value);
                        parts.assignments.push((text::to_bytes(name), value));
                    }
                }
            }
        }
        Ok(())
    }

    fn redirect(redirect: &ast::IoRedirect, parts: &mut Parts) -> Result<Redirect, Refused> {
        use ast::IoFileRedirectKind as K;
        let number = |fd: Option<ast::IoFd>, default: u32| Some(fd.and_then(|fd| u32::try_from(fd).ok()).unwrap_or(default));
        match redirect {
            ast::IoRedirect::File(fd, kind, target) => {
                let (kind, default) = match kind {
                    K::Read => (RedirectKind::Read, 0),
                    K::Write | K::Clobber => (RedirectKind::Write, 1),
                    K::Append => (RedirectKind::Append, 1),
                    K::ReadAndWrite => (RedirectKind::ReadWrite, 0),
                    K::DuplicateInput => (RedirectKind::Duplicate, 0),
                    K::DuplicateOutput => (RedirectKind::Duplicate, 1),
                };
                let target = match target {
                    ast::IoFileRedirectTarget::Filename(word) | ast::IoFileRedirectTarget::Duplicate(word) => parts.nested_word(see(&word.value)?),
                    ast::IoFileRedirectTarget::Fd(fd) => Word { text: fd.to_string().into_bytes(), kind: WordKind::Literal },
                    // no file, but a pipe to commands that are listed by themselves
                    ast::IoFileRedirectTarget::ProcessSubstitution(kind, subshell) => {
                        let target = parts.process_substitution(kind, subshell);
                        return Ok(Redirect { fd: number(*fd, default), kind: RedirectKind::Duplicate, target });
                    }
                };
                Ok(Redirect { fd: number(*fd, default), kind, target })
            }
            ast::IoRedirect::HereDocument(fd, here) => {
                let target = if here.requires_expansion {
                    parts.nested_word(see_unquoted(&here.doc.value)?)
                } else {
                    Word { text: text::to_bytes(&here.doc.value), kind: WordKind::Literal }
                };
                Ok(Redirect { fd: number(*fd, 0), kind: RedirectKind::Here, target })
            }
            ast::IoRedirect::HereString(fd, word) => Ok(Redirect { fd: number(*fd, 0), kind: RedirectKind::Here, target: parts.nested_word(see(&word.value)?) }),
            ast::IoRedirect::OutputAndError(word, append) => {
                let kind = if *append { RedirectKind::Append } else { RedirectKind::Write };
                Ok(Redirect { fd: None, kind, target: parts.nested_word(see(&word.value)?) })
            }
        }
    }

    /// The redirections of a compound command, as a command without words.
    fn redirects_alone(&mut self, redirects: Option<&ast::RedirectList>) -> Done {
        let Some(redirects) = redirects else { return Ok(()) };
        let mut parts = Parts::default();
        for redirect in &redirects.0 {
            let redirect = Self::redirect(redirect, &mut parts)?;
            parts.redirects.push(redirect);
        }
        self.push(Command { words: Vec::new(), assignments: Vec::new(), redirects: parts.redirects, depth: self.depth, kind: CommandKind::Builtin })?;
        self.assigned(parts.assigns)?;
        for inner in parts.inner {
            match inner {
                Inner::Source(source) => self.source(&source)?,
                Inner::Subshell(list) => self.deeper(|walk| walk.list(&list))?,
            }
        }
        Ok(())
    }

    fn nested_of(&mut self, seen: Seen) -> Done {
        self.assigned(seen.assigns)?;
        seen.programs.iter().try_for_each(|source| self.source(source))
    }

    /// Variables that are assigned by other means than in front of a command, as a command without words.
    fn assigned(&mut self, assignments: Vec<Vec<u8>>) -> Done {
        if assignments.is_empty() {
            return Ok(());
        }
        self.push(Command { words: Vec::new(), assignments, redirects: Vec::new(), depth: self.depth, kind: CommandKind::Builtin })
    }

    fn push(&mut self, command: Command) -> Done {
        if self.commands.len() >= LINE_COMMANDS_MAX {
            return Err(denied("line-commands", format!("the line has more than {LINE_COMMANDS_MAX} commands")));
        }
        self.commands.push(command);
        Ok(())
    }

    fn kind(&self, name: Option<&Word>) -> CommandKind {
        match name {
            Some(Word { text, kind: WordKind::Literal }) if self.known.contains(text) || self.defines.contains(text) => CommandKind::Function,
            Some(Word { text, kind: WordKind::Literal }) if builtins::is_builtin(text) => CommandKind::Builtin,
            Some(_) => CommandKind::External,
            None => CommandKind::Builtin,
        }
    }

    /// The program text that `eval` or `trap` is given, when all of it is literal.
    fn given_source(&self, words: &[Word], kind: CommandKind) -> Option<String> {
        if kind != CommandKind::Builtin {
            return None;
        }
        let words = engine_rule::effective(words);
        let literal = |word: &Word| if word.kind == WordKind::Literal { text::to_source(&word.text).ok() } else { None };
        match words.split_first() {
            Some((name, args)) if name.text == b"eval" => {
                let args = args.strip_prefix(&[Word { text: b"--".to_vec(), kind: WordKind::Literal }]).unwrap_or(args);
                Some(args.iter().map(literal).collect::<Option<Vec<_>>>()?.join(" "))
            }
            Some((name, args)) if name.text == b"trap" => match args.iter().filter(|word| word.text != b"--").collect::<Vec<_>>().as_slice() {
                [action, _, ..] if !action.text.starts_with(b"-") => literal(action),
                _ => None,
            },
            _ => None,
        }
    }

    fn forget_functions(&mut self, words: &[Word], kind: CommandKind) {
        if kind == CommandKind::Builtin && words.first().is_some_and(|name| name.text == b"unset") {
            for word in words.iter().skip(1).filter(|word| word.kind == WordKind::Literal && !word.text.starts_with(b"-")) {
                self.defines.remove(&word.text);
                self.removes.insert(word.text.clone());
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Prefix,
    Suffix,
}

/// A program inside a command.
enum Inner {
    Source(String),
    Subshell(ast::CompoundList),
}

/// What one simple command is made of.
#[derive(Default)]
struct Parts {
    words: Vec<Word>,
    assignments: Vec<(Vec<u8>, Word)>,
    redirects: Vec<Redirect>,
    assigns: Vec<Vec<u8>>,
    inner: Vec<Inner>,
}

impl Parts {
    fn nested(&mut self, seen: Seen) {
        self.assigns.extend(seen.assigns);
        self.inner.extend(seen.programs.into_iter().map(Inner::Source));
    }

    fn nested_word(&mut self, seen: Seen) -> Word {
        let word = seen.word.clone();
        self.nested(seen);
        word
    }

    fn word(&mut self, seen: Seen) {
        let word = self.nested_word(seen);
        self.words.push(word);
    }

    fn process_substitution(&mut self, kind: &ast::ProcessSubstitutionKind, subshell: &ast::SubshellCommand) -> Word {
        self.inner.push(Inner::Subshell(subshell.list.clone()));
        Word { text: text::to_bytes(&format!("{kind}{subshell}")), kind: WordKind::Dynamic }
    }
}
