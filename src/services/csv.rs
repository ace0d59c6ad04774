//! Tables that leave the server as CSV (RFC 4180).

/// A line of cells.
#[must_use]
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n"
}

/// A cell that no spreadsheet takes for a formula.
#[must_use]
pub fn cell(text: &str) -> String {
    let harmless = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    format!("\"{}\"", harmless.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{cell, line};

    #[test]
    fn no_cell_is_taken_for_a_formula_or_breaks_its_line() {
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        for start in ['=', '+', '-', '@', '\t', '\r'] {
            assert!(cell(&format!("{start}1")).starts_with("\"'"));
        }
        assert_eq!(line(["a", "b,\"c\""]), "\"a\",\"b,\"\"c\"\"\"\r\n");
    }
}
