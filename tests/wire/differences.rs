//! Where do we differ from what a corpus says? Each difference with its reason; `proxy::gate` tells why at length.

/// Cases of one corpus that come out otherwise than it says, alike, and for one reason.
struct Difference {
    corpus: &'static str,
    /// The code of the refusal, `answered`, or nothing where more is waited for.
    outcome: &'static str,
    why: &'static str,
    cases: &'static [&'static str],
}

/// How a case comes out, where that is not what its corpus says.
pub(super) fn of(corpus: &str, case: &str) -> Option<&'static str> {
    // The cases of the first corpus are told by their file and number; the rest of the name is its own description.
    let is_listed = |listed: &&str| {
        case.strip_prefix(*listed).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let differences = DIFFERENCES.iter().filter(|difference| difference.corpus == corpus);
    let mut found = differences.filter(|difference| difference.cases.iter().any(is_listed));
    found.next().map(|difference| difference.outcome)
}

/// Every case that is listed for a corpus, with the reason.
pub(super) fn listed(corpus: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    DIFFERENCES
        .iter()
        .filter(move |difference| difference.corpus == corpus)
        .flat_map(|difference| difference.cases.iter().map(|case| (*case, difference.why)))
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        corpus: "desync",
        outcome: "bad_transfer_encoding",
        why: "transfer codings besides one `chunked`, or parameters of it",
        cases: &[
            "more-compliant-tests 5",
            "more-compliant-tests 7",
            "more-compliant-tests 8",
            "more-compliant-tests 9",
            "rfc-compliant 8",
            "rfc-compliant 9",
            "rfc-compliant 10",
        ],
    },
    Difference {
        corpus: "desync",
        outcome: "bad_target",
        why: "characters that no target may hold unescaped, the fragment's sign among them",
        cases: &["rfc-compliant 11", "rfc-compliant 12"],
    },
    Difference {
        corpus: "desync",
        outcome: "bad_request_line",
        why: "a target must be there",
        cases: &["rfc-compliant 13"],
    },
    Difference {
        corpus: "desync",
        outcome: "bad_path",
        why: "escaped control characters in a path",
        cases: &[
            "uri-specific-test-cases 10",
            "uri-specific-test-cases 12",
            "uri-specific-test-cases 13",
        ],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "bad_host",
        why: "a Host that names no host",
        cases: &["valid 002", "valid 003"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "bad_target",
        why: "a fragment, quotes, bytes above 0x7e, user information",
        cases: &[
            "valid 005",
            "valid 009",
            "valid 014",
            "valid 027",
            "valid rfc9112_target_absolute_userinfo_01",
        ],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "body_not_allowed",
        why: "GET with a body",
        cases: &["valid 008", "valid 020", "valid rfc9110_body_framing_get_cl_nonzero_01"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "bad_transfer_encoding",
        why: "transfer codings besides one `chunked`",
        cases: &[
            "valid 025",
            "valid 025_line",
            "valid 029",
            "valid 030",
            "valid rfc9112_smuggle_gzip_chunked_01",
            "valid rfc9112_smuggle_te_identity_chunked_01",
        ],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "bad_field",
        why: "folded lines and a blank before the colon, which an option there allows",
        cases: &["valid 028", "valid compat_obs_fold", "valid compat_obs_fold_huge"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "method_not_served",
        why: "methods that no route lists, and CONNECT",
        cases: &[
            "valid 031",
            "valid 031compat",
            "valid 031compat2",
            "valid rfc9112_target_authority_connect_01",
            "valid rfc9112_target_authority_ipv6_01",
        ],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "look_alike_field",
        why: "an option there lets names with underscores be",
        cases: &["valid 040", "valid 040_compat"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "bad_path",
        why: "empty segments in a path",
        cases: &["valid 100"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "bad_request_line",
        why: "the PROXY protocol, which is for a listener that expects it",
        cases: &["valid pp_01", "valid pp_02", "valid pp_04", "valid pp_05"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "",
        why: "not complete: what is missing may still come",
        cases: &["invalid 001", "invalid rfc9112_chunked_missing_final_crlf_01", "valid 099"],
    },
    Difference {
        corpus: "gunicorn",
        outcome: "answered",
        why: "limits that their tests set lower, and fields that only they hold against each other",
        cases: &[
            "invalid 006",
            "invalid 007",
            "invalid 008",
            "invalid 010",
            "invalid 017",
            "invalid 019",
            "invalid 041",
            "invalid limit_header_default_01",
        ],
    },
    Difference {
        corpus: "llhttp",
        outcome: "answered",
        why: "what follows the end of a connection is not read; an upgrade that is not to a WebSocket is left out",
        cases: &["connection 2", "connection 8", "connection 9"],
    },
    Difference {
        corpus: "llhttp",
        outcome: "bad_content_length",
        why: "zeros before a length",
        cases: &["content-length 0", "content-length 1"],
    },
    Difference {
        corpus: "llhttp",
        outcome: "body_not_allowed",
        why: "GET with a body",
        cases: &["content-length 8"],
    },
    Difference {
        corpus: "llhttp",
        outcome: "",
        why: "not complete: what is missing may still come",
        cases: &["content-length 16", "invalid 18", "invalid 19", "transfer-encoding 10"],
    },
    Difference {
        corpus: "llhttp",
        outcome: "method_not_served",
        why: "methods that no route lists",
        cases: &[
            "method 0",
            "method 4",
            "method 6",
            "method 7",
            "method 8",
            "method 9",
            "method 10",
            "method 15",
        ],
    },
    Difference {
        corpus: "llhttp",
        outcome: "bad_request_line",
        why: "other protocols, and HTTP/0.9",
        cases: &["method 11", "method 12", "method 13", "sample 9"],
    },
    Difference {
        corpus: "llhttp",
        outcome: "bad_host",
        why: "a Host that names no host",
        cases: &["sample 2", "sample 3", "sample 8", "sample 14"],
    },
    Difference {
        corpus: "llhttp",
        outcome: "bad_target",
        why: "a fragment, quotes, pipes, user information, an authority that is not the Host",
        cases: &[
            "transfer-encoding 19",
            "transfer-encoding 20",
            "uri 0",
            "uri 2",
            "uri 3",
            "uri 4",
            "uri 5",
            "uri 7",
            "uri 9",
        ],
    },
];
