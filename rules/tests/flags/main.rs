//! Which variant does a tenant have? [`cases`] are tables and properties.

#[cfg(test)]
mod cases;
