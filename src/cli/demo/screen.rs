//! Where the demo's figures go: redrawn on a terminal, a line a second in a pipe.

use std::io::{self, Write};

use console::Term;

use super::view::{Figures, Scene, block, line};

/// The terminal or the pipe.
pub(super) struct Screen {
    term: Term,
    scene: Scene,
    drawn: usize,
}

impl Screen {
    pub(super) fn new(scene: Scene) -> Screen {
        Screen { term: Term::stdout(), scene, drawn: 0 }
    }

    /// Shows the figures; an error says that nobody reads them any more.
    pub(super) fn show(&mut self, figures: &Figures) -> io::Result<()> {
        if !self.term.is_term() {
            return writeln!(io::stdout(), "{}", line(figures));
        }
        let width = usize::from(self.term.size().1).saturating_sub(1).max(20);
        let lines = block(&self.scene, figures);
        self.term.clear_last_lines(self.drawn)?;
        for line in &lines {
            self.term.write_line(&console::truncate_str(line, width, "…"))?;
        }
        self.drawn = lines.len();
        Ok(())
    }

    /// Says something once; the figures are drawn below it.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        writeln!(io::stdout(), "{text}")
    }
}
