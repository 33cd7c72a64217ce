//! Who has which variant of a flag? `turnout flag` shows and changes it.
//!
//! [`ask`] is what can be asked, [`shown`] how flags look.

mod ask;
mod shown;

pub(crate) use ask::{FlagCommand, run};
pub(crate) use shown::FlagAnswer;
