//! Which variant does a tenant have? [`cases`] are tables and properties, [`steady`] is about what everybody has.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod steady;
