//! How does a peer's configuration get its addresses? Placeholders, and lines that are there once for each of many.

use std::net::SocketAddr;

/// The values of one of many.
pub(crate) type Item = Vec<(&'static str, String)>;

/// What is put in for `${NAME}`, and for which names lines are repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filling {
    values: Vec<(String, String)>,
    lists: Vec<(&'static str, Vec<Item>)>,
}

impl Filling {
    /// `${NAME}` is the value.
    pub(crate) fn value(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.push((name.to_owned(), value.into()));
        self
    }

    /// `${NAME}` is the address, `${NAME_HOST}` and `${NAME_PORT}` are its parts.
    pub(crate) fn address(self, name: &str, address: SocketAddr) -> Self {
        self.value(name, address.to_string())
            .value(&format!("{name}_HOST"), address.ip().to_string())
            .value(&format!("{name}_PORT"), address.port().to_string())
    }

    /// What follows `#each NAME ` in a line is there once for each item, with the item's own values.
    pub(crate) fn list(mut self, name: &'static str, items: Vec<Item>) -> Self {
        self.lists.push((name, items));
        self
    }

    /// The configuration. Whatever is not filled in is an error, with its name.
    pub(crate) fn fill(&self, template: &str) -> Result<String, String> {
        let mut text = String::with_capacity(template.len());
        for line in template.lines() {
            let Some((indent, rest)) = line.split_once("#each ") else {
                text += &replaced(line, &self.values);
                text.push('\n');
                continue;
            };
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let (_, items) = self
                .lists
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| format!("nothing is known of each {name}"))?;
            let rest = replaced(rest, &self.values);
            for item in items {
                text += indent;
                text += &replaced(&rest, item);
                text.push('\n');
            }
        }
        // Our names are in capitals; a server's own variables are not.
        let mut left = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
        match left.find(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')) {
            None => Ok(text),
            Some(name) => Err(format!("nothing is filled in for ${{{name}}}")),
        }
    }
}

fn replaced<N: AsRef<str>>(line: &str, values: &[(N, String)]) -> String {
    if !line.contains("${") {
        return line.to_owned();
    }
    values.iter().fold(line.to_owned(), |line, (name, value)| {
        line.replace(&format!("${{{}}}", name.as_ref()), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_and_lines_repeated() {
        let filling = Filling::default()
            .address("LISTEN", ([127, 0, 0, 1], 80).into())
            .value("ARM", "stable")
            .list("ROUTE", vec![vec![("ROUTE", "r0".into())], vec![("ROUTE", "r1".into())]]);
        let template = "listen ${LISTEN} ${LISTEN_PORT};\n  #each ROUTE location /${ROUTE}/ { ${ARM} $arm }\n# end";
        assert_eq!(
            filling.fill(template).unwrap(),
            "listen 127.0.0.1:80 80;\n  location /r0/ { stable $arm }\n  location /r1/ { stable $arm }\n# end\n"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = Filling::default().fill("a ${ORIGIN}").unwrap_err();
        assert_eq!(missing, "nothing is filled in for ${ORIGIN}");
        let missing = Filling::default().fill("#each ROUTE x").unwrap_err();
        assert_eq!(missing, "nothing is known of each ROUTE");
        assert!(Filling::default().fill("${nginx_own}").is_ok());
    }
}
