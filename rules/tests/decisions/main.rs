//! Tables of cases and properties: which route, which arm, which path, and why.
//!
//! [`world`] builds a snapshot from a table's text, [`request`] a request; [`tables`] runs `cases/*.json`, [`kong`] a
//! Kong configuration's expectations, [`properties`] compares matching with a search through all routes, and [`hosts`]
//! tells which hosts lead alike.

#[cfg(test)]
mod hosts;
#[cfg(test)]
mod kong;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod request;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod world;
#[cfg(test)]
mod written;
