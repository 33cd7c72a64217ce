//! How are secrets fetched? Once, while reading, so that compiling needs neither files nor environment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Source;
use crate::compile::Pointer;
use crate::document::forms::HeaderText;
use crate::document::listener::{CertificateSpec, ClientAuthSpec};
use crate::document::route::HeaderEditsSpec;
use crate::document::secret::{Secret, SecretRef};
use crate::document::{Document, ExternalSpec};
use crate::problem::Problem;

/// Larger files are not secrets or certificates.
const LARGEST: u64 = 1 << 20;

/// Fetches every secret that the document refers to. What cannot be had is told by its place, never by its value.
pub(super) fn fetch(
    document: &Document,
    source: &Source<'_>,
    problems: &mut Vec<Problem>,
) -> HashMap<SecretRef, Secret> {
    let mut secrets = HashMap::new();
    for (pointer, reference) in references(document) {
        if secrets.contains_key(reference) {
            continue;
        }
        match fetch_one(reference, source) {
            Ok(secret) => drop(secrets.insert(reference.clone(), secret)),
            Err((code, message)) => problems.push(pointer.problem(code, message)),
        }
    }
    secrets
}

/// The files that a document refers to, each once, in the order in which it does.
pub(super) fn files(document: &Document) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (_, reference) in references(document) {
        let SecretRef::File(path) = reference else { continue };
        let path = document.origin.base.join(path);
        if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

fn references(document: &Document) -> Vec<(Pointer, &SecretRef)> {
    let mut found = Vec::new();
    if let Some(redis) = &document.store.redis {
        let at = Pointer::root().key("store").key("redis");
        found.extend(redis.password.iter().map(|password| (at.key("password"), password)));
        let ca = redis.tls.iter().filter_map(|tls| tls.ca.as_ref());
        found.extend(ca.map(|ca| (at.key("tls").key("ca"), ca)));
    }
    if let Some(samples) = &document.samples {
        found.push((Pointer::root().key("samples").key("key"), &samples.key));
    }
    for (place, listener) in document.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        let at = Pointer::root().key("listeners").item(place).key("tls");
        found.extend(in_server(&at, &tls.certificates, tls.clients.as_ref()));
    }
    let of_services = document.ofrep.as_ref().and_then(|ofrep| ofrep.tls.as_ref());
    for (key, tls) in [
        ("control", document.control.tls.as_ref()),
        ("status", document.status.tls.as_ref()),
        ("ofrep", of_services),
    ] {
        let Some(tls) = tls else { continue };
        let at = Pointer::root().key(key).key("tls");
        found.extend(in_server(&at, &tls.certificates, tls.clients.as_ref()));
    }
    for (name, issuer) in &document.issuers {
        let at = Pointer::root().key("issuers").key(name);
        found.extend(issuer.keys.as_ref().map(|keys| (at.key("keys"), keys)));
        let ca = issuer.keys_from.as_ref().and_then(|from| from.ca.as_ref());
        found.extend(ca.map(|ca| (at.key("keys_from").key("ca"), ca)));
    }
    for (name, upstream) in &document.upstreams {
        let Some(tls) = &upstream.tls else { continue };
        let at = Pointer::root().key("upstreams").key(name).key("tls");
        found.extend(tls.ca.as_ref().map(|ca| (at.key("ca"), ca)));
        found.extend(tls.client.iter().flat_map(|own| in_certificate(&at.key("client"), own)));
    }
    for (name, external) in &document.externals {
        found.extend(in_external(&Pointer::root().key("externals").key(name), external));
    }
    for (name, route) in &document.routes {
        let at = Pointer::root().key("routes").key(name);
        for (key, edits) in [
            ("request_headers", &route.request_headers),
            ("response_headers", &route.response_headers),
        ] {
            found.extend(in_edits(&at.key(key), edits));
        }
    }
    found
}

fn in_external<'d>(at: &Pointer, spec: &'d ExternalSpec) -> Vec<(Pointer, &'d SecretRef)> {
    let url = match &spec.url {
        HeaderText::Secret(reference) => Some((at.key("url"), reference)),
        HeaderText::Text(_) => None,
    };
    let own = [("bearer", &spec.bearer), ("ca", &spec.ca), ("signed_with", &spec.signed_with)];
    let own = own.into_iter().filter_map(|(key, one)| Some((at.key(key), one.as_ref()?)));
    let headers = spec.headers.iter().filter_map(|(name, value)| match value {
        HeaderText::Secret(reference) => Some((at.key("headers").key(name), reference)),
        HeaderText::Text(_) => None,
    });
    url.into_iter().chain(own).chain(headers).collect()
}

fn in_server<'d>(
    at: &Pointer,
    certificates: &'d [CertificateSpec],
    clients: Option<&'d ClientAuthSpec>,
) -> Vec<(Pointer, &'d SecretRef)> {
    let certificates = certificates.iter().enumerate();
    let own = certificates
        .flat_map(|(place, one)| in_certificate(&at.key("certificates").item(place), one));
    own.chain(clients.map(|clients| (at.key("clients").key("ca"), &clients.ca))).collect()
}

fn in_certificate<'d>(at: &Pointer, spec: &'d CertificateSpec) -> [(Pointer, &'d SecretRef); 2] {
    [(at.key("cert"), &spec.cert), (at.key("key"), &spec.key)]
}

fn in_edits<'d>(at: &Pointer, edits: &'d HeaderEditsSpec) -> Vec<(Pointer, &'d SecretRef)> {
    let both = [("set", &edits.set), ("add", &edits.add)];
    let fields =
        both.into_iter().flat_map(|(key, fields)| fields.iter().map(move |field| (key, field)));
    fields
        .filter_map(|(key, (name, value))| match value {
            HeaderText::Secret(reference) => Some((at.key(key).key(name), reference)),
            HeaderText::Text(_) => None,
        })
        .collect()
}

fn fetch_one(reference: &SecretRef, source: &Source<'_>) -> Result<Secret, (&'static str, String)> {
    match reference {
        SecretRef::Env(name) => {
            let value = (source.env)(name).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| {
                ("missing_variable", format!("environment variable `{name}` is not set"))
            })?;
            Ok(Secret::new(value.into_bytes()))
        }
        SecretRef::File(path) => {
            let unreadable =
                |why: String| ("unreadable_file", format!("file `{path}` cannot be read: {why}"));
            let bytes =
                read_file(&source.base.join(path)).map_err(|error| unreadable(in_words(&error)))?;
            let without_newline = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let value = without_newline.strip_suffix(b"\r").unwrap_or(without_newline);
            if value.is_empty() {
                return Err(unreadable("it is empty".to_owned()));
            }
            Ok(Secret::new(value))
        }
    }
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    if about.len() > LARGEST {
        return Err(std::io::Error::other("it is larger than 1MiB"));
    }
    std::fs::read(path)
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
