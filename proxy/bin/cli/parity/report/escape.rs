//! How does a text that services chose become part of a page, and never its markup?

use std::fmt;

/// A text within HTML, or within an attribute's double quotes.
pub(super) struct Html<'t>(pub(super) &'t str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// A text within a cell of a Markdown table.
pub(super) struct Cell<'t>(pub(super) &'t str);

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => write!(f, "\\{character}")?,
                '<' => f.write_str("&lt;")?,
                '\n' | '\r' => f.write_str(" ")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        assert_eq!(
            Html("<b class=\"x\">&'").to_string(),
            "&lt;b class=&quot;x&quot;&gt;&amp;&#39;"
        );
        assert_eq!(Cell("/items/*/a_b|<i>\n").to_string(), "/items/\\*/a\\_b\\|&lt;i> ");
    }
}
