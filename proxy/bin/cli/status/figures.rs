//! How are figures written so that people grasp them?

/// A ratio as a percentage that tells little from none.
pub(crate) fn percent(ratio: f64) -> String {
    match ratio * 100.0 {
        percent if percent <= 0.0 => "0%".to_owned(),
        percent if percent < 0.01 => "<0.01%".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2}%"),
        percent if ratio < 1.0 && percent > 99.95 => ">99.9%".to_owned(),
        percent if ratio < 1.0 => format!("{percent:.1}%"),
        _ => "100%".to_owned(),
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count for arithmetic: exact far beyond what is ever counted here.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and only shown")]
pub(crate) fn whole(number: u64) -> f64 {
    number as f64
}

pub(crate) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_told_from_none_and_much_from_all() {
        for (ratio, text) in [
            (0.0, "0%"),
            (0.000_05, "<0.01%"),
            (0.003_2, "0.32%"),
            (0.25, "25.0%"),
            (0.999_99, ">99.9%"),
            (1.0, "100%"),
        ] {
            assert_eq!(percent(ratio), text);
        }
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(999.0), "999");
        assert_eq!(
            (milliseconds(1.25), milliseconds(12_345.0)),
            ("1.2 ms".into(), "12.3 s".into())
        );
    }
}
