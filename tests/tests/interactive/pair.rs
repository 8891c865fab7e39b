//! A session and a plain bash on terminals of the same size, which get the same keys.

use anyhow::{Context as _, Result, bail};
use portcullis_tests::{Access, Terminal};
use std::time::{Duration, Instant};

const ROWS: u16 = 30;
const COLUMNS: u16 = 100;
/// How long the screens may take to be the same.
const SAME: Duration = Duration::from_secs(20);
/// How long a key that changes nothing is waited for.
const NOTHING: Duration = Duration::from_millis(700);

/// What a terminal shows, and where its cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The rows, without blanks at their ends.
    pub(crate) rows: Vec<String>,
    /// Row and column.
    pub(crate) cursor: (u16, u16),
}

impl Shown {
    /// What `terminal` shows. The prompt's time is left out: it is the same length on both sides and another text.
    pub(crate) fn of(terminal: &Terminal, size: (u16, u16)) -> Self {
        let mut screen = vt100::Parser::new(size.0, size.1, 0);
        screen.process(&terminal.bytes());
        let screen = screen.screen();
        let rows: Vec<String> = screen.rows(0, size.1).map(|row| timeless(row.trim_end())).collect();
        Self { rows, cursor: screen.cursor_position() }
    }

    /// Whether a prompt waits at the cursor.
    pub(crate) fn prompts(&self) -> bool {
        let (row, column) = (usize::from(self.cursor.0), usize::from(self.cursor.1));
        let before: String = self.rows.get(row).map(|text| format!("{text:100}").chars().take(column).collect()).unwrap_or_default();
        before.ends_with("$ ") || before == "> "
    }

    /// The rows that are not empty.
    pub(crate) fn text(&self) -> String {
        let end = self.rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
        self.rows.iter().take(end).cloned().collect::<Vec<_>>().join("\n")
    }
}

/// ` 59m ` as ` 00m `.
fn timeless(row: &str) -> String {
    let mut words: Vec<String> = row.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if word.len() == 3 && word.ends_with('m') && word.bytes().take(2).all(|byte| byte.is_ascii_digit()) {
            *word = "00m".to_owned();
        }
    }
    words.join(" ")
}

/// Both sides.
pub(crate) struct Pair {
    pub(crate) session: Terminal,
    pub(crate) bash: Terminal,
    size: (u16, u16),
    _home: tempfile::TempDir,
}

impl Pair {
    /// A session under `access`, and a bash with the same prompt.
    pub(crate) fn start(access: &Access, action: &str) -> Result<Self> {
        let mut session = access.terminal()?;
        session.expect("$ ")?;
        let home = tempfile::Builder::new().prefix("portcullis-bash-").tempdir()?;
        let path = home.path().to_str().context("a path that is not UTF-8")?;
        let prompt = format!("{}@node1 {action} 59m \\w $__s$ ", access.account);
        let command = ["env", "-i", &format!("HOME={path}"), "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "LESSSECURE=1", "TERM=xterm-256color", "bash", "--norc", "--noprofile", "-i"];
        let mut bash = Terminal::start(&command.map(str::to_owned))?;
        bash.expect("bash-")?;
        bash.line(&format!(" cd; unset HISTFILE; HISTCONTROL=ignoreboth; PROMPT_COMMAND='__s=$?; [ $__s = 0 ] && __s= || __s=\"[$__s] \"'; PS1='{prompt}'; history -c"))?;
        bash.expect("~ $ ")?;
        let mut pair = Self { session, bash, size: (ROWS, COLUMNS), _home: home };
        pair.start_over()?;
        Ok(pair)
    }

    /// An empty screen with a prompt on both sides.
    pub(crate) fn start_over(&mut self) -> Result<()> {
        // what is typed before the key is dealt with is thrown away by the terminal
        let before = self.shown();
        self.both("\x03")?;
        self.until(|session, bash| *session != before.0 && *bash != before.1 && session.prompts() && bash.prompts()).context("no prompt")?;
        // vi's keys have no Ctrl-L while inserting
        self.both(" clear\r")?;
        let clean = |shown: &Shown| shown.cursor.0 == 0 && shown.prompts() && !shown.rows[0].contains('[');
        self.until(|session, bash| clean(session) && session == bash).context("the screens were not cleared")
    }

    /// Types on both sides.
    pub(crate) fn both(&mut self, keys: &str) -> Result<()> {
        self.session.send(keys)?;
        self.bash.send(keys)
    }

    /// Gives both terminals another size.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        self.session.resize(rows, columns)?;
        self.bash.resize(rows, columns)?;
        self.size = (rows, columns);
        Ok(())
    }

    /// Types the keys of a step and waits until both screens show the same; after Enter, until they prompt.
    pub(crate) fn step(&mut self, keys: &str) -> Result<()> {
        let before = self.shown();
        self.both(keys)?;
        let begun = Instant::now();
        let enters = keys.ends_with('\r') || keys.ends_with('\x03');
        let done = self.until(|session, bash| {
            let changed = *session != before.0 && *bash != before.1;
            let prompts = !enters || session.prompts() && bash.prompts();
            session == bash && prompts && (changed || begun.elapsed() > NOTHING)
        });
        done.with_context(|| format!("after the keys {keys:?}"))
    }

    fn shown(&self) -> (Shown, Shown) {
        (Shown::of(&self.session, self.size), Shown::of(&self.bash, self.size))
    }

    fn until(&self, fits: impl Fn(&Shown, &Shown) -> bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            let (session, bash) = self.shown();
            if fits(&session, &bash) {
                return Ok(());
            }
            if begun.elapsed() > SAME {
                bail!("the session shows, cursor {:?}:\n{}\nbash shows, cursor {:?}:\n{}", session.cursor, session.text(), bash.cursor, bash.text());
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }
}

/// Runs scripts of keys on both sides; tells all that differ.
pub(crate) fn compare(pair: &mut Pair, scripts: &[(&str, &[&str])]) -> Result<()> {
    let mut differ = Vec::new();
    for (name, steps) in scripts {
        let mut run = || {
            pair.start_over()?;
            steps.iter().try_for_each(|keys| pair.step(keys))
        };
        if let Err(error) = run() {
            differ.push(format!("--- {name}: {error:#}"));
        }
    }
    if !differ.is_empty() {
        bail!("{} of {} scripts differ from bash\n{}", differ.len(), scripts.len(), differ.join("\n"));
    }
    Ok(())
}
