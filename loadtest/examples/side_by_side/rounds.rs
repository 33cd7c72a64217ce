//! In which order is everybody asked? One right after the other in each round, each round begun by another, so that whatever
//! else the machine does falls on all alike; what counts are the ratios within a round.

use crate::contestant::{Contestant, Entry};
use crate::outcome::{Case, Result, Row};

/// Asks all of them in so many rounds, and in one more before that is not counted.
pub(crate) async fn interleave(
    title: &str,
    entries: &[Entry],
    rounds: usize,
    once: impl AsyncFn(&Contestant) -> Result<Vec<f64>>,
) -> Case {
    println!("    {title}");
    let mut rows: Vec<Row> = entries.iter().map(begin).collect();
    for round in 0..=rounds {
        let order = (0..entries.len()).map(|place| (place + round) % entries.len());
        for (entry, row) in order.filter_map(|at| Some((entries.get(at)?, at))) {
            let Some(row) = rows.get_mut(row) else { continue };
            let (Ok(contestant), Ok(seen)) = (&entry.contestant, &mut row.rounds) else { continue };
            match once(contestant).await {
                Ok(values) if round > 0 => seen.push(values),
                Ok(_) => {}
                Err(error) => row.rounds = Err(error.to_string()),
            }
        }
    }
    Case { title: title.to_owned(), at: 0.0, rows }
}

fn begin(entry: &Entry) -> Row {
    let rounds = match &entry.contestant {
        Ok(_) => Ok(Vec::new()),
        Err(why) => Err(why.clone()),
    };
    Row { who: entry.who.clone(), rounds }
}
