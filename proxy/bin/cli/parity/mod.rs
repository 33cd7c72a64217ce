//! How alike are the arms, and how sure is that? `parity`, on the terminal, as long as somebody watches, or as a report.
//!
//! - `ask`: the command, and what is asked of the server; `answer`: the parts of the answers that people are shown;
//! - `text`: a route at a glance; `overview`: all routes; `words`: how rates and differences are written;
//! - `report`: one page for a meeting, as HTML, Markdown or JSON.

mod answer;
mod ask;
mod overview;
mod report;
mod text;
mod words;

pub(crate) use answer::{Signature, Suggestion};
pub(crate) use ask::{ParityArgs, run};
pub(crate) use words::{place, rate, what};
