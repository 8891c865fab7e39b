//! What the editor shows, and the fewest bytes that make a terminal show it.
//!
//! The screen is a list of rows from the prompt's first on; the row above it is nobody's business. Rows wrap where the
//! terminal's do, so that what is copied from it is one line. The terminal is asked nothing: as long as everybody keeps to
//! the screen, where the cursor is is known. More rows than the terminal has are shown in part, around the cursor.

use super::text;

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As the terminal shows it.
    #[default]
    Plain,
    /// Who and where.
    Green,
    /// For what.
    Yellow,
    /// The folder.
    Blue,
    /// What went wrong.
    Red,
    /// What is said in passing.
    Dim,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "\x1b[0m",
            Self::Green => "\x1b[32m",
            Self::Yellow => "\x1b[33m",
            Self::Blue => "\x1b[34m",
            Self::Red => "\x1b[31m",
            Self::Dim => "\x1b[2m",
        }
    }
}

/// What is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Before the text.
    pub prompt: &'a [(Style, String)],
    /// The text.
    pub text: &'a [u8],
    /// Where the cursor is in it.
    pub at: usize,
    /// One row below it, cut to the terminal's width; nothing when empty.
    pub below: &'a str,
}

/// A character on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell {
    bytes: Vec<u8>,
    width: usize,
    style: Style,
}

type Row = Vec<Cell>;

/// The terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows, at least 1.
    pub rows: usize,
    /// Columns, at least 2.
    pub columns: usize,
}

impl Size {
    /// A terminal that does not say its size has the usual one.
    #[must_use]
    pub fn new(rows: u16, columns: u16) -> Self {
        let or = |size: u16, usual| if size == 0 { usual } else { usize::from(size) };
        Self { rows: or(rows, 24), columns: or(columns, 80).max(2) }
    }
}

/// A screen and its cursor.
#[derive(Debug)]
pub struct Screen {
    size: Size,
    rows: Vec<Row>,
    row: usize,
    column: usize,
}

/// Rows being filled.
struct Layout {
    columns: usize,
    rows: Vec<Row>,
    used: usize,
    cursor: (usize, usize),
}

impl Layout {
    fn put(&mut self, bytes: Vec<u8>, width: usize, style: Style) {
        if self.used + width > self.columns {
            self.line();
        }
        self.used += width;
        if let Some(row) = self.rows.last_mut() {
            row.push(Cell { bytes, width, style });
        }
    }

    fn line(&mut self) {
        self.rows.push(Row::new());
        self.used = 0;
    }

    fn step(&mut self, step: &[u8], style: Style) {
        if step == b"\n" {
            return self.line();
        }
        let (bytes, width) = text::shown(step, self.used);
        // what is typed as `<U+202E>` is not taken for the character
        let style = if text::is_numbered(step) { Style::Red } else { style };
        if width > 1 && bytes.is_ascii() {
            // ^X and \377 may be broken at the end of a row, as readline does
            for byte in bytes {
                self.put(vec![byte], 1, style);
            }
        } else {
            self.put(bytes, width, style);
        }
    }

    /// A cursor behind a full row is at the beginning of the next.
    fn mark(&mut self, next_width: usize) {
        if self.used + next_width > self.columns {
            self.line();
        }
        self.cursor = (self.rows.len() - 1, self.used);
    }
}

fn lay_out(view: View<'_>, columns: usize) -> Layout {
    let mut layout = Layout { columns, rows: vec![Row::new()], used: 0, cursor: (0, 0) };
    for (style, text) in view.prompt {
        steps(text.as_bytes(), |_, step| layout.step(step, *style));
    }
    steps(view.text, |at, step| {
        if at == view.at {
            layout.mark(text::shown(step, 0).1.clamp(1, 2));
        }
        layout.step(step, Style::Plain);
    });
    if view.at >= view.text.len() {
        layout.mark(1);
    }
    if !view.below.is_empty() {
        layout.line();
        steps(view.below.as_bytes(), |_, step| {
            let (bytes, width) = text::shown(step, layout.used);
            if layout.used + width < columns {
                layout.put(bytes, width, Style::Dim);
            }
        });
    }
    layout
}

fn steps(text: &[u8], mut each: impl FnMut(usize, &[u8])) {
    let mut at = 0;
    while at < text.len() {
        let end = text::next(text, at);
        each(at, text.get(at..end).unwrap_or_default());
        at = end;
    }
}

