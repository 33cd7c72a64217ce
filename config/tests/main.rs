//! The crate from outside: files in, problems or a snapshot out.

#[cfg(test)]
mod bad;
#[cfg(test)]
mod good;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod live;
#[cfg(test)]
mod random;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod secrets;
