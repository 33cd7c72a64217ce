//! Do the formulas give what an independent implementation gives?

use serde_json::Value;

use super::absolute::smallest_passing;
use super::interval::{Weight, wilson_lower};
use super::{Exposures, HarmTest, Tallies, Tally};

/// As near as the oracle's own arithmetic allows.
const TOLERANCE: f64 = 1e-9;

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap()
}

fn count(case: &Value, key: &str) -> u64 {
    case[key].as_u64().unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, case: &Value) {
    // The oracle's 4e-19 is what its rounding left of nothing.
    let allowed = (TOLERANCE * expected.abs()).max(1e-18);
    assert!((found - expected).abs() <= allowed, "{found} instead of {expected} in {case}");
}

#[test]
fn bounds_of_a_proportion() {
    let cases = vectors(include_str!("../../cases/stats/proportion_intervals.json"));
    assert!(cases.len() > 20);
    for case in cases {
        let (seen, alpha) =
            (Tally::new(count(&case, "x"), count(&case, "n")), number(&case, "one_sided_alpha"));
        close(Weight::of(seen).lower_bound(alpha), number(&case, "cp_lo"), &case);
        close(Weight::of(seen).upper_bound(alpha), number(&case, "cp_hi"), &case);
        close(wilson_lower(seen, alpha), number(&case, "wilson_lo"), &case);
    }
}

#[test]
fn smallest_samples_for_a_limit() {
    let cases = vectors(include_str!("../../cases/stats/min_sample_absolute_gate.json"));
    assert!(cases.len() > 20);
    for case in cases {
        let found = smallest_passing(count(&case, "failures"), number(&case, "limit"), 1.0);
        assert_eq!(found, Some(count(&case, "min_n_upper95_below_limit")), "{case}");
    }
}

#[test]
fn paths_of_the_test_of_harm() {
    let cases = vectors(include_str!("../../cases/stats/mixture_sprt_log_e.json"));
    assert!(cases.len() > 5);
    for case in cases {
        let mut test = HarmTest::new(number(&case, "R"));
        let (ticks, path) =
            (case["ticks_xc_nc_xb_nb"].as_array().unwrap(), case["log_e_path"].as_array().unwrap());
        assert_eq!(ticks.len(), path.len());
        for (tick, expected) in ticks.iter().zip(path) {
            let at = |place: usize| tick[place].as_u64().unwrap();
            let seen =
                Tallies { candidate: Tally::new(at(0), at(1)), stable: Tally::new(at(2), at(3)) };
            test.add(&seen, Exposures::of_requests(&seen), number(&case, "phi"));
            close(test.log_e(), expected.as_f64().unwrap(), &case);
        }
        let fails = test.log_e() >= (1.0_f64 / 0.01).ln();
        assert_eq!(Some(fails), case["fails_at_alpha_01"].as_bool(), "{case}");
    }
}