impl Screen {
    /// Nothing, with the cursor where it is: at the beginning of a row.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self { size, rows: vec![Row::new()], row: 0, column: 0 }
    }

    /// The terminal's size.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// What makes the terminal show `view`.
    pub fn draw(&mut self, view: View<'_>) -> Vec<u8> {
        let Layout { mut rows, mut cursor, .. } = lay_out(view, self.size.columns);
        if rows.len() > self.size.rows {
            let top = cursor.0.saturating_sub(self.size.rows.saturating_sub(1));
            rows.drain(..top);
            rows.truncate(self.size.rows);
            cursor.0 -= top;
        }
        let mut out = Vec::new();
        let old = std::mem::take(&mut self.rows);
        for (index, row) in rows.iter().enumerate() {
            let before = old.get(index).map_or(&[][..], Vec::as_slice);
            self.row_to(index, row, before, index < old.len(), &mut out);
        }
        if old.len() > rows.len() {
            self.go(rows.len(), 0, &mut out);
            out.extend_from_slice(b"\x1b[J");
        }
        self.rows = rows;
        self.go(cursor.0, cursor.1, &mut out);
        out
    }

    fn row_to(&mut self, index: usize, row: &[Cell], before: &[Cell], exists: bool, out: &mut Vec<u8>) {
        let same = row.iter().zip(before).take_while(|(one, other)| one == other).count();
        if exists && same == row.len() && same == before.len() {
            return;
        }
        let width = |cells: &[Cell]| cells.iter().map(|cell| cell.width).sum::<usize>();
        let kept = width(row.get(..same).unwrap_or_default());
        // the row before was filled to its end just now: what comes next wraps to this one by itself
        let wraps = kept == 0 && self.row + 1 == index && self.column == self.size.columns && !row.is_empty();
        if wraps {
            (self.row, self.column) = (index, 0);
        } else {
            self.go(index, kept, out);
        }
        let mut style = Style::Plain;
        for cell in row.get(same..).unwrap_or_default() {
            if cell.style != style {
                if style != Style::Plain && cell.style != Style::Plain {
                    out.extend_from_slice(Style::Plain.code().as_bytes());
                }
                out.extend_from_slice(cell.style.code().as_bytes());
                style = cell.style;
            }
            out.extend_from_slice(&cell.bytes);
            self.column += cell.width;
        }
        if style != Style::Plain {
            out.extend_from_slice(Style::Plain.code().as_bytes());
        }
        if width(before) > width(row) {
            out.extend_from_slice(b"\x1b[K");
        }
    }

    /// Moves the cursor; rows that are not there yet come into being at the bottom.
    fn go(&mut self, row: usize, column: usize, out: &mut Vec<u8>) {
        if row < self.row {
            let up = self.row - row;
            out.extend_from_slice(if up == 1 { "\x1b[A".to_owned() } else { format!("\x1b[{up}A") }.as_bytes());
        }
        if row > self.row {
            // the terminal's driver adds the way to the first column
            out.extend(std::iter::repeat_n(b'\n', row - self.row));
            self.column = 0;
        }
        self.row = row;
        if column == self.column && column < self.size.columns {
            return;
        }
        if column == 0 {
            out.push(b'\r');
        } else if column < self.column && self.column - column <= 4 && self.column < self.size.columns {
            out.extend(std::iter::repeat_n(8, self.column - column));
        } else if column > self.column {
            out.extend_from_slice(format!("\x1b[{}C", column - self.column).as_bytes());
        } else {
            out.extend_from_slice(format!("\r\x1b[{column}C").as_bytes());
        }
        self.column = column;
    }

    /// Leaves what is shown where it is and goes to a new row below it.
    pub fn leave(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        // behind a full row the cursor is on a new one already
        let [.., before, last] = self.rows.as_slice() else {
            self.go(self.rows.len(), 0, &mut out);
            *self = Self::new(self.size);
            return out;
        };
        let there = last.is_empty() && before.iter().map(|cell| cell.width).sum::<usize>() == self.size.columns;
        self.go(self.rows.len() - usize::from(there), 0, &mut out);
        *self = Self::new(self.size);
        out
    }

    /// Takes all of it from the terminal: the cursor is where the first row began.
    pub fn erase(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.go(0, 0, &mut out);
        out.extend_from_slice(b"\r\x1b[J");
        *self = Self::new(self.size);
        out
    }

    /// The same for the whole terminal.
    pub fn clear(&mut self) -> Vec<u8> {
        *self = Self::new(self.size);
        b"\x1b[H\x1b[2J".to_vec()
    }

    /// The terminal has another size now, and has wrapped its rows anew: takes all from it.
    pub fn resize(&mut self, size: Size) -> Vec<u8> {
        let cells = |rows: &[Row]| rows.iter().map(|row| row.iter().map(|cell| cell.width).sum::<usize>()).collect::<Vec<_>>();
        let above: usize = cells(self.rows.get(..self.row).unwrap_or_default()).iter().map(|width| width.div_ceil(size.columns).max(1)).sum();
        let within = self.column.saturating_sub(1) / size.columns;
        self.row = above + within;
        self.size = size;
        self.erase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view<'a>(prompt: &'a [(Style, String)], text: &'a [u8], at: usize) -> View<'a> {
        View { prompt, text, at, below: "" }
    }

    #[test]
    fn a_key_at_the_end_costs_one_byte() {
        let prompt = [(Style::Green, "x".to_owned()), (Style::Plain, "$ ".to_owned())];
        let mut screen = Screen::new(Size { rows: 5, columns: 10 });
        assert_eq!(screen.draw(view(&prompt, b"", 0)), b"\x1b[32mx\x1b[0m$ ");
        assert_eq!(screen.draw(view(&prompt, b"l", 1)), b"l");
        assert_eq!(screen.draw(view(&prompt, b"ls", 2)), b"s");
        assert_eq!(screen.draw(view(&prompt, b"ls", 0)), b"\x08\x08");
        assert_eq!(screen.draw(view(&prompt, b"s", 0)), b"s\x1b[K\x08");
        assert_eq!(screen.leave(), b"\n");
    }

    #[test]
    fn rows_wrap_as_the_terminals_do() {
        let mut screen = Screen::new(Size { rows: 5, columns: 4 });
        assert_eq!(screen.draw(view(&[], b"abcdefgh", 8)), b"abcdefgh\n");
        assert_eq!(screen.draw(view(&[], "abc漢".as_bytes(), 6)), "\x1b[2A\x1b[3C\x1b[K\n漢\x1b[K\n\x1b[J\x1b[A\x1b[2C".as_bytes());
        assert_eq!(screen.erase(), b"\x1b[A\r\r\x1b[J");
    }

    #[test]
    fn more_rows_than_there_are_show_the_cursor() {
        let mut screen = Screen::new(Size { rows: 2, columns: 10 });
        assert_eq!(screen.draw(view(&[], b"a\nb\nc", 5)), b"b\nc");
        assert_eq!(screen.draw(view(&[], b"a\nb\nc", 0)), b"\x1b[A\ra\nb\x1b[A\r");
    }
}
