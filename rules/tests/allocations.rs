//! Does a decision leave the heap alone?

#[cfg(test)]
mod scale;

#[cfg(test)]
mod allocations {
    use super::scale;
    use rules::lookalike::Names;
    use rules::normal::normal;
    use rules::route::Arm;
    use rules::upstream::Outcome;
    use rules::{Verdict, decide};

    #[test]
    fn a_path_in_normal_form_is_looked_at_without_allocating() {
        for path in
            ["/", "/v1/service-0/items/42", "/.well-known/x", "/a%20b%C3%A9/50%25fat", "/a%252F"]
        {
            let counted = allocation_counter::measure(|| assert!(normal(path).is_ok(), "{path}"));
            assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{path}");
        }
    }

    #[test]
    fn a_header_is_looked_up_among_those_of_tenants_without_allocating() {
        let names: Names = (0..100)
            .map(|n| format!("x-tenant-{n}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect();
        let counted = allocation_counter::measure(|| {
            assert!(names.contain(b"X_Tenant.42") && !names.resemble(b"accept"));
        });
        assert_eq!(counted.count_total, 0);
    }

    #[test]
    fn a_decision_allocates_nothing_where_no_path_is_rewritten() {
        let snapshot = scale::snapshot(1_000, 1_000);
        let headers = scale::headers("tenant-000007");
        for (host, path, served) in [
            ("api0.example.org", "/v1/service-0/items/42", true),
            ("API9.example.org:8443", "/v1/service-999/items", true),
            ("api0.example.org", "/legacy/service-300/42/x", true),
            ("api0.example.org", "/v1/service-1/items", false),
            ("other.example.org", "/v1/service-1/items", false),
        ] {
            let facts = scale::facts(&headers, host, path);
            // Regular expressions set their working memory aside when they are first used, once per table.
            let mut decided = Some(decide(&snapshot, &facts));
            let counted = allocation_counter::measure(|| decided = Some(decide(&snapshot, &facts)));
            assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{host}{path}");
            let Some(Verdict::Forward(decision)) = decided else {
                assert!(!served, "{host}{path}");
                continue;
            };
            let route = snapshot.table.route(decision.route).unwrap();
            let paths = allocation_counter::measure(|| {
                for arm in Arm::ALL {
                    assert_eq!(decision.path_on(arm, route, path), path);
                }
            });
            assert_eq!(paths.count_total, 0, "{host}{path}");
        }
    }

    #[test]
    fn an_attempt_allocates_nothing() {
        let upstream = scale::upstream(5);
        // The first attempt may set things aside.
        drop(upstream.attempt(0, None));
        let counted = allocation_counter::measure(|| {
            for now_ms in 0..100 {
                let (mut attempt, _) = upstream.attempt(now_ms, None).unwrap();
                attempt.connected();
                attempt.end(
                    if now_ms % 3 == 0 { Outcome::Failed } else { Outcome::Answered(200) },
                    now_ms,
                );
                let again = upstream.attempt(now_ms, attempt.target());
                drop((upstream.retry(), again));
            }
        });
        assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
    }
}
